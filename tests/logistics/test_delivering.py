"""Delivery is noted for a shipment, or by 确认收货 for everything on its way."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel.errors import Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent
from logistics.models import Shipment, ShipmentStatus
from logistics.services.drafting import draft_shipment
from logistics.services.shipping import (
    Waybill,
    deliver_shipment,
    deliver_shipments,
    dispatch_shipment,
    pack_shipment,
)
from logistics.steps import Deliver
from orders.models import Order, Status
from orders.services import lifecycle
from orders.services.fulfilment import complete_order, complete_orders
from orders.services.lifecycle import Refused
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.support import count_queries, without_guards

pytestmark = pytest.mark.django_db


def shipment_of(order: Any) -> Shipment:
    return Shipment.objects.get(order=order)


def states(order: Any) -> list[str]:
    return list(Shipment.objects.filter(order=order).order_by("pk").values_list("status", flat=True))


def test_a_delivered_shipment_says_who_noted_it_and_when(logistician: Any) -> None:
    shipment, decision = shipment_of(OrderFactory(shipped=True)), decide(logistician)

    deliver_shipment(shipment.pk, decision=decision)

    shipment = Shipment.objects.get()
    assert shipment.status == ShipmentStatus.DELIVERED
    assert (shipment.delivered_by, shipment.delivered_at) == (logistician, decision.at)
    assert OutboxEvent.objects.get(topic="shipment.deliver").subject == shipment.number


def test_delivery_of_everything_does_not_complete_the_order(logistician: Any) -> None:
    order = OrderFactory(shipped=True)

    deliver_shipment(shipment_of(order).pk, decision=decide(logistician))

    assert Order.objects.get().status == Status.SHIPPED


@pytest.mark.parametrize("stage", ["packed", "delivered", "completed"])
def test_only_what_is_on_its_way_is_delivered(logistician: Any, stage: str) -> None:
    shipment = shipment_of(OrderFactory(**{stage: True}))

    with pytest.raises(WrongState):
        deliver_shipment(shipment.pk, decision=decide(logistician))


def test_of_shipments_delivered_together_all_are_or_none(logistician: Any) -> None:
    good, bad = OrderFactory(shipped=True), OrderFactory(packed=True)

    with pytest.raises(WrongState):
        deliver_shipments([shipment_of(good).pk, shipment_of(bad).pk], decision=decide(logistician))

    assert states(good) == ["dispatched"]


def test_delivering_needs_its_permission(keeper: Any) -> None:
    shipment = shipment_of(OrderFactory(shipped=True))

    with pytest.raises(Forbidden):
        deliver_shipment(shipment.pk, decision=decide(keeper))


def test_a_shipment_of_another_shop_does_not_exist() -> None:
    shipment = shipment_of(OrderFactory(shipped=True))

    with pytest.raises(NotFound):
        deliver_shipment(shipment.pk, decision=decide(UserFactory(shops=[ShopFactory()])))


def test_completing_delivers_what_is_on_its_way_under_its_own_permission(service: Any) -> None:
    order, decision = OrderFactory(shipped=True), decide(service)
    assert not service.has_perm("logistics.deliver_shipment")

    complete_order(order.pk, decision=decision)

    shipment = shipment_of(order)
    assert shipment.status == ShipmentStatus.DELIVERED
    assert (shipment.delivered_by, shipment.delivered_at) == (service, decision.at)
    assert Order.objects.get().status == Status.COMPLETED


def test_completing_leaves_what_is_delivered_already_as_it_is(service: Any, logistician: Any) -> None:
    order = OrderFactory(processing=True)
    keeper = decide(actor("keeper"))
    for no in (1, 2):
        shipment = draft_shipment(order.pk, {no: Decimal(2)}, decision=keeper)
        pack_shipment(shipment.pk, decision=keeper)
        dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=Waybill(method="PICKUP"))
    first, second = Shipment.objects.order_by("pk")
    deliver_shipment(first.pk, decision=decide(logistician))

    complete_order(order.pk, decision=decide(service))

    assert [s.delivered_by for s in Shipment.objects.order_by("pk")] == [logistician, service]
    assert first.history.count() == second.history.count() == 4


@pytest.mark.parametrize("status", ["draft", "packed"])
def test_what_has_not_left_blocks_completing(service: Any, status: str) -> None:
    order = OrderFactory(shipped=True)
    with without_guards(Shipment):
        Shipment.objects.update(status=status)

    with pytest.raises(Refused) as refused:
        complete_order(order.pk, decision=decide(service))

    assert refused.value.blockers == ["logistics.shipment_open"]
    finding = refused.value.outcome.blockers[0]
    assert list(finding.params["shipments"]) == [shipment_of(order).number]
    assert [link.number for link in finding.links] == [shipment_of(order).number]


def test_the_preview_of_completing_says_what_will_be_delivered(service: Any) -> None:
    order = OrderFactory(shipped=True)

    outcome = lifecycle.preview("complete", [order.pk], decide(service))[order.pk]

    shipment = shipment_of(order)
    assert outcome.effects == (Deliver(order.pk, shipment.pk, shipment.number),)
    with override("en"):
        assert outcome.effects[0].describe() == f"Shipment {shipment.number} is noted as delivered."
    assert shipment.status == ShipmentStatus.DISPATCHED


def test_of_a_batch_only_the_orders_that_complete_are_delivered(service: Any) -> None:
    ready, early = OrderFactory(shipped=True), OrderFactory(packed=True)

    complete_orders([ready.pk, early.pk], decision=decide(service))

    assert (states(ready), states(early)) == (["delivered"], ["packed"])


@pytest.mark.parametrize("act", ["deliver", "complete"])
def test_queries_do_not_grow_with_shipments(act: str) -> None:
    decision = decide(actor("logistician" if act == "deliver" else "service"))
    decision.by.has_perm("orders.view_order")
    counts = []
    for size in (1, 10, 100):
        orders = OrderFactory.create_batch(size, line_count=1, shipped=True)
        ids = list(Shipment.objects.filter(order__in=orders).values_list("pk", flat=True))
        with count_queries() as statements:
            if act == "deliver":
                deliver_shipments(ids, decision=decision)
            else:
                complete_orders([order.pk for order in orders], decision=decision)
        counts.append(len(statements))

    assert len(set(counts)) == 1
