"""Payments voided and charged back, before and after closing; old proofs stand."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel import invariants
from erp.kernel.errors import Forbidden, WrongState
from finance.models import OrderBalance, Payment, PaymentState, Refund, RefundState
from finance.services.payments import RefundPaid, charge_back_payment, void_payment
from finance.services.refunds import approve_refund, pay_refund
from orders.models import Order, PaymentStatus
from orders.services.cancelling import cancel_order
from orders.services.catalogue import ReasonUnknown
from orders.services.proof import faults
from tests.database import unchanged
from tests.factories import OrderFactory, UserFactory, actor, decide
from tests.finance.refunding import overpaid, paid, requested, settle
from tests.ledger import booked

pytestmark = pytest.mark.django_db

ERROR, BOUNCED = {"reason": "FN01"}, {"reason": "FN02"}


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []
    assert list(faults()) == []


def balance(order: Any) -> tuple[Decimal, Decimal]:
    row = OrderBalance.objects.get(order=order)
    return row.receivable, row.advance


def test_a_voided_payment_is_posted_back_with_its_fee() -> None:
    order = OrderFactory()
    (payment,) = paid(order, "100", fee="1")

    void_payment(payment.pk, decision=decide(actor("accountant"), **ERROR))

    assert booked(order) == [
        ["payment", "Dr 1002 99", "Dr 6603 1", "Cr 2203 100"],
        ["void", "Dr 2203 100", "Cr 1002 99", "Cr 6603 1"],
    ]
    now = Payment.objects.get(pk=payment.pk)
    assert (now.status, now.taken_back_by) == (PaymentState.VOIDED, actor("accountant"))
    assert Order.objects.get(pk=order.pk).payment_status == PaymentStatus.UNPAID


def test_a_charge_back_after_a_partial_refund_line_by_line() -> None:
    order, (payment,) = overpaid("500", delivered=True)
    settle(requested(payment, "60"))
    still_open = requested(payment, "40")

    charge_back_payment(payment.pk, decision=decide(actor("accountant"), **BOUNCED))

    assert booked(order)[1:] == [
        ["payment", "Dr 1002 500", "Cr 2203 500"],
        ["refund", "Dr 2203 60", "Cr 1002 60"],
        ["charge_back", "Dr 2203 440", "Dr 1122 60", "Cr 1002 500"],
    ]
    assert Refund.objects.get(pk=still_open.pk).status == RefundState.REJECTED
    assert balance(order) == (Decimal("459.96"), Decimal(0))
    now = Order.objects.get(pk=order.pk)
    assert (now.received, now.refunded, now.payment_status) == (0, 60, PaymentStatus.UNPAID)


def test_a_charge_back_keeps_the_fee() -> None:
    order = OrderFactory()
    (payment,) = paid(order, "100", fee="1")

    charge_back_payment(payment.pk, decision=decide(actor("accountant"), **BOUNCED))

    assert booked(order)[1] == ["charge_back", "Dr 2203 100", "Cr 1002 100"]


def test_a_payment_of_which_money_went_back_is_not_voided() -> None:
    _order, (payment,) = overpaid("500")
    settle(requested(payment, "60"))

    with unchanged(), pytest.raises(RefundPaid):
        void_payment(payment.pk, decision=decide(actor("accountant"), **ERROR))


@pytest.mark.parametrize("act", [void_payment, charge_back_payment])
def test_money_is_taken_back_once_with_a_reason_by_who_may(act: Any) -> None:
    (payment,) = paid(OrderFactory(), "100")
    with unchanged():
        with pytest.raises(ReasonUnknown):
            act(payment.pk, decision=decide(actor("accountant")))
        with pytest.raises(Forbidden):
            act(payment.pk, decision=decide(actor("cashier"), **ERROR))
    act(payment.pk, decision=decide(actor("accountant"), **ERROR))

    with unchanged(), pytest.raises(WrongState):
        act(payment.pk, decision=decide(actor("accountant"), **ERROR))


def test_money_that_meets_a_closed_order_is_asked_back_and_the_proof_stands() -> None:
    order = OrderFactory(closed=True)

    (payment,) = paid(order, "50")

    refund = Refund.objects.get()
    assert (refund.payment_id, refund.amount) == (payment.pk, 50)
    assert balance(order) == (0, 50)
    assert list(faults()) == []
    approve_refund(refund.pk, decision=decide(UserFactory(role="accountant")))
    pay_refund(refund.pk, decision=decide(actor("cashier")))
    assert booked(order)[-2:] == [
        ["payment", "Dr 1002 50", "Cr 2203 50"],
        ["refund", "Dr 2203 50", "Cr 1002 50"],
    ]
    assert balance(order) == (0, 0)


def test_a_charge_back_after_closing_is_owed_and_paid_again() -> None:
    order = OrderFactory(closed=True)
    payment = Payment.objects.get()
    charge_back_payment(payment.pk, decision=decide(actor("accountant"), **BOUNCED))
    assert balance(order) == (Decimal("399.96"), 0)

    paid(order, "400")

    assert booked(order)[-2:] == [
        ["charge_back", "Dr 1122 399.96", "Cr 1012 399.96"],
        ["payment", "Dr 1002 400", "Cr 2203 0.04", "Cr 1122 399.96"],
    ]
    assert Refund.objects.get().amount == Decimal("0.04")


def cancelled(*amounts: str) -> tuple[Any, list[Payment]]:
    """An order over 399.96 that is cancelled, with what was paid being refunded."""
    order = OrderFactory()
    payments = paid(order, *amounts)
    cancel_order(order.pk, decision=decide(actor("service"), reason="CA01"))
    return order, payments


def pay_back(payment: Any) -> None:
    for refund in Refund.objects.filter(payment=payment, status=RefundState.REQUESTED):
        settle(refund)


def test_refunded_money_of_a_cancelled_order_that_is_charged_back_is_owed() -> None:
    order, (payment,) = cancelled("100")
    pay_back(payment)

    charge_back_payment(payment.pk, decision=decide(actor("accountant"), **BOUNCED))

    assert balance(order) == (Decimal(100), Decimal(0))
    assert list(invariants.broken()) == []


def test_what_a_charge_back_takes_of_a_cancelled_order_is_not_asked_back_of_its_other_payments() -> None:
    """Nobody can pay more than is left over, and nobody can reject what is asked back of a cancelled order."""
    order, (first, _second) = cancelled("100", "150")
    pay_back(first)

    charge_back_payment(first.pk, decision=decide(actor("accountant"), **BOUNCED))

    refunds = Refund.objects.filter(order=order).order_by("pk").values_list("amount", "ground", "status")
    assert [row for row in refunds if row[2] == RefundState.REQUESTED] == [(Decimal(50), "cancel", "requested")]
    assert balance(order) == (Decimal(0), Decimal(50))
    assert list(invariants.broken()) == []
    settle(Refund.objects.get(order=order, status=RefundState.REQUESTED))
    assert balance(order) == (Decimal(0), Decimal(0))
