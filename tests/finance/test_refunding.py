"""Refunds: asked for, approved and paid by three people, never more than was paid and is left over."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel import invariants
from erp.kernel.errors import Changed, Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent
from erp.kernel.validation import Missing
from finance.models import Payment, Refund, RefundState
from finance.services.payments import PaymentDraft, confirm_payments, report_payments
from finance.services.refunds import (
    AlreadyRefunding,
    DecidedAndPays,
    MoreThanOverpaid,
    MoreThanPaid,
    NoLongerOverpaid,
    NotConfirmed,
    NothingOverpaid,
    RefundDraft,
    RequesterApproves,
    UnknownGround,
    approve_refund,
    note_refund_failure,
    pay_refund,
    reject_refund,
    request_refund,
)
from orders.models import Order, PaymentStatus
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, UnknownParty
from orders.services.changing import OrderChange, change_order
from orders.services.closing import close_order
from orders.services.lifecycle import Refused
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.finance.refunding import REASON, REJECTED, overpaid, paid, requested, settle
from tests.ledger import booked
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves(db: None) -> Any:
    for role in ("salesperson", "service", "accountant", "cashier", "closer"):
        actor(role)
    yield
    assert list(invariants.broken()) == []


def test_what_was_paid_too_much_is_paid_back_line_by_line() -> None:
    order = OrderFactory(delivered=True)
    (payment,) = paid(order, "400", fee="1")
    refund = Refund.objects.get()
    assert (refund.amount, refund.requested_by, refund.payment_id) == (
        Decimal("0.04"),
        actor("accountant"),
        payment.pk,
    )
    approve_refund(refund.pk, decision=decide(UserFactory(role="accountant")))

    done = pay_refund(refund.pk, decision=decide(actor("cashier")))

    assert done.status == RefundState.PAID
    assert done.number.startswith("RF-")
    assert booked(order)[1:] == [
        ["payment", "Dr 1002 399", "Dr 6603 1", "Cr 2203 400"],
        ["refund", "Dr 2203 0.04", "Cr 1002 0.04"],
    ]
    now = Order.objects.get(pk=order.pk)
    assert (now.received, now.refunded) == (400, Decimal("0.04"))
    assert now.payment_status == PaymentStatus.PARTLY_REFUNDED
    mirrored = Payment.objects.get(pk=payment.pk)
    assert (mirrored.refunding, mirrored.refunded) == (0, Decimal("0.04"))
    topics = OutboxEvent.objects.filter(subject_type="finance.refund").order_by("pk").values_list("topic", flat=True)
    assert list(topics) == ["refund.request", "refund.approve", "refund.pay"]


def test_all_the_money_of_a_free_order_is_refunded() -> None:
    order = OrderFactory(zero_value=True)
    (_payment,) = paid(order, "5")

    approve_refund(Refund.objects.get().pk, decision=decide(UserFactory(role="accountant")))
    pay_refund(Refund.objects.get().pk, decision=decide(actor("cashier")))

    assert Order.objects.get(pk=order.pk).payment_status == PaymentStatus.REFUNDED


def test_what_is_left_over_is_asked_back_of_the_newest_payment_first() -> None:
    order = OrderFactory()
    drafts = [PaymentDraft(order.pk, "bank", f"R{no}", Decimal(399)) for no in range(3)]
    payments = report_payments(drafts, decision=decide(actor("cashier")))

    confirm_payments([payment.pk for payment in payments], decision=decide(actor("accountant")))

    asked = Refund.objects.order_by("pk").values_list("payment", "amount")
    assert list(asked) == [(payments[2].pk, 399), (payments[1].pk, Decimal("398.04"))]


def test_a_tail_within_the_tolerance_is_not_asked_back_since_closing_keeps_it() -> None:
    order = OrderFactory(shop=ShopFactory(tolerance=Decimal("1")))

    paid(order, "400.96")

    assert not Refund.objects.exists()


def test_what_is_being_refunded_already_is_not_asked_back_again() -> None:
    order = OrderFactory()

    paid(order, "400", "10")

    assert list(Refund.objects.order_by("pk").values_list("amount", flat=True)) == [Decimal("0.04"), 10]


def test_more_than_the_payment_is_refused_with_its_figures() -> None:
    _order, (first, _second) = overpaid("50", "900")
    settle(requested(first, "10"))
    requested(first, "20")

    with unchanged(), pytest.raises(MoreThanPaid) as refused:
        requested(first, "20.01")

    assert str(refused.value.params["left"]) == "20.00 CNY"


def test_more_than_what_is_overpaid_is_refused_with_its_figures() -> None:
    _order, (payment,) = overpaid("500")
    requested(payment, "60")

    with unchanged(), pytest.raises(MoreThanOverpaid) as refused:
        requested(payment, "40.05")

    assert str(refused.value.params["overpaid"]) == "100.04 CNY"
    assert str(refused.value.params["left"]) == "40.04 CNY"


def test_what_is_not_overpaid_or_being_refunded_already_is_told_apart() -> None:
    (exact,) = paid(OrderFactory(), "399.96")
    _order, (payment,) = overpaid("500")

    with unchanged(), pytest.raises(NothingOverpaid) as nothing:
        requested(exact, "10")
    requested(payment, "100.04")
    with unchanged(), pytest.raises(AlreadyRefunding) as refunding:
        requested(payment, "10")

    with override("en"):
        assert "is not overpaid, so 10.00 CNY cannot be refunded" in str(nothing.value)
        assert "is overpaid by 100.04 CNY, and all of it is being refunded already" in str(refunding.value)


@pytest.mark.parametrize(("fee", "refusal"), [("50", NoLongerOverpaid), ("100.04", NothingOverpaid)])
def test_a_refund_that_lost_its_ground_is_neither_approved_nor_paid(fee: str, refusal: type[Exception]) -> None:
    order, (payment,) = overpaid("500")
    refund = requested(payment, "100")
    dearer = OrderChange(shipping_fee=Decimal(fee))
    change_order(order.pk, dearer, decision=decide(actor("salesperson")))

    with unchanged(), pytest.raises(refusal):
        approve_refund(refund.pk, decision=decide(actor("accountant")))


def test_only_confirmed_money_is_refunded() -> None:
    order, _payments = overpaid("500")
    (payment,) = report_payments(
        [PaymentDraft(order.pk, "bank", "R9", Decimal(10))], decision=decide(actor("cashier"))
    )

    with unchanged(), pytest.raises(NotConfirmed):
        requested(payment, "10")


@pytest.mark.parametrize(
    ("draft", "reason", "refusal"),
    [
        ({"ground": "pity"}, REASON, UnknownGround),
        ({"party": "nobody"}, REASON, UnknownParty),
        ({}, {"reason": "RT06"}, ReasonNeedsNote),
        ({}, {"reason": "CL01"}, ReasonDoesNotApply),
    ],
)
def test_a_request_is_in_the_words_of_the_catalogue(draft: Any, reason: Any, refusal: type[Exception]) -> None:
    _order, (payment,) = overpaid("500")

    with unchanged(), pytest.raises(refusal):
        request_refund(RefundDraft(payment.pk, Decimal(1), **draft), decision=decide(actor("service"), **reason))


def test_the_same_form_sent_twice_asks_once() -> None:
    order, (payment,) = overpaid("500")
    order.refresh_from_db()
    draft, decision = RefundDraft(payment.pk, Decimal(1)), decide(actor("service"), **REASON)
    request_refund(draft, decision=decision, version=order.version)

    with unchanged(), pytest.raises(Changed):
        request_refund(draft, decision=decision, version=order.version)


def test_nobody_approves_what_he_requested() -> None:
    order = OrderFactory()
    paid(order, "500")

    with unchanged(), pytest.raises(RequesterApproves):
        approve_refund(Refund.objects.get().pk, decision=decide(actor("accountant")))


@pytest.mark.parametrize("role", ["service", "accountant"])
def test_nobody_pays_what_he_requested_or_approved(role: str) -> None:
    _order, (payment,) = overpaid("500")
    refund = requested(payment, "10")
    approve_refund(refund.pk, decision=decide(actor("accountant")))
    actor(role).groups.add(actor("cashier").groups.get())

    with unchanged(), pytest.raises(DecidedAndPays):
        pay_refund(refund.pk, decision=decide(actor(role)))


def test_a_payment_that_fails_leaves_the_refund_approved() -> None:
    _order, (payment,) = overpaid("500")
    refund = requested(payment, "10")
    approve_refund(refund.pk, decision=decide(actor("accountant")))
    with unchanged(), pytest.raises(Missing):
        note_refund_failure(refund.pk, " ", decision=decide(actor("cashier")))

    note_refund_failure(refund.pk, "账号有误", decision=decide(actor("cashier")))

    failed = Refund.objects.get(pk=refund.pk)
    assert (failed.status, failed.failure) == (RefundState.APPROVED, "账号有误")
    assert pay_refund(refund.pk, decision=decide(actor("cashier"))).status == RefundState.PAID


def test_a_rejected_refund_frees_what_it_asked_for() -> None:
    order, (payment,) = overpaid("500")
    refund = requested(payment, "100.04")
    approve_refund(refund.pk, decision=decide(actor("accountant")))

    reject_refund(refund.pk, decision=decide(actor("accountant"), **REJECTED))

    assert Payment.objects.get(pk=payment.pk).refunding == 0
    assert len(booked(order)) == 1
    assert requested(payment, "100.04").status == RefundState.REQUESTED


ACTS: dict[str, Any] = {
    "approve": lambda refund: approve_refund(refund.pk, decision=decide(actor("accountant"))),
    "pay": lambda refund: pay_refund(refund.pk, decision=decide(actor("cashier"))),
    "fail": lambda refund: note_refund_failure(refund.pk, "账号有误", decision=decide(actor("cashier"))),
    "reject": lambda refund: reject_refund(refund.pk, decision=decide(actor("accountant"), **REJECTED)),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_paid_refund_is_final(act: str) -> None:
    _order, (payment,) = overpaid("500")
    refund = settle(requested(payment, "10"))

    with unchanged(), pytest.raises(WrongState):
        ACTS[act](refund)


def test_each_act_needs_its_permission_and_an_order_in_scope() -> None:
    _order, (payment,) = overpaid("500")
    refund = requested(payment, "10")
    stranger = UserFactory(shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(Forbidden):
            request_refund(RefundDraft(payment.pk, Decimal(1)), decision=decide(actor("cashier"), **REASON))
        with pytest.raises(Forbidden):
            approve_refund(refund.pk, decision=decide(actor("cashier")))
        with pytest.raises(Forbidden):
            pay_refund(refund.pk, decision=decide(actor("accountant")))
        with pytest.raises(NotFound):
            approve_refund(refund.pk, decision=decide(stranger))


def test_an_open_refund_stands_in_the_way_of_closing() -> None:
    order = OrderFactory(completed=True)
    (payment,) = paid(order, "500")

    with unchanged(), pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(actor("closer"), reason="CL01"))

    assert {"finance.refund_open", "finance.overpaid"} <= set(refused.value.blockers)
    assert payment.number


def test_forty_confirmations_raise_their_refunds_in_as_many_queries_as_one() -> None:
    orders = OrderFactory.create_batch(42, reported=Decimal(500))
    payments = list(Payment.objects.order_by("pk").values_list("pk", flat=True))
    actor("accountant").has_perm("orders.all_shops")
    confirm_payments(payments[:1], decision=decide(actor("accountant")))

    counts = []
    for chosen in (payments[1:2], payments[2:]):
        with count_queries() as queries:
            confirm_payments(chosen, decision=decide(actor("accountant")))
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert Refund.objects.count() == len(orders)
