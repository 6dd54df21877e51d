"""What became of orders, which are still open, which ended and why."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.translation import override

from erp.reports.catalogue import REPORTS
from erp.reports.report import Asked
from orders.models import ClosingRecord, Line, LineClosing, Order, Status
from tests.reports.business import Company, answer, totals

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_english() -> Any:
    with override("en"):
        yield


def column(answered: Any, label: str) -> list[Any]:
    no = [str(each.label) for each in answered.columns].index(label)
    return [row[no] for row in answered.rows]


def test_execution_shows_every_line_with_what_became_of_it(company: Company) -> None:
    answered = answer(company, "execution")

    lines = Line.objects.filter(order__currency="CNY")
    assert len(answered.rows) == lines.count()
    assert totals(answered) == {
        "Amount ordered": sum(line.amount for line in lines),
        "Amount shipped": sum(line.shipped_amount for line in lines),
    }
    short = company.orders["closed short"].number
    row = next(row for row in answered.rows if str(row[0]) == short)
    assert row[8:13] == (3, 2, 0, 1, None)


def test_execution_is_narrowed(company: Company) -> None:
    returned = company.orders["returned"]

    of_customer = answer(company, "execution", customer=f"#{returned.customer_id}", status="closed")
    left = answer(company, "execution", unshipped="on")

    assert {str(link) for link in column(of_customer, "Order")} >= {returned.number}
    assert set(column(of_customer, "Status")) == {"Closed"}
    assert column(left, "Left to ship")
    assert all(quantity > 0 for quantity in column(left, "Left to ship"))


def test_open_orders_are_listed_by_age_and_due_date(company: Company) -> None:
    today = company.until + timedelta(days=60)

    def listed(**filters: Any) -> set[str]:
        report = REPORTS["overdue"]
        given = {"currency": "CNY", **filters}
        form = report.form(given, user=company.reader, today=today)
        assert form.is_valid(), form.errors
        rows = report.answer(Asked(company.reader, today, form.cleaned_data)).rows
        return {str(row[0]) for row in rows}

    still_open = {
        order.number
        for order in Order.objects.filter(currency="CNY").exclude(status__in=[Status.CLOSED, Status.CANCELLED])
    }
    assert listed(days="0") == still_open
    assert listed(days="3650") == set()
    assert listed(by="completed", days="0") == {
        order.number for order in Order.objects.filter(status=Status.COMPLETED, currency="CNY")
    }
    due = {order.number for order in Order.objects.filter(number__in=still_open, due_date__lte=today)}
    assert listed(by="due", days="0") == due != still_open


def test_an_open_order_says_what_is_owed(company: Company) -> None:
    order = company.orders["charged back"]

    answered = answer(company, "overdue", days="0")

    row = next(row for row in answered.rows if str(row[0]) == order.number)
    assert row[10] == order.owed == 226


def test_closed_orders_are_the_closings_of_the_period_and_undone_ones_are_marked(company: Company) -> None:
    answered = answer(company, "closed-orders")

    records = ClosingRecord.objects.filter(act="close", order__currency="CNY")
    assert [str(link) for link in column(answered, "Closing record")] == [
        record.number for record in records.order_by("at", "pk")
    ]
    reopened = company.orders["reopened"].number
    marks = [
        mark
        for link, mark in zip(column(answered, "Order"), column(answered, "Since then"), strict=True)
        if str(link) == reopened
    ]
    assert marks == ["Reopened", None]
    only = answer(company, "closed-orders", reason="CL04")
    assert [str(link) for link in column(only, "Order")] == [company.orders["bad debt"].number]


@pytest.mark.parametrize("by", ["reason", "product", "customer", "clerk", "shop", "warehouse", "month"])
def test_reasons_add_up_whatever_they_are_grouped_by(company: Company, by: str) -> None:
    answered = answer(company, "closing-reasons", by=by)

    short = LineClosing.objects.filter(order__currency="CNY")
    cancelled = Order.objects.filter(status=Status.CANCELLED, currency="CNY")
    assert sum(column(answered, "Lines closed short")) == short.count() == 1
    assert sum(column(answered, "Amount closed short")) == sum(row.amount for row in short) == 113
    assert sum(column(answered, "Amount cancelled")) == sum(order.total for order in cancelled)
    assert sum(column(answered, "Orders closed")) >= Order.objects.filter(status=Status.CLOSED).count()
    if by != "product":
        assert sum(column(answered, "Orders closed")) == Order.objects.filter(status=Status.CLOSED).count()
        assert sum(column(answered, "Orders cancelled")) == cancelled.count()


def test_a_reason_says_whether_the_sale_was_lost(company: Company) -> None:
    answered = answer(company, "closing-reasons")

    rows = {str(row[0]).split()[0]: row for row in answered.rows}
    assert rows["CL01"][1] == ""
    # Of the reasons met here, some are lost sales: what they say of amounts is in the last column.
    lost = sum(row[4] + row[6] for row in answered.rows if row[1] == "Yes")
    assert sum(column(answered, "Of these, lost sales")) == lost > 0
