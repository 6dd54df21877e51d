"""Confirming and rejecting: only money that is there posts and counts."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.errors import Forbidden, NotFound, RefusedByDatabase, WrongState
from finance.models import OrderBalance, Payment, PaymentMethod, PaymentState, Voucher
from finance.services.payments import (
    PaymentDraft,
    confirm_payment,
    confirm_payments,
    reject_payment,
    reject_payments,
    report_payments,
)
from orders.models import Order, PaymentStatus
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, ReasonUnknown
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.ledger import booked, sides
from tests.support import count_queries

pytestmark = pytest.mark.django_db

REJECTED = {"reason": "RJ01", "note": "查无此款"}


def reported(order: Any, *amounts: str, method: str = "bank", fee: str = "0") -> list[Payment]:
    drafts = [
        PaymentDraft(order.pk, method, f"R{no}", Decimal(amount), Decimal(fee)) for no, amount in enumerate(amounts)
    ]
    return report_payments(drafts, decision=decide(actor("cashier")))


@pytest.mark.parametrize(
    ("method", "account"),
    [("bank", "1002"), ("card", "1002"), ("alipay", "1012"), ("wechat", "1012"), ("cash", "1012")],
)
def test_confirmed_money_is_an_advance_of_the_customer(accountant: Any, method: str, account: str) -> None:
    order = OrderFactory()
    (payment,) = reported(order, "100", method=method)

    confirm_payment(payment.pk, decision=decide(accountant))

    assert booked(order) == [["payment", f"Dr {account} 100", "Cr 2203 100"]]


def test_every_method_has_its_account() -> None:
    assert set(PaymentMethod.values) == {"bank", "card", "alipay", "wechat", "cash"}


def test_what_the_payment_service_kept_is_an_expense(accountant: Any) -> None:
    order = OrderFactory()
    (payment,) = reported(order, "100", method="alipay", fee="0.6")

    confirm_payment(payment.pk, decision=decide(accountant))

    assert booked(order) == [["payment", "Dr 1012 99.4", "Dr 6603 0.6", "Cr 2203 100"]]


def test_a_payment_that_is_all_fee_leaves_no_money(accountant: Any) -> None:
    order = OrderFactory()
    (payment,) = reported(order, "100", fee="100")

    confirm_payment(payment.pk, decision=decide(accountant))

    assert booked(order) == [["payment", "Dr 6603 100", "Cr 2203 100"]]


def test_the_voucher_names_its_payment_and_who_confirmed_it(accountant: Any) -> None:
    order = OrderFactory()
    (payment,) = reported(order, "100")

    confirm_payment(payment.pk, decision=decide(accountant, note="已到账"))

    voucher = Voucher.objects.get()
    assert (voucher.source_type, voucher.source_id, voucher.source) == (
        "finance.payment",
        str(payment.pk),
        payment.number,
    )
    assert (voucher.order, voucher.by, voucher.why, voucher.currency) == (order, accountant, "已到账", "CNY")


def test_a_payment_keeps_who_decided_and_when(accountant: Any) -> None:
    order = OrderFactory()
    first, second = reported(order, "100", "50")
    decision = decide(accountant, **REJECTED)

    confirm_payment(first.pk, decision=decision)
    reject_payment(second.pk, decision=decision)

    for payment, state in ((first, PaymentState.CONFIRMED), (second, PaymentState.REJECTED)):
        payment.refresh_from_db()
        assert (payment.status, payment.decided_by, payment.decided_at) == (state, accountant, decision.at)
        assert payment.history.latest("history_id").history_change_reason == "RJ01 查无此款"


@pytest.mark.parametrize(
    ("amounts", "status"),
    [
        (["100"], PaymentStatus.PARTLY_PAID),
        (["399.96"], PaymentStatus.PAID),
        (["100", "299.96"], PaymentStatus.PAID),
        (["399.97"], PaymentStatus.OVERPAID),
    ],
)
def test_the_order_shows_what_was_received_exactly(accountant: Any, amounts: list[str], status: str) -> None:
    order = OrderFactory()
    payments = reported(order, *amounts)

    confirm_payments([payment.pk for payment in payments], decision=decide(accountant))

    now = Order.objects.get(pk=order.pk)
    assert (now.received, now.payment_status) == (sum(map(Decimal, amounts)), status)


def test_confirmed_money_of_a_free_order_is_overpaid(accountant: Any) -> None:
    order = OrderFactory(zero_value=True)
    (payment,) = reported(order, "0.01")

    confirm_payment(payment.pk, decision=decide(accountant))

    assert Order.objects.get(pk=order.pk).payment_status == PaymentStatus.OVERPAID


def test_the_balance_of_the_order_follows(accountant: Any) -> None:
    order = OrderFactory(shipped=True)
    (payment,) = reported(order, "100")

    confirm_payment(payment.pk, decision=decide(accountant))

    balance = OrderBalance.objects.get(order=order)
    assert (balance.receivable, balance.advance) == (Decimal("399.96"), 100)


def test_several_payments_are_a_voucher_each(accountant: Any) -> None:
    order = OrderFactory()
    payments = reported(order, "10", "20")

    confirm_payments([payment.pk for payment in payments], decision=decide(accountant))

    assert [sides(voucher) for voucher in Voucher.objects.order_by("number")] == [
        ["Dr 1002 10", "Cr 2203 10"],
        ["Dr 1002 20", "Cr 2203 20"],
    ]


def test_rejected_money_posts_nothing_and_counts_for_nothing(accountant: Any) -> None:
    order = OrderFactory()
    (payment,) = reported(order, "399.96")

    reject_payment(payment.pk, decision=decide(accountant, **REJECTED))

    assert not Voucher.objects.exists()
    now = Order.objects.get(pk=order.pk)
    assert (now.received, now.payment_status) == (0, PaymentStatus.UNPAID)


@pytest.mark.parametrize(
    ("reason", "note", "refusal"),
    [
        ("RJ01", "", ReasonNeedsNote),
        ("RJ01", " ", ReasonNeedsNote),
        ("", "查无此款", ReasonUnknown),
        ("CL01", "查无此款", ReasonDoesNotApply),
    ],
)
def test_a_rejection_has_a_reason_and_a_note(
    accountant: Any, reason: str, note: str, refusal: type[Exception]
) -> None:
    (payment,) = reported(OrderFactory(), "100")

    with unchanged(), pytest.raises(refusal):
        reject_payment(payment.pk, decision=decide(accountant, reason=reason, note=note))


@pytest.mark.parametrize("first", [confirm_payment, reject_payment])
@pytest.mark.parametrize("second", [confirm_payment, reject_payment])
def test_a_payment_is_decided_once(accountant: Any, first: Any, second: Any) -> None:
    (payment,) = reported(OrderFactory(), "100")
    decision = decide(accountant, **REJECTED)
    first(payment.pk, decision=decision)

    with unchanged(), pytest.raises(WrongState) as refused:
        second(payment.pk, decision=decision)

    assert refused.value.params["number"] == payment.number


@pytest.mark.parametrize("decide_all", [confirm_payments, reject_payments])
def test_all_payments_of_a_call_are_decided_or_none(accountant: Any, decide_all: Any) -> None:
    order = OrderFactory()
    first, second = reported(order, "10", "20")
    confirm_payment(first.pk, decision=decide(accountant))

    with unchanged(), pytest.raises(WrongState):
        decide_all([second.pk, first.pk], decision=decide(accountant, **REJECTED))


@pytest.mark.parametrize("act", [confirm_payment, reject_payment])
def test_deciding_needs_its_permission_and_a_payment_in_scope(cashier: Any, accountant: Any, act: Any) -> None:
    (payment,) = reported(OrderFactory(), "100")
    stranger = UserFactory(shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(Forbidden) as forbidden:
            act(payment.pk, decision=decide(cashier, **REJECTED))
        with pytest.raises(NotFound):
            act(payment.pk, decision=decide(stranger, **REJECTED))
        with pytest.raises(NotFound):
            act(0, decision=decide(accountant, **REJECTED))

    assert forbidden.value.params["permission"] == "finance.confirm_payment"


def test_what_is_confirmed_grows_the_version_of_its_order(accountant: Any) -> None:
    order = OrderFactory()
    (payment,) = reported(order, "100")

    confirm_payment(payment.pk, decision=decide(accountant))

    assert Order.objects.get(pk=order.pk).version == order.version + 2


def test_a_second_voucher_for_the_same_payment_is_refused_by_the_database(accountant: Any) -> None:
    (payment,) = reported(OrderFactory(), "100")
    confirm_payment(payment.pk, decision=decide(accountant))
    Payment.objects.update(status="reported", decided_by=None, decided_at=None)

    with unchanged(), pytest.raises(RefusedByDatabase):
        confirm_payment(payment.pk, decision=decide(accountant))


def test_fifty_payments_take_as_many_queries_as_one(accountant: Any) -> None:
    orders = OrderFactory.create_batch(51, reported=True)
    payments = list(Payment.objects.order_by("pk").values_list("pk", flat=True))
    accountant.has_perm("orders.all_shops")
    assert len(orders) == len(payments)

    counts = []
    for chosen in (payments[:1], payments[1:]):
        with count_queries() as queries:
            confirm_payments(chosen, decision=decide(accountant))
        counts.append(len(queries))

    # The first voucher of a month makes its period in the same statement that counts it on.
    assert counts[0] == counts[1]
