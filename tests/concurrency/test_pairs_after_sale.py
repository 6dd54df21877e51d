"""Two acts at once where something is cancelled, comes back or is paid back: they end as one after the other."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from finance.models import Refund
from finance.services.allowances import approve_allowance
from logistics.models import Return, Shipment
from logistics.services.allowing import request_allowance
from logistics.services.inspecting import receive_return
from logistics.services.returns import ReturnDraft, ReturnDraftLine, request_return
from logistics.services.shipping import Waybill, cancel_shipment, deliver_shipment, dispatch_shipment
from orders.models import Order
from orders.services.cancelling import cancel_order
from orders.services.reopening import reopen_order
from tests.concurrency.test_pairs import Scene, state_of
from tests.concurrency.threads import Act, attempt, rounds, together, verdict
from tests.factories import OrderFactory, UserFactory, actor, decide
from tests.finance.giving_up import ALLOWED, row_of
from tests.logistics.returning import approved, found

PICK_UP = Waybill(method="PICKUP")


def seen(order: Any) -> Any:
    now = Order.objects.get(pk=order.pk)
    return (
        state_of(order),
        (now.payable, now.refunded, now.written_off, now.is_to_be_cancelled),
        tuple(Refund.objects.filter(order=order).order_by("pk").values_list("amount", "ground", "status")),
        tuple(Return.objects.filter(order=order).order_by("pk").values_list("status", flat=True)),
    )


def cancelling(order: Any) -> Act:
    return partial(cancel_order, order.pk, decision=decide(actor("service"), reason="CA01"))


def on_shipment(act: Any, order: Any, role: str, **kwargs: Any) -> Act:
    return partial(act, Shipment.objects.get(order=order).pk, decision=decide(actor(role)), **kwargs)


def cancel_and_cancel(count: int) -> Sequence[Scene]:
    """Goods are released and money asked back once."""
    orders = OrderFactory.create_batch(count, line_count=1, processing=True, paid=True)
    return [Scene(cancelling(order), cancelling(order), partial(seen, order)) for order in orders]


def cancel_and_dispatch(count: int) -> Sequence[Scene]:
    """Nothing leaves after the request, and what has left is called back."""
    orders = OrderFactory.create_batch(count, line_count=1, packed=True, paid=True)
    return [
        Scene(
            cancelling(order),
            on_shipment(dispatch_shipment, order, "logistician", waybill=PICK_UP),
            partial(seen, order),
        )
        for order in orders
    ]


def cancel_and_deliver(count: int) -> Sequence[Scene]:
    """What the customer has is not cancelled."""
    orders = OrderFactory.create_batch(count, line_count=1, shipped=True, paid=True)
    return [
        Scene(cancelling(order), on_shipment(deliver_shipment, order, "logistician"), partial(seen, order))
        for order in orders
    ]


def take_back_and_dispatch(count: int) -> Sequence[Scene]:
    """Of an order to be cancelled: it is not dispatched, before its shipment is cancelled or after."""
    orders = OrderFactory.create_batch(count, line_count=1, packed=True, paid=True)
    for order in orders:
        cancelling(order)()
    return [
        Scene(
            on_shipment(cancel_shipment, order, "keeper"),
            on_shipment(dispatch_shipment, order, "logistician", waybill=PICK_UP),
            partial(seen, order),
        )
        for order in orders
    ]


def reopen_and_ask_back(count: int) -> Sequence[Scene]:
    by = UserFactory(role="closer")
    orders = OrderFactory.create_batch(count, line_count=1, closed=True)
    return [
        Scene(
            partial(reopen_order, order.pk, decision=decide(by, reason="RO01", note="关错了")),
            partial(_ask_back, order),
            partial(seen, order),
        )
        for order in orders
    ]


def _ask_back(order: Any) -> Any:
    draft = ReturnDraft(order.pk, [ReturnDraftLine(Decimal(1), no=1)])
    return request_return(draft, decision=decide(actor("service"), reason="RT02"))


def allow_and_receive(count: int) -> Sequence[Scene]:
    """Of the same part: together they credit no more than it."""
    orders = OrderFactory.create_batch(count, line_count=1, completed=True, paid=True)
    scenes = []
    for order in orders:
        asked = request_allowance(row_of(order).pk, Decimal(50), decision=decide(actor("service"), **ALLOWED))
        draft = found(approved(order, {1: 2}))
        scenes.append(
            Scene(
                partial(approve_allowance, asked.pk, decision=decide(actor("accountant"))),
                partial(receive_return, draft, decision=decide(actor("keeper"))),
                partial(seen, order),
            )
        )
    return scenes


@pytest.mark.parametrize(
    "scenes",
    [
        cancel_and_cancel,
        cancel_and_dispatch,
        cancel_and_deliver,
        take_back_and_dispatch,
        reopen_and_ask_back,
        allow_and_receive,
    ],
    ids=lambda scenes: scenes.__name__,
)
def test_two_acts_at_once_end_as_one_after_the_other(scenes: Callable[[int], Sequence[Scene]]) -> None:
    forward, backward, *rest = scenes(rounds() + 2)
    first, second = attempt(forward.one), attempt(forward.other)
    endings = {_ending(forward, first, second)}
    second, first = attempt(backward.other), attempt(backward.one)
    endings.add(_ending(backward, first, second))

    for scene in rest:
        assert _ending(scene, *together(scene.one, scene.other)) in endings


def _ending(scene: Scene, first: Any, second: Any) -> Any:
    return verdict(first), verdict(second), scene.seen()
