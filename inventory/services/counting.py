"""
Stock-takes 盘点: somebody counts, another person approves, and only then stock and ledger follow.

A count keeps what the books said in the same moment, and its approval books the difference to that: what
was received or dispatched in between changes the counted and the booked quantity alike. So that no
difference is booked twice, a product is in only one undecided stock-take of a warehouse at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import Busy, DomainError, RefusedByDatabase, each
from erp.kernel.locks import lock, once_more_after, unit_of_work
from erp.kernel.money import ZERO, Quantity, at_average, check, part, times
from erp.kernel.numbering import numbers
from erp.kernel.texts import Listing
from erp.kernel.transitions import advance, found, permit, transition
from erp.kernel.validation import column
from finance import accounts
from finance.models import Purpose
from finance.services import posting
from finance.services.posting import credit, debit
from inventory import selectors
from inventory.models import Move, MoveKind, StockLevel, StockTake, StockTakeLine, StockTakeStatus, Warehouse
from inventory.services import goods, serving, stock
from orders.models import Act, Product
from orders.selectors import company_day
from orders.services import catalogue

_Levels = Mapping[tuple[int, int], StockLevel]


class NothingCounted(DomainError):
    code = "inventory.nothing_counted"
    message = _("The stock-take has no lines. Name what was counted.")


class CountedTwice(DomainError):
    code = "inventory.counted_twice"
    message = _("%(sku)s is on line %(line)s already. Add the quantities up in one line.")


class AlreadyCounted(DomainError):
    code = "inventory.already_counted"
    message = _("Count sheet %(reference)s of %(warehouse)s was already booked as %(number)s.")


class CountOpen(DomainError):
    code = "inventory.count_open"
    message = _(
        "%(sku)s in %(warehouse)s is already counted in %(number)s, which nobody has decided yet. "
        "The chief accountant approves or rejects that one first."
    )


class CostMissing(DomainError):
    code = "inventory.cost_missing"
    message = _(
        "%(quantity)s of %(sku)s were found in %(warehouse)s, where none is on hand that would say what it costs. "
        "Count it again with its unit cost."
    )


class CountedByYourself(DomainError):
    code = "inventory.counted_by_yourself"
    message = _("%(name)s counted %(number)s and cannot approve it as well. Another person has to approve it.")


class LossIsPromised(DomainError):
    code = "inventory.loss_is_promised"
    message = _(
        "%(number)s takes %(loss)s of %(sku)s out of %(warehouse)s, but of %(on_hand)s on hand there %(reserved)s "
        "are reserved for orders: %(orders)s. Count again, or receive the missing goods first."
    )


@dataclass(frozen=True, slots=True)
class CountLine:
    """``unit_cost`` in the warehouse's currency, tax excluded; needed only where nothing is on hand."""

    sku: str
    quantity: Decimal
    unit_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CountDraft:
    """``reference`` is the count sheet's; a warehouse knows each only once. Without ``currency``: the warehouse's."""

    warehouse: str
    lines: Sequence[CountLine]
    reference: str = ""
    currency: str = ""


def count_stock(draft: CountDraft, *, decision: Decision) -> StockTake:
    """
    Note what was found of the products named; nothing else is touched, and stock stays as it is.

    :raises Forbidden: ``inventory.count_stock`` is missing. :raises UnknownWarehouse: also out of scope.
    :raises UnknownProduct: :raises NotStocked: :raises CurrencyMismatch: :raises CountedTwice:
    :raises AlreadyCounted: :raises CountOpen: :raises CostMissing:
    """
    try:
        (take,) = count_warehouses([draft], decision=decision)
    except goods.WarehousesRefused as refused:
        raise refused.errors[0] from None
    return take


def count_warehouses(drafts: Sequence[CountDraft], *, decision: Decision) -> list[StockTake]:
    """
    As :func:`count_stock` for several counts, each of a warehouse of its own; all of them or none.

    :raises Forbidden: ``inventory.count_stock`` is missing. :raises WarehousesRefused: with every reason.
    """
    permit(decision.by, "inventory.count_stock")
    return _count(drafts, decision)


def approve_stock_takes(take_ids: Iterable[int], *, decision: Decision) -> list[StockTake]:
    """
    Book the differences; all of them or none. One move per line that differs, one voucher per stock-take.

    A loss leaves at round(value × quantity ÷ on hand), the last unit takes the rest; a gain enters at
    round(value × quantity ÷ on hand), or at its unit cost where nothing is on hand. Both rounded here,
    at the minor unit of the warehouse's currency. A gain serves waiting lines.

    :raises NotFound: :raises Forbidden: ``inventory.approve_stocktake`` is missing. :raises WrongState:
    :raises CountedByYourself: :raises LossIsPromised: :raises CostMissing:
    """
    return _approve(set(take_ids), decision)


def approve_stock_take(take_id: int, *, decision: Decision) -> StockTake:
    """As :func:`approve_stock_takes` for one."""
    (take,) = approve_stock_takes([take_id], decision=decision)
    return take


