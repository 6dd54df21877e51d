"""The layer over the FSM package: what the package alone gets wrong."""

from decimal import Decimal

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from erp.kernel import fsm, setwise
from erp.kernel.acting import acting
from erp.kernel.fsm import ConcurrentTransition, FSMModel, StatusField, TransitionNotAllowed
from finance.models import Payment
from inventory.models import StockTake
from logistics.models import Shipment, ShipmentStatus
from orders.models import Order, Status
from tests.factories import DecisionFactory, OrderFactory, ProductFactory, count
from tests.finance.giving_up import allowance, write_off
from tests.logistics.returning import requested
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def _moved_elsewhere(order: Order) -> None:
    """Somebody else processes the order meanwhile."""
    other = Order.objects.get(pk=order.pk)
    with acting(DecisionFactory()):
        other.process(DecisionFactory())
        setwise.save_state([other], {other.pk: Status.NEW}, [])


def test_a_status_cannot_be_assigned() -> None:
    order = OrderFactory()

    with pytest.raises(AttributeError, match="not allowed"):
        order.status = Status.CLOSED
    order.status = Status.NEW


def test_a_status_read_from_the_database_equals_its_constant() -> None:
    order = OrderFactory()
    order.process(DecisionFactory())

    assert order.status == Status.PROCESSING == "processing"
    assert Order.objects.get(pk=order.pk).status == Status.NEW == "new"


def test_an_order_can_be_refreshed() -> None:
    order = OrderFactory()
    _moved_elsewhere(order)
    order.refresh_from_db()

    assert order.status == Status.PROCESSING


def test_a_refresh_that_fails_leaves_the_status_protected() -> None:
    order = OrderFactory()
    order.pk = 0
    with pytest.raises(Order.DoesNotExist):
        order.refresh_from_db()

    with pytest.raises(AttributeError):
        order.status = Status.CLOSED
    with pytest.raises(AttributeError):
        OrderFactory().status = Status.CLOSED


def test_a_refresh_protects_no_other_order_the_less() -> None:
    """The fork's way of refreshing switches protection off for the whole class."""
    order, other = OrderFactory.create_batch(2)

    class Meanwhile:
        def __get__(self, instance: Order, owner: type[Order]) -> str:
            with pytest.raises(AttributeError):
                other.status = Status.CLOSED
            return "default"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(order._state), "db", Meanwhile(), raising=False)
        order.refresh_from_db()


def test_an_order_can_be_validated() -> None:
    OrderFactory().full_clean()


def test_loading_some_columns_costs_no_further_query() -> None:
    OrderFactory.create_batch(3)

    with count_queries() as queries:
        orders = list(Order.objects.only("number"))
    assert len(queries) == 1

    with count_queries() as queries:
        assert {order.status for order in orders} == {Status.NEW}
    assert len(queries) == 3


def test_saving_over_a_status_that_changed_meanwhile_is_refused() -> None:
    order = OrderFactory()
    _moved_elsewhere(order)

    order.process(DecisionFactory())
    order.note = "mine"
    with acting(DecisionFactory()), pytest.raises(ConcurrentTransition), transaction.atomic():
        order.save()

    assert Order.objects.get(pk=order.pk).note == ""


def test_the_same_instance_can_be_saved_after_each_transition() -> None:
    order = OrderFactory()
    with acting(DecisionFactory()):
        order.process(DecisionFactory())
        order.save()
        order.ship(DecisionFactory())
        order.save()

    assert Order.objects.get(pk=order.pk).status == Status.SHIPPED


def test_a_transition_from_elsewhere_is_refused() -> None:
    order = OrderFactory()

    assert not fsm.can_proceed(order.close)
    with pytest.raises(TransitionNotAllowed):
        order.close(DecisionFactory())
    assert order.status == Status.NEW


def test_the_graph_can_be_read() -> None:
    assert fsm.edges(Shipment) == {
        ("pack", "draft", "packed"),
        ("dispatch", "packed", "dispatched"),
        ("deliver", "dispatched", "delivered"),
        ("refuse", "dispatched", "refused"),
        ("lose", "dispatched", "lost"),
        ("cancel", "draft", "cancelled"),
        ("cancel", "packed", "cancelled"),
    }
    assert fsm.sources(Shipment, "cancel") == [ShipmentStatus.DRAFT, ShipmentStatus.PACKED]
    assert fsm.permission_of(Order, "close") == "orders.close_order"
    assert fsm.permission_of(Order, "ship") == ""


LIFECYCLES = [model for model in apps.get_models() if issubclass(model, FSMModel)]


@pytest.mark.parametrize("model", LIFECYCLES, ids=lambda model: model.__name__)
def test_every_lifecycle_is_protected_and_closed_in_the_database(model: type[FSMModel]) -> None:
    field = model._meta.get_field("status")

    assert isinstance(field, StatusField)
    assert field.protected
    OrderFactory(shipped=True, reported=True)
    count({ProductFactory(): 1})
    OrderFactory(paid=Decimal(5000))
    requested(OrderFactory(delivered=True), {1: 1})
    allowance(OrderFactory(delivered=True), "1")
    write_off(OrderFactory(delivered=True), "1")
    assert {Order, Shipment, Payment, StockTake} <= set(LIFECYCLES)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET status = 'elsewhere'")
