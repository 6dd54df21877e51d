"""确认收货: the customer has everything."""

from typing import Any

import pytest

from erp.kernel.acting import acting
from erp.kernel.errors import Forbidden, NotFound
from logistics.models import Shipment, ShipmentStatus
from orders.models import Order, Status
from orders.services.fulfilment import complete_order, complete_orders
from orders.services.lifecycle import Refused
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, decide

pytestmark = pytest.mark.django_db


def test_a_shipped_order_completes_at_the_moment_of_the_act(service: Any) -> None:
    order = OrderFactory(delivered=True)
    decision = decide(service)

    complete_order(order.pk, decision=decision)

    order.refresh_from_db()
    assert (order.status, order.completed_at) == (Status.COMPLETED, decision.at)


def test_what_is_on_its_way_is_delivered_by_the_same_act(service: Any) -> None:
    order = OrderFactory(shipped=True)
    decision = decide(service)
    assert not service.has_perm("logistics.deliver_shipment")

    outcome = complete_order(order.pk, decision=decision)

    shipment = Shipment.objects.get(order=order)
    assert (shipment.status, shipment.delivered_by, shipment.delivered_at) == (
        ShipmentStatus.DELIVERED,
        service,
        decision.at,
    )
    assert [effect.number for effect in outcome.effects] == [shipment.number]
    assert shipment.history.latest("history_id").history_user == service


def test_a_shipment_that_has_not_left_blocks(service: Any) -> None:
    order = OrderFactory(delivered=True)
    with acting(decide(service)):
        Shipment.objects.create(number="SH-1", order=order)

    with unchanged(), pytest.raises(Refused) as refused:
        complete_order(order.pk, decision=decide(service))

    assert refused.value.blockers == ["logistics.shipment_open"]
    (finding,) = refused.value.outcome.blockers
    assert list(finding.params["shipments"]) == ["SH-1"]
    assert [link.number for link in finding.links] == ["SH-1"]


@pytest.mark.parametrize("stage", ["new", "processing", "packed", "completed", "closed"])
def test_only_a_shipped_order_completes(service: Any, stage: str) -> None:
    order = OrderFactory(**({} if stage == "new" else {stage: True}))

    with unchanged(), pytest.raises(Refused) as refused:
        complete_order(order.pk, decision=decide(service))

    assert "orders.wrong_state" in refused.value.blockers


def test_what_blocks_one_order_does_not_stop_the_others(service: Any) -> None:
    waiting, shipped = OrderFactory(packed=True), OrderFactory(shipped=True)

    outcomes = complete_orders([waiting.pk, shipped.pk], decision=decide(service))

    assert [outcome.order_id for outcome in outcomes.done] == [shipped.pk]
    assert Order.objects.get(pk=waiting.pk).status == Status.PROCESSING
    assert Shipment.objects.get(order=waiting).status == ShipmentStatus.PACKED


def test_completing_needs_its_permission_and_an_order_in_scope(salesperson: Any) -> None:
    order = OrderFactory(shipped=True)
    stranger = UserFactory(role="service", shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(Forbidden):
            complete_order(order.pk, decision=decide(salesperson))
        with pytest.raises(NotFound):
            complete_order(order.pk, decision=decide(stranger))
