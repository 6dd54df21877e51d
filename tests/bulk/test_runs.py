"""Many orders in the background: each once, each told, whatever happens to the worker."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from erp.bulk import selectors, services
from erp.bulk.models import BulkItem, BulkRun, ItemState, RunState
from erp.bulk.services import NothingSelected, RunMovedOn, TooManySelected
from erp.kernel.acting import Channel, acting
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import User, system
from orders.models import ClosingRecord, Order, Review, ShopScope, Status
from orders.services.catalogue import ReasonNeedsNote
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def drafted(user: User, orders: Any, act: str = "close") -> BulkRun:
    return services.draft(act, [order.pk for order in orders], decision=decide(user))


def started(user: User, orders: Any, act: str = "close", reason: str = "CL01") -> BulkRun:
    run = drafted(user, orders, act)
    return services.start(run.pk, decision=decide(user, reason=reason))


def piece(later: timedelta = timedelta()) -> bool:
    """What a worker does in one go."""
    now = timezone.now() + later
    with acting(decide(system(), channel=Channel.JOB)):
        return services.work(now)


def work() -> None:
    while piece():
        pass


def told(run: BulkRun) -> dict[int, str]:
    return dict(run.items.values_list("order_id", "state"))


def test_every_order_is_closed_or_refused_with_every_blocker(closer: User) -> None:
    ready, unpaid = OrderFactory(reviewed=True), OrderFactory(completed=True, paid=100)
    run = started(closer, [ready, unpaid])

    work()

    run.refresh_from_db()
    assert (run.state, run.finished_at is not None) == (RunState.FINISHED, True)
    assert told(run) == {ready.pk: ItemState.DONE, unpaid.pk: ItemState.REFUSED}
    codes = {refusal["code"] for refusal in run.items.get(order=unpaid).refusals}
    assert codes == {"finance.unpaid", "orders.review_missing"}
    record = ClosingRecord.objects.get(order=ready)
    assert (record.by_name, record.channel, record.request_id) == (closer.name, Channel.BULK, run.request_id)


def test_a_worker_that_ends_before_it_tells_is_told_of_by_the_next(closer: User) -> None:
    orders = OrderFactory.create_batch(2, reviewed=True)
    run = started(closer, orders)
    items = list(run.items.order_by("order_id"))
    with acting(decide(system(), channel=Channel.JOB)):
        services._do(run, items, timezone.now())
    assert set(told(run).values()) == {ItemState.PENDING}

    work()

    assert set(told(run).values()) == {ItemState.DONE}
    assert ClosingRecord.objects.count() == 2


def test_a_piece_under_lease_is_left_alone_until_the_lease_ends(closer: User) -> None:
    run = started(closer, [OrderFactory(reviewed=True)])
    BulkRun.objects.filter(pk=run.pk).update(leased_until=timezone.now() + services.LEASE)

    assert piece() is False
    assert set(told(run).values()) == {ItemState.PENDING}
    assert piece(later=services.LEASE * 2) is True
    assert set(told(run).values()) == {ItemState.DONE}


def test_what_somebody_else_closed_meanwhile_is_not_counted_as_done(closer: User) -> None:
    order = OrderFactory(reviewed=True)
    run = started(closer, [order])
    started(closer, [order])
    other = BulkRun.objects.exclude(pk=run.pk).get()

    work()

    assert sorted([*told(run).values(), *told(other).values()]) == [ItemState.DONE, ItemState.REFUSED]
    assert ClosingRecord.objects.count() == 1


def test_a_run_stops_where_its_permission_is_gone(closer: User) -> None:
    order = OrderFactory(reviewed=True)
    run = started(closer, [order])
    closer.groups.clear()

    work()

    run.refresh_from_db()
    assert run.state == RunState.STOPPED
    assert closer.name in run.failure
    assert Order.objects.get(pk=order.pk).status == Status.COMPLETED


def test_an_order_out_of_scope_by_now_does_not_stop_the_others() -> None:
    mine, gone = OrderFactory(delivered=True), OrderFactory(delivered=True, shop=ShopFactory())
    user = UserFactory(role="service", shops=[mine.shop, gone.shop])
    run = started(user, [mine, gone], act="complete", reason="")
    with acting(decide(actor("closer"))):
        ShopScope.objects.get(user=user, shop=gone.shop).delete()

    work()

    assert told(run) == {mine.pk: ItemState.DONE, gone.pk: ItemState.REFUSED}


def test_it_waits_while_paused(closer: User) -> None:
    run = started(closer, [OrderFactory(reviewed=True)])
    services.pause(run.pk, decision=decide(closer))

    assert piece() is False
    services.go_on(run.pk, decision=decide(closer))
    work()
    assert set(told(run).values()) == {ItemState.DONE}


@pytest.mark.parametrize("block", ["order", "finance", "logistics"])
def test_blocks_are_reviewed_and_marked_as_reviewed_in_bulk(closer: User, block: str) -> None:
    orders = OrderFactory.create_batch(2, completed=True, paid=True)
    run = started(closer, orders, act=f"review-{block}", reason="")

    work()

    assert set(told(run).values()) == {ItemState.DONE}
    assert [(review.block, review.is_bulk) for review in Review.objects.all()] == [(block, True)] * 2


class TestAsking:
    def test_the_selection_is_fixed_when_it_is_made(self, closer: User) -> None:
        order = OrderFactory(reviewed=True)
        run = drafted(closer, [order])
        OrderFactory(reviewed=True)

        services.start(run.pk, decision=decide(closer, reason="CL01"))
        work()

        assert told(run) == {order.pk: ItemState.DONE}

    def test_what_is_out_of_scope_is_not_selected(self) -> None:
        mine, other = OrderFactory(delivered=True), OrderFactory(delivered=True, shop=ShopFactory())
        user = UserFactory(role="service", shops=[mine.shop])

        assert set(told(drafted(user, [mine, other], act="complete"))) == {mine.pk}
        with pytest.raises(NothingSelected):
            drafted(user, [other], act="complete")

    def test_there_is_a_most(self, closer: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(services, "MOST", 1)

        with pytest.raises(TooManySelected):
            drafted(closer, OrderFactory.create_batch(2))

    def test_it_needs_the_permission_of_the_act(self, service: User) -> None:
        with pytest.raises(Forbidden):
            drafted(service, [OrderFactory(reviewed=True)])

    def test_it_starts_once_and_with_a_reason_that_serves(self, closer: User) -> None:
        run = drafted(closer, [OrderFactory(reviewed=True)])
        with pytest.raises(ReasonNeedsNote):
            services.start(run.pk, decision=decide(closer, reason="CL04"))
        services.start(run.pk, decision=decide(closer, reason="CL01"))

        with pytest.raises(RunMovedOn):
            services.start(run.pk, decision=decide(closer, reason="CL01"))

    def test_it_is_nobody_elses(self, closer: User) -> None:
        run = drafted(closer, [OrderFactory(reviewed=True)])

        with pytest.raises(NotFound):
            services.start(run.pk, decision=decide(UserFactory(role="closer"), reason="CL01"))

    def test_what_nobody_started_is_forgotten_after_a_day(self, closer: User) -> None:
        drafted(closer, [OrderFactory(reviewed=True)])

        services.forget(timezone.now() + timedelta(days=2))

        assert not BulkRun.objects.exists()
        assert not BulkItem.objects.exists()


def test_a_piece_costs_the_same_for_every_size(closer: User) -> None:
    def queries(size: int) -> int:
        started(closer, OrderFactory.create_batch(size, reviewed=True))
        with count_queries() as statements:
            piece()
        piece()
        return len(statements)

    queries(1)
    assert queries(2) == queries(8)


def test_reasons_are_told_in_the_readers_words(closer: User) -> None:
    order = OrderFactory(completed=True, paid=100)
    run = started(closer, [order])
    work()

    item = selectors.refused(run, limit=5)[0]

    assert any(order.number in reason for reason in selectors.reasons(item))
    assert selectors.progress(run) == selectors.Progress(total=1, done=0, refused=1)
