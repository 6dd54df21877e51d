"""What tests of reopening share: another administrator, who had not closed the order."""

from typing import Any

from erp.kernel.models import User
from orders.models import Order
from orders.services.closing import close_order
from orders.services.lifecycle import Outcome, Refused
from orders.services.reopening import reopen_order
from orders.services.reviewing import review_order
from tests.factories import UserFactory, actor, decide

REASON = {"reason": "RO01", "note": "关错了"}


def another(role: str = "closer") -> User:
    """Somebody of the role who has done nothing yet."""
    user: User = UserFactory(role=role)
    return user


def reopen(order: Any, by: User | None = None, **kwargs: Any) -> Outcome:
    return reopen_order(order.pk, decision=decide(by or another(), **{**REASON, **kwargs}))


def reopening_blockers(order: Any, by: User) -> list[str]:
    """Why this order cannot be reopened."""
    try:
        reopen(order, by)
    except Refused as refused:
        return refused.blockers
    return []


def review_again(order: Any) -> None:
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        review_order(order.pk, block, decision=decide(actor(role)))


def close_again(order: Any, by: User | None = None) -> Outcome:
    """Everything is reviewed anew, and a closer who did not reopen it closes it."""
    review_again(order)
    return close_order(order.pk, decision=decide(by or actor("closer"), reason="CL01"))


def fresh(order: Any) -> Order:
    return Order.objects.get(pk=order.pk)
