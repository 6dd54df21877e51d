"""History says of every change who made it, when, why and through which door: alone and in bulk alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from erp.kernel.acting import Channel, NobodyActing
from orders.models import Line, Order
from orders.services.closing import close_orders
from orders.services.fulfilment import process_orders
from tests.factories import OrderFactory, UserFactory, actor, decide

pytestmark = pytest.mark.django_db


def rows(order: Any) -> list[Any]:
    return list(Order.history.filter(id=order.pk).order_by("history_id"))


def test_each_step_of_an_orders_life_is_a_row_signed_by_who_took_it() -> None:
    order = OrderFactory(closed=True)

    assert [(row.history_type, row.status, row.actor_name) for row in rows(order)] == [
        ("+", "new", actor("salesperson").name),
        ("~", "processing", actor("salesperson").name),
        ("~", "shipped", actor("logistician").name),
        ("~", "completed", actor("service").name),
        ("~", "closed", actor("closer").name),
    ]


@pytest.mark.parametrize("size", [1, 3])
def test_a_row_says_who_when_why_and_through_which_door(closer: Any, size: int) -> None:
    orders = OrderFactory.create_batch(size, reviewed=True)
    decision = decide(closer, reason="CL04", note="尾差已核", channel=Channel.BULK, request_id="r-1")

    close_orders([order.pk for order in orders], decision=decision)

    for order in orders:
        row = rows(order)[-1]
        assert (row.history_user, row.actor_name, row.history_date) == (closer, closer.name, decision.at)
        assert (row.channel, row.request_id, row.history_change_reason) == (Channel.BULK, "r-1", "CL04 尾差已核")
        assert (row.status, row.closed_by, row.closed_at) == ("closed", closer, decision.at)


def test_the_name_stays_as_it_was_when_the_person_is_renamed(closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    name = closer.name
    close_orders([order.pk], decision=decide(closer, reason="CL01"))

    type(closer).objects.filter(pk=closer.pk).update(name="改名")

    assert rows(order)[-1].actor_name == name


def test_the_newest_row_is_the_last_written_whatever_its_date() -> None:
    late = datetime(2026, 3, 2, tzinfo=UTC)
    order = OrderFactory(services_only=True, at=late)

    process_orders([order.pk], decision=decide(actor("salesperson"), at=late - timedelta(days=1)))

    assert [row.status for row in rows(order)] == ["new", "processing"]
    assert rows(order)[-1].history_date < rows(order)[0].history_date


def test_progress_leaves_no_row() -> None:
    order = OrderFactory(reviewed=True)

    assert {row.status for row in rows(order)} == {"new", "processing", "shipped", "completed"}
    assert len(rows(order)) == 4
    assert Line.history.filter(order_id=order.pk).count() == Line.objects.filter(order=order).count()
    assert not hasattr(rows(order)[0], "received")


def test_lines_are_recorded_when_they_are_placed() -> None:
    order = OrderFactory(line_count=3)

    assert list(Line.history.filter(order_id=order.pk).values_list("no", "history_type", "actor_name")) == [
        (no, "+", actor("salesperson").name) for no in (3, 2, 1)
    ]


def test_nobody_acting_changes_nothing() -> None:
    order = OrderFactory()

    order.note = "改"
    with pytest.raises(NobodyActing), transaction.atomic():
        order.save()

    assert Order.objects.get(pk=order.pk).note == ""
    assert len(rows(order)) == 1


@pytest.mark.parametrize("change", ["update", "delete"])
def test_history_can_be_neither_changed_nor_deleted(change: str) -> None:
    order = OrderFactory()
    history = Order.history.filter(id=order.pk)

    with pytest.raises(IntegrityError), transaction.atomic():
        history.update(actor_name="别人") if change == "update" else history.delete()


def test_who_acted_cannot_be_deleted() -> None:
    closer = UserFactory(role="closer")
    close_orders([OrderFactory(reviewed=True).pk], decision=decide(closer, reason="CL01"))

    with pytest.raises(ProtectedError):
        closer.delete()


def test_the_history_of_each_model_has_fields_of_its_own() -> None:
    """The package shares a field given to it, and an update of one history then wrote into another's table."""
    for model in apps.get_models():
        assert {field.model for field in model._meta.local_fields} == {model}
