"""How every document changes its status."""

import pytest

from erp.kernel import transitions
from erp.kernel.acting import acting
from erp.kernel.errors import Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent, User
from logistics.models import Shipment, ShipmentStatus
from logistics.services import drafting
from tests.factories import OrderFactory, UserFactory, WarehouseFactory, actor, decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def shipments() -> list[Shipment]:
    """Two drafts."""
    orders = OrderFactory.create_batch(2, processing=True)
    return drafting.draft_shipments([order.pk for order in orders], decision=decide(actor("keeper")))


def _pack(shipments: list[Shipment], by: User) -> list[Shipment]:
    return transitions.transition(Shipment.objects, [s.pk for s in shipments], "pack", decide(by))


def test_documents_move_with_history_and_news(shipments: list[Shipment], keeper: User) -> None:
    packed = _pack(shipments, keeper)

    for shipment in Shipment.objects.all():
        newest = shipment.history.order_by("-history_id")[0]
        assert (shipment.status, newest.status) == (ShipmentStatus.PACKED, ShipmentStatus.PACKED)
        assert (shipment.packed_by, newest.history_user) == (keeper, keeper)
    assert len(packed) == OutboxEvent.objects.filter(topic="shipment.pack").count() == 2


def test_without_the_permission_nothing_moves(shipments: list[Shipment], auditor: User) -> None:
    with pytest.raises(Forbidden) as refused:
        _pack(shipments, auditor)

    assert refused.value.params["permission"] == "logistics.pack_shipment"
    assert set(Shipment.objects.values_list("status", flat=True)) == {ShipmentStatus.DRAFT}


def test_an_inactive_user_may_nothing(shipments: list[Shipment]) -> None:
    inactive = UserFactory(role="keeper", is_active=False)

    with pytest.raises(NotFound):
        _pack(shipments, inactive)
    with pytest.raises(Forbidden):
        transitions.permit(inactive, "logistics.pack_shipment")
    with pytest.raises(Forbidden):
        transitions.permit(UserFactory(is_superuser=True, is_active=False), "logistics.pack_shipment")


@pytest.mark.parametrize("role", ["keeper", None], ids=["with the permission", "without"])
def test_what_is_out_of_scope_does_not_exist_whoever_asks(role: str | None, shipments: list[Shipment]) -> None:
    """Not even a refusal tells that it is there."""
    with pytest.raises(NotFound):
        _pack(shipments, UserFactory(role=role, warehouses=[WarehouseFactory()]))


def test_a_missing_document_is_not_found(shipments: list[Shipment], keeper: User) -> None:
    with pytest.raises(NotFound) as refused:
        transitions.transition(Shipment.objects, [shipments[0].pk, 0], "pack", decide(keeper))

    assert refused.value.params["ids"] == "0"
    assert set(Shipment.objects.values_list("status", flat=True)) == {ShipmentStatus.DRAFT}


def test_a_document_that_leaves_the_scope_before_it_is_locked_is_not_found(
    shipments: list[Shipment], keeper: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "lock", lambda queryset: list(queryset)[1:])
    with pytest.raises(NotFound):
        _pack(shipments, keeper)

    assert set(Shipment.objects.values_list("status", flat=True)) == {ShipmentStatus.DRAFT}


def test_one_in_the_wrong_state_stops_all(shipments: list[Shipment], keeper: User) -> None:
    _pack(shipments[:1], keeper)

    with pytest.raises(WrongState) as refused:
        _pack(shipments, keeper)

    assert shipments[0].number in str(refused.value)
    assert Shipment.objects.get(pk=shipments[1].pk).status == ShipmentStatus.DRAFT


def test_columns_named_beside_the_transition_are_written_with_it(shipments: list[Shipment], keeper: User) -> None:
    """What is written into history has to be written into the table."""
    (shipment, _other) = Shipment.objects.order_by("pk")
    shipment.tracking_number = "T1"
    with acting(decide(keeper)), transitions.unit_of_work(decide(keeper)):
        transitions.advance([shipment], "pack", also=["tracking_number"])

    assert Shipment.objects.get(pk=shipment.pk).tracking_number == "T1"


def test_moving_nothing_is_nothing(keeper: User) -> None:
    transitions.advance([], "pack")
