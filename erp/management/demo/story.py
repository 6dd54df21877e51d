"""The worked example, told from history: one notebook from order to closing record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from erp.kernel.models import User
from erp.kernel.texts import Listing, Moment, in_reader_language
from erp.management.base import table
from erp.management.demo.catalogue import WEB
from erp.management.demo.plans import EXAMPLE
from finance.models import Payment, PaymentState
from inventory.models import Reservation, ReservationKind
from logistics.models import Shipment, ShipmentStatus, TrackingEvent
from orders.models import ClosingRecord, Order, Reason, Review, Status
from orders.services import reviewing


@dataclass(frozen=True, slots=True)
class Event:
    """Something one account did to the order or its documents."""

    at: datetime
    by_id: int
    text: str


def example() -> Order | None:
    """The worked example, once the demo's data is there."""
    return Order.objects.filter(shop__code=WEB, external_number=EXAMPLE).first()


def tell(order: Order) -> Iterator[str]:
    """A line per act: when, by whom in which role, what, and the order's state after it."""
    accounts = {user.pk: user for user in User.objects.prefetch_related("groups")}
    states = list(order.history.order_by("history_id").values_list("history_date", "status"))
    rows: list[list[object]] = [[_("time"), pgettext("person", "account"), _("role"), _("act"), _("order")]]
    for event in _merged(sorted(_events(order), key=lambda event: event.at)):
        by = accounts[event.by_id]
        status = [status for at, status in states if at <= event.at][-1]
        roles = Listing(group.name for group in by.groups.all())
        rows.append([Moment(event.at), f"{by.username} {by.name}", roles, event.text, Status(status).label])
    yield from table(rows)
    for record in ClosingRecord.objects.filter(order=order).order_by("sequence"):
        yield _("Closing record %(number)s, SHA-256 %(digest)s") % {"number": record.number, "digest": record.digest}


def _merged(events: Iterable[Event]) -> Iterator[Event]:
    """What one account did in one act is one line."""
    last: Event | None = None
    for event in events:
        if last and (last.at, last.by_id) == (event.at, event.by_id):
            stop = in_reader_language("；", "; ")
            last = Event(last.at, last.by_id, f"{last.text}{stop}{event.text}")
            continue
        if last:
            yield last
        last = event
    if last:
        yield last


def _events(order: Order) -> Iterator[Event]:
    yield from _of_stock(order)
    yield from _of_payments(order)
    yield from _of_shipments(order)
    for review in Review.objects.filter(order=order).order_by("pk"):
        yield _of_signed(review, _("reviewed: %(block)s") % {"block": reviewing.label_of(review.block)})
    # Last, because the order follows what was done to its documents in the same act.
    yield from _of_order(order)


def _of_order(order: Order) -> Iterator[Event]:
    goods = Listing(f"{line.name} {line.count(line.quantity)}" for line in order.lines.order_by("no"))
    texts: dict[str, str] = {
        Status.NEW: _("ordered online: %(goods)s, %(total)s") % {"goods": goods, "total": order.money(order.total)},
        Status.PROCESSING: _("took the order into processing"),
        Status.SHIPPED: _("nothing is left to ship"),
        Status.COMPLETED: _("the customer has everything: completed"),
        Status.CLOSED: _("closed the order: %(reason)s"),
    }
    for row in _changes(order):
        text = texts[row.status] % {"reason": _in_words(row.history_change_reason)}
        yield Event(row.history_date, row.history_user_id, text)


def _in_words(why: str) -> str:
    """A reason with its name, and with the note that somebody wrote to it."""
    code, _space, note = why.partition(" ")
    reason = Reason.objects.filter(code=code).first()
    return f"{reason or code} {note}".strip()


def _of_stock(order: Order) -> Iterator[Event]:
    reserved = Reservation.objects.filter(order=order, kind=ReservationKind.RESERVE)
    for row in reserved.select_related("line", "warehouse").order_by("pk"):
        text = _("reserved %(quantity)s in %(warehouse)s")
        yield _of_signed(row, text % {"quantity": row.line.count(row.quantity), "warehouse": row.warehouse})


def _of_payments(order: Order) -> Iterator[Event]:
    texts: dict[str, str] = {
        PaymentState.REPORTED: _("reported the payment %(number)s: %(amount)s, %(method)s"),
        PaymentState.CONFIRMED: _("confirmed the payment %(number)s: %(amount)s"),
        PaymentState.REJECTED: _("rejected the payment %(number)s"),
    }
    for payment in Payment.objects.filter(order=order).order_by("pk"):
        values = {
            "number": payment.number,
            "amount": order.money(payment.amount),
            "method": payment.get_method_display(),
        }
        for row in _changes(payment):
            yield Event(row.history_date, row.history_user_id, texts[row.status] % values)


def _of_shipments(order: Order) -> Iterator[Event]:
    texts: dict[str, str] = {
        ShipmentStatus.DRAFT: _("drafted the shipment %(number)s"),
        ShipmentStatus.PACKED: _("packed the shipment %(number)s"),
        ShipmentStatus.DISPATCHED: _("dispatched the shipment %(number)s with %(carrier)s, %(tracking)s"),
        ShipmentStatus.DELIVERED: _("the shipment %(number)s is delivered"),
        ShipmentStatus.CANCELLED: _("cancelled the shipment %(number)s"),
    }
    for shipment in Shipment.objects.filter(order=order).select_related("carrier").order_by("pk"):
        values = {"number": shipment.number, "carrier": shipment.carrier, "tracking": shipment.tracking_number}
        for event in TrackingEvent.objects.filter(shipment=shipment).order_by("pk"):
            yield _of_signed(event, _("carrier reported: %(event)s") % {"event": event})
        for row in _changes(shipment):
            yield Event(row.history_date, row.history_user_id, texts[row.status] % values)


def _of_signed(row: Any, text: str) -> Event:
    return Event(row.at, row.by_id, text)


def _changes(document: Any) -> Iterator[Any]:
    """History rows in which the status is another than before."""
    before = None
    for row in document.history.order_by("history_id"):
        if row.status != before:
            yield row
        before = row.status
