"""
Packing, dispatching and delivering shipments.

Dispatch is the moment goods leave: stock is issued, revenue and cost are posted, the order's progress
grows, and an order with nothing left open ships, all in one transaction under the dispatch's permission.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import Busy, DomainError
from erp.kernel.locks import once_more_after, unit_of_work
from erp.kernel.money import ZERO
from erp.kernel.texts import Moment
from erp.kernel.transitions import advance
from erp.kernel.validation import column, passed
from finance import accounts
from finance.models import Purpose
from finance.services import posting
from finance.services.posting import credit, debit
from inventory.services import serving, stock
from inventory.steps import WAITING
from logistics.models import OUT, Carrier, Shipment, ShipmentLine, ShipmentStatus, TrackingEvent, TrackingKind
from orders import selectors as order_selectors
from orders.models import Line, Order, ShippingMethod
from orders.services import lifecycle, progress
from orders.services.documents import holding_of, require_going_on
from orders.services.progress import Shipped


class UnknownCarrier(DomainError):
    code = "logistics.unknown_carrier"
    message = _("Carrier “%(carrier)s” does not exist or is inactive. Choose one that does.")


class UnknownMethod(DomainError):
    code = "logistics.unknown_method"
    message = _("Shipping method “%(method)s” does not exist or is inactive. Choose one that does.")


class CarrierMissing(DomainError):
    code = "logistics.carrier_missing"
    message = _("Shipment %(number)s goes by %(method)s, which needs a carrier. Name it, or choose another method.")


class TrackingMissing(DomainError):
    code = "logistics.tracking_number_missing"
    message = _(
        "Shipment %(number)s goes by %(method)s, which needs a tracking number. Name it, or choose another method."
    )


class MethodMissing(DomainError):
    code = "logistics.method_missing"
    message = _("Shipment %(number)s carries goods but has no shipping method. Choose one.")


class UnknownEvent(DomainError):
    code = "logistics.unknown_event"
    message = _("“%(kind)s” is no tracking event. Use one of: %(kinds)s.")


class NotUnderWay(DomainError):
    code = "logistics.not_under_way"
    message = _("Shipment %(number)s is %(status)s; tracking is noted once it is dispatched.")


class TrackedBeforeDispatch(DomainError):
    code = "logistics.tracked_before_dispatch"
    message = _(
        "Shipment %(number)s was dispatched at %(dispatched)s; nothing can have happened to it at %(happened)s. "
        "Correct the moment."
    )


# Columns of a shipment that a waybill fills in.
WAYBILL = ("carrier", "method", "tracking_number")


@dataclass(frozen=True, slots=True)
class Waybill:
    """How one shipment travels; what is left empty stays as it is on the shipment."""

    carrier: str = ""
    tracking_number: str = ""
    method: str = ""


def pack_shipments(shipment_ids: Iterable[int], *, decision: Decision) -> list[Shipment]:
    """
    Goods are picked and packed; all shipments or none.

    :raises WrongState: a shipment is no draft. :raises OrderIsOnHold: its order is.
    """
    with holding_of(Shipment.objects, shipment_ids, decision, "logistics.pack_shipment") as (held, shipments):
        require_going_on(held.values())
        advance(shipments, "pack")
        return shipments


def pack_shipment(shipment_id: int, *, decision: Decision) -> Shipment:
    """As :func:`pack_shipments` for one."""
    (shipment,) = pack_shipments([shipment_id], decision=decision)
    return shipment


def cancel_shipments(shipment_ids: Iterable[int], *, decision: Decision) -> list[Shipment]:
    """
    Take back what has not left; its goods stay reserved. An order that only waited for it to be cancelled is.

    :raises WrongState: it has left already.
    """
    return _take_back(list(shipment_ids), decision)


def cancel_shipment(shipment_id: int, *, decision: Decision) -> Shipment:
    """As :func:`cancel_shipments` for one."""
    (shipment,) = cancel_shipments([shipment_id], decision=decision)
    return shipment


def dispatch_shipments(
    shipment_ids: Iterable[int], *, decision: Decision, waybills: Mapping[int, Waybill] | None = None
) -> list[Shipment]:
    """
    Packed goods leave the house; all shipments or none.

    :param waybills: by shipment, where carrier, tracking number or method are named only now.
    :raises WrongState: a shipment is not packed. :raises OrderIsOnHold: its order is.
    :raises NotReserved: its goods are not reserved any more.
    :raises CarrierMissing: :raises TrackingMissing: :raises MethodMissing: the method needs them.
    """
    with holding_of(
        Shipment.objects.select_related("method"), shipment_ids, decision, "logistics.dispatch_shipment"
    ) as (held, shipments):
        require_going_on(held.values())
        _fill_in(shipments, waybills or {})
        advance(shipments, "dispatch", also=WAYBILL)
        loads = _loads(held, shipments)
        costs = stock.issue([load.issue() for load in loads if load.line.is_stocked])
        _recognise(loads, costs)
        lines = [line for of_order in {load.order.pk: load.siblings for load in loads}.values() for line in of_order]
        progress.dispatched(held, [load.shipped() for load in loads], lines, decision.at)
        shipped = lifecycle.carry(
            "ship", list(held.values()), decision, also=progress.DISPATCHED, memo={"orders.lines": lines}
        )
        progress.save(order for order in held.values() if order.pk not in shipped)
        by_shipment: dict[int, list[_Load]] = {shipment.pk: [] for shipment in shipments}
        for load in loads:
            by_shipment[load.shipment.pk].append(load)
        posting.post(_voucher(shipment, by_shipment[shipment.pk]) for shipment in shipments)
        return shipments


def dispatch_shipment(shipment_id: int, *, decision: Decision, waybill: Waybill | None = None) -> Shipment:
    """As :func:`dispatch_shipments` for one."""
    waybills = {shipment_id: waybill} if waybill else {}
    (shipment,) = dispatch_shipments([shipment_id], decision=decision, waybills=waybills)
    return shipment


def deliver_shipments(shipment_ids: Iterable[int], *, decision: Decision) -> list[Shipment]:
    """
    The customer has them; all shipments or none. A request to cancel their order ends with it.

    :raises WrongState: one is not dispatched.
    """
    with holding_of(Shipment.objects, shipment_ids, decision, "logistics.deliver_shipment") as (held, shipments):
        advance(shipments, "deliver")
        _end_requests(held.values(), decision)
        return shipments


def deliver_shipment(shipment_id: int, *, decision: Decision) -> Shipment:
    """As :func:`deliver_shipments` for one."""
    (shipment,) = deliver_shipments([shipment_id], decision=decision)
    return shipment


def note_tracking(
    shipment_id: int,
    kind: str,
    *,
    decision: Decision,
    happened_at: datetime | None = None,
    place: str = "",
    text: str = "",
) -> TrackingEvent:
    """
    Keep what the carrier reported; 签收 (signed) delivers the shipment in the same transaction.

    The same again is the same event. That a shipment is refused or comes back is noted by acts of their own.

    :raises UnknownEvent: :raises NotUnderWay: the shipment has not been dispatched.
    :raises TrackedBeforeDispatch: it is said to have happened before.
    """
    if kind not in TrackingKind.values:
        raise UnknownEvent(kind=str(kind)[:20], kinds=", ".join(TrackingKind.values))
    with holding_of(Shipment.objects, [shipment_id], decision, "logistics.deliver_shipment") as (held, shipments):
        (shipment,) = shipments
        if shipment.status not in OUT:
            raise NotUnderWay(number=shipment.number, status=shipment.get_status_display())
        said: dict[str, Any] = {
            "kind": kind,
            "happened_at": _since_dispatch(shipment, passed(happened_at or decision.at, decision.at, _("When"))),
            "place": column(TrackingEvent, "place", place),
            "text": column(TrackingEvent, "text", text),
        }
        known = TrackingEvent.objects.filter(shipment=shipment, **said).first()
        if known:
            return known
        event = TrackingEvent(shipment=shipment, **said)
        TrackingEvent.objects.bulk_create([event])
        outbox.record("shipment.track", [shipment], {shipment.pk: {"kind": kind}})
        if kind == TrackingKind.SIGNED and shipment.status == ShipmentStatus.DISPATCHED:
            advance([shipment], "deliver")
            _end_requests(held.values(), decision)
        return event


def record_tracking_number(
    shipment_id: int, tracking_number: str, *, decision: Decision, carrier: str = ""
) -> Shipment:
    """
    录入运单号: note or correct the number, and the carrier, of a shipment that left; history keeps both.

    What it says already is changed by nothing. Whoever reviewed logistics before has to look again.

    :param carrier: its code; without one, that of the shipment stays.
    :raises NotUnderWay: the shipment has not left. :raises UnknownCarrier: :raises Missing: there is no number.
    :raises CarrierMissing: its method needs one.
    """
    documents = Shipment.objects.select_related("method")
    with holding_of(documents, [shipment_id], decision, "logistics.dispatch_shipment") as (_held, (left,)):
        shipment: Shipment = left
        if shipment.status not in OUT:
            raise NotUnderWay(number=shipment.number, status=shipment.get_status_display())
        before = (shipment.carrier_id, shipment.tracking_number)
        number = column(Shipment, "tracking_number", tracking_number, required=True)
        _fill_in([shipment], {shipment.pk: Waybill(carrier, number)})
        if before != (shipment.carrier_id, shipment.tracking_number):
            setwise.update([shipment], ["carrier", "tracking_number"])
            outbox.record("shipment.record_tracking_number", [shipment], {shipment.pk: {"number": number}})
        return shipment


# Busy where in the same moment an order began to wait for the goods.
@once_more_after(Busy)
def _take_back(ids: Sequence[int], decision: Decision) -> list[Shipment]:
    with unit_of_work(decision):
        waiting = lock_waiting(Shipment.objects.visible_to(decision.by).filter(pk__in=ids))
        with holding_of(Shipment.objects, ids, decision, "logistics.pack_shipment") as (held, shipments):
            advance(shipments, "cancel")
            asked = [order for order in held.values() if order.is_to_be_cancelled]
            lifecycle.carry("cancel", asked, decision, memo={WAITING: waiting})
            return shipments


def lock_waiting(shipments: Any) -> set[int]:
    """Lock orders of shipments that are to be cancelled, with those that wait for their goods, in one order."""
    asked = list(shipments.filter(order__cancel_requested_at__isnull=False).values_list("order", flat=True))
    return serving.lock_waiting(serving.goods_of(asked), also=asked) if asked else set()


def _end_requests(orders: Iterable[Order], decision: Decision) -> None:
    """What is with the customer is not cancelled any more."""
    lifecycle.carry("end_cancel_request", [order for order in orders if order.is_to_be_cancelled], decision)


def _since_dispatch(shipment: Shipment, happened_at: datetime) -> datetime:
    """Carriers, and people who type it, say it to the minute. :raises TrackedBeforeDispatch:"""
    assert shipment.dispatched_at
    if happened_at < shipment.dispatched_at.replace(second=0, microsecond=0):
        raise TrackedBeforeDispatch(
            number=shipment.number, dispatched=Moment(shipment.dispatched_at), happened=Moment(happened_at)
        )
    return happened_at


@dataclass(slots=True)
class _Load:
    """One shipment line on its way out, and the order lines beside it."""

    shipment: Shipment
    row: ShipmentLine
    line: Line
    order: Order
    siblings: Sequence[Line]

    def issue(self) -> stock.Issue:
        assert self.shipment.warehouse_id is not None
        return stock.Issue(
            line=self.line,
            order=self.order,
            warehouse_id=self.shipment.warehouse_id,
            quantity=self.row.quantity,
            source_type="logistics.shipmentline",
            source_id=str(self.row.pk),
            source=self.shipment.number,
        )

    def shipped(self) -> Shipped:
        return Shipped(self.line, self.row.quantity, self.row.amount, self.row.tax)


def _fill_in(shipments: Sequence[Shipment], waybills: Mapping[int, Waybill]) -> None:
    """Put waybills on shipments in memory, and hold each to what its method needs; ``advance`` writes them."""
    carriers = _by_code(Carrier, {bill.carrier for bill in waybills.values()}, UnknownCarrier, "carrier")
    methods = _by_code(ShippingMethod, {bill.method for bill in waybills.values()}, UnknownMethod, "method")
    for shipment in shipments:
        waybill = waybills.get(shipment.pk, Waybill())
        if waybill.carrier:
            shipment.carrier = carriers[waybill.carrier]
        if waybill.method:
            shipment.method = methods[waybill.method]
        if waybill.tracking_number:
            shipment.tracking_number = column(Shipment, "tracking_number", waybill.tracking_number)
        if shipment.warehouse_id is not None:
            _satisfy_method(shipment)


def _satisfy_method(shipment: Shipment) -> None:
    if shipment.method is None:
        raise MethodMissing(number=shipment.number)
    if shipment.method.needs_carrier and shipment.carrier_id is None:
        raise CarrierMissing(number=shipment.number, method=shipment.method)
    if shipment.method.needs_tracking and not shipment.tracking_number:
        raise TrackingMissing(number=shipment.number, method=shipment.method)


def _by_code(model: Any, codes: set[str], unknown: type[DomainError], name: str) -> dict[str, Any]:
    codes.discard("")
    rows = {row.code: row for row in model.objects.filter(code__in=codes, is_active=True)} if codes else {}
    for code in sorted(codes - rows.keys()):
        raise unknown(**{name: code})
    return rows


def _loads(orders: Mapping[int, Order], shipments: Sequence[Shipment]) -> list[_Load]:
    """What leaves, in the order of shipments and lines; the shipping fee joins an order's first dispatch."""
    lines: dict[int, list[Line]] = defaultdict(list)
    for line in order_selectors.lines_of(orders):
        lines[line.order_id].append(line)
    by_pk = {line.pk: line for of_order in lines.values() for line in of_order}
    _add_fees(shipments, lines)
    by_shipment: dict[int, list[ShipmentLine]] = defaultdict(list)
    for row in ShipmentLine.objects.filter(shipment__in=[s.pk for s in shipments]).order_by("shipment_id", "pk"):
        by_shipment[row.shipment_id].append(row)
    return [
        _Load(shipment, row, by_pk[row.line_id], orders[shipment.order_id], lines[shipment.order_id])
        for shipment in shipments
        for row in by_shipment[shipment.pk]
    ]


