"""Closing orders."""

from collections.abc import Iterable, Mapping

from erp.kernel.acting import Decision
from orders.models import Act
from orders.services import catalogue, lifecycle
from orders.services.lifecycle import Outcome, Outcomes, Seen


def close_orders(order_ids: Iterable[int], *, decision: Decision, seen: Mapping[int, Seen] | None = None) -> Outcomes:
    """
    Close completed orders; each closes wholly or not at all.

    :param decision: who closes, why, through which channel, at which moment (timezone-aware).
    :param seen: version and preview digest each order was shown with; a difference refuses that order.
    :returns: one outcome per id: closed with its effects, or refused with every finding.
    :raises Forbidden: ``decision.by`` lacks ``orders.close_order``.
    :raises ReasonUnknown: :raises ReasonDoesNotApply: :raises ReasonNeedsNote: the reason does not serve.
    """
    catalogue.require(Act.CLOSE, decision)
    return lifecycle.run("close", order_ids, decision, seen=seen)


def close_order(order_id: int, *, decision: Decision, seen: Seen | None = None) -> Outcome:
    """As :func:`close_orders` for one. :raises Refused: with every finding."""
    return close_orders([order_id], decision=decision, seen={order_id: seen} if seen else None).one()
