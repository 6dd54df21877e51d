"""反关闭: what reopening a closed order does, and who may."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from finance.models import OrderBalance, Payment, Refund, Voucher
from finance.services.payments import PaymentDraft, charge_back_payment, report_payment
from logistics.services.drafting import NotProcessing, pack_orders
from orders.models import ClosingRecord, Order, PaymentStatus, Status
from orders.services import lifecycle
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, ReasonUnknown
from orders.services.documents import BeforeClosing
from orders.services.holds import hold_order
from orders.services.lifecycle import Refused, Seen
from orders.services.reopening import reopen_order, reopen_orders
from orders.services.reviewing import review_order
from tests.database import reading_only, unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.finance.refunding import paid, requested, settle
from tests.ledger import booked, sides
from tests.orders.closings import close, review_as_it_is
from tests.orders.reopenings import REASON, another, close_again, fresh, reopen, reopening_blockers
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def closed_with_tail(paid: str, tolerance: str = "1") -> Any:
    """An order of 399.96 closed with a tail."""
    order = OrderFactory(shop=ShopFactory(tolerance=Decimal(tolerance)), completed=True, paid=Decimal(paid))
    review_as_it_is(order)
    close(order)
    return order


def reversal(order: Any) -> list[str]:
    return sides(Voucher.objects.get(order=order, purpose="reversal"))


def balance(order: Any) -> tuple[Decimal, Decimal]:
    row = OrderBalance.objects.get(order=order)
    return row.receivable, row.advance


def test_a_reopened_order_is_completed_again_in_a_new_cycle() -> None:
    order = OrderFactory(closed=True)
    by = another()
    decision = decide(by, **REASON)

    outcome = reopen_order(order.pk, decision=decision)

    now = fresh(order)
    assert outcome.done
    assert (now.status, now.cycle, now.reopened_at) == (Status.COMPLETED, 2, decision.at)
    assert (now.closed_at, now.closed_by, now.completed_at) == (None, None, order.completed_at)
    assert now.version == order.version + 1


def test_history_says_who_reopened_it_when_and_why() -> None:
    order = OrderFactory(closed=True)
    by = another()

    reopen(order, by)

    row = Order.history.filter(id=order.pk).latest("history_id")
    assert (row.status, row.cycle, row.history_user) == ("completed", 2, by)
    assert row.history_change_reason == "RO01 关错了"


def test_others_are_told_once() -> None:
    order = OrderFactory(closed=True)

    reopen(order)

    event = OutboxEvent.objects.get(topic="order.reopen")
    assert (event.subject_id, event.payload["status"]) == (str(order.pk), Status.COMPLETED)


def test_the_settlement_is_reversed_line_by_line_by_a_voucher_of_the_day() -> None:
    order = OrderFactory(closed=True, at=timezone.now() - timedelta(days=40))
    before = booked(order)

    reopen(order)

    assert before[-1] == ["settlement", "Dr 2203 399.96", "Cr 1122 399.96"]
    assert booked(order) == [*before, ["reversal", "Cr 2203 399.96", "Dr 1122 399.96"]]
    assert balance(order) == (Decimal("399.96"), Decimal("399.96"))
    voucher = Voucher.objects.get(purpose="reversal")
    settlement = Voucher.objects.get(purpose="settlement")
    assert (voucher.source_type, voucher.source_id) == (settlement.source_type, settlement.source_id)
    assert (voucher.source, voucher.date) == (order.number, timezone.localdate())


def test_a_tail_short_is_owed_again() -> None:
    order = closed_with_tail("399.06")

    reopen(order)

    assert reversal(order) == ["Cr 2203 399.06", "Cr 6711 0.9", "Dr 1122 399.96"]
    now = fresh(order)
    assert (now.written_off, now.owed, now.payment_status) == (0, Decimal("0.90"), PaymentStatus.PARTLY_PAID)


def test_a_tail_over_is_to_be_paid_back_again() -> None:
    order = closed_with_tail("400.86")

    reopen(order)

    assert reversal(order) == ["Cr 2203 400.86", "Dr 1122 399.96", "Dr 6301 0.9"]
    now = fresh(order)
    assert (now.written_off, now.owed, now.payment_status) == (0, Decimal("-0.90"), PaymentStatus.OVERPAID)


def test_where_nothing_was_settled_nothing_is_reversed() -> None:
    order = OrderFactory(closed=True, zero_value=True)
    before = booked(order)

    reopen(order)

    assert booked(order) == before
    assert ClosingRecord.objects.get(order=order, act="reopen").data["evidence"]["vouchers"] == []


def test_both_balances_grow_by_the_reversal_whatever_was_posted_after_the_closing() -> None:
    charged_back, overpaid = OrderFactory(closed=True), OrderFactory(closed=True)
    back = decide(actor("accountant"), reason="FN02")
    charge_back_payment(Payment.objects.get(order=charged_back).pk, decision=back)
    paid(overpaid, "50")
    assert balance(charged_back) == (Decimal("399.96"), 0)
    assert balance(overpaid) == (0, Decimal(50))

    reopen(charged_back)
    reopen(overpaid)

    assert balance(charged_back) == (Decimal("799.92"), Decimal("399.96"))
    assert balance(overpaid) == (Decimal("399.96"), Decimal("449.96"))


def test_it_can_be_previewed_in_words() -> None:
    order, by = closed_with_tail("399.06"), another()

    with reading_only(), override("en"):
        outcome = lifecycle.preview("reopen", [order.pk], decide(by))[order.pk]
        described = [effect.describe() for effect in outcome.effects]

    settlement = Voucher.objects.get(purpose="settlement")
    assert described == [
        f"The settlement {settlement} is reversed by a voucher of today. A tail of 0.90 CNY is owed again.",
        "A record of the reopening is written that can never be changed. Before the order can be closed again, "
        "everything is reviewed anew (Order information, Finance information, Logistics information); waivers lapse.",
    ]


def test_a_tail_over_is_told_in_words_too() -> None:
    order = closed_with_tail("400.86")

    with override("en"):
        described = reopen(order).effects[0].describe()

    assert described.endswith("A tail of 0.90 CNY is overpaid again.")


def test_its_record_is_chained_and_says_what_it_undoes_and_why() -> None:
    order = OrderFactory(closed=True)
    OrderFactory(closed=True)
    by = another()
    decision = decide(by, reason="RO02", note="少收一笔", request_id="r-1")

    reopen_order(order.pk, decision=decision)

    closing, before, record = ClosingRecord.objects.order_by("position")
    content = record.data
    assert (record.sequence, record.act, record.reason, record.by) == (2, "reopen", "RO02", by)
    assert (record.at, record.order, record.previous_digest) == (decision.at, order, before.digest)
    assert {
        name: content[name] for name in ("act", "number", "position", "sequence", "reason", "note", "request")
    } == {
        "act": "reopen",
        "number": order.number,
        "position": "3",
        "sequence": "2",
        "reason": "RO02",
        "note": "少收一笔",
        "request": "r-1",
    }
    assert content["by"] == {"id": str(by.pk), "name": by.name, "roles": ["系统管理员"]}
    assert content["answers"] == {"position": "1", "digest": closing.digest}
    assert [each["purpose"] for each in content["evidence"]["vouchers"]] == ["settlement", "reversal"]
    assert [each["number"] for each in content["evidence"]["vouchers"]] == [
        str(voucher) for voucher in Voucher.objects.filter(order=order, source_type="orders.order").order_by("number")
    ]
    assert content["evidence"]["documents"] == []
    assert {(finding["code"], finding["level"]) for finding in content["findings"]} == {
        ("orders.own_closing", "passed"),
        ("orders.dated_before_record", "passed"),
    }


def test_its_record_names_what_was_open_after_the_closing() -> None:
    order = OrderFactory(closed=True)
    paid(order, "50")
    refund = Refund.objects.get(order=order)
    reported = report_payment(PaymentDraft(order.pk, "bank", "R9", Decimal(9)), decision=decide(actor("cashier")))

    reopen(order)

    documents = ClosingRecord.objects.get(order=order, act="reopen").data["evidence"]["documents"]
    assert [(each["type"], each["number"], each["state"]) for each in documents] == [
        ("payment", reported.number, "reported"),
        ("refund", refund.number, "requested"),
    ]


def test_whoever_closed_it_may_not_reopen_it() -> None:
    order = OrderFactory(closed=True)

    with unchanged():
        assert reopening_blockers(order, actor("closer")) == ["orders.own_closing"]


def test_whoever_closed_it_in_any_cycle_may_not_reopen_it() -> None:
    order = OrderFactory(closed=True)
    reopen(order)
    close_again(order, another())

    with unchanged():
        assert reopening_blockers(order, actor("closer")) == ["orders.own_closing"]


def test_whoever_reopened_it_may_not_close_it_again() -> None:
    order = OrderFactory(closed=True)
    by = another()
    reopen(order, by)

    with unchanged(), pytest.raises(Refused) as refused:
        close(order, by)

    assert "orders.own_reopening" in refused.value.blockers


def test_no_policy_and_no_waiver_lets_that_pass() -> None:
    findings = lifecycle.preview("reopen", [OrderFactory(closed=True).pk], decide(actor("closer")))
    (own,) = [each for outcome in findings for each in outcome.findings if each.code == "orders.own_closing"]

    assert own.is_blocker
    assert not own.is_soft


def test_a_person_without_the_permission_is_refused() -> None:
    order = OrderFactory(closed=True)

    for role in ("salesperson", "accountant", "chief_accountant", "auditor"):
        by = another(role)
        with unchanged(), pytest.raises(Forbidden):
            reopen(order, by)


def test_an_order_out_of_scope_is_not_found() -> None:
    order = OrderFactory(closed=True)
    elsewhere = UserFactory(shops=[ShopFactory()])

    with unchanged(), pytest.raises(NotFound):
        reopen(order, elsewhere)


@pytest.mark.parametrize(
    ("kwargs", "refusal"),
    [
        ({"reason": "RO01", "note": " "}, ReasonNeedsNote),
        ({"reason": "CL01", "note": "x"}, ReasonDoesNotApply),
        ({"reason": "", "note": "x"}, ReasonUnknown),
    ],
    ids=["without a note", "of another act", "without a reason"],
)
def test_it_needs_a_reason_of_its_own_and_a_note(kwargs: dict[str, str], refusal: type[Exception]) -> None:
    order, by = OrderFactory(closed=True), another()

    with unchanged(), pytest.raises(refusal):
        reopen(order, by, **kwargs)


@pytest.mark.parametrize("story", [{}, {"processing": True}, {"completed": True}], ids=str)
def test_what_is_not_closed_is_not_reopened(story: dict[str, bool]) -> None:
    order, by = OrderFactory(**story), another()

    with unchanged():
        assert reopening_blockers(order, by) == ["orders.wrong_state"]


def test_an_order_is_reopened_once() -> None:
    order = OrderFactory(closed=True)
    reopen(order)
    by = another()

    with unchanged():
        assert reopening_blockers(order, by) == ["orders.wrong_state"]


def test_it_is_not_dated_before_the_closing() -> None:
    order = OrderFactory(closed=True)
    by = another()

    with unchanged(), pytest.raises(Refused) as refused:
        reopen(order, by, at=order.closed_at)

    assert refused.value.blockers == ["orders.dated_before_record"]


def test_what_was_changed_since_it_was_shown_is_not_reopened() -> None:
    order = OrderFactory(closed=True)
    by = another()
    shown = lifecycle.preview("reopen", [order.pk], decide(by))[order.pk]
    paid(order, "50")

    with unchanged(), pytest.raises(Refused) as refused:
        reopen_order(order.pk, decision=decide(by, **REASON), seen=Seen(shown.version, shown.digest))

    assert refused.value.blockers == ["orders.changed"]


def test_its_documents_are_written_again_as_when_it_was_completed() -> None:
    order = OrderFactory(closed=True)
    reopen(order)

    report_payment(PaymentDraft(order.pk, "bank", "R9", Decimal(9)), decision=decide(actor("cashier")))
    review_order(order.pk, "order", decision=decide(actor("salesperson")))
    hold_order(order.pk, decision=decide(actor("service"), reason="HO04"))

    assert fresh(order).is_on_hold


def test_nothing_is_shipped_anew() -> None:
    order = OrderFactory(closed=True)
    reopen(order)

    with unchanged(), pytest.raises(NotProcessing):
        pack_orders([order.pk], decision=decide(actor("keeper")))


def test_nothing_is_dated_before_the_reopening() -> None:
    order = OrderFactory(closed=True)
    now = timezone.now()
    reopen(order, at=now)
    draft = PaymentDraft(order.pk, "bank", "R9", Decimal(9))

    with unchanged(), pytest.raises(BeforeClosing) as refused:
        report_payment(draft, decision=decide(actor("cashier"), at=now))

    assert refused.value.params["number"] == order.number
    report_payment(draft, decision=decide(actor("cashier"), at=now + timedelta(microseconds=1)))


def test_many_are_reopened_at_the_cost_of_one() -> None:
    orders = OrderFactory.create_batch(31, closed=True)
    by = another()
    by.has_perm("orders.all_shops")

    def count(chosen: list[Any]) -> int:
        with count_queries() as statements:
            outcomes = reopen_orders([order.pk for order in chosen], decision=decide(by, **REASON))
        assert not outcomes.refused
        return len(statements)

    assert count(orders[:1]) == count(orders[1:])


def test_of_many_each_is_reopened_or_refused_by_itself() -> None:
    closed, completed = OrderFactory(closed=True), OrderFactory(completed=True)

    outcomes = reopen_orders([closed.pk, completed.pk], decision=decide(another(), **REASON))

    assert [outcome.order_id for outcome in outcomes.done] == [closed.pk]
    assert outcomes[completed.pk].codes == ["orders.wrong_state"]


def test_a_refund_of_a_reopened_order_is_asked_for_as_before() -> None:
    order = closed_with_tail("400.86")
    reopen(order)
    payment = Payment.objects.get(order=order)

    refund = settle(requested(payment, "0.90"))

    assert (refund.status, fresh(order).owed) == ("paid", 0)
