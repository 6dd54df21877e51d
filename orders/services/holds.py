"""挂起 and 恢复: stopping an order for a problem, and letting it go on."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from erp.kernel.acting import Decision
from orders.models import Act
from orders.services import catalogue, lifecycle
from orders.services.lifecycle import Outcome, Outcomes, Seen


def hold_orders(
    order_ids: Iterable[int],
    *,
    decision: Decision,
    release: bool = False,
    party: str = "",
    seen: Mapping[int, Seen] | None = None,
) -> Outcomes:
    """
    Put open orders on hold: nothing of them is packed or dispatched, and only cancelling changes their status.

    Payments, deliveries and returns go on. What the act needs beyond its reason is kept in the decision's detail.

    :param release: whether reserved goods go back to what is available; receipts do not serve such an order
        before it is resumed. Otherwise it keeps its goods and its place among those that wait.
    :param party: whose side the cause is on; without one, that of the reason.
    :raises Forbidden: ``decision.by`` lacks ``orders.hold_order``. :raises UnknownParty:
    :raises ReasonUnknown: :raises ReasonDoesNotApply: :raises ReasonNeedsNote: the reason does not serve.
    """
    reason = catalogue.require(Act.HOLD, decision)
    detail = {**decision.detail, "release": release, "party": catalogue.party_of(party, reason)}
    return lifecycle.run("hold", order_ids, replace(decision, detail=detail), seen=seen)


def hold_order(
    order_id: int, *, decision: Decision, release: bool = False, party: str = "", seen: Seen | None = None
) -> Outcome:
    """As :func:`hold_orders` for one. :raises Refused: with every finding."""
    shown = {order_id: seen} if seen else None
    return hold_orders([order_id], decision=decision, release=release, party=party, seen=shown).one()


def resume_orders(order_ids: Iterable[int], *, decision: Decision, seen: Mapping[int, Seen] | None = None) -> Outcomes:
    """
    Let orders on hold go on; one that had freed its goods reserves them again.

    Where goods lack by now, it waits for the next receipt if its shop allows backorder, and stays on hold if not.

    :raises Forbidden: ``decision.by`` lacks ``orders.hold_order``.
    """
    return lifecycle.run("resume", order_ids, decision, seen=seen)


def resume_order(order_id: int, *, decision: Decision, seen: Seen | None = None) -> Outcome:
    """As :func:`resume_orders` for one. :raises Refused: with every finding."""
    return resume_orders([order_id], decision=decision, seen={order_id: seen} if seen else None).one()
