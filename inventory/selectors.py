"""Reading stock. Everything a person or key asks for is filtered by their scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, Sum

from erp.kernel.money import ZERO
from inventory.models import Move, Reservation, StockLevel, StockTakeLine, StockTakeStatus, Warehouse
from orders.models import Line, Status
from orders.models.order import LineKind
from orders.selectors import lines as order_lines

if TYPE_CHECKING:
    from erp.kernel.models import User
    from orders.contract import Batch


def warehouses(user: User) -> Any:
    return Warehouse.objects.visible_to(user).filter(is_active=True)


def levels(user: User) -> Any:
    return StockLevel.objects.visible_to(user)


def countable(warehouse: Warehouse, user: User) -> Any:
    """Levels of a warehouse with goods that are in no undecided stock-take there, by SKU."""
    undecided = StockTakeLine.objects.filter(take__warehouse=warehouse, take__status=StockTakeStatus.COUNTED)
    levels = StockLevel.objects.visible_to(user).filter(warehouse=warehouse, on_hand__gt=0)
    return levels.exclude(product__in=undecided.values("product")).select_related("product").order_by("product__sku")


def levels_of(products: Iterable[int], currencies: Iterable[str]) -> Any:
    """Stock levels orders may be served from, in locking order."""
    return (
        StockLevel.objects.filter(
            product__in=set(products),
            warehouse__currency__in=set(currencies),
            warehouse__is_active=True,
            warehouse__is_defective=False,
        )
        .select_related("warehouse")
        .order_by("pk")
    )


# What is promised to one line from one stock level.
OpenReservations = Mapping[int, Mapping[int, Decimal]]


def open_reservations(lines: Q) -> OpenReservations:
    """Open quantity by line and warehouse; zero sums are left out."""
    rows = Reservation.objects.filter(lines).values_list("line_id", "warehouse_id").annotate(open=Sum("quantity"))
    result: dict[int, dict[int, Decimal]] = defaultdict(dict)
    for line_id, warehouse_id, quantity in rows.order_by("line_id", "warehouse_id"):
        if quantity:
            result[line_id][warehouse_id] = quantity
    return result


def promised_to(level: StockLevel) -> list[str]:
    """Numbers of the orders for which something of a level is reserved, oldest first."""
    rows = Reservation.objects.filter(product=level.product_id, warehouse=level.warehouse_id)
    orders = rows.values_list("order__number", "order__placed_at", "order_id").annotate(open=Sum("quantity"))
    return [number for number, _at, _pk, quantity in orders.order_by("order__placed_at", "order_id") if quantity]


def reservations_of(batch: Batch) -> OpenReservations:
    """Open reservations of a batch's orders: one query."""
    if "inventory.reservations" not in batch.memo:
        batch.memo["inventory.reservations"] = open_reservations(Q(order_id__in=batch.ids))
    result: OpenReservations = batch.memo["inventory.reservations"]
    return result


def moves_of(batch: Batch) -> Mapping[int, list[Move]]:
    """Moves of a batch's orders, by order."""
    return _moves(batch)[0]


def later_moves_of(batch: Batch) -> Mapping[int, list[Move]]:
    """Moves of goods that came back after the moment as whose documents count, by order."""
    return _moves(batch)[1]


def _moves(batch: Batch) -> tuple[Mapping[int, list[Move]], Mapping[int, list[Move]]]:
    if "inventory.moves" not in batch.memo:
        counting: dict[int, list[Move]] = defaultdict(list)
        later: dict[int, list[Move]] = defaultdict(list)
        moves = Move.objects.filter(line__order_id__in=batch.ids).annotate(order_id=F("line__order_id"))
        for move in moves.order_by("pk"):
            counts = not batch.as_of or move.at <= batch.as_of[move.order_id]
            (counting if counts else later)[move.order_id].append(move)
        batch.memo["inventory.moves"] = counting, later
    result: tuple[Mapping[int, list[Move]], Mapping[int, list[Move]]] = batch.memo["inventory.moves"]
    return result


def lacking(batch: Batch) -> Mapping[int, list[tuple[Line, Decimal]]]:
    """What the orders of a batch wait for, by order: as :func:`waiting` says it of products."""
    missing = unserved(batch)
    return {order.pk: [] if order.is_to_be_cancelled else missing[order.pk] for order in batch.orders}


def unserved(batch: Batch) -> Mapping[int, list[tuple[Line, Decimal]]]:
    """As :func:`lacking`, also of orders that wait for nothing because they are to be cancelled."""
    reserved = reservations_of(batch)
    result: dict[int, list[tuple[Line, Decimal]]] = {}
    for order in batch.orders:
        waits = order.status == Status.PROCESSING and not order.held_released
        lines = [line for line in order_lines(batch)[order.pk] if waits and line.is_stocked]
        missing = ((line, line.open_quantity - sum(reserved.get(line.pk, {}).values(), ZERO)) for line in lines)
        result[order.pk] = [(line, quantity) for line, quantity in missing if quantity > 0]
    return result


def offered(products: Iterable[int], currency: str) -> Mapping[int, Decimal]:
    """
    What shops of a currency are offered, by product: 可用量 less what new orders want; never less than nothing.

    What is available is that of active warehouses of the currency. New orders have reserved nothing yet, whether
    or not they are on hold.
    """
    products = set(products)
    result = dict.fromkeys(products, ZERO)
    available = levels_of(products, [currency]).order_by("product").values_list("product_id")
    for product, on_hand, reserved in available.annotate(Sum("on_hand"), Sum("reserved")):
        result[product] += on_hand - reserved
    wanted = Line.objects.filter(
        product__in=products, kind=LineKind.STOCKED, order__status=Status.NEW, order__currency=currency
    )
    for product, quantity in wanted.values_list("product_id").annotate(wanted=Sum(F("quantity") - F("closed"))):
        result[product] -= quantity
    return {product: max(quantity, ZERO) for product, quantity in result.items()}


def waiting(products: Iterable[int], currency: str) -> list[tuple[Line, Decimal]]:
    """
    Lines of orders in processing that wait for these goods, each with what it lacks, oldest order first.

    Lacking is what was ordered and is neither shipped nor reserved. An order whose goods a hold released waits
    for nothing until it is resumed, and one that is to be cancelled for nothing at all.
    """
    lines = list(
        Line.objects.filter(
            product__in=set(products),
            kind=LineKind.STOCKED,
            shipped__lt=F("quantity"),
            order__status=Status.PROCESSING,
            order__currency=currency,
            order__held_released=False,
            order__cancel_requested_at__isnull=True,
        )
        .select_related("order")
        .order_by("order__placed_at", "order_id", "no")
    )
    reserved = open_reservations(Q(line__in={line.pk for line in lines})) if lines else {}
    lacking = ((line, line.open_quantity - sum(reserved.get(line.pk, {}).values(), ZERO)) for line in lines)
    return [(line, quantity) for line, quantity in lacking if quantity > 0]
