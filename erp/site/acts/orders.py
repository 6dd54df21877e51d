"""Acts on an order: placing it, its transitions and reviews, and what is begun from its page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from erp.kernel import fsm
from erp.kernel.acting import Decision
from erp.kernel.models import User
from erp.kernel.money import ZERO
from erp.site import forms
from erp.site.act import Act, Call, Done, Preview
from finance.services import payments, write_offs
from logistics import selectors as logistics_selectors
from logistics.services import allowing, drafting, returns
from orders.contract import Batch
from orders.models import Act as Catalogue
from orders.models import Order, ShippingStatus, Status
from orders.services import (
    cancelling,
    changing,
    closing,
    closing_lines,
    copying,
    fulfilment,
    holds,
    lifecycle,
    placing,
    reopening,
    reviewing,
    waiving,
)
from orders.services.reviewing import ReviewBlock


def on_orders() -> Iterable[Act]:
    yield Act(
        "place-order",
        _("Place an order"),
        "orders.add_order",
        _place,
        form=forms.PlaceOrderForm,
        row_form=forms.OrderLineForm,
    )
    yield _transition("process", _("Process"), _process)
    yield _transition(
        "change",
        _("Change order"),
        _change,
        form=forms.ChangeForm,
        row_form=forms.ChangeLineForm,
        rows_of=_lines_to_change,
        detail=lambda order, data, rows: {"change": _order_change(order, data, rows)},
    )
    yield Act(
        "pack-order",
        _("Pack everything reserved"),
        "logistics.pack_shipment",
        _pack_order,
        model=Order,
        states=frozenset({Status.PROCESSING}),
        fits=drafting.is_left_to_draft,
        consequence=_("One packed shipment is made for each warehouse in which goods of the order are reserved."),
    )
    yield Act(
        "draft-shipment",
        _("Ship a part"),
        "logistics.pack_shipment",
        _draft_shipment,
        model=Order,
        states=frozenset({Status.PROCESSING}),
        form=forms.DraftShipmentForm,
        fits=drafting.is_left_to_draft,
        consequence=_("One shipment is drafted with these quantities; the rest stays reserved."),
        compares=True,
    )
    yield Act(
        "report-payment",
        _("Report a payment"),
        "finance.report_payment",
        _report_payment,
        model=Order,
        form=forms.PaymentForm,
        after_closing=True,
        consequence=_("The payment counts once finance has confirmed it."),
    )
    yield _transition(
        "close_line",
        _("Close lines"),
        _close_lines,
        reasons=Catalogue.CLOSE_LINE,
        form=forms.CloseLinesForm,
        fits=lambda order: bool(logistics_selectors.left_to_ship(order)),
        consequence=_("What is closed is not shipped any more. This cannot be taken back."),
        detail=lambda _order, data, _rows: {"lines": _quantities(data), "party": data["party"]},
    )
    yield Act(
        "request-allowance",
        _("Request an allowance"),
        "finance.request_allowance",
        _request_allowance,
        model=Order,
        form=forms.AllowanceForm,
        reasons=Catalogue.ALLOWANCE,
        consequence=_("Once finance approves it the customer pays less, and keeps the goods."),
        compares=True,
        fits=lambda order: order.shipping_status != ShippingStatus.NOT_SHIPPED,
        after_closing=True,
    )
    yield Act(
        "request-write-off",
        _("Request a write-off"),
        "finance.request_write_off",
        _request_write_off,
        model=Order,
        form=forms.WriteOffForm,
        reasons=Catalogue.WRITE_OFF,
        consequence=_("Once the chief accountant approves it the money is given up."),
        compares=True,
        fits=lambda order: order.owed != 0,
        after_closing=True,
    )
    yield Act(
        "request-return",
        _("Request a return"),
        "logistics.request_return",
        _request_return,
        model=Order,
        form=forms.ReturnForm,
        reasons=Catalogue.RETURN,
        consequence=_("Logistics approves the return, then the warehouse inspects what comes."),
        compares=True,
        fits=lambda order: order.shipping_status != ShippingStatus.NOT_SHIPPED,
        after_closing=True,
    )
    yield _transition("complete", _("Confirm receipt"), _complete)
    yield Act(
        "waive",
        _("Waive a warning"),
        waiving.PERMISSION,
        _waive,
        model=Order,
        states=frozenset({Status.COMPLETED}),
        form=forms.WaiverForm,
        consequence=_("This one warning does not stop the closing, as long as its figures stay as they are."),
        reasons=Catalogue.WAIVE,
    )
    yield _transition("close", _("Close order"), _close, reasons=Catalogue.CLOSE)
    yield Act(
        "cancel",
        _("Cancel order"),
        fsm.permission_of(Order, "cancel"),
        _cancel,
        model=Order,
        states=frozenset(fsm.sources(Order, "cancel")),
        form=forms.PartyForm,
        preview=_cancel_preview,
        compares=True,
        reasons=Catalogue.CANCEL,
        fits=lambda order: not order.is_to_be_cancelled,
        consequence=_(
            "It cannot be taken back. While something is packed or on its way, it happens once that is in the house."
        ),
    )
    yield _transition("reopen", _("Reopen order"), _reopen, reasons=Catalogue.REOPEN, after_closing=True)
    yield _transition(
        "hold",
        _("Put on hold"),
        _hold,
        reasons=Catalogue.HOLD,
        form=forms.HoldForm,
        fits=lambda order: not order.is_on_hold,
        consequence=_(
            "Nothing of the order is packed, dispatched or closed until it is resumed; payments and deliveries go on."
        ),
    )
    yield _transition(
        "resume",
        _("Resume"),
        _resume,
        form=forms.ResumeForm,
        fits=lambda order: order.is_on_hold,
        consequence=_("The order goes on where it stopped."),
    )

    yield Act(
        "copy",
        _("Copy as a new order"),
        "orders.add_order",
        _copy,
        model=Order,
        form=forms.CopyForm,
        reasons=Catalogue.COPY,
        consequence=_("A new order of these goods is placed for the same customer at price 0, linked with this one."),
        compares=True,
        fits=lambda order: order.shipping_status != ShippingStatus.NOT_SHIPPED,
        after_closing=True,
    )


def reviews() -> Iterable[Act]:
    for block in reviewing.blocks():
        yield Act(
            review_name(block.name),
            format_lazy(_("Review: {label}"), label=block.label),
            block.permission,
            _review(block),
            model=Order,
            states=frozenset({Status.COMPLETED}),
            preview=_review_preview(block),
            compares=True,
        )


def review_name(block: str) -> str:
    return f"review-{block}"


def _transition(name: str, label: Any, run: Callable[[Call], Done], **kwargs: Any) -> Act:
    """A transition of an order: permission and statuses are those its model declares."""
    return Act(
        name,
        label,
        fsm.permission_of(Order, name),
        run,
        model=Order,
        states=frozenset(fsm.sources(Order, name)),
        preview=_transition_preview(name),
        compares=True,
        **kwargs,
    )


def _transition_preview(name: str) -> Callable[[Any, Decision], Preview]:
    def preview(order: Any, decision: Decision) -> Preview:
        return _shown(lifecycle.preview(name, [order.pk], decision)[order.pk])

    return preview


def _cancel_preview(order: Any, decision: Decision) -> Preview:
    return _shown(cancelling.preview([order.pk], decision)[order.pk])


def _shown(outcome: lifecycle.Outcome) -> Preview:
    effects = [effect.describe() for effect in outcome.effects]
    return Preview(outcome.findings, effects, digest=outcome.digest)


def _review_preview(block: ReviewBlock) -> Callable[[Any, Decision], Preview]:
    def preview(order: Any, decision: Decision) -> Preview:
        batch = Batch([order], decision, acting=False)
        return Preview(list(reviewing.examine(block, batch)), facts=block.read(batch)[order.pk])

    return preview


def _place(call: Call) -> Done:
    data = call.data
    draft = placing.OrderDraft(
        shop=data["shop"],
        customer=placing.CustomerDraft(
            name=data["customer_name"],
            code=data["customer_code"],
            phone=data["customer_phone"],
            email=data["customer_email"],
        ),
        lines=[
            placing.LineDraft(row["sku"], row["quantity"], row["unit_price"], row["discount"] or ZERO)
            for row in call.rows
        ],
        external_number=data["external_number"],
        discount=data["discount"] or ZERO,
        shipping_fee=data["shipping_fee"] or ZERO,
        shipping_method=data["shipping_method"],
        shipping_address=data["address"],
        note=data["note"],
    )
    placed = placing.place_order(draft, decision=call.decision)
    assert placed.order is not None
    if placed.created:
        return Done(_("Order %(number)s is placed.") % {"number": placed.order.number}, placed.order)
    return Done(
        _("This order had been placed already, as %(number)s; nothing was placed twice.")
        % {"number": placed.order.number},
        placed.order,
    )


def _process(call: Call) -> Done:
    order = call.subject
    fulfilment.process_orders([order.pk], decision=call.decision, seen={order.pk: call.seen}).one()
    return Done(_("Order %(number)s is in processing.") % {"number": order.number}, order)


def _complete(call: Call) -> Done:
    order = call.subject
    fulfilment.complete_orders([order.pk], decision=call.decision, seen={order.pk: call.seen}).one()
    return Done(_("Order %(number)s is completed.") % {"number": order.number}, order)


def _close(call: Call) -> Done:
    order = call.subject
    closing.close_order(order.pk, decision=call.decision, seen=call.seen)
    return Done(_("Order %(number)s is closed.") % {"number": order.number}, order)


def _reopen(call: Call) -> Done:
    order = call.subject
    reopening.reopen_order(order.pk, decision=call.decision, seen=call.seen)
    return Done(_("Order %(number)s is reopened.") % {"number": order.number}, order)


def _copy(call: Call) -> Done:
    copy = copying.copy_order(
        call.subject.pk,
        quantities=call.data["quantities"],
        shipping_method=call.data["shipping_method"],
        decision=call.decision,
        version=call.seen.version,
    )
    return Done(_("Order %(number)s is placed.") % {"number": copy.number}, copy)


# More lines than this are not changed on one page.
_MOST_LINES = 100


def _lines_to_change(order: Any, user: User) -> list[Mapping[str, Any]] | None:
    lines = [line for line in order.lines.order_by("no") if not line.is_shipping_fee]
    if order.status != Status.NEW or len(lines) > _MOST_LINES:
        return None
    columns = ("no", "sku", "quantity", "unit_price", "discount")
    return [{name: getattr(line, name) for name in columns} for line in lines]


def _order_change(order: Any, data: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> changing.OrderChange:
    """Parts of the address that the form does not show stay."""
    names = ("customer_name", "customer_phone", "customer_email", "shipping_method", "internal_note")
    return changing.OrderChange(
        **{name: data.get(name) for name in names},
        note=data.get("buyer_note"),
        shipping_address={**order.shipping_address, **data["address"]} if data.get("address") else None,
        discount=data.get("discount"),
        shipping_fee=data.get("shipping_fee"),
        lines=[
            changing.LineChange(row["no"], row["quantity"], row["unit_price"], row["discount"], row["remove"])
            for row in rows
            if row["no"]
        ],
        added=[
            placing.LineDraft(row["sku"], row["quantity"], row["unit_price"], row["discount"] or ZERO)
            for row in rows
            if not row["no"] and not row["remove"]
        ],
    )


def _change(call: Call) -> Done:
    order = call.subject
    # What was shown may be older than what was typed last; what it says follows from the version and the form.
    seen = lifecycle.Seen(call.seen.version)
    changing.change_order(order.pk, _order_change(order, call.data, call.rows), decision=call.decision, seen=seen)
    return Done(_("Order %(number)s is changed.") % {"number": order.number}, order)


def _quantities(data: Mapping[str, Any]) -> dict[int, Decimal | None]:
    return dict(forms.CloseLinesForm.quantities(data))


def _close_lines(call: Call) -> Done:
    order = call.subject
    seen = lifecycle.Seen(call.seen.version)
    lines = [closing_lines.LineToClose(no, quantity) for no, quantity in call.data["quantities"].items()]
    closing_lines.close_lines(order.pk, lines, party=call.data["party"], decision=call.decision, seen=seen)
    return Done(_("Lines of order %(number)s are closed.") % {"number": order.number}, order)


def _hold(call: Call) -> Done:
    order = call.subject
    # What was shown knew nothing of the choice to release; what is reserved cannot change without the version.
    seen = lifecycle.Seen(call.seen.version)
    holds.hold_order(
        order.pk,
        release=call.data.get("release", False),
        party=call.data["party"],
        decision=call.decision,
        seen=seen,
    )
    return Done(_("Order %(number)s is on hold.") % {"number": order.number}, order)


def _cancel(call: Call) -> Done:
    order = call.subject
    cancelling.cancel_order(order.pk, party=call.data["party"], decision=call.decision, seen=call.seen)
    order.refresh_from_db(fields=["status"])
    message = _("Order %(number)s is cancelled.") if order.is_final else _("Order %(number)s is to be cancelled.")
    return Done(message % {"number": order.number}, order)


def _resume(call: Call) -> Done:
    order = call.subject
    holds.resume_order(order.pk, decision=call.decision, seen=call.seen)
    return Done(_("Order %(number)s goes on.") % {"number": order.number}, order)


def _waive(call: Call) -> Done:
    code, closer_id = call.data["warning"]
    waiver = waiving.waive(call.subject.pk, code, decision=call.decision, closer_id=closer_id)
    return Done(
        _("Order %(number)s: %(code)s is waived.") % {"number": call.subject.number, "code": waiver.code}, call.subject
    )


def _review(block: ReviewBlock) -> Callable[[Call], Done]:
    def run(call: Call) -> Done:
        reviewing.review_order(call.subject.pk, block.name, decision=call.decision, seen=call.seen)
        return Done(
            _("%(label)s of order %(number)s: reviewed.") % {"label": block.label, "number": call.subject.number},
            call.subject,
        )

    return run


def _pack_order(call: Call) -> Done:
    shipments = drafting.pack_orders([call.subject.pk], decision=call.decision)
    numbers = ", ".join(shipment.number for shipment in shipments)
    return Done(_("Packed: %(numbers)s.") % {"numbers": numbers}, call.subject)


def _draft_shipment(call: Call) -> Done:
    warehouse = call.data.get("warehouse")
    shipment = drafting.draft_shipment(
        call.subject.pk,
        call.data["quantities"],
        decision=call.decision,
        warehouse_id=int(warehouse) if warehouse else None,
        version=call.seen.version,
    )
    return Done(_("Shipment %(number)s is drafted.") % {"number": shipment.number}, call.subject)


def _request_return(call: Call) -> Done:
    lines = [returns.ReturnDraftLine(quantity, no=no) for no, quantity in call.data["quantities"].items()]
    draft = returns.ReturnDraft(call.subject.pk, lines, party=call.data["party"])
    goods_return = returns.request_return(draft, decision=call.decision, version=call.seen.version)
    return Done(_("Return %(number)s is requested.") % {"number": goods_return.number}, call.subject)


def _report_payment(call: Call) -> Done:
    data = call.data
    draft = payments.PaymentDraft(
        order_id=call.subject.pk,
        method=data["method"],
        reference=data["reference"],
        amount=data["amount"],
        fee=data["fee"] or ZERO,
        received_at=data["received_at"],
    )
    payment = payments.report_payment(draft, decision=call.decision)
    return Done(_("Payment %(number)s is reported.") % {"number": payment.number}, call.subject)


def _request_allowance(call: Call) -> Done:
    data = call.data
    allowance = allowing.request_allowance(
        int(data["shipment_line"]),
        data["amount"],
        party=data["party"],
        decision=call.decision,
        version=call.seen.version,
    )
    return Done(_("Allowance %(number)s is requested.") % {"number": allowance.number}, call.subject)


def _request_write_off(call: Call) -> Done:
    draft = write_offs.WriteOffDraft(call.subject.pk, call.data["kind"], call.data["amount"])
    write_off = write_offs.request_write_off(draft, decision=call.decision, version=call.seen.version)
    return Done(_("Write-off %(number)s is requested.") % {"number": write_off.number}, call.subject)
