"""Days on which money goes back, from the payment to the end of the order."""

from decimal import Decimal

import pytest

from finance.models import Payment, Refund
from finance.services.payments import charge_back_payment
from logistics.models import Return
from logistics.services.shipping import cancel_shipment
from orders.models import ClosingRecord, PaymentStatus, Status
from tests.days.diary import Diary, fresh, shipment_of
from tests.factories import actor
from tests.ledger import booked

pytestmark = pytest.mark.django_db


def test_too_much_is_paid_back_before_anything_ships(diary: Diary) -> None:
    order = diary.place_goods()
    diary.pay(order, "300")
    assert fresh(order).payment_status == PaymentStatus.OVERPAID
    assert Refund.objects.get().ground == "overpayment"
    diary.pay_back(order)
    diary.send_all(order)
    diary.complete(order)
    diary.finish(order, "CL01")

    assert booked(order) == [
        ["payment", "Dr 1002 300", "Cr 2203 300"],
        ["refund", "Dr 2203 74", "Cr 1002 74"],
        ["dispatch", "Dr 1122 226", "Cr 6001 200", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["settlement", "Dr 2203 226", "Cr 1122 226"],
    ]


def test_money_is_refunded_and_the_goods_are_kept(diary: Diary) -> None:
    """仅退款: what came was not quite what was promised; the customer keeps it and gets a tenth of its price back."""
    order = diary.sold("2", paid="226")
    diary.complete(order)

    diary.allow(order, "22.60")
    refund = Refund.objects.get()
    assert (refund.amount, refund.ground, refund.party) == (Decimal("22.60"), "allowance", "seller")
    assert refund.requested_by == actor("service")
    diary.pay_back(order)
    diary.finish(order, "CL03")

    assert booked(order) == [
        ["payment", "Dr 1002 226", "Cr 2203 226"],
        ["dispatch", "Dr 1122 226", "Cr 6001 200", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["allowance", "Dr 6001 20", "Dr 2221 2.6", "Cr 1122 22.6"],
        ["refund", "Dr 2203 22.6", "Cr 1002 22.6"],
        ["settlement", "Dr 2203 203.4", "Cr 1122 203.4"],
    ]
    order = fresh(order)
    assert (order.payable, order.payment_status) == (Decimal("203.40"), PaymentStatus.PARTLY_REFUNDED)
    (kept,) = order.lines.all()
    assert (kept.shipped, kept.returned) == (2, 0)
    totals = ClosingRecord.objects.get().data["evidence"]["totals"]
    assert (totals["allowed"], totals["returned"], totals["margin"]) == ("22.6", "0", "60")


def test_a_paid_order_is_cancelled_and_paid_back(diary: Diary) -> None:
    order = diary.place_goods()
    diary.pay(order, "226", method="alipay", fee="1.36")

    assert diary.cancel(order).status == Status.CANCELLED
    diary.pay_back(order)

    assert booked(order) == [
        ["payment", "Dr 1012 224.64", "Dr 6603 1.36", "Cr 2203 226"],
        ["refund", "Dr 2203 226", "Cr 1012 226"],
    ]
    assert fresh(order).payment_status == PaymentStatus.REFUNDED


def test_a_packed_order_is_to_be_cancelled_until_it_is_unpacked(diary: Diary) -> None:
    order = diary.place_goods()
    diary.pay(order, "226")
    diary.process(order)
    shipment = diary.pack_all(order)

    order = diary.cancel(order)
    assert (order.status, order.is_to_be_cancelled) == (Status.PROCESSING, True)
    cancel_shipment(shipment.pk, decision=diary.by("keeper"))
    diary.pay_back(order)

    assert fresh(order).status == Status.CANCELLED
    assert booked(order) == [
        ["payment", "Dr 1002 226", "Cr 2203 226"],
        ["refund", "Dr 2203 226", "Cr 1002 226"],
    ]


def test_a_shipped_order_is_called_back_and_its_fee_mirrored(diary: Diary) -> None:
    order = diary.place_goods(shipping_fee=Decimal(10))
    diary.pay(order, "236")
    diary.send_all(order)

    assert diary.cancel(order).is_to_be_cancelled
    diary.days_later(2)
    diary.take_back(Return.objects.get(order=order))
    diary.pay_back(order)

    assert (fresh(order).status, shipment_of(order).status) == (Status.CANCELLED, "refused")
    assert booked(order) == [
        ["payment", "Dr 1002 236", "Cr 2203 236"],
        ["dispatch", "Dr 1122 236", "Cr 6001 210", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["return", "Dr 6001 200", "Dr 2221 26", "Cr 1122 226", "Dr 1405 120", "Cr 6401 120"],
        ["cancel", "Dr 6001 10", "Cr 1122 10"],
        ["refund", "Dr 2203 236", "Cr 1002 236"],
    ]


def test_a_payment_is_charged_back_after_part_of_it_was_refunded(diary: Diary) -> None:
    """Of two one came back and was refunded; then the bank takes all of the payment. The customer pays again."""
    order = diary.place_goods()
    diary.pay(order, "226", method="card")
    diary.send_all(order)
    diary.complete(order)
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
