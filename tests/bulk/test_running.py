"""Bulk runs: drafted, started, paused and worked off in pieces; each order is done once and told truly."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from erp.bulk import services
from erp.bulk.acts import all_acts
from erp.bulk.models import BulkRun, RunState
from erp.bulk.services import NothingSelected, RunMovedOn, TooManySelected
from erp.kernel import invariants
from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.errors import Busy, Forbidden, NotFound, RefusedByDatabase
from erp.kernel.models import system
from erp.kernel.validation import TooLong
from orders.models import ClosingRecord, Order, Reason, Review, ShopScope, Status
from orders.services import closing
from orders.services.catalogue import ReasonNeedsNote, ReasonUnknown
from orders.services.closing import close_order
from orders.services.lifecycle import Outcome, Outcomes
from tests.bulk.running import fresh, results, started, work, work_all
from tests.factories import OrderFactory, ShopFactory, UserFactory, decide
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def as_job() -> Any:
    return acting(Decision(by=system(), at=timezone.now(), channel=Channel.JOB))


def test_a_run_does_every_order_or_keeps_every_reason(closer: Any) -> None:
    good = OrderFactory.create_batch(2, reviewed=True)
    bad = OrderFactory(completed=True, unpaid=True)

    run = started("close", [*good, bad], closer)
    work_all()

    told = results(run)
    assert [told[order.pk] for order in good] == [("done", [])] * 2
    state, codes = told[bad.pk]
    assert state == "refused"
    assert {"finance.unpaid", "orders.review_missing"} <= set(codes)
    now = fresh(run)
    assert now.state == RunState.FINISHED
    assert now.finished_at
    assert now.leased_until is None
    assert list(invariants.broken()) == []


def test_history_names_who_asked_and_the_run(closer: Any) -> None:
    order = OrderFactory(reviewed=True)

    run = started("close", [order], closer, note="月末")
    work_all()

    history: Any = Order.history
    row = history.filter(id=order.pk).latest("history_id")
    assert (row.history_user_id, row.channel, row.request_id) == (closer.pk, Channel.BULK, run.request_id)
    assert (run.reason, run.note) == ("CL01", "月末")


def test_orders_are_completed_in_bulk(service: Any) -> None:
    shipped, new = OrderFactory(shipped=True, paid=True), OrderFactory()

    run = started("complete", [shipped, new], service)
    work_all()

    assert results(run) == {shipped.pk: ("done", []), new.pk: ("refused", ["orders.wrong_state"])}


def test_orders_are_reviewed_in_bulk_and_marked_so(accountant: Any) -> None:
    paid, unpaid = OrderFactory(completed=True, paid=True), OrderFactory(completed=True)

    run = started("review-finance", [paid, unpaid], accountant)
    work_all()

    assert results(run) == {paid.pk: ("done", []), unpaid.pk: ("refused", ["finance.unpaid"])}
    assert Review.objects.get(order=paid).is_bulk


def test_nothing_and_too_much_are_refused(closer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NothingSelected):
        services.draft("close", [], decision=decide(closer))
    monkeypatch.setattr(services, "MOST", 1)
    with pytest.raises(TooManySelected):
        services.draft("close", [1, 2], decision=decide(closer))
    assert not BulkRun.objects.exists()


def test_a_draft_needs_the_permission_and_takes_only_what_is_in_scope(salesperson: Any) -> None:
    own, other = OrderFactory(), OrderFactory(shop=ShopFactory())
    closer = UserFactory(role="closer", shops=[own.shop])
    closer.groups.clear()
    closer.user_permissions.add(Permission.objects.get(codename="close_order"))
    closer = type(closer).objects.get(pk=closer.pk)

    with pytest.raises(Forbidden):
        services.draft("close", [own.pk], decision=decide(salesperson))
    run = services.draft("close", [own.pk, other.pk, own.pk], decision=decide(closer))

    assert list(results(run)) == [own.pk]


def test_nothing_is_done_before_the_start(closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    services.draft("close", [order.pk], decision=decide(closer))

    assert not work()

    assert Order.objects.get(pk=order.pk).status == Status.COMPLETED


def test_a_start_needs_a_reason_that_serves(closer: Any) -> None:
    run = services.draft("close", [OrderFactory(reviewed=True).pk], decision=decide(closer))
    needs_note = next(each for each in Reason.objects.filter(needs_note=True, for_rules=False) if "close" in each.acts)

    with pytest.raises(ReasonUnknown):
        services.start(run.pk, decision=decide(closer))
    with pytest.raises(ReasonNeedsNote):
        services.start(run.pk, decision=decide(closer, reason=needs_note.code))
    with pytest.raises(TooLong):
        services.start(run.pk, decision=decide(closer, reason="CL01", note="长" * 501))
    assert fresh(run).state == RunState.DRAFT


def test_only_its_owner_starts_it_and_only_once(closer: Any) -> None:
    run = services.draft("close", [OrderFactory(reviewed=True).pk], decision=decide(closer))

    with pytest.raises(NotFound):
        services.start(run.pk, decision=decide(UserFactory(role="closer"), reason="CL01"))
    services.start(run.pk, decision=decide(closer, reason="CL01"))
    with pytest.raises(RunMovedOn):
        services.start(run.pk, decision=decide(closer, reason="CL01"))


def test_a_paused_run_rests_until_it_goes_on(closer: Any) -> None:
    run = started("close", [OrderFactory(reviewed=True)], closer)
    services.pause(run.pk, decision=decide(closer))

    assert not work()
    with pytest.raises(RunMovedOn):
        services.pause(run.pk, decision=decide(closer))
    services.go_on(run.pk, decision=decide(closer))
    work_all()

    assert fresh(run).state == RunState.FINISHED


def test_a_run_is_worked_off_in_pieces(closer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PIECE", 2)
    run = started("close", OrderFactory.create_batch(3, line_count=1, reviewed=True), closer)

    assert work()

    assert [state for state, _codes in results(run).values()] == ["done", "done", "pending"]


def test_a_permission_that_is_gone_stops_the_run_with_a_sentence(closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    run = started("close", [order], closer)
    closer.groups.remove(*Group.objects.all())

    work_all()

    now = fresh(run)
    assert now.state == RunState.STOPPED
    assert closer.name in now.failure
    assert "权限" in now.failure
    assert results(run) == {order.pk: ("pending", [])}


def test_an_order_out_of_scope_by_now_does_not_stop_the_others(accountant: Any) -> None:
    stays, goes = OrderFactory(completed=True, paid=True), OrderFactory(shop=ShopFactory(), completed=True, paid=True)
    accountant.groups.clear()
    accountant.user_permissions.clear()
    accountant.user_permissions.add(Permission.objects.get(codename="review_finance"))
    with acting(decide(system())):
        scopes = [ShopScope.objects.create(user=accountant, shop=order.shop) for order in (stays, goes)]
        accountant = type(accountant).objects.get(pk=accountant.pk)
        run = started("review-finance", [stays, goes], accountant)
        scopes[1].delete()

    work_all()

    assert results(run) == {stays.pk: ("done", []), goes.pk: ("refused", ["kernel.not_found"])}


@pytest.mark.parametrize("act", ["close", "review-order"])
def test_a_worker_that_ends_before_it_tells_has_done_it_once(act: str, closer: Any, salesperson: Any) -> None:
    order = OrderFactory(reviewed=True) if act == "close" else OrderFactory(completed=True, paid=True)
    run = started(act, [order], closer if act == "close" else salesperson)
    with as_job():
        taken = services._take(timezone.now())
        assert taken
        services._do(taken, list(taken.items.all()), timezone.now())
    assert not work(), "the piece is leased"

    later = timezone.now() + services.LEASE + timedelta(seconds=1)
    assert work(later)

    assert results(run) == {order.pk: ("done", [])}
    done = ClosingRecord if act == "close" else Review
    assert done.objects.filter(order=order).count() == 1


def test_what_somebody_else_closed_is_refused(closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    run = started("close", [order], closer)
    close_order(order.pk, decision=decide(closer, reason="CL01"))

    work_all()

    (told,) = results(run).values()
    assert told[0] == "refused"
    assert told[1][0] == "orders.wrong_state"


@pytest.mark.parametrize("how", ["all", "one"])
def test_what_is_busy_is_tried_again(how: str, closer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    order = OrderFactory(reviewed=True)
    run = started("close", [order], closer)

    def busy(order_ids: Any, **kwargs: Any) -> Outcomes:
        if how == "all":
            raise Busy
        return Outcomes({pk: Outcome(pk, error=Busy()) for pk in order_ids})

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(closing, "close_orders", busy)
        assert work()
    assert results(run) == {order.pk: ("pending", [])}
    work_all()

    assert results(run) == {order.pk: ("done", [])}


def test_an_error_is_told_to_who_asked_in_their_language(closer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    order = OrderFactory(reviewed=True)
    run = started("close", [order], closer)

    def refuse(order_ids: Any, **kwargs: Any) -> Outcomes:
        return Outcomes({pk: Outcome(pk, error=RefusedByDatabase(rule="x")) for pk in order_ids})

    monkeypatch.setattr(closing, "close_orders", refuse)
    work_all()

    (refusal,) = run.items.get().refusals
    assert refusal["code"] == "kernel.refused_by_database"
    assert "数据库" in refusal["text"]


def test_a_piece_costs_the_same_for_any_number_of_orders(closer: Any) -> None:
    counts = []
    for size in (2, 10):
        started("close", OrderFactory.create_batch(size, line_count=1, reviewed=True), closer)
        with count_queries() as statements:
            work()
        counts.append(len(statements))
        work_all()

    assert counts[0] == counts[1]


def test_an_idle_worker_asks_one_question(closer: Any) -> None:
    with as_job(), count_queries() as statements:
        assert not services.work(timezone.now())

    assert len(statements) == 1


def test_selections_nobody_started_are_forgotten(closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    old = timezone.now() - services.FORGOTTEN - timedelta(hours=1)
    forgotten = services.draft("close", [order.pk], decision=decide(closer, at=old))
    kept = services.draft("close", [order.pk], decision=decide(closer))

    assert list(BulkRun.objects.all()) == [kept]
    assert forgotten != kept


def test_every_act_is_a_service_with_a_right_of_its_own() -> None:
    assert {name: act.permission for name, act in all_acts().items()} == {
        "close": "orders.close_order",
        "complete": "orders.complete_order",
        "review-order": "orders.review_order",
        "review-finance": "finance.review_finance",
        "review-logistics": "logistics.review_logistics",
    }
