"""What must always hold of the ledger."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.utils.translation import gettext_lazy as _

from erp.kernel.invariants import Lives, Rows, invariant
from erp.kernel.money import ZERO
from finance import accounts
from finance.facts import CLOSING, WRITING_OFF, WRITTEN_OFF, closing_id
from finance.models import (
    Allowance,
    Credit,
    OrderBalance,
    Payment,
    PaymentState,
    Period,
    ProposalState,
    Purpose,
    Refund,
    RefundState,
    TakenBack,
    Voucher,
    VoucherLine,
    WriteOff,
    WriteOffKind,
)
from finance.models.refund import OPEN
from finance.selectors import TAKEN_BACK
from orders.models import Line, LineClosing, Order, Status


@invariant("finance.vouchers_balance", _("Every voucher balances and has at least two lines, each with one side."))
def vouchers_balance() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.id, COUNT(l.id), SUM(l.debit), SUM(l.credit) FROM finance_voucher v "
            "LEFT JOIN finance_voucherline l ON l.voucher_id = v.id GROUP BY v.id "
            "HAVING COUNT(l.id) < 2 OR SUM(l.debit) <> SUM(l.credit)"
        )
        yield from cursor.fetchall()
    one_sided = Q(debit__gt=0, credit=0) | Q(debit=0, credit__gt=0)
    yield from VoucherLine.objects.exclude(one_sided).values_list("voucher_id", "debit", "credit")


@invariant("finance.numbers_are_gapless", _("A period's voucher numbers have no gap and run with the dates."))
def numbers_are_gapless() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, p.next_number, COUNT(v.id), MIN(v.number), MAX(v.number) FROM finance_period p "
            "LEFT JOIN finance_voucher v ON v.period_id = p.id GROUP BY p.id, p.next_number "
            "HAVING COUNT(v.id) <> p.next_number - 1 OR (COUNT(v.id) > 0 AND "
            "(MIN(v.number) <> 1 OR MAX(v.number) <> p.next_number - 1))"
        )
        yield from cursor.fetchall()
        cursor.execute(
            "SELECT id, number, date, before FROM (SELECT id, number, date, "
            "LAG(date) OVER (PARTITION BY period_id ORDER BY number) AS before FROM finance_voucher) AS numbered "
            "WHERE before > date"
        )
        yield from cursor.fetchall()


@invariant("finance.vouchers_in_their_period", _("A voucher stands in the period of its date and currency."))
def vouchers_in_their_period() -> Rows:
    wrong = ~Q(currency=F("period__currency")) | Q(date__lt=F("period__first_day"))
    yield from Voucher.objects.filter(wrong).values_list("pk", "date")
    for period in Period.objects.all():
        yield from Voucher.objects.filter(period=period, date__gt=period.last_day).values_list("pk", "date")


@invariant("finance.closed_periods_stay", _("A closed period still has the content it was closed with."))
def closed_periods_stay() -> Rows:
    from finance.periods import content_digest

    for period in Period.objects.filter(closed_at__isnull=False):
        if content_digest(period) != period.digest:
            yield str(period), period.digest


@invariant("finance.trial_balance_is_zero", _("Debits equal credits in every book."))
def trial_balance_is_zero() -> Rows:
    sums = VoucherLine.objects.values_list("voucher__currency").annotate(debits=Sum("debit"), credits=Sum("credit"))
    yield from sums.exclude(debits=F("credits"))


@invariant("finance.balances_equal_vouchers", _("An order's receivable and advance are those of its vouchers."))
def balances_equal_vouchers() -> Rows:
    by_vouchers: dict[int, list[object]] = {}
    rows = (
        VoucherLine.objects.filter(
            voucher__order__isnull=False, account_id__in=[accounts.RECEIVABLE, accounts.ADVANCES]
        )
        .values_list("voucher__order_id", "account_id")
        .annotate(debits=Sum("debit"), credits=Sum("credit"))
    )
    for order_id, account, debits, credits in rows:
        balance = by_vouchers.setdefault(order_id, [ZERO, ZERO])
        balance[account != accounts.RECEIVABLE] = (
            debits - credits if account == accounts.RECEIVABLE else credits - debits
        )
    for stored in OrderBalance.objects.all().iterator(chunk_size=2000):
        if by_vouchers.pop(stored.pk, [ZERO, ZERO]) != [stored.receivable, stored.advance]:
            yield stored.pk, stored.receivable, stored.advance
    yield from by_vouchers.items()


@invariant("finance.never_negative", _("No order's receivable or advance is negative."))
def never_negative() -> Rows:
    yield from OrderBalance.objects.filter(Q(receivable__lt=0) | Q(advance__lt=0)).values_list("order_id")


@invariant(
    "finance.closed_is_settled",
    _("A closed order's receivable and advance are zero, but for what came after closing, and never both positive."),
)
def closed_is_settled() -> Rows:
    later = Voucher.objects.filter(order=OuterRef("order"), at__gt=OuterRef("order__closed_at"))
    closed = OrderBalance.objects.filter(order__status=Status.CLOSED).exclude(receivable=0, advance=0)
    unsettled = closed.filter(Q(receivable__gt=0, advance__gt=0) | ~Exists(later))
    yield from unsettled.values_list("order__number", "receivable", "advance")


@invariant(
    "finance.reversals_mirror",
    _(
        "The settlement of every closing that was undone, and whatever took its tail back, has its reversal, line by "
        "line; nothing else has one."
    ),
)
def reversals_mirror() -> Rows:
    undone = _undone()
    reversals = set(Voucher.objects.filter(purpose=Purpose.REVERSAL).values_list("source_type", "source_id"))
    sources = undone | reversals
    posted = _sides(sources, {Purpose.SETTLEMENT, Purpose.TAKEN_BACK})
    reversed_ = _sides(sources, {Purpose.REVERSAL})
    for source in sorted(sources):
        mirrored = sorted((account, credit, debit) for account, debit, credit in reversed_[source])
        if mirrored != (sorted(posted[source]) if source in undone else []):
            yield *source, len(posted[source]), len(reversed_[source])


def _undone() -> set[tuple[str, str]]:
    """The sources of what was posted by closings that were reopened, and after them to take their tails back."""
    reopened = Order.objects.filter(cycle__gt=1).values_list("pk", "cycle")
    closings = {(CLOSING, closing_id(order_id, cycle)) for order_id, now in reopened for cycle in range(1, now)}
    rows = TakenBack.objects.filter(settlement__isnull=False)
    columns = ("pk", "settlement__source_type", "settlement__source_id")
    return closings | {
        (TAKEN_BACK, str(pk)) for pk, *source in rows.values_list(*columns) if tuple(source) in closings
    }


def _sides(
    sources: set[tuple[str, str]], purposes: set[Purpose]
) -> dict[tuple[str, str], list[tuple[str, Decimal, Decimal]]]:
    """Account, debit and credit of every line posted for these purposes, by source."""
    lines = VoucherLine.objects.filter(
        voucher__source_id__in={source_id for _type, source_id in sources}, voucher__purpose__in=purposes
    )
    sides: dict[tuple[str, str], list[tuple[str, Decimal, Decimal]]] = defaultdict(list)
    columns = ("voucher__source_type", "voucher__source_id", "account_id", "debit", "credit")
    for source_type, source_id, *side in lines.values_list(*columns):
        sides[source_type, source_id].append(tuple(side))
    return sides


@invariant(
    "finance.owed_equals_books", _("Owed by documents, less what is not dispatched, is 1122 − 2203 by vouchers.")
)
def owed_equals_books() -> Rows:
    balances = {balance.pk: balance.receivable - balance.advance for balance in OrderBalance.objects.all()}
    received = _by_order(Payment.objects.filter(status=PaymentState.CONFIRMED))
    refunded = _by_order(Refund.objects.filter(status=RefundState.PAID))
    credited = _by_order(Credit.objects)
    dispatched = _by_order(Line.objects, "shipped_amount")
    written_off = _written_off()
    for order_id, number in Order.objects.values_list("pk", "number").iterator(chunk_size=2000):
        kept = received.get(order_id, ZERO) - refunded.get(order_id, ZERO)
        recognised = dispatched.get(order_id, ZERO) - credited.get(order_id, ZERO)
        by_documents = recognised - kept - written_off.get(order_id, ZERO)
        if by_documents != balances.get(order_id, ZERO):
            yield number, by_documents, balances.get(order_id, ZERO)


@invariant(
    "finance.payable_equals_documents", _("What is payable is the lines less what was closed short and credited.")
)
def payable_equals_documents() -> Rows:
    credited, closed = _by_order(Credit.objects), _by_order(LineClosing.objects)
    columns = ("pk", "number", "status", "total", "payable")
    for order_id, number, status, total, payable in Order.objects.values_list(*columns).iterator():
        lowered = credited.get(order_id, ZERO) + closed.get(order_id, ZERO)
        by_documents = ZERO if status == Status.CANCELLED else total - lowered
        if by_documents != payable:
            yield number, payable, by_documents


@invariant("finance.written_off_equals_vouchers", _("What is written off of an order is what vouchers say."))
def written_off_equals_vouchers() -> Rows:
    booked = _booked(WRITING_OFF)
    for order_id, number, amount in Order.objects.values_list("pk", "number", "written_off").iterator():
        if booked.get(order_id, ZERO) != amount:
            yield number, amount, booked.get(order_id, ZERO)


@invariant("finance.credits_within_dispatched", _("No more of a line is credited than was dispatched of it."))
def credits_within_dispatched() -> Rows:
    credited = dict(Credit.objects.values_list("line_id").annotate(Sum("amount")))
    for line_id, shipped in Line.objects.filter(pk__in=credited).values_list("pk", "shipped_amount"):
        if credited[line_id] > shipped:
            yield line_id, shipped, credited[line_id]


def _by_order(documents: Any, column: str = "amount") -> dict[int, Decimal]:
    return dict(documents.order_by().values_list("order_id").annotate(Sum(column)))


def _written_off() -> dict[int, Decimal]:
    """By documents: bad debt less money kept and less what was taken back; tails are told by their vouchers."""
    sums: dict[int, Decimal] = defaultdict(lambda: ZERO, _booked((Purpose.SETTLEMENT, Purpose.REVERSAL)))
    for write_off in WriteOff.objects.filter(status=ProposalState.APPROVED):
        sums[write_off.order_id] += write_off.signed_amount
    for order_id, amount in _by_order(TakenBack.objects).items():
        sums[order_id] -= amount
    return sums


def _booked(purposes: Iterable[str]) -> dict[int, Decimal]:
    """What vouchers write off less what they keep or take back, by order."""
    lines = VoucherLine.objects.filter(voucher__purpose__in=purposes, account_id__in=WRITTEN_OFF)
    sums = lines.values_list("voucher__order_id").annotate(debits=Sum("debit"), credits=Sum("credit"))
    return {order_id: debits - credits for order_id, debits, credits in sums}


@invariant(
    "finance.cancelled_keeps_nothing",
    _("A cancelled order's advances are its open refunds; receivable is only refunded money that was charged back."),
)
def cancelled_keeps_nothing() -> Rows:
    open_refunds = _by_order(Refund.objects.filter(status__in=OPEN))
    cancelled = OrderBalance.objects.filter(order__status=Status.CANCELLED).select_related("order")
    for balance in cancelled:
        expected = max(balance.order.owed, ZERO), open_refunds.get(balance.order_id, ZERO)
        if (balance.receivable, balance.advance) != expected:
            yield balance.order.number, balance.receivable, balance.advance, *expected


@invariant("finance.received_equals_payments", _("The amount received is the sum of confirmed payments."))
def received_equals_payments() -> Rows:
    received = _by_order(Payment.objects.filter(status=PaymentState.CONFIRMED))
    for order_id, number, amount in Order.objects.values_list("pk", "number", "received").iterator(chunk_size=2000):
        if received.get(order_id, ZERO) != amount:
            yield number, amount, received.get(order_id, ZERO)


@invariant("finance.refunded_equals_refunds", _("The amount refunded is the sum of paid refunds."))
def refunded_equals_refunds() -> Rows:
    refunded = _by_order(Refund.objects.filter(status=RefundState.PAID))
    for order_id, number, amount in Order.objects.values_list("pk", "number", "refunded").iterator(chunk_size=2000):
        if refunded.get(order_id, ZERO) != amount:
            yield number, amount, refunded.get(order_id, ZERO)


@invariant(
    "finance.refunds_within_payments",
    _("Paid and open refunds are mirrored by their payment, and no more than it."),
)
def refunds_within_payments() -> Rows:
    paid = dict(Refund.objects.filter(status=RefundState.PAID).values_list("payment_id").annotate(Sum("amount")))
    wanted = dict(Refund.objects.filter(status__in=OPEN).values_list("payment_id").annotate(Sum("amount")))
    for payment in Payment.objects.only("number", "amount", "refunding", "refunded").iterator(chunk_size=2000):
        refunds = wanted.get(payment.pk, ZERO), paid.get(payment.pk, ZERO)
        if refunds != (payment.refunding, payment.refunded) or sum(refunds, ZERO) > payment.amount:
            yield payment.number, payment.amount, *refunds


@invariant("finance.confirmed_payments_post", _("A payment has the vouchers of what happened to it, and no others."))
def confirmed_payments_post() -> Rows:
    purposes: dict[str, set[str]] = {
        PaymentState.CONFIRMED: {Purpose.PAYMENT},
        PaymentState.VOIDED: {Purpose.PAYMENT, Purpose.VOID},
        PaymentState.CHARGED_BACK: {Purpose.PAYMENT, Purpose.CHARGE_BACK},
    }
    posted = _posted("finance.payment")
    for payment_id, number, status in Payment.objects.values_list("pk", "number", "status").iterator():
        if posted.get(str(payment_id), set()) != purposes.get(status, set()):
            yield number, status


@invariant("finance.paid_refunds_post", _("A refund has a voucher exactly when it is paid."))
def paid_refunds_post() -> Rows:
    posted = _posted("finance.refund")
    for refund_id, number, status in Refund.objects.values_list("pk", "number", "status").iterator():
        if posted.get(str(refund_id), set()) != ({Purpose.REFUND} if status == RefundState.PAID else set()):
            yield number, status


@invariant(
    "finance.approved_allowances_credit",
    _("An allowance has its credit and its voucher exactly when it is approved."),
)
def approved_allowances_credit() -> Rows:
    posted = _posted("finance.allowance")
    credits = Credit.objects.filter(source_type="finance.allowance")
    credited = {credit.source_id: (credit.line_id, credit.part, credit.amount) for credit in credits}
    for allowance in Allowance.objects.order_by("pk").iterator(chunk_size=2000):
        wanted = (allowance.line_id, allowance.part, allowance.amount) if allowance.is_approved else None
        purposes = {Purpose.ALLOWANCE} if allowance.is_approved else set()
        if credited.get(str(allowance.pk)) != wanted or posted.get(str(allowance.pk), set()) != purposes:
            yield allowance.number, allowance.status, allowance.amount


@invariant("finance.approved_write_offs_post", _("A write-off has a voucher exactly when it is approved."))
def approved_write_offs_post() -> Rows:
    posted = _posted("finance.writeoff")
    for pk, number, status in WriteOff.objects.values_list("pk", "number", "status").iterator():
        purposes = {Purpose.WRITE_OFF} if status == ProposalState.APPROVED else set()
        if posted.get(str(pk), set()) != purposes:
            yield number, status


@invariant(
    "finance.taken_back_within_written_off",
    _("No more is taken back than was written off, each time with a voucher."),
)
def taken_back_within_written_off() -> Rows:
    posted = _posted(TAKEN_BACK)
    for pk, amount in TakenBack.objects.values_list("pk", "amount").iterator():
        # Whether it has to be reversed is another rule.
        if posted.get(str(pk), set()) - {Purpose.REVERSAL} != {Purpose.TAKEN_BACK}:
            yield pk, amount
    taken = dict(TakenBack.objects.order_by().values_list("write_off_id").annotate(Sum("amount")))
    for write_off in WriteOff.objects.filter(Q(pk__in=[pk for pk in taken if pk]) | ~Q(taken_back=0)):
        amount = taken.get(write_off.pk, ZERO)
        is_possible = write_off.is_approved and write_off.kind == WriteOffKind.BAD_DEBT
        if amount != write_off.taken_back or amount > write_off.amount or not is_possible:
            yield write_off.number, write_off.amount, write_off.taken_back, amount
    of_tail = dict(TakenBack.objects.order_by().values_list("settlement_id").annotate(Sum("amount")))
    tails = VoucherLine.objects.filter(voucher_id__in=[pk for pk in of_tail if pk], account_id=accounts.OTHER_LOSS)
    short = dict(tails.order_by().values_list("voucher_id").annotate(Sum("debit")))
    yield from ((pk, amount) for pk, amount in of_tail.items() if pk and amount > short.get(pk, ZERO))


def _posted(source_type: str) -> dict[str, set[str]]:
    """Purposes of the vouchers of a kind of document, by its key."""
    purposes: dict[str, set[str]] = defaultdict(set)
    for source_id, purpose in Voucher.objects.filter(source_type=source_type).values_list("source_id", "purpose"):
        purposes[source_id].add(purpose)
    return purposes


_LIVES = (
    Lives(Payment, born={"report": PaymentState.REPORTED}, silent={"report"}),
    Lives(Refund, born={"request": RefundState.REQUESTED}),
    Lives(Allowance, born={"request": ProposalState.REQUESTED}),
    Lives(WriteOff, born={"request": ProposalState.REQUESTED}),
)


@invariant("finance.status_follows_graph", _("Every change of status of a money document is declared."))
def status_follows_graph() -> Rows:
    for lives in _LIVES:
        yield from lives.off_graph()


@invariant("finance.state_changes_are_told", _("Every change of status of a money document has its outbox row."))
def state_changes_are_told() -> Rows:
    for lives in _LIVES:
        yield from lives.untold()


@invariant(
    "finance.decisions_have_reasons",
    _(
        "History says why payments were rejected or taken back, refunds rejected, allowances and write-offs requested "
        "or rejected."
    ),
)
def decisions_have_reasons() -> Rows:
    payments, refunds, *proposals = _LIVES
    yield from payments.without_reason("reject", "void", "charge_back")
    for lives in proposals:
        yield from lives.without_reason("request", "reject")
    carried = _rejected_by_write_offs()
    yield from (row for row in refunds.without_reason("reject") if row[0] not in carried)


def _rejected_by_write_offs() -> set[int]:
    """Refunds of money that was kept instead: approving the write-off needs no reason of the catalogue."""
    kept = WriteOff.objects.filter(
        order=OuterRef("order"), kind=WriteOffKind.UNCLAIMED, approved_by=OuterRef("rejected_by")
    ).filter(approved_at=OuterRef("rejected_at"))
    return set(Refund.objects.filter(Exists(kept)).values_list("pk", flat=True))


@invariant(
    "finance.closed_has_nothing_open",
    _("No payment, refund, allowance or write-off of a closed order is open, but for what came after the closing."),
)
def closed_has_nothing_open() -> Rows:
    of_closed = Q(order__status=Status.CLOSED)
    before = of_closed & Q(requested_at__lte=F("order__closed_at"))
    yield from Refund.objects.filter(before, status__in=OPEN).values_list("number", "status")
    for model in (Allowance, WriteOff):
        proposals: Any = model._base_manager.filter(before, status=ProposalState.REQUESTED)
        yield from proposals.values_list("number", "status")
    reported = Payment.history.filter(
        id=OuterRef("pk"), history_type="+", history_date__lte=OuterRef("order__closed_at")
    )
    yield from Payment.objects.filter(of_closed, Exists(reported), status=PaymentState.REPORTED).values_list(
        "number", "status"
    )
