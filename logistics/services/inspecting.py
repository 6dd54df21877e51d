"""
Receiving returns: each line is inspected, credited and, as far as the goods are worth it, put into stock again.

All of it in one transaction: credit and refund, the cost that comes back or is lost, the moves, and the orders
that waited for the goods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import Busy, DomainError, NotFound
from erp.kernel.locks import once_more_after, unit_of_work
from erp.kernel.models import User
from erp.kernel.money import ZERO, Money, check, minor_units, part
from erp.kernel.transitions import advance, ready
from finance import accounts
from finance.models import Credit, CreditGround, Ground, Purpose
from finance.services import crediting, lowering, posting, refunds
from finance.services.cancelling import CARRIED, Carried
from finance.services.crediting import Credited, Crediting
from finance.services.posting import Balances, credit, debit
from finance.services.refunds import Cause
from inventory.models import Warehouse
from inventory.services import goods, serving, stock
from inventory.steps import WAITING
from logistics import selectors
from logistics.models import Disposition, Inspection, Return, ReturnLine, ReturnStatus, Shipment, ShipmentStatus
from logistics.models.returns import STOCKED
from logistics.services import drafting
from logistics.services.allowing import part_of
from orders.models import Line, Order, Status
from orders.services import lifecycle, progress
from orders.services.documents import authorise, holding_of
from orders.services.progress import CameBack

PERMISSION = "logistics.receive_return"


class InspectionDiffers(DomainError):
    code = "logistics.inspection_differs"
    message = _(
        "Return %(number)s line %(line)s (%(sku)s): %(quantity)s come back, but %(found)s were inspected. Say of each "
        "what becomes of it; what is missing is lost."
    )


class CreditExceedsShare(DomainError):
    code = "logistics.credit_exceeds_share"
    message = _(
        "Return %(number)s line %(line)s (%(sku)s): these goods are worth %(share)s, so %(wanted)s cannot be "
        "credited. Credit that at most; for more, ask for an allowance."
    )


class WarehouseMissing(DomainError):
    code = "logistics.return_warehouse_missing"
    message = _("Return %(number)s: goods that enter stock again need a warehouse. Name it.")


class WarehouseDoesNotFit(DomainError):
    code = "logistics.return_warehouse_does_not_fit"
    message = _(
        "Goods of return %(number)s cannot enter %(warehouse)s as “%(disposition)s”. What can be sold goes into an "
        "ordinary warehouse, defective goods into one for defective goods."
    )


@dataclass(frozen=True, slots=True)
class InspectedLine:
    """
    What was found of a return line, in its unit. ``credit`` in the order's currency; None: all of its share.
    """

    line_id: int
    restocked: Decimal = ZERO
    defective: Decimal = ZERO
    scrapped: Decimal = ZERO
    lost: Decimal = ZERO
    credit: Decimal | None = None

    def quantities(self) -> Iterator[tuple[Disposition, Decimal]]:
        for disposition in Disposition:
            quantity: Decimal = getattr(self, disposition.value)
            if quantity:
                yield disposition, quantity


@dataclass(frozen=True, slots=True)
class InspectionDraft:
    """What was found of one return. Warehouses by code, where something enters them."""

    return_id: int
    lines: Sequence[InspectedLine]
    warehouse: str = ""
    defective_warehouse: str = ""


def receive_returns(drafts: Iterable[InspectionDraft], *, decision: Decision) -> list[Return]:
    """
    Receive approved returns, each line inspected; all of them or none. Each posts one voucher at most.

    :raises NotFound: :raises Forbidden: ``logistics.receive_return`` is missing. :raises WrongState: not approved.
    :raises InspectionDiffers: more or less than the line. :raises CreditExceedsShare:
    :raises WarehouseMissing: :raises WarehouseDoesNotFit: :raises UnknownWarehouse: also out of scope.
    :raises CurrencyMismatch: the warehouse keeps its value in another currency than the order's.
    """
    by_id = {draft.return_id: draft for draft in drafts}
    authorise(Return.objects.visible_to(decision.by), by_id, decision.by, PERMISSION)
    return _receive(by_id, decision)


def receive_return(draft: InspectionDraft, *, decision: Decision) -> Return:
    """As :func:`receive_returns` for one."""
    (goods_return,) = receive_returns([draft], decision=decision)
    return goods_return


def receive_lost(returns: Sequence[Return], held: Mapping[int, Order], decision: Decision, waiting: set[int]) -> None:
    """
    Receive returns of lost shipments whose orders are locked: all of them is lost, all of their share credited.

    :param waiting: orders locked because they wait for goods of those that are cancelled by it.
    """
    if returns:
        entries = [
            _Entry(row.goods_return, row, [_Found(Disposition.LOST, row.quantity)]) for row in _lines_of(returns)
        ]
        # Whoever noted the loss has found what is to be paid back, whoever had called the goods back.
        causes = {
            each.order_id: Cause(Ground.RETURN, each.party, decision.by, goods_received_by=decision.by)
            for each in returns
        }
        _book(returns, entries, held, decision, waiting, causes)


@dataclass(frozen=True, slots=True)
class Expected:
    """A line of an approved return before it is inspected, with the share it has as things stand."""

    row: ReturnLine
    quantity: object
    share: Money

    @property
    def title(self) -> str:
        line = self.row.shipment_line.line
        return f"{line.no} · {line.sku} {line.name}"


def expected(goods_return: Return) -> list[Expected]:
    """What comes back by a return, by the numbers of its lines."""
    rows = _lines_of([goods_return])
    shares = Shares([goods_return.order], rows)
    order = goods_return.order
    return [Expected(row, _count(row, row.quantity), order.money(shares.take(row, order.currency))) for row in rows]


@dataclass(slots=True)
class _Found:
    """How much of a return line becomes what; cost in the order's currency."""

    disposition: Disposition
    quantity: Decimal
    warehouse: Warehouse | None = None
    cost: Decimal = ZERO


