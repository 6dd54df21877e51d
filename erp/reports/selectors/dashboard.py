"""
What the home page draws: each figure as rows for a chart and for its table, of the reader's shops.

The day is passed in; each is one query over what an index finds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate, TruncMonth
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.reports.report import Answer, Chart, Column, Kind, Row, amount, count, start_of
from orders.models import OPEN, Act, ClosingRecord, LineClosing, Order, Reason, Status
from orders.selectors import company_day

DAYS, WEEKS, MONTHS = 30, 8, 12


def orders_by_state(user: User, today: date) -> Answer:
    """Orders placed in the last 30 days, by day, in the state they are in now."""
    first = today - timedelta(days=DAYS - 1)
    rows = Order.objects.visible_to(user).filter(placed_at__gte=start_of(first)).order_by()
    grouped = rows.annotate(day=TruncDate("placed_at", tzinfo=_zone())).values_list("day", "status")
    found: dict[tuple[date, str], int] = {}
    for day, status, number in grouped.annotate(Count("pk")):
        found[day, status] = number
    days = [first + timedelta(days=no) for no in range(DAYS)]
    columns = [Column(pgettext_lazy("report", "Day"), Kind.DATE), *(count(status.label) for status in Status)]
    table: list[Row] = [(day, *(found.get((day, status), 0) for status in Status)) for day in days] if found else []
    return _answer(columns, table, Chart("bar", 0, range(1, len(Status) + 1), is_stacked=True))


def days_to_close(user: User, today: date) -> Answer:
    """Median days from order to closing, by the week of closing (from Monday), of the last eight weeks."""
    monday = today - timedelta(days=today.weekday())
    first = monday - timedelta(weeks=WEEKS - 1)
    records = _still_closed(user).filter(at__gte=start_of(first))
    weeks: dict[date, list[float]] = defaultdict(list)
    for at, placed_at in records.values_list("at", "order__placed_at").iterator(chunk_size=5000):
        day = company_day(at)
        weeks[day - timedelta(days=day.weekday())].append(_days(placed_at, at))
    columns = [
        Column(_("Week from"), Kind.DATE),
        Column(_("Median days from order to closing"), Kind.QUANTITY),
        count(_("Orders closed")),
    ]
    table = [(week, Decimal(str(round(median(days), 1))), len(days)) for week, days in sorted(weeks.items())]
    return _answer(columns, table, Chart("line", 0, (1,)))


def _days(since: datetime, until: datetime) -> float:
    return (until - since) / timedelta(days=1)


def _still_closed(user: User) -> Any:
    """Closings that were not undone by reopening: those of the order's present cycle."""
    return ClosingRecord.objects.visible_to(user).filter(act=Act.CLOSE, sequence=F("order__cycle") * 2 - 1).order_by()


# Days since placed, from and to.
_AGES: Sequence[tuple[Text, int, int | None]] = (
    (pgettext_lazy("age", "Up to 7 days"), 0, 7),
    (pgettext_lazy("age", "8–30 days"), 8, 30),
    (pgettext_lazy("age", "31–60 days"), 31, 60),
    (pgettext_lazy("age", "61–90 days"), 61, 90),
    (pgettext_lazy("age", "Over 90 days"), 91, None),
)


def open_orders_by_age(user: User, today: date) -> Answer:
    """Orders neither closed nor cancelled, by days since they were placed."""
    sums = {f"age_{no}": Count("pk", filter=_aged(today, *ages)) for no, (_label, *ages) in enumerate(_AGES)}
    counts = Order.objects.visible_to(user).filter(status__in=OPEN).aggregate(**sums)
    table: list[Row] = (
        [(label, counts[f"age_{no}"]) for no, (label, *_ages) in enumerate(_AGES)] if any(counts.values()) else []
    )
    return _answer([Column(_("Age")), count(_("Open orders"))], table, Chart("bar", 0, (1,)))


def _aged(today: date, least: Any, most: Any) -> Q:
    placed = Q(placed_at__lt=start_of(today - timedelta(days=least - 1)))
    return placed if most is None else placed & Q(placed_at__gte=start_of(today - timedelta(days=most)))


def close_reasons(user: User, today: date) -> Answer:
    """Why orders were closed in the last 30 days, the commonest first."""
    first = start_of(today - timedelta(days=DAYS - 1))
    rows = _still_closed(user).filter(at__gte=first)
    counts = dict(rows.values_list("reason").annotate(Count("pk")))
    names = {reason.code: str(reason) for reason in Reason.objects.filter(code__in=counts)}
    table = [(names.get(code, code), counts[code]) for code in sorted(counts, key=lambda code: (-counts[code], code))]
    return _answer([Column(_("Reason")), count(_("Orders closed"))], table, Chart("bar", 0, (1,), 10))


def closed_short(user: User, today: date, *, currency: str) -> Answer:
    """The value of what was closed short, by month, of the last twelve months, in one currency."""
    first = today.replace(day=1)
    for _month in range(MONTHS - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    rows = LineClosing.objects.visible_to(user).filter(at__gte=start_of(first), order__currency=currency).order_by()
    months = rows.annotate(month=TruncMonth("at", tzinfo=_zone())).values_list("month")
    table = [
        (f"{month:%Y-%m}", number, value)
        for month, number, value in months.annotate(Count("pk"), Sum("amount")).order_by("month")
    ]
    columns = [
        Column(pgettext_lazy("report", "Month")),
        count(_("Lines closed short")),
        amount(_("Amount closed short")),
    ]
    return _answer(columns, table, Chart("bar", 0, (2,)))


FIGURES: Sequence[tuple[Text, Callable[[User, date], Answer]]] = (
    (_("Orders of the last 30 days, by day and present state"), orders_by_state),
    (_("Days from order to closing"), days_to_close),
    (_("Open orders by age"), open_orders_by_age),
    (_("Why orders were closed, last 30 days"), close_reasons),
)


def _answer(columns: Sequence[Column], rows: Sequence[Row], chart: Chart) -> Answer:
    return Answer(columns, rows, (), False, chart)


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.COMPANY_TIME_ZONE)
