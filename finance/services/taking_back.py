"""What was written off of an order and is paid, or no longer owed, after all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from erp.kernel import setwise
from erp.kernel.money import ZERO
from finance import accounts
from finance.models import ProposalState, Purpose, TakenBack, Voucher, VoucherLine, WriteOff, WriteOffKind
from finance.selectors import TAKEN_BACK
from finance.services.posting import Balances, Draft, credit, debit
from orders.models import Order, Status
from orders.services import progress


@dataclass(frozen=True, slots=True)
class _Short:
    """What is still written off of an order by one bad debt, or by the tail its closing left short."""

    order_id: int
    left: Decimal
    write_off: WriteOff | None = None
    settlement: Voucher | None = None


def take_back(orders: Iterable[Order], balances: Balances) -> list[Draft]:
    """
    Take back bad debt, the newest first, then the closing's tail short, as far as locked orders are overpaid.

    No query for orders without anything overpaid.

    :returns: what is to be posted: Dr by the rule / Cr 1231 with Dr 1231 / Cr 6702; of a tail Cr 6711.
    """
    overpaid = {order.pk: order for order in orders if order.owed < 0}
    left = {pk: -order.owed for pk, order in overpaid.items()}
    rows = []
    for short in _shorts(overpaid):
        amount = min(left[short.order_id], short.left)
        if amount > 0:
            left[short.order_id] -= amount
            rows.append(
                TakenBack(
                    order=overpaid[short.order_id],
                    write_off=short.write_off,
                    settlement=short.settlement,
                    amount=amount,
                )
            )
    _save(rows, overpaid)
    return [_voucher(row, balances) for row in rows]


def foresee(overpaid: Mapping[Order, Decimal]) -> Mapping[int, Decimal]:
    """How much :func:`take_back` would take back, by order, once these are overpaid by so much."""
    left = {order.pk: max(amount, ZERO) for order, amount in overpaid.items()}
    taken = dict.fromkeys(left, ZERO)
    for short in _shorts({order.pk: order for order in overpaid if left[order.pk]}):
        amount = min(left[short.order_id], short.left)
        left[short.order_id] -= amount
        taken[short.order_id] += amount
    return taken


def left_of(order: Order) -> Decimal:
    """What of an order is written off and can still be taken back, in its currency."""
    return sum((short.left for short in _shorts({order.pk: order})), ZERO)


def _shorts(orders: Mapping[int, Order]) -> Iterator[_Short]:
    if not orders:
        return
    bad_debts = WriteOff.objects.filter(order__in=orders, kind=WriteOffKind.BAD_DEBT, status=ProposalState.APPROVED)
    for write_off in bad_debts.order_by("-pk"):
        yield _Short(write_off.order_id, write_off.amount - write_off.taken_back, write_off=write_off)
    closed = [order for order in orders.values() if order.status == Status.CLOSED]
    if closed:
        yield from _tails(closed)


def _tails(closed: Iterable[Order]) -> Iterator[_Short]:
    """Of the closing that is in force; a closing that was reversed has none left."""
    lines = VoucherLine.objects.filter(
        voucher__source_type="orders.order",
        voucher__source_id__in=[f"{order.pk}/{order.cycle}" for order in closed],
        voucher__purpose=Purpose.SETTLEMENT,
        account_id=accounts.OTHER_LOSS,
    ).select_related("voucher")
    tails = {line.voucher: line.debit for line in lines}
    taken = TakenBack.objects.filter(settlement__in=tails).values_list("settlement_id").annotate(Sum("amount"))
    of_settlement = dict(taken)
    for voucher, tail in tails.items():
        assert voucher.order_id is not None
        yield _Short(voucher.order_id, tail - of_settlement.get(voucher.pk, ZERO), settlement=voucher)


def _save(rows: list[TakenBack], orders: Mapping[int, Order]) -> None:
    if not rows:
        return
    TakenBack.objects.bulk_create(rows)
    write_offs = []
    for row in rows:
        if row.write_off:
            row.write_off.taken_back += row.amount
            write_offs.append(row.write_off)
    setwise.update(write_offs, ["taken_back"], record=False)
    progress.money(orders.values(), written_off=progress.by_order(rows, sign=-1))


def _voucher(row: TakenBack, balances: Balances) -> Draft:
    if row.write_off:
        entries = [
            credit(accounts.BAD_DEBT_ALLOWANCE, row.amount),
            debit(accounts.BAD_DEBT_ALLOWANCE, row.amount),
            credit(accounts.CREDIT_LOSS, row.amount),
        ]
    else:
        entries = [credit(accounts.OTHER_LOSS, row.amount)]
    return Draft(
        purpose=Purpose.TAKEN_BACK,
        source_type=TAKEN_BACK,
        source_id=str(row.pk),
        source=row.of,
        currency=row.order.currency,
        order=row.order,
        entries=[*balances.debit(row.order, row.amount), *entries],
    )
