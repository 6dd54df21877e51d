"""What inventory checks and does: reserving when an order is processed, proving stock when it closes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.canonical import digest
from erp.kernel.locks import Locks
from erp.kernel.money import ZERO, Quantity, plain
from erp.kernel.texts import Listing
from inventory import selectors
from inventory.models import Move, StockLevel
from inventory.services import serving, stock
from orders import selectors as order_selectors
from orders.contract import Batch, Block, Check, Effect, Finding, Step
from orders.models import Line, Order, Status
from orders.services import closing_lines

STOCK_SHORT = Check(
    "inventory.not_enough_stock",
    Block.STOCK,
    passed=_("All goods are available, or the shop lets its orders wait for them."),
    blocked=_("Order %(number)s lacks stock: %(shortages)s."),
    hint=_("Receive the missing goods, or agree with the customer on what can be shipped."),
    role=_("Warehouse keeper"),
)
STOCK_NOT_ADJUSTED = Check(
    "inventory.stock_not_adjusted",
    Block.STOCK,
    passed=_("Issued from stock, less what came back into it, %(moved)s = shipped %(shipped)s less restocked."),
    blocked=_(
        "Order %(number)s: shipped less restocked %(shipped)s, issued from stock less what came back into it "
        "%(moved)s: %(lines)s."
    ),
    hint=_("Stop here and have the stock moves examined."),
    role=_("Warehouse keeper"),
    lasting=True,
)


@dataclass(frozen=True, slots=True)
class Take(Effect):
    """Goods reserved for a line from one warehouse."""

    order_id: int
    line_id: int
    warehouse_id: int
    sku: str
    warehouse: str
    quantity: Decimal

    def describe(self) -> str:
        return str(
            _("%(quantity)s of %(sku)s are reserved in %(warehouse)s.")
            % {"quantity": plain(self.quantity), "sku": self.sku, "warehouse": self.warehouse}
        )


@dataclass(frozen=True, slots=True)
class Wait(Effect):
    """Goods that are not there: what comes in or becomes free serves the order by its age."""

    sku: str
    quantity: Quantity

    def describe(self) -> str:
        return str(
            _("%(quantity)s of %(sku)s are not available; the order waits for them.")
            % {"quantity": self.quantity, "sku": self.sku}
        )


@dataclass(frozen=True, slots=True)
class Release(Effect):
    """A leftover reservation goes back to what is available."""

    order_id: int
    line_id: int
    warehouse_id: int
    sku: str
    quantity: Decimal

    def describe(self) -> str:
        return str(
            _("The leftover reservation of %(quantity)s %(sku)s is released.")
            % {"quantity": plain(self.quantity), "sku": self.sku}
        )


@dataclass(frozen=True, slots=True)
class Free(Release):
    """What a hold or a cancellation gives back."""

    def describe(self) -> str:
        return str(
            _("The reservation of %(quantity)s %(sku)s is released.")
            % {"quantity": plain(self.quantity), "sku": self.sku}
        )


class Shortage(NamedTuple):
    """What an order lacks of one product."""

    sku: str
    wanted: Quantity
    available: Quantity

    @property
    def lacking(self) -> Quantity:
        return Quantity(self.wanted.value - self.available.value, self.wanted.unit)

    def __str__(self) -> str:
        return str(
            _("%(sku)s wanted %(wanted)s, available %(available)s")
            % {"sku": self.sku, "wanted": self.wanted, "available": self.available}
        )


class ReserveStock(Step):
    """
    Reserves every stocked line: from one warehouse when one can serve the whole order, else over several.

    What an earlier order of the batch takes is gone for a later one. A shop that allows backorder lets
    lines wait for the next receipt.
    """

    checks = (STOCK_SHORT,)
    locks = Locks.STOCK

    def check(self, batch: Batch) -> Iterator[Finding]:
        _takes, shortages = self._allocate(batch)
        for order in batch.orders:
            short = shortages.get(order.pk, [])
            passes = not short or order.shop.allows_backorder
            yield STOCK_SHORT.finding(order, passes, number=order.number, shortages=Listing(short))

    def plan(self, batch: Batch) -> Iterator[Effect]:
        takes, shortages = self._allocate(batch)
        yield from takes
        for order in batch.orders:
            for short in shortages.get(order.pk, ()):
                yield Wait(order.pk, short.sku, short.lacking)

    def save(self, batch: Batch, effects: Sequence[Take | Wait]) -> None:
        _reserve(batch, effects)

    def wants(self, order: Order) -> bool:
        """Only a new order takes: one that was processed already has its reservations."""
        return order.status == Status.NEW

    def _allocate(self, batch: Batch) -> tuple[list[Take], dict[int, list[Shortage]]]:
        lines = order_selectors.lines(batch)
        stocked = [line for of_order in lines.values() for line in of_order if line.is_stocked]
        shelf = _Shelf(_levels(batch, {line.product_id for line in stocked}))
        takes: list[Take] = []
        shortages: dict[int, list[Shortage]] = {}
        for order in batch.orders:
            of_order = [line for line in lines.get(order.pk, ()) if line.is_stocked and self.wants(order)]
            wanted = {line: line.open_quantity for line in of_order}
            taken, short = shelf.serve(order, wanted)
            if short:
                shortages[order.pk] = short
            if order.pk not in batch.blocked and (not short or order.shop.allows_backorder):
                takes += taken
                shelf.remove(taken, wanted)
        return takes, shortages


class ReserveAgain(ReserveStock):
    """A resumed order that had freed its goods takes them again, as one that is processed does."""

    def wants(self, order: Order) -> bool:
        return order.held_released and order.status == Status.PROCESSING


class ServeAgain(Step):
    """
    An order that will not be cancelled after all takes what it lacks, as far as it is there, and waits for the rest.

    What came in meanwhile served others: whoever is to be cancelled waits for nothing.
    """

    locks = Locks.STOCK

    def plan(self, batch: Batch) -> Iterator[Effect]:
        lacking = {pk: dict(missing) for pk, missing in selectors.unserved(batch).items() if missing}
        if not lacking:
            return
        shelf = _Shelf(_levels(batch, {line.product_id for missing in lacking.values() for line in missing}))
        for order in batch.orders:
            wanted = lacking.get(order.pk, {})
            takes, short = shelf.serve(order, wanted)
            shelf.remove(takes, wanted)
            yield from takes
            for each in short:
                yield Wait(order.pk, each.sku, each.lacking)

    def save(self, batch: Batch, effects: Sequence[Take | Wait]) -> None:
        _reserve(batch, effects)


# Orders locked because they may wait for what becomes available.
WAITING = "inventory.waiting"


class Freeing(Step):
    """What was promised to orders goes back to what is available, and serves the lines of others that wait."""

    locks = Locks.STOCK

    def beside(self, order_ids: Sequence[int], decision: Decision) -> Iterable[int]:
        return serving.waiting_orders(serving.goods_of(order_ids))

    def save(self, batch: Batch, effects: Sequence[Release]) -> None:
        if not effects:
            return
        freed: dict[str, set[int]] = defaultdict(set)
        lines = _lines_by_pk(batch)
        for effect in effects:
            freed[batch.by_id[effect.order_id].currency].add(lines[effect.line_id].product_id)
        # Own orders may wait as well, for what only some of their lines gave back. An act that carries this one along
        # has locked everybody who waits before it moved goods of its own.
        known = batch.memo.get(WAITING)
        waiting = serving.lock_waiting(freed, also=batch.ids) if known is None else known
        serving.serve(freed, waiting, _release(batch, effects))


class FreeAll(Freeing):
    """A cancelled order keeps no goods."""

    def plan(self, batch: Batch) -> Iterator[Effect]:
        yield from _releases(batch, Free)


class FreeReservation(Freeing):
    """A hold gives reserved goods back where the decision says so."""

    def beside(self, order_ids: Sequence[int], decision: Decision) -> Iterable[int]:
        return super().beside(order_ids, decision) if decision.detail.get("release") else ()

    def plan(self, batch: Batch) -> Iterator[Effect]:
        if batch.decision.detail.get("release"):
            yield from _releases(batch, Free)


class ReleaseClosedLines(Freeing):
    """What was reserved for closed quantities, beyond what stays open; what is on a shipment stays where it is."""

    def plan(self, batch: Batch) -> Iterator[Effect]:
        reserved, kept = selectors.reservations_of(batch), closing_lines.kept(batch)
        for order_id, remainders in closing_lines.chosen(batch).items():
            for line, quantity in ((remainder.line, remainder.quantity) for remainder in remainders):
                promised = reserved.get(line.pk, {})
                excess = sum(promised.values(), ZERO) - (line.open_quantity - quantity)
                for warehouse_id, in_warehouse in promised.items():
                    freed = min(excess, in_warehouse - kept.get((line.pk, warehouse_id), ZERO))
                    if freed > 0:
                        excess -= freed
                        yield Free(order_id, line.pk, warehouse_id, line.sku, freed)


def _reserve(batch: Batch, effects: Iterable[Take | Wait]) -> None:
    lines = _lines_by_pk(batch)
    takes = [effect for effect in effects if isinstance(effect, Take)]
    promises = [stock.Reserve(lines[take.line_id], take.warehouse_id, take.quantity) for take in takes]
    if promises:
        stock.reserve(promises, batch.memo["inventory.levels"])


def _levels(batch: Batch, products: set[int]) -> list[StockLevel]:
    may_wait = any(order.shop.allows_backorder for order in batch.orders)
    if batch.acting and may_wait and "inventory.levels" not in batch.memo:
        stock.lock_products(products)
    currencies = {order.currency for order in batch.orders}
    return batch.read("inventory.levels", lambda: selectors.levels_of(products, currencies), rank=Locks.STOCK)


class _Shelf:
    """What is available, while a batch takes from it in memory."""

    def __init__(self, levels: Sequence[StockLevel]) -> None:
        self.warehouses = {level.warehouse_id: level.warehouse for level in levels}
        self.left: dict[tuple[int, int], Decimal] = {
            (level.product_id, level.warehouse_id): level.available for level in levels
        }

    def serve(self, order: Order, wanted: Mapping[Line, Decimal]) -> tuple[list[Take], list[Shortage]]:
        candidates = [pk for pk, warehouse in self.warehouses.items() if warehouse.currency == order.currency]
        whole = [pk for pk in candidates if self._serves_all(pk, wanted)]
        warehouses = whole[:1] or candidates
        left: dict[tuple[int, int], Decimal] = {}
        takes: list[Take] = []
        lacking: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for line, missing in wanted.items():
            for warehouse_id in warehouses:
                key = (line.product_id, warehouse_id)
                available = left.get(key, self.left.get(key, ZERO))
                quantity = min(missing, available)
                if quantity > 0:
                    left[key] = available - quantity
                    missing -= quantity
                    name = self.warehouses[warehouse_id].name
                    takes.append(Take(order.pk, line.pk, warehouse_id, line.sku, name, quantity))
            if missing:
                lacking[line.sku] += missing
        return takes, self._shortages(wanted, lacking)

    def remove(self, takes: Sequence[Take], lines: Iterable[Line]) -> None:
        products = {line.pk: line.product_id for line in lines}
        for take in takes:
            self.left[products[take.line_id], take.warehouse_id] -= take.quantity

    def _serves_all(self, warehouse_id: int, wanted: Mapping[Line, Decimal]) -> bool:
        sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
        for line, quantity in wanted.items():
            sums[line.product_id] += quantity
        return all(self.left.get((product, warehouse_id), ZERO) >= quantity for product, quantity in sums.items())

    @staticmethod
    def _shortages(wanted: Mapping[Line, Decimal], lacking: Mapping[str, Decimal]) -> list[Shortage]:
        of_sku: dict[str, list[Line]] = defaultdict(list)
        for line in wanted:
            of_sku[line.sku].append(line)
        result = []
        for sku, missing in lacking.items():
            asked = sum((wanted[line] for line in of_sku[sku]), ZERO)
            count = of_sku[sku][0].count
            result.append(Shortage(sku, count(asked), count(asked - missing)))
        return result


class ProveStock(Freeing):
    """Each stocked line's moves equal what was shipped and not restocked of it; leftover reservations serve others."""

    checks = (STOCK_NOT_ADJUSTED,)

    def beside(self, order_ids: Sequence[int], decision: Decision) -> Iterable[int]:
        """Hardly any order that closes has something left over."""
        return serving.waiting_orders(serving.left_over(order_ids))

    def check(self, batch: Batch) -> Iterator[Finding]:
        lines = order_selectors.lines(batch)
        moves, since = selectors.moves_of(batch), selectors.later_moves_of(batch)
        for order in batch.orders:
            moved, later = _issued(moves.get(order.pk, ())), _issued(since.get(order.pk, ()))
            stocked = [line for line in lines[order.pk] if line.is_stocked]
            # Progress knows what came back since too: as far as it moved stock, that is taken off again.
            out = {line.pk: line.shipped - line.restocked - later[line.pk] for line in stocked}
            wrong = [f"{line.no} {line.sku}" for line in stocked if moved[line.pk] != out[line.pk]]
            yield STOCK_NOT_ADJUSTED.finding(
                order,
                not wrong,
                number=order.number,
                shipped=Quantity(sum(out.values(), ZERO)),
                moved=Quantity(sum(moved.values(), ZERO)),
                lines=Listing(wrong),
            )

    def plan(self, batch: Batch) -> Iterator[Effect]:
        yield from _releases(batch, Release)

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        moves = selectors.moves_of(batch)
        return {order_id: {"moves": [_move(move) for move in moves.get(order_id, ())]} for order_id in batch.ids}


