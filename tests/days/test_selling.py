"""Days of selling: ordered, paid, sent, received, closed."""

from datetime import date
from decimal import Decimal

import pytest

from finance.services.payments import PaymentDraft, reject_payment, report_payment
from logistics.services.shipping import dispatch_shipment
from orders.models import ClosingRecord, PaymentStatus, ShippingStatus, Status, Terms
from orders.services.lifecycle import Refused
from orders.services.reviewing import review_order
from tests.days.diary import TAX, Diary, fresh
from tests.factories import ProductFactory, ShopFactory
from tests.ledger import booked
from tests.orders.drafts import line

pytestmark = pytest.mark.django_db


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
    diary.finish(order)

    assert booked(order) == [
        ["payment", "Dr 1012 234.58", "Dr 6603 1.42", "Cr 2203 236"],
        ["dispatch", "Dr 1122 236", "Cr 6001 210", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["settlement", "Dr 2203 236", "Cr 1122 236"],
    ]
    order = fresh(order)
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

    assert fresh(order).due_date == date(2026, 2, 11)
    with pytest.raises(Refused) as refused:
        diary.close(order)
    assert "finance.unpaid" in refused.value.blockers

    diary.days_later(14)
    diary.pay(order, "1000")
    diary.days_later(14)
    diary.pay(order, "1260", method="card", fee="7.56")
    diary.finish(order)

    assert booked(order) == [
        ["dispatch", "Dr 1122 2260", "Cr 6001 2000", "Cr 2221 260", "Dr 6401 1200", "Cr 1405 1200"],
        ["payment", "Dr 1002 1000", "Cr 2203 1000"],
        ["payment", "Dr 1002 1252.44", "Dr 6603 7.56", "Cr 2203 1260"],
        ["settlement", "Dr 2203 2260", "Cr 1122 2260"],
    ]


def test_an_order_shipped_in_three_parts_with_a_discount(diary: Diary) -> None:
    """
    Three at 99.99 less 10.00 are 289.97, of which 33.36 are tax; they cost 100.01.

    Each dispatch takes what the cumulative share leaves it, and the last all that is left, to the cent.
    """
    product = ProductFactory(price=Decimal("99.99"), tax_rate=TAX)
    diary.receive("33.335", {product: 3})

    order = diary.place(ShopFactory(), line(product, "3"), discount=Decimal(10), shipping_method="EXPRESS")
    diary.process(order)
    for _ in range(2):
        diary.send(diary.pack(order, {1: 1}))
        assert fresh(order).shipping_status == ShippingStatus.PARTLY_SHIPPED
        assert fresh(order).status == Status.PROCESSING
        diary.days_later(1)
    diary.send(diary.pack(order, {1: 1}))
    assert fresh(order).status == Status.SHIPPED
    diary.days_later(1)
    diary.pay(order, "289.97")
    diary.complete(order)
    diary.finish(order)

    assert (order.total, order.tax) == (Decimal("289.97"), Decimal("33.36"))
    assert booked(order) == [
        ["dispatch", "Dr 1122 96.66", "Cr 6001 85.54", "Cr 2221 11.12", "Dr 6401 33.34", "Cr 1405 33.34"],
        ["dispatch", "Dr 1122 96.65", "Cr 6001 85.53", "Cr 2221 11.12", "Dr 6401 33.34", "Cr 1405 33.34"],
        ["dispatch", "Dr 1122 96.66", "Cr 6001 85.54", "Cr 2221 11.12", "Dr 6401 33.33", "Cr 1405 33.33"],
        ["payment", "Dr 1002 289.97", "Cr 2203 289.97"],
        ["settlement", "Dr 2203 289.97", "Cr 1122 289.97"],
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
    diary.finish(order)

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
    diary.finish(order)

    assert booked(order) == [["dispatch", "Dr 6601 120", "Cr 1405 120"]]
    assert fresh(order).payment_status == PaymentStatus.NOT_DUE
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
    diary.finish(order)

    assert shipment.warehouse_id is None
    assert booked(order) == [
        ["dispatch", "Dr 1122 530", "Cr 6001 500", "Cr 2221 30"],
        ["payment", "Dr 1002 530", "Cr 2203 530"],
        ["settlement", "Dr 2203 530", "Cr 1122 530"],
    ]


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
    diary.finish(order)

    assert [purpose for purpose, *_ in booked(order)] == ["payment", "dispatch", "settlement"]
