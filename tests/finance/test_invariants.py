"""What must always hold of the ledger: the database refuses to break it, and where it cannot, the rule finds it."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.fields import fixed
from erp.kernel.models import OutboxEvent
from finance.models import (
    Account,
    Allowance,
    Credit,
    OrderBalance,
    Payment,
    Period,
    Refund,
    TakenBack,
    Voucher,
    VoucherLine,
    WriteOff,
)
from finance.periods import content_digest
from finance.services.payments import PaymentDraft, report_payment, void_payment
from orders.models import Line, Order
from orders.services.cancelling import cancel_order
from tests.factories import OrderFactory, actor, decide
from tests.finance.giving_up import allowance, allowed, one_line, write_off, written_off
from tests.finance.refunding import overpaid_order, paid
from tests.orders.reopenings import reopen
from tests.support import offenders, without_guards

pytestmark = pytest.mark.django_db

# What the database itself refuses, with every guard in its place: columns, and what must not be in them.
REFUSED: list[tuple[Any, dict[str, Any]]] = [
    (OrderBalance, {"receivable": -1}),
    (OrderBalance, {"advance": -1}),
    (Payment, {"amount": 0}),
    (Payment, {"fee": -1}),
    (Payment, {"fee": 1000}),
    (Payment, {"status": "lost"}),
    (Payment, {"status": "reported"}),
    (Payment, {"decided_by": None}),
    (Payment, {"decided_at": None}),
    (Payment, {"method": "shells"}),
    (Payment, {"order": None}),
    (Period, {"currency": "XXX"}),
    (Period, {"last_date": date(2000, 1, 1)}),
    (Voucher, {"date": date(2000, 1, 1)}),
    (Voucher, {"currency": "USD"}),
    (VoucherLine, {"account": "1002"}),
    (VoucherLine, {"debit": 5, "credit": 5}),
    (Payment.history.model, {"amount": 5}),
    (Payment, {"status": "voided"}),
    (Payment, {"taken_back_at": datetime(2026, 1, 1, tzinfo=UTC)}),
    (Payment, {"refunding": -1}),
    (Payment, {"refunding": 1000}),
    (Payment, {"refunded": 1000}),
]

REFUSED_OF_REFUNDS: list[dict[str, Any]] = [
    {"amount": 0},
    {"ground": "pity"},
    {"party": "nobody"},
    {"status": "lost"},
    {"status": "requested"},
    {"approved_by": None},
    {"approved_at": None},
    {"paid_at": None},
    {"requested_by": F("approved_by")},
    {"paid_by": F("requested_by")},
    {"paid_by": F("approved_by")},
    {"rejected_by": F("paid_by")},
    {"payment": None},
]


@pytest.mark.parametrize("values", REFUSED_OF_REFUNDS, ids=map(str, REFUSED_OF_REFUNDS))
def test_the_database_refuses_of_a_paid_refund(values: dict[str, Any]) -> None:
    overpaid_order()

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.filter(status="paid").update(**values)


def test_a_refund_is_of_a_payment_of_its_order() -> None:
    overpaid_order()
    refund = Refund.objects.filter(status="paid").get()
    refund.pk, refund.number, refund.order = None, "RF-2000-000001", OrderFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.bulk_create([refund])


@pytest.mark.parametrize(("model", "values"), REFUSED, ids=[f"{model.__name__} {values}" for model, values in REFUSED])
def test_the_database_refuses(model: Any, values: dict[str, Any]) -> None:
    OrderFactory(shipped=True, paid=True)

    with pytest.raises(IntegrityError), transaction.atomic():
        model._base_manager.update(**values)


def test_a_payment_is_there_once() -> None:
    first, second = (OrderFactory(reported=True) for _ in range(2))

    payment = Payment.objects.get(order=first)
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.filter(order=second).update(order=first, reference=payment.reference)


def lines(account: str, purpose: str = "dispatch") -> Any:
    return VoucherLine.objects.filter(account=account, voucher__purpose=purpose)


def add_a_voucher(**values: Any) -> Callable[[], object]:
    """A copy of the newest voucher with its lines, as nobody can post it."""

    def add() -> None:
        voucher = Voucher.objects.order_by("-period", "-number")[0]
        rows = list(voucher.lines.all())
        voucher.pk = uuid.uuid4()
        voucher.source_id, voucher.number = "X1", voucher.number + 1
        for name, value in values.items():
            setattr(voucher, name, value)
        for row in rows:
            row.pk, row.voucher = None, voucher
        with acting(decide(actor("accountant"))):
            Voucher.objects.bulk_create([voucher])
            VoucherLine.objects.bulk_create(rows)

    return add


def without_refunds() -> Any:
    """Payments that no refund and nobody who took them back holds to their amount and status."""
    return Payment.objects.filter(refunding=0, refunded=0, taken_back_by=None)


def reopen_and_post() -> None:
    """Close the month as it is, then add a voucher to it."""
    for period in Period.objects.all():
        Period.objects.filter(pk=period.pk).update(
            closed_at=timezone.now(), closed_by=actor("accountant"), digest=content_digest(period)
        )
    add_a_voucher()()


def purposes(purpose: str) -> Any:
    return Voucher.objects.filter(purpose=purpose)


def take_back_of_a_closing_without_tail() -> None:
    settlement = Voucher.objects.filter(purpose="settlement")[0]
    TakenBack.objects.update(write_off=None, settlement=settlement)


def set_reversal(**values: Any) -> Callable[[], object]:
    return lambda: Voucher.objects.filter(purpose="reversal").update(**values)


def one_later(field: str) -> Any:
    return F(field) + timedelta(days=1)


def unexplained(model: Any) -> tuple[str, Callable[[], object], tuple[Any, ...]]:
    history = model.history.model
    return "finance.decisions_have_reasons", lambda: history.objects.update(history_change_reason=""), (history,)


def open_since_before_the_closing(model: Any) -> tuple[str, Callable[[], object], tuple[Any, ...]]:
    def spoil() -> None:
        closed = Order.objects.filter(status="closed")[0]
        model.objects.update(order=closed, requested_at=closed.placed_at, status="requested", approved_by=None)

    return "finance.closed_has_nothing_open", spoil, (model,)


def credit_too_much() -> None:
    line = Line.objects.filter(shipped_amount__gt=0)[0]
    with acting(decide(actor("accountant"))):
        Credit.objects.bulk_create(
            [
                Credit(
                    order=line.order,
                    line=line,
                    part="1",
                    ground="return",
                    amount=line.shipped_amount + 1,
                    tax=0,
                    source_type="x",
                    source_id="1",
                )
            ]
        )


BROKEN: dict[str, tuple[Callable[[], object], tuple[Any, ...]]] = {
    "finance.vouchers_balance": (lambda: lines("1122").update(debit=5), (VoucherLine,)),
    "finance.numbers_are_gapless": (lambda: Period.objects.update(next_number=F("next_number") + 1), ()),
    "finance.vouchers_in_their_period": (
        lambda: Voucher.objects.update(date=date(2000, 1, 1)),
        (Voucher,),
    ),
    "finance.closed_periods_stay": (reopen_and_post, (Voucher, VoucherLine)),
    "finance.trial_balance_is_zero": (lambda: lines("1122").update(debit=5), (VoucherLine,)),
    "finance.balances_equal_vouchers": (lambda: OrderBalance.objects.update(receivable=5, advance=5), ()),
    "finance.never_negative": (lambda: OrderBalance.objects.update(advance=-1), (OrderBalance,)),
    "finance.closed_is_settled": (lambda: OrderBalance.objects.update(receivable=5, advance=5), ()),
    "finance.reversals_mirror": (set_reversal(purpose="settlement", source_id="X1"), (Voucher,)),
    "finance.owed_equals_books": (lambda: without_refunds().update(amount=5), ()),
    "finance.payable_equals_documents": (
        lambda: Order.objects.filter(payable__gt=1).update(payable=F("payable") - fixed(1)),
        (),
    ),
    "finance.cancelled_keeps_nothing": (
        lambda: OrderBalance.objects.filter(order__status="cancelled").update(advance=1),
        (),
    ),
    "finance.written_off_equals_vouchers": (lambda: Order.objects.update(written_off=5), ()),
    "finance.credits_within_dispatched": (credit_too_much, ()),
    "finance.received_equals_payments": (lambda: without_refunds().update(amount=5), ()),
    "finance.refunded_equals_refunds": (lambda: Order.objects.update(refunded=5), ()),
    "finance.refunds_within_payments": (lambda: Payment.objects.update(refunding=5), (Payment,)),
    "finance.paid_refunds_post": (lambda: Refund.objects.filter(status="approved").update(status="paid"), (Refund,)),
    "finance.approved_allowances_credit": (lambda: Allowance.objects.update(amount=1), ()),
    "finance.approved_write_offs_post": (
        lambda: WriteOff.objects.update(status="rejected", approved_by=None),
        (WriteOff,),
    ),
    "finance.taken_back_within_written_off": (lambda: WriteOff.objects.update(taken_back=5), ()),
    "finance.confirmed_payments_post": (
        lambda: without_refunds().update(status="reported", decided_by=None, decided_at=None),
        (),
    ),
    "finance.status_follows_graph": (
        lambda: Payment.history.filter(status="confirmed").update(status="voided"),
        (Payment.history.model,),
    ),
    "finance.state_changes_are_told": (lambda: OutboxEvent.objects.filter(topic="refund.pay").delete(), ()),
    "finance.decisions_have_reasons": (
        lambda: WriteOff.history.update(history_change_reason=""),
        (WriteOff.history.model,),
    ),
    "finance.closed_has_nothing_open": (
        lambda: (
            without_refunds()
            .filter(order__status="closed")
            .update(status="reported", decided_by=None, decided_at=None)
        ),
        (),
    ),
}


def situation() -> None:
    """
    One order closed, one cancelled, one reopened, one delivered and paid, one overpaid: of that one refund is paid,
    one approved; one with an allowance and a bad debt of which some is paid after all; one whose payment was voided.
    """
    OrderFactory(closed=True)
    cancel_order(OrderFactory(paid=True).pk, decision=decide(actor("service"), reason="CA01"))
    reopen(OrderFactory(closed=True))
    OrderFactory(delivered=True, paid=True)
    overpaid_order()
    order = one_line()
    allowed(order, "26")
    written_off(order, "200")
    paid(order, "50")
    (wrong,) = paid(OrderFactory(), "1")
    void_payment(wrong.pk, decision=decide(actor("accountant"), reason="FN01"))


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_finds_what_was_broken_past_the_guards(rule: str) -> None:
    situation()
    assert offenders(rule) == []
    spoil, guarded = BROKEN[rule]

    with without_guards(*guarded):
        spoil()

    assert offenders(rule) != []


def test_every_rule_of_finance_is_tried() -> None:
    assert set(BROKEN) == {rule.name for rule in invariants.registered() if rule.name.startswith("finance.")}


OTHERWISE: list[tuple[str, Callable[[], object], tuple[Any, ...]]] = [
    ("finance.vouchers_balance", lambda: lines("2221").delete(), (VoucherLine,)),
    ("finance.vouchers_balance", lambda: VoucherLine.objects.all().delete(), (VoucherLine,)),
    ("finance.vouchers_balance", lambda: lines("1122").update(debit=0), (VoucherLine,)),
    (
        "finance.vouchers_balance",
        lambda: VoucherLine.objects.update(debit=F("debit") + fixed(1), credit=F("credit") + fixed(1)),
        (VoucherLine,),
    ),
    ("finance.numbers_are_gapless", lambda: Voucher.objects.filter(number=1).update(number=99), (Voucher,)),
    ("finance.numbers_are_gapless", add_a_voucher(), (Voucher, VoucherLine)),
    (
        "finance.numbers_are_gapless",
        lambda: Voucher.objects.filter(number=1).update(date=one_later("date")),
        (Voucher,),
    ),
    ("finance.vouchers_in_their_period", lambda: Voucher.objects.update(currency="USD"), (Voucher,)),
    (
        "finance.vouchers_in_their_period",
        lambda: Voucher.objects.update(date=timezone.now().date() + timedelta(days=40)),
        (Voucher,),
    ),
    ("finance.balances_equal_vouchers", lambda: OrderBalance.objects.all().delete(), ()),
    ("finance.never_negative", lambda: OrderBalance.objects.update(receivable=-1), (OrderBalance,)),
    ("finance.closed_is_settled", lambda: OrderBalance.objects.update(advance=5), ()),
    ("finance.owed_equals_books", lambda: Line.objects.update(shipped_amount=5, shipped_tax=0), ()),
    ("finance.owed_equals_books", lambda: OrderBalance.objects.update(receivable=5), ()),
    ("finance.owed_equals_books", lambda: WriteOff.objects.update(amount=150), ()),
    ("finance.owed_equals_books", lambda: TakenBack.objects.update(amount=40), (TakenBack,)),
    ("finance.written_off_equals_vouchers", lambda: lines("6702", "taken_back").update(credit=5), (VoucherLine,)),
    ("finance.approved_allowances_credit", lambda: Credit.objects.update(part="0"), (Credit,)),
    ("finance.approved_allowances_credit", lambda: purposes("allowance").update(source_id="0"), (Voucher,)),
    ("finance.approved_write_offs_post", lambda: purposes("write_off").update(source_id="0"), (Voucher,)),
    ("finance.taken_back_within_written_off", lambda: purposes("taken_back").update(source_id="0"), (Voucher,)),
    ("finance.taken_back_within_written_off", lambda: WriteOff.objects.update(kind="unclaimed"), (WriteOff,)),
    ("finance.taken_back_within_written_off", take_back_of_a_closing_without_tail, (TakenBack,)),
    ("finance.reversals_mirror", lambda: lines("1122", "reversal").update(debit=5), (VoucherLine,)),
    ("finance.reversals_mirror", lambda: lines("2203", "reversal").update(account="1122"), (VoucherLine,)),
    ("finance.reversals_mirror", lambda: lines("1122", "reversal").delete(), (VoucherLine,)),
    ("finance.reversals_mirror", lambda: Order.objects.filter(cycle=2).update(cycle=1), (Order,)),
    ("finance.reversals_mirror", lambda: Order.objects.filter(cycle=1).update(cycle=2), (Order,)),
    ("finance.confirmed_payments_post", lambda: without_refunds().update(status="rejected"), ()),
    ("finance.confirmed_payments_post", lambda: Voucher.objects.update(source_type="finance.other"), (Voucher,)),
    unexplained(Payment),
    unexplained(Refund),
    unexplained(Allowance),
    open_since_before_the_closing(Refund),
    open_since_before_the_closing(Allowance),
    open_since_before_the_closing(WriteOff),
]


@pytest.mark.parametrize(
    ("rule", "spoil", "guarded"), OTHERWISE, ids=[f"{no} {rule}" for no, (rule, *_) in enumerate(OTHERWISE)]
)
def test_a_rule_finds_other_ways_to_break_it(rule: str, spoil: Any, guarded: tuple[Any, ...]) -> None:
    situation()

    with without_guards(*guarded):
        spoil()

    assert offenders(rule) != []


def test_a_closing_is_reversed_once() -> None:
    situation()

    with pytest.raises(IntegrityError), transaction.atomic():
        add_a_voucher(purpose="reversal", **_source_of_the_reversal())()


def _source_of_the_reversal() -> dict[str, Any]:
    reversal = Voucher.objects.get(purpose="reversal")
    return {"source_type": reversal.source_type, "source_id": reversal.source_id}


def test_what_is_asked_for_after_the_closing_is_open_beside_it() -> None:
    order = one_line(closed=True)
    allowed(order, "20")
    allowance(order, "1")
    write_off(order, "1", "unclaimed")
    draft = PaymentDraft(order.pk, "bank", "LATE", Decimal(5))
    report_payment(draft, decision=decide(actor("cashier")))
    assert Refund.objects.get(order=order).is_open

    assert offenders("finance.closed_has_nothing_open") == []


def test_a_refund_whose_money_is_kept_needs_no_reason_of_its_own_and_any_other_does() -> None:
    order = one_line()
    paid(order, "250")
    kept = written_off(order, "24", "unclaimed")
    assert Refund.objects.get().status == "rejected"
    assert offenders("finance.decisions_have_reasons") == []

    with without_guards(WriteOff):
        WriteOff.objects.filter(pk=kept.pk).update(approved_at=one_later("approved_at"))

    refund = Refund.objects.get()
    assert offenders("finance.decisions_have_reasons") == [(refund.pk, refund.number, "reject")]


def test_the_chart_names_every_account_once() -> None:
    assert Account.objects.count() == len(set(Account.objects.values_list("code", flat=True))) == 17
