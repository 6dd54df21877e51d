"""Every button on shipments does what it says, once."""

import pytest
from django.utils.translation import override

from erp.kernel.models import User
from logistics.models import Shipment, ShipmentStatus, TrackingEvent
from orders.models import Status
from tests.factories import (
    CarrierFactory,
    OrderFactory,
)
from tests.orders.closings import without_tracking
from tests.site.clicking import act_url, confirm, fresh, goes_to, page, sign_in, the

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]


def test_packing_a_shipment(keeper: User) -> None:
    order = OrderFactory(processing=True)
    client = sign_in(keeper)
    confirm(client, "draft-shipment", order)
    shipment = the(Shipment)

    response = confirm(client, "pack-shipment", shipment)

    assert goes_to(response, order)
    assert fresh(shipment).status == ShipmentStatus.PACKED


def test_cancelling_a_shipment(keeper: User) -> None:
    order = OrderFactory(packed=True)
    shipment = the(Shipment)

    response = confirm(sign_in(keeper), "cancel-shipment", shipment)

    assert goes_to(response, order)
    assert fresh(shipment).status == ShipmentStatus.CANCELLED


def test_dispatching(logistician: User) -> None:
    order = OrderFactory(packed=True)
    shipment, carrier = the(Shipment), CarrierFactory()

    response = confirm(
        sign_in(logistician), "dispatch-shipment", shipment, carrier=carrier.code, tracking_number="SF1234"
    )

    shipment = fresh(shipment)
    assert goes_to(response, order)
    assert (shipment.status, shipment.tracking_number) == (ShipmentStatus.DISPATCHED, "SF1234")
    assert shipment.carrier == carrier
    assert fresh(order).status == Status.SHIPPED


def test_dispatching_without_a_tracking_number_says_what_lacks(logistician: User) -> None:
    OrderFactory(packed=True)
    shipment, carrier = the(Shipment), CarrierFactory()

    response = confirm(sign_in(logistician), "dispatch-shipment", shipment, carrier=carrier.code)

    assert response.status_code == 409
    assert "needs a tracking number" in response.content.decode()
    assert fresh(shipment).status == ShipmentStatus.PACKED


def test_services_leave_by_no_method(logistician: User) -> None:
    OrderFactory(packed=True, services_only=True)
    shipment = the(Shipment)

    confirm(sign_in(logistician), "dispatch-shipment", shipment)

    assert fresh(shipment).status == ShipmentStatus.DISPATCHED


def test_noting_tracking(logistician: User) -> None:
    order = OrderFactory(shipped=True)
    shipment = the(Shipment)

    response = confirm(sign_in(logistician), "track-shipment", shipment, kind="in_transit", place="杭州")

    assert goes_to(response, order)
    assert (the(TrackingEvent).kind, the(TrackingEvent).place) == ("in_transit", "杭州")
    assert fresh(shipment).status == ShipmentStatus.DISPATCHED


def test_recording_a_tracking_number_that_the_checklist_misses(logistician: User) -> None:
    order = without_tracking()
    shipment, client = the(Shipment), sign_in(logistician)

    asked = client.get(page(order)).content.decode()
    response = confirm(client, "record-tracking-number", shipment, tracking_number="SF77")
    shown = client.get(page(order))

    assert '<li class="finding warning">' in asked
    assert act_url("record-tracking-number", shipment) in asked
    assert goes_to(response, order)
    assert fresh(shipment).tracking_number == "SF77"
    assert "Every shipment that needs a tracking number has one." in shown.content.decode()
    assert "Tracking number: — → SF77" in [entry.what for entry in shown.context["timeline"]]
    assert act_url("record-tracking-number", shipment) in client.get(page(shipment)).content.decode()


def test_a_tracking_number_is_not_recorded_before_the_shipment_leaves_nor_of_services(logistician: User) -> None:
    goods, services = OrderFactory(packed=True), OrderFactory(shipped=True, services_only=True)
    client = sign_in(logistician)

    offered = [
        act_url("record-tracking-number", the(Shipment, order=order)) in client.get(page(order)).content.decode()
        for order in (goods, services)
    ]

    assert offered == [False, False]


def test_delivering(logistician: User) -> None:
    order = OrderFactory(shipped=True)
    shipment = the(Shipment)

    response = confirm(sign_in(logistician), "deliver-shipment", shipment)

    assert goes_to(response, order)
    assert fresh(shipment).status == ShipmentStatus.DELIVERED


@pytest.mark.parametrize("name", ["dispatch-shipment", "cancel-shipment"])
def test_an_act_on_a_shipment_shows_where_it_goes_and_what_is_in_it(
    name: str, keeper: User, logistician: User
) -> None:
    order = OrderFactory(packed=True, shipping_address={"city": "杭州市"})
    shipment, line = the(Shipment), order.lines.get(no=1)
    user = keeper if name == "cancel-shipment" else logistician

    response = sign_in(user).get(act_url(name, shipment))

    shown = response.context["about"]
    assert (shown["Shipment number"], shown["Warehouse"]) == (shipment.number, shipment.warehouse)
    assert shown["Shipping address"] == "杭州市"
    with override("en"):
        assert [str(value) for value in shown["Lines"][0].values()] == [
            line.sku,
            line.name,
            str(line.count(line.quantity)),
        ]
    assert line.sku in response.content.decode()


def test_packing_what_is_packed_says_so_and_offers_no_button(keeper: User) -> None:
    OrderFactory(packed=True)

    text = sign_in(keeper).get(act_url("pack-shipment", the(Shipment))).content.decode()

    assert "This can no longer be done" in text
    assert 'type="submit" class="button default"' not in text
