"""One page and one export for every report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from erp.kernel.models import User
from erp.kernel.money import minor_units, plain
from erp.kernel.texts import Day, Moment
from erp.kernel.transitions import permit
from erp.reports import catalogue, files
from erp.reports.filters import Filters
from erp.reports.report import LIMIT, Answer, Asked, Column, Kind, Link, Report
from orders.selectors import company_day

# Rows a page shows; a file holds them all.
SHOWN = 500
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Cell(NamedTuple):
    """:ivar style: classes of the table's cell."""

    label: str
    text: str
    url: str
    style: str


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The reports a person may see."""
    user = request.user
    assert isinstance(user, User)
    context = {**site.each_context(request), "title": _("Reports"), "reports": catalogue.offered(user)}
    return TemplateResponse(request, "erp/reports.html", context)


@require_safe
def report(request: HttpRequest, name: str) -> HttpResponse:
    """
    Asks, and shows the answer below.

    :raises Http404: no such report. :raises Forbidden: a right is missing.
    """
    return _Page(request, _found(request, name)).shown()


@require_safe
def export(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """The same answer as a file; wrong filters are shown on the page."""
    if kind not in _TYPES:
        raise Http404(kind)
    return _Page(request, _found(request, name)).file(kind)


def _found(request: HttpRequest, name: str) -> Report:
    chosen = catalogue.REPORTS.get(name)
    if chosen is None:
        raise Http404(name)
    user = request.user
    assert isinstance(user, User)
    for permission in chosen.permissions:
        permit(user, permission)
    return chosen


class _Page:
    """One question of one person."""

    def __init__(self, request: HttpRequest, chosen: Report) -> None:
        assert isinstance(request.user, User)
        self.request, self.report, self.user = request, chosen, request.user
        self.at = timezone.now()

    @cached_property
    def form(self) -> Filters:
        return self.report.form(self.request.GET.dict(), user=self.user, today=company_day(self.at))

    @cached_property
    def asked(self) -> Asked:
        return Asked(self.user, company_day(self.at), self.form.cleaned_data)

    @property
    def is_answered(self) -> bool:
        return self.form.is_asked and self.form.is_valid()

    def shown(self) -> HttpResponse:
        context = {**site.each_context(self.request), "title": self.report.title, "report": self.report}
        context |= {"form": self.form, "at": self.at, "limit": f"{LIMIT:,}", "shown": SHOWN}
        if self.is_answered:
            context |= self._answered(self.report.answer(self.asked))
        status = 400 if self.form.is_asked and not self.is_answered else 200
        return TemplateResponse(self.request, "erp/report.html", context, status=status)

    def _answered(self, answer: Answer) -> Mapping[str, Any]:
        rows = answer.rows[:SHOWN]
        return {
            "answer": answer,
            "columns": answer.columns,
            "rows": [self._cells(answer, row) for row in rows],
            "totals": self._cells(answer, answer.totals) if any(t is not None for t in answer.totals) else (),
            "count": len(answer.rows),
            "is_long": len(answer.rows) > SHOWN,
            "currency": self.asked.currency,
            "chosen": self.asked.get("customer"),
            "chart": self._chart(answer),
            "files": {kind: f"{self._address(kind)}?{urlencode(self.form.data)}" for kind in _TYPES},
        }

    def _address(self, kind: str) -> str:
        return reverse("admin:report_file", args=[self.report.name, kind])

    def _cells(self, answer: Answer, row: Sequence[Any]) -> list[Cell]:
        return [
            Cell(str(column.label), self._text(value, column.kind), self._url(value), _classes(value, column))
            for column, value in zip(answer.columns, row, strict=True)
        ]

    def _text(self, value: Any, kind: Kind) -> str:
        if value is None:
            return ""
        match kind:
            case Kind.AMOUNT:
                return f"{value:,.{minor_units(self.asked.currency)}f}"
            case Kind.QUANTITY:
                return plain(value)
            case Kind.COUNT:
                return f"{value:,}"
            case Kind.RATE:
                return f"{value:.1%}"
        return _when(value)

    def _url(self, value: Any) -> str:
        """Where a link leads, for those who may open it."""
        if not isinstance(value, Link):
            return ""
        if isinstance(value.to, str):
            target = catalogue.REPORTS[value.to]
            address = reverse("admin:report", args=[value.to])
            return f"{address}?{urlencode(value.query)}" if target.is_open_to(self.user) else ""
        if value.to not in self._opens:
            self._opens[value.to] = site.get_model_admin(value.to).has_view_permission(self.request)
        name = value.to._meta.label_lower.replace(".", "_")
        return reverse(f"admin:{name}_change", args=[quote(value.key)]) if self._opens[value.to] else ""

    @cached_property
    def _opens(self) -> dict[Any, bool]:
        return {}

    def _chart(self, answer: Answer) -> Mapping[str, Any] | None:
        if answer.chart is None or not answer.rows:
            return None
        rows = answer.rows[: answer.chart.most]
        labels = [_when(row[answer.chart.labels]) for row in rows]
        series = [
            {
                "label": str(answer.columns[no].label),
                # Only drawn: what counts stands in the table.
                "data": [float(row[no] or 0) for row in rows],
                **_style(place),
            }
            for place, no in enumerate(answer.chart.series)
        ]
        return {
            "template": f"unfold/components/chart/{answer.chart.kind}.html",
            "data": json.dumps({"labels": labels, "datasets": series}),
            "series": [each["label"] for each in series],
        }

    def file(self, kind: str) -> HttpResponse:
        if not self.is_answered:
            return self.shown()
        table = files.table(self.report.answer(self.asked), self._notes(), self.asked.currency)
        content = files.as_csv(table) if kind == "csv" else files.as_xlsx(table, str(self.report.title))
        response = HttpResponse(content, content_type=_TYPES[kind])
        day = f"{company_day(self.at):%Y%m%d}"
        response["Content-Disposition"] = f'attachment; filename="{self.report.name}-{day}.{kind}"'
        return response

    def _notes(self) -> Iterator[str]:
        yield str(self.report.title)
        for field in self.form:
            value = self.asked.get(field.name)
            if value not in (None, "", False):
                yield f"{field.label}: {_chosen(field, value)}"
        yield str(self.report.reads)
        yield _("Data as of %(moment)s") % {"moment": Moment(self.at)}


def _classes(value: Any, column: Column) -> str:
    if column.is_number:
        # What is there should be seen before what is not.
        return "number" if value else "number quiet"
    return "whole" if column.kind in (Kind.DATE, Kind.MOMENT) or isinstance(value, Link) else ""


# Those of the keys beside the chart.
_COLOURS = ("var(--color-primary-600)", "var(--color-primary-300)")


def _style(place: int) -> Mapping[str, Any]:
    colour = _COLOURS[place % len(_COLOURS)]
    return {
        "backgroundColor": colour,
        "borderColor": colour,
        "displayYAxis": True,
        "grouped": True,
        "maxTicksXLimit": 12,
        "maxBarThickness": 28,
    }


def _when(value: Any) -> str:
    if isinstance(value, datetime):
        return str(Moment(value))
    return str(Day(value)) if isinstance(value, date) else str(value)


def _chosen(field: Any, value: Any) -> str:
    choices = getattr(field.field, "choices", None)
    if isinstance(value, str) and choices:
        return str(dict(choices).get(value, value))
    return plain(value) if isinstance(value, Decimal) else _when(value)
