"""What follows once less is payable or more was paid: by a return, an allowance, a closed line, a payment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from finance.services import refunds, taking_back
from finance.services.posting import Balances, Draft
from finance.services.refunds import Cause
from orders.models import Order


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