@dataclass(slots=True)
class _Entry:
    """One return line as it is received. ``credit`` is what was agreed; None: all of its share."""

    goods_return: Return
    row: ReturnLine
    found: list[_Found]
    credit: Decimal | None = None
    inspections: list[Inspection] = field(default_factory=list)

    @property
    def line(self) -> Line:
        return self.row.shipment_line.line

    @property
    def restocked(self) -> Decimal:
        return sum((found.quantity for found in self.found if found.disposition in STOCKED), ZERO)


# Busy where in the same moment an order began to wait for the goods.
@once_more_after(Busy)
def _receive(drafts: Mapping[int, InspectionDraft], decision: Decision) -> list[Return]:
    with unit_of_work(decision):
        waiting = _lock(drafts)
        documents = Return.objects.select_related("requested_by")
        with holding_of(documents, drafts, decision, PERMISSION, closed_too=True) as (held, returns):
            ready(returns, "receive")
            places = _Places(decision.by)
            rows: dict[int, dict[int, ReturnLine]] = defaultdict(dict)
            for row in _lines_of(returns):
                rows[row.goods_return_id][row.pk] = row
            entries = [
                entry
                for goods_return in returns
                for entry in _entries(goods_return, rows[goods_return.pk], drafts[goods_return.pk], places)
            ]
            _book(returns, entries, held, decision, waiting, _causes(returns, decision))
            return list(returns)


def _lock(drafts: Mapping[int, InspectionDraft]) -> set[int]:
    """Lock the orders of the returns together with those that may wait for what enters stock, in one order."""
    restocked = {line.line_id for draft in drafts.values() for line in draft.lines if line.restocked}
    columns = ("pk", "shipment_line__line__product_id", "goods_return__order_id", "goods_return__order__currency")
    arriving: dict[str, set[int]] = defaultdict(set)
    orders = set()
    for pk, product_id, order_id, currency in ReturnLine.objects.filter(goods_return__in=drafts).values_list(*columns):
        orders.add(order_id)
        if pk in restocked:
            arriving[currency].add(product_id)
    asked = Order.objects.filter(pk__in=orders, cancel_requested_at__isnull=False).values_list("pk", flat=True)
    for currency, products in serving.goods_of(list(asked)).items():
        arriving[currency].update(products)
    return serving.lock_waiting(arriving, orders)


