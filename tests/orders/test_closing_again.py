"""再次关闭: an order that was reopened is proved anew, and both closings and the reopening stay proved."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel import invariants
from finance.models import OrderBalance, Payment, Refund, Voucher
from finance.services.payments import charge_back_payment
from finance.services.refunds import approve_refund, pay_refund
from orders.models import ClosingRecord, Review, Status, Waiver
from orders.services import lifecycle, proof
from tests.factories import OrderFactory, ShopFactory, actor, decide
from tests.finance.refunding import paid
from tests.ledger import booked
from tests.orders.closings import blockers, close, set_policy, waive, without_tracking
from tests.orders.reopenings import another, close_again, fresh, reopen, review_again

pytestmark = pytest.mark.django_db

TRACKING = "logistics.tracking_missing"


@pytest.fixture(autouse=True)
def _all_holds(db: None) -> Iterator[None]:
    yield
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


def settlements(order: Any) -> list[str]:
    vouchers = Voucher.objects.filter(order=order, source_type="orders.order").order_by("period__first_day", "number")
    return [f"{voucher.purpose} {voucher.source_id.partition('/')[2]}" for voucher in vouchers]


def test_every_block_is_reviewed_anew() -> None:
    order = OrderFactory(closed=True)
    reopen(order)

    assert blockers(order) == ["orders.review_missing"] * 3


def test_a_review_belongs_to_the_cycle_it_was_made_in() -> None:
    order = OrderFactory(closed=True)
    reopen(order)

    close_again(order)

    assert sorted(Review.objects.filter(order=order).values_list("cycle", "block")) == [
        *((1, block) for block in ("finance", "logistics", "order")),
        *((2, block) for block in ("finance", "logistics", "order")),
    ]
    first, _reopening, second = ClosingRecord.objects.filter(order=order).order_by("sequence")
    at = {block: review["at"] for block, review in first.data["evidence"]["reviews"].items()}
    assert all(at[block] < review["at"] for block, review in second.data["evidence"]["reviews"].items())


def test_it_is_settled_and_recorded_again() -> None:
    order = OrderFactory(closed=True)
    reopen(order)

    close_again(order)

    now = fresh(order)
    assert (now.status, now.cycle, now.closed_by) == (Status.CLOSED, 2, actor("closer"))
    assert settlements(order) == ["settlement 1", "reversal 1", "settlement 2"]
    assert list(ClosingRecord.objects.order_by("position").values_list("sequence", "act")) == [
        (1, "close"),
        (2, "reopen"),
        (3, "close"),
    ]
    balance = OrderBalance.objects.get(order=order)
    assert (balance.receivable, balance.advance) == (0, 0)


def test_its_record_says_that_the_closer_did_not_reopen_it() -> None:
    order = OrderFactory(closed=True)
    reopen(order)
    close_again(order)

    first, _reopening, second = ClosingRecord.objects.order_by("position")

    codes = [{finding["code"] for finding in record.data["findings"]} for record in (first, second)]
    assert codes[1] - codes[0] == {"orders.own_reopening"}


def test_it_can_be_reopened_and_closed_again_and_again() -> None:
    order = OrderFactory(shop=ShopFactory(tolerance=Decimal(1)), completed=True, paid=Decimal("399.06"))
    review_again(order)
    close(order)

    for _ in range(3):
        reopen(order)
        close_again(order)

    assert settlements(order)[-3:] == ["settlement 3", "reversal 3", "settlement 4"]
    assert fresh(order).written_off == Decimal("0.90")
    assert [record.data["evidence"]["totals"]["written_off"] for record in _closings()] == ["0.9"] * 4


def _closings() -> Any:
    return ClosingRecord.objects.filter(act="close").order_by("position")


def test_whoever_reopened_it_closes_it_in_no_later_cycle() -> None:
    order = OrderFactory(closed=True)
    first = another()
    reopen(order, first)
    close_again(order)
    reopen(order)
    review_again(order)

    assert blockers(order, first) == ["orders.own_reopening"]


def test_it_is_not_closed_at_a_moment_before_its_reopening() -> None:
    order = OrderFactory(closed=True)
    reopen(order)
    review_again(order)
    reopened_at = fresh(order).reopened_at
    assert reopened_at

    with pytest.raises(lifecycle.Refused) as refused:
        close(order, at=reopened_at)

    assert refused.value.blockers == ["orders.dated_before_record"]


def test_what_is_open_after_the_closing_blocks_the_next_one() -> None:
    order = OrderFactory(closed=True)
    paid(order, "50")
    reopen(order)

    assert {"finance.overpaid", "finance.refund_open"} <= set(blockers(order))

    refund = Refund.objects.get(order=order)
    approve_refund(refund.pk, decision=decide(another("accountant")))
    pay_refund(refund.pk, decision=decide(actor("cashier")))
    close_again(order)

    assert booked(order)[2:] == [
        ["settlement", "Dr 2203 399.96", "Cr 1122 399.96"],
        ["payment", "Dr 1002 50", "Cr 2203 50"],
        ["reversal", "Cr 2203 399.96", "Dr 1122 399.96"],
        ["refund", "Dr 2203 50", "Cr 1002 50"],
        ["settlement", "Dr 2203 399.96", "Cr 1122 399.96"],
    ]


def test_a_payment_charged_back_after_closing_is_owed_in_the_next_cycle() -> None:
    order = OrderFactory(closed=True)
    charge_back_payment(Payment.objects.get(order=order).pk, decision=decide(actor("accountant"), reason="FN02"))
    reopen(order)

    assert "finance.unpaid" in blockers(order)

    paid(order, "399.96")
    close_again(order)

    assert booked(order)[2:] == [
        ["settlement", "Dr 2203 399.96", "Cr 1122 399.96"],
        ["charge_back", "Dr 1122 399.96", "Cr 1012 399.96"],
        ["reversal", "Cr 2203 399.96", "Dr 1122 399.96"],
        ["payment", "Dr 1002 399.96", "Cr 2203 399.96"],
        ["settlement", "Dr 2203 799.92", "Cr 1122 799.92"],
    ]


def test_a_waiver_lapses_with_its_cycle_and_is_given_anew() -> None:
    order = without_tracking()
    set_policy(TRACKING, "warn", shop=order.shop)
    waive(order, TRACKING)
    close(order)
    reopen(order)
    review_again(order)

    assert blockers(order) == [TRACKING]

    waive(order, TRACKING)
    close(order)

    assert list(Waiver.objects.filter(order=order).order_by("pk").values_list("cycle", flat=True)) == [1, 2]


def test_a_reopened_order_is_proved_while_it_is_open() -> None:
    order = OrderFactory(closed=True)
    other = OrderFactory(closed=True)

    reopen(order)
    paid(order, "50")

    assert list(proof.faults()) == []
    assert fresh(other).status == Status.CLOSED


def test_what_is_dated_later_but_came_first_is_no_part_of_the_reopening() -> None:
    """A payment confirmed while the reopening waited for the order: the record is of the moment it was decided."""
    order = OrderFactory(closed=True)
    decision_at = fresh(order).closed_at
    assert decision_at
    paid(order, "50")

    reopen(order, at=decision_at + timedelta(microseconds=1))

    assert ClosingRecord.objects.get(act="reopen").data["evidence"]["documents"] == []


def test_orders_closed_and_reopened_beside_each_other_are_proved_together() -> None:
    orders = OrderFactory.create_batch(3, closed=True)
    reopen(orders[1])
    close_again(orders[1])
    reopen(orders[0])
    close(OrderFactory(reviewed=True))

    assert ClosingRecord.objects.count() == 7
    assert list(proof.faults(chunk=2)) == []
