"""Two acts at once where something is cancelled, comes back or is paid back: they end as one after the other."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

import pytest

from finance.services.allowances import approve_allowance
from logistics.services.allowing import request_allowance
from logistics.services.inspecting import receive_return
from logistics.services.shipping import cancel_shipment, deliver_shipment
from orders.services.cancelling import cancel_orders
from tests.concurrency.scenes import Scene, cancelling, dispatching, on_shipment, play, state_of
from tests.concurrency.threads import rounds
from tests.factories import OrderFactory, actor, decide
from tests.finance.giving_up import ALLOWED, row_of
from tests.logistics.returning import approved, found


def cancel_and_deliver(count: int) -> Sequence[Scene]:
    """What the customer has is not cancelled."""
    orders = OrderFactory.create_batch(count, line_count=1, shipped=True, paid=True)
    return [
        Scene(cancelling(order), on_shipment(deliver_shipment, order, "logistician"), partial(state_of, order))
        for order in orders
    ]


def take_back_and_dispatch(count: int) -> Sequence[Scene]:
    """Of an order to be cancelled: it is not dispatched, before its shipment is cancelled or after."""
    orders = OrderFactory.create_batch(count, line_count=1, packed=True, paid=True)
    cancel_orders([order.pk for order in orders], decision=decide(actor("service"), reason="CA01"))
    return [
        Scene(
            on_shipment(cancel_shipment, order, "keeper"),
            dispatching(order),
            partial(state_of, order),
        )
        for order in orders
    ]


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
                partial(state_of, order),
            )
        )
    return scenes


@pytest.mark.parametrize(
    "scenes",
    [
        cancel_and_deliver,
        take_back_and_dispatch,
        allow_and_receive,
    ],
    ids=lambda scenes: scenes.__name__,
)
def test_two_acts_at_once_end_as_one_after_the_other(scenes: Callable[[int], Sequence[Scene]]) -> None:
    play(scenes(rounds() + 2))
