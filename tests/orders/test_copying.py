"""复制为新订单: what was shipped is sent once more, free of charge, as an order of its own."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.errors import Changed, Forbidden, NotFound
from erp.kernel.models import OutboxEvent, system
from orders import selectors
from orders.models import Customer, Order, PaymentStatus, Status, Terms
from orders.services import proof
from orders.services.catalogue import ReasonDoesNotApply
from orders.services.copying import MethodInactive, MoreThanShipped, NoSuchLine, NothingToCopy, copy_order
from orders.services.fulfilment import process_order
from orders.services.placing import FractionOfPiece
from tests.database import unchanged
from tests.factories import CustomerFactory, OrderFactory, ProductFactory, ShopFactory, UserFactory, decide, receive
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


def lines(order: Any) -> list[tuple[str, Decimal, Decimal]]:
    return list(order.lines.order_by("no").values_list("sku", "quantity", "amount"))


@pytest.mark.parametrize("stage", ["shipped", "completed", "closed"])
@pytest.mark.parametrize("reason", ["EX01", "EX02"])
def test_the_goods_are_ordered_again_at_price_0_and_both_orders_know_of_each_other(
    salesperson: Any, stage: str, reason: str
) -> None:
    laptop, hours = ProductFactory(sku="A"), ProductFactory(sku="B", service=True)
    order = OrderFactory(
        lines=[(laptop, 2, None), (hours, 3, None)],
        shipping_fee=10,
        customer={"name": "王芳", "phone": "13812345678"},
        shipping_address={"city": "杭州市"},
        **{stage: True},
    )

    copy = copy_order(order.pk, decision=decide(salesperson, reason=reason, note="屏幕碎裂"))

    assert (copy.copied_from_id, copy.copy_reason, copy.status, copy.total) == (order.pk, reason, Status.NEW, 0)
    assert lines(copy) == [("A", 2, 0), ("B", 3, 0)]
    assert (copy.customer_id, copy.customer_phone) == (order.customer_id, "13812345678")
    assert (copy.shipping_address, copy.shipping_method) == ({"city": "杭州市"}, order.shipping_method)
    assert copy.payment_status == PaymentStatus.NOT_DUE
    assert selectors.copies(order, salesperson) == [copy]
    assert Customer.objects.count() == 1
    row = copy.history.get()
    assert (row.history_change_reason, row.actor_name) == (f"{reason} 屏幕碎裂", salesperson.name)
    assert OutboxEvent.objects.get(topic="order.copy").payload["copy"] == copy.number


def test_only_a_part_is_sent_again(salesperson: Any) -> None:
    order = OrderFactory(shipped=True, line_count=2)

    copy = copy_order(order.pk, quantities={2: Decimal(1)}, decision=decide(salesperson, reason="EX02"))

    assert [line.quantity for line in copy.lines.all()] == [1]
    assert copy.lines.get().sku == order.lines.get(no=2).sku


def deactivate(row: Any) -> None:
    row.is_active = False
    with acting(decide(system())):
        row.save()


def test_another_method_is_chosen_where_the_first_one_is_not_used_any_more(salesperson: Any) -> None:
    order = OrderFactory(shipped=True)
    deactivate(order.shipping_method)
    decision = decide(salesperson, reason="EX01")

    with unchanged(), pytest.raises(MethodInactive, match=str(order.shipping_method)):
        copy_order(order.pk, decision=decision)
    copy = copy_order(order.pk, shipping_method="FREIGHT", decision=decision)

    assert copy.shipping_method.code == "FREIGHT"


def test_a_customer_who_is_not_sold_to_any_more_still_gets_what_is_owed(salesperson: Any) -> None:
    customer = CustomerFactory(code="C1")
    order = OrderFactory(shipped=True, shop=customer.shop, customer={"code": "C1", "name": customer.name})
    deactivate(customer)

    copy = copy_order(order.pk, decision=decide(salesperson, reason="EX01"))

    assert copy.customer == customer


def test_it_is_processed_without_payment_even_where_orders_are_prepaid(salesperson: Any) -> None:
    product = ProductFactory()
    order = OrderFactory(shop=ShopFactory(terms=Terms.PREPAID), lines=[(product, 1, None)], shipped=True, paid=True)
    receive({product: 1})
    copy = copy_order(order.pk, decision=decide(salesperson, reason="EX01"))

    process_order(copy.pk, decision=decide(salesperson))

    assert Order.objects.get(pk=copy.pk).status == Status.PROCESSING


def test_what_cannot_be_sent_again_is_refused(salesperson: Any) -> None:
    unshipped, shipped = OrderFactory(packed=True), OrderFactory(shipped=True, shipping_fee=10)
    decision = decide(salesperson, reason="EX01")

    with unchanged():
        for order, quantities, error in (
            (unshipped, None, NothingToCopy),
            (shipped, {}, NothingToCopy),
            (shipped, {3: Decimal(1)}, NoSuchLine),
            (shipped, {1: Decimal(3)}, MoreThanShipped),
            (shipped, {1: Decimal("0.5")}, FractionOfPiece),
        ):
            with pytest.raises(error):
                copy_order(order.pk, quantities=quantities, decision=decision)


def test_the_same_form_sent_twice_copies_once(salesperson: Any) -> None:
    order = OrderFactory(closed=True)
    decision = decide(salesperson, reason="EX01")
    copy_order(order.pk, decision=decision, version=order.version)

    with unchanged(), pytest.raises(Changed):
        copy_order(order.pk, decision=decision, version=order.version)


def test_copying_needs_a_reason_its_permission_and_an_order_in_scope(salesperson: Any, service: Any) -> None:
    order = OrderFactory(shipped=True)
    stranger = UserFactory(role="salesperson", shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(ReasonDoesNotApply):
            copy_order(order.pk, decision=decide(salesperson, reason="CL01"))
        with pytest.raises(Forbidden):
            copy_order(order.pk, decision=decide(service, reason="EX01"))
        with pytest.raises(NotFound):
            copy_order(order.pk, decision=decide(stranger, reason="EX01"))


def test_queries_do_not_grow_with_lines(salesperson: Any) -> None:
    counts = []
    for size in (1, 30):
        order = OrderFactory(shipped=True, line_count=size)
        with count_queries() as statements:
            copy_order(order.pk, decision=decide(salesperson, reason="EX01"))
        counts.append(len(statements))

    assert counts[0] >= counts[1]
    assert counts[1] <= 20


@pytest.mark.parametrize("columns", [{"copy_reason": "EX01"}, {"copied_from": "itself"}], ids=str)
def test_a_copy_without_reason_or_of_nothing_is_refused_by_the_database(columns: dict[str, Any]) -> None:
    order = OrderFactory(zero_value=True)
    if "copied_from" in columns:
        columns = {"copied_from": order}

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**columns)
