"""
Changing stock: levels are locked by primary key, moves and reservations appended, levels written set-wise.

Moves carry their value: an issue takes round(value × quantity ÷ on hand), the last unit the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.errors import DomainError
from erp.kernel.locks import Locks, lock
from erp.kernel.money import ZERO, part, plain
from inventory import selectors
from inventory.models import Move, MoveKind, Reservation, ReservationKind, StockLevel
from orders.models import Line, Order, Product


class NotReserved(DomainError):
    code = "inventory.not_reserved"
    message = _(
        "Order %(order)s line %(line)s: %(quantity)s of %(sku)s are to leave %(warehouse)s, only %(reserved)s are "
        "reserved there. Receive the missing goods, or ship less."
    )


@dataclass(frozen=True, slots=True)
class Issue:
    """Goods of one document line leaving one warehouse."""

    line: Line
    order: Order
    warehouse_id: int
    quantity: Decimal
    source_type: str
    source_id: str
    source: str


@dataclass(frozen=True, slots=True)
class Entering:
    """Goods of one document line that come back into one warehouse, at what they cost when they left."""

    line: Line
    warehouse_id: int
    quantity: Decimal
    value: Decimal
    source_type: str
    source_id: str
    source: str


@dataclass(frozen=True, slots=True)
class Reserve:
    """A promise of stock to a line, from one warehouse."""

    line: Line
    warehouse_id: int
    quantity: Decimal


def reserve(promises: Sequence[Reserve], levels: Iterable[StockLevel]) -> None:
    """
    Append reservations and add them to locked ``levels``: two queries.

    The CHECK on levels refuses more than is on hand.
    """
    _append(promises, levels, ReservationKind.RESERVE, 1)


def release(promises: Sequence[Reserve]) -> Collection[StockLevel]:
    """
    Take back what is still promised: locks the levels, appends, writes: three queries.

    :returns: the locked levels, to serve others from.
    """
    if not promises:
        return ()
    levels = lock_levels({(promise.line.product_id, promise.warehouse_id) for promise in promises}).values()
    _append(promises, levels, ReservationKind.RELEASE, -1)
    return levels


def issue(issues: Sequence[Issue]) -> dict[str, Decimal]:
    """
    Take goods out of stock against their lines' reservations.

    :returns: the value that left, positive, by ``source_id``; in the warehouse's currency, rounded here.
    :raises NotReserved: a line has less reserved in that warehouse than is to leave.
    """
    if not issues:
        return {}
    levels = lock_levels({(entry.line.product_id, entry.warehouse_id) for entry in issues})
    _assert_reserved(issues, levels)
    values: dict[str, Decimal] = {}
    moves: list[Move] = []
    for entry in issues:
        level = levels[entry.line.product_id, entry.warehouse_id]
        value = part(level.value, entry.quantity, level.on_hand, ZERO, level.warehouse.currency)
        values[entry.source_id] = value
        moves.append(
            move(
                level,
                MoveKind.ISSUE,
                -entry.quantity,
                -value,
                line=entry.line,
                source_type=entry.source_type,
                source_id=entry.source_id,
                source=entry.source,
            )
        )
    Move.objects.bulk_create(moves)
    consumed = [Reserve(entry.line, entry.warehouse_id, entry.quantity) for entry in issues]
    _append(consumed, levels.values(), ReservationKind.CONSUME, -1)
    return values


def take_back(entering: Sequence[Entering], levels: Mapping[tuple[int, int], StockLevel]) -> None:
    """Put goods that left against a line into stock again, in locked levels: two queries."""
    moves = []
    changed: dict[int, StockLevel] = {}
    for entry in entering:
        level = levels[entry.line.product_id, entry.warehouse_id]
        changed[level.pk] = level
        moves.append(
            move(
                level,
                MoveKind.RETURN,
                entry.quantity,
                entry.value,
                line=entry.line,
                source_type=entry.source_type,
                source_id=entry.source_id,
                source=entry.source,
            )
        )
    Move.objects.bulk_create(moves)
    setwise.update([changed[pk] for pk in sorted(changed)], ["on_hand", "value"], record=False)


def move(level: StockLevel, kind: MoveKind, quantity: Decimal, value: Decimal, **source: Any) -> Move:
    """
    Change a locked level in memory; both it and the move that is returned are written by the caller.

    :param quantity: and ``value``, in the warehouse's currency: negative when stock leaves.
    :param source: the document line the move comes from, by the columns of :class:`Move`.
    """
    level.on_hand += quantity
    level.value += value
    return Move(
        product_id=level.product_id,
        warehouse_id=level.warehouse_id,
        kind=kind,
        quantity=quantity,
        value=value,
        on_hand_after=level.on_hand,
        value_after=level.value,
        **source,
    )


def lock_products(products: Iterable[int]) -> None:
    """
    Lock products before their levels, for those that do not exist yet.

    An order that finds no level and begins to wait, and the receipt that makes the first one, see each other.
    """
    lock(Product.objects.filter(pk__in=set(products)), Locks.STOCK)


def lock_levels(keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], StockLevel]:
    """Lock the levels of (product, warehouse) pairs, by primary key."""
    keys = set(keys)
    queryset = StockLevel.objects.filter(
        product__in={product for product, _ in keys}, warehouse__in={warehouse for _, warehouse in keys}
    ).select_related("warehouse")
    return {(level.product_id, level.warehouse_id): level for level in lock(queryset, Locks.STOCK)}


def make_levels(keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], StockLevel]:
    """Lock the levels of (product, warehouse) pairs, made empty where there are none."""
    keys = sorted(set(keys))
    lock_products(product for product, _warehouse in keys)
    StockLevel.objects.bulk_create(
        [StockLevel(product_id=product, warehouse_id=warehouse) for product, warehouse in keys], ignore_conflicts=True
    )
    return lock_levels(keys)


def _append(promises: Sequence[Reserve], levels: Iterable[StockLevel], kind: ReservationKind, sign: int) -> None:
    if not promises:
        return
    by_key = {(level.product_id, level.warehouse_id): level for level in levels}
    changed: dict[int, StockLevel] = {}
    rows = []
    for promise in promises:
        level = by_key[promise.line.product_id, promise.warehouse_id]
        level.reserved += sign * promise.quantity
        changed[level.pk] = level
        rows.append(
            Reservation(
                line=promise.line,
                order_id=promise.line.order_id,
                warehouse_id=promise.warehouse_id,
                product_id=promise.line.product_id,
                kind=kind,
                quantity=sign * promise.quantity,
            )
        )
    Reservation.objects.bulk_create(rows)
    setwise.update([changed[pk] for pk in sorted(changed)], ["on_hand", "reserved", "value"], record=False)


def _assert_reserved(issues: Sequence[Issue], levels: Mapping[tuple[int, int], StockLevel]) -> None:
    reserved = selectors.open_reservations(Q(line__in={entry.line.pk for entry in issues}))
    wanted: dict[tuple[int, int], Decimal] = {}
    for entry in issues:
        key = (entry.line.pk, entry.warehouse_id)
        wanted[key] = wanted.get(key, ZERO) + entry.quantity
        open_quantity = reserved.get(entry.line.pk, {}).get(entry.warehouse_id, ZERO)
        if wanted[key] > open_quantity:
            raise NotReserved(
                order=entry.order.number,
                line=entry.line.no,
                sku=entry.line.sku,
                quantity=plain(wanted[key]),
                warehouse=levels[entry.line.product_id, entry.warehouse_id].warehouse.name,
                reserved=plain(open_quantity),
            )
