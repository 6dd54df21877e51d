"""Acts on a shipment and on a return."""

from collections.abc import Callable, Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.site import about, forms
from erp.site.act import Act, Call, Done, Preview
from finance.services import taking_back
from logistics.models import OUT, Return, ReturnStatus, Shipment, ShipmentStatus
from logistics.services import inspecting, returns, shipping, undelivered
from orders.models import Act as Catalogue


def on_shipments() -> Iterable[Act]:
    def act(name: str, label: Any, right: str, run: Callable[[Call], Done], *states: str, **kwargs: Any) -> Act:
        return Act(
            name,
            label,
            f"logistics.{right}",
            run,
            model=Shipment,
            states=frozenset(states),
            about=about.shipment,
            **kwargs,
        )

    yield act(
        "pack-shipment",
        _("Pack"),
        "pack_shipment",
        _pack_shipment,
        ShipmentStatus.DRAFT,
        consequence=_("The goods are picked and packed."),
    )
    yield act(
        "dispatch-shipment",
        _("Dispatch"),
        "dispatch_shipment",
        _dispatch,
        ShipmentStatus.PACKED,
        form=forms.DispatchForm,
        consequence=_("The goods leave stock; revenue and cost are posted. This cannot be taken back."),
    )
    yield act(
        "deliver-shipment",
        _("Deliver"),
        "deliver_shipment",
        _deliver,
        ShipmentStatus.DISPATCHED,
        consequence=_("The shipment is noted as delivered to the customer."),
    )
    yield act(
        "track-shipment",
        _("Note tracking"),
        "deliver_shipment",
        _track,
        ShipmentStatus.DISPATCHED,
        ShipmentStatus.DELIVERED,
        form=forms.TrackingForm,
    )
    yield act(
        "record-tracking-number",
        _("Record tracking number"),
        "dispatch_shipment",
        _record_tracking_number,
        *sorted(OUT),
        form=forms.WaybillForm,
        fits=lambda shipment: shipment.warehouse_id is not None,
        consequence=_("History keeps what was said before; a review of logistics has to be repeated."),
    )
    yield act(
        "refuse-shipment",
        _("Note as refused"),
        "deliver_shipment",
        _refuse,
        ShipmentStatus.DISPATCHED,
        form=forms.PartyForm,
        reasons=Catalogue.RETURN,
        consequence=_("The goods come back: an approved return of them waits for the warehouse to inspect it."),
    )
    yield act(
        "lose-shipment",
        _("Note as lost"),
        "deliver_shipment",
        _lose,
        ShipmentStatus.DISPATCHED,
        form=forms.PartyForm,
        preview=_credit_preview,
        reasons=Catalogue.RETURN,
        consequence=_(
            "The goods are written down as lost; what they and the shipping fee cost the customer is credited, and "
            "paid back where it was paid. This cannot be taken back."
        ),
    )
    yield act(
        "cancel-shipment",
        _("Cancel shipment"),
        "pack_shipment",
        _cancel_shipment,
        ShipmentStatus.DRAFT,
        ShipmentStatus.PACKED,
        consequence=_("The goods stay in the house, reserved for the order."),
    )


def on_returns() -> Iterable[Act]:
    def act(name: str, label: Any, right: str, run: Callable[[Call], Done], *states: str, **kwargs: Any) -> Act:
        return Act(
            name,
            label,
            f"logistics.{right}",
            run,
            model=Return,
            states=frozenset(states),
            about=about.goods_return,
            after_closing=True,
            **kwargs,
        )

    yield act(
        "approve-return",
        _("Approve return"),
        "approve_return",
        _approve_return,
        ReturnStatus.REQUESTED,
        consequence=_("The goods may come; the warehouse inspects them."),
    )
    yield act(
        "receive-return",
        _("Receive return"),
        "receive_return",
        _receive_return,
        ReturnStatus.APPROVED,
        form=forms.InspectionForm,
        preview=_credit_preview,
        consequence=_(
            "The customer is credited, and paid back where it was paid; what can be sold enters stock and serves "
            "orders that wait. This cannot be taken back."
        ),
    )
    yield act(
        "reject-return",
        _("Reject return"),
        "approve_return",
        _reject_return,
        ReturnStatus.REQUESTED,
        ReturnStatus.APPROVED,
        fits=lambda goods_return: goods_return.shipment_id is None,
        reasons=Catalogue.REJECT,
        consequence=_("The goods are not taken back, or never came: nothing is credited."),
    )


