"""What others are to be told."""

from decimal import Decimal

import pytest

from erp.kernel import outbox
from erp.kernel.acting import NobodyActing, acting
from erp.kernel.locks import unit_of_work
from erp.kernel.models import OutboxEvent
from tests.factories import DecisionFactory, OrderFactory
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def test_facts_are_told_in_the_transaction_they_happen_in() -> None:
    orders = OrderFactory.create_batch(3)
    decision = DecisionFactory()
    with count_queries() as queries, unit_of_work(decision):
        outbox.record("order.test", orders, {orders[0].pk: {"amount": Decimal("2.50")}})
        outbox.record("order.again", orders[:1])

    events = list(OutboxEvent.objects.filter(topic__in=["order.test", "order.again"]).order_by("id"))
    assert len(queries) == 1
    assert [event.topic for event in events] == ["order.test"] * 3 + ["order.again"]
    first = events[0]
    assert (first.subject_type, first.subject_id, first.subject) == (
        "orders.order",
        str(orders[0].pk),
        orders[0].number,
    )
    assert (first.payload["amount"], first.payload["version"]) == ("2.5", "1")
    assert first.state == OutboxEvent.State.PENDING
    assert first.created_at is not None


def test_nobody_can_tell_anything() -> None:
    with pytest.raises(NobodyActing):
        outbox.record("order.test", OrderFactory.create_batch(1))


def test_nothing_is_told_outside_a_unit_of_work() -> None:
    with acting(DecisionFactory()), pytest.raises(AssertionError, match="unit of work"):
        outbox.record("order.test", OrderFactory.create_batch(1))
