"""Allowances on what shipments carried: finance knows what was recognised, not which shipment it was."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.models import User
from erp.kernel.transitions import found
from finance.models import Allowance
from finance.services import allowances
from finance.services.allowances import Allowable, AllowanceDraft
from finance.services.crediting import Part
from logistics.models import Shipment, ShipmentLine
from orders.models import Order
from orders.services.documents import authorise


class NotDispatched(DomainError):
    code = "logistics.not_dispatched"
    message = _(
        "Shipment %(number)s has not been dispatched: nothing of it was charged, so nothing can be allowed on it. "
        "Change the order, or wait for the dispatch."
    )


@dataclass(frozen=True, slots=True)
class AllowableLine:
    """A shipment line, and what can still be allowed on it, in the order's currency."""

    row: ShipmentLine
    left: Decimal


def part_of(row: ShipmentLine) -> Part:
    """What dispatching a shipment line recognised, as finance credits it."""
    return Part(str(row.pk), row.line, row.amount, row.tax)


def allowable_lines(order: Order, user: User) -> list[AllowableLine]:
    """What of an order's dispatched shipments in the user's scope can still be allowed on."""
    allowable = Allowable([order])
    rows = _visible(user).filter(shipment__order=order, shipment__dispatched_at__isnull=False)
    lines = [AllowableLine(row, allowable.left(part_of(row))) for row in rows.order_by("pk")]
    return [line for line in lines if line.left]


def request_allowance(
    shipment_line_id: int, amount: Decimal, *, party: str = "", decision: Decision, version: int | None = None
) -> Allowance:
    """
    Ask for a lower price of what a shipment line carried.

    What it recognised never changes once it has left, so that it is read before the order is locked.

    :param amount: in the order's currency, tax included. :param party: whose side the cause is on; by default the
        reason's.
    :param version: the order's, as the person saw it: the same form sent twice asks once.
    :raises NotFound: :raises Forbidden: ``finance.request_allowance`` is missing. :raises NotDispatched:
    :raises Changed: the order has another version.
    :raises AllowanceExceedsPart: more than what is neither credited nor requested of it.
    """
    visible = _visible(decision.by)
    authorise(visible, [shipment_line_id], decision.by, "finance.request_allowance")
    (row,) = found(ShipmentLine, [shipment_line_id], list(visible.filter(pk=shipment_line_id)))
    if row.shipment.dispatched_at is None:
        raise NotDispatched(number=row.shipment.number)
    draft = AllowanceDraft(part_of(row), row.shipment.number, amount, party)
    return allowances.request_allowance(draft, decision=decision, version=version)


def _visible(user: User) -> Any:
    shipments = Shipment.objects.visible_to(user)
    return ShipmentLine.objects.filter(shipment__in=shipments).select_related("shipment", "line")