def _lines_of(returns: Sequence[Return]) -> list[ReturnLine]:
    by_id = {goods_return.pk: goods_return for goods_return in returns}
    rows = list(
        ReturnLine.objects.filter(goods_return__in=by_id)
        .select_related("shipment_line__line__product")
        .order_by("goods_return_id", "shipment_line__line__no", "pk")
    )
    for row in rows:
        row.goods_return = by_id[row.goods_return_id]
    return rows


def _entries(
    goods_return: Return, rows: Mapping[int, ReturnLine], draft: InspectionDraft, places: _Places
) -> list[_Entry]:
    inspected = {line.line_id: line for line in draft.lines}
    unknown = inspected.keys() - rows.keys()
    if unknown:
        raise NotFound(label=ReturnLine._meta.verbose_name, ids=", ".join(map(str, sorted(unknown))))
    entries = []
    for row in rows.values():
        said = inspected.get(row.pk, InspectedLine(row.pk))
        found = [
            _Found(disposition, drafting.whole(goods_return.order, row.shipment_line.line, quantity))
            for disposition, quantity in said.quantities()
        ]
        together = sum((each.quantity for each in found), ZERO)
        if together != row.quantity:
            raise InspectionDiffers(**_named(row), quantity=_count(row, row.quantity), found=_count(row, together))
        for each in found:
            each.warehouse = places.of(goods_return, draft, each.disposition)
        entries.append(_Entry(goods_return, row, found, said.credit))
    return entries


