"""
Dispatch by scanning 扫描发货: a number, a tracking number, and the next one.

A scanner is a keyboard that ends with Enter: at every step the cursor is where the next scan belongs.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import site
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from erp.kernel import validation
from erp.kernel.acting import Channel, Decision
from erp.kernel.errors import DomainError, Forbidden, refusals
from erp.kernel.models import User
from erp.kernel.transitions import permit
from erp.site import about
from erp.site.forms import DispatchForm
from logistics import selectors
from logistics.models import Shipment, ShipmentStatus
from logistics.services import shipping
from orders import selectors as order_selectors

_CARRIER = "dispatch_carrier"
# What each may do next, by the status they find a shipment in.
_RIGHTS = {
    ShipmentStatus.DRAFT: "logistics.pack_shipment",
    ShipmentStatus.PACKED: "logistics.dispatch_shipment",
}


@require_http_methods(["GET", "HEAD", "POST"])
def dispatch(request: HttpRequest) -> HttpResponse:
    """
    Find a shipment by what was scanned, show what is in it, then pack or dispatch it by Enter.

    :raises Forbidden: the reader may neither pack nor dispatch.
    """
    user = request.user
    assert isinstance(user, User)
    if not may(user):
        permit(user, _RIGHTS[ShipmentStatus.PACKED])
    if request.method == "POST":
        return _act(request, user)
    number = request.GET.get("number", "").strip()
    if not number:
        return _page(request, user)
    try:
        number = validation.text(number, _("Number"), limit=64)
    except DomainError as error:
        return _page(request, user, problems=[str(error)])
    found = selectors.called(number, user)
    waiting = [shipment for shipment in found if _is_for(user, shipment)]
    if len(waiting) == 1:
        return _page(request, user, shipment=waiting[0])
    if waiting:
        return _page(request, user, choices=waiting)
    return _page(request, user, problems=[_why_not(number, found, user)])


def may(user: User) -> bool:
    return any(user.has_perm(right) for right in _RIGHTS.values())


def _is_for(user: User, shipment: Shipment) -> bool:
    right = _RIGHTS.get(ShipmentStatus(shipment.status))
    return right is not None and user.has_perm(right)


def _why_not(number: str, found: list[Shipment], user: User) -> str:
    """One sentence: what it is, and what has to happen first."""
    if found:
        shipment = found[-1]
        said = {"number": shipment.number, "status": shipment.get_status_display(), "order": shipment.order.number}
        if shipment.status == ShipmentStatus.DRAFT:
            return _("Shipment %(number)s of order %(order)s is not packed yet. The keeper packs it first.") % said
        if shipment.status == ShipmentStatus.PACKED:
            return _("Shipment %(number)s of order %(order)s is packed. Logistics dispatches it.") % said
        return _("Shipment %(number)s of order %(order)s is %(status)s already. Scan the next one.") % said
    order = order_selectors.called(number, user)
    if order is not None:
        said = {"order": order.number, "status": order.get_status_display()}
        return _("Order %(order)s is %(status)s and has no shipment yet. The keeper packs it first.") % said
    return _("“%(number)s” is no number of a shipment or order here. Scan it again.") % {"number": number}


def _act(request: HttpRequest, user: User) -> HttpResponse:
    shipments = selectors.shipments(user).select_related("order", "warehouse", "method", "carrier")
    pk = request.POST.get("shipment", "")
    shipment = shipments.filter(pk=pk).first() if pk.isascii() and pk.isdigit() and len(pk) < 19 else None
    if shipment is None:
        raise Http404(pk)
    right = _RIGHTS.get(ShipmentStatus(shipment.status))
    if right is None:
        return _page(request, user, problems=[_why_not(shipment.number, [shipment], user)], status=409)
    permit(user, right)
    if shipment.status == ShipmentStatus.DRAFT:
        return _pack(request, user, shipment)
    form = DispatchForm(request.POST, subject=shipment, user=user)
    if not form.is_valid():
        return _page(request, user, shipment=shipment, form=form)
    return _dispatch(request, user, shipment, form)


def _pack(request: HttpRequest, user: User, shipment: Shipment) -> HttpResponse:
    try:
        packed = shipping.pack_shipment(shipment.pk, decision=_decision(request, user))
    except Forbidden:
        raise
    except DomainError as error:
        return _page(request, user, problems=[str(error)], status=409)
    messages.success(request, _("Shipment %(number)s is packed.") % {"number": packed.number})
    return redirect("admin:dispatch")


def _dispatch(request: HttpRequest, user: User, shipment: Shipment, form: DispatchForm) -> HttpResponse:
    data = form.cleaned_data
    tracking = data.get("tracking_number", "")
    if tracking.upper() in (shipment.number, shipment.order.number):
        form.add_error("tracking_number", _("This is the number of the shipment. Scan that of the waybill."))
        return _page(request, user, shipment=shipment, form=form)
    waybill = shipping.Waybill(data.get("carrier", ""), tracking, data.get("method", ""))
    try:
        done = shipping.dispatch_shipment(shipment.pk, decision=_decision(request, user), waybill=waybill)
    except Forbidden:
        raise
    except DomainError as error:
        problems = [str(refusal) for refusal in refusals(error)]
        return _page(request, user, shipment=shipment, form=form, problems=problems, status=409)
    request.session[_CARRIER] = data.get("carrier", "")
    told = _("Shipment %(number)s is dispatched: order %(order)s, %(tracking)s.")
    said = {"number": done.number, "order": done.order.number, "tracking": done.tracking_number or "—"}
    messages.success(request, told % said)
    return redirect("admin:dispatch")


def _decision(request: HttpRequest, user: User) -> Decision:
    return Decision(
        by=user,
        at=timezone.now(),
        channel=Channel.ADMIN,
        request_id=request.request_id,  # type: ignore[attr-defined]
    )


def _form(request: HttpRequest, user: User, shipment: Shipment) -> DispatchForm | None:
    """With the carrier of the shipment before, since a van takes them all."""
    if shipment.status != ShipmentStatus.PACKED:
        return None
    form = DispatchForm(subject=shipment, user=user)
    if "carrier" in form.fields and not form.fields["carrier"].initial:
        form.fields["carrier"].initial = request.session.get(_CARRIER, "")
    return form


def _put_cursor(form: DispatchForm) -> None:
    """Where the waybill's number belongs; first to the carrier, where there is a choice and nobody has made it."""
    carrier: Any = form.fields["carrier"]
    first = "carrier" if len(carrier.choices) > 1 and not form["carrier"].value() else "tracking_number"
    form.fields[first].widget.attrs["autofocus"] = True
    form.fields["tracking_number"].widget.attrs["autocomplete"] = "off"


def _page(
    request: HttpRequest,
    user: User,
    *,
    shipment: Shipment | None = None,
    form: DispatchForm | None = None,
    choices: list[Shipment] | None = None,
    problems: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    form = form or (_form(request, user, shipment) if shipment else None)
    has_field = form is not None and "tracking_number" in form.fields
    if form is not None and has_field:
        _put_cursor(form)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Dispatch by scanning"),
        "shipment": shipment,
        "about": about.shipment(shipment, _decision(request, user)) if shipment else None,
        "form": form,
        "is_packed": shipment is not None and shipment.status == ShipmentStatus.PACKED,
        "has_field": has_field,
        "choices": choices,
        "problems": problems,
    }
    return TemplateResponse(request, "erp/dispatch.html", context, status=status)
