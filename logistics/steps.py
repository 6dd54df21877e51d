"""What logistics checks and does: everything shipped, delivered by 确认收货, proved shipped at closing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.money import ZERO, Quantity
from erp.kernel.texts import Listing
from erp.kernel.transitions import advance
from logistics import facts, selectors
from logistics.models import IN_HOUSE, OUT, UNDELIVERED, Return, ReturnStatus, Shipment, ShipmentStatus
from logistics.services import returns as returning
from orders import selectors as order_selectors
from orders.contract import Batch, Block, Check, Effect, Finding, Link, Step
from orders.models import Line, Order, Policy
from orders.services import changing, closing_lines
from orders.steps import CANCEL_DELIVERED, UNDER_WAY

NOT_SHIPPED = Check(
    "logistics.not_shipped",
    Block.GOODS,
    passed=_("Shipped %(shipped)s of %(ordered)s."),
    blocked=_("Order %(number)s: shipped %(shipped)s of %(ordered)s, missing: %(missing)s."),
    hint=_("Dispatch the rest."),
    role=_("Warehouse keeper, logistics"),
    lasting=True,
)
SHIPMENT_OPEN = Check(
    "logistics.shipment_open",
    Block.GOODS,
    passed=_("Every shipment is delivered, or back."),
    blocked=_("Order %(number)s: shipments neither delivered nor back yet: %(shipments)s."),
    hint=_("Dispatch, deliver or cancel them; receive the return of one that was refused."),
    role=_("Logistics, warehouse keeper"),
    lasting=True,
)
GOODS_ON_SHIPMENT = Check(
    "logistics.goods_on_shipment",
    Block.GOODS,
    passed=_("No goods that are to be released are on a shipment."),
    blocked=_("Order %(number)s: its goods are on shipments that have not left: %(shipments)s."),
    hint=_("Cancel these shipments first, or keep the reservation."),
    role=_("Warehouse keeper"),
)
MORE_THAN_LEFT = Check(
    "logistics.more_than_left",
    Block.GOODS,
    passed=_("What is to be closed is neither shipped nor on a shipment."),
    blocked=_("Order %(number)s: more is to be closed than is left to ship: %(lines)s. On shipments: %(shipments)s."),
    hint=_("Close less, or cancel the shipments first."),
    role=_("Salesperson, warehouse keeper"),
)
PACKED = Check(
    "logistics.packed_already",
    Block.GOODS,
    passed=_("Nothing is packed: where and how the goods go can still be changed."),
    blocked=_("Order %(number)s: address, contact and method stand on shipments that are packed: %(shipments)s."),
    hint=_("Cancel the packed shipments first; what has left goes where it was sent."),
    role=_("Warehouse keeper"),
)
RETURN_OPEN = Check(
    "logistics.return_open",
    Block.RETURNS,
    passed=_("No return is open."),
    blocked=_("Order %(number)s: returns neither received nor rejected: %(returns)s."),
    hint=_("Approve and receive them, or reject them."),
    role=_("Logistics, warehouse keeper"),
    lasting=True,
)
TRACKING_MISSING = Check(
    "logistics.tracking_missing",
    Block.GOODS,
    passed=_("Every shipment that needs a tracking number has one."),
    blocked=_("Order %(number)s: shipments without the tracking number they need: %(shipments)s."),
    hint=_("Record the number of the waybill on the shipment."),
    role=_("Logistics"),
    soft=Policy.WARN,
)
CONFLICT = Check(
    facts.AGAINST_CLOSING,
    Block.DUTY,
    passed=_("%(name)s dispatched no shipment of this order, and received no return."),
    blocked=_(
        "%(name)s dispatched shipments or received returns of order %(number)s (%(shipments)s) and may not close it "
        "too."
    ),
    hint=_("Somebody else has to close the order."),
    role=_("System administrator"),
    soft=Policy.BLOCK,
)


@dataclass(frozen=True, slots=True)
class Deliver(Effect):
    """A shipment on its way is noted as delivered."""

    order_id: int
    shipment_id: int
    number: str

    def describe(self) -> str:
        return str(_("Shipment %(number)s is noted as delivered.") % {"number": self.number})


@dataclass(frozen=True, slots=True)
class CancelShipment(Effect):
    """A drafted shipment is cancelled."""

    order_id: int
    shipment_id: int
    number: str

    def describe(self) -> str:
        return str(_("Shipment %(number)s is cancelled.") % {"number": self.number})


@dataclass(frozen=True, slots=True)
class SendBy(Effect):
    """A shipment that is only drafted goes by the order's new method."""

    order_id: int
    shipment_id: int
    number: str

    def describe(self) -> str:
        return str(_("Shipment %(number)s goes by the new method too.") % {"number": self.number})


