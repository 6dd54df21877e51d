"""Days on which part of an order will not be sent: its line is closed, and money goes back."""

from decimal import Decimal

import pytest

from finance.models import Refund
from inventory.models import StockLevel
from orders.models import ClosingRecord, LineClosing, PaymentStatus, Status, Terms
from orders.services.lifecycle import Refused
from tests.days.diary import TAX, Diary, fresh
from tests.factories import ProductFactory, ShopFactory, actor
from tests.ledger import booked
from tests.orders.drafts import line

pytestmark = pytest.mark.django_db


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
    assert fresh(order).status == Status.SHIPPED
    assert fresh(order).payable == 236
    diary.complete(order)

    with pytest.raises(Refused) as refused:
        diary.close(order)
    assert {"finance.overpaid", "finance.refund_open"} <= set(refused.value.blockers)

    diary.days_later(1)
    diary.pay_back(order)
    diary.finish(order, "CL02")

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


def test_a_line_is_closed_before_anything_is_sent(diary: Diary) -> None:
    """Of two lines and a fee, prepaid, one is found broken on the shelf: it is closed and refunded, the other sent."""
    sold, broken = (ProductFactory(price=Decimal(113), tax_rate=TAX) for _ in range(2))
    diary.receive("60", {sold: 2, broken: 3})
    shop = ShopFactory(terms=Terms.PREPAID)
    order = diary.place(shop, line(sold, "2"), line(broken, "3"), shipping_fee=Decimal(10), shipping_method="EXPRESS")
    diary.pay(order, "575")
    diary.process(order)

    diary.close_line(order, 2, reason="CA02")
    assert (fresh(order).status, fresh(order).payable) == (Status.PROCESSING, 236)
    assert StockLevel.objects.get(product=broken).available == 3
    refund = Refund.objects.get()
    assert (refund.amount, refund.ground, refund.requested_by) == (339, "line_closed", actor("salesperson"))
    diary.pay_back(order)
    diary.days_later(1)
    diary.send(diary.pack_all(order))
    assert fresh(order).status == Status.SHIPPED
    diary.complete(order)
    diary.finish(order, "CL02")

    assert booked(order) == [
        ["payment", "Dr 1002 575", "Cr 2203 575"],
        ["refund", "Dr 2203 339", "Cr 1002 339"],
        ["dispatch", "Dr 1122 236", "Cr 6001 210", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["settlement", "Dr 2203 236", "Cr 1122 236"],
    ]
    assert fresh(order).payment_status == PaymentStatus.PARTLY_REFUNDED
    totals = ClosingRecord.objects.get().data["evidence"]["totals"]
    assert (totals["closed_short"], totals["shipped"], totals["refunded"], totals["owed"]) == (
        "339",
        "236",
        "339",
        "0",
    )


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
    diary.close_line(order, 1, "1", reason="CL02")
    diary.send(diary.pack(order, {1: 2}))
    closing = LineClosing.objects.get()
    diary.pay(order, "582.80")
    diary.complete(order)
    diary.finish(order, "CL02")

    assert (closing.amount, closing.tax) == (Decimal("97.13"), Decimal("11.17"))
    assert booked(order) == [
        ["dispatch", "Dr 1122 97.13", "Cr 6001 85.96", "Cr 2221 11.17", "Dr 6401 40", "Cr 1405 40"],
        ["dispatch", "Dr 1122 194.27", "Cr 6001 171.92", "Cr 2221 22.35", "Dr 6401 80", "Cr 1405 80"],
        ["dispatch", "Dr 1122 97.13", "Cr 6001 85.95", "Cr 2221 11.18", "Dr 6401 40", "Cr 1405 40"],
        ["dispatch", "Dr 1122 194.27", "Cr 6001 171.92", "Cr 2221 22.35", "Dr 6401 80", "Cr 1405 80"],
        ["payment", "Dr 1002 582.8", "Cr 2203 582.8"],
        ["settlement", "Dr 2203 582.8", "Cr 1122 582.8"],
    ]