def reject_stock_takes(take_ids: Iterable[int], *, decision: Decision) -> list[StockTake]:
    """
    Reject counts; nothing is booked. Whoever counted may: that withdraws the count, approving it would not.

    :raises NotFound: :raises Forbidden: :raises ReasonNeedsNote: the reason demands a note. :raises WrongState:
    """
    catalogue.require(Act.REJECT, decision)
    takes: list[StockTake] = transition(StockTake.objects, set(take_ids), "reject", decision)
    return takes


def reject_stock_take(take_id: int, *, decision: Decision) -> StockTake:
    """As :func:`reject_stock_takes` for one."""
    (take,) = reject_stock_takes([take_id], decision=decision)
    return take


# Refused where in the same moment somebody booked this count sheet.
@once_more_after(RefusedByDatabase)
def _count(drafts: Sequence[CountDraft], decision: Decision) -> list[StockTake]:
    with unit_of_work(decision):
        drawn = iter(numbers("ST", company_day(decision.at).year, len(drafts)))
        books = _Books(drafts, decision)

        def sheet(draft: CountDraft) -> tuple[StockTake, list[StockTakeLine]]:
            warehouse = goods.warehouse(draft.warehouse, draft.currency, decision.by)
            take = StockTake(
                number=next(drawn),
                warehouse=warehouse,
                reference=_reference(draft, warehouse),
                counted_by=decision.by,
                counted_at=decision.at,
            )
            return take, _lines(draft, warehouse, books)

        counted = goods.each_warehouse(drafts, sheet)
        takes = [take for take, _lines in counted]
        setwise.insert(takes)
        for take, lines in counted:
            for line in lines:
                line.take = take
        StockTakeLine.objects.bulk_create([line for _take, lines in counted for line in lines])
        outbox.record("stocktake.count", takes)
        return takes


class _Books:
    """What the books say of everything counted, locked at once: two counts side by side wait for each other here."""

    def __init__(self, drafts: Sequence[CountDraft], decision: Decision) -> None:
        self.products = goods.products(line.sku for draft in drafts for line in draft.lines)
        products = {product.pk for product in self.products.values()}
        codes = {draft.warehouse for draft in drafts}
        warehouses = set(selectors.warehouses(decision.by).filter(code__in=codes).values_list("pk", flat=True))
        # A receipt of a product without a level waits as well.
        stock.lock_products(products)
        self.levels = stock.lock_levels((product, warehouse) for product in products for warehouse in warehouses)
        self.undecided = _undecided(products, warehouses)

    def on_hand(self, product: Product, warehouse: Warehouse) -> Decimal:
        level = self.levels.get((product.pk, warehouse.pk))
        return level.on_hand if level else ZERO


def _lines(draft: CountDraft, warehouse: Warehouse, books: _Books) -> list[StockTakeLine]:
    products = _products(draft, books)

    def line(no: int, counted: CountLine) -> StockTakeLine:
        product = products[no - 1]
        number = books.undecided.get((product.pk, warehouse.pk))
        if number:
            raise CountOpen(sku=product.sku, warehouse=warehouse, number=number)
        return _line(counted, product, warehouse, books.on_hand(product, warehouse))

    return each(draft.lines, line)


def _reference(draft: CountDraft, warehouse: Warehouse) -> str:
    reference = column(StockTake, "reference", draft.reference)
    known = StockTake.objects.filter(warehouse=warehouse, reference=reference).first() if reference else None
    if known:
        raise AlreadyCounted(reference=reference, warehouse=warehouse, number=known.number)
    return reference


def _products(draft: CountDraft, books: _Books) -> list[Product]:
    if not draft.lines:
        raise NothingCounted
    first: dict[int, int] = {}

    def product(no: int, line: CountLine) -> Product:
        found = goods.stocked(books.products.get(line.sku), line.sku)
        if first.setdefault(found.pk, no) != no:
            raise CountedTwice(sku=found.sku, line=first[found.pk])
        return found

    return each(draft.lines, product)


def _undecided(products: Iterable[int], warehouses: Iterable[int]) -> Mapping[tuple[int, int], str]:
    """Numbers of undecided stock-takes, by product and warehouse."""
    lines = StockTakeLine.objects.filter(
        product__in=products, take__warehouse__in=warehouses, take__status=StockTakeStatus.COUNTED
    )
    rows = lines.values_list("product_id", "take__warehouse_id", "take__number")
    return {(product, warehouse): number for product, warehouse, number in rows}


def _line(draft: CountLine, product: Product, warehouse: Warehouse, on_hand: Decimal) -> StockTakeLine:
    counted = goods.whole(check(draft.quantity, _("Counted quantity"), least=ZERO), product)
    cost = draft.unit_cost
    if cost is not None:
        check(times(check(cost, _("Unit cost"), least=ZERO), counted, warehouse.currency), _("Value"))
    elif counted and not on_hand:
        raise CostMissing(quantity=_shown(counted, product), sku=product.sku, warehouse=warehouse)
    line = StockTakeLine(product=product, counted=counted, on_hand=on_hand)
    line.unit_cost = cost  # type: ignore[assignment]
    return line


