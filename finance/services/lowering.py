"""What follows once less is payable or more was paid: by a return, an allowance, a closed line, a payment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from erp.kernel.money import ZERO
from finance.effects import AskBack, TakeBack
from finance.models import Payment, PaymentState
from finance.services import refunds, taking_back
from finance.services.posting import Balances, Draft
from finance.services.refunds import Cause
from orders.contract import Effect
from orders.models import Order


def foresee(
    better_off: Mapping[Order, Decimal],
    payments: Callable[[], Mapping[int, Sequence[Payment]]],
    confirming: Decimal = ZERO,
) -> Iterator[Effect]:
    """
    What :func:`follow` would do once less is payable, or more was paid, by so much of each order.

    :param payments: reads all of theirs, if any is overpaid then. :param confirming: paid by what is confirmed now.
    """
    overpaid = {order: amount - order.owed for order, amount in better_off.items() if amount > order.owed}
    taken = taking_back.foresee(overpaid)
    for order, amount in overpaid.items():
        if taken[order.pk]:
            yield TakeBack(order.pk, order.currency, taken[order.pk])
        confirmed = [each for each in payments().get(order.pk, ()) if each.status == PaymentState.CONFIRMED]
        wanted = amount - taken[order.pk] - sum((payment.refunding for payment in confirmed), ZERO)
        refundable = min(wanted, sum((payment.refundable for payment in confirmed), confirming))
        if refundable > 0 and (order.is_final or wanted > order.shop.tolerance):
            yield AskBack(order.pk, order.currency, refundable)


def follow(orders: Iterable[Order], balances: Balances, causes: Mapping[int, Cause] | None = None) -> list[Draft]:
    """
    Settle what locked orders are overpaid, after payable or received was noted.

    First what was written off as bad debt or tail short is taken back, so that nobody is asked to pay it back to a
    customer who has paid it late; then what is still overpaid becomes refunds. A payment of an order that is still
    open follows the same rule.

    :param balances: with everything drafted so far; what is returned goes on from there.
    :param causes: by order; without one, more was paid than owed, as whoever acts has found.
    :returns: what is to be posted, after the vouchers of the act itself.
    """
    orders = list(orders)
    drafts = taking_back.take_back(orders, balances)
    refunds.raise_overpaid(orders, causes)
    return drafts
