"""Closing many orders at once: each closes wholly or not at all, and none for the fault of another."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.utils.translation import override

from erp.kernel import invariants
from erp.kernel.acting import Channel
from erp.kernel.errors import Busy, Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from finance.models import Voucher
from orders.models import ClosingRecord, Order, Status
from orders.services.closing import close_order, close_orders
from orders.services.lifecycle import BatchTooLarge, Seen
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, decide
from tests.orders import steps
from tests.orders.steps import Failing

pytestmark = pytest.mark.django_db

CLOSE = settings.ORDER_STEPS["close"]


@pytest.fixture
def failing(set_steps: Callable[..., None]) -> Iterator[type[Failing]]:
    set_steps("close", *CLOSE, "tests.orders.steps.Failing")
    yield Failing
    Failing.orders, Failing.saved = set(), []


def ids(orders: list[Any]) -> list[int]:
    return [order.pk for order in orders]


def closed(orders: list[Any]) -> list[int]:
    now_closed = Order.objects.filter(pk__in=ids(orders), status=Status.CLOSED)
    return list(now_closed.order_by("pk").values_list("pk", flat=True))


def test_all_orders_of_a_batch_close(closer: Any) -> None:
    orders = OrderFactory.create_batch(5, reviewed=True)

    outcomes = close_orders(ids(orders), decision=decide(closer, reason="CL01", channel=Channel.BULK))

    assert [outcome.order_id for outcome in outcomes.done] == ids(orders)
    assert closed(orders) == ids(orders)
    assert Voucher.objects.filter(purpose="settlement").count() == 5
    assert list(ClosingRecord.objects.order_by("position").values_list("order", flat=True)) == ids(orders)
    assert list(invariants.broken()) == []


def test_what_blocks_one_order_does_not_stop_the_others(closer: Any) -> None:
    good, unpaid, also_good = (
        OrderFactory(**how) for how in ({"reviewed": True}, {"completed": True}, {"reviewed": True})
    )

    outcomes = close_orders(ids([also_good, unpaid, good]), decision=decide(closer, reason="CL01"))

    assert [outcome.order_id for outcome in outcomes] == ids([good, unpaid, also_good])
    assert [outcome.done for outcome in outcomes] == [True, False, True]
    assert outcomes[unpaid.pk].codes == [*["orders.review_missing"] * 3, "finance.unpaid"]
    assert outcomes[unpaid.pk].effects == ()
    assert closed([good, unpaid, also_good]) == ids([good, also_good])


def test_an_order_named_twice_is_closed_once(closer: Any) -> None:
    order = OrderFactory(reviewed=True)

    outcomes = close_orders([order.pk, order.pk], decision=decide(closer, reason="CL01"))

    assert len(outcomes) == 1
    assert ClosingRecord.objects.count() == 1


def test_five_hundred_orders_are_a_batch_and_one_more_is_not(closer: Any) -> None:
    decision = decide(closer, reason="CL01")

    with pytest.raises(BatchTooLarge) as refused:
        close_orders(range(1, 502), decision=decision)
    outcomes = close_orders(range(1, 501), decision=decision)

    assert refused.value.params == {"count": 501, "limit": 500}
    assert {code for outcome in outcomes.refused for code in outcome.codes} == {"kernel.not_found"}
    assert len(outcomes) == 500


def test_nothing_asked_nothing_done(closer: Any) -> None:
    with unchanged():
        assert len(close_orders([], decision=decide(closer, reason="CL01"))) == 0


def test_an_order_out_of_scope_is_not_found_and_the_others_close() -> None:
    own, foreign = OrderFactory(reviewed=True, shop=ShopFactory()), OrderFactory(reviewed=True, shop=ShopFactory())
    user = UserFactory(role="salesperson", shops=[own.shop])
    user.user_permissions.add(Permission.objects.get(codename="close_order"))

    outcomes = close_orders(ids([own, foreign]), decision=decide(user, reason="CL01"))

    assert outcomes[own.pk].done
    with override("en"):
        assert outcomes[foreign.pk].reasons[0].startswith(f"order {foreign.pk} does not exist, or is outside your")
    assert closed([own, foreign]) == [own.pk]


def test_without_the_permission_a_batch_is_refused_as_a_whole(salesperson: Any) -> None:
    orders = OrderFactory.create_batch(2, reviewed=True)

    with unchanged():
        with pytest.raises(Forbidden):
            close_orders(ids(orders), decision=decide(salesperson, reason="CL01"))
        with pytest.raises(NotFound):
            close_orders([*ids(orders), 0], decision=decide(salesperson, reason="CL01"))


def test_each_order_is_held_to_what_was_shown_of_it(closer: Any) -> None:
    orders = OrderFactory.create_batch(3, reviewed=True)
    seen = {orders[0].pk: Seen(orders[0].version), orders[1].pk: Seen(orders[1].version - 1)}

    outcomes = close_orders(ids(orders), decision=decide(closer, reason="CL01"), seen=seen)

    assert closed(orders) == ids([orders[0], orders[2]])
    assert outcomes[orders[1].pk].codes == ["orders.changed"]
    assert outcomes[orders[1].pk].effects == ()


@pytest.mark.parametrize("error", steps.ERRORS, ids=lambda error: type(error).__name__)
def test_an_order_that_cannot_be_saved_rolls_back_alone(closer: Any, failing: Any, error: Exception) -> None:
    orders = OrderFactory.create_batch(5, reviewed=True)
    failing.orders, failing.error = {orders[3].pk}, error

    outcomes = close_orders(ids(orders), decision=decide(closer, reason="CL01"))

    good = [*orders[:3], orders[4]]
    assert closed(orders) == ids(good)
    assert outcomes[orders[3].pk].codes == [
        "credit.limit_exceeded_meanwhile" if isinstance(error, steps.LimitExceeded) else "kernel.refused_by_database"
    ]
    assert list(ClosingRecord.objects.order_by("position").values_list("position", "order")) == list(
        enumerate(ids(good), start=1)
    )
    assert list(invariants.broken()) == []


def test_an_order_that_cannot_be_saved_leaves_nothing(closer: Any, failing: Any) -> None:
    order = OrderFactory(reviewed=True)
    failing.orders, failing.error = {order.pk}, steps.ERRORS[0]

    with unchanged(), pytest.raises(steps.LimitExceeded):
        close_order(order.pk, decision=decide(closer, reason="CL01"))

    assert failing.saved == [[order.pk]]


def test_a_fault_is_no_refusal_and_rolls_everything_back(closer: Any, failing: Any) -> None:
    orders = OrderFactory.create_batch(2, reviewed=True)
    failing.orders, failing.error = {orders[1].pk}, RuntimeError("a bug")

    with unchanged(), pytest.raises(RuntimeError):
        close_orders(ids(orders), decision=decide(closer, reason="CL01"))

    assert failing.saved == [ids(orders)]


def test_orders_locked_by_others_are_tried_once_more(closer: Any, failing: Any) -> None:
    order = OrderFactory(reviewed=True)
    failing.orders, failing.error = {order.pk}, Busy()

    with unchanged(), pytest.raises(Busy):
        close_orders([order.pk], decision=decide(closer, reason="CL01"))

    assert failing.saved == [[order.pk]] * 2


def test_a_half_that_stays_busy_does_not_hide_what_the_other_half_did(
    closer: Any, failing: Any, monkeypatch: Any
) -> None:
    orders = OrderFactory.create_batch(2, reviewed=True)
    failing.orders = {orders[1].pk}
    errors = iter([steps.ERRORS[0], Busy(), Busy()])
    monkeypatch.setattr(failing, "error", property(lambda self: next(errors)), raising=False)

    outcomes = close_orders(ids(orders), decision=decide(closer, reason="CL01"))

    assert closed(orders) == ids(orders[:1])
    assert [outcome.codes for outcome in outcomes] == [[], ["kernel.busy"]]


def test_what_was_rolled_back_is_told_to_nobody(closer: Any, failing: Any) -> None:
    orders = OrderFactory.create_batch(2, reviewed=True)
    failing.orders, failing.error = {orders[0].pk}, steps.ERRORS[0]

    close_orders(ids(orders), decision=decide(closer, reason="CL01"))

    assert OutboxEvent.objects.get(topic="order.close").subject_id == str(orders[1].pk)
