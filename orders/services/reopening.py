"""反关闭: reopening closed orders, so that what was found wrong is put right and proved anew."""

from collections.abc import Iterable, Mapping

from erp.kernel.acting import Decision
from orders.models import Act
from orders.services import catalogue, lifecycle
from orders.services.lifecycle import Outcome, Outcomes, Seen


def reopen_orders(order_ids: Iterable[int], *, decision: Decision, seen: Mapping[int, Seen] | None = None) -> Outcomes:
    """
    Reopen closed orders: they are completed again and begin a new cycle; each wholly or not at all.

    The settlement is reversed, everything is reviewed anew, waivers lapse. What was closed stays proved.

    :param seen: version and preview digest each order was shown with; a difference refuses that order.
    :returns: one outcome per id: reopened with its effects, or refused with every finding.
    :raises Forbidden: ``decision.by`` lacks ``orders.reopen_order``.
    :raises ReasonUnknown: :raises ReasonDoesNotApply: :raises ReasonNeedsNote: the reason does not serve.
    """
    catalogue.require(Act.REOPEN, decision)
    return lifecycle.run("reopen", order_ids, decision, seen=seen)


def reopen_order(order_id: int, *, decision: Decision, seen: Seen | None = None) -> Outcome:
    """As :func:`reopen_orders` for one. :raises Refused: with every finding."""
    return reopen_orders([order_id], decision=decision, seen={order_id: seen} if seen else None).one()
