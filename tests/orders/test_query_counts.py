"""Queries are what an act costs: their number is bounded, and grows neither with orders nor with lines."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.models import User
from finance.services.payments import PaymentDraft, confirm_payment, report_payment
from logistics.models import Shipment
from logistics.services.drafting import pack_orders
from logistics.services.shipping import Waybill, dispatch_shipment
from orders.services import lifecycle
from orders.services.closing import close_order, close_orders
from orders.services.fulfilment import complete_order, complete_orders, process_order, process_orders
from orders.services.placing import CustomerDraft, place_order
from orders.services.reviewing import review_order
from tests.factories import (
    CarrierFactory,
    CustomerFactory,
    OrderFactory,
    ProductFactory,
    ShopFactory,
    actor,
    decide,
    receive,
)
from tests.orders.drafts import draft, line
from tests.support import count_queries

pytestmark = pytest.mark.django_db

ONE_CLOSE = 24
LIFECYCLE = 110


def warm(role: str) -> User:
    """As within one request: a user's permissions are read once, before the act."""
    user = actor(role)
    user.has_perm("orders.all_shops")
    return user


def count(act: Callable[[], object]) -> int:
    with count_queries() as statements:
        act()
    return len(statements)


def close(orders: list[Any]) -> int:
    decision = decide(warm("closer"), reason="CL01")

    def act() -> None:
        assert not close_orders([order.pk for order in orders], decision=decision).refused

    return count(act)


def test_one_close_is_within_its_budget_and_a_batch_of_a_hundred_costs_four_more_at_most() -> None:
    orders = OrderFactory.create_batch(111, reviewed=True, line_count=3)

    one, ten, hundred = close(orders[:1]), close(orders[1:11]), close(orders[11:])

    assert one <= ONE_CLOSE
    assert ten <= one + 4
    assert hundred <= one + 4


def test_three_hundred_lines_close_with_as_many_queries_as_three() -> None:
    small = OrderFactory(reviewed=True, line_count=3)
    large = OrderFactory(reviewed=True, line_count=300)

    assert close([small]) == close([large])


def test_a_preview_of_thirty_orders_costs_as_much_as_one() -> None:
    orders = OrderFactory.create_batch(31, reviewed=True)
    decision = decide(warm("closer"))

    def preview(chosen: list[Any]) -> int:
        return count(lambda: lifecycle.preview("close", [order.pk for order in chosen], decision))

    assert preview(orders[:1]) == preview(orders[1:])


def new_orders() -> list[Any]:
    product = ProductFactory()
    receive({product: 100})
    return list(OrderFactory.create_batch(31, lines=[(product, 2, None)]))


def shipped_orders() -> list[Any]:
    return list(OrderFactory.create_batch(31, shipped=True))


@pytest.mark.parametrize(
    ("make", "act", "role"),
    [(new_orders, process_orders, "salesperson"), (shipped_orders, complete_orders, "service")],
    ids=["process", "complete"],
)
def test_thirty_orders_cost_as_much_as_one(make: Any, act: Any, role: str) -> None:
    orders = make()
    decision = decide(warm(role))

    def acting(chosen: list[Any]) -> int:
        return count(lambda: act([order.pk for order in chosen], decision=decision))

    assert acting(orders[:1]) == acting(orders[1:])


def test_a_whole_life_is_within_its_budget() -> None:
    """Placed, processed, packed, dispatched, paid, completed and thereby delivered, reviewed three times, closed."""
    people = {
        role: warm(role)
        for role in ("salesperson", "keeper", "logistician", "cashier", "accountant", "service", "closer")
    }
    shop, carrier = ShopFactory(), CarrierFactory()
    CustomerFactory(shop=shop, code="K1")
    products = ProductFactory.create_batch(3)
    receive(dict.fromkeys(products, Decimal(10)))
    order_draft = draft(
        shop,
        *(line(product, "2") for product in products),
        customer=CustomerDraft("王芳", code="K1"),
        shipping_method="EXPRESS",
    )

    def live() -> None:
        order = place_order(order_draft, decision=decide(people["salesperson"])).order
        assert order
        process_order(order.pk, decision=decide(people["salesperson"]))
        (shipment,) = pack_orders([order.pk], decision=decide(people["keeper"]))
        dispatch_shipment(shipment.pk, decision=decide(people["logistician"]), waybill=Waybill(carrier.code, "T1"))
        payment_draft = PaymentDraft(order.pk, "alipay", "R1", order.total)
        payment = report_payment(payment_draft, decision=decide(people["cashier"]))
        confirm_payment(payment.pk, decision=decide(people["accountant"]))
        complete_order(order.pk, decision=decide(people["service"]))
        for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
            review_order(order.pk, block, decision=decide(people[role]))
        close_order(order.pk, decision=decide(people["closer"], reason="CL01"))

    assert count(live) <= LIFECYCLE
    assert Shipment.objects.get().order.status == "closed"
