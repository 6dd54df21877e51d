"""
Days on which money goes back, from the payment to the end of the order, every voucher line by line.

Refunded before shipment · paid too much · cancelled when paid · cancelled when packed · cancelled when shipped ·
a tail over · a charge-back after a partial refund. Other cases: ``tests/orders/test_clerks_days.py`` (prepaid, on
credit, partial, discounts, gifts, samples, services, a tail short), ``tests/logistics/test_return_days.py``
(returns, refused, lost, scrapped) and ``tests/finance`` (allowances, bad debt, reopening).
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from finance.models import OrderBalance, Payment, Refund
from finance.services.payments import charge_back_payment
from finance.services.refunds import approve_refund, pay_refund
from logistics.models import Return, Shipment
from logistics.services.shipping import cancel_shipment
from orders.models import Order, PaymentStatus, Status
from orders.services.cancelling import cancel_order
from tests.factories import ProductFactory, ShopFactory, UserFactory, decide
from tests.ledger import booked
from tests.logistics.test_return_days import ReturnDiary, diary
from tests.orders.drafts import line

__all__ = ["diary"]

pytestmark = pytest.mark.django_db

TAX = Decimal("0.13")


@pytest.fixture(autouse=True)
def _balances_end_at_zero(diary: ReturnDiary) -> Iterator[None]:
    yield
    assert not OrderBalance.objects.exclude(receivable=0, advance=0).exists()


def place(diary: ReturnDiary, quantity: str = "2", tolerance: str = "0", **kwargs: Any) -> Order:
    """Goods of 113 each, of which 13 are tax, that cost 60."""
    product = ProductFactory(price=Decimal(113), tax_rate=TAX)
    diary.receive("60", {product: int(quantity)})
    shop = ShopFactory(tolerance=Decimal(tolerance))
    return diary.place(shop, line(product, quantity), shipping_method="EXPRESS", **kwargs)


def cancel(diary: ReturnDiary, order: Order) -> Order:
    cancel_order(order.pk, decision=diary.by("service", reason="CA01"))
    return fresh(order)


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def go_through(diary: ReturnDiary, order: Order) -> None:
    diary.process(order)
    diary.send(diary.pack_all(order))
    diary.days_later(1)
    diary.complete(order)


def test_too_much_is_paid_back_before_anything_ships(diary: ReturnDiary) -> None:
    order = place(diary)
    diary.pay(order, "300")
    assert fresh(order).payment_status == PaymentStatus.OVERPAID
    assert Refund.objects.get().ground == "overpayment"
    # Whoever confirmed the payment has noted the refund: somebody else approves it.
    approve_by_another(diary)
    go_through(diary, order)
    diary.finish(order, "CL01")

    assert booked(order) == [
        ["payment", "Dr 1002 300", "Cr 2203 300"],
        ["refund", "Dr 2203 74", "Cr 1002 74"],
        ["dispatch", "Dr 1122 226", "Cr 6001 200", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["settlement", "Dr 2203 226", "Cr 1122 226"],
    ]


def test_a_paid_order_is_cancelled_and_paid_back(diary: ReturnDiary) -> None:
    order = place(diary)
    diary.pay(order, "226", method="alipay", fee="1.36")

    assert cancel(diary, order).status == Status.CANCELLED
    diary.pay_back(order)

    assert booked(order) == [
        ["payment", "Dr 1012 224.64", "Dr 6603 1.36", "Cr 2203 226"],
        ["refund", "Dr 2203 226", "Cr 1012 226"],
    ]
    assert fresh(order).payment_status == PaymentStatus.REFUNDED


def test_a_packed_order_is_to_be_cancelled_until_it_is_unpacked(diary: ReturnDiary) -> None:
    order = place(diary)
    diary.pay(order, "226")
    diary.process(order)
    shipment = diary.pack_all(order)

    order = cancel(diary, order)
    assert (order.status, order.is_to_be_cancelled) == (Status.PROCESSING, True)
    cancel_shipment(shipment.pk, decision=diary.by("keeper"))
    diary.pay_back(order)

    assert fresh(order).status == Status.CANCELLED
    assert booked(order) == [
        ["payment", "Dr 1002 226", "Cr 2203 226"],
        ["refund", "Dr 2203 226", "Cr 1002 226"],
    ]


def test_a_shipped_order_is_called_back_and_its_fee_mirrored(diary: ReturnDiary) -> None:
    order = place(diary, shipping_fee=Decimal(10))
    diary.pay(order, "236")
    diary.process(order)
    diary.send(diary.pack_all(order))
    diary.days_later(1)

    assert cancel(diary, order).is_to_be_cancelled
    diary.days_later(2)
    diary.take_back(Return.objects.get(order=order))
    diary.pay_back(order)

    assert (fresh(order).status, Shipment.objects.get().status) == (Status.CANCELLED, "refused")
    assert booked(order) == [
        ["payment", "Dr 1002 236", "Cr 2203 236"],
        ["dispatch", "Dr 1122 236", "Cr 6001 210", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["return", "Dr 6001 200", "Dr 2221 26", "Cr 1122 226", "Dr 1405 120", "Cr 6401 120"],
        ["cancel", "Dr 6001 10", "Cr 1122 10"],
        ["refund", "Dr 2203 236", "Cr 1002 236"],
    ]


def test_a_tail_over_is_kept(diary: ReturnDiary) -> None:
    order = place(diary, tolerance="0.50")
    diary.pay(order, "226.30")
    go_through(diary, order)
    diary.finish(order, "CL01")

    assert not Refund.objects.exists()
    assert booked(order)[-1] == ["settlement", "Dr 2203 226.3", "Cr 1122 226", "Cr 6301 0.3"]
    assert fresh(order).written_off == Decimal("-0.3")


def test_a_payment_is_charged_back_after_part_of_it_was_refunded(diary: ReturnDiary) -> None:
    """Of two one came back and was refunded; then the bank takes all of the payment. The customer pays again."""
    order = place(diary)
    diary.pay(order, "226", method="card")
    go_through(diary, order)
    diary.take_back(diary.ask_back(order, "1"))
    diary.pay_back(order)
    diary.days_later(1)
    charge_back_payment(Payment.objects.get().pk, decision=diary.by("accountant", reason="FN02"))
    assert fresh(order).owed == 226
    diary.pay(order, "226")
    diary.finish(order, "CL03")

    assert booked(order)[2:] == [
        ["return", "Dr 6001 100", "Dr 2221 13", "Cr 1122 113", "Dr 1405 60", "Cr 6401 60"],
        ["refund", "Dr 2203 113", "Cr 1002 113"],
        ["charge_back", "Dr 2203 113", "Dr 1122 113", "Cr 1002 226"],
        ["payment", "Dr 1002 226", "Cr 2203 226"],
        ["settlement", "Dr 2203 226", "Cr 1122 226"],
    ]


def approve_by_another(diary: ReturnDiary) -> None:
    refund = Refund.objects.get()
    approve_refund(refund.pk, decision=decide(UserFactory(role="accountant"), at=diary.now))
    pay_refund(refund.pk, decision=diary.by("cashier"))