def _issued(moves: Iterable[Move]) -> dict[int, Decimal]:
    """What left stock less what came back into it, by line."""
    issued: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for move in moves:
        assert move.line_id is not None
        issued[move.line_id] -= move.quantity
    return issued


def _releases(batch: Batch, effect: type[Release]) -> Iterator[Release]:
    """Everything still promised to the orders of a batch."""
    reserved = selectors.reservations_of(batch)
    lines = order_selectors.lines(batch)
    for order in batch.orders:
        for line in lines[order.pk]:
            for warehouse_id, quantity in reserved.get(line.pk, {}).items():
                yield effect(order.pk, line.pk, warehouse_id, line.sku, quantity)


def _release(batch: Batch, effects: Sequence[Release]) -> Collection[StockLevel]:
    lines = _lines_by_pk(batch)
    return stock.release([stock.Reserve(lines[e.line_id], e.warehouse_id, e.quantity) for e in effects])


def _lines_by_pk(batch: Batch) -> Mapping[int, Line]:
    return {line.pk: line for of_order in order_selectors.lines(batch).values() for line in of_order}


def _move(move: Move) -> dict[str, Any]:
    content = {
        "id": move.pk,
        "product": move.product_id,
        "warehouse": move.warehouse_id,
        "kind": move.kind,
        "quantity": move.quantity,
        "value": move.value,
        "on_hand_after": move.on_hand_after,
        "value_after": move.value_after,
        "source": [move.source_type, move.source_id, move.source],
        "by": [move.by_id, move.by_name],
        "at": move.at,
    }
    return {"id": move.pk, "document": move.source, "sha256": digest(content)}
