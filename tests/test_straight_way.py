"""The way of an order that meets no obstacle, and what must hold at its end."""

import pytest

from erp.kernel import invariants
from orders.models import ClosingRecord, PaymentStatus, ShippingStatus, Status
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db


def test_an_order_goes_from_new_to_closed() -> None:
    order = OrderFactory(closed=True)

    assert order.status == Status.CLOSED
    assert order.shipping_status == ShippingStatus.ALL_SHIPPED
    assert order.payment_status == PaymentStatus.PAID
    assert ClosingRecord.objects.filter(order=order).count() == 1


@pytest.mark.parametrize(
    "situation",
    [
        {"closed": True, "shipping_fee": 10, "discount": 5},
        {"closed": True, "zero_value": True},
        {"closed": True, "services_only": True},
        {"completed": True, "unpaid": True},
        {"shipped": True, "reported": True},
        {"packed": True, "paid": True},
        {},
    ],
    ids=str,
)
def test_every_invariant_holds(situation: dict[str, object]) -> None:
    OrderFactory.create_batch(3, **situation)

    assert list(invariants.broken()) == []


@pytest.mark.django_db(transaction=True)
def test_a_flush_leaves_no_rows_and_every_first_row() -> None:
    """Runs twice with the flush in between: each finds the same database."""
    assert ClosingRecord.objects.count() == 0
    OrderFactory(closed=True)


@pytest.mark.django_db(transaction=True)
def test_a_flush_leaves_no_rows_and_every_first_row_again() -> None:
    assert ClosingRecord.objects.count() == 0
    OrderFactory(closed=True)
