"""Answers as their reader sees them: the context of ``erp/figure.html``, a chart and the table it is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse

from erp.kernel.models import User
from erp.kernel.money import minor_units, plain
from erp.kernel.texts import Day, Moment
from erp.reports import catalogue
from erp.reports.drawing import drawing
from erp.reports.report import Answer, Column, Kind, Link

# Text that stays on one line; what is longer may wrap.
_SHORT = 30


class Cell(NamedTuple):
    """:ivar style: classes of the table's cell."""

    label: str
    text: str
    url: str
    style: str


def figure(answer: Answer, request: HttpRequest, currency: str = "", *, most: int | None = None) -> Mapping[str, Any]:
    """
    :param currency: of the amounts. :param most: how many rows are shown.
    """
    show = _Cells(request, currency)
    has_totals = any(total is not None for total in answer.totals)
    return {
        "columns": answer.columns,
        "rows": [show.row(answer.columns, row) for row in answer.rows[:most]],
        "totals": show.row(answer.columns, answer.totals) if has_totals else (),
        "chart": drawing(answer, when),
        "currency": currency,
    }


class _Cells:
    """How values are shown to one reader."""

    def __init__(self, request: HttpRequest, currency: str) -> None:
        self.request, self.currency = request, currency

    def row(self, columns: Sequence[Column], values: Sequence[Any]) -> list[Cell]:
        return [
            Cell(str(column.label), self._text(value, column.kind), self._url(value), _classes(value, column))
            for column, value in zip(columns, values, strict=True)
        ]

    def _text(self, value: Any, kind: Kind) -> str:
        if value is None:
            return ""
        match kind:
            case Kind.AMOUNT:
                return f"{value:,.{minor_units(self.currency)}f}"
            case Kind.QUANTITY:
                return plain(value)
            case Kind.COUNT:
                return f"{value:,}"
            case Kind.RATE:
                return f"{value:.1%}"
        return when(value)

    def _url(self, value: Any) -> str:
        """Where a link leads, for those who may open it."""
        if not isinstance(value, Link):
            return ""
        if isinstance(value.to, str):
            return self._report(value)
        if value.to not in self._opens:
            self._opens[value.to] = site.get_model_admin(value.to).has_view_permission(self.request)
        name = value.to._meta.label_lower.replace(".", "_")
        return reverse(f"admin:{name}_change", args=[quote(value.key)]) if self._opens[value.to] else ""

    def _report(self, link: Link) -> str:
        user = self.request.user
        assert isinstance(user, User)
        address = reverse("admin:report", args=[link.to])
        return f"{address}?{urlencode(link.query)}" if catalogue.REPORTS[str(link.to)].is_open_to(user) else ""

    @cached_property
    def _opens(self) -> dict[Any, bool]:
        return {}


def _classes(value: Any, column: Column) -> str:
    if column.is_number:
        # What is there should be seen before what is not.
        return "number" if value else "number quiet"
    return "" if len(when(value)) > _SHORT else "whole"


def when(value: Any) -> str:
    """Days and moments as their reader writes them."""
    if isinstance(value, datetime):
        return str(Moment(value))
    return str(Day(value)) if isinstance(value, date) else str(value)
