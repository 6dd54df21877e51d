"""Receiving stock: the goods enter at their cost, the ledger follows, waiting lines are served oldest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import Busy, DomainError, RefusedByDatabase, each
from erp.kernel.locks import unit_of_work
from erp.kernel.money import ZERO, check, check_positive, times
from erp.kernel.numbering import numbers
from erp.kernel.transitions import permit
from erp.kernel.validation import column
from finance import accounts
from finance.models import Purpose
from finance.services import posting
from finance.services.posting import credit, debit
from inventory.models import Move, MoveKind, Receipt, ReceiptLine, StockLevel, Warehouse
from inventory.services import goods, serving, stock
from orders.models import Product
from orders.selectors import company_day


class NothingReceived(DomainError):
    code = "inventory.nothing_received"
    message = _("The receipt has no lines. Name what was received.")


class AlreadyReceived(DomainError):
    code = "inventory.already_received"
    message = _("Delivery %(reference)s was already received into %(warehouse)s as %(number)s.")


_Levels = Mapping[tuple[int, int], StockLevel]


@dataclass(frozen=True, slots=True)
class ReceiptDraftLine:
    """``unit_cost`` in the warehouse's currency, tax excluded."""

    sku: str
    quantity: Decimal
    unit_cost: Decimal


@dataclass(frozen=True, slots=True)
class ReceiptDraft:
    """``reference`` is the supplier's; a warehouse receives each only once. Without ``currency``: the warehouse's."""

    warehouse: str
    lines: Sequence[ReceiptDraftLine]
    reference: str = ""
    currency: str = ""


def receive_stock(draft: ReceiptDraft, *, decision: Decision) -> Receipt:
    """
    Receive goods into a warehouse: moves, ledger (Dr 1405 / Cr 2202), reservations for waiting lines.

    :raises Forbidden: ``inventory.receive_stock`` is missing. :raises UnknownWarehouse: also out of scope.
    :raises UnknownProduct: :raises NotStocked: :raises CurrencyMismatch: :raises AlreadyReceived:
    """
    try:
        (receipt,) = receive_deliveries([draft], decision=decision)
    except goods.WarehousesRefused as refused:
        raise refused.errors[0] from None
    return receipt


def receive_deliveries(drafts: Sequence[ReceiptDraft], *, decision: Decision) -> list[Receipt]:
    """
    As :func:`receive_stock` for several deliveries, each into a warehouse of its own; all of them or none.

    Everything is locked before anything posts, so that deliveries into many warehouses stop nobody.

    :raises Forbidden: ``inventory.receive_stock`` is missing. :raises WarehousesRefused: with every reason.
    """
    permit(decision.by, "inventory.receive_stock")
    try:
        return _receive(drafts, decision)
    except (Busy, RefusedByDatabase):
        # In the same moment somebody booked this delivery, or an order began to wait for it: now it is there to see.
        return _receive(drafts, decision)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A delivery that may come in."""

    receipt: Receipt
    lines: Sequence[ReceiptLine]

    @property
    def warehouse(self) -> Warehouse:
        return self.receipt.warehouse

    @property
    def products(self) -> list[int]:
        return sorted({line.product_id for line in self.lines})


def _receive(drafts: Sequence[ReceiptDraft], decision: Decision) -> list[Receipt]:
    with unit_of_work(decision):
        deliveries = goods.each_warehouse(drafts, lambda draft: _delivery(draft, decision))
        arriving = _arriving(deliveries)
        held = serving.lock_waiting(arriving)
        drawn = numbers("RC", company_day(decision.at).year, len(deliveries))
        levels = stock.make_levels((product, d.warehouse.pk) for d in deliveries for product in d.products)
        for delivery, number in zip(deliveries, drawn, strict=True):
            delivery.receipt.number = number
            _insert(delivery)
            _move_in(delivery, levels)
        serving.serve(arriving, held, levels.values())
        posting.post([_voucher(delivery) for delivery in deliveries])
        receipts = [delivery.receipt for delivery in deliveries]
        outbox.record("receipt.receive", receipts)
        return receipts


def _arriving(deliveries: Iterable[_Delivery]) -> serving.Arriving:
    arriving: dict[str, set[int]] = defaultdict(set)
    for delivery in deliveries:
        arriving[delivery.warehouse.currency].update(delivery.products)
    return arriving


def _delivery(draft: ReceiptDraft, decision: Decision) -> _Delivery:
    warehouse = goods.warehouse(draft.warehouse, draft.currency, decision.by)
    reference = _reference(draft, warehouse)
    return _Delivery(Receipt(warehouse=warehouse, reference=reference), _lines(draft, warehouse))


def _reference(draft: ReceiptDraft, warehouse: Warehouse) -> str:
    reference = column(Receipt, "reference", draft.reference)
    known = Receipt.objects.filter(warehouse=warehouse, reference=reference).first() if reference else None
    if known:
        raise AlreadyReceived(reference=reference, warehouse=warehouse, number=known.number)
    return reference


def _lines(draft: ReceiptDraft, warehouse: Warehouse) -> list[ReceiptLine]:
    if not draft.lines:
        raise NothingReceived
    products = goods.products(line.sku for line in draft.lines)
    return each(draft.lines, lambda _no, line: _line(line, products.get(line.sku), warehouse))


def _line(draft: ReceiptDraftLine, product: Product | None, warehouse: Warehouse) -> ReceiptLine:
    product = goods.stocked(product, draft.sku)
    quantity = goods.whole(check_positive(draft.quantity, _("Quantity")), product)
    unit_cost = check(draft.unit_cost, _("Unit cost"), least=ZERO)
    value = check(times(unit_cost, quantity, warehouse.currency), _("Value"))
    return ReceiptLine(product=product, quantity=quantity, unit_cost=unit_cost, value=value)


def _insert(delivery: _Delivery) -> None:
    Receipt.objects.bulk_create([delivery.receipt])
    for line in delivery.lines:
        line.receipt = delivery.receipt
    ReceiptLine.objects.bulk_create(delivery.lines)


def _move_in(delivery: _Delivery, levels: _Levels) -> None:
    receipt = delivery.receipt
    moves = []
    changed = {}
    for line in delivery.lines:
        level = levels[line.product_id, receipt.warehouse_id]
        changed[level.pk] = level
        moves.append(
            stock.move(
                level,
                MoveKind.RECEIPT,
                line.quantity,
                line.value,
                source_type="inventory.receiptline",
                source_id=str(line.pk),
                source=receipt.number,
            )
        )
    Move.objects.bulk_create(moves)
    setwise.update([changed[pk] for pk in sorted(changed)], ["on_hand", "value"], record=False)


def _voucher(delivery: _Delivery) -> posting.Draft:
    receipt, value = delivery.receipt, sum((line.value for line in delivery.lines), ZERO)
    return posting.Draft(
        purpose=Purpose.RECEIPT,
        source_type="inventory.receipt",
        source_id=str(receipt.pk),
        source=receipt.number,
        currency=delivery.warehouse.currency,
        entries=[debit(accounts.STOCK, value), credit(accounts.PAYABLES, value)],
    )