@dataclass(frozen=True, slots=True)
class StayCustomers(Effect):
    """The customer has the goods: a request to cancel the order ends, and nothing is called back."""

    order_id: int

    def describe(self) -> str:
        return str(_("The order will not be cancelled: what was called back stays with the customer."))


class TooMuch(NamedTuple):
    """What of a line is to be closed, beyond what is left of it."""

    no: int
    sku: str
    wanted: Quantity
    left: Quantity

    def __str__(self) -> str:
        return str(
            _("%(no)s %(sku)s wanted %(wanted)s, left %(left)s")
            % {"no": self.no, "sku": self.sku, "wanted": self.wanted, "left": self.left}
        )


@dataclass(frozen=True, slots=True)
class CallBackGoods(Effect):
    """What is on its way is to come back."""

    order_id: int
    numbers: tuple[str, ...]

    def describe(self) -> str:
        return str(_("The goods of %(shipments)s are called back.") % {"shipments": Listing(self.numbers)})


class Missing(NamedTuple):
    """What of a line has not left."""

    no: int
    sku: str
    quantity: Quantity

    def __str__(self) -> str:
        return f"{self.no} {self.sku} × {self.quantity}"


class EverythingShipped(Step):
    """The dispatch that leaves nothing open ships the order; any other leaves it in processing."""

    checks = (NOT_SHIPPED,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        lines = order_selectors.lines(batch)
        for order in batch.orders:
            shipped = {line.pk: line.shipped for line in lines[order.pk]}
            yield _shipped_finding(order, lines[order.pk], shipped)


class Receive(Step):
    """确认收货 delivers what is on its way; what has not left yet, or was refused and is not back, blocks."""

    checks = (SHIPMENT_OPEN,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        yield from _open_shipments(batch, allowed={ShipmentStatus.DISPATCHED})

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            for shipment in selectors.shipments_of(batch).get(order.pk, ()):
                if shipment.status == ShipmentStatus.DISPATCHED:
                    yield Deliver(order.pk, shipment.pk, shipment.number)
            if order.is_to_be_cancelled:
                yield StayCustomers(order.pk)

    def save(self, batch: Batch, effects: Sequence[Deliver | StayCustomers]) -> None:
        planned = {effect.shipment_id for effect in effects if isinstance(effect, Deliver)}
        shipments = [s for of_order in selectors.shipments_of(batch).values() for s in of_order if s.pk in planned]
        advance(shipments, "deliver")
        returning.let_go(effect.order_id for effect in effects if isinstance(effect, StayCustomers))


class NothingOnShipment(Step):
    """A hold that releases reserved goods would take them from under a shipment that was drafted or packed."""

    checks = (GOODS_ON_SHIPMENT,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        if not batch.decision.detail.get("release"):
            return
        shipments = selectors.shipments_of(batch)
        for order in batch.orders:
            in_house = [shipment for shipment in shipments.get(order.pk, ()) if shipment.status in IN_HOUSE]
            yield _listing(GOODS_ON_SHIPMENT, order, in_house)


class CancelShipments(Step):
    """Cancelling: nothing is with the customer, packed or on its way; drafts are cancelled."""

    checks = (CANCEL_DELIVERED, UNDER_WAY)

    def check(self, batch: Batch) -> Iterator[Finding]:
        shipments = selectors.shipments_of(batch)
        for order in batch.orders:
            yield _delivered(order, shipments.get(order.pk, ()), batch)
            yield _under_way(order, shipments.get(order.pk, ()), batch)

    def plan(self, batch: Batch) -> Iterator[Effect]:
        yield from _drafts(batch)

    def save(self, batch: Batch, effects: Sequence[CancelShipment]) -> None:
        _cancel(batch, effects)


class CallBack(Step):
    """取消中: nothing is with the customer; drafts are cancelled, and what is on its way is called back."""

    checks = (CANCEL_DELIVERED,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        shipments = selectors.shipments_of(batch)
        for order in batch.orders:
            yield _delivered(order, shipments.get(order.pk, ()), batch)

    def plan(self, batch: Batch) -> Iterator[Effect]:
        yield from _drafts(batch)
        for order in batch.orders:
            on_their_way = self._on_their_way(batch, order)
            if on_their_way:
                yield CallBackGoods(order.pk, tuple(shipment.number for shipment in on_their_way))

    def save(self, batch: Batch, effects: Sequence[CancelShipment | CallBackGoods]) -> None:
        _cancel(batch, [effect for effect in effects if isinstance(effect, CancelShipment)])
        shipments = []
        for effect in effects:
            if isinstance(effect, CallBackGoods):
                order = batch.by_id[effect.order_id]
                for shipment in self._on_their_way(batch, order):
                    shipment.order = order
                    shipments.append(shipment)
        if shipments:
            returning.call_back(shipments, batch.decision, batch.decision.detail["party"])

    def _on_their_way(self, batch: Batch, order: Order) -> list[Any]:
        shipments = selectors.shipments_of(batch).get(order.pk, ())
        return [shipment for shipment in shipments if shipment.status == ShipmentStatus.DISPATCHED]


class LetGo(Step):
    """What is with the customer does not come back: the returns of the request are rejected."""

    def save(self, batch: Batch, effects: Sequence[Effect]) -> None:
        returning.let_go(batch.ids)


def _delivered(order: Order, shipments: Sequence[Any], batch: Batch) -> Finding:
    """Goods that are with the customer and not back, and services, which do not come back once they are under way."""
    back = _back(batch, order)
    kept = [
        shipment
        for shipment in shipments
        if (shipment.status == ShipmentStatus.DELIVERED and _is_out(shipment, back))
        or (shipment.status in (ShipmentStatus.DISPATCHED, ShipmentStatus.DELIVERED) and shipment.warehouse_id is None)
    ]
    return _listing(CANCEL_DELIVERED, order, kept)


def _under_way(order: Order, shipments: Sequence[Any], batch: Batch) -> Finding:
    back = _back(batch, order)
    states = {ShipmentStatus.DISPATCHED, *UNDELIVERED}
    under_way = [
        shipment
        for shipment in shipments
        if shipment.status == ShipmentStatus.PACKED or (shipment.status in states and _is_out(shipment, back))
    ]
    return _listing(UNDER_WAY, order, under_way)


def _back(batch: Batch, order: Order) -> Mapping[int, Decimal]:
    """What was received of returns, by shipment line."""
    back: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for each in selectors.returns_of(batch).get(order.pk, ()):
        if each.status == ReturnStatus.RECEIVED:
            for row in each.brought:
                back[row.shipment_line_id] += row.quantity
    return back


def _is_out(shipment: Any, back: Mapping[int, Decimal]) -> bool:
    """Whether goods of it are neither in the house nor given up as lost."""
    return any(row.is_stocked and row.quantity > back.get(row.pk, ZERO) for row in shipment.loaded)


def _listing(check: Check, order: Order, shipments: Sequence[Any]) -> Finding:
    """One that none of these shipments may be there for."""
    return check.finding(
        order,
        not shipments,
        number=order.number,
        shipments=Listing(shipment.number for shipment in shipments),
        links=[_link(shipment) for shipment in shipments],
    )


def _drafts(batch: Batch) -> Iterator[CancelShipment]:
    for order_id, shipments in selectors.shipments_of(batch).items():
        for shipment in shipments:
            if shipment.status == ShipmentStatus.DRAFT and order_id in batch.by_id:
                yield CancelShipment(order_id, shipment.pk, shipment.number)


def _cancel(batch: Batch, effects: Sequence[CancelShipment]) -> None:
    planned = {effect.shipment_id for effect in effects}
    shipments = [s for of_order in selectors.shipments_of(batch).values() for s in of_order if s.pk in planned]
    advance(shipments, "cancel")


class LeftToShip(Step):
    """Lines are closed as far as they are neither shipped nor on a shipment."""

    checks = (MORE_THAN_LEFT,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        shipments = {
            order_id: [shipment for shipment in of_order if shipment.status in IN_HOUSE]
            for order_id, of_order in selectors.shipments_of(batch).items()
        }
        promised: dict[tuple[int, int | None], Decimal] = defaultdict(lambda: ZERO)
        for shipment in (shipment for of_order in shipments.values() for shipment in of_order):
            for row in shipment.loaded:
                promised[row.line_id, shipment.warehouse_id] += row.quantity
        closing_lines.keep(batch, promised)
        for order in batch.orders:
            remainders = closing_lines.chosen(batch)[order.pk]
            too_much = [_too_much(remainder) for remainder in remainders if not remainder.is_there]
            in_house = shipments.get(order.pk, ())
            yield MORE_THAN_LEFT.finding(
                order,
                not too_much,
                number=order.number,
                lines=Listing(too_much),
                shipments=Listing(shipment.number for shipment in in_house),
                links=[_link(shipment) for shipment in in_house],
            )


def _too_much(remainder: closing_lines.Remainder) -> TooMuch:
    line = remainder.line
    return TooMuch(line.no, line.sku, line.count(remainder.quantity), line.count(max(remainder.left, ZERO)))


class NothingPacked(Step):
    """Where and how goods go is changed until something is packed; drafts follow."""

    checks = (PACKED,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        shipments = selectors.shipments_of(batch)
        for order in batch.orders:
            if not changing.planned(batch)[order.pk].concerns_delivery:
                continue
            packed = [
                shipment
                for shipment in shipments.get(order.pk, ())
                if shipment.status not in (ShipmentStatus.DRAFT, ShipmentStatus.CANCELLED)
            ]
            yield PACKED.finding(
                order,
                not packed,
                number=order.number,
                shipments=Listing(shipment.number for shipment in packed),
                links=[_link(shipment) for shipment in packed],
            )

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            if "shipping_method" in changing.planned(batch)[order.pk].columns:
                for shipment in _drafts_of_goods(batch, order):
                    yield SendBy(order.pk, shipment.pk, shipment.number)

    def save(self, batch: Batch, effects: Sequence[SendBy]) -> None:
        planned = {effect.shipment_id for effect in effects}
        drafts = [s for order in batch.orders for s in _drafts_of_goods(batch, order) if s.pk in planned]
        for shipment in drafts:
            shipment.method_id = batch.by_id[shipment.order_id].shipping_method_id
        setwise.update(drafts, ["method"])


def _drafts_of_goods(batch: Batch, order: Order) -> list[Any]:
    shipments = selectors.shipments_of(batch).get(order.pk, ())
    return [s for s in shipments if s.status == ShipmentStatus.DRAFT and s.warehouse_id is not None]


class ProveShipped(Step):
    checks = (NOT_SHIPPED, SHIPMENT_OPEN, RETURN_OPEN, TRACKING_MISSING, CONFLICT)

    def check(self, batch: Batch) -> Iterator[Finding]:
        yield from _not_shipped(batch)
        yield from _open_shipments(batch, allowed=set())
        shipments, returns = selectors.shipments_of(batch), selectors.returns_of(batch)
        for order in batch.orders:
            yield _open_returns(order, returns.get(order.pk, ()))
            yield _tracking(order, shipments.get(order.pk, ()))
            yield _conflict(order, shipments.get(order.pk, ()), returns.get(order.pk, ()), batch)

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        return facts.evidence(batch)


class NameOpenReturns(Step):
    """Reopening: its record names the returns that are open then."""

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        return facts.reopening_evidence(batch)


def _not_shipped(batch: Batch) -> Iterator[Finding]:
    lines = order_selectors.lines(batch)
    shipped = _shipped_by_documents(batch)
    for order in batch.orders:
        yield _shipped_finding(order, lines[order.pk], shipped)


def _shipped_finding(order: Order, lines: Sequence[Any], shipped: Mapping[int, Decimal]) -> Finding:
    """By what left the house; progress columns have to say the same."""
    missing = [
        Missing(line.no, line.sku, line.count(line.quantity - line.short - shipped.get(line.pk, ZERO)))
        for line in lines
        if not shipped.get(line.pk, ZERO) == line.shipped == line.quantity - line.short
    ]
    goods = [line for line in lines if not line.is_shipping_fee]
    return NOT_SHIPPED.finding(
        order,
        not missing,
        number=order.number,
        ordered=_count(goods, {line.pk: line.quantity - line.short for line in goods}),
        shipped=_count(goods, shipped),
        missing=Listing(missing),
    )


def _count(lines: Sequence[Line], quantities: Mapping[int, Decimal]) -> Quantity:
    total = sum((quantities.get(line.pk, ZERO) for line in lines), ZERO)
    same_unit = len({line.unit for line in lines}) == 1
    return lines[0].count(total) if same_unit else Quantity(total)


def _shipped_by_documents(batch: Batch) -> Mapping[int, Decimal]:
    shipped: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for shipments in selectors.shipments_of(batch).values():
        for shipment in shipments:
            if shipment.status in OUT:
                for row in shipment.loaded:
                    shipped[row.line_id] += row.quantity
    return shipped


def _open_shipments(batch: Batch, *, allowed: set[str]) -> Iterator[Finding]:
    done = {ShipmentStatus.DELIVERED, ShipmentStatus.CANCELLED, *UNDELIVERED, *allowed}
    shipments = selectors.shipments_of(batch)
    went_wrong = any(each.status in UNDELIVERED for of_order in shipments.values() for each in of_order)
    returns = selectors.returns_of(batch) if went_wrong else {}
    for order in batch.orders:
        coming = _coming_back(returns.get(order.pk, ()))
        still_open = [
            shipment
            for shipment in shipments.get(order.pk, ())
            if shipment.status not in done or (shipment.status in UNDELIVERED and shipment.pk in coming)
        ]
        yield _listing(SHIPMENT_OPEN, order, still_open)


def _coming_back(returns: Iterable[Any]) -> set[int]:
    """Shipments of which something is on its way back."""
    return {row.shipment_id for each in returns if each.is_open for row in each.brought}


def _open_returns(order: Order, returns: Sequence[Return]) -> Finding:
    still_open = [each for each in returns if each.is_open]
    return RETURN_OPEN.finding(
        order,
        not still_open,
        number=order.number,
        returns=Listing(each.number for each in still_open),
        links=[_link(each) for each in still_open],
    )


def _tracking(order: Order, shipments: Sequence[Any]) -> Finding:
    """By the method as it is now; whoever dispatched without a number caused it."""
    missing = [s for s in shipments if s.status in OUT and s.needs_tracking and not s.tracking_number]
    return TRACKING_MISSING.finding(
        order,
        not missing,
        people=sorted({shipment.dispatched_by_id for shipment in missing}),
        number=order.number,
        shipments=Listing(shipment.number for shipment in missing),
        links=[_link(shipment) for shipment in missing],
    )


def _conflict(order: Order, shipments: Sequence[Shipment], returns: Sequence[Return], batch: Batch) -> Finding:
    closer = batch.decision.by
    own: list[Shipment | Return] = [each for each in shipments if each.dispatched_by_id == closer.pk]
    own += [each for each in returns if each.received_by_id == closer.pk]
    return CONFLICT.finding(
        order,
        not own,
        people=[closer.pk],
        number=order.number,
        name=closer.name,
        shipments=Listing(document.number for document in own),
        links=[_link(document) for document in own],
    )


def _link(document: Shipment | Return) -> Link:
    return Link(document._meta.label_lower, str(document.pk), document.number)
