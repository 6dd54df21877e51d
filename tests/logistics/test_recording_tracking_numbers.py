"""录入运单号: a number that was not known, or mistyped, when the goods left."""

from typing import Any

import pytest

from erp.kernel.errors import DomainError, Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from logistics.models import Shipment
from logistics.services import shipping
from logistics.services.shipping import dispatch_shipment, record_tracking_number
from orders.models import Order, ShippingMethod
from orders.services.lifecycle import preview
from tests.database import unchanged
from tests.factories import CarrierFactory, OrderFactory, ShopFactory, UserFactory, decide
from tests.orders.closings import without_tracking

pytestmark = pytest.mark.django_db


def blockers(order: Any, by: Any) -> list[str]:
    return preview("close", [order.pk], decide(by, reason="CL01"))[order.pk].codes


@pytest.mark.parametrize("stage", ["shipped", "delivered", "completed"])
def test_number_and_carrier_are_corrected_and_history_says_from_what_to_what(logistician: Any, stage: str) -> None:
    order = OrderFactory(**{stage: True})
    shipment, carrier = Shipment.objects.get(), CarrierFactory()
    old = (shipment.carrier_id, shipment.tracking_number)

    record_tracking_number(shipment.pk, " SF2 ", carrier=carrier.code, decision=decide(logistician, note="面单重打"))

    shipment.refresh_from_db()
    assert (shipment.carrier, shipment.tracking_number) == (carrier, "SF2")
    before, after = shipment.history.order_by("-history_id")[:2][::-1]
    assert (before.carrier_id, before.tracking_number) == old
    assert (after.carrier_id, after.tracking_number) == (carrier.pk, "SF2")
    assert (after.actor_name, after.history_change_reason) == (logistician.name, "面单重打")
    assert Order.objects.get().version == order.version + 1
    assert OutboxEvent.objects.get(topic="shipment.record_tracking_number").payload["number"] == "SF2"


def test_what_closing_misses_is_recorded_instead_of_waived_and_logistics_is_reviewed_again(
    closer: Any, logistician: Any
) -> None:
    order = without_tracking()
    assert blockers(order, closer) == ["logistics.tracking_missing"]

    record_tracking_number(Shipment.objects.get().pk, "SF1", decision=decide(logistician))

    assert blockers(order, closer) == ["orders.review_stale"]


def test_what_is_said_already_changes_nothing(logistician: Any) -> None:
    OrderFactory(shipped=True)
    shipment = Shipment.objects.get()
    rows = shipment.history.count()

    record_tracking_number(shipment.pk, shipment.tracking_number, decision=decide(logistician))

    assert shipment.history.count() == rows
    assert not OutboxEvent.objects.filter(topic="shipment.record_tracking_number").exists()


def test_what_cannot_be_recorded_is_refused(logistician: Any) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(shipped=True))
    packed = Shipment.objects.get(order=OrderFactory(packed=True))
    closed = Shipment.objects.get(order=OrderFactory(closed=True))
    decision = decide(logistician)

    with unchanged():
        for row, number, carrier, code in (
            (shipment, " ", "", "kernel.missing"),
            (shipment, "x" * 65, "", "kernel.too_long"),
            (shipment, "SF1", "NOBODY", "logistics.unknown_carrier"),
            (packed, "SF1", "", "logistics.not_under_way"),
            (closed, "SF1", "", "orders.is_final"),
        ):
            with pytest.raises(DomainError) as refused:
                record_tracking_number(row.pk, number, carrier=carrier, decision=decision)
            assert refused.value.code == code


def test_a_method_that_needs_a_carrier_gets_one(logistician: Any) -> None:
    order = OrderFactory(packed=True, shipping_method="PICKUP")
    shipment = Shipment.objects.get()
    dispatch_shipment(shipment.pk, decision=decide(logistician))
    ShippingMethod.objects.filter(pk=order.shipping_method_id).update(needs_carrier=True)

    with unchanged(), pytest.raises(shipping.CarrierMissing):
        record_tracking_number(shipment.pk, "SF1", decision=decide(logistician))
    record_tracking_number(shipment.pk, "SF1", carrier=CarrierFactory().code, decision=decide(logistician))


def test_it_needs_the_permission_of_dispatching_and_a_shipment_in_scope(keeper: Any) -> None:
    OrderFactory(shipped=True)
    shipment, stranger = Shipment.objects.get(), UserFactory(shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(Forbidden):
            record_tracking_number(shipment.pk, "SF1", decision=decide(keeper))
        with pytest.raises(NotFound):
            record_tracking_number(shipment.pk, "SF1", decision=decide(stranger))
