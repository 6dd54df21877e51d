"""Reading the ledger and what orders owe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import models
from django.db.models import Value, prefetch_related_objects

from erp.kernel.money import ZERO
from erp.kernel.reading import with_lines
from finance import accounts
from finance.models import (
    Allowance,
    Credit,
    Payment,
    PaymentState,
    Purpose,
    Refund,
    RefundState,
    Statement,
    TakenBack,
    Voucher,
    WriteOff,
)
from finance.models.refund import OPEN
from orders import selectors as order_selectors
from orders.models import Order, Status

if TYPE_CHECKING:
    from erp.kernel.models import User
    from orders.contract import Batch


def payments(user: User) -> Any:
    return Payment.objects.visible_to(user)


def refunds(user: User) -> Any:
    return Refund.objects.visible_to(user)


def refunds_to_decide(user: User) -> Any:
    """Requested refunds in scope, the oldest first."""
    waiting = Refund.objects.visible_to(user).filter(status=RefundState.REQUESTED)
    return waiting.select_related("order", "payment", "requested_by").order_by("requested_at", "pk")


def allowances(user: User) -> Any:
    return Allowance.objects.visible_to(user)


def write_offs(user: User) -> Any:
    return WriteOff.objects.visible_to(user)


def taken_back(user: User) -> Any:
    return TakenBack.objects.visible_to(user)


def vouchers(user: User) -> Any:
    return Voucher.objects.visible_to(user)


def statements(user: User) -> Any:
    return Statement.objects.visible_to(user)


class LedgerLine(NamedTuple):
    """One side of one account of a voucher."""

    account: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class Posted:
    """A voucher with its lines."""

    voucher: Voucher
    lines: list[LedgerLine]


@dataclass(frozen=True, slots=True)
class OrderAccount:
    """
    What one order owes, by documents and by vouchers, in its currency, before its settlement.

    :ivar payable: lines as far as not closed short, less credits.
    :ivar captured: confirmed and still there. :ivar refunded: paid back. :ivar refunding: in open refunds.
    :ivar written_off: bad debt less money kept, as approved and not taken back; tails of closings are not in it.
    :ivar owed: payable − kept − written off: positive, the customer owes; negative, money is to be paid back.
    :ivar pending: reported and neither confirmed nor rejected.
    :ivar open_goods: value of what is not dispatched yet.
    :ivar receivable: 1122 by vouchers; :ivar advance: 2203 by vouchers.
    """

    order: Order
    payable: Decimal
    captured: Decimal
    pending: Decimal
    refunded: Decimal
    refunding: Decimal
    written_off: Decimal
    open_goods: Decimal
    receivable: Decimal
    advance: Decimal

    @property
    def kept(self) -> Decimal:
        return self.captured - self.refunded

    @property
    def owed(self) -> Decimal:
        return self.payable - self.kept - self.written_off

    @property
    def overpaid(self) -> Decimal:
        """What is to be paid back and not being refunded yet."""
        return max(-self.owed - self.refunding, ZERO)

    @property
    def tolerance(self) -> Decimal:
        return self.order.shop.tolerance

    @property
    def agrees(self) -> bool:
        """Owed by documents − not yet dispatched = 1122 − 2203 by vouchers."""
        return self.owed - self.open_goods == self.receivable - self.advance


class Documents(NamedTuple):
    """What finance has of one order, each kind in the order it was written."""

    payments: list[Payment]
    refunds: list[Refund]
    allowances: list[Allowance]
    write_offs: list[WriteOff]
    taken_back: list[TakenBack]


def documents_of(batch: Batch) -> Mapping[int, Documents]:
    payments, refunds, allowances = payments_of(batch), refunds_of(batch), allowances_of(batch)
    write_offs, taken_back = write_offs_of(batch), taken_back_of(batch)
    return {
        pk: Documents(
            payments.get(pk, []),
            refunds.get(pk, []),
            allowances.get(pk, []),
            write_offs.get(pk, []),
            taken_back.get(pk, []),
        )
        for pk in batch.ids
    }


def payments_of(batch: Batch) -> Mapping[int, list[Payment]]:
    return batch.grouped("finance.payments", lambda: _payments(batch))


def refunds_of(batch: Batch) -> Mapping[int, list[Refund]]:
    return batch.grouped("finance.refunds", lambda: _refunds(batch))


def credits_of(batch: Batch) -> Mapping[int, list[Credit]]:
    return batch.grouped("finance.credits", lambda: _credits(batch))


def allowances_of(batch: Batch) -> Mapping[int, list[Allowance]]:
    return batch.grouped("finance.allowances", lambda: _proposals(batch, "allowance", Allowance))


def write_offs_of(batch: Batch) -> Mapping[int, list[WriteOff]]:
    return batch.grouped("finance.write_offs", lambda: _write_offs(batch))


def taken_back_of(batch: Batch) -> Mapping[int, list[TakenBack]]:
    return batch.grouped("finance.taken_back", lambda: _taken_back(batch))


# Documents that few orders have: one query tells which of them a batch has at all.
RARE: Mapping[str, type[models.Model]] = {
    "refund": Refund,
    "credit": Credit,
    "allowance": Allowance,
    "write_off": WriteOff,
    "taken_back": TakenBack,
}


def _has(batch: Batch, name: str) -> bool:
    if "finance.rare" not in batch.memo:
        first, *others = (
            model._base_manager.filter(order_id__in=batch.ids)
            .order_by()
            .annotate(rare=Value(name, models.CharField()))
            .values_list("rare")
            for name, model in RARE.items()
        )
        batch.memo["finance.rare"] = {name for (name,) in first.union(*others)}
    return name in batch.memo["finance.rare"]


# The source of vouchers that take back what was written off.
TAKEN_BACK = TakenBack._meta.label_lower


def _credits(batch: Batch) -> Iterable[Credit]:
    if not _has(batch, "credit"):
        return ()
    credits = Credit.objects.filter(order_id__in=batch.ids).order_by("pk")
    return [credit for credit in credits if not batch.as_of or credit.at <= batch.as_of[credit.order_id]]


def _write_offs(batch: Batch) -> Iterable[WriteOff]:
    write_offs = list(_proposals(batch, "write_off", WriteOff))
    gone: dict[int | None, Decimal] = defaultdict(lambda: ZERO)
    for rows in taken_back_of(batch).values():
        for row in rows:
            gone[row.write_off_id] += row.amount
    for write_off in write_offs:
        # Not the column: that is of today, and this may be of another moment.
        write_off.taken_back = gone[write_off.pk]
    return write_offs


def _taken_back(batch: Batch) -> Iterable[TakenBack]:
    if not _has(batch, "taken_back"):
        return ()
    rows = TakenBack.objects.filter(order_id__in=batch.ids).select_related("write_off", "settlement").order_by("pk")
    return [row for row in rows if not batch.as_of or row.at <= batch.as_of[row.order_id]]


def _proposals(batch: Batch, name: str, model: Any) -> Iterable[Any]:
    """Allowances or write-offs as they stood."""
    if not _has(batch, name):
        return ()
    documents = model.objects.filter(order_id__in=batch.ids).order_by("pk")
    return documents if not batch.as_of else list(_requested_by_then(batch, documents))


def _payments(batch: Batch) -> Iterable[Payment]:
    payments = Payment.objects.filter(order_id__in=batch.ids).order_by("pk")
    if not batch.as_of:
        return payments
    # The value date may be any; when a payment was reported stands in its history.
    reported = dict(
        Payment.history.filter(id__in=payments.values("pk"), history_type="+").values_list("id", "history_date")
    )
    return [
        _payment_at(payment, batch.as_of[payment.order_id])
        for payment in payments
        if payment.pk not in reported or reported[payment.pk] <= batch.as_of[payment.order_id]
    ]


def _payment_at(payment: Payment, moment: datetime) -> Payment:
    """The payment as it stood at a moment since it was reported."""
    if payment.taken_back_at and payment.taken_back_at > moment:
        payment = _rewound(payment, PaymentState.CONFIRMED, "taken_back")
    if payment.decided_at and payment.decided_at > moment:
        payment = _rewound(payment, PaymentState.REPORTED, "decided")
    return payment


def _refunds(batch: Batch) -> Iterable[Refund]:
    if not _has(batch, "refund"):
        return ()
    refunds = Refund.objects.filter(order_id__in=batch.ids).order_by("pk")
    return refunds if not batch.as_of else list(_requested_by_then(batch, refunds))


def _requested_by_then(batch: Batch, documents: Iterable[Any]) -> Iterator[Any]:
    for document in documents:
        moment = batch.as_of[document.order_id]
        if document.requested_at <= moment:
            yield _requested_at(document, moment)


def _requested_at(document: Any, moment: datetime) -> Any:
    """A refund, allowance or write-off as it stood at a moment since it was requested."""
    for act, before in (("rejected", None), ("paid", RefundState.APPROVED), ("approved", RefundState.REQUESTED)):
        at = getattr(document, f"{act}_at", None)
        if at and at > moment:
            was = before or (RefundState.APPROVED if document.approved_by_id else RefundState.REQUESTED)
            document = _rewound(document, was, act)
    return document


def _rewound(document: Any, status: str, act: str) -> Any:
    """A copy, never to be saved, from before an act."""
    values = {field.attname: getattr(document, field.attname) for field in document._meta.concrete_fields}
    return type(document)(**{**values, "status": status, f"{act}_by_id": None, f"{act}_at": None})


def vouchers_of(batch: Batch) -> Mapping[int, list[Posted]]:
    """Vouchers with their lines by order, in the order of their numbers: one query; settling adds what it posts."""
    if "finance.vouchers" not in batch.memo:
        vouchers: dict[int, list[Posted]] = {order_id: [] for order_id in batch.ids}
        for each in posted(Voucher.objects.filter(order_id__in=batch.ids)):
            order_id = each.voucher.order_id or 0
            if not batch.as_of or each.voucher.at <= batch.as_of[order_id]:
                vouchers[order_id].append(each)
        batch.memo["finance.vouchers"] = vouchers
    by_order: Mapping[int, list[Posted]] = batch.memo["finance.vouchers"]
    return by_order


def posted(vouchers: Any) -> Iterator[Posted]:
    """Vouchers with their lines in the order of their numbers, in one query; one without lines shows too."""
    columns = ["lines__account_id", "lines__debit", "lines__credit"]
    for voucher, lines in with_lines(vouchers.order_by("date", "number"), "lines__pk", columns):
        yield Posted(voucher, [LedgerLine(*line) for line in lines])


def add_posted(batch: Batch, vouchers: Iterable[Voucher]) -> None:
    """Keep what was read of the ledger true after posting."""
    for voucher in vouchers:
        lines = [LedgerLine(line.account_id, line.debit, line.credit) for line in voucher.posted]
        vouchers_of(batch)[voucher.order_id or 0].append(Posted(voucher, lines))


def _balances(batch: Batch) -> Mapping[tuple[int, str], Decimal]:
    """
    Debits less credits by order and account, without settlements, what took their tails back, and the reversals that
    cancel both.
    """
    sums: dict[tuple[int, str], Decimal] = defaultdict(lambda: ZERO)
    of_tails = {(TAKEN_BACK, str(row.pk)) for rows in taken_back_of(batch).values() for row in rows if row.of_tail}
    for order_id, vouchers in vouchers_of(batch).items():
        for each in vouchers:
            of_closing = each.voucher.purpose in (Purpose.SETTLEMENT, Purpose.REVERSAL)
            if not of_closing and (each.voucher.source_type, each.voucher.source_id) not in of_tails:
                for line in each.lines:
                    sums[order_id, line.account] += line.debit - line.credit
    return sums


def order_accounts(batch: Batch) -> list[OrderAccount]:
    """The account of every order of a batch, computed once: four queries, whatever its size."""
    if "finance.accounts" not in batch.memo:
        batch.memo["finance.accounts"] = {account.order.pk: account for account in _order_accounts(batch)}
    by_order: Mapping[int, OrderAccount] = batch.memo["finance.accounts"]
    return [by_order[order_id] for order_id in batch.ids]


def _order_accounts(batch: Batch) -> list[OrderAccount]:
    prefetch_related_objects(batch.orders, "shop")
    payments_by_order, refunds_by_order, credits = payments_of(batch), refunds_of(batch), credits_of(batch)
    write_offs = write_offs_of(batch)
    lines = order_selectors.lines(batch)
    balances = _balances(batch)
    result = []
    for order in batch.orders:
        sums = dict.fromkeys(PaymentState.values, ZERO)
        for payment in payments_by_order.get(order.pk, ()):
            sums[payment.status] += payment.amount
        of_order = lines[order.pk]
        credited = sum((credit.amount for credit in credits.get(order.pk, ())), ZERO)
        result.append(
            OrderAccount(
                order=order,
                payable=ZERO if order.status == Status.CANCELLED else _sold(of_order) - credited,
                captured=sums[PaymentState.CONFIRMED],
                pending=sums[PaymentState.REPORTED],
                refunded=_sum(refunds_by_order.get(order.pk, ()), {RefundState.PAID}),
                refunding=_sum(refunds_by_order.get(order.pk, ()), OPEN),
                written_off=sum((each.counts for each in write_offs.get(order.pk, ())), ZERO),
                open_goods=sum((line.amount - line.short_amount - line.shipped_amount for line in of_order), ZERO),
                receivable=balances[order.pk, accounts.RECEIVABLE],
                advance=-balances[order.pk, accounts.ADVANCES],
            )
        )
    return result


def _sold(lines: Iterable[Any]) -> Decimal:
    return sum((line.amount - line.short_amount for line in lines), ZERO)


def _sum(refunds: Iterable[Refund], states: Collection[str]) -> Decimal:
    return sum((refund.amount for refund in refunds if refund.status in states), ZERO)
