"""
What a report is: a name, who may see it, what it may be asked, its columns and rows, and a sentence that says
what it reads. One view, one template and one export serve all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, auto
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models

from erp.kernel.errors import Text
from erp.kernel.money import ZERO

if TYPE_CHECKING:
    from erp.kernel.models import User
    from erp.reports.filters import Filters

COST = "inventory.view_cost"
# What a report reads at most; more is a question that should be narrowed.
LIMIT = 50_000


class Kind(Enum):
    """What a column holds: amounts of the currency asked for, rates as parts of 1, links or text."""

    TEXT = auto()
    AMOUNT = auto()
    QUANTITY = auto()
    COUNT = auto()
    RATE = auto()
    DATE = auto()
    MOMENT = auto()
    LINK = auto()


NUMBERS = frozenset({Kind.AMOUNT, Kind.QUANTITY, Kind.COUNT, Kind.RATE})


@dataclass(frozen=True, slots=True)
class Column:
    """:ivar adds_up: whether the sum of all rows means anything."""

    label: Text
    kind: Kind = Kind.TEXT
    adds_up: bool = False

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS


def amount(label: Text, *, adds_up: bool = True) -> Column:
    return Column(label, Kind.AMOUNT, adds_up)


def count(label: Text, *, adds_up: bool = True) -> Column:
    return Column(label, Kind.COUNT, adds_up)


def quantity(label: Text) -> Column:
    """Never added up: units differ."""
    return Column(label, Kind.QUANTITY)


class Link(NamedTuple):
    """Text that leads to a document's page, or to another report asked with ``query``."""

    text: str
    to: type[models.Model] | str
    key: Any = None
    query: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return self.text


class Chart(NamedTuple):
    """
    Columns drawn over the rows, which stand in the table too.

    :ivar series: at most six columns. :ivar most: of how many rows, from the first; the rest is left to the table.
    """

    kind: str
    labels: int
    series: Sequence[int]
    most: int = 31
    is_stacked: bool = False


@dataclass(frozen=True)
class Asked:
    """One question to a report: who asks, on which day of the company, with which filters."""

    user: User
    today: date
    filters: Mapping[str, Any]

    def get(self, name: str) -> Any:
        return self.filters.get(name)

    @property
    def currency(self) -> str:
        return str(self.filters.get("currency") or "")

    @cached_property
    def sees_cost(self) -> bool:
        return self.user.has_perm(COST)

    @property
    def since(self) -> date:
        day = self.filters["since"]
        assert isinstance(day, date)
        return day

    @property
    def until(self) -> date:
        day = self.filters["until"]
        assert isinstance(day, date)
        return day

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """The period in moments, the second of them no longer in it."""
        return start_of(self.since), start_of(self.until + timedelta(days=1))


def start_of(day: date) -> datetime:
    """The first moment of a day of the company."""
    return datetime.combine(day, time.min, ZoneInfo(settings.COMPANY_TIME_ZONE))


Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a report answered.

    :ivar totals: by column, ``None`` where a sum would mean nothing; empty when rows are missing.
    :ivar is_cut: there are more rows than a report reads.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    totals: Sequence[Decimal | int | None]
    is_cut: bool
    chart: Chart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    :ivar name: in its address. :ivar icon: the symbol beside it in the sidebar.
    :ivar permissions: all of them are needed.
    :ivar reads: the sentence that says what it reads, by which date.
    :ivar rows: may be lazy; no more than :data:`LIMIT` of them are read.
    """

    name: str
    title: Text
    icon: str
    permissions: Sequence[str]
    reads: Text
    form: type[Filters]
    columns: Callable[[Asked], Sequence[Column]]
    rows: Callable[[Asked], Iterable[Row]]
    chart: Callable[[Asked], Chart | None] = lambda asked: None

    def is_open_to(self, user: User) -> bool:
        return user.has_perms(self.permissions)

    def answer(self, asked: Asked) -> Answer:
        columns = self.columns(asked)
        rows = list(islice(self.rows(asked), LIMIT + 1))
        is_cut = len(rows) > LIMIT
        totals = () if is_cut else [_total(column, no, rows) for no, column in enumerate(columns)]
        return Answer(columns, rows[:LIMIT], totals, is_cut, self.chart(asked))


def _total(column: Column, no: int, rows: Iterable[Row]) -> Any:
    if not column.adds_up:
        return None
    return sum((row[no] for row in rows if row[no] is not None), ZERO if column.kind == Kind.AMOUNT else 0)
