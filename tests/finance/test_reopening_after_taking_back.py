"""反关闭 of an order whose tail was paid after all: the tail is neither owed nor overpaid a second time."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils.translation import override

from erp.kernel import invariants
from finance import selectors
from finance.models import OrderBalance, Payment, Refund, Voucher, VoucherLine
from finance.services.payments import charge_back_payment
from finance.services.refunds import approve_refund, pay_refund
from logistics.services.returns import reject_return
from orders.contract import Batch
from orders.models import ClosingRecord, Order, PaymentStatus
from orders.services import lifecycle, proof
from orders.services.reopening import reopen_orders
from tests.factories import OrderFactory, ShopFactory, actor, decide
from tests.finance.giving_up import allowance, allowed, one_line, review_and_close, write_off
from tests.finance.refunding import paid, settle
from tests.ledger import booked
from tests.logistics.returning import REJECTED, approved, received, requested
from tests.orders.reopenings import another, close_again, fresh, reopen
from tests.support import count_queries, offenders, without_guards

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _all_holds(db: None) -> Iterator[None]:
    yield
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


def closed_short(paid_: str = "225.5", **story: Any) -> Any:
    """An order over 226, closed with what is missing as its tail."""
    order = one_line(paid=Decimal(paid_), shop=ShopFactory(tolerance=Decimal(1)), **story)
    review_and_close(order)
    return order


def balance(order: Any) -> tuple[Decimal, Decimal]:
    row = OrderBalance.objects.get(order=order)
    return row.receivable, row.advance


def test_a_tail_that_was_paid_is_not_owed_again() -> None:
    order = closed_short()
    paid(order, "0.70")

    reopen(order)

    settlement = ["settlement", "Dr 2203 225.5", "Dr 6711 0.5", "Cr 1122 226"]
    assert booked(order)[2:] == [
        settlement,
        ["payment", "Dr 1002 0.7", "Cr 2203 0.7"],
        ["taken_back", "Dr 2203 0.5", "Cr 6711 0.5"],
        ["reversal", "Cr 2203 225.5", "Cr 6711 0.5", "Dr 1122 226"],
        ["reversal", "Cr 2203 0.5", "Dr 6711 0.5"],
    ]
    now = fresh(order)
    assert (now.written_off, now.owed, now.payment_status) == (0, Decimal("-0.2"), PaymentStatus.OVERPAID)
    assert balance(order) == (226, Decimal("226.2"))

    refund = Refund.objects.get(order=order)
    approve_refund(refund.pk, decision=decide(another("accountant")))
    pay_refund(refund.pk, decision=decide(actor("cashier")))
    close_again(order)

    assert booked(order)[7:] == [
        ["refund", "Dr 2203 0.2", "Cr 1002 0.2"],
        ["settlement", "Dr 2203 226", "Cr 1122 226"],
    ]
    assert balance(order) == (0, 0)
    closings = ClosingRecord.objects.filter(act="close").order_by("position")
    assert [record.data["evidence"]["totals"]["written_off"] for record in closings] == ["0.5", "0"]


def test_what_was_not_paid_of_a_tail_is_owed_again_and_no_more() -> None:
    order = closed_short()
    paid(order, "0.30")

    reopen(order)

    assert (fresh(order).written_off, fresh(order).owed) == (0, Decimal("0.2"))
    close_again(order)
    assert booked(order)[-1] == ["settlement", "Dr 2203 225.8", "Dr 6711 0.2", "Cr 1122 226"]


def test_a_tail_allowed_instead_of_paid_is_not_owed_again() -> None:
    order = closed_short()
    allowed(order, "22.6")
    settle(Refund.objects.get(order=order))

    reopen(order)
    close_again(order)

    assert booked(order)[3:] == [
        ["allowance", "Dr 6001 20", "Dr 2221 2.6", "Cr 2203 22.6"],
        ["taken_back", "Dr 2203 0.5", "Cr 6711 0.5"],
        ["refund", "Dr 2203 22.1", "Cr 1012 22.1"],
        ["reversal", "Cr 2203 225.5", "Cr 6711 0.5", "Dr 1122 226"],
        ["reversal", "Cr 2203 0.5", "Dr 6711 0.5"],
        ["settlement", "Dr 2203 226", "Cr 1122 226"],
    ]


def test_money_that_took_the_tail_back_and_was_charged_back_is_owed() -> None:
    order = closed_short()
    (late,) = paid(order, "0.50")
    charge_back_payment(late.pk, decision=decide(actor("accountant"), reason="FN02"))
    assert balance(order) == (Decimal("0.5"), 0)

    reopen(order)

    assert (fresh(order).written_off, fresh(order).owed) == (0, Decimal("0.5"))
    assert balance(order) == (Decimal("226.5"), 226)
    close_again(order)
    assert booked(order)[-1] == ["settlement", "Dr 2203 226", "Dr 6711 0.5", "Cr 1122 226.5"]


def test_each_closing_mirrors_only_what_took_its_own_tail_back() -> None:
    order = closed_short()
    paid(order, "0.10", "0.20")
    reopen(order)
    close_again(order)
    paid(order, "0.05")
    reopen(order)

    assert Voucher.objects.filter(order=order, purpose="reversal", source_type="finance.takenback").count() == 3
    assert (fresh(order).written_off, fresh(order).owed) == (0, Decimal("0.15"))
    close_again(order)
    assert (fresh(order).written_off, balance(order)) == (Decimal("0.15"), (0, 0))


def test_a_closed_order_whose_tail_was_paid_agrees_with_its_books() -> None:
    order = closed_short()
    paid(order, "0.70")

    (account,) = selectors.order_accounts(Batch([fresh(order)], decide(actor("accountant")), acting=False))

    assert (account.owed, account.agrees) == (Decimal("-0.2"), True)


def test_the_preview_says_that_it_was_paid() -> None:
    order = closed_short()
    paid(order, "0.30")

    with override("en"):
        effects = lifecycle.preview("reopen", [order.pk], decide(another()))[order.pk].effects
        described = [effect.describe() for effect in effects]

    taken_back = Voucher.objects.get(purpose="taken_back")
    assert described[0].endswith("A tail of 0.50 CNY is owed again.")
    assert described[1] == f"0.30 CNY of it were taken back since: {taken_back} is reversed too."


def test_the_record_names_both_reversals_and_what_each_undoes() -> None:
    order = closed_short()
    paid(order, "0.50")

    reopen(order)

    vouchers = ClosingRecord.objects.get(act="reopen").data["evidence"]["vouchers"]
    assert [each["purpose"] for each in vouchers] == ["settlement", "taken_back", "reversal", "reversal"]


def test_the_record_names_allowances_and_write_offs_open_then() -> None:
    order = closed_short()
    paid(order, "3")
    asked = [allowance(order, "1"), write_off(order, "1", "unclaimed")]

    reopen(order)

    documents = ClosingRecord.objects.get(act="reopen").data["evidence"]["documents"]
    refund = Refund.objects.get(order=order)
    assert [(each["type"], each["number"], each["state"]) for each in documents] == [
        ("refund", refund.number, "requested"),
        ("allowance", asked[0].number, "requested"),
        ("write_off", asked[1].number, "requested"),
    ]


def test_the_record_names_returns_open_then_as_they_stood() -> None:
    order = one_line(paid=True)
    review_and_close(order)
    asked, agreed = requested(order, {1: 1}), approved(order, {1: 1})

    reopen(order)

    named = [(asked.number, "requested"), (agreed.number, "approved")]
    documents = ClosingRecord.objects.get(act="reopen").data["evidence"]["documents"]
    assert [(each["number"], each["state"]) for each in documents if each["type"] == "return"] == named
    # What becomes of them later is no part of it.
    reject_return(asked.pk, decision=decide(actor("logistician"), **REJECTED))
    received(agreed)
    assert list(proof.faults()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: VoucherLine.objects.filter(account="6711", credit=0, voucher__in=_mirrors()).update(debit=5),
        lambda: _mirrors().update(source_id="0"),
        lambda: Order.objects.update(cycle=1, reopened_at=None),
    ],
    ids=["another amount", "none", "of a closing in force"],
)
def test_a_tail_taken_back_and_not_mirrored_is_found(spoil: Any) -> None:
    order = closed_short()
    paid(order, "0.50")
    reopen(order)
    assert offenders("finance.reversals_mirror") == []

    with transaction.atomic():
        with without_guards(Voucher, VoucherLine, Order):
            spoil()
        assert offenders("finance.reversals_mirror") != []
        transaction.set_rollback(True)


def _mirrors() -> Any:
    return Voucher.objects.filter(purpose="reversal", source_type="finance.takenback")


def test_many_are_reopened_at_the_cost_of_one() -> None:
    orders = OrderFactory.create_batch(
        11, shop=ShopFactory(tolerance=Decimal(1)), line_count=1, completed=True, paid=Decimal("199")
    )
    for order in orders:
        review_and_close(order)
        paid(order, "0.50")
    assert Payment.objects.count() == 22
    by = another()
    by.has_perm("orders.all_shops")

    counts = []
    for chosen in (orders[:1], orders[1:]):
        with count_queries() as statements:
            outcomes = reopen_orders([order.pk for order in chosen], decision=decide(by, reason="RO01", note="关错了"))
        assert not outcomes.refused
        counts.append(len(statements))
    assert counts[0] == counts[1]
