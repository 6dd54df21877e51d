"""Two acts at once on the same goods: they end as one after the other."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from inventory.models import Receipt, StockTakeLine
from inventory.services.counting import approve_stock_take
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine, receive_stock
from orders.services.closing_lines import LineToClose, close_lines
from orders.services.holds import hold_order, resume_order
from tests.concurrency.scenes import Scene, dispatching, play, processing, state_with_stock, states_of, stock_of
from tests.concurrency.threads import rounds
from tests.factories import OrderFactory, ProductFactory, ShopFactory, WarehouseFactory, actor, decide, receive
from tests.factories import count as count_stock_of


def process_and_process(count: int) -> Sequence[Scene]:
    """Two orders after the last piece."""
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        receive({product: 1})
        one, other = OrderFactory.create_batch(2, lines=[(product, 1, None)])
        scenes.append(Scene(processing(one), processing(other), partial(states_of, one, other)))
    return scenes


def process_and_receive(count: int) -> Sequence[Scene]:
    """Whoever comes first, the order that may wait has its goods in the end."""
    shop = ShopFactory(allows_backorder=True)
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        order = OrderFactory(shop=shop, lines=[(product, 2, None)])
        scenes.append(
            Scene(
                processing(order),
                partial(receive, {product: 3}, decision=decide(actor("keeper"))),
                partial(state_with_stock, order, product),
            )
        )
    return scenes


def release_and_process_another(count: int) -> Sequence[Scene]:
    """Goods a hold releases may be taken by an order that is processed, but never twice."""
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        one = OrderFactory(lines=[(product, 1, None)], processing=True)
        other = OrderFactory(lines=[(product, 1, None)])
        scenes.append(
            Scene(
                partial(hold_order, one.pk, release=True, decision=decide(actor("service"), reason="HO01")),
                processing(other),
                partial(states_of, one, other),
            )
        )
    return scenes


def resume_and_receive(count: int) -> Sequence[Scene]:
    """Whoever comes first, a resumed order that may wait has its goods in the end."""
    shop = ShopFactory(allows_backorder=True)
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        order = OrderFactory(shop=shop, lines=[(product, 2, None)], in_stock=False, processing=True)
        hold_order(order.pk, release=True, decision=decide(actor("service"), reason="HO01"))
        scenes.append(
            Scene(
                partial(resume_order, order.pk, decision=decide(actor("service"))),
                partial(receive, {product: 3}, decision=decide(actor("keeper"))),
                partial(state_with_stock, order, product),
            )
        )
    return scenes


def dispatch_and_receive(count: int) -> Sequence[Scene]:
    """The value that leaves is a share of what is there: before, or after the goods of another price."""
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        order = OrderFactory(lines=[(product, 2, None)], packed=True)
        scenes.append(
            Scene(
                dispatching(order),
                partial(receive, {product: 3}, unit_cost=Decimal("7.77"), decision=decide(actor("keeper"))),
                partial(state_with_stock, order, product),
            )
        )
    return scenes


def dispatch_and_approve_a_loss(count: int) -> Sequence[Scene]:
    """Two pieces leave for the order and one is missing: whoever is first, both go through."""
    products = ProductFactory.create_batch(count)
    receive(dict.fromkeys(products, 1))
    chief, scenes = actor("chief_accountant"), []
    for product in products:
        order = OrderFactory(lines=[(product, 2, None)], packed=True)
        take = count_stock_of({product: 2})
        scenes.append(
            Scene(
                dispatching(order),
                partial(approve_stock_take, take.pk, decision=decide(chief)),
                partial(state_with_stock, order, product),
            )
        )
    return scenes


def process_and_approve_a_gain(count: int) -> Sequence[Scene]:
    """An order begins to wait in the moment its goods are found: it gets them either way."""
    shop = ShopFactory(allows_backorder=True)
    chief, scenes = actor("chief_accountant"), []
    for product in ProductFactory.create_batch(count):
        order = OrderFactory(shop=shop, lines=[(product, 2, None)])
        take = count_stock_of({product: 3})
        scenes.append(
            Scene(
                processing(order),
                partial(approve_stock_take, take.pk, decision=decide(chief)),
                partial(state_with_stock, order, product),
            )
        )
    return scenes


def approve_and_approve(count: int) -> Sequence[Scene]:
    """The same stock-take: it is booked once."""
    chief, scenes = actor("chief_accountant"), []
    for product in ProductFactory.create_batch(count):
        approve = partial(approve_stock_take, count_stock_of({product: 3}).pk, decision=decide(chief))
        scenes.append(Scene(approve, approve, partial(stock_of, product)))
    return scenes


def count_and_count(count: int) -> Sequence[Scene]:
    """The same product in the same warehouse: only one is undecided."""
    warehouse = WarehouseFactory()
    return [
        Scene(
            partial(count_stock_of, {product: 3}, warehouse=warehouse),
            partial(count_stock_of, {product: 3}, warehouse=warehouse),
            partial(_counts_of, product),
        )
        for product in ProductFactory.create_batch(count)
    ]


def close_line_and_receive(count: int) -> Sequence[Scene]:
    """Goods freed here and goods that come in serve the same order that waits."""
    shop = ShopFactory(allows_backorder=True)
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        holder = OrderFactory(lines=[(product, 3, None)], processing=True)
        waiting = OrderFactory(shop=shop, lines=[(product, 4, None)], in_stock=False, processing=True)
        lines = [LineToClose(1, Decimal(2))]
        scenes.append(
            Scene(
                partial(close_lines, holder.pk, lines, decision=decide(actor("salesperson"), reason="CL02")),
                partial(receive, {product: 2}, decision=decide(actor("keeper"))),
                partial(states_of, holder, waiting),
            )
        )
    return scenes


def receive_and_receive_a_new_product(count: int) -> Sequence[Scene]:
    scenes = []
    for _ in range(count):
        product, warehouse = ProductFactory(), WarehouseFactory()
        acts = [
            partial(receive, {product: quantity}, warehouse=warehouse, decision=decide(actor("keeper")))
            for quantity in (2, 3)
        ]
        scenes.append(Scene(*acts, partial(stock_of, product)))
    return scenes


def receive_and_receive_the_same_delivery(count: int) -> Sequence[Scene]:
    scenes = []
    for no in range(count):
        product, warehouse = ProductFactory(), WarehouseFactory()
        draft = ReceiptDraft(warehouse.code, [ReceiptDraftLine(product.sku, Decimal(2), Decimal(5))], f"DN-{no}")
        act = partial(receive_stock, draft, decision=decide(actor("keeper")))
        scenes.append(Scene(act, act, partial(_received, f"DN-{no}")))
    return scenes


@pytest.mark.parametrize(
    "scenes",
    [
        process_and_process,
        process_and_receive,
        release_and_process_another,
        resume_and_receive,
        dispatch_and_receive,
        dispatch_and_approve_a_loss,
        process_and_approve_a_gain,
        approve_and_approve,
        count_and_count,
        close_line_and_receive,
        receive_and_receive_a_new_product,
        receive_and_receive_the_same_delivery,
    ],
    ids=lambda scenes: scenes.__name__,
)
def test_two_acts_at_once_end_as_one_after_the_other(scenes: Callable[[int], Sequence[Scene]]) -> None:
    play(scenes(rounds() + 2))


def _counts_of(product: Any) -> Any:
    return StockTakeLine.objects.filter(product=product).count()


def _received(reference: str) -> Any:
    return Receipt.objects.filter(reference=reference).count()
