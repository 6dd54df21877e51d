"""One page and one export for every report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import site
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from erp.kernel.models import User
from erp.kernel.money import plain
from erp.kernel.texts import Moment
from erp.kernel.transitions import permit
from erp.reports import catalogue, files
from erp.reports.filters import Filters
from erp.reports.report import LIMIT, Answer, Asked, Report
from erp.reports.shown import figure, when
from orders.selectors import company_day

# Rows a page shows; a file holds them all.
SHOWN = 500
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


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
        return {
            "answer": answer,
            **figure(answer, self.request, self.asked.currency, most=SHOWN),
            "count": len(answer.rows),
            "is_long": len(answer.rows) > SHOWN,
            "chosen": self.asked.get("customer"),
            "files": {kind: f"{self._address(kind)}?{urlencode(self.form.data)}" for kind in _TYPES},
        }

    def _address(self, kind: str) -> str:
        return reverse("admin:report_file", args=[self.report.name, kind])

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


def _chosen(field: Any, value: Any) -> str:
    choices = getattr(field.field, "choices", None)
    if isinstance(value, str) and choices:
        return str(dict(choices).get(value, value))
    return plain(value) if isinstance(value, Decimal) else when(value)
