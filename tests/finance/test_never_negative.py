"""Whatever happens to an order's money, in any order: neither balance is negative, and documents and books agree."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from erp.kernel import invariants
from erp.kernel.errors import DomainError
from finance.models import OrderBalance, Payment, Refund, RefundState
from finance.services.payments import charge_back_payment
from finance.services.refunds import approve_refund, pay_refund
from orders.models import Order, Status
from orders.services import closing, reviewing
from tests.factories import OrderFactory, UserFactory, actor, decide
from tests.finance.giving_up import allowed, one_line, written_off
from tests.finance.refunding import paid

pytestmark = pytest.mark.django_db


def _refund(order: Any, _amount: str) -> None:
    for refund in Refund.objects.filter(order=order, status=RefundState.REQUESTED):
        approve_refund(refund.pk, decision=decide(UserFactory(role="accountant")))
        pay_refund(refund.pk, decision=decide(actor("cashier")))


def _charge_back(order: Any, _amount: str) -> None:
    payment = Payment.objects.filter(order=order, status="confirmed").first()
    if payment:
        charge_back_payment(payment.pk, decision=decide(actor("accountant"), reason="FN02"))


def _close(order: Any, _amount: str) -> None:
    if Order.objects.get(pk=order.pk).status == Status.COMPLETED:
        for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
            reviewing.review_order(order.pk, block, decision=decide(actor(role)))
        closing.close_order(order.pk, decision=decide(actor("closer"), reason="CL03"))


ACTS: dict[str, Callable[[Any, str], Any]] = {
    "pay": paid,
    "allow": allowed,
    "write off": written_off,
    "keep": lambda order, amount: written_off(order, amount, "unclaimed"),
    "refund": _refund,
    "charge back": _charge_back,
    "close": _close,
}


def _holds(order: Any) -> None:
    assert list(invariants.broken()) == []
    balance, now = OrderBalance.objects.get(order=order), Order.objects.get(pk=order.pk)
    assert balance.receivable >= 0 <= balance.advance
    assert balance.receivable - balance.advance == now.owed
    if now.status == Status.CLOSED:
        assert 0 in (balance.receivable, balance.advance)


# Half of the amounts settle everything at once, so that orders get closed.
_AMOUNTS = st.one_of(st.just("226"), st.integers(1, 30_000).map(lambda cents: str(Decimal(cents) / 100)))


@given(days=st.lists(st.tuples(st.sampled_from(sorted(ACTS)), _AMOUNTS), min_size=2, max_size=8))
@example(days=[("write off", "226"), ("close", "1"), ("pay", "226"), ("charge back", "1"), ("pay", "300")])
@example(days=[("pay", "226"), ("close", "1"), ("allow", "100"), ("keep", "30"), ("refund", "1"), ("allow", "126")])
@example(days=[("pay", "300"), ("keep", "74"), ("charge back", "1"), ("write off", "300"), ("pay", "226")])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_documents_and_books_agree_after_every_act(days: list[tuple[str, str]]) -> None:
    order = one_line()

    for act, amount in days:
        # Refused or not: what is there must hold.
        with suppress(DomainError):
            ACTS[act](order, amount)
        _holds(order)


def test_a_dispatch_after_everything_else_agrees_too() -> None:
    order = OrderFactory(paid=Decimal(500))
    written_off(order, "100.04", "unclaimed")

    assert list(invariants.broken()) == []
    assert OrderBalance.objects.get(order=order).advance == Decimal("399.96")
