"""The queue of refunds 退款待审批: what is asked for, why, by whom, and what the order owes; decided in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from erp.kernel.acting import Channel, Decision
from erp.kernel.errors import DomainError, Forbidden, NotFound, refusals
from erp.kernel.forms import PlainTextField
from erp.kernel.models import User
from erp.kernel.transitions import permit
from finance import selectors
from finance.models import Refund
from finance.services import refunds
from orders.models import Act
from orders.services import catalogue

RIGHT = "finance.approve_refund"
_SHOWN = 200


class RejectForm(forms.Form):
    """Why the marked ones are rejected."""

    reason = forms.ChoiceField(label=gettext_lazy("Reason"))
    note = PlainTextField(label=gettext_lazy("Note"), max_length=500, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        field = self.fields["reason"]
        assert isinstance(field, forms.ChoiceField)
        # One made for rejecting before one for any act.
        offered = sorted(catalogue.choices(Act.REJECT), key=lambda reason: (len(reason.acts), reason.code))
        field.choices = [(reason.code, str(reason)) for reason in offered]


@dataclass(frozen=True, slots=True)
class Row:
    """:ivar is_own: the reader asked for it, or received its goods, so that somebody else decides."""

    refund: Refund
    is_own: bool


@require_http_methods(["GET", "HEAD", "POST"])
def queue(request: HttpRequest) -> HttpResponse:
    """
    Everything that waits to be approved, in the reader's scope.

    :raises Forbidden: ``finance.approve_refund`` is missing.
    """
    user = request.user
    assert isinstance(user, User)
    permit(user, RIGHT)
    if request.method != "POST":
        return _page(request, user)
    ids = _marked(request)
    if not ids:
        return _page(request, user, problems=[_("Nothing is marked. Mark the refunds you decide about.")], status=400)
    try:
        return _reject(request, user, ids) if "reject" in request.POST else _approve(request, user, ids)
    except Forbidden:
        raise
    except NotFound as error:
        raise Http404(str(error)) from error
    except DomainError as error:
        return _page(request, user, problems=[str(refusal) for refusal in refusals(error)], status=409)


def may(user: User) -> bool:
    return user.has_perm(RIGHT)


def _marked(request: HttpRequest) -> list[int]:
    """The one whose button was pressed, or all that are marked."""
    one = request.POST.get("one")
    given = [one] if one else request.POST.getlist("refund")
    return [int(pk) for pk in given[:_SHOWN] if pk.isascii() and pk.isdigit() and len(pk) < 19]


def _approve(request: HttpRequest, user: User, ids: Sequence[int]) -> HttpResponse:
    approval = refunds.approve_those_possible(ids, decision=_decision(request, user))
    count = len(approval.approved)
    if count:
        told = ngettext("%(count)s refund is approved.", "%(count)s refunds are approved.", count)
        messages.success(request, told % {"count": count})
    if not approval.refused:
        return redirect("admin:refunds")
    return _page(request, user, refused=approval.refused, status=409)


def _reject(request: HttpRequest, user: User, ids: Sequence[int]) -> HttpResponse:
    form = RejectForm(request.POST)
    if not form.is_valid():
        return _page(request, user, form=form, status=400)
    decision = _decision(request, user, reason=form.cleaned_data["reason"], note=form.cleaned_data["note"])
    count = len(refunds.reject_refunds(ids, decision=decision))
    told = ngettext("%(count)s refund is rejected.", "%(count)s refunds are rejected.", count)
    messages.success(request, told % {"count": count})
    return redirect("admin:refunds")


def _decision(request: HttpRequest, user: User, reason: str = "", note: str = "") -> Decision:
    return Decision(
        by=user,
        at=timezone.now(),
        channel=Channel.ADMIN,
        request_id=request.request_id,  # type: ignore[attr-defined]
        reason=reason,
        note=note,
    )


def _page(
    request: HttpRequest,
    user: User,
    *,
    form: RejectForm | None = None,
    problems: Sequence[str] = (),
    refused: Sequence[tuple[Refund, Sequence[DomainError]]] = (),
    status: int = 200,
) -> HttpResponse:
    waiting = selectors.refunds_to_decide(user)
    listed = list(waiting[: _SHOWN + 1])
    rows = [Row(refund, user.pk in (refund.requested_by_id, refund.goods_received_by_id)) for refund in listed]
    context = {
        **site.each_context(request),
        "title": _("Refunds to approve"),
        "rows": rows[:_SHOWN],
        "has_more": len(rows) > _SHOWN,
        "form": form or RejectForm(),
        "problems": problems,
        "refused": [(refund, [str(reason) for reason in reasons]) for refund, reasons in refused],
    }
    return TemplateResponse(request, "erp/refunds.html", context, status=status)
