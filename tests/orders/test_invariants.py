"""What must always hold of orders: the database refuses to break it, and where it cannot, the rule finds it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.models import OutboxEvent
from orders.models import CheckPolicy, ClosingRecord, Line, LineClosing, Order, Product, Review, Shop
from orders.services.cancelling import cancel_order
from orders.services.holds import hold_order, resume_order
from tests.factories import OrderFactory, actor, decide
from tests.orders.closings import set_policy
from tests.orders.reopenings import reopen
from tests.support import offenders, without_guards

pytestmark = pytest.mark.django_db

History = Order.history.model
LineHistory = Line.history.model


def set_all(model: Any, **values: Any) -> Callable[[], object]:
    return lambda: model._base_manager.update(**values)


# What the database itself refuses, with every guard in its place: columns, and what must not be in them.
REFUSED: list[tuple[Any, dict[str, Any]]] = [
    (Order, {"status": "lost"}),
    (Order, {"status": "completed"}),
    (Order, {"closed_at": None}),
    (Order, {"closed_by": None}),
    (Order, {"cycle": 2}),
    (Order, {"reopened_at": datetime(2026, 1, 1, tzinfo=UTC)}),
    (Order, {"total": 1}),
    (Order, {"goods_total": -1}),
    (Order, {"received": -1}),
    (Order, {"currency": "XXX"}),
    (Order, {"number": None}),
    (Order, {"held_reason": "HO01"}),
    (Line, {"quantity": 0}),
    (Line, {"unit_price": -1}),
    (Line, {"amount": -1}),
    (Line, {"tax": 1000}),
    (Line, {"tax_rate": 1}),
    (Line, {"shipped": 3}),
    (Line, {"shipped": -1}),
    (Line, {"shipped_amount": 1000}),
    (Line, {"kind": "gift"}),
    (Line, {"no": 1}),
    (Shop, {"tolerance": -1}),
    (CheckPolicy, {"level": "maybe"}),
    (CheckPolicy, {"above": -1}),
    (CheckPolicy, {"above": 1, "shop": None}),
    (Shop, {"currency": "XXX"}),
    (Shop, {"terms": "never"}),
    (Product, {"price": -1}),
    (Product, {"tax_rate": 1}),
    (Product, {"unit": "heap"}),
    (Review, {"facts": "{}"}),
    (ClosingRecord, {"content": "{}"}),
    (ClosingRecord, {"order": None}),
    (History, {"actor_name": "别人"}),
    (LineHistory, {"quantity": 9}),
]


@pytest.mark.parametrize(("model", "values"), REFUSED, ids=[f"{model.__name__} {values}" for model, values in REFUSED])
def test_the_database_refuses(model: Any, values: dict[str, Any]) -> None:
    order = OrderFactory(closed=True)
    set_policy("finance.conflict_of_duty", "warn", shop=order.shop)

    with pytest.raises(IntegrityError), transaction.atomic():
        model._base_manager.update(**values)


@pytest.mark.parametrize("model", [Review, ClosingRecord, History, LineHistory], ids=lambda model: model.__name__)
def test_the_database_deletes_nothing_that_is_kept_for_ever(model: Any) -> None:
    OrderFactory(closed=True)

    with pytest.raises(IntegrityError), transaction.atomic():
        model._base_manager.all().delete()


def test_an_external_number_is_there_once_in_a_shop() -> None:
    first, second = OrderFactory(external_number="1"), OrderFactory(external_number="2")

    assert first.shop_id == second.shop_id
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=second.pk).update(external_number="1")


def test_an_order_has_one_record_of_each_closing() -> None:
    order = OrderFactory(closed=True)
    record = ClosingRecord.objects.get(order=order)
    record.pk, record.position, record.digest = None, 2, "0" * 64

    with pytest.raises(IntegrityError), transaction.atomic():
        ClosingRecord.objects.bulk_create([record])


def skip_a_status() -> None:
    newest = History.objects.order_by("-history_id")[0]
    History.objects.filter(pk=newest.pk).update(status="new")
    Order.objects.update(status="new", closed_at=None, closed_by=None)


def forget_the_last_change() -> None:
    History.objects.filter(pk=History.objects.order_by("-history_id")[0].pk).delete()


def close_short_without_a_trace() -> None:
    line = Line.objects.all()[0]
    with acting(decide(actor("salesperson"))):
        LineClosing.objects.bulk_create(
            [LineClosing(order=line.order, line=line, quantity=1, amount=1, tax=0, reason="CA02", party="seller")]
        )


def reopened_by_its_closer() -> None:
    record = ClosingRecord.objects.get()
    record.pk, record.position, record.digest = None, 2, "0" * 64
    record.sequence, record.act = 2, "reopen"
    ClosingRecord.objects.bulk_create([record])


BROKEN: dict[str, tuple[Callable[[], object], tuple[Any, ...]]] = {
    "orders.status_follows_graph": (skip_a_status, (History, Order)),
    "orders.status_is_newest_history": (forget_the_last_change, (History,)),
    "orders.history_is_signed": (set_all(LineHistory, actor_name=""), (LineHistory,)),
    "orders.closing_has_reason": (set_all(History, history_change_reason=""), (History,)),
    "orders.closed_has_odd_record": (set_all(ClosingRecord, sequence=2), (ClosingRecord,)),
    "orders.records_alternate": (set_all(ClosingRecord, act="reopen"), (ClosingRecord,)),
    "orders.reopening_has_reason": (
        set_all(History, reopened_at=F("history_date"), history_change_reason=""),
        (History,),
    ),
    "orders.cancelling_has_reason": (set_all(History, status="cancelled"), (History,)),
    "orders.line_closing_has_reason": (close_short_without_a_trace, ()),
    "orders.closer_is_not_reopener": (reopened_by_its_closer, ()),
    "orders.closing_chain_is_whole": (set_all(ClosingRecord, content="{}"), (ClosingRecord,)),
    "orders.totals_add_up": (set_all(Line, amount=5), (Line,)),
    "orders.closed_short_equals_closings": (close_short_without_a_trace, ()),
    "orders.progress_status": (set_all(Order, payment_status="unpaid"), ()),
    "orders.hold_has_reason": (set_all(History, held_at=timezone.now()), (History,)),
    "orders.held_stays": (set_all(History, held_at=timezone.now(), held_reason="HO01"), (History,)),
    "orders.state_changes_are_told": (lambda: OutboxEvent.objects.filter(topic="order.close").delete(), ()),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_finds_what_was_broken_past_the_guards(rule: str) -> None:
    OrderFactory(closed=True)
    assert offenders(rule) == []
    spoil, guarded = BROKEN[rule]

    with without_guards(*guarded):
        spoil()

    assert offenders(rule) != []


def test_every_rule_of_orders_is_tried() -> None:
    assert set(BROKEN) == {rule.name for rule in invariants.registered() if rule.name.startswith("orders.")}


@pytest.mark.parametrize(
    ("rule", "spoil", "guarded"),
    [
        ("orders.history_is_signed", set_all(History, channel=""), (History,)),
        ("orders.closed_has_odd_record", lambda: ClosingRecord.objects.all().delete(), (ClosingRecord,)),
        ("orders.closing_chain_is_whole", set_all(ClosingRecord, position=2), (ClosingRecord,)),
        ("orders.closing_chain_is_whole", set_all(ClosingRecord, previous_digest="0" * 64), (ClosingRecord,)),
        ("orders.closing_chain_is_whole", set_all(ClosingRecord, digest="0" * 64), (ClosingRecord,)),
        ("orders.totals_add_up", set_all(Line, tax=0), ()),
        ("orders.progress_status", set_all(Order, shipping_status="not_shipped"), ()),
        ("orders.progress_status", set_all(Order, received=1), ()),
        ("orders.closed_short_equals_closings", set_all(Line, closed_tax=0, closed_amount=0, shipped=0, closed=1), ()),
        ("orders.status_is_newest_history", lambda: History.objects.all().delete(), (History,)),
    ],
)
def test_a_rule_finds_other_ways_to_break_it(rule: str, spoil: Any, guarded: tuple[Any, ...]) -> None:
    OrderFactory(closed=True)

    with without_guards(*guarded):
        spoil()

    assert offenders(rule) != []


def test_an_order_that_has_lost_its_lines_is_found() -> None:
    order = OrderFactory()

    with acting(decide(actor("salesperson"))):
        Line.objects.filter(order=order).delete()

    assert [row[0] for row in offenders("orders.totals_add_up")] == [order.number]


@pytest.mark.parametrize("values", [{"cancel_reason": ""}, {"history_change_reason": ""}], ids=str)
def test_a_cancellation_nobody_knows_the_reason_of_is_found(values: dict[str, Any]) -> None:
    order = OrderFactory()
    cancel_order(order.pk, decision=decide(actor("service"), reason="CA01"))
    assert offenders("orders.cancelling_has_reason") == []

    with without_guards(History):
        History.objects.filter(status="cancelled").update(**values)

    assert offenders("orders.cancelling_has_reason") != []


@pytest.mark.parametrize("topic", ["order.hold", "order.resume"])
def test_a_hold_nobody_was_told_of_is_found(topic: str) -> None:
    order = OrderFactory()
    hold_order(order.pk, decision=decide(actor("service"), reason="HO01"))
    resume_order(order.pk, decision=decide(actor("service")))
    assert offenders("orders.state_changes_are_told") == []

    OutboxEvent.objects.filter(topic=topic).delete()

    assert offenders("orders.state_changes_are_told") == [(order.pk, 2, 1)]


@pytest.mark.parametrize(
    "values",
    [{"sequence": 4}, {"sequence": 1}, {"act": "close"}, {"sequence": 3, "act": "close"}],
    ids=str,
)
def test_a_record_out_of_turn_is_refused_or_found(values: dict[str, Any]) -> None:
    reopen(OrderFactory(closed=True))
    assert offenders("orders.records_alternate") == []

    with without_guards(ClosingRecord):
        try:
            with transaction.atomic():
                ClosingRecord.objects.filter(sequence=2).update(**values)
        except IntegrityError:
            return

    assert offenders("orders.records_alternate") != []


@pytest.mark.parametrize("values", [{"act": "close", "sequence": 2}, {"act": "reopen", "sequence": 3}], ids=str)
def test_the_database_refuses_a_record_whose_number_is_that_of_the_other_act(values: dict[str, Any]) -> None:
    OrderFactory(closed=True)
    record = ClosingRecord.objects.get()
    record.pk, record.position, record.digest = None, 2, "0" * 64
    record.sequence, record.act = values["sequence"], values["act"]

    with pytest.raises(IntegrityError), transaction.atomic():
        ClosingRecord.objects.bulk_create([record])


def test_the_database_refuses_a_closing_before_its_reopening() -> None:
    order = OrderFactory(closed=True)
    reopen(order)
    now = Order.objects.get(pk=order.pk)

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.update(status="closed", closed_at=now.reopened_at, closed_by=actor("closer"))


def test_an_order_that_is_closed_after_its_reopening_without_a_record_is_found() -> None:
    order = OrderFactory(closed=True)
    reopen(order)
    assert offenders("orders.closed_has_odd_record") == []

    Order.objects.update(status="closed", closed_at=timezone.now(), closed_by=actor("closer"))

    assert [row[0] for row in offenders("orders.closed_has_odd_record")] == [order.number]


def test_a_cycle_without_its_reopening_is_found() -> None:
    order = OrderFactory(completed=True)

    Order.objects.update(cycle=2, reopened_at=timezone.now())

    assert [row[0] for row in offenders("orders.records_alternate")] == [order.number]


def test_an_order_that_claims_to_be_closed_has_no_record() -> None:
    order = OrderFactory(reviewed=True)

    Order.objects.filter(pk=order.pk).update(status="closed", closed_at=timezone.now(), closed_by=actor("closer"))

    assert [row[0] for row in offenders("orders.closed_has_odd_record")] == [order.number]
    assert [row[0] for row in offenders("orders.status_is_newest_history")] == [order.number]
