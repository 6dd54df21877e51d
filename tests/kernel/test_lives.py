"""What history and outbox tell of a status: the same rules for every model with a declared graph."""

from typing import Any

import pytest
from django.apps import apps

from erp.kernel.fsm import FSMModel
from erp.kernel.invariants import Lives
from erp.kernel.models import OutboxEvent
from finance.models import Payment
from inventory.services.counting import approve_stock_take
from orders.models import Order, Status
from tests.factories import OrderFactory, ProductFactory, actor, count, decide
from tests.finance.giving_up import allowed, one_line, written_off
from tests.finance.refunding import overpaid_order
from tests.logistics.returning import approved
from tests.support import count_queries, offenders, without_guards

pytestmark = pytest.mark.django_db

LIFECYCLES = [model for model in apps.get_models() if issubclass(model, FSMModel)]


def one_of_each() -> None:
    """An order and a document of each kind, each taken through an act."""
    overpaid_order()
    order = one_line()
    approved(order, {1: 1})
    allowed(order, "1")
    written_off(order, "1")
    take = count({ProductFactory(): 1})
    approve_stock_take(take.pk, decision=decide(actor("chief_accountant")))


def history(model: Any) -> Any:
    return model.history.model.objects


def rule(model: Any, name: str) -> list[Any]:
    return offenders(f"{model._meta.app_label}.{name}")


@pytest.mark.parametrize("model", LIFECYCLES, ids=lambda model: model.__name__)
class TestEveryLifecycle:
    @pytest.fixture(autouse=True)
    def _lived(self, db: None) -> None:
        one_of_each()

    def test_tells_the_truth_after_ordinary_work(self, model: Any) -> None:
        assert rule(model, "status_follows_graph") == []
        assert rule(model, "state_changes_are_told") == []

    def test_begins_as_an_act_makes_it(self, model: Any) -> None:
        first = history(model).earliest("history_id")
        with without_guards(model.history.model):
            history(model).filter(pk=first.pk).update(status="elsewhere")

        assert (first.number, "", "elsewhere") in rule(model, "status_follows_graph")

    def test_goes_on_by_its_acts(self, model: Any) -> None:
        newest = history(model).filter(history_type="~").latest("history_id")
        with without_guards(model.history.model):
            history(model).filter(pk=newest.pk).update(status="elsewhere")

        assert (newest.number, "elsewhere") in [(row[0], row[2]) for row in rule(model, "status_follows_graph")]

    def test_stands_as_its_newest_history_row_says(self, model: Any) -> None:
        row = model.objects.order_by("pk")[0]
        with without_guards(model):
            model.objects.filter(pk=row.pk).update(status="elsewhere")

        assert (model._meta.label, row.pk) in offenders("kernel.history_is_complete")

    def test_tells_each_change_once(self, model: Any) -> None:
        event = OutboxEvent.objects.filter(subject_type=model._meta.label_lower).latest("pk")
        event.pk = None
        event.save()
        assert (event.subject_id, event.topic, 1, 2) in rule(model, "state_changes_are_told")

        OutboxEvent.objects.filter(topic=event.topic, subject_id=event.subject_id).delete()
        assert (event.subject_id, event.topic, 1, 0) in rule(model, "state_changes_are_told")


def test_what_nobody_is_told_of_need_not_be_told() -> None:
    OrderFactory(reported=True)
    payment = Payment.objects.get()
    born = {"report": "reported"}

    assert list(Lives(Payment, born, silent={"report"}).untold()) == []
    assert list(Lives(Payment, born).untold()) == [(str(payment.pk), "payment.report", 1, 0)]


def test_it_costs_one_query_however_many_there_are() -> None:
    OrderFactory.create_batch(3, shipped=True)
    lives = Lives(Order, {"place": Status.NEW})

    with count_queries() as queries:
        for rows in (lives.off_graph(), lives.untold(), lives.without_reason("close")):
            assert list(rows) == []

    assert len(queries) == 3
