"""Drafting shipments: what leaves which warehouse together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.models import User
from erp.kernel.money import ZERO, Quantity, check_positive, plain
from erp.kernel.numbering import numbers
from erp.kernel.transitions import found
from inventory.models import Warehouse
from inventory.selectors import OpenReservations, open_reservations
from logistics import selectors
from logistics.models import Shipment, ShipmentLine
from orders import selectors as order_selectors
from orders.models import Line, Order, Status
from orders.models.master import WHOLE_UNITS
from orders.selectors import company_day
from orders.services.documents import authorise, holding, require_going_on, require_version


class NotProcessing(DomainError):
    code = "logistics.order_not_processing"
    message = _("Order %(number)s is %(status)s; shipments are drafted while it is in processing.")


class NothingToShip(DomainError):
    code = "logistics.nothing_to_ship"
    message = _(
        "Nothing of order %(number)s can be put on a shipment: everything is shipped, on a shipment, "
        "or waits for stock."
    )


class MoreThanOpen(DomainError):
    code = "logistics.more_than_open"
    message = _(
        "Order %(number)s line %(line)s (%(sku)s): %(wanted)s were to be shipped, only %(open)s are open there. "
        "Ship less, or check what other shipments carry."
    )


class UnknownLine(DomainError):
    code = "logistics.unknown_line"
    message = _("Order %(number)s has no line %(line)s that can be put on a shipment. Choose one of its lines.")


class FractionOfPiece(DomainError):
    code = "logistics.fraction_of_piece"
    message = _(
        "Order %(number)s line %(line)s: %(quantity)s %(unit)s of %(sku)s is no whole number. Correct the quantity."
    )


class WarehouseNotNamed(DomainError):
    code = "logistics.warehouse_not_named"
    message = _(
        "The goods of order %(number)s are reserved in several of your warehouses or in none. Name the warehouse."
    )


@dataclass(slots=True)
class _Plan:
    """A shipment to be: an order's quantities by line, from one warehouse or, for services alone, none."""

    order: Order
    warehouse_id: int | None
    quantities: dict[Line, Decimal] = field(default_factory=dict)


def draft_shipments(order_ids: Iterable[int], *, decision: Decision) -> list[Shipment]:
    """
    Draft everything reserved of orders in processing: one shipment per order and warehouse.

    Services join the first one, or make one of their own. All orders or none.

    :raises NotFound: :raises Forbidden: ``logistics.pack_shipment`` is missing.
    :raises NotProcessing: :raises OrderIsOnHold: :raises NothingToShip: of an order.
    """
    with _drafting(order_ids, decision) as still_open:
        plans = [plan for order in still_open.orders for plan in still_open.everything_of(order)]
        return _insert(plans, decision)


def pack_orders(order_ids: Iterable[int], *, decision: Decision) -> list[Shipment]:
    """
    Draft everything reserved and pack it in one act: shipments are born packed.

    :raises DomainError: as :func:`draft_shipments`.
    """
    with _drafting(order_ids, decision) as still_open:
        plans = [plan for order in still_open.orders for plan in still_open.everything_of(order)]
        return _insert(plans, decision, packed=True)


def draft_shipment(
    order_id: int,
    quantities: Mapping[int, Decimal],
    *,
    decision: Decision,
    warehouse_id: int | None = None,
    version: int | None = None,
) -> Shipment:
    """
    Draft one shipment of chosen quantities by line number.

    :param warehouse_id: where goods leave; left out for services, or where one warehouse serves them all.
    :param version: the order's, as the person saw it: the same form sent twice drafts once.
    :raises UnknownLine: :raises MoreThanOpen: more than is reserved there and on no other shipment.
    :raises Changed: the order has another version.
    """
    with _drafting([order_id], decision) as still_open:
        (order,) = still_open.orders
        require_version(order, version)
        (shipment,) = _insert([still_open.chosen_of(order, quantities, warehouse_id)], decision)
        return shipment


@dataclass(frozen=True, slots=True)
class StillOpen:
    """What of one line can still be put on a shipment: quantity by warehouse; of a service by none."""

    line: Line
    quantities: Mapping[int | None, Decimal]


def open_lines(order: Order, user: User) -> list[StillOpen]:
    """Every line of which something is reserved in the user's warehouses, or left to perform, by line number."""
    still_open = _Open([order], user)
    rows = [StillOpen(line, still_open.by_warehouse(line)) for line in still_open.lines[order.pk]]
    return [row for row in rows if row.quantities]


def is_left_to_draft(order: Order) -> bool:
    """Whether anything of an order, in any warehouse, can still be put on a shipment."""
    still_open = _Open([order])
    return any(still_open.by_warehouse(line) for line in still_open.lines[order.pk])


@contextmanager
def _drafting(order_ids: Iterable[int], decision: Decision) -> Iterator[_Open]:
    ids = list(dict.fromkeys(order_ids))
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, ids, decision.by, "logistics.pack_shipment")
    with holding(scoped.filter(pk__in=ids), decision) as held:
        orders = found(Order, ids, list(held.values()))
        require_going_on(orders)
        for order in orders:
            if order.status != Status.PROCESSING:
                raise NotProcessing(number=order.number, status=order.get_status_display())
        yield _Open(orders, decision.by)


