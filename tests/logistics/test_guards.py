"""What the database itself refuses about shipments, and who sees them."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from erp.kernel.acting import acting
from erp.kernel.models import system
from logistics.models import Carrier, Inspection, ReturnLine, Shipment, ShipmentLine, TrackingEvent
from orders.models import Line
from tests.factories import (
    CarrierFactory,
    OrderFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    actor,
    decide,
)
from tests.logistics.returning import approved, received, requested

pytestmark = pytest.mark.django_db


def refused(statement: str, *params: Any) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, params)
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize(
    "change",
    [
        "status = 'vanished'",
        "status = 'lost'",
        "status = 'refused', dispatched_at = packed_at, dispatched_by_id = packed_by_id",
        "undelivered_at = packed_at",
        "status = 'dispatched'",
        "status = 'delivered'",
        "status = 'dispatched', dispatched_at = packed_at",
        "status = 'dispatched', dispatched_by_id = packed_by_id",
        "status = 'delivered', dispatched_at = packed_at, dispatched_by_id = packed_by_id",
    ],
)
def test_a_status_needs_the_signatures_it_stands_for(change: str) -> None:
    OrderFactory(packed=True)

    assert refused(f"UPDATE logistics_shipment SET {change}")


@pytest.mark.parametrize(
    "change", ["quantity = 0", "quantity = -1", "amount = -1", "tax = -1", "cost = -1", "amount = 1, tax = 2"]
)
def test_a_part_of_a_line_is_something_and_holds_no_more_tax_than_money(change: str) -> None:
    OrderFactory(packed=True)

    assert refused(f"UPDATE logistics_shipmentline SET {change}")


def test_a_line_stands_once_on_a_shipment() -> None:
    OrderFactory(packed=True)
    row = ShipmentLine.objects.first()
    assert row

    with pytest.raises(IntegrityError), transaction.atomic():
        ShipmentLine.objects.create(shipment=row.shipment, line=row.line, quantity=Decimal(1))


def test_numbers_of_shipments_are_unique() -> None:
    OrderFactory.create_batch(2, packed=True)

    assert refused("UPDATE logistics_shipment SET number = 'SH-1'")


@pytest.mark.parametrize("change", ["shipped = quantity + 1", "shipped = -1", "shipped_amount = amount + 1"])
def test_a_line_is_never_shipped_beyond_what_was_ordered(change: str) -> None:
    OrderFactory(packed=True)
    assert Line.objects.exists()

    assert refused(f"UPDATE orders_line SET {change}")


def test_only_known_events_are_tracked() -> None:
    shipment = Shipment.objects.get(order=OrderFactory(shipped=True))

    with pytest.raises(IntegrityError), transaction.atomic(), acting(decide(system())):
        TrackingEvent.objects.create(shipment=shipment, kind="teleported", happened_at=shipment.dispatched_at)


def test_codes_of_carriers_are_unique() -> None:
    CarrierFactory(code="SF")

    with pytest.raises(IntegrityError), transaction.atomic(), acting(decide(system())):
        Carrier.objects.create(code="SF", name="顺丰")


def test_a_shipment_s_status_is_never_assigned() -> None:
    shipment = Shipment.objects.get(order=OrderFactory(packed=True))

    with pytest.raises(AttributeError):
        shipment.status = "delivered"


@pytest.mark.parametrize("services_only", [False, True])
def test_a_shipment_is_seen_in_its_shop_and_warehouse_and_services_in_their_shop(services_only: bool) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(packed=True, services_only=services_only))
    elsewhere = UserFactory(warehouses=[WarehouseFactory()])

    assert list(Shipment.objects.visible_to(UserFactory(shops=[shipment.order.shop]))) == [shipment]
    assert list(Shipment.objects.visible_to(UserFactory(shops=[ShopFactory()]))) == []
    assert list(Shipment.objects.visible_to(elsewhere)) == ([shipment] if services_only else [])
    assert list(Shipment.objects.visible_to(UserFactory(is_active=False))) == []
    assert list(Shipment.objects.visible_to(actor("keeper"))) == [shipment]


@pytest.fixture
def coming_back() -> Any:
    return approved(OrderFactory(delivered=True, line_count=1), {1: 1})


@pytest.mark.parametrize(
    "change",
    [
        "status = 'vanished'",
        "party = 'nobody'",
        "status = 'requested'",
        "status = 'received'",
        "status = 'rejected'",
        "status = 'rejected', rejected_at = approved_at",
        "approved_by_id = NULL",
    ],
)
def test_a_return_has_the_signatures_of_its_status(coming_back: Any, change: str) -> None:
    assert refused(f"UPDATE logistics_return SET {change}")


def test_the_return_of_an_undelivered_shipment_cannot_be_rejected(coming_back: Any) -> None:
    shipment = Shipment.objects.get()
    change = "status = 'rejected', rejected_at = approved_at, rejected_by_id = approved_by_id"

    assert refused(f"UPDATE logistics_return SET {change}, shipment_id = %s", shipment.pk)
    assert not refused(f"UPDATE logistics_return SET {change}")


@pytest.mark.parametrize(
    "change", ["quantity = 0", "share = 1", "credit = 1", "share = 1, credit = 2", "share = 1, credit = -1"]
)
def test_the_credit_of_a_return_line_is_within_its_share(coming_back: Any, change: str) -> None:
    assert refused(f"UPDATE logistics_returnline SET {change}")


def line_of(goods_return: Any, row: Any, quantity: int) -> None:
    with transaction.atomic(), acting(decide(system())):
        ReturnLine.objects.create(goods_return=goods_return, shipment_line=row, quantity=Decimal(quantity))


def test_no_more_comes_back_than_a_shipment_of_the_order_carried(coming_back: Any) -> None:
    row = ShipmentLine.objects.get()
    other = requested(OrderFactory(delivered=True, line_count=1), {1: 1})

    with pytest.raises(IntegrityError):
        line_of(coming_back, row, 1)  # a shipment line stands on a return once
    with pytest.raises(IntegrityError):
        line_of(other, row, 1)  # of another order
    second = requested(coming_back.order, {1: 1})
    ReturnLine.objects.filter(goods_return=second).delete()
    with pytest.raises(IntegrityError):
        line_of(second, row, 2)  # one of two is coming back already
    line_of(second, row, 1)


def inspect(row: Any, **values: Any) -> Any:
    with transaction.atomic(), acting(decide(system())):
        return Inspection.objects.create(**{"line": row, "disposition": "lost", "quantity": Decimal(1), **values})


def test_only_what_was_received_is_inspected_in_fitting_warehouses_and_once(coming_back: Any) -> None:
    row = coming_back.lines.get()
    good, bad = WarehouseFactory(), WarehouseFactory(is_defective=True)
    with pytest.raises(IntegrityError):
        inspect(row)
    change = "status = 'received', received_at = approved_at, received_by_id = approved_by_id"
    assert not refused(f"UPDATE logistics_return SET {change}")

    for values in (
        {"quantity": Decimal(2)},
        {"quantity": Decimal(0)},
        {"cost": Decimal(-1)},
        {"disposition": "eaten"},
        {"warehouse": good},
        {"disposition": "restocked"},
        {"disposition": "restocked", "warehouse": bad},
        {"disposition": "defective", "warehouse": good},
    ):
        with pytest.raises(IntegrityError):
            inspect(row, **values)
    inspection = inspect(row)
    with pytest.raises(IntegrityError):
        inspect(row, disposition="scrapped")
    for act in (inspection.delete, lambda: Inspection.objects.update(quantity=2)):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()


def test_what_was_found_is_seen_with_its_return() -> None:
    received(approved(OrderFactory(delivered=True, line_count=1), {1: 1}))

    assert list(Inspection.objects.visible_to(actor("keeper"))) == list(Inspection.objects.all())
    assert list(Inspection.objects.visible_to(UserFactory(shops=[ShopFactory()]))) == []
