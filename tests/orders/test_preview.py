"""The preview: what an act would do, told before it is done, and nothing done by telling."""

from collections.abc import Callable
from typing import Any

import pytest

from orders.models import Order
from orders.services import lifecycle
from orders.services.closing import close_orders
from orders.services.fulfilment import complete_orders, process_orders
from orders.services.holds import hold_orders, resume_orders
from orders.services.lifecycle import Seen
from tests.database import reading_only
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide, receive
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def new_orders() -> list[Any]:
    product = ProductFactory()
    receive({product: 5})
    return list(OrderFactory.create_batch(3, lines=[(product, 2, None)]))


def shipped_orders() -> list[Any]:
    return list(OrderFactory.create_batch(3, shipped=True))


def reviewed_orders() -> list[Any]:
    return [*OrderFactory.create_batch(2, reviewed=True), OrderFactory(completed=True)]


def released_orders() -> list[Any]:
    orders = list(OrderFactory.create_batch(3, processing=True))
    hold_orders([o.pk for o in orders], release=True, decision=decide(actor("service"), reason="HO01"))
    return orders


ACTS: dict[str, tuple[Callable[[], list[Any]], Callable[..., Any], str, str]] = {
    "process": (new_orders, process_orders, "salesperson", ""),
    "complete": (shipped_orders, complete_orders, "service", ""),
    "close": (reviewed_orders, close_orders, "closer", "CL01"),
    "resume": (released_orders, resume_orders, "service", ""),
}


@pytest.mark.parametrize("name", ACTS)
def test_what_was_shown_is_what_is_found_and_done(name: str) -> None:
    orders, act, role, reason = ACTS[name]
    ids = [order.pk for order in orders()]
    decision = decide(actor(role), reason=reason)

    shown = lifecycle.preview(name, ids, decision)
    done = act(
        ids, decision=decision, seen={outcome.order_id: Seen(outcome.version, outcome.digest) for outcome in shown}
    )

    assert any(outcome.effects for outcome in shown)
    for before, after in zip(shown, done, strict=True):
        assert (before.effects, before.digest, before.version) == (after.effects, after.digest, after.version)
        assert [finding for finding in after.findings if finding.code != "orders.changed"] == list(before.findings)
        assert before.ready == after.done


@pytest.mark.parametrize("name", ACTS)
def test_a_preview_neither_writes_nor_locks_nor_claims_to_have_acted(name: str) -> None:
    orders, _act, role, reason = ACTS[name]
    ids = [order.pk for order in orders()]
    decision = decide(actor(role), reason=reason)

    with reading_only():
        shown = lifecycle.preview(name, ids, decision)

    assert not shown.done
    assert len(shown) == 3


@pytest.mark.parametrize("name", ACTS)
def test_an_act_writes_nothing_before_everything_is_found_and_planned(name: str) -> None:
    orders, act, role, reason = ACTS[name]
    ids = [order.pk for order in orders()]
    decision = decide(actor(role), reason=reason)

    with count_queries() as statements:
        act(ids, decision=decision)

    writes = [statement for statement in statements if not statement.lstrip("(").startswith("SELECT")]
    assert writes[0].startswith('UPDATE "orders_order"')


def test_a_preview_needs_no_permission_but_scope() -> None:
    own, foreign = OrderFactory(shop=ShopFactory()), OrderFactory(shop=ShopFactory())
    user = UserFactory(shops=[own.shop])

    shown = lifecycle.preview("close", [own.pk, foreign.pk], decide(user))

    assert "orders.wrong_state" in shown[own.pk].codes
    assert shown[foreign.pk].codes == ["kernel.not_found"]


def test_the_digest_changes_with_the_version_and_with_the_effects() -> None:
    order = OrderFactory(reviewed=True)
    decision = decide(actor("closer"))

    first = lifecycle.preview("close", [order.pk], decision)[order.pk]
    again = lifecycle.preview("close", [order.pk], decision)[order.pk]
    Order.objects.filter(pk=order.pk).update(version=order.version + 1)
    later = lifecycle.preview("close", [order.pk], decision)[order.pk]
    blocked = lifecycle.preview("close", [OrderFactory(completed=True).pk], decision)

    assert first.digest == again.digest
    assert later.effects == first.effects
    assert later.digest != first.digest
    assert [outcome.effects for outcome in blocked] == [()]
