"""Days on which goods come back, told from the customer's call to the books."""

from decimal import Decimal

import pytest

from finance.models import Refund
from logistics.models import Return
from logistics.services.undelivered import lose_shipment, refuse_shipment
from orders.models import ClosingRecord, PaymentStatus, Status
from orders.services import proof
from orders.services.lifecycle import Refused
from tests.days.diary import TAX, Diary, fresh, on_hand, shipment_of
from tests.factories import ProductFactory, ShopFactory, actor
from tests.ledger import booked
from tests.logistics.returning import LOST, REFUSED
from tests.orders.drafts import line

pytestmark = pytest.mark.django_db


def test_one_of_two_comes_back_before_the_order_closes(diary: Diary) -> None:
    """Paid in advance, received on Tuesday, one sent back by Friday; the refund is paid before the order is closed."""
    order = diary.sold("2", paid="226")
    diary.complete(order)
    goods_return = diary.ask_back(order, "1")
    diary.days_later(3)

    with pytest.raises(Refused) as refused:
        diary.close(order, "CL03")
    assert "logistics.return_open" in refused.value.blockers

    diary.take_back(goods_return)
    assert Refund.objects.get().goods_received_by == actor("keeper")
    diary.pay_back(order)
    diary.review(order)
    with pytest.raises(Refused) as refused:
        diary.close(order)
    assert refused.value.blockers == ["orders.reason_does_not_fit"]
    diary.close(order, "CL03")

    assert booked(order) == [
        ["payment", "Dr 1002 226", "Cr 2203 226"],
        ["dispatch", "Dr 1122 226", "Cr 6001 200", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["return", "Dr 6001 100", "Dr 2221 13", "Cr 1122 113", "Dr 1405 60", "Cr 6401 60"],
        ["refund", "Dr 2203 113", "Cr 1002 113"],
        ["settlement", "Dr 2203 113", "Cr 1122 113"],
    ]
    order = fresh(order)
    assert (order.status, order.payment_status, order.payable) == (
        Status.CLOSED,
        PaymentStatus.PARTLY_REFUNDED,
        Decimal(113),
    )
    (sold,) = order.lines.all()
    assert (sold.shipped, sold.returned, sold.restocked, on_hand(order)) == (2, 1, 1, 1)
    totals = ClosingRecord.objects.get().data["evidence"]["totals"]
    assert (totals["returned"], totals["margin"], totals["written_off"]) == ("113", "40", "0")


def test_everything_comes_back_after_the_order_was_closed(diary: Diary) -> None:
    """Closed on Thursday; in the next week the customer sends both back. The proof of the closing stays as it was."""
    order = diary.sold("2", paid="226")
    diary.complete(order)
    diary.finish(order, "CL01")
    diary.days_later(5)

    diary.take_back(diary.ask_back(order, "2"))
    assert list(proof.faults()) == []
    diary.pay_back(order)

    assert booked(order)[2:] == [
        ["settlement", "Dr 2203 226", "Cr 1122 226"],
        ["return", "Dr 6001 200", "Dr 2221 26", "Cr 2203 226", "Dr 1405 120", "Cr 6401 120"],
        ["refund", "Dr 2203 226", "Cr 1002 226"],
    ]
    order = fresh(order)
    assert (order.status, order.payment_status) == (Status.CLOSED, PaymentStatus.REFUNDED)


def test_a_parcel_is_refused_at_the_door(diary: Diary) -> None:
    """Paid on delivery, refused, back in the warehouse a week later: nothing is owed, the shipping fee stays."""
    order = diary.sold("1", shipping_fee=Decimal(10))
    refuse_shipment(shipment_of(order).pk, decision=diary.by("logistician", **REFUSED))

    with pytest.raises(Refused) as refused:
        diary.complete(order)
    assert refused.value.blockers == ["logistics.shipment_open"]
    diary.days_later(7)
    diary.take_back(Return.objects.get(order=order))
    diary.complete(order)
    diary.pay(order, "10")
    diary.finish(order, "CL03")

    assert booked(order) == [
        ["dispatch", "Dr 1122 123", "Cr 6001 110", "Cr 2221 13", "Dr 6401 60", "Cr 1405 60"],
        ["return", "Dr 6001 100", "Dr 2221 13", "Cr 1122 113", "Dr 1405 60", "Cr 6401 60"],
        ["payment", "Dr 1002 10", "Cr 2203 10"],
        ["settlement", "Dr 2203 10", "Cr 1122 10"],
    ]


def test_a_parcel_is_lost_on_its_way(diary: Diary) -> None:
    """Paid in advance, lost by the carrier: all of the money goes back, with the shipping fee; the goods are gone."""
    order = diary.sold("1", paid="123", shipping_fee=Decimal(10))

    lose_shipment(shipment_of(order).pk, decision=diary.by("logistician", **LOST))
    diary.complete(order)
    diary.pay_back(order)
    diary.finish(order, "CL03")

    assert booked(order) == [
        ["payment", "Dr 1002 123", "Cr 2203 123"],
        ["dispatch", "Dr 1122 123", "Cr 6001 110", "Cr 2221 13", "Dr 6401 60", "Cr 1405 60"],
        ["return", "Dr 6001 110", "Dr 2221 13", "Cr 1122 123", "Dr 6711 60", "Cr 6401 60"],
        ["refund", "Dr 2203 123", "Cr 1002 123"],
    ]
    refund = Refund.objects.get()
    assert (refund.ground, refund.party, refund.goods_received_by) == ("return", "carrier", actor("logistician"))
    assert ClosingRecord.objects.get().data["evidence"]["totals"]["written_off"] == "0"


def test_what_comes_back_broken_is_scrapped_and_credited_in_part(diary: Diary) -> None:
    """The customer broke one and agrees to bear half of its price."""
    order = diary.sold("2", paid="226")
    diary.complete(order)

    diary.take_back(diary.ask_back(order, "1"), "scrapped", line_1="56.50")
    diary.pay_back(order)
    diary.finish(order, "CL03")

    assert booked(order)[2:] == [
        ["return", "Dr 6001 50", "Dr 2221 6.5", "Cr 1122 56.5", "Dr 6602 60", "Cr 6401 60"],
        ["refund", "Dr 2203 56.5", "Cr 1002 56.5"],
        ["settlement", "Dr 2203 169.5", "Cr 1122 169.5"],
    ]
    assert on_hand(order) == 0


def test_goods_of_a_zero_value_order_come_back_to_where_their_cost_went(diary: Diary) -> None:
    """A sample is an expense of selling; once it is back, it is none any more. Nothing is settled."""
    product = ProductFactory()
    diary.receive("60", {product: 1})
    order = diary.place(ShopFactory(), line(product, "1", "0"), shipping_method="EXPRESS")
    diary.send_all(order)
    diary.complete(order)
    diary.days_later(3)

    diary.take_back(diary.ask_back(order, "1"), "defective")
    diary.finish(order, "CL03")

    assert booked(order) == [
        ["dispatch", "Dr 6601 60", "Cr 1405 60"],
        ["return", "Dr 1405 60", "Cr 6601 60"],
    ]
    assert on_hand(order) == 0
    assert not Refund.objects.exists()
    assert (fresh(order).status, fresh(order).payment_status) == (Status.CLOSED, PaymentStatus.NOT_DUE)
    totals = ClosingRecord.objects.get().data["evidence"]["totals"]
    assert (totals["revenue"], totals["cost"], totals["margin"]) == ("0", "0", "0")


def test_a_discounted_line_comes_back_piece_by_piece_to_the_cent(diary: Diary) -> None:
    """
    Three at 99.99 less 10.00 are 289.97, of which 33.36 are tax; they cost 100.01 and left as one and two.

    One of the two is 96.66 (half of 193.31, rounded up), tax 11.12, cost 33.34; the last takes what is left.
    """
    product = ProductFactory(price=Decimal("99.99"), tax_rate=TAX)
    diary.receive("33.335", {product: 3})
    order = diary.place(ShopFactory(), line(product, "3"), discount=Decimal(10), shipping_method="EXPRESS")
    diary.pay(order, "289.97")
    diary.process(order)
    diary.send(diary.pack(order, {1: 1}))
    diary.days_later(1)
    diary.send(diary.pack(order, {1: 2}))
    diary.complete(order)

    for _ in range(3):
        diary.days_later(1)
        diary.take_back(diary.ask_back(order, "1"))
    diary.pay_back(order)
    diary.finish(order, "CL03")

    returns = [voucher for voucher in booked(order) if voucher[0] == "return"]
    assert returns == [
        ["return", "Dr 6001 85.54", "Dr 2221 11.12", "Cr 1122 96.66", "Dr 1405 33.34", "Cr 6401 33.34"],
        ["return", "Dr 6001 85.54", "Dr 2221 11.12", "Cr 1122 96.66", "Dr 1405 33.34", "Cr 6401 33.34"],
        ["return", "Dr 6001 85.53", "Dr 2221 11.12", "Cr 1122 96.65", "Dr 1405 33.33", "Cr 6401 33.33"],
    ]
    order = fresh(order)
    assert (order.payable, order.received, order.refunded) == (0, Decimal("289.97"), Decimal("289.97"))
