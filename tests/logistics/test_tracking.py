"""What the carrier reports is kept; signed means delivered."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from erp.kernel.errors import DomainError, Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from logistics.models import Shipment, ShipmentStatus, TrackingEvent, TrackingKind
from logistics.services import shipping
from logistics.services.shipping import note_tracking
from orders.models import Order
from tests.factories import OrderFactory, ShopFactory, UserFactory, decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def under_way() -> Any:
    return Shipment.objects.get(order=OrderFactory(shipped=True))


def test_every_event_is_kept_with_the_carrier_s_words(under_way: Any, logistician: Any) -> None:
    decision = decide(logistician, at=under_way.dispatched_at + timedelta(hours=5))
    happened = decision.at - timedelta(hours=3)

    note_tracking(
        under_way.pk, "in_transit", decision=decision, happened_at=happened, place="武汉", text="快件离开武汉"
    )
    note_tracking(under_way.pk, "out_for_delivery", decision=decision)

    first, second = TrackingEvent.objects.order_by("pk")
    assert (first.kind, first.happened_at, first.place, first.text) == (
        TrackingKind.IN_TRANSIT,
        happened,
        "武汉",
        "快件离开武汉",
    )
    assert (second.happened_at, second.by) == (decision.at, logistician)
    assert Shipment.objects.get().status == ShipmentStatus.DISPATCHED
    assert OutboxEvent.objects.filter(topic="shipment.track").count() == 2


def test_signed_delivers(under_way: Any, logistician: Any) -> None:
    decision = decide(logistician)

    note_tracking(under_way.pk, "signed", decision=decision)

    delivered = Shipment.objects.get()
    assert delivered.status == ShipmentStatus.DELIVERED
    assert (delivered.delivered_by, delivered.delivered_at) == (logistician, decision.at)


def test_what_is_reported_after_delivery_is_kept_too(under_way: Any, logistician: Any) -> None:
    for _ in range(2):
        note_tracking(under_way.pk, "signed", decision=decide(logistician))

    assert TrackingEvent.objects.count() == 2
    assert OutboxEvent.objects.filter(topic="shipment.deliver").count() == 1


def test_the_same_report_again_is_the_same_event(under_way: Any, logistician: Any) -> None:
    report = {"decision": decide(logistician), "place": "武汉", "text": "快件离开武汉"}

    first, again = (note_tracking(under_way.pk, "in_transit", **report) for _ in range(2))

    assert first == again
    assert TrackingEvent.objects.count() == OutboxEvent.objects.filter(topic="shipment.track").count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        TrackingEvent.objects.bulk_create([copy_of(first)])


def copy_of(event: TrackingEvent) -> TrackingEvent:
    values = {field.attname: getattr(event, field.attname) for field in event._meta.concrete_fields}
    return TrackingEvent(**{**values, "id": None})


def test_nothing_happens_to_a_shipment_before_it_leaves(under_way: Any, logistician: Any) -> None:
    before = under_way.dispatched_at - timedelta(minutes=1)

    with pytest.raises(shipping.TrackedBeforeDispatch):
        note_tracking(under_way.pk, "collected", decision=decide(logistician), happened_at=before)

    # Said to the minute, the moment of the dispatch itself lies before it.
    note_tracking(
        under_way.pk,
        "collected",
        decision=decide(logistician),
        happened_at=under_way.dispatched_at.replace(second=0, microsecond=0),
    )


@pytest.mark.parametrize("kind", ["returned", "refused_by_recipient"])
def test_that_it_comes_back_is_kept_and_decides_nothing(under_way: Any, logistician: Any, kind: str) -> None:
    note_tracking(under_way.pk, kind, decision=decide(logistician))

    assert TrackingEvent.objects.get().kind == kind
    assert Shipment.objects.get().status == ShipmentStatus.DISPATCHED


@pytest.mark.parametrize("kind", ["teleported", "", "SIGNED"])
def test_an_unknown_event_is_refused(under_way: Any, logistician: Any, kind: str) -> None:
    with pytest.raises(shipping.UnknownEvent):
        note_tracking(under_way.pk, kind, decision=decide(logistician))


def test_what_has_not_left_is_not_tracked(logistician: Any) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(packed=True))

    with pytest.raises(shipping.NotUnderWay):
        note_tracking(shipment.pk, "collected", decision=decide(logistician))

    assert not TrackingEvent.objects.exists()


@pytest.mark.parametrize(("field", "limit"), [("place", 100), ("text", 200)])
def test_words_that_do_not_fit_are_refused(under_way: Any, logistician: Any, field: str, limit: int) -> None:
    with pytest.raises(DomainError) as refused:
        note_tracking(under_way.pk, "problem", decision=decide(logistician), **{field: "x" * (limit + 1)})

    assert refused.value.code == "kernel.too_long"


def test_tracking_needs_the_permission_of_delivering(under_way: Any, keeper: Any) -> None:
    with pytest.raises(Forbidden):
        note_tracking(under_way.pk, "signed", decision=decide(keeper))


def test_a_shipment_of_another_shop_does_not_exist(under_way: Any) -> None:
    stranger = UserFactory(shops=[ShopFactory()])

    with pytest.raises(NotFound):
        note_tracking(under_way.pk, "signed", decision=decide(stranger))


def test_tracking_gives_the_order_a_new_version(under_way: Any, logistician: Any) -> None:
    version = Order.objects.get().version

    note_tracking(under_way.pk, "collected", decision=decide(logistician))

    assert Order.objects.get().version == version + 1


def test_a_closed_order_s_tracking_is_read_only(logistician: Any) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(closed=True))

    with pytest.raises(DomainError) as refused:
        note_tracking(shipment.pk, "problem", decision=decide(logistician))

    assert refused.value.code == "orders.is_final"


def test_events_are_never_changed_nor_deleted(under_way: Any, logistician: Any) -> None:
    event = note_tracking(under_way.pk, "collected", decision=decide(logistician))

    for act in (event.delete, lambda: TrackingEvent.objects.update(place="x")):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()


def test_events_are_seen_with_their_shipment(under_way: Any, logistician: Any) -> None:
    event = note_tracking(under_way.pk, "collected", decision=decide(logistician))

    assert list(TrackingEvent.objects.visible_to(logistician)) == [event]
    assert list(TrackingEvent.objects.visible_to(UserFactory(shops=[ShopFactory()]))) == []
