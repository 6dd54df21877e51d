"""Processing and completing orders."""

from collections.abc import Iterable, Mapping

from erp.kernel.acting import Decision
from orders.services import lifecycle
from orders.services.lifecycle import Outcome, Outcomes, Seen


def process_orders(
    order_ids: Iterable[int], *, decision: Decision, seen: Mapping[int, Seen] | None = None
) -> Outcomes:
    """
    Take new orders into processing: their goods are reserved, or wait where the shop allows backorder.

    :returns: one outcome per id. :raises Forbidden: ``decision.by`` lacks ``orders.process_order``.
    """
    return lifecycle.run("process", order_ids, decision, seen=seen)


def process_order(order_id: int, *, decision: Decision) -> Outcome:
    """As :func:`process_orders` for one. :raises Refused: with every finding."""
    return process_orders([order_id], decision=decision).one()


def complete_orders(
    order_ids: Iterable[int], *, decision: Decision, seen: Mapping[int, Seen] | None = None
) -> Outcomes:
    """
    确认收货: the customer has everything; shipments still on their way are delivered by the same act.

    :returns: one outcome per id. :raises Forbidden: ``decision.by`` lacks ``orders.complete_order``.
    """
    return lifecycle.run("complete", order_ids, decision, seen=seen)


def complete_order(order_id: int, *, decision: Decision) -> Outcome:
    """As :func:`complete_orders` for one. :raises Refused: with every finding."""
    return complete_orders([order_id], decision=decision).one()
