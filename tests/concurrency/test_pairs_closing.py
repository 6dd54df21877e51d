"""Two acts at once around the closing of an order: they end as one after the other."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

import pytest

from finance.models import Payment, Refund
from finance.services.payments import PaymentDraft, confirm_payment, report_payment
from finance.services.refunds import approve_refund, pay_refund
from orders.services.closing import close_order
from orders.services.reopening import reopen_orders
from orders.services.reviewing import review_order, review_orders
from tests.concurrency.scenes import REOPENED, Scene, dispatching, play, reopening, soon, state_of, states_of
from tests.concurrency.threads import rounds
from tests.factories import OrderFactory, ProductFactory, UserFactory, actor, decide


def close_and_close(count: int) -> Sequence[Scene]:
    other_closer = UserFactory(role="closer")
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            partial(close_order, order.pk, decision=decide(other_closer, reason="CL01")),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, reviewed=True)
    ]


def reopen_and_reopen(count: int) -> Sequence[Scene]:
    one, other = UserFactory(role="closer"), UserFactory(role="closer")
    return [
        Scene(reopening(order, one), reopening(order, other), partial(state_of, order))
        for order in OrderFactory.create_batch(count, line_count=1, closed=True)
    ]


def reopen_and_close_again(count: int) -> Sequence[Scene]:
    """The closing finds the order closed, or reopened and not reviewed anew."""
    one, other = UserFactory(role="closer"), UserFactory(role="closer")
    return [
        Scene(
            reopening(order, one),
            partial(close_order, order.pk, decision=decide(other, reason="CL01")),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, closed=True)
    ]


def close_again_and_reopen_again(count: int) -> Sequence[Scene]:
    """Of orders reopened and reviewed anew: the second reopening finds its order closed, or not yet."""
    one, other = UserFactory(role="closer"), UserFactory(role="closer")
    orders = OrderFactory.create_batch(count, line_count=1, closed=True)
    reopen_orders([order.pk for order in orders], decision=decide(one, **REOPENED))
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        review_orders([order.pk for order in orders], block, decision=decide(actor(role)))
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            reopening(order, other),
            partial(state_of, order),
        )
        for order in orders
    ]


def reopen_and_confirm(count: int) -> Sequence[Scene]:
    """Money that came after the closing is credited by the rule, before the reversal or after it."""
    by = UserFactory(role="closer")
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, closed=True):
        draft = PaymentDraft(order.pk, "bank", "late", Decimal(50))
        late = report_payment(draft, decision=decide(actor("cashier")))
        confirm = partial(confirm_payment, late.pk, decision=decide(actor("accountant"), at=soon()))
        scenes.append(Scene(reopening(order, by), confirm, partial(state_of, order)))
    return scenes


def reopen_and_pay_refund(count: int) -> Sequence[Scene]:
    by, approver = UserFactory(role="closer"), UserFactory(role="accountant")
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, closed=True):
        draft = PaymentDraft(order.pk, "bank", "late", Decimal(50))
        late = report_payment(draft, decision=decide(actor("cashier")))
        confirm_payment(late.pk, decision=decide(actor("accountant")))
        refund = Refund.objects.get(order=order)
        approve_refund(refund.pk, decision=decide(approver))
        pay = partial(pay_refund, refund.pk, decision=decide(actor("cashier"), at=soon()))
        scenes.append(Scene(reopening(order, by), pay, partial(state_of, order)))
    return scenes


def close_and_dispatch(count: int) -> Sequence[Scene]:
    """Of the same order: closing is refused in whichever order."""
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            dispatching(order),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, packed=True, paid=True)
    ]


def close_and_dispatch_another(count: int) -> Sequence[Scene]:
    """Of the same product: both go through, past each other's stock, numbers and chain."""
    product = ProductFactory()
    reviewed = OrderFactory.create_batch(count, lines=[(product, 1, None)], reviewed=True)
    packed = OrderFactory.create_batch(count, lines=[(product, 1, None)], packed=True)
    return [
        Scene(
            partial(close_order, one.pk, decision=decide(actor("closer"), reason="CL01")),
            dispatching(other),
            partial(states_of, one, other),
        )
        for one, other in zip(reviewed, packed, strict=True)
    ]


def close_and_report_payment(count: int) -> Sequence[Scene]:
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            partial(
                report_payment,
                PaymentDraft(order.pk, "alipay", f"MORE-{order.pk}", Decimal(1)),
                decision=decide(actor("cashier")),
            ),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, reviewed=True)
    ]


def review_and_confirm(count: int) -> Sequence[Scene]:
    """Finance is reviewed only once the money is confirmed."""
    return [
        Scene(
            partial(review_order, order.pk, "finance", decision=decide(actor("accountant"))),
            partial(confirm_payment, Payment.objects.get(order=order).pk, decision=decide(actor("accountant"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, completed=True, reported=True)
    ]


@pytest.mark.parametrize(
    "scenes",
    [
        close_and_close,
        reopen_and_reopen,
        reopen_and_close_again,
        close_again_and_reopen_again,
        reopen_and_confirm,
        reopen_and_pay_refund,
        close_and_dispatch,
        close_and_dispatch_another,
        close_and_report_payment,
        review_and_confirm,
    ],
    ids=lambda scenes: scenes.__name__,
)
def test_two_acts_at_once_end_as_one_after_the_other(scenes: Callable[[int], Sequence[Scene]]) -> None:
    play(scenes(rounds() + 2))
