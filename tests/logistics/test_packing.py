"""Packing, and taking back what has not left."""

from typing import Any

import pytest

from erp.kernel.errors import Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent
from inventory.models import Reservation, StockLevel
from logistics.models import Shipment, ShipmentStatus
from logistics.services.drafting import draft_shipments, pack_orders
from logistics.services.shipping import cancel_shipment, cancel_shipments, pack_shipment, pack_shipments
from orders.models import Order
from tests.factories import OrderFactory, ShopFactory, UserFactory, WarehouseFactory, actor, decide
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft() -> Any:
    (shipment,) = draft_shipments([OrderFactory(processing=True).pk], decision=decide(actor("keeper")))
    return shipment


def states() -> list[str]:
    return list(Shipment.objects.order_by("pk").values_list("status", flat=True))


def test_a_packed_shipment_says_who_packed_it_and_when(draft: Any, keeper: Any) -> None:
    decision = decide(keeper)

    pack_shipment(draft.pk, decision=decision)

    packed = Shipment.objects.get()
    assert packed.status == ShipmentStatus.PACKED
    assert (packed.packed_by, packed.packed_at) == (keeper, decision.at)
    assert list(packed.history.order_by("history_id").values_list("status", "history_user")) == [
        ("draft", actor("keeper").pk),
        ("packed", keeper.pk),
    ]
    assert OutboxEvent.objects.get(topic="shipment.pack").subject == packed.number


def test_packing_moves_neither_stock_nor_money(draft: Any, keeper: Any) -> None:
    before = list(StockLevel.objects.values())

    pack_shipment(draft.pk, decision=decide(keeper))

    assert list(StockLevel.objects.values()) == before


def test_everything_reserved_is_packed_in_one_act(keeper: Any) -> None:
    order, decision = OrderFactory(processing=True), decide(keeper)

    (shipment,) = pack_orders([order.pk], decision=decision)

    shipment.refresh_from_db()
    assert (shipment.status, shipment.packed_by, shipment.packed_at) == (ShipmentStatus.PACKED, keeper, decision.at)
    assert dict(shipment.lines.values_list("line__no", "quantity")) == {1: 2, 2: 2}
    assert shipment.history.count() == 1
    assert OutboxEvent.objects.filter(topic="shipment.pack").count() == 1


def test_of_shipments_packed_together_all_are_or_none(draft: Any, keeper: Any) -> None:
    packed = pack_orders([OrderFactory(processing=True).pk], decision=decide(keeper))

    with pytest.raises(WrongState) as refused:
        pack_shipments([draft.pk, packed[0].pk], decision=decide(keeper))

    assert refused.value.params["number"] == packed[0].number
    assert states() == ["draft", "packed"]


@pytest.mark.parametrize("stage", ["packed", "shipped", "delivered"])
def test_only_a_draft_is_packed(keeper: Any, stage: str) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(**{stage: True}))

    with pytest.raises(WrongState):
        pack_shipment(shipment.pk, decision=decide(keeper))


@pytest.mark.parametrize("packed", [False, True])
def test_a_cancelled_shipment_leaves_its_goods_to_the_order_for_a_new_one(
    draft: Any, keeper: Any, packed: bool
) -> None:
    if packed:
        pack_shipment(draft.pk, decision=decide(keeper))
    reserved = list(Reservation.objects.values_list("pk", flat=True))

    cancel_shipment(draft.pk, decision=decide(keeper))

    assert list(Reservation.objects.values_list("pk", flat=True)) == reserved
    (again,) = draft_shipments([draft.order_id], decision=decide(keeper))
    assert dict(again.lines.values_list("line__no", "quantity")) == {1: 2, 2: 2}
    assert states() == ["cancelled", "draft"]


@pytest.mark.parametrize("stage", ["shipped", "delivered"])
def test_what_has_left_is_not_cancelled(keeper: Any, stage: str) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(**{stage: True}))

    with pytest.raises(WrongState):
        cancel_shipment(shipment.pk, decision=decide(keeper))


def test_a_shipment_is_cancelled_once(draft: Any, keeper: Any) -> None:
    cancel_shipment(draft.pk, decision=decide(keeper))

    with pytest.raises(WrongState):
        cancel_shipment(draft.pk, decision=decide(keeper))


@pytest.mark.parametrize("act", [pack_shipment, cancel_shipment])
def test_packing_and_cancelling_need_their_permission(draft: Any, logistician: Any, act: Any) -> None:
    with pytest.raises(Forbidden):
        act(draft.pk, decision=decide(logistician))

    assert states() == ["draft"]


@pytest.mark.parametrize("act", [pack_shipment, cancel_shipment])
def test_a_shipment_out_of_scope_does_not_exist(draft: Any, act: Any) -> None:
    elsewhere = UserFactory(role="keeper", warehouses=[WarehouseFactory()])
    # Without the right, the answer tells no more than that.
    stranger = UserFactory(shops=[ShopFactory()])

    for user in (elsewhere, stranger):
        with pytest.raises(NotFound):
            act(draft.pk, decision=decide(user))


def test_an_act_on_a_shipment_gives_its_order_a_new_version(draft: Any, keeper: Any) -> None:
    version = Order.objects.get().version

    pack_shipment(draft.pk, decision=decide(keeper))
    cancel_shipment(draft.pk, decision=decide(keeper))

    assert Order.objects.get().version == version + 2


@pytest.mark.parametrize("act", [pack_shipments, cancel_shipments])
def test_queries_do_not_grow_with_shipments(keeper: Any, act: Any) -> None:
    decision = decide(keeper)
    decision.by.has_perm("logistics.pack_shipment")
    counts = []
    for size in (1, 10, 100):
        orders = OrderFactory.create_batch(size, line_count=1, processing=True)
        drafts = draft_shipments([order.pk for order in orders], decision=decision)
        with count_queries() as statements:
            act([shipment.pk for shipment in drafts], decision=decision)
        counts.append(len(statements))

    assert len(set(counts)) == 1
