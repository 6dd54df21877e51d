"""Two acts at once on an order that is on its way to the customer: they end as one after the other."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from logistics.models import Shipment
from logistics.services.drafting import pack_orders
from logistics.services.shipping import cancel_shipment, deliver_shipment
from orders.services.changing import LineChange, OrderChange, change_order
from orders.services.fulfilment import complete_order
from orders.services.holds import hold_order
from tests.concurrency.scenes import Scene, closing_line, dispatching, pack_some, play, processing, state_of
from tests.concurrency.threads import rounds
from tests.factories import OrderFactory, ProductFactory, actor, decide, receive


def change_and_process(count: int) -> Sequence[Scene]:
    """A change is made before the goods are reserved, or not at all."""
    return [
        Scene(
            partial(
                change_order,
                order.pk,
                OrderChange(lines=[LineChange(1, quantity=Decimal(1))]),
                decision=decide(actor("salesperson")),
            ),
            processing(order),
            partial(state_of, order),
        )
        for order in _placed_and_in_stock(count)
    ]


def change_and_pack(count: int) -> Sequence[Scene]:
    """The goods go to the new address, or the change comes too late."""
    return [
        Scene(
            partial(
                change_order,
                order.pk,
                OrderChange(shipping_address={"city": "上海市"}),
                decision=decide(actor("salesperson")),
            ),
            partial(pack_orders, [order.pk], decision=decide(actor("keeper"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, processing=True)
    ]


def pack_and_pack(count: int) -> Sequence[Scene]:
    keeper = decide(actor("keeper"))
    return [
        Scene(
            partial(pack_orders, [order.pk], decision=keeper),
            partial(pack_orders, [order.pk], decision=keeper),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, processing=True)
    ]


def dispatch_and_dispatch(count: int) -> Sequence[Scene]:
    return [
        Scene(dispatching(order), dispatching(order), partial(state_of, order))
        for order in OrderFactory.create_batch(count, line_count=1, packed=True)
    ]


def dispatch_and_cancel(count: int) -> Sequence[Scene]:
    return [
        Scene(
            dispatching(order),
            partial(cancel_shipment, Shipment.objects.get(order=order).pk, decision=decide(actor("keeper"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, packed=True)
    ]


def hold_and_dispatch(count: int) -> Sequence[Scene]:
    """Of the same order: goods that have left are not called back, and none leave after the hold."""
    return [
        Scene(
            partial(hold_order, order.pk, decision=decide(actor("service"), reason="HO01")),
            dispatching(order),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, packed=True)
    ]


def close_line_and_pack(count: int) -> Sequence[Scene]:
    """Either the goods are closed, or they are packed."""
    orders = OrderFactory.create_batch(count, lines=[(ProductFactory(), 3, None)], processing=True)
    pack_some(orders, 2)
    for order in orders:
        dispatching(order)()
    return [
        Scene(
            closing_line(order),
            partial(pack_orders, [order.pk], decision=decide(actor("keeper"))),
            partial(state_of, order),
        )
        for order in orders
    ]


def complete_and_deliver(count: int) -> Sequence[Scene]:
    return [
        Scene(
            partial(complete_order, order.pk, decision=decide(actor("service"))),
            partial(deliver_shipment, Shipment.objects.get(order=order).pk, decision=decide(actor("logistician"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, shipped=True)
    ]


@pytest.mark.parametrize(
    "scenes",
    [
        change_and_process,
        change_and_pack,
        pack_and_pack,
        dispatch_and_dispatch,
        dispatch_and_cancel,
        hold_and_dispatch,
        close_line_and_pack,
        complete_and_deliver,
    ],
    ids=lambda scenes: scenes.__name__,
)
def test_two_acts_at_once_end_as_one_after_the_other(scenes: Callable[[int], Sequence[Scene]]) -> None:
    play(scenes(rounds() + 2))


def _placed_and_in_stock(count: int) -> Any:
    product = ProductFactory()
    receive({product: 2 * count})
    return OrderFactory.create_batch(count, lines=[(product, 2, None)])
