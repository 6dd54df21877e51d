"""The pages of bulk runs: what is selected, how far it is, and what became of each order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import messages
from django.contrib.admin import site
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from erp.bulk import selectors, services
from erp.bulk.acts import all_acts
from erp.bulk.models import BulkItem, BulkRun, RunState
from erp.kernel.acting import Channel, Decision
from erp.kernel.errors import DomainError, Forbidden
from erp.kernel.models import User
from erp.reports.files import as_csv
from erp.site import blocking
from erp.site.forms import ActForm
from erp.worker.selectors import is_alive
from orders.models import Status

_SHOWN, _RUNS = 20, 50


def begin(request: HttpRequest, act: str, queryset: Any) -> HttpResponse:
    """
    An action of the order list: fix the selection, then ask on a page of its own.

    :raises Forbidden: the act's permission is missing.
    """
    decision = _decision(request)
    try:
        run = services.draft(act, queryset.values_list("pk", flat=True)[: services.MOST + 1], decision=decision)
    except Forbidden:
        raise
    except DomainError as error:
        messages.error(request, str(error))
        return redirect(request.get_full_path())
    return redirect("admin:bulk_run", run.pk)


@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    rows = list(selectors.runs(_user(request)).exclude(state=RunState.DRAFT).order_by("-pk")[:_RUNS])
    progress_of = selectors.progress(rows)
    shown = [(run, all_acts()[run.act].label, progress_of[run.pk]) for run in rows]
    return TemplateResponse(
        request, "erp/bulk/runs.html", {**site.each_context(request), "title": _("Bulk runs"), "runs": shown}
    )


@require_http_methods(["GET", "HEAD", "POST"])
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """
    A run of the reader's: asks before it starts, then shows how far it is.

    :raises Http404: there is none, or it is somebody else's. :raises Forbidden: the act's permission is missing.
    """
    chosen = _run(request, pk)
    if request.method == "POST":
        return _act(request, chosen)
    return _page(request, chosen, _form(request, chosen))


@require_GET
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that changes while the run is at work."""
    return TemplateResponse(request, "erp/bulk/progress.html", _progress(request, _run(request, pk)))


@require_GET
def result(request: HttpRequest, pk: int) -> HttpResponse:
    """Every order with its result, as CSV for a spreadsheet; cells are never formulas."""
    chosen = _run(request, pk)
    response = HttpResponse(as_csv(_rows(chosen)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="bulk-run-{chosen.pk}.csv"'
    return response


def _act(request: HttpRequest, chosen: BulkRun) -> HttpResponse:
    switches: dict[str, Callable[..., BulkRun]] = {"pause": services.pause, "go_on": services.go_on}
    asked = next((name for name in switches if name in request.POST), "")
    form = _form(request, chosen)
    try:
        if asked:
            switches[asked](chosen.pk, decision=_decision(request))
        elif form.is_valid():
            decision = _decision(request, form.cleaned_data.get("reason", ""), form.cleaned_data.get("note", ""))
            services.start(chosen.pk, decision=decision)
        else:
            return _page(request, chosen, form)
    except Forbidden:
        raise
    except DomainError as error:
        messages.error(request, str(error))
    return redirect("admin:bulk_run", chosen.pk)


def _page(request: HttpRequest, chosen: BulkRun, form: ActForm) -> HttpResponse:
    act = all_acts()[chosen.act]
    context = {
        **site.each_context(request),
        **_progress(request, chosen),
        "title": act.label,
        "form": form,
        "statuses": [(Status(status).label, count) for status, count in selectors.statuses(chosen).items()],
    }
    return TemplateResponse(request, "erp/bulk/run.html", context)


def _progress(request: HttpRequest, chosen: BulkRun) -> dict[str, Any]:
    refused = [(item, selectors.reasons(item)) for item in selectors.refused(chosen, limit=_SHOWN)]
    return {
        "run": chosen,
        "act": all_acts()[chosen.act],
        "is_own": chosen.requested_by_id == _user(request).pk,
        "progress": selectors.progress([chosen])[chosen.pk],
        "first_reasons": [(blocking.name_of(code), count) for code, count in selectors.first_reasons(chosen)],
        "refused": refused,
        "nobody_works": chosen.state == RunState.RUNNING and not is_alive(timezone.now()),
    }


def _form(request: HttpRequest, chosen: BulkRun) -> ActForm:
    posted = request.POST if request.method == "POST" else None
    return ActForm(posted, user=_user(request), subject=None, reasons=all_acts()[chosen.act].reasons)


def _run(request: HttpRequest, pk: int) -> BulkRun:
    found: BulkRun | None = selectors.runs(_user(request)).filter(pk=pk).first()
    if found is None:
        raise Http404(str(pk))
    return found


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _decision(request: HttpRequest, reason: str = "", note: str = "") -> Decision:
    return Decision(by=_user(request), at=timezone.now(), channel=Channel.ADMIN, reason=reason, note=note)


def _rows(chosen: BulkRun) -> Iterator[list[str]]:
    yield [_("Order"), _("Customer"), _("Result"), _("When"), _("Why")]
    for item in selectors.results(chosen):
        yield _cells(item)


def _cells(item: BulkItem) -> list[str]:
    at = timezone.localtime(item.at).strftime("%Y-%m-%d %H:%M:%S") if item.at else ""
    return [
        item.order.number,
        item.order.customer_name,
        item.get_state_display(),
        at,
        " ".join(selectors.reasons(item)),
    ]
