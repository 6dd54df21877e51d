"""One page for every act: shows what it will do, asks for what is missing, and calls its service once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.contrib.admin.utils import quote, unquote
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from erp.kernel.acting import Channel, Decision
from erp.kernel.errors import DomainError, Forbidden, NotFound, refusals
from erp.kernel.models import User
from erp.kernel.transitions import permit
from erp.site import acts, checklist, timeline
from erp.site.act import Act, Call, Preview, order_of
from erp.site.forms import RowForm
from erp.site.stock_forms import suggested_products
from finance.periods import PeriodRefused
from orders.models import Order
from orders.services.lifecycle import Refused, Seen

_ROWS, _MOST_ROWS = 5, 500


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, name: str, pk: str = "") -> HttpResponse:
    """
    GET asks, POST acts. Out of scope is not found, before the missing right is forbidden.

    :raises Http404: no such act, or no such object in the user's scope. :raises Forbidden: the right is missing.
    """
    chosen = acts.all_acts().get(name)
    if chosen is None or bool(pk) != (chosen.model is not None):
        raise Http404(name)
    subject = _subject(chosen, request, pk)
    user = request.user
    assert isinstance(user, User)
    permit(user, chosen.permission)
    page = _Page(request, chosen, subject, user)
    return page.confirm() if request.method == "POST" else page.ask()


def _subject(chosen: Act, request: HttpRequest, pk: str) -> Any:
    if chosen.model is None:
        return None
    subject = site.get_model_admin(chosen.model).get_object(request, unquote(pk))
    if subject is None:
        raise Http404(pk)
    return subject


class SeenForm(forms.Form):
    """What the person was shown, sent back by the confirming click."""

    version = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    digest = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    shown_at = forms.DateTimeField(required=False, widget=forms.HiddenInput)

    def seen(self) -> Seen:
        # What is missing or mangled was never shown: it cannot equal any version.
        if not self.is_valid() or self.cleaned_data["version"] is None:
            return Seen(version=0)
        return Seen(self.cleaned_data["version"], self.cleaned_data["digest"])


class _Page:
    """One request for one act."""

    def __init__(self, request: HttpRequest, chosen: Act, subject: Any, user: User) -> None:
        self.request, self.act, self.subject, self.user = request, chosen, subject, user
        self.order = order_of(subject)
        self.problems: list[str] = []
        self.findings: Sequence[Any] = ()

    def ask(self, *, status: int = 200) -> HttpResponse:
        return TemplateResponse(self.request, "erp/act.html", self._context(), status=status)

    def confirm(self) -> HttpResponse:
        if "look" in self.request.POST:
            # Why it is done can be said after looking.
            self.form.errors.pop("reason", None)
        if {"more", "look"} & self.request.POST.keys():
            return self.ask()
        if not (self.form.is_valid() and self._rows_are_valid()):
            return self.ask()
        if self._has_changed():
            return self.ask(status=409)
        return self._run()

    def _run(self) -> HttpResponse:
        try:
            done = self.act.run(Call(self.subject, self.form.cleaned_data, self._rows(), self._decision, self._seen))
        except Forbidden:
            raise
        except NotFound as error:
            raise Http404(str(error)) from error
        except (Refused, PeriodRefused) as error:
            self.findings = error.findings
            self.problems = [_("Nothing was changed. What stops it is shown below.")]
        except DomainError as error:
            self.problems = [str(refusal) for refusal in refusals(error)]
        else:
            messages.success(self.request, str(done.message))
            return redirect(_address(done.target))
        return self.ask(status=409)

    def _has_changed(self) -> bool:
        """Acts whose service compares under its own lock are left to it."""
        if self.order is None or self.act.compares or self._seen.version == self.order.version:
            return False
        self.problems = [_("Nothing was changed: meanwhile somebody else acted. Look at what is shown now.")]
        return True

    @cached_property
    def form(self) -> Any:
        posted = self.request.POST if self.request.method == "POST" and "more" not in self.request.POST else None
        initial = self.request.POST.dict() if "more" in self.request.POST else None
        return self.act.form(posted, initial=initial, subject=self.subject, user=self.user, reasons=self.act.reasons)

    @cached_property
    def rows(self) -> Any:
        form, begun = self.act.row_form, self.act.rows_of(self.subject, self.user)
        if form is None or begun is None:
            return None
        posted = self.request.POST if self.request.method == "POST" and "more" not in self.request.POST else None
        initial = _typed_rows(self.request, form) if "more" in self.request.POST else begun
        formset = forms.formset_factory(form, extra=_ROWS, max_num=_MOST_ROWS, absolute_max=_MOST_ROWS)
        kwargs = {"user": self.user}
        rows = formset(posted, initial=None if posted else initial, prefix="rows", form_kwargs=kwargs)
        self._put_cursor(rows)
        return rows

    def _put_cursor(self, rows: Any) -> None:
        """After “More lines” into the first empty one: whoever scans goes on at once."""
        if "more" in self.request.POST and rows.extra_forms:
            next(iter(rows.extra_forms[0].fields.values())).widget.attrs["autofocus"] = True

    def _rows_are_valid(self) -> bool:
        return self.rows is None or self.rows.is_valid()

    def _rows(self) -> list[dict[str, Any]]:
        if self.rows is None or not (self.rows.is_bound and self.rows.is_valid()):
            return []
        return [row for row in self.rows.cleaned_data if row]

    @property
    def _begun(self) -> dict[str, Any]:
        """What the form is filled in with before anybody types."""
        return {name: field.initial for name, field in self.form.fields.items()}

    @cached_property
    def _seen_form(self) -> SeenForm:
        return SeenForm(self.request.POST)

    @cached_property
    def _seen(self) -> Seen:
        return self._seen_form.seen()

    @cached_property
    def _decision(self) -> Decision:
        data = self.form.cleaned_data if self.form.is_bound and self.form.is_valid() else {}
        detail = self.act.detail(self.subject, data or self._begun, self._rows()) if self.act.detail else {}
        return Decision(
            by=self.user,
            at=timezone.now(),
            channel=Channel.ADMIN,
            reason=data.get("reason", ""),
            note=data.get("note", ""),
            request_id=self.request.request_id,  # type: ignore[attr-defined]
            detail=detail,
        )

    def _context(self) -> dict[str, Any]:
        order = Order.objects.get(pk=self.order.pk) if self.order else None
        subject = order if order and isinstance(self.subject, Order) else self.subject
        preview = self._preview(subject)
        findings = self.findings or preview.findings
        return {
            **site.each_context(self.request),
            "title": self.act.label,
            "act": self.act,
            "subject": self.subject,
            "order": order,
            "form": self.form,
            "rows": self.rows,
            "products": suggested_products(self.act.row_form) if self.act.row_form else (),
            "seen": SeenForm(initial=_shown(order, preview)),
            "preview": preview,
            "about": self.act.about(self.subject, self._decision) if self.act.about else None,
            "is_timely": self.act.is_timely(subject),
            "checklist": checklist.of(findings, order, self.user),
            "problems": self.problems,
            "meanwhile": self._meanwhile(order),
            "back": _address(self.order or self.subject) if self.subject else reverse("admin:index"),
        }

    def _preview(self, subject: Any) -> Preview:
        if self.act.preview is None:
            return Preview()
        try:
            return self.act.preview(subject, self._decision)
        except DomainError as error:
            self.problems += [str(refusal) for refusal in refusals(error) if str(refusal) not in self.problems]
            return Preview()

    def _meanwhile(self, order: Order | None) -> Iterable[timeline.Entry]:
        """What others did since the person was shown the page."""
        if self.request.method != "POST" or order is None or not self._seen_form.is_valid():
            return ()
        if self._seen.version == order.version:
            return ()
        since = self._seen_form.cleaned_data["shown_at"]
        return [entry for entry in timeline.of(order, self.user) if since is None or entry.at >= since]


def _shown(order: Order | None, preview: Preview) -> dict[str, Any]:
    return {
        "version": order.version if order else "",
        "digest": preview.digest,
        "shown_at": timezone.now().isoformat(),
    }


def _typed_rows(request: HttpRequest, form: type[RowForm]) -> list[dict[str, str]]:
    """What was typed so far; with the empty rows that follow there are more."""
    typed = []
    for no in range(_MOST_ROWS):
        row = {name: request.POST.get(f"rows-{no}-{name}", "") for name in form.base_fields}
        if any(row.values()):
            typed.append(row)
    return typed


def _address(target: Any) -> str:
    meta = target._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(target.pk)])
