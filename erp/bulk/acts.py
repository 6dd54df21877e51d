"""What can be done to many orders at once: each the same service as one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from erp.kernel import fsm
from erp.kernel.acting import Decision
from erp.kernel.errors import Text
from erp.kernel.locks import lock, unit_of_work
from orders.models import Act as Catalogue
from orders.models import Order, Review, Status
from orders.services import closing, fulfilment, reviewing
from orders.services.lifecycle import Outcomes


@dataclass(frozen=True, slots=True)
class BulkAct:
    """
    :param run: the service, given ids and a decision.
    :param done: which of some orders a request has done it to already.
    :param reasons: the part of the catalogue a reason is chosen from.
    """

    name: str
    label: Text
    permission: str
    run: Callable[[Sequence[int], Decision], Outcomes]
    done: Callable[[Collection[int], str], set[int]]
    reasons: Catalogue | None = None


@cache
def all_acts() -> Mapping[str, BulkAct]:
    listed = [
        BulkAct(
            "close",
            _("Close orders"),
            fsm.permission_of(Order, "close"),
            lambda ids, decision: closing.close_orders(ids, decision=decision),
            partial(_moved, Status.CLOSED),
            reasons=Catalogue.CLOSE,
        ),
        BulkAct(
            "complete",
            _("Confirm receipt of orders"),
            fsm.permission_of(Order, "complete"),
            lambda ids, decision: fulfilment.complete_orders(ids, decision=decision),
            partial(_moved, Status.COMPLETED),
        ),
        *(
            BulkAct(
                f"review-{block.name}",
                format_lazy(_("Review: {label}"), label=block.label),
                block.permission,
                partial(_review, block.name),
                partial(_reviewed, block.name),
            )
            for block in reviewing.blocks()
        ),
    ]
    return {act.name: act for act in listed}


def _review(block: str, ids: Sequence[int], decision: Decision) -> Outcomes:
    """Orders may be reviewed again: what somebody else at the same piece did is known under their lock only."""
    with unit_of_work(decision):
        lock(Order.objects.filter(pk__in=ids))
        left = sorted(set(ids) - _reviewed(block, ids, decision.request_id))
        return reviewing.review_orders(left, block, decision=decision) if left else Outcomes()


def _moved(status: str, ids: Collection[int], request_id: str) -> set[int]:
    history: Any = Order.history
    return set(history.filter(id__in=ids, status=status, request_id=request_id).values_list("id", flat=True))


def _reviewed(block: str, ids: Collection[int], request_id: str) -> set[int]:
    rows = Review.objects.filter(order_id__in=ids, block=block, request_id=request_id)
    return set(rows.values_list("order_id", flat=True))
