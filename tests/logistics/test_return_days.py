"""Days on which goods come back, told from the customer's call to the books."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel import invariants
from finance.models import Refund
from finance.services.refunds import approve_refund, pay_refund
from inventory.models import StockLevel
from logistics.models import Return
from logistics.services.inspecting import receive_return
from logistics.services.returns import ReturnDraft, ReturnDraftLine, approve_return, request_return
from logistics.services.undelivered import lose_shipment, refuse_shipment
from orders.models import ClosingRecord, Order, PaymentStatus, Status
from orders.services import proof
from orders.services.closing import close_order
from orders.services.lifecycle import Refused
from tests.factories import ProductFactory, ShopFactory, actor
from tests.factories.master import some_warehouse
from tests.ledger import booked
from tests.logistics.returning import LOST, REASON, REFUSED, found
from tests.orders.drafts import line
from tests.orders.test_clerks_days import Diary

pytestmark = pytest.mark.django_db

TAX = Decimal("0.13")


class ReturnDiary(Diary):
    """A diary in which goods come back."""

    def sold(self, quantity: str = "2", paid: str = "", **kwargs: Any) -> Order:
        """Goods of 113 each, of which 13 are tax, that cost 60, on their way to the customer."""
        product = ProductFactory(price=Decimal(113), tax_rate=TAX)
        self.receive("60", {product: int(quantity)})
        order = self.place(ShopFactory(), line(product, quantity), shipping_method="EXPRESS", **kwargs)
        if paid:
            self.pay(order, paid)
        self.process(order)
        self.send(self.pack_all(order))
        self.days_later(1)
        return order

    def ask_back(self, order: Order, quantity: str) -> Return:
        """Customer service notes it, logistics agrees."""
        draft = ReturnDraft(order.pk, [ReturnDraftLine(Decimal(quantity), no=1)])
        asked = request_return(draft, decision=self.by("service", **REASON))
        return approve_return(asked.pk, decision=self.by("logistician"))

    def take_back(self, goods_return: Return, what: str = "restocked", **credits: Any) -> None:
        receive_return(found(goods_return, what, **credits), decision=self.by("keeper"))

    def pay_back(self, order: Order) -> None:
        for refund in Refund.objects.filter(order=order, status="requested").order_by("pk"):
            approve_refund(refund.pk, decision=self.by("accountant"))
            pay_refund(refund.pk, decision=self.by("cashier"))

    def finish(self, order: Order, reason: str = "CL03") -> None:
        self.review(order)
        close_order(order.pk, decision=self.by("closer", reason=reason))


@pytest.fixture
def diary(db: None) -> Iterator[ReturnDiary]:
    """At the end of every day the books prove themselves."""
    yield ReturnDiary()
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


def on_hand(order: Order) -> Decimal:
    level = StockLevel.objects.get(product__in=order.lines.values("product"), warehouse=some_warehouse("CNY"))
    return level.on_hand


def test_one_of_two_comes_back_before_the_order_closes(diary: ReturnDiary) -> None:
    """Paid in advance, received on Tuesday, one sent back by Friday; the refund is paid before the order is closed."""
    order = diary.sold("2", paid="226")
    diary.complete(order)
    goods_return = diary.ask_back(order, "1")
    diary.days_later(3)

    with pytest.raises(Refused) as refused:
        close_order(order.pk, decision=diary.by("closer", reason="CL03"))
    assert "logistics.return_open" in refused.value.blockers

    diary.take_back(goods_return)
    assert Refund.objects.get().goods_received_by == actor("keeper")
    diary.pay_back(order)
    diary.review(order)
    with pytest.raises(Refused) as refused:
        diary.close(order)
    assert refused.value.blockers == ["orders.reason_does_not_fit"]
    close_order(order.pk, decision=diary.by("closer", reason="CL03"))

    assert booked(order) == [
        ["payment", "Dr 1002 226", "Cr 2203 226"],
        ["dispatch", "Dr 1122 226", "Cr 6001 200", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["return", "Dr 6001 100", "Dr 2221 13", "Cr 1122 113", "Dr 1405 60", "Cr 6401 60"],
        ["refund", "Dr 2203 113", "Cr 1002 113"],
        ["settlement", "Dr 2203 113", "Cr 1122 113"],
    ]
    order = Order.objects.get(pk=order.pk)
    assert (order.status, order.payment_status, order.payable) == (
        Status.CLOSED,
        PaymentStatus.PARTLY_REFUNDED,
        Decimal(113),
    )
    (sold,) = order.lines.all()
    assert (sold.shipped, sold.returned, sold.restocked, on_hand(order)) == (2, 1, 1, 1)
    totals = ClosingRecord.objects.get().data["evidence"]["totals"]
    assert (totals["returned"], totals["margin"], totals["written_off"]) == ("113", "40", "0")


def test_everything_comes_back_after_the_order_was_closed(diary: ReturnDiary) -> None:
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
    order = Order.objects.get(pk=order.pk)
    assert (order.status, order.payment_status) == (Status.CLOSED, PaymentStatus.REFUNDED)


def test_a_parcel_is_refused_at_the_door(diary: ReturnDiary) -> None:
    """Paid on delivery, refused, back in the warehouse a week later: nothing is owed, the shipping fee stays."""
    order = diary.sold("1", shipping_fee=Decimal(10))
    refuse_shipment(order_shipment(order), decision=diary.by("logistician", **REFUSED))

    with pytest.raises(Refused) as refused:
        diary.complete(order)
    assert refused.value.blockers == ["logistics.shipment_open"]
    diary.days_later(7)
    diary.take_back(Return.objects.get(order=order))
    diary.complete(order)
    diary.pay(order, "10")
    diary.finish(order)

    assert booked(order) == [
        ["dispatch", "Dr 1122 123", "Cr 6001 110", "Cr 2221 13", "Dr 6401 60", "Cr 1405 60"],
        ["return", "Dr 6001 100", "Dr 2221 13", "Cr 1122 113", "Dr 1405 60", "Cr 6401 60"],
        ["payment", "Dr 1002 10", "Cr 2203 10"],
        ["settlement", "Dr 2203 10", "Cr 1122 10"],
    ]


def test_a_parcel_is_lost_on_its_way(diary: ReturnDiary) -> None:
    """Paid in advance, lost by the carrier: all of the money goes back, with the shipping fee; the goods are gone."""
    order = diary.sold("1", paid="123", shipping_fee=Decimal(10))

    lose_shipment(order_shipment(order), decision=diary.by("logistician", **LOST))
    diary.complete(order)
    diary.pay_back(order)
    diary.finish(order)

    assert booked(order) == [
        ["payment", "Dr 1002 123", "Cr 2203 123"],
        ["dispatch", "Dr 1122 123", "Cr 6001 110", "Cr 2221 13", "Dr 6401 60", "Cr 1405 60"],
        ["return", "Dr 6001 110", "Dr 2221 13", "Cr 1122 123", "Dr 6711 60", "Cr 6401 60"],
        ["refund", "Dr 2203 123", "Cr 1002 123"],
    ]
    refund = Refund.objects.get()
    assert (refund.ground, refund.party, refund.goods_received_by) == ("return", "carrier", actor("logistician"))
    assert ClosingRecord.objects.get().data["evidence"]["totals"]["written_off"] == "0"


def test_what_comes_back_broken_is_scrapped_and_credited_in_part(diary: ReturnDiary) -> None:
    """The customer broke one and agrees to bear half of its price."""
    order = diary.sold("2", paid="226")
    diary.complete(order)

    diary.take_back(diary.ask_back(order, "1"), "scrapped", line_1="56.50")
    diary.pay_back(order)
    diary.finish(order)

    assert booked(order)[2:] == [
        ["return", "Dr 6001 50", "Dr 2221 6.5", "Cr 1122 56.5", "Dr 6602 60", "Cr 6401 60"],
        ["refund", "Dr 2203 56.5", "Cr 1002 56.5"],
        ["settlement", "Dr 2203 169.5", "Cr 1122 169.5"],
    ]
    assert on_hand(order) == 0


def test_goods_of_a_zero_value_order_come_back_to_where_their_cost_went(diary: ReturnDiary) -> None:
    """A sample is an expense of selling; once it is back, it is none any more."""
    product = ProductFactory()
    diary.receive("60", {product: 1})
    order = diary.place(ShopFactory(), line(product, "1", "0"), shipping_method="EXPRESS")
    diary.process(order)
    diary.send(diary.pack_all(order))

    diary.take_back(diary.ask_back(order, "1"), "defective")

    assert booked(order) == [
        ["dispatch", "Dr 6601 60", "Cr 1405 60"],
        ["return", "Dr 1405 60", "Cr 6601 60"],
    ]
    assert on_hand(order) == 0


def test_a_discounted_line_comes_back_piece_by_piece_to_the_cent(diary: ReturnDiary) -> None:
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
    diary.finish(order)

    returns = [voucher for voucher in booked(order) if voucher[0] == "return"]
    assert returns == [
        ["return", "Dr 6001 85.54", "Dr 2221 11.12", "Cr 1122 96.66", "Dr 1405 33.34", "Cr 6401 33.34"],
        ["return", "Dr 6001 85.54", "Dr 2221 11.12", "Cr 1122 96.66", "Dr 1405 33.34", "Cr 6401 33.34"],
        ["return", "Dr 6001 85.53", "Dr 2221 11.12", "Cr 1122 96.65", "Dr 1405 33.33", "Cr 6401 33.33"],
    ]
    order = Order.objects.get(pk=order.pk)
    assert (order.payable, order.received, order.refunded) == (0, Decimal("289.97"), Decimal("289.97"))


def order_shipment(order: Order) -> int:
    from logistics.models import Shipment

    return Shipment.objects.get(order=order).pk
