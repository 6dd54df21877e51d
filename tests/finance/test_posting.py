"""Vouchers are born posted: balanced, gapless, in the order of their days, and never changed."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.errors import RefusedByDatabase
from erp.kernel.locks import Locks, take, unit_of_work
from finance.models import Account, OrderBalance, Period, Purpose, Voucher, VoucherLine
from finance.services import posting
from finance.services.posting import DatedBefore, Draft, Entry, PeriodClosed, credit, debit
from tests.factories import OrderFactory, actor, decide
from tests.ledger import sides

pytestmark = pytest.mark.django_db

JANUARY = datetime(2026, 1, 20, 4, tzinfo=UTC)


def voucher_draft(source: str, *entries: Entry, currency: str = "CNY", order: Any = None) -> Draft:
    return Draft(
        purpose=Purpose.RECEIPT,
        source_type="test",
        source_id=source,
        source=source,
        currency=currency,
        entries=entries or [debit("1405", Decimal(10)), credit("2202", Decimal(10))],
        order=order,
    )


def post(*drafts: Draft, at: datetime = JANUARY) -> list[Voucher]:
    with unit_of_work(decide(actor("accountant"), at=at)):
        return posting.post(drafts)


def post_and_fail(*drafts: Draft) -> None:
    with suppress(RuntimeError), unit_of_work(decide(actor("accountant"), at=JANUARY)):
        assert posting.post(drafts)
        raise RuntimeError


def numbers(currency: str = "CNY") -> list[str]:
    return [str(voucher) for voucher in Voucher.objects.filter(currency=currency).order_by("period", "number")]


def test_a_voucher_says_who_posted_what_when_and_for_which_document() -> None:
    (voucher,) = post(voucher_draft("X1"))

    kept = Voucher.objects.get()
    assert kept == voucher
    assert (kept.purpose, kept.source_type, kept.source_id, kept.source) == ("receipt", "test", "X1", "X1")
    assert (kept.by, kept.by_name, kept.at) == (actor("accountant"), actor("accountant").name, JANUARY)
    assert sides(kept) == ["Dr 1405 10", "Cr 2202 10"]
    assert [str(line) for line in voucher.posted] == ["1405 10 0", "2202 0 10"]


def test_sides_without_an_amount_are_left_out() -> None:
    (voucher,) = post(
        voucher_draft("X1", debit("1405", Decimal(10)), debit("6603", Decimal(0)), credit("2202", Decimal(10)))
    )

    assert sides(voucher) == ["Dr 1405 10", "Cr 2202 10"]


def test_a_draft_without_amounts_is_no_voucher_and_draws_no_number() -> None:
    empty = voucher_draft("X1", debit("1405", Decimal(0)), credit("2202", Decimal(0)))

    assert post(empty) == []
    assert not Period.objects.exists()
    assert [voucher.source for voucher in post(empty, voucher_draft("X2"))] == ["X2"]
    assert numbers() == ["CNY-202601-000001"]


@pytest.mark.parametrize(
    "entries",
    [
        [debit("1405", Decimal(10)), credit("2202", Decimal("9.99"))],
        [debit("1405", Decimal(10))],
        [debit("1405", Decimal(10)), debit("6603", Decimal(10))],
    ],
    ids=["a cent apart", "one line", "two debits"],
)
def test_an_unbalanced_voucher_is_refused_by_the_database(entries: list[Entry]) -> None:
    with pytest.raises(RefusedByDatabase, match="finance_voucher_balanced"):
        post(voucher_draft("X1", *entries))

    assert not Voucher.objects.exists()
    assert not VoucherLine.objects.exists()


def test_a_later_line_is_refused_by_the_database() -> None:
    (voucher,) = post(voucher_draft("X1"))

    with pytest.raises(IntegrityError, match="before_voucher"), transaction.atomic():
        VoucherLine.objects.create(voucher=voucher, account_id="1405", debit=Decimal(1))


@pytest.mark.parametrize(
    "values",
    [{}, {"debit": Decimal(1), "credit": Decimal(1)}, {"debit": Decimal(-1)}, {"credit": Decimal(-1)}],
    ids=str,
)
def test_a_line_has_one_side_above_zero(values: dict[str, Decimal]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        VoucherLine.objects.create(voucher_id=uuid.uuid4(), account_id="1405", **values)


CHANGES: dict[str, Callable[[], object]] = {
    "date of a voucher": lambda: Voucher.objects.update(date=date(2026, 1, 1)),
    "source of a voucher": lambda: Voucher.objects.update(source="X2"),
    "amount of a line": lambda: VoucherLine.objects.filter(debit=10).update(debit=11),
    "account of a line": lambda: VoucherLine.objects.update(account="1002"),
    "deleting a line": lambda: VoucherLine.objects.all().delete(),
    "deleting a voucher": lambda: Voucher.objects.all()._raw_delete("default"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_voucher_is_never_changed_or_deleted(change: Callable[[], object]) -> None:
    post(voucher_draft("X1"))

    with pytest.raises(IntegrityError), transaction.atomic():
        change()


def test_an_account_in_use_cannot_be_deleted() -> None:
    post(voucher_draft("X1"))

    with pytest.raises(IntegrityError), transaction.atomic(), acting(decide(actor("accountant"))):
        Account.objects.get(code="1405").delete()


def test_numbers_count_on_without_a_gap_within_a_month_of_a_book() -> None:
    post(voucher_draft("A"), voucher_draft("B"))
    post(voucher_draft("C"))
    post(voucher_draft("D"), at=datetime(2026, 2, 1, 4, tzinfo=UTC))

    assert numbers() == ["CNY-202601-000001", "CNY-202601-000002", "CNY-202601-000003", "CNY-202602-000001"]


def test_numbers_of_a_transaction_rolled_back_are_given_back() -> None:
    post(voucher_draft("A"))
    post_and_fail(voucher_draft("B"), voucher_draft("C"))
    post(voucher_draft("D"))

    assert numbers() == ["CNY-202601-000001", "CNY-202601-000002"]
    assert [voucher.source for voucher in Voucher.objects.order_by("number")] == ["A", "D"]


def test_the_first_voucher_of_a_month_rolled_back_leaves_no_period() -> None:
    post_and_fail(voucher_draft("A"))

    assert not Period.objects.exists()


def test_each_currency_is_a_book_of_its_own() -> None:
    post(voucher_draft("A"), voucher_draft("B", currency="USD"), voucher_draft("C"))

    assert numbers("CNY") == ["CNY-202601-000001", "CNY-202601-000002"]
    assert numbers("USD") == ["USD-202601-000001"]
    assert list(Period.objects.order_by("currency").values_list("currency", "next_number")) == [("CNY", 3), ("USD", 2)]


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 1, 31, 15, 59, 59, 999999, tzinfo=UTC), date(2026, 1, 31)),
        (datetime(2026, 1, 31, 16, 0, tzinfo=UTC), date(2026, 2, 1)),
        (datetime(2024, 2, 29, 3, tzinfo=UTC), date(2024, 2, 29)),
        (datetime(2025, 12, 31, 16, 0, tzinfo=UTC), date(2026, 1, 1)),
    ],
)
def test_a_voucher_is_dated_the_day_of_its_act_in_the_companys_zone(at: datetime, day: date) -> None:
    (voucher,) = post(voucher_draft("A"), at=at)

    assert (voucher.date, voucher.period.first_day) == (day, day.replace(day=1))


def test_numbers_run_with_the_days() -> None:
    post(voucher_draft("A"), at=datetime(2026, 1, 20, 4, tzinfo=UTC))

    with pytest.raises(DatedBefore) as refused:
        post(voucher_draft("B"), at=datetime(2026, 1, 19, 4, tzinfo=UTC))

    assert refused.value.code == "finance.dated_before"
    assert refused.value.params == {
        "period": "2026-01",
        "currency": "CNY",
        "last": date(2026, 1, 20),
        "date": date(2026, 1, 19),
    }
    assert numbers() == ["CNY-202601-000001"]


def test_another_hour_of_the_same_day_may_be_earlier() -> None:
    post(voucher_draft("A"), at=datetime(2026, 1, 20, 8, tzinfo=UTC))
    post(voucher_draft("B"), at=datetime(2026, 1, 20, 4, tzinfo=UTC))

    assert len(numbers()) == 2


def test_an_open_month_takes_vouchers_after_the_next_has_begun() -> None:
    post(voucher_draft("A"), at=datetime(2026, 2, 3, 4, tzinfo=UTC))
    post(voucher_draft("B"), at=datetime(2026, 1, 20, 4, tzinfo=UTC))

    assert sorted(numbers()) == ["CNY-202601-000001", "CNY-202602-000001"]


def test_nothing_posts_into_a_closed_period() -> None:
    post(voucher_draft("A"))
    Period.objects.update(closed_at=timezone.now(), closed_by=actor("accountant"), digest="d" * 64)

    with pytest.raises(PeriodClosed) as refused:
        post(voucher_draft("B"))

    assert (refused.value.code, refused.value.params["period"]) == ("finance.period_closed", "2026-01")
    assert numbers() == ["CNY-202601-000001"]


def test_a_document_posts_once_for_each_purpose() -> None:
    post(voucher_draft("A"))

    with pytest.raises(RefusedByDatabase):
        post(voucher_draft("A"))


def test_balances_of_an_order_follow_its_vouchers() -> None:
    order = OrderFactory()

    post(voucher_draft("A", debit("1122", Decimal(100)), credit("6001", Decimal(100)), order=order))
    post(voucher_draft("B", debit("1002", Decimal(30)), credit("2203", Decimal(30)), order=order))
    post(voucher_draft("C", debit("2203", Decimal(20)), credit("1122", Decimal(20)), order=order))

    balance = OrderBalance.objects.get()
    assert (balance.order_id, balance.receivable, balance.advance) == (order.pk, 80, 10)


@pytest.mark.parametrize(("debited", "credited"), [("2203", "1122"), ("1002", "1122"), ("2203", "1002")])
def test_a_balance_of_an_order_never_becomes_negative(debited: str, credited: str) -> None:
    order = OrderFactory()
    post(voucher_draft("A", debit("1122", Decimal(10)), credit("2203", Decimal(10)), order=order))

    with pytest.raises(RefusedByDatabase, match="never_negative"):
        post(voucher_draft("B", debit(debited, Decimal(11)), credit(credited, Decimal(11)), order=order))

    assert len(numbers()) == 1


def test_a_first_balance_is_held_to_the_same() -> None:
    with pytest.raises(RefusedByDatabase, match="never_negative"):
        post(voucher_draft("A", debit("2203", Decimal(1)), credit("1002", Decimal(1)), order=OrderFactory()))


def test_nothing_of_a_lower_rank_is_locked_after_numbers() -> None:
    with unit_of_work(decide(actor("accountant"), at=JANUARY)):
        posting.post([voucher_draft("A")])
        with pytest.raises(AssertionError, match="locks go up only"):
            take(Locks.STOCK)


def test_posting_happens_in_a_unit_of_work_only() -> None:
    with pytest.raises(AssertionError), acting(decide(actor("accountant"))), transaction.atomic():
        posting.post([voucher_draft("A")])


def test_what_is_posted_proves_itself() -> None:
    post(voucher_draft("A", debit("1002", Decimal(5)), credit("6301", Decimal(5))))
    post(voucher_draft("B", debit("6711", Decimal(2)), credit("1002", Decimal(2)), currency="USD"))

    assert list(invariants.broken()) == []
