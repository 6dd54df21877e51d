"""取消: an order whose goods are in the house is cancelled at once; while goods are under way, it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from erp.kernel.acting import Decision
from orders.models import Act
from orders.services import catalogue, lifecycle
from orders.services.lifecycle import Outcome, Outcomes, Seen
from orders.steps import UNDER_WAY


def cancel_orders(
    order_ids: Iterable[int],
    *,
    decision: Decision,
    party: str = "",
    seen: Mapping[int, Seen] | None = None,
) -> Outcomes:
    """
    Cancel orders nothing of which is out of the house; ask for it where goods are packed or on their way.

    A request stops packing and dispatch, calls back what is on its way, and is carried out with the act that
    brings the last of it back. The first delivery ends it.

    :param party: whose side the cause is on; without one, that of the reason.
    :returns: one outcome per id: cancelled, or to be cancelled, or refused with every finding.
    :raises Forbidden: ``decision.by`` lacks ``orders.cancel_order``. :raises UnknownParty:
    :raises ReasonUnknown: :raises ReasonDoesNotApply: :raises ReasonNeedsNote: the reason does not serve.
    """
    decision = with_party(decision, party)
    outcomes = lifecycle.run("cancel", order_ids, decision, seen=seen)
    under_way = [outcome.order_id for outcome in outcomes if outcome.codes == [UNDER_WAY.code]]
    return outcomes + lifecycle.run("request_cancel", under_way, decision, seen=seen) if under_way else outcomes


def cancel_order(order_id: int, *, decision: Decision, party: str = "", seen: Seen | None = None) -> Outcome:
    """As :func:`cancel_orders` for one. :raises Refused: with every finding."""
    shown = {order_id: seen} if seen else None
    return cancel_orders([order_id], decision=decision, party=party, seen=shown).one()


def preview(order_ids: Iterable[int], decision: Decision) -> Outcomes:
    """What :func:`cancel_orders` would find and do now."""
    ids = list(order_ids)
    outcomes = lifecycle.preview("cancel", ids, decision)
    under_way = [outcome.order_id for outcome in outcomes if outcome.codes == [UNDER_WAY.code]]
    return outcomes + lifecycle.preview("request_cancel", under_way, decision) if under_way else outcomes


def with_party(decision: Decision, party: str) -> Decision:
    reason = catalogue.require(Act.CANCEL, decision)
    return replace(decision, detail={**decision.detail, "party": catalogue.party_of(party, reason)})