def _add_fees(shipments: Sequence[Shipment], lines: Mapping[int, Sequence[Line]]) -> None:
    fees = {
        order_id: line
        for order_id, of_order in lines.items()
        for line in of_order
        if line.is_shipping_fee and line.open_quantity
    }
    first: dict[int, Shipment] = {}
    for shipment in shipments:
        first.setdefault(shipment.order_id, shipment)
    rows = [
        ShipmentLine(shipment=first[order_id], line=line, quantity=line.open_quantity)
        for order_id, line in fees.items()
    ]
    if rows:
        ShipmentLine.objects.bulk_create(rows)


def _recognise(loads: Sequence[_Load], costs: Mapping[str, Decimal]) -> None:
    """What each part is worth, rounded in ``progress.worth``, and its cost as issued."""
    taken: dict[int, tuple[Decimal, Decimal, Decimal]] = {}
    for load in loads:
        line, row = load.line, load.row
        quantity, amount, tax = before = taken.get(line.pk, line.taken)
        row.amount, row.tax = progress.worth(line, row.quantity, load.order.currency, before)
        row.cost = costs.get(str(row.pk), ZERO)
        taken[line.pk] = (quantity + row.quantity, amount + row.amount, tax + row.tax)
    setwise.update([load.row for load in loads], ["amount", "tax", "cost"], record=False)


def _voucher(shipment: Shipment, loads: Sequence[_Load]) -> posting.Draft:
    """Dr 1122 / Cr 6001 + 2221; stocked lines Dr 6401 (6601 of a zero-value order) / Cr 1405."""
    order = shipment.order
    amount = sum((load.row.amount for load in loads), ZERO)
    tax = sum((load.row.tax for load in loads), ZERO)
    cost = sum((load.row.cost for load in loads), ZERO)
    return posting.Draft(
        purpose=Purpose.DISPATCH,
        source_type="logistics.shipment",
        source_id=str(shipment.pk),
        source=shipment.number,
        currency=order.currency,
        order=order,
        entries=[
            debit(accounts.RECEIVABLE, amount),
            credit(accounts.REVENUE, amount - tax),
            credit(accounts.OUTPUT_TAX, tax),
            debit(accounts.SELLING if order.is_zero_value else accounts.COST_OF_SALES, cost),
            credit(accounts.STOCK, cost),
        ],
    )