# Busy where in the same moment an order began to wait for what was found.
@once_more_after(Busy)
def _approve(ids: set[int], decision: Decision) -> list[StockTake]:
    scoped = StockTake.objects.visible_to(decision.by).filter(pk__in=ids)
    found(StockTake, ids, list(scoped))
    permit(decision.by, "inventory.approve_stocktake")
    with unit_of_work(decision):
        takes: list[StockTake] = lock(scoped.select_related("warehouse"))
        found(StockTake, ids, takes)
        for take in takes:
            if take.counted_by_id == decision.by.pk:
                raise CountedByYourself(name=decision.by.name, number=take.number)
        advance(takes, "approve")
        lines = _differing(takes)
        arriving = _arriving(lines)
        held = serving.lock_waiting(arriving)
        levels = stock.make_levels({(line.product_id, line.take.warehouse_id) for line in lines}) if lines else {}
        moves = each(lines, lambda _no, line: _move(line, levels[line.product_id, line.take.warehouse_id]))
        Move.objects.bulk_create(moves)
        setwise.update([levels[key] for key in sorted(levels)], ["on_hand", "value"], record=False)
        gained = {(line.product_id, line.take.warehouse_id) for line in lines if line.difference > 0}
        serving.serve(arriving, held, [levels[key] for key in gained])
        posting.post(_vouchers(takes, moves))
        return takes


def _differing(takes: Sequence[StockTake]) -> list[StockTakeLine]:
    """Lines of locked stock-takes whose count is not what the books said."""
    by_pk = {take.pk: take for take in takes}
    lines = list(StockTakeLine.objects.filter(take__in=by_pk).select_related("product").order_by("pk"))
    for line in lines:
        line.take = by_pk[line.take_id]
    return [line for line in lines if line.difference]


def _arriving(lines: Iterable[StockTakeLine]) -> Mapping[str, set[int]]:
    arriving: dict[str, set[int]] = defaultdict(set)
    for line in lines:
        if line.difference > 0:
            arriving[line.take.warehouse.currency].add(line.product_id)
    return arriving


def _move(line: StockTakeLine, level: StockLevel) -> Move:
    """The move of one line, taken to its level in memory."""
    quantity, value = line.difference, _value(line, level)
    check(level.on_hand + quantity, _("On hand"))
    check(level.value + value, _("Value"))
    return stock.move(
        level,
        MoveKind.GAIN if quantity > 0 else MoveKind.LOSS,
        quantity,
        value,
        source_type="inventory.stocktakeline",
        source_id=str(line.pk),
        source=line.take.number,
    )


def _value(line: StockTakeLine, level: StockLevel) -> Decimal:
    """Negative for a loss; in the warehouse's currency, rounded here."""
    quantity, currency, product = line.difference, level.warehouse.currency, line.product
    if quantity < 0:
        if -quantity > level.available:
            raise LossIsPromised(
                number=line.take.number,
                loss=_shown(-quantity, product),
                sku=product.sku,
                warehouse=level.warehouse,
                on_hand=_shown(level.on_hand, product),
                reserved=_shown(level.reserved, product),
                orders=Listing(selectors.promised_to(level)),
            )
        return -part(level.value, -quantity, level.on_hand, ZERO, currency)
    if level.on_hand:
        return at_average(level.value, level.on_hand, quantity, currency)
    if line.unit_cost is None:
        raise CostMissing(quantity=_shown(quantity, product), sku=product.sku, warehouse=level.warehouse)
    return times(line.unit_cost, quantity, currency)


def _vouchers(takes: Iterable[StockTake], moves: Iterable[Move]) -> list[posting.Draft]:
    """Differences go through 1901: a loss ends as an administrative expense, a gain lowers them."""
    gains: dict[str, Decimal] = defaultdict(lambda: ZERO)
    losses: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for move in moves:
        (gains if move.value > 0 else losses)[move.source] += abs(move.value)
    return [
        posting.Draft(
            purpose=Purpose.STOCK_TAKE,
            source_type="inventory.stocktake",
            source_id=str(take.pk),
            source=take.number,
            currency=take.warehouse.currency,
            entries=[
                debit(accounts.STOCK_DIFFERENCES, losses[take.number]),
                credit(accounts.STOCK, losses[take.number]),
                debit(accounts.ADMINISTRATION, losses[take.number]),
                credit(accounts.STOCK_DIFFERENCES, losses[take.number]),
                debit(accounts.STOCK, gains[take.number]),
                credit(accounts.STOCK_DIFFERENCES, gains[take.number]),
                debit(accounts.STOCK_DIFFERENCES, gains[take.number]),
                credit(accounts.ADMINISTRATION, gains[take.number]),
            ],
        )
        for take in takes
    ]


def _shown(quantity: Decimal, product: Product) -> Quantity:
    return Quantity(quantity, product.get_unit_display())