def _credit_preview(document: Any, decision: Decision) -> Preview:
    """How much is credited depends on what is found; that it goes against what was written off does not."""
    order = document.order
    written_off = taking_back.left_of(order)
    said = _("As far as it is credited, the write-off of %(amount)s is taken back before anything is paid back.")
    return Preview(effects=[str(said % {"amount": order.money(written_off)})] if written_off else ())


def _pack_shipment(call: Call) -> Done:
    shipment = shipping.pack_shipment(call.subject.pk, decision=call.decision)
    return Done(_("Shipment %(number)s is packed.") % {"number": shipment.number}, shipment.order)


def _cancel_shipment(call: Call) -> Done:
    shipment = shipping.cancel_shipment(call.subject.pk, decision=call.decision)
    return Done(_("Shipment %(number)s is cancelled.") % {"number": shipment.number}, shipment.order)


def _dispatch(call: Call) -> Done:
    data = call.data
    waybill = shipping.Waybill(
        carrier=data.get("carrier", ""),
        tracking_number=data.get("tracking_number", ""),
        method=data.get("method", ""),
    )
    shipment = shipping.dispatch_shipment(call.subject.pk, decision=call.decision, waybill=waybill)
    return Done(_("Shipment %(number)s is dispatched.") % {"number": shipment.number}, shipment.order)


def _deliver(call: Call) -> Done:
    shipment = shipping.deliver_shipment(call.subject.pk, decision=call.decision)
    return Done(_("Shipment %(number)s is delivered.") % {"number": shipment.number}, shipment.order)


def _track(call: Call) -> Done:
    data = call.data
    event = shipping.note_tracking(
        call.subject.pk,
        data["kind"],
        decision=call.decision,
        happened_at=data["happened_at"],
        place=data["place"],
        text=data["text"],
    )
    return Done(
        _("Noted for %(number)s: %(event)s.") % {"number": call.subject.number, "event": event}, call.subject.order
    )


def _record_tracking_number(call: Call) -> Done:
    data = call.data
    shipment = shipping.record_tracking_number(
        call.subject.pk, data["tracking_number"], carrier=data["carrier"], decision=call.decision
    )
    return Done(
        _("Shipment %(number)s travels as %(tracking_number)s.")
        % {"number": shipment.number, "tracking_number": shipment.tracking_number},
        shipment.order,
    )


def _refuse(call: Call) -> Done:
    shipment = undelivered.refuse_shipment(call.subject.pk, decision=call.decision, party=call.data["party"])
    return Done(_("Shipment %(number)s is refused.") % {"number": shipment.number}, shipment.order)


def _lose(call: Call) -> Done:
    shipment = undelivered.lose_shipment(call.subject.pk, decision=call.decision, party=call.data["party"])
    return Done(_("Shipment %(number)s is lost.") % {"number": shipment.number}, shipment.order)


def _approve_return(call: Call) -> Done:
    approved = returns.approve_return(call.subject.pk, decision=call.decision)
    return Done(_("Return %(number)s is approved.") % {"number": approved.number}, approved.order)


def _receive_return(call: Call) -> Done:
    received = inspecting.receive_return(call.data["draft"], decision=call.decision)
    return Done(_("Return %(number)s is received.") % {"number": received.number}, received.order)


def _reject_return(call: Call) -> Done:
    rejected = returns.reject_return(call.subject.pk, decision=call.decision)
    return Done(_("Return %(number)s is rejected.") % {"number": rejected.number}, rejected.order)
