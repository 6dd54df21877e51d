"""What happened to an order, from every document's history: who, when, what and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.kernel.texts import Listing
from finance import selectors as finance_selectors
from finance.models import Allowance, Payment, Refund, TakenBack, WriteOff
from logistics import selectors as logistics_selectors
from logistics.models import Return, Shipment
from orders.models import ClosingRecord, Line, LineClosing, Order, Review, Waiver
from orders.services import changing, reviewing


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime
    by: str
    channel: Text
    document: str
    what: Text
    why: str
    status: str = ""


# Documents with a status, and how their reader's are found; the right to see one is Django's own.
_DOCUMENTS: Mapping[Any, Callable[[User], Any]] = {
    Shipment: logistics_selectors.shipments,
    Return: logistics_selectors.returns,
    Payment: finance_selectors.payments,
    Refund: finance_selectors.refunds,
    Allowance: finance_selectors.allowances,
    WriteOff: finance_selectors.write_offs,
}


def of(order: Order, user: User) -> list[Entry]:
    """Everything the user may see, the newest first."""
    lines = _line_changes(order) if user.has_perm("orders.view_line") else {}
    entries = list(_changes(Order, [order.pk], lines))
    if user.has_perm("orders.view_lineclosing"):
        closings = LineClosing.objects.filter(order=order).select_related("line").order_by("pk")
        entries += [_closing(closing) for closing in closings]
    for model, visible in _DOCUMENTS.items():
        if user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
            entries += _changes(model, visible(user).filter(order=order).values_list("pk", flat=True))
    if user.has_perm("finance.view_takenback"):
        rows = finance_selectors.taken_back(user).filter(order=order)
        entries += [_taken_back(row, order) for row in rows.select_related("write_off", "settlement").order_by("pk")]
    if user.has_perm("orders.view_review"):
        entries += [_review(review) for review in Review.objects.filter(order=order).order_by("pk")]
    if user.has_perm("orders.view_waiver"):
        entries += [_waiver(waiver) for waiver in Waiver.objects.filter(order=order).order_by("pk")]
    if user.has_perm("orders.view_closingrecord"):
        entries += [_record(record) for record in ClosingRecord.objects.filter(order=order).order_by("pk")]
    return sorted(entries, key=lambda entry: entry.at)[::-1]


def _changes(model: Any, pks: Iterable[int], lines: Mapping[datetime, Sequence[str]] | None = None) -> Iterator[Entry]:
    """
    One entry for each change of status, hold, waybill or of what an order says; the rest is in a document's own
    history.

    :param lines: what was changed of an order's lines, by moment.
    """
    labels = dict(model._meta.get_field("status").flatchoices)
    before: dict[int, Any] = {}
    rows = model.history.filter(id__in=list(pks)).order_by("history_id")
    for row in rows.select_related("carrier") if model is Shipment else rows:
        old = before.get(row.id)
        moved = old is None or old.status != row.status
        what = (
            _moved(old, row, labels)
            if moved
            else _held(old, row) or _asked_to_cancel(old, row) or _changed(old, row, lines or {})
        )
        if what:
            yield Entry(
                at=row.history_date,
                by=row.actor_name,
                channel=row.get_channel_display(),
                document=row.number,
                what=what,
                why=row.history_change_reason,
                status=row.status if moved else "",
            )
        before[row.id] = row


def _moved(old: Any, row: Any, labels: Mapping[Any, Any]) -> str:
    return f"{labels[old.status]} → {labels[row.status]}" if old else str(labels[row.status])


def _changed(old: Any, row: Any, lines: Mapping[datetime, Sequence[str]]) -> Text:
    """What an order says differently, and its lines, or the waybill of a shipment; nothing of other documents."""
    if isinstance(row, Shipment.history.model):
        return str(Listing(_waybill_changes(old, row)))
    if not isinstance(row, Order.history.model):
        return ""
    fields = [change.describe() for change in changing.field_changes(row.id, old, row)]
    return str(Listing([*fields, *lines.get(row.history_date, ())]))


def _waybill_changes(old: Any, row: Any) -> Iterator[str]:
    for name in ("carrier", "tracking_number"):
        before, after = getattr(old, name), getattr(row, name)
        if before != after:
            column: Any = Shipment._meta.get_field(name)
            label = capfirst(str(column.verbose_name))
            yield _("%(field)s: %(before)s → %(after)s") % {
                "field": label,
                "before": before or "—",
                "after": after or "—",
            }


def _line_changes(order: Order) -> Mapping[datetime, list[str]]:
    """What was changed of the lines since the order was placed, by moment."""
    rows = list(Line.history.filter(order_id=order.pk).order_by("history_id"))
    changes: dict[datetime, list[str]] = {}
    before: dict[int, Any] = {}
    for row in rows:
        after = None if row.history_type == "-" else row
        change = changing.line_change(order.pk, before.get(row.id), after, order.currency)
        if change and row.history_date != rows[0].history_date:
            changes.setdefault(row.history_date, []).append(change.describe())
        before[row.id] = row
    return changes


def _held(old: Any, row: Any) -> str:
    """Whether an order was put on hold or resumed; other documents never are."""
    before, now = getattr(old, "held_at", None), getattr(row, "held_at", None)
    if bool(before) == bool(now):
        return ""
    if not now:
        return _("Resumed")
    return _("Put on hold, reservation released") if row.held_released else _("Put on hold")


def _asked_to_cancel(old: Any, row: Any) -> str:
    """Whether somebody asked to cancel an order, or the request ended; other documents never are."""
    before, now = getattr(old, "cancel_requested_at", None), getattr(row, "cancel_requested_at", None)
    if bool(before) == bool(now):
        return ""
    return _("Cancellation requested") if now else _("Cancellation request ended")


def _closing(closing: LineClosing) -> Entry:
    line = closing.line
    what = _("Line %(no)s: %(quantity)s of %(sku)s closed short")
    return _signed(closing, "", what % {"no": line.no, "quantity": line.count(closing.quantity), "sku": line.sku})


def _review(review: Review) -> Entry:
    label = reviewing.label_of(review.block)
    return _signed(review, "", _("%(label)s reviewed") % {"label": label})


def _waiver(waiver: Waiver) -> Entry:
    return _signed(waiver, "", _("Check waived: %(code)s") % {"code": waiver.code})


def _taken_back(row: TakenBack, order: Order) -> Entry:
    return _signed(row, row.of, _("%(amount)s taken back") % {"amount": order.money(row.amount)})


def _record(record: ClosingRecord) -> Entry:
    what = _("Closing record written") if record.is_closing else _("Record of the reopening written")
    return _signed(record, record.number, what)


def _signed(row: Any, document: str, what: str) -> Entry:
    return Entry(row.at, row.by_name, row.get_channel_display(), document, what, row.why)
