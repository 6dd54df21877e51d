"""Days of the people who work with the product, told from the first call to the closing record."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel import invariants
from erp.kernel.acting import Decision
from finance.models import Refund
from finance.services.payments import PaymentDraft, confirm_payment, reject_payment, report_payment
from finance.services.refunds import approve_refund, pay_refund
from logistics.models import Shipment
from logistics.services.drafting import draft_shipment, pack_orders
from logistics.services.shipping import Waybill, deliver_shipment, dispatch_shipment, pack_shipment
from orders.models import ClosingRecord, LineClosing, Order, PaymentStatus, ShippingStatus, Status, Terms
from orders.services import proof
from orders.services.closing import close_order
from orders.services.closing_lines import LineToClose, close_lines
from orders.services.fulfilment import complete_order, process_order
from orders.services.lifecycle import Refused
from orders.services.placing import place_order
from orders.services.reviewing import review_order
from tests.factories import CarrierFactory, ProductFactory, ShopFactory, actor, decide, receive
from tests.ledger import booked
from tests.orders.drafts import draft, line

pytestmark = pytest.mark.django_db

TAX = Decimal("0.13")
MONDAY = datetime(2026, 1, 5, 2, tzinfo=UTC)


class Diary:
    """One order's days: who does what, on which day."""

    def __init__(self) -> None:
        self.now = MONDAY
        self.carrier = CarrierFactory().code

    def by(self, role: str, **kwargs: Any) -> Decision:
        return decide(actor(role), at=self.now, **kwargs)

    def days_later(self, days: int) -> None:
        self.now += timedelta(days=days)

    def receive(self, cost: str, goods: dict[Any, int]) -> None:
        receive(goods, unit_cost=Decimal(cost), decision=self.by("keeper"))

    def place(self, *args: Any, **kwargs: Any) -> Order:
        placed = place_order(draft(*args, **kwargs), decision=self.by("salesperson"))
        assert placed.order
        return placed.order

    def pay(self, order: Order, amount: str, method: str = "bank", fee: str = "0") -> None:
        payment_draft = PaymentDraft(order.pk, method, f"{method}-{amount}", Decimal(amount), Decimal(fee))
        payment = report_payment(payment_draft, decision=self.by("cashier"))
        confirm_payment(payment.pk, decision=self.by("accountant"))

    def process(self, order: Order) -> None:
        process_order(order.pk, decision=self.by("salesperson"))

    def pack_all(self, order: Order) -> Shipment:
        (shipment,) = pack_orders([order.pk], decision=self.by("keeper"))
        return shipment

    def pack(self, order: Order, quantities: dict[int, int]) -> Shipment:
        chosen = {no: Decimal(quantity) for no, quantity in quantities.items()}
        shipment = draft_shipment(order.pk, chosen, decision=self.by("keeper"))
        return pack_shipment(shipment.pk, decision=self.by("keeper"))

    def send(self, shipment: Shipment) -> None:
        waybill = Waybill(self.carrier, f"SF{shipment.pk}")
        dispatch_shipment(shipment.pk, decision=self.by("logistician"), waybill=waybill)

    def arrive(self, shipment: Shipment) -> None:
        deliver_shipment(shipment.pk, decision=self.by("logistician"))

    def close_line(self, order: Order, no: int) -> None:
        close_lines(order.pk, [LineToClose(no)], decision=self.by("salesperson", reason="CA12"))

    def pay_back(self, order: Order) -> None:
        for refund in Refund.objects.filter(order=order, status="requested"):
            approve_refund(refund.pk, decision=self.by("accountant"))
            pay_refund(refund.pk, decision=self.by("cashier"))

    def complete(self, order: Order) -> None:
        complete_order(order.pk, decision=self.by("service"))

    def review(self, order: Order) -> None:
        for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
            review_order(order.pk, block, decision=self.by(role))

    def close(self, order: Order) -> None:
        reason = "CL02" if order.lines.filter(closed__gt=0).exists() else "CL01"
        close_order(order.pk, decision=self.by("closer", reason=reason))


@pytest.fixture
def diary(db: None) -> Iterator[Diary]:
    """At the end of every day the books prove themselves."""
    yield Diary()
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


