"""Transfers 调拨: goods go from one warehouse to another of the same currency and carry their value along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import Busy, DomainError, RefusedByDatabase, each
from erp.kernel.locks import unit_of_work
from erp.kernel.money import ZERO, Quantity, check, check_positive, part
from erp.kernel.numbering import numbers
from erp.kernel.transitions import permit
from erp.kernel.validation import column
from inventory.models import Move, MoveKind, StockLevel, Transfer, TransferLine, Warehouse
from inventory.services import goods, serving, stock
from orders.selectors import company_day

_Levels = Mapping[tuple[int, int], StockLevel]


class NothingTransferred(DomainError):
    code = "inventory.nothing_transferred"
    message = _("The transfer has no lines. Name what is to be moved.")


class SameWarehouse(DomainError):
    code = "inventory.same_warehouse"
    message = _("The goods are in %(warehouse)s already. Name another warehouse to move them to.")


class AlreadyTransferred(DomainError):
    code = "inventory.already_transferred"
    message = _("Transfer slip %(reference)s of %(warehouse)s was already booked as %(number)s.")


class NotAvailable(DomainError):
    code = "inventory.not_available"
    message = _(
        "%(quantity)s of %(sku)s are to leave %(warehouse)s, but of %(on_hand)s on hand there %(reserved)s are "
        "reserved for orders: %(available)s can leave. Transfer less, or receive the missing goods first."
    )


@dataclass(frozen=True, slots=True)
class TransferDraftLine:
    sku: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class TransferDraft:
    """Warehouses by their codes. ``reference`` is the transfer slip's; a warehouse sends each only once."""

    origin: str
    destination: str
    lines: Sequence[TransferDraftLine]
    reference: str = ""


def transfer_stock(draft: TransferDraft, *, decision: Decision) -> Transfer:
    """
    Move available goods to another warehouse: two moves per line, no voucher, reservations for waiting lines.

    The value that goes along is round(value × quantity ÷ on hand) of the origin, the last unit takes the rest;
    rounded here, once, at the minor unit of the warehouses' currency. 1405 stays as it is: both are in one book.

    :raises Forbidden: ``inventory.transfer_stock`` is missing. :raises UnknownWarehouse: also out of scope.
    :raises CurrencyMismatch: :raises SameWarehouse: :raises AlreadyTransferred: :raises NothingTransferred:
    :raises UnknownProduct: :raises NotStocked: :raises FractionOfPiece: :raises NotAvailable:
    """
    permit(decision.by, "inventory.transfer_stock")
    try:
        return _transfer(draft, decision)
    except (Busy, RefusedByDatabase):
        # In the same moment somebody booked this slip, or an order began to wait: now it is there to see.
        return _transfer(draft, decision)


def _transfer(draft: TransferDraft, decision: Decision) -> Transfer:
    with unit_of_work(decision):
        transfer = _heading(draft, decision)
        lines = _lines(draft)
        arriving = {transfer.origin.currency: {line.product_id for line in lines}}
        held = serving.lock_waiting(arriving)
        (transfer.number,) = numbers("TR", company_day(decision.at).year, 1)
        ends = (transfer.origin_id, transfer.destination_id)
        levels = stock.make_levels((line.product_id, end) for line in lines for end in ends)
        moves = each(lines, lambda _no, line: _moves(line, transfer, levels))
        _insert(transfer, lines, moves)
        setwise.update(sorted(levels.values(), key=lambda level: level.pk), ["on_hand", "value"], record=False)
        arrived = [level for level in levels.values() if level.warehouse_id == transfer.destination_id]
        serving.serve(arriving, held, arrived)
        outbox.record("transfer.transfer", [transfer])
        return transfer


def _heading(draft: TransferDraft, decision: Decision) -> Transfer:
    origin = goods.warehouse(draft.origin, "", decision.by)
    destination = goods.warehouse(draft.destination, origin.currency, decision.by)
    if origin == destination:
        raise SameWarehouse(warehouse=origin)
    return Transfer(origin=origin, destination=destination, reference=_reference(draft, origin))


def _reference(draft: TransferDraft, origin: Warehouse) -> str:
    reference = column(Transfer, "reference", draft.reference)
    known = Transfer.objects.filter(origin=origin, reference=reference).first() if reference else None
    if known:
        raise AlreadyTransferred(reference=reference, warehouse=origin, number=known.number)
    return reference


def _lines(draft: TransferDraft) -> list[TransferLine]:
    if not draft.lines:
        raise NothingTransferred
    products = goods.products(line.sku for line in draft.lines)

    def line(_no: int, asked: TransferDraftLine) -> TransferLine:
        product = goods.stocked(products.get(asked.sku), asked.sku)
        quantity = goods.whole(check_positive(asked.quantity, _("Quantity")), product)
        return TransferLine(product=product, quantity=quantity)

    return each(draft.lines, line)


def _moves(line: TransferLine, transfer: Transfer, levels: _Levels) -> tuple[Move, Move]:
    """One out and one in, taken to their levels in memory; the line learns its value."""
    here, there = (levels[line.product_id, end] for end in (transfer.origin_id, transfer.destination_id))
    if line.quantity > here.available:
        raise _not_available(line, here)
    line.value = part(here.value, line.quantity, here.on_hand, ZERO, transfer.origin.currency)
    check(there.on_hand + line.quantity, _("On hand"))
    check(there.value + line.value, _("Value"))
    return (
        stock.move(here, MoveKind.MOVED_OUT, -line.quantity, -line.value),
        stock.move(there, MoveKind.MOVED_IN, line.quantity, line.value),
    )


def _not_available(line: TransferLine, level: StockLevel) -> NotAvailable:
    unit = line.product.get_unit_display()
    return NotAvailable(
        quantity=Quantity(line.quantity, unit),
        sku=line.product.sku,
        warehouse=level.warehouse,
        on_hand=Quantity(level.on_hand, unit),
        reserved=Quantity(level.reserved, unit),
        available=Quantity(level.available, unit),
    )


def _insert(transfer: Transfer, lines: Sequence[TransferLine], moves: Sequence[tuple[Move, Move]]) -> None:
    Transfer.objects.bulk_create([transfer])
    for line in lines:
        line.transfer = transfer
    TransferLine.objects.bulk_create(lines)
    for line, (out, into) in zip(lines, moves, strict=True):
        # A line has one move of each direction: that the database can see it, the direction is in the key.
        out.source_id, into.source_id = f"{line.pk}/out", f"{line.pk}/in"
        out.source_type = into.source_type = "inventory.transferline"
        out.source = into.source = transfer.number
    Move.objects.bulk_create([move for pair in moves for move in pair])
