"""Shipments that do not reach the customer: refused or sent back 拒收/退回, or lost 丢件."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from erp.kernel.acting import Decision
from erp.kernel.errors import Busy
from erp.kernel.locks import once_more_after, unit_of_work
from erp.kernel.transitions import advance, ready
from logistics.models import Shipment
from logistics.services import inspecting, returns
from logistics.services.shipping import lock_waiting
from orders.models import Act
from orders.models.order import LineKind
from orders.services import catalogue
from orders.services.catalogue import party_of
from orders.services.documents import holding_of


def refuse_shipments(shipment_ids: Iterable[int], *, decision: Decision, party: str = "") -> list[Shipment]:
    """
    The customer did not take them, or the carrier sends them back; all shipments or none.

    Each raises an approved return of its goods, to be inspected on arrival.

    :raises WrongState: one is not dispatched. :raises ReasonUnknown: none of the catalogue's for returns.
    :raises NothingToReturn: it carries no goods. :raises ReturnUndecided: a return of its goods is requested.
    """
    with holding_of(Shipment.objects, shipment_ids, decision, "logistics.deliver_shipment") as (_held, shipments):
        party = party_of(party, catalogue.require(Act.RETURN, decision))
        ready(shipments, "refuse")
        plans = returns.of_shipments(shipments, {LineKind.STOCKED}, party)
        advance(shipments, "refuse")
        returns.insert(plans, decision)
        return shipments


def refuse_shipment(shipment_id: int, *, decision: Decision, party: str = "") -> Shipment:
    """As :func:`refuse_shipments` for one."""
    (shipment,) = refuse_shipments([shipment_id], decision=decision, party=party)
    return shipment


def lose_shipments(shipment_ids: Iterable[int], *, decision: Decision, party: str = "") -> list[Shipment]:
    """
    The carrier does not have them any more; all shipments or none.

    Each raises a return of its goods and of the shipping fee it carried, received at once as lost; so is what of it
    had been called back.

    :raises WrongState: one is not dispatched. :raises ReasonUnknown: none of the catalogue's for returns.
    :raises NothingToReturn: it carries no goods. :raises ReturnUndecided: a return of its goods is requested.
    """
    return _lose(list(shipment_ids), decision, party)


# Busy where in the same moment an order began to wait for goods of one that is cancelled by it.
@once_more_after(Busy)
def _lose(ids: Sequence[int], decision: Decision, party: str) -> list[Shipment]:
    with unit_of_work(decision):
        waiting = lock_waiting(Shipment.objects.visible_to(decision.by).filter(pk__in=ids))
        with holding_of(Shipment.objects, ids, decision, "logistics.deliver_shipment") as (held, shipments):
            party = party_of(party, catalogue.require(Act.RETURN, decision))
            ready(shipments, "lose")
            plans = returns.of_shipments(shipments, {LineKind.STOCKED, LineKind.SHIPPING_FEE}, party)
            advance(shipments, "lose")
            lost = [*returns.called_back(shipments), *returns.insert(plans, decision)]
            inspecting.receive_lost(lost, held, decision, waiting)
            return shipments


def lose_shipment(shipment_id: int, *, decision: Decision, party: str = "") -> Shipment:
    """As :func:`lose_shipments` for one."""
    (shipment,) = lose_shipments([shipment_id], decision=decision, party=party)
    return shipment