class _Places:
    """Where goods enter stock again, each looked up once."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._known: dict[tuple[str, str], Warehouse] = {}

    def of(self, goods_return: Return, draft: InspectionDraft, disposition: Disposition) -> Warehouse | None:
        """:raises WarehouseMissing: :raises WarehouseDoesNotFit:"""
        if disposition not in STOCKED:
            return None
        is_defective = disposition == Disposition.DEFECTIVE
        code = draft.defective_warehouse if is_defective else draft.warehouse
        if not code:
            raise WarehouseMissing(number=goods_return.number)
        key = (code, goods_return.order.currency)
        if key not in self._known:
            self._known[key] = goods.warehouse(*key, self._user)
        if self._known[key].is_defective != is_defective:
            raise WarehouseDoesNotFit(
                number=goods_return.number, warehouse=self._known[key], disposition=disposition.label
            )
        return self._known[key]


def _book(
    returns: Sequence[Return],
    entries: Sequence[_Entry],
    held: Mapping[int, Order],
    decision: Decision,
    waiting: set[int],
    causes: Mapping[int, Cause],
) -> None:
    """Everything that follows once it is known what came back; of the stock rows last, before posting."""
    credits = _credits(entries, held)
    _cost(entries)
    advance(returns, "receive")
    _save(entries)
    crediting.give(held, credits)
    progress.came_back(CameBack(entry.line, entry.row.quantity, entry.restocked) for entry in entries)
    _enter_stock(entries, waiting)
    balances = Balances(held.values())
    vouchers = _vouchers(returns, entries, credits, balances)
    _arrived(entries)
    _carry_out(held, decision, Carried(balances, vouchers), waiting)
    kept = [order for order in held.values() if order.status != Status.CANCELLED]
    vouchers += lowering.follow(kept, balances, causes)
    posting.post(vouchers)


def _arrived(entries: Sequence[_Entry]) -> None:
    """A shipment still on its way whose goods have all come back was refused."""
    ids = {entry.row.shipment_line.shipment_id for entry in entries}
    shipments = list(selectors.loaded(Shipment.objects.filter(pk__in=ids, status=ShipmentStatus.DISPATCHED)))
    if not shipments:
        return
    received = ReturnLine.objects.filter(
        shipment_line__shipment__in=ids, goods_return__status=ReturnStatus.RECEIVED
    ).values_list("shipment_line_id")
    back = dict(received.annotate(Sum("quantity")))
    advance(
        [s for s in shipments if all(row.quantity == back.get(row.pk) for row in s.loaded if row.is_stocked)], "refuse"
    )


def _carry_out(held: Mapping[int, Order], decision: Decision, carried: Carried, waiting: set[int]) -> None:
    """Cancel those that somebody asked to cancel, once everything of them is in the house or lost."""
    asked = [order for order in held.values() if order.is_to_be_cancelled]
    if asked:
        lifecycle.carry("cancel", asked, decision, memo={CARRIED: carried, WAITING: waiting})


class Shares:
    """
    What goods that come back are worth of what their shipment line was dispatched for.

    share = round((amount − allowances − shares of earlier returns) × quantity ÷ quantity not yet returned), rounded
    in ``money.part``.
    """

    def __init__(self, orders: Sequence[Order], rows: Sequence[ReturnLine]) -> None:
        self.credited = Credited(orders)
        received = ReturnLine.objects.filter(
            shipment_line__in={row.shipment_line_id for row in rows}, goods_return__status=ReturnStatus.RECEIVED
        )
        self._returned: dict[int, tuple[Decimal, Decimal]] = {
            row_id: (quantity, share)
            for row_id, quantity, share in received.values_list("shipment_line_id").annotate(
                Sum("quantity"), Sum("share")
            )
        }

    def take(self, row: ReturnLine, currency: str) -> Decimal:
        """The share of a return line, which counts as an earlier one for the next."""
        shipped = row.shipment_line
        returned, shares = self._returned.get(shipped.pk, (ZERO, ZERO))
        of = part_of(shipped)
        # An allowance may have taken what an earlier return was worth and was not credited for.
        left = max(of.amount - self.credited.allowed(of) - shares, ZERO)
        share = part(left, row.quantity, shipped.quantity - returned, ZERO, currency)
        self._returned[shipped.pk] = returned + row.quantity, shares + share
        return share


def _credits(entries: Sequence[_Entry], held: Mapping[int, Order]) -> list[Credit]:
    """Shares and agreed credits noted on the rows, and the credits they make. :raises CreditExceedsShare:"""
    shares = Shares(list(held.values()), [entry.row for entry in entries])
    credits = []
    for entry in entries:
        order, row = entry.goods_return.order, entry.row
        row.share = shares.take(row, order.currency)
        row.credit = row.share if entry.credit is None else _agreed(entry, row.share)
        if row.credit:
            wanted = Crediting(
                part_of(row.shipment_line),
                row.credit,
                CreditGround.RETURN,
                "logistics.returnline",
                str(row.pk),
                entry.goods_return.number,
            )
            credits.append(shares.credited.take(order, wanted))
    return credits


def _agreed(entry: _Entry, share: Decimal) -> Decimal:
    order = entry.goods_return.order
    assert entry.credit is not None
    agreed = check(entry.credit, _("Agreed credit"), places=minor_units(order.currency), least=ZERO)
    if agreed > share:
        raise CreditExceedsShare(**_named(entry.row), share=order.money(share), wanted=order.money(agreed))
    return agreed


def _cost(entries: Sequence[_Entry]) -> None:
    """
    What the goods cost when they left, as far as they come back: a part of their shipment line's cost.

    Returns share one cumulative over the shipment line, rounded in ``money.part``.
    """
    earlier = Inspection.objects.filter(line__shipment_line__in={entry.row.shipment_line_id for entry in entries})
    sums = earlier.values_list("line__shipment_line_id").annotate(Sum("quantity"), Sum("cost"))
    taken = {row_id: (quantity, cost) for row_id, quantity, cost in sums}
    for entry in entries:
        shipped = entry.row.shipment_line
        quantity, cost = taken.get(shipped.pk, (ZERO, ZERO))
        for found in entry.found:
            quantity += found.quantity
            found.cost = part(shipped.cost, quantity, shipped.quantity, cost, entry.goods_return.order.currency)
            cost += found.cost
        taken[shipped.pk] = quantity, cost


def _save(entries: Sequence[_Entry]) -> None:
    setwise.update([entry.row for entry in entries], ["share", "credit"], record=False)
    for entry in entries:
        entry.inspections = [
            Inspection(
                line=entry.row,
                disposition=found.disposition,
                warehouse=found.warehouse,
                quantity=found.quantity,
                cost=found.cost,
            )
            for found in entry.found
        ]
    Inspection.objects.bulk_create([inspection for entry in entries for inspection in entry.inspections])


def _causes(returns: Sequence[Return], decision: Decision) -> dict[int, Cause]:
    return refunds.together(
        (
            each.order,
            Cause(Ground.RETURN, each.party, each.requested_by, goods_received_by=decision.by),
        )
        for each in returns
    )


def _vouchers(
    returns: Sequence[Return], entries: Sequence[_Entry], credits: Sequence[Credit], balances: Balances
) -> list[posting.Draft]:
    by_return: dict[str, list[Credit]] = defaultdict(list)
    for given in credits:
        by_return[given.source].append(given)
    costs: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for entry in entries:
        for found in entry.found:
            costs[entry.goods_return.pk][found.disposition] += found.cost
    return [
        _voucher(goods_return, by_return[goods_return.number], costs[goods_return.pk], balances)
        for goods_return in returns
    ]


def _voucher(
    goods_return: Return, credits: Sequence[Credit], costs: Mapping[str, Decimal], balances: Balances
) -> posting.Draft:
    """
    Dr 6001 + 2221 / Cr by the rule; cost Dr 1405, 6602 (scrap), 6711 (lost) / Cr the account dispatch charged.
    """
    order = goods_return.order
    return posting.Draft(
        purpose=Purpose.RETURN,
        source_type="logistics.return",
        source_id=str(goods_return.pk),
        source=goods_return.number,
        currency=order.currency,
        order=order,
        entries=[
            *crediting.entries(order, credits, balances),
            debit(accounts.STOCK, costs[Disposition.RESTOCKED] + costs[Disposition.DEFECTIVE]),
            debit(accounts.ADMINISTRATION, costs[Disposition.SCRAPPED]),
            debit(accounts.OTHER_LOSS, costs[Disposition.LOST]),
            credit(accounts.SELLING if order.is_zero_value else accounts.COST_OF_SALES, sum(costs.values(), ZERO)),
        ],
    )


def _enter_stock(entries: Sequence[_Entry], waiting: set[int]) -> None:
    """Move what is stocked into its warehouses, and let it serve the orders that wait. :raises Busy:"""
    entering = [
        stock.Entering(
            line=entry.line,
            warehouse_id=inspection.warehouse_id,
            quantity=inspection.quantity,
            value=inspection.cost,
            source_type="logistics.inspection",
            source_id=str(inspection.pk),
            source=entry.goods_return.number,
        )
        for entry in entries
        for inspection in entry.inspections
        if inspection.warehouse_id is not None
    ]
    if not entering:
        return
    levels = stock.make_levels((entry.line.product_id, entry.warehouse_id) for entry in entering)
    stock.take_back(entering, levels)
    keys = {(entry.line.product_id, entry.warehouse_id) for entry in entering}
    served = [levels[key] for key in keys if not levels[key].warehouse.is_defective]
    arriving: dict[str, set[int]] = defaultdict(set)
    for level in served:
        arriving[level.warehouse.currency].add(level.product_id)
    serving.serve(arriving, waiting, served)


def _count(row: ReturnLine, quantity: Decimal) -> object:
    return row.shipment_line.line.count(quantity)


def _named(row: ReturnLine) -> dict[str, object]:
    line = row.shipment_line.line
    return {"number": row.goods_return.number, "line": line.no, "sku": line.sku}
