"""A bank statement is compared with what was reported; people confirm what fits, each line once."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import User
from finance import matching
from finance.matching import Verdict
from finance.models import Payment, PaymentState, Statement, StatementLine, StatementMatch, StatementUse, Voucher
from finance.services import payments, statements
from finance.services.payments import PaymentDraft
from finance.services.statements import (
    AllReportedByYourself,
    NothingToConfirm,
    NothingToReport,
    StatementChanged,
    Use,
)
from tests.database import reading_only, unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.finance.statements import csv_of, draft, kept, take
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def report(order: Any, amount: Any, reference: str, *, by: User | None = None, fee: Any = 0, **kwargs: Any) -> Payment:
    payment = PaymentDraft(order.pk, kwargs.pop("method", "bank"), reference, Decimal(amount), Decimal(fee))
    return payments.report_payment(payment, decision=decide(by or actor("cashier"), **kwargs))


def confirm(payment: Payment) -> Payment:
    return payments.confirm_payment(payment.pk, decision=decide(actor("accountant")))


def verdicts(lines: Any, *, by: User | None = None, **kwargs: Any) -> list[Verdict]:
    return [each.verdict for each in examine(lines, by=by, **kwargs)]


def examine(lines: Any, *, by: User | None = None, **kwargs: Any) -> list[Any]:
    read = draft(csv_of(lines), **kwargs)
    user = by or actor("accountant")
    return matching.examine(read.lines, method=read.method, currency=read.currency, user=user)


@pytest.fixture
def hundred() -> list[tuple[Decimal, str]]:
    """Of 100 lines 90 are as reported, 5 differ in amount, 5 nobody knows."""
    orders = OrderFactory.create_batch(95, line_count=1)
    for no, order in enumerate(orders):
        report(order, 100, f"BANK-{no:03d}")
    right = [(Decimal("100.00"), f"BANK-{no:03d}") for no in range(90)]
    wrong = [(Decimal("99.99"), f"BANK-{no:03d}") for no in range(90, 95)]
    return [*right, *wrong, *((Decimal("77"), f"ALIEN-{no}") for no in range(5))]


def test_ninety_of_a_hundred_lines_are_confirmed_and_the_same_file_again_changes_nothing(
    hundred: list[tuple[Decimal, str]], accountant: User
) -> None:
    with reading_only():
        examined = examine(hundred, by=accountant)
    assert Counter(each.verdict for each in examined) == {
        Verdict.MATCHED: 90,
        Verdict.DIFFERS: 5,
        Verdict.UNKNOWN: 5,
    }
    assert {(each.line.amount, each.expected) for each in examined[90:95]} == {(Decimal("99.99"), Decimal(100))}

    taken = take(hundred, Use.CONFIRM, accountant)

    assert (taken.new, taken.known, len(taken.payments)) == (100, 0, 90)
    assert Counter(Payment.objects.values_list("status", flat=True)) == {"confirmed": 90, "reported": 5}
    assert Voucher.objects.count() == 90
    assert StatementLine.objects.count() == 100
    assert set(StatementMatch.objects.values_list("use", "by")) == {("confirmed", accountant.pk)}

    with unchanged():
        again = take(hundred, Use.CONFIRM, accountant)

    assert (again.statement, again.new, again.known, again.payments) == (taken.statement, 0, 100, [])
    assert Counter(each.verdict for each in matching.examine_statement(taken.statement, accountant)) == {
        Verdict.DONE: 90,
        Verdict.DIFFERS: 5,
        Verdict.UNKNOWN: 5,
    }


def test_queries_do_not_grow_with_lines(accountant: User) -> None:
    def queries(count: int) -> tuple[int, int]:
        orders = OrderFactory.create_batch(2 * count, line_count=1)
        for no, order in enumerate(orders[:count]):
            report(order, 10, f"Q{count}-{no}")
        lines = [(10, f"Q{count}-{no}") for no in range(count)]
        lines += [(10, f"pays {order.number}") for order in orders[count:]]
        with count_queries() as looking:
            assert set(verdicts(lines, by=accountant)) == {Verdict.MATCHED, Verdict.PROPOSED}
        with count_queries() as acting:
            assert len(take(lines, Use.CONFIRM, accountant).payments) == count
        return len(looking), len(acting)

    accountant.has_perm("asked once")
    few, many = queries(2), queries(20)

    assert few == many


def test_only_what_is_new_of_an_overlapping_file_is_taken_over() -> None:
    first = take([(1, "A"), (2, "B")])

    second = take([(2, "B"), (3, "C")])

    assert (second.new, second.known) == (1, 1)
    assert second.statement.known == 1
    assert [line.reference for line in first.statement.lines.order_by("no")] == ["A", "B"]


def test_equal_lines_of_one_file_are_two() -> None:
    assert take([(5, "A"), (5, "A")]).new == 2
    assert take([(5, "A"), (5, "A"), (5, "A")]).new == 1


def test_a_transfer_for_several_orders_is_all_of_its_payments() -> None:
    first, second = OrderFactory.create_batch(2, line_count=1)
    report(first, 60, "BOTH")
    report(second, 40, "BOTH")

    assert len(take([(100, "BOTH")], Use.CONFIRM).payments) == 2


def test_two_transfers_under_one_reference_are_told_apart_by_amount() -> None:
    first, second = OrderFactory.create_batch(2, line_count=1)
    report(first, 60, "SAME")
    report(second, 40, "SAME")

    assert len(take([(40, "SAME"), (60, "SAME")], Use.CONFIRM).payments) == 2


def test_money_that_came_once_confirms_once() -> None:
    first, second = OrderFactory.create_batch(2, line_count=1)
    report(first, 60, "ONCE")
    statement = take([(60, "ONCE")], Use.CONFIRM).statement
    report(second, 60, "ONCE")

    assert [e.verdict for e in matching.examine_statement(statement, actor("accountant"))] == [Verdict.DONE]
    assert verdicts([(60, "ONCE")], method="bank") == [Verdict.DONE]
    with pytest.raises(NothingToConfirm):
        statements.use_statement(statement.pk, Use.CONFIRM, decision=decide(actor("accountant")))


def test_what_was_confirmed_by_hand_is_done() -> None:
    confirm(report(OrderFactory(), 60, "HAND"))

    assert verdicts([(60, "HAND")]) == [Verdict.DONE]


def test_a_service_that_keeps_its_fee_sends_less() -> None:
    report(OrderFactory(), 60, "FEE", fee="0.36", method="card")

    assert verdicts([("59.64", "FEE")], method="card") == [Verdict.MATCHED]


def test_another_method_is_other_money() -> None:
    report(OrderFactory(), 60, "ALI-1", method="alipay")

    assert verdicts([(60, "ALI-1")]) == [Verdict.UNKNOWN]
    assert verdicts([(60, "ALI-1")], method="alipay") == [Verdict.MATCHED]


def test_money_that_was_rejected_differs_and_says_why() -> None:
    payment = report(OrderFactory(), 60, "GONE")
    payments.reject_payment(payment.pk, decision=decide(actor("accountant"), reason="RJ01", note="没有到账"))

    (each,) = examine([(60, "GONE")])

    assert (each.verdict, each.expected, each.payments) == (Verdict.DIFFERS, 0, [payment])
    assert each.note


def test_money_that_left_is_no_payment() -> None:
    assert verdicts([(-60, "OUT"), (0, "NONE")]) == [Verdict.OUTGOING] * 2


def test_an_order_named_in_the_reference_is_reported_by_one_and_confirmed_by_another(
    cashier: User, accountant: User
) -> None:
    order = OrderFactory(external_number="TM-88123")
    lines = [(100, f"货款 {order.number}"), (50, "淘宝#TM-88123 尾款")]
    (proposed, _other) = examine(lines)
    assert (proposed.verdict, proposed.order, proposed.expected) == (Verdict.PROPOSED, order, order.owed)

    reported = take(lines, Use.REPORT, cashier)

    assert {(p.amount, p.status, p.reported_by) for p in reported.payments} == {
        (100, PaymentState.REPORTED, cashier),
        (50, PaymentState.REPORTED, cashier),
    }
    confirmed = statements.use_statement(reported.statement.pk, Use.CONFIRM, decision=decide(accountant))
    assert [p.status for p in confirmed.payments] == [PaymentState.CONFIRMED] * 2
    order.refresh_from_db()
    assert order.received == 150
    with pytest.raises(NothingToReport):
        statements.use_statement(reported.statement.pk, Use.REPORT, decision=decide(cashier))


def test_whoever_reported_never_confirms_even_with_both_rights(cashier: User) -> None:
    both = UserFactory(role="cashier")
    both.groups.add(*actor("accountant").groups.all())
    report(OrderFactory(), 60, "OWN", by=both)
    (each,) = examine([(60, "OWN")], by=both)
    assert each.own

    taken = take([(60, "OWN")], Use.CONFIRM, both)

    assert taken.payments == []
    with pytest.raises(AllReportedByYourself):
        statements.use_statement(taken.statement.pk, Use.CONFIRM, decision=decide(both))
    assert Payment.objects.get().status == PaymentState.REPORTED


def test_more_than_the_order_owes_is_not_proposed() -> None:
    order = OrderFactory()

    (each,) = examine([(order.total + 1, order.number)])

    assert (each.verdict, each.expected, each.order) == (Verdict.DIFFERS, order.total, order)


def test_an_order_is_not_proposed_twice_under_one_reference_or_beyond_what_it_owes() -> None:
    order = OrderFactory()
    half = order.total / 2

    assert verdicts([(half, order.number), (half, order.number), (half + 1, f"to {order.number}")]) == [
        Verdict.PROPOSED,
        Verdict.DIFFERS,
        Verdict.DIFFERS,
    ]


def test_an_order_with_a_payment_under_another_reference_is_for_people() -> None:
    order = OrderFactory()
    payment = report(order, 60, "OTHER")

    (each,) = examine([(60, order.number)])

    assert (each.verdict, each.payments) == (Verdict.DIFFERS, [payment])


def test_a_reference_that_names_two_orders_is_unknown() -> None:
    first, second = OrderFactory.create_batch(2)

    (each,) = examine([(60, f"{first.number} {second.number}")])

    assert each.verdict == Verdict.UNKNOWN
    assert each.note


def test_payments_of_other_shops_and_currencies_are_not_seen() -> None:
    theirs, dollars = OrderFactory(shop=ShopFactory()), OrderFactory(shop=ShopFactory(currency="USD"))
    report(theirs, 60, "THEIRS")
    report(dollars, 60, "USD-1")
    lines = [(60, "THEIRS"), (60, theirs.number)]

    assert verdicts([(60, "USD-1")]) == [Verdict.UNKNOWN]
    assert verdicts([(60, "USD-1")], currency="USD") == [Verdict.MATCHED]
    user = UserFactory(shops=[ShopFactory()])
    assert verdicts(lines, by=user) == [Verdict.UNKNOWN] * 2


def test_nothing_else_is_done_than_what_was_shown(accountant: User) -> None:
    report(OrderFactory(), 60, "SEEN")
    read = draft(csv_of([(60, "SEEN")]))
    seen = matching.fingerprint(examine([(60, "SEEN")], by=accountant))
    confirm(Payment.objects.get())

    with unchanged(), pytest.raises(StatementChanged):
        statements.take_over(read, Use.CONFIRM, decision=decide(accountant), seen=seen)


@pytest.mark.parametrize(
    ("role", "use"),
    [("cashier", Use.CONFIRM), ("accountant", Use.REPORT), ("keeper", Use.KEEP), ("chief_accountant", Use.KEEP)],
)
def test_everybody_keeps_to_their_part(role: str, use: Use) -> None:
    statement, user = kept(), actor(role)

    with unchanged(), pytest.raises(Forbidden):
        take([(60, "X")], use, user)
    with unchanged(), pytest.raises(Forbidden):
        statements.use_statement(statement.pk, use, decision=decide(user))


def test_a_statement_is_seen_by_who_sees_every_shop_and_by_who_brought_it() -> None:
    statement = kept()
    stranger = UserFactory(shops=[ShopFactory()])

    assert not Statement.objects.visible_to(stranger).exists()
    assert Statement.objects.visible_to(statement.by).get() == statement
    with pytest.raises(NotFound):
        statements.use_statement(statement.pk, Use.CONFIRM, decision=decide(stranger))


def test_what_a_statement_said_never_changes() -> None:
    report(OrderFactory(), 60, "FIX")
    take([(60, "FIX")], Use.CONFIRM)

    for row in (Statement.objects.get(), StatementLine.objects.get(), StatementMatch.objects.get()):
        with pytest.raises(IntegrityError), transaction.atomic():
            type(row)._base_manager.filter(pk=row.pk).update(id=row.pk)


def test_the_database_itself_lets_a_payment_be_confirmed_by_one_line_only() -> None:
    report(OrderFactory(), 60, "WALL")
    statement = take([(60, "WALL"), (1, "ELSE")], Use.CONFIRM).statement
    other = statement.lines.get(reference="ELSE")
    again = StatementMatch(
        line=other,
        payment=Payment.objects.get(),
        use=StatementUse.CONFIRMED,
        by=statement.by,
        by_name="x",
        at=timezone.now(),
        channel="admin",
        request_id="",
        why="",
    )

    with pytest.raises(IntegrityError), transaction.atomic():
        StatementMatch.objects.bulk_create([again])
