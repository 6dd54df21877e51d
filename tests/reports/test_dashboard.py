"""What the home page draws: rows for a chart and its table, of the reader's shops, in one query each."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from erp.kernel.models import User
from erp.reports.report import Answer
from erp.reports.selectors import dashboard
from orders.models import ClosingRecord, Order, Status
from orders.selectors import company_day
from orders.services.cancelling import cancel_order
from orders.services.closing_lines import LineToClose, close_lines
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.orders.reopenings import reopen
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with override("en"):
        yield


@pytest.fixture
def today() -> date:
    return company_day(timezone.now())


def days_ago(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def rows(answer: Answer) -> list[tuple[Any, ...]]:
    return [tuple(str(value) if not isinstance(value, int) else value for value in row) for row in answer.rows]


def test_orders_stand_on_their_day_in_their_state(auditor: User, today: date) -> None:
    OrderFactory.create_batch(2)
    OrderFactory(processing=True, at=days_ago(29))
    OrderFactory(at=days_ago(31))

    answer = dashboard.orders_by_state(auditor, today)

    assert len(answer.rows) == 30
    assert [str(column.label) for column in answer.columns[1:]] == [str(status.label) for status in Status]
    assert answer.rows[-1] == (today, 2, 0, 0, 0, 0, 0)
    assert answer.rows[0] == (today - timedelta(days=29), 0, 1, 0, 0, 0, 0)
    assert sum(sum(row[1:]) for row in answer.rows) == 3


def test_days_to_close_are_the_median_of_their_week(auditor: User, today: date) -> None:
    for days in (2, 4, 9):
        order = OrderFactory(closed=True)
        closed_at = ClosingRecord.objects.get(order=order).at
        Order.objects.filter(pk=order.pk).update(placed_at=closed_at - timedelta(days=days))

    (row,) = dashboard.days_to_close(auditor, today).rows

    assert row[0] == today - timedelta(days=today.weekday())
    assert row[1:] == (Decimal("4.0"), 3)


def test_open_orders_fall_into_one_age(auditor: User, today: date) -> None:
    for days in (0, 7, 8, 30, 31, 60, 61, 90, 91, 400):
        OrderFactory(at=days_ago(days))
    cancelled = OrderFactory()
    cancel_order(cancelled.pk, decision=decide(actor("service"), reason="CA01"))

    assert rows(dashboard.open_orders_by_age(auditor, today)) == [
        ("Up to 7 days", 2),
        ("8–30 days", 2),
        ("31–60 days", 2),
        ("61–90 days", 2),
        ("Over 90 days", 2),
    ]


def test_reasons_are_counted_for_closings_that_stand(auditor: User, today: date) -> None:
    kept, undone = OrderFactory(closed=True), OrderFactory(closed=True)
    reopen(undone)

    assert rows(dashboard.close_reasons(auditor, today)) == [("CL01 Completed normally", 1)]
    assert kept.status == Status.CLOSED


def test_what_was_closed_short_is_valued_by_month(auditor: User, today: date) -> None:
    order = OrderFactory(processing=True)
    line = order.lines.order_by("no")[0]
    close_lines(order.pk, [LineToClose(line.no)], decision=decide(actor("salesperson"), reason="CA12"))

    answer = dashboard.closed_short(auditor, today, currency=order.currency)

    assert answer.rows == [(f"{today:%Y-%m}", 1, line.amount)]
    assert dashboard.closed_short(auditor, today, currency="USD").rows == []


FIGURES = [
    *(figure for _title, figure in dashboard.FIGURES),
    lambda *asked: dashboard.closed_short(*asked, currency="CNY"),
]


@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_is_of_the_readers_shops_and_takes_few_queries(
    figure: Callable[[User, date], Answer], today: date
) -> None:
    theirs = OrderFactory(closed=True)
    OrderFactory.create_batch(3, shop=theirs.shop)
    reader = UserFactory(role="salesperson", shops=[ShopFactory()])
    reader.has_perm("orders.all_shops")

    with count_queries() as statements:
        answer = figure(reader, today)

    assert answer.rows == []
    assert len(statements) <= 2