def test_a_prepaid_order(diary: Diary) -> None:
    """Paid by Alipay on Monday, sent on Tuesday, received on Friday, closed on Monday."""
    product = ProductFactory(price=Decimal(113), tax_rate=TAX)
    diary.receive("60", {product: 5})

    shop = ShopFactory(terms=Terms.PREPAID)
    order = diary.place(shop, line(product, "2"), shipping_fee=Decimal(10), shipping_method="EXPRESS")
    diary.pay(order, "236", method="alipay", fee="1.42")
    diary.days_later(1)
    diary.process(order)
    shipment = diary.pack_all(order)
    diary.send(shipment)
    diary.days_later(3)
    diary.complete(order)
    diary.days_later(3)
    diary.review(order)
    diary.close(order)

    assert booked(order) == [
        ["payment", "Dr 1012 234.58", "Dr 6603 1.42", "Cr 2203 236"],
        ["dispatch", "Dr 1122 236", "Cr 6001 210", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["settlement", "Dr 2203 236", "Cr 1122 236"],
    ]
    order = Order.objects.get(pk=order.pk)
    assert (order.status, order.payment_status, order.shipping_status) == (
        Status.CLOSED,
        PaymentStatus.PAID,
        ShippingStatus.ALL_SHIPPED,
    )
    assert ClosingRecord.objects.get().data["evidence"]["totals"]["margin"] == "90"


def test_an_order_on_credit_is_paid_after_delivery(diary: Diary) -> None:
    """Sent in January on thirty days, paid in two parts by February, and only then closed."""
    product = ProductFactory(price=Decimal("565.00"), tax_rate=TAX)
    shop = ShopFactory(terms=Terms.CREDIT, credit_days=30)
    diary.receive("300", {product: 4})

    order = diary.place(shop, line(product, "4"), shipping_method="EXPRESS")
    diary.process(order)
    shipment = diary.pack_all(order)
    diary.days_later(7)
    diary.send(shipment)
    diary.days_later(2)
    diary.arrive(shipment)
    diary.complete(order)

    assert Order.objects.get(pk=order.pk).due_date == date(2026, 2, 11)
    with pytest.raises(Refused) as refused:
        diary.close(order)
    assert "finance.unpaid" in refused.value.blockers

    diary.days_later(14)
    diary.pay(order, "1000")
    diary.days_later(14)
    diary.pay(order, "1260", method="card", fee="7.56")
    diary.review(order)
    diary.close(order)

    assert booked(order) == [
        ["dispatch", "Dr 1122 2260", "Cr 6001 2000", "Cr 2221 260", "Dr 6401 1200", "Cr 1405 1200"],
        ["payment", "Dr 1002 1000", "Cr 2203 1000"],
        ["payment", "Dr 1002 1252.44", "Dr 6603 7.56", "Cr 2203 1260"],
        ["settlement", "Dr 2203 2260", "Cr 1122 2260"],
    ]


def test_an_order_shipped_in_two_parts_with_a_discount(diary: Diary) -> None:
    """
    Three at 99.99 less 10.00 are 289.97, of which 33.36 are tax; they cost 100.01.

    One of three is 96.66, tax 11.12, cost 33.34; the second dispatch takes what is left, to the cent.
    """
    product = ProductFactory(price=Decimal("99.99"), tax_rate=TAX)
    diary.receive("33.335", {product: 3})

    order = diary.place(ShopFactory(), line(product, "3"), discount=Decimal(10), shipping_method="EXPRESS")
    diary.process(order)
    first = diary.pack(order, {1: 1})
    diary.send(first)
    assert Order.objects.get(pk=order.pk).shipping_status == ShippingStatus.PARTLY_SHIPPED
    assert Order.objects.get(pk=order.pk).status == Status.PROCESSING
    diary.days_later(1)
    diary.send(diary.pack(order, {1: 2}))
    assert Order.objects.get(pk=order.pk).status == Status.SHIPPED
    diary.days_later(1)
    diary.pay(order, "289.97")
    diary.complete(order)
    diary.review(order)
    diary.close(order)

    assert (order.total, order.tax) == (Decimal("289.97"), Decimal("33.36"))
    assert booked(order) == [
        ["dispatch", "Dr 1122 96.66", "Cr 6001 85.54", "Cr 2221 11.12", "Dr 6401 33.34", "Cr 1405 33.34"],
        ["dispatch", "Dr 1122 193.31", "Cr 6001 171.07", "Cr 2221 22.24", "Dr 6401 66.67", "Cr 1405 66.67"],
        ["payment", "Dr 1002 289.97", "Cr 2203 289.97"],
        ["settlement", "Dr 2203 289.97", "Cr 1122 289.97"],
    ]


def test_a_remainder_that_cannot_be_delivered_is_closed_and_paid_back(diary: Diary) -> None:
    """Five at 113 and the fee of 10 are prepaid; two are sent, three the supplier cannot deliver."""
    product = ProductFactory(price=Decimal(113), tax_rate=TAX)
    diary.receive("60", {product: 2})

    shop = ShopFactory(terms=Terms.PREPAID, allows_backorder=True)
    order = diary.place(shop, line(product, "5"), shipping_fee=Decimal(10), shipping_method="EXPRESS")
    diary.pay(order, "575")
    diary.process(order)
    first = diary.pack_all(order)
    diary.send(first)
    diary.days_later(5)
    diary.close_line(order, 1)
    assert Order.objects.get(pk=order.pk).status == Status.SHIPPED
    assert Order.objects.get(pk=order.pk).payable == 236
    diary.complete(order)

    with pytest.raises(Refused) as refused:
        diary.close(order)
    assert {"finance.overpaid", "finance.refund_open"} <= set(refused.value.blockers)

    diary.days_later(1)
    diary.pay_back(order)
    diary.review(order)
    diary.close(order)

    assert booked(order) == [
        ["payment", "Dr 1002 575", "Cr 2203 575"],
        ["dispatch", "Dr 1122 236", "Cr 6001 210", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["refund", "Dr 2203 339", "Cr 1002 339"],
        ["settlement", "Dr 2203 236", "Cr 1122 236"],
    ]
    totals = ClosingRecord.objects.get().data["evidence"]["totals"]
    assert {name: totals[name] for name in ("ordered", "closed_short", "shipped", "payable", "refunded", "owed")} == {
        "ordered": "575",
        "closed_short": "339",
        "shipped": "236",
        "payable": "236",
        "refunded": "339",
        "owed": "0",
    }


def test_three_dispatches_and_a_closed_remainder_of_a_discounted_line(diary: Diary) -> None:
    """
    Seven at 99.99 less 20.00 are 679.93, of which 78.22 are tax.

    One, two and one piece leave, one is closed, and the last two take what is left, to the cent.
    """
    product = ProductFactory(price=Decimal("99.99"), tax_rate=TAX)
    diary.receive("40", {product: 7})

    order = diary.place(ShopFactory(), line(product, "7"), discount=Decimal(20), shipping_method="EXPRESS")
    diary.process(order)
    for quantity in (1, 2, 1):
        diary.send(diary.pack(order, {1: quantity}))
        diary.days_later(1)
    close_lines(order.pk, [LineToClose(1, Decimal(1))], decision=diary.by("salesperson", reason="CL02"))
    diary.send(diary.pack(order, {1: 2}))
    closing = LineClosing.objects.get()
    diary.pay(order, "582.80")
    diary.complete(order)
    diary.review(order)
    diary.close(order)

    assert (closing.amount, closing.tax) == (Decimal("97.13"), Decimal("11.17"))
    assert booked(order) == [
        ["dispatch", "Dr 1122 97.13", "Cr 6001 85.96", "Cr 2221 11.17", "Dr 6401 40", "Cr 1405 40"],
        ["dispatch", "Dr 1122 194.27", "Cr 6001 171.92", "Cr 2221 22.35", "Dr 6401 80", "Cr 1405 80"],
        ["dispatch", "Dr 1122 97.13", "Cr 6001 85.95", "Cr 2221 11.18", "Dr 6401 40", "Cr 1405 40"],
        ["dispatch", "Dr 1122 194.27", "Cr 6001 171.92", "Cr 2221 22.35", "Dr 6401 80", "Cr 1405 80"],
        ["payment", "Dr 1002 582.8", "Cr 2203 582.8"],
        ["settlement", "Dr 2203 582.8", "Cr 1122 582.8"],
    ]


def test_a_gift_beside_what_is_sold(diary: Diary) -> None:
    """A gift costs, and brings in nothing: sent along it is cost of sales."""
    sold, gift = ProductFactory(price=Decimal(113), tax_rate=TAX), ProductFactory()
    diary.receive("60", {sold: 1, gift: 1})

    order = diary.place(ShopFactory(), line(sold), line(gift, price="0"), shipping_method="EXPRESS")
    diary.pay(order, "113", method="wechat")
    diary.process(order)
    diary.send(diary.pack_all(order))
    diary.complete(order)
    diary.review(order)
    diary.close(order)

    assert booked(order) == [
        ["payment", "Dr 1012 113", "Cr 2203 113"],
        ["dispatch", "Dr 1122 113", "Cr 6001 100", "Cr 2221 13", "Dr 6401 120", "Cr 1405 120"],
        ["settlement", "Dr 2203 113", "Cr 1122 113"],
    ]


def test_a_sample_that_costs_the_customer_nothing(diary: Diary) -> None:
    """An order of total 0 is selling expense, needs no payment and no settlement."""
    product = ProductFactory(price=Decimal(113), tax_rate=TAX)
    diary.receive("60", {product: 2})

    order = diary.place(ShopFactory(), line(product, "2", discount="226"), shipping_method="EXPRESS")
    diary.process(order)
    diary.send(diary.pack_all(order))
    diary.complete(order)
    diary.review(order)
    diary.close(order)

    assert booked(order) == [["dispatch", "Dr 6601 120", "Cr 1405 120"]]
    assert Order.objects.get(pk=order.pk).payment_status == PaymentStatus.NOT_DUE
    totals = ClosingRecord.objects.get().data["evidence"]["totals"]
    assert (totals["revenue"], totals["cost"], totals["margin"]) == ("0", "120", "-120")


def test_an_order_of_services_only(diary: Diary) -> None:
    """Two and a half hours of work: no stock, no carrier, no cost."""
    work = ProductFactory(service=True, price=Decimal("212.00"), tax_rate=Decimal("0.06"))

    order = diary.place(ShopFactory(), line(work, "2.5"))
    diary.process(order)
    shipment = diary.pack_all(order)
    dispatch_shipment(shipment.pk, decision=diary.by("logistician"))
    diary.days_later(1)
    diary.complete(order)
    diary.pay(order, "530", method="bank")
    diary.review(order)
    diary.close(order)

    assert shipment.warehouse_id is None
    assert booked(order) == [
        ["dispatch", "Dr 1122 530", "Cr 6001 500", "Cr 2221 30"],
        ["payment", "Dr 1002 530", "Cr 2203 530"],
        ["settlement", "Dr 2203 530", "Cr 1122 530"],
    ]


def test_a_tail_is_written_off(diary: Diary) -> None:
    """The bank kept 0.30 on the way; the shop lets such tails go."""
    product = ProductFactory(price=Decimal(113), tax_rate=TAX)
    diary.receive("60", {product: 1})

    order = diary.place(ShopFactory(tolerance=Decimal("0.50")), line(product), shipping_method="EXPRESS")
    diary.process(order)
    diary.send(diary.pack_all(order))
    diary.complete(order)
    diary.pay(order, "112.70")
    diary.review(order)
    diary.close(order)

    assert booked(order)[1:] == [
        ["payment", "Dr 1002 112.7", "Cr 2203 112.7"],
        ["settlement", "Dr 2203 112.7", "Dr 6711 0.3", "Cr 1122 113"],
    ]
    assert ClosingRecord.objects.get().data["evidence"]["totals"]["written_off"] == "0.3"


def test_a_payment_reported_in_error_is_rejected_before_the_order_closes(diary: Diary) -> None:
    """The cashier notes a transfer twice under two references; finance finds only one on the statement."""
    product = ProductFactory(price=Decimal(113), tax_rate=TAX)
    diary.receive("60", {product: 1})
    order = diary.place(ShopFactory(), line(product), shipping_method="EXPRESS")
    diary.pay(order, "113")
    twice = report_payment(PaymentDraft(order.pk, "bank", "again", Decimal(113)), decision=diary.by("cashier"))
    diary.process(order)
    diary.send(diary.pack_all(order))
    diary.complete(order)

    with pytest.raises(Refused) as refused:
        review_order(order.pk, "finance", decision=diary.by("accountant"))
    assert refused.value.blockers == ["finance.payment_unconfirmed"]

    reject_payment(twice.pk, decision=diary.by("accountant", reason="RJ01", note="重复登记"))
    diary.review(order)
    diary.close(order)

    assert [purpose for purpose, *_ in booked(order)] == ["payment", "dispatch", "settlement"]
