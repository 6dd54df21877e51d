"""The preview: what an act would do, told before it is done, and nothing done by telling."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from erp.kernel.acting import is_acting
from logistics.models import Return
from logistics.services.undelivered import refuse_shipment
from orders.models import Order, Status
from orders.services import lifecycle
from orders.services.cancelling import cancel_order
from orders.services.changing import OrderChange
from orders.services.closing import close_orders
from orders.services.fulfilment import complete_orders, process_orders
from orders.services.holds import hold_orders, resume_orders
from orders.services.lifecycle import Seen
from tests.database import reading_only
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide, receive
from tests.logistics.returning import REFUSED, received, shipment_of
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


def called_back() -> Any:
    """With a shipping fee that was charged and is given back by the cancellation."""
    order = OrderFactory(shipped=True, shipping_fee=10, paid=True)
    refuse_shipment(shipment_of(order).pk, decision=decide(actor("logistician"), **REFUSED))
    received(Return.objects.get(order=order))
    return order


def to_be_cancelled() -> Any:
    order = OrderFactory(packed=True)
    cancel_order(order.pk, decision=decide(actor("service"), reason="CA01"))
    return order


def nothing_left_open() -> Any:
    """In processing, and everything is on its way: no service leaves it so."""
    order = OrderFactory(shipped=True)
    Order.objects.filter(pk=order.pk).update(status=Status.PROCESSING)
    return order


EVERY: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "process": (lambda: new_orders()[0], {}),
    "ship": (nothing_left_open, {}),
    "complete": (lambda: OrderFactory(shipped=True), {}),
    "close": (lambda: OrderFactory(reviewed=True), {}),
    "cancel": (called_back, {"party": "customer"}),
    "request_cancel": (lambda: OrderFactory(packed=True), {"party": "customer"}),
    "end_cancel_request": (to_be_cancelled, {}),
    "reopen": (lambda: OrderFactory(closed=True), {}),
    "hold": (lambda: OrderFactory(processing=True), {"release": True, "party": "customer"}),
    "resume": (lambda: released_orders()[0], {}),
    "close_line": (lambda: OrderFactory(processing=True, paid=True), {"lines": {1: None}, "party": "customer"}),
    "change": (lambda: OrderFactory(), {"change": OrderChange(shipping_fee=Decimal(5))}),
}


@pytest.mark.parametrize("name", settings.ORDER_STEPS)
def test_a_preview_needs_nobody_acting(name: str) -> None:
    story, detail = EVERY[name]
    order = story()
    assert not is_acting()

    shown = lifecycle.preview(name, [order.pk], decide(UserFactory(), detail=detail))[order.pk]

    assert shown.codes == []


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