class _Open:
    """What of some orders can still be put on shipments, out of a user's warehouses or of all."""

    def __init__(self, orders: Sequence[Order], user: User | None = None) -> None:
        ids = [order.pk for order in orders]
        self.orders = orders
        self.lines: dict[int, list[Line]] = defaultdict(list)
        for line in order_selectors.lines_of(ids):
            self.lines[line.order_id].append(line)
        own = Warehouse.objects.visible_to(user) if user else Warehouse.objects.all()
        self.reserved: OpenReservations = open_reservations(Q(order_id__in=ids, warehouse__in=own))
        self.in_house = selectors.in_house(ids)
        self.on_shipments: dict[int, Decimal] = defaultdict(lambda: ZERO)
        for (line_id, _warehouse_id), quantity in self.in_house.items():
            self.on_shipments[line_id] += quantity

    def everything_of(self, order: Order) -> list[_Plan]:
        plans: dict[int | None, _Plan] = {}
        services: dict[Line, Decimal] = {}
        for line in self.lines[order.pk]:
            for warehouse_id, quantity in self.by_warehouse(line).items():
                if warehouse_id is None:
                    services[line] = quantity
                    continue
                plan = plans.setdefault(warehouse_id, _Plan(order, warehouse_id))
                plan.quantities[line] = quantity
        if services:
            first = next(iter(plans.values()), None) or plans.setdefault(None, _Plan(order, None))
            first.quantities.update(services)
        if not plans:
            raise NothingToShip(number=order.number)
        return list(plans.values())

    def chosen_of(self, order: Order, quantities: Mapping[int, Decimal], warehouse_id: int | None) -> _Plan:
        by_no = {line.no: line for line in self.lines[order.pk] if not line.is_shipping_fee}
        if not quantities:
            raise NothingToShip(number=order.number)
        for no in quantities:
            if no not in by_no:
                raise UnknownLine(number=order.number, line=no)
        chosen = {by_no[no]: whole(order, by_no[no], quantity) for no, quantity in quantities.items()}
        if any(line.is_stocked for line in chosen):
            warehouse_id = warehouse_id or self._only_warehouse(chosen)
            if warehouse_id is None:
                raise WarehouseNotNamed(number=order.number)
        else:
            warehouse_id = None
        for line, wanted in chosen.items():
            free = self._free(line, warehouse_id)
            if wanted > free:
                unit = line.get_unit_display()
                raise MoreThanOpen(
                    number=order.number,
                    line=line.no,
                    sku=line.sku,
                    wanted=Quantity(wanted, unit),
                    open=Quantity(max(free, ZERO), unit),
                )
        return _Plan(order, warehouse_id, chosen)

    def _free(self, line: Line, warehouse_id: int | None) -> Decimal:
        if not line.is_stocked:
            return self.open_service(line)
        assert warehouse_id is not None
        return self.open_in(line, warehouse_id)

    def by_warehouse(self, line: Line) -> dict[int | None, Decimal]:
        """What is above zero, by warehouse; of a service by none."""
        if line.is_shipping_fee:
            return {}
        if not line.is_stocked:
            left: dict[int | None, Decimal] = {None: self.open_service(line)}
        else:
            left = {pk: self.open_in(line, pk) for pk in self.reserved.get(line.pk, {})}
        return {warehouse_id: quantity for warehouse_id, quantity in left.items() if quantity > 0}

    def open_in(self, line: Line, warehouse_id: int) -> Decimal:
        """Reserved there and on no shipment yet."""
        return self.reserved.get(line.pk, {}).get(warehouse_id, ZERO) - self.in_house[line.pk, warehouse_id]

    def open_service(self, line: Line) -> Decimal:
        return line.open_quantity - self.on_shipments[line.pk]

    def _only_warehouse(self, chosen: Mapping[Line, Decimal]) -> int | None:
        candidates = {
            warehouse_id for line in chosen if line.is_stocked for warehouse_id in self.reserved.get(line.pk, {})
        }
        return candidates.pop() if len(candidates) == 1 else None


def whole(order: Order, line: Line, quantity: Decimal) -> Decimal:
    """
    A quantity of a line that a person chose.

    :raises OutOfRange: not above zero. :raises FractionOfPiece: the line is of pieces.
    """
    check_positive(quantity, _("Quantity"))
    if line.unit in WHOLE_UNITS and quantity != quantity.to_integral_value():
        raise FractionOfPiece(
            number=order.number,
            line=line.no,
            sku=line.sku,
            quantity=plain(quantity),
            unit=line.get_unit_display(),
        )
    return quantity


def _insert(plans: Sequence[_Plan], decision: Decision, *, packed: bool = False) -> list[Shipment]:
    year = company_day(decision.at).year
    shipments = [
        Shipment(
            number=number,
            order=plan.order,
            warehouse_id=plan.warehouse_id,
            method_id=plan.order.shipping_method_id if plan.warehouse_id else None,
        )
        for plan, number in zip(plans, numbers("SH", year, len(plans)), strict=True)
    ]
    if packed:
        for shipment in shipments:
            shipment.pack(decision)
    setwise.insert(shipments)
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, line=line, quantity=quantity)
        for shipment, plan in zip(shipments, plans, strict=True)
        for line, quantity in plan.quantities.items()
    )
    outbox.record("shipment.pack" if packed else "shipment.draft", shipments)
    return shipments
