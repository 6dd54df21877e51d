"""An order that starts to wait and a receipt that would serve it never miss each other."""

import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db.models import Sum

from erp.kernel.locks import lock, unit_of_work
from inventory.models import Reservation, StockLevel
from inventory.services import serving, stock
from orders.models import Status
from orders.services.fulfilment import process_order
from orders.services.holds import hold_order
from tests.concurrency.threads import PATIENCE, rounds, together, verdicts
from tests.factories import OrderFactory, ProductFactory, ShopFactory, WarehouseFactory, actor, decide, receive

pytestmark = pytest.mark.django_db(transaction=True)


def first_holds_back(first: Callable[[], Any], by: Any, second: Callable[[], Any]) -> None:
    """``second`` begins when ``first`` has done everything but commit, and waits for it or goes past it."""
    done = threading.Event()

    def hold_back() -> None:
        with unit_of_work(decide(by)):
            first()
            done.set()
            # Long enough for the other one to go as far as it can.
            threading.Event().wait(0.3)

    def follow() -> None:
        assert done.wait(PATIENCE)
        second()

    together(hold_back, follow)


@pytest.fixture(params=[True, False], ids=["stocked before", "never stocked before"])
def waiting_order(request: Any) -> Any:
    """A new order of 2 for which nothing is in stock, in a shop that lets it wait."""
    product, warehouse = ProductFactory(), WarehouseFactory()
    if request.param:
        receive({product: 1}, warehouse=warehouse)
        OrderFactory(lines=[(product, 1, None)], in_stock=False, processing=True)
    shop = ShopFactory(allows_backorder=True)
    return OrderFactory(shop=shop, lines=[(product, 2, None)], in_stock=False), product, warehouse


@pytest.mark.parametrize("receipt_first", [True, False])
def test_goods_reach_the_order_whoever_comes_first(waiting_order: Any, receipt_first: bool) -> None:
    order, product, warehouse = waiting_order
    keeper, salesperson = actor("keeper"), actor("salesperson")

    def bring_in() -> None:
        receive({product: 5}, warehouse=warehouse, decision=decide(keeper))

    def process() -> None:
        process_order(order.pk, decision=decide(salesperson))

    if receipt_first:
        first_holds_back(bring_in, keeper, process)
    else:
        first_holds_back(process, salesperson, bring_in)

    order.refresh_from_db()
    assert order.status == Status.PROCESSING
    assert [row.quantity for row in Reservation.objects.filter(order=order)] == [2]
    assert StockLevel.objects.get(product=product).available == Decimal(3)


def test_goods_that_a_hold_frees_and_goods_that_come_in_meet_no_deadlock() -> None:
    """Both lock the orders that wait, the hold its own order among them."""
    keeper, service = actor("keeper"), actor("service")
    shop = ShopFactory(allows_backorder=True)
    for _round in range(rounds()):
        product = ProductFactory()
        story = {"shop": shop, "lines": [(product, 4, None)], "in_stock": False, "processing": True}
        older, held, newer = (OrderFactory(**story) for _ in range(3))
        receive({product: 6})
        assert Reservation.objects.filter(order=held).exists()

        results = together(
            partial(hold_order, held.pk, release=True, decision=decide(service, reason="HO01")),
            partial(receive, {product: 1}, decision=decide(keeper)),
        )

        assert verdicts(results) == ["done", "done"]
        reserved = dict(
            Reservation.objects.filter(order__in=[older, held, newer]).values_list("order").annotate(Sum("quantity"))
        )
        assert reserved == {older.pk: 4, held.pk: 0, newer.pk: 3}


def test_a_receipt_serves_only_orders_it_has_locked(waiting_order: Any, monkeypatch: Any) -> None:
    order, product, warehouse = waiting_order
    keeper, salesperson = actor("keeper"), actor("salesperson")
    locked: set[int] = set()
    served: set[int] = set()
    reserve = stock.reserve

    def lock_and_note(queryset: Any) -> Any:
        rows = lock(queryset)
        locked.update(row.pk for row in rows)
        return rows

    def reserve_and_note(promises: Any, levels: Any) -> None:
        served.update(promise.line.order_id for promise in promises)
        reserve(promises, levels)

    monkeypatch.setattr(serving, "lock", lock_and_note)
    monkeypatch.setattr(stock, "reserve", reserve_and_note)
    first_holds_back(
        partial(process_order, order.pk, decision=decide(salesperson)),
        salesperson,
        partial(receive, {product: 5}, warehouse=warehouse, decision=decide(keeper)),
    )

    assert served == locked == {order.pk}
