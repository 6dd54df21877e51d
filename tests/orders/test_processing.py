"""处理: a new order's goods are promised to it."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel.acting import acting
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from inventory.models import Reservation, StockLevel
from orders.models import Line, Order, Status
from orders.services.fulfilment import process_order, process_orders
from orders.services.lifecycle import Refused
from tests.database import unchanged
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, decide, receive

pytestmark = pytest.mark.django_db


def status_of(order: Any) -> str:
    return str(Order.objects.get(pk=order.pk).status)


def test_goods_are_reserved_and_services_and_fees_need_none(salesperson: Any) -> None:
    goods, work = ProductFactory(), ProductFactory(service=True)
    order = OrderFactory(lines=[(goods, 3, None), (work, 2, None)], shipping_fee=10)
    receive({goods: 5})

    process_order(order.pk, decision=decide(salesperson))

    assert status_of(order) == Status.PROCESSING
    assert list(Reservation.objects.values_list("line__no", "quantity", "order")) == [(1, 3, order.pk)]
    assert StockLevel.objects.get(product=goods).reserved == 3


def test_the_outcome_says_what_was_reserved_where(salesperson: Any) -> None:
    product = ProductFactory(sku="P1")
    order = OrderFactory(lines=[(product, 2, None)])
    warehouse = receive({product: 2}).warehouse

    outcome = process_order(order.pk, decision=decide(salesperson))

    (take,) = outcome.effects
    assert (take.sku, take.quantity, take.warehouse) == ("P1", 2, warehouse.name)
    with override("en"):
        assert take.describe() == f"2 of P1 are reserved in {warehouse.name}."


def test_an_order_that_lacks_stock_is_refused_with_every_shortage(salesperson: Any) -> None:
    first, second, enough = ProductFactory(sku="A"), ProductFactory(sku="B"), ProductFactory(sku="C")
    order = OrderFactory(lines=[(first, 3, None), (second, 2, None), (enough, 1, None)])
    receive({first: 1, enough: 1})

    with unchanged(), pytest.raises(Refused) as refused:
        process_order(order.pk, decision=decide(salesperson))

    assert refused.value.blockers == ["inventory.not_enough_stock"]
    (finding,) = refused.value.outcome.blockers
    assert [(short.sku, short.wanted.value, short.available.value) for short in finding.params["shortages"]] == [
        ("A", 3, 1),
        ("B", 2, 0),
    ]


def test_a_shop_that_allows_backorder_lets_the_rest_wait(salesperson: Any) -> None:
    product = ProductFactory()
    order = OrderFactory(shop=ShopFactory(allows_backorder=True), lines=[(product, 3, None)])
    receive({product: 1})

    process_order(order.pk, decision=decide(salesperson))

    assert status_of(order) == Status.PROCESSING
    assert Reservation.objects.get(order=order).quantity == 1


def test_what_an_earlier_order_takes_is_gone_for_a_later_one(salesperson: Any) -> None:
    product = ProductFactory()
    first, second, third = (OrderFactory(lines=[(product, quantity, None)]) for quantity in (2, 2, 1))
    receive({product: 3})

    outcomes = process_orders([third.pk, second.pk, first.pk], decision=decide(salesperson))

    assert [outcome.order_id for outcome in outcomes.done] == [first.pk, third.pk]
    assert outcomes[second.pk].codes == ["inventory.not_enough_stock"]
    assert [status_of(order) for order in (first, second, third)] == ["processing", "new", "processing"]


def test_an_order_without_lines_is_not_processed(salesperson: Any) -> None:
    order = OrderFactory()
    with acting(decide(salesperson)):
        Line.objects.filter(order=order).delete()

    with pytest.raises(Refused) as refused:
        process_order(order.pk, decision=decide(salesperson))

    assert refused.value.blockers == ["orders.has_no_lines"]


def test_an_order_is_processed_once(salesperson: Any) -> None:
    order = OrderFactory(processing=True)

    with unchanged(), pytest.raises(Refused) as refused:
        process_order(order.pk, decision=decide(salesperson))

    assert "orders.wrong_state" in refused.value.blockers


def test_processing_is_told_to_others_and_grows_the_version(salesperson: Any) -> None:
    order = OrderFactory(services_only=True)

    process_order(order.pk, decision=decide(salesperson))

    assert Order.objects.get(pk=order.pk).version == order.version + 1
    event = OutboxEvent.objects.get(topic="order.process", subject_id=str(order.pk))
    assert event.payload["status"] == Status.PROCESSING


def test_without_the_permission_an_order_in_scope_is_forbidden_and_any_other_not_found() -> None:
    own, foreign = OrderFactory(shop=ShopFactory()), OrderFactory(shop=ShopFactory())
    user = UserFactory(shops=[own.shop])

    with unchanged():
        with pytest.raises(Forbidden) as forbidden:
            process_order(own.pk, decision=decide(user))
        with pytest.raises(NotFound):
            process_order(foreign.pk, decision=decide(user))

    assert forbidden.value.params["permission"] == "orders.process_order"


def test_with_the_permission_an_order_out_of_scope_is_not_found_and_the_others_are_processed() -> None:
    own, foreign = OrderFactory(shop=ShopFactory()), OrderFactory(shop=ShopFactory())
    user = UserFactory(role="salesperson", shops=[own.shop])
    receive(dict.fromkeys((line.product for line in Line.objects.select_related("product")), Decimal(10)))

    outcomes = process_orders([own.pk, foreign.pk, 0], decision=decide(user))

    assert [outcome.order_id for outcome in outcomes.done] == [own.pk]
    assert [outcome.codes for outcome in outcomes.refused] == [["kernel.not_found"], ["kernel.not_found"]]
    assert status_of(foreign) == Status.NEW
