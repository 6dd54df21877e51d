"""Goods that come in or become free serve the lines that wait for them, oldest first, in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from django.db.models import Sum

from erp.kernel import setwise
from erp.kernel.errors import Busy
from erp.kernel.locks import lock
from inventory import selectors
from inventory.models import Reservation, StockLevel
from inventory.services import stock
from inventory.services.stock import Reserve
from orders.models import Line, Order

# Products that come in or become free, by the currency of their warehouse.
Arriving = Mapping[str, Collection[int]]


def lock_waiting(arriving: Arriving, also: Iterable[int] = ()) -> set[int]:
    """
    Lock the orders that wait for these products: orders come before stock in the order of locks.

    :param also: orders of the act itself, to be locked with them in one order.
    """
    waiting = waiting_orders(arriving)
    orders = waiting.union(also) if waiting else set()
    return {order.pk for order in lock(Order.objects.filter(pk__in=orders))} if orders else set()


def waiting_orders(arriving: Arriving) -> set[int]:
    return {line.order_id for line, _lacking in _waiting(arriving)}


def goods_of(order_ids: Iterable[int]) -> Arriving:
    """What these orders could set free: the products that were ever reserved for them."""
    goods: dict[str, set[int]] = defaultdict(set)
    reserved = Reservation.objects.filter(order__in=order_ids).values_list("order__currency", "product").distinct()
    for currency, product in reserved:
        goods[currency].add(product)
    return goods


def left_over(order_ids: Iterable[int]) -> Arriving:
    """The products of which something is still reserved for these orders."""
    goods: dict[str, set[int]] = defaultdict(set)
    sums = Reservation.objects.filter(order__in=order_ids).values_list("order__currency", "product")
    for currency, product, _open in sums.annotate(open=Sum("quantity")).filter(open__gt=0):
        goods[currency].add(product)
    return goods


def serve(arriving: Arriving, held: set[int], levels: Iterable[StockLevel]) -> None:
    """
    Reserve what is available in locked ``levels`` for lines that lack it: of active warehouses, none defective.

    :raises Busy: an order that is not ``held`` began to wait in the meantime.
    """
    waiting = _waiting(arriving)
    if not held.issuperset(line.order_id for line, _lacking in waiting):
        raise Busy
    serving = (level for level in levels if level.warehouse.is_active and not level.warehouse.is_defective)
    levels = sorted(serving, key=lambda level: level.pk)
    places = defaultdict(list)
    for level in levels:
        places[level.product_id, level.warehouse.currency].append(level)
    available = {level.pk: level.available for level in levels}
    promises = []
    for line, lacking in waiting:
        for level in places[line.product_id, line.order.currency]:
            quantity = min(lacking, available[level.pk])
            if quantity > 0:
                available[level.pk] -= quantity
                lacking -= quantity
                promises.append(Reserve(line, level.warehouse_id, quantity))
    stock.reserve(promises, levels)
    setwise.bump_versions(list({promise.line.order_id: promise.line.order for promise in promises}.values()))


def _waiting(arriving: Arriving) -> list[tuple[Line, Decimal]]:
    return [
        entry
        for currency, products in sorted(arriving.items())
        if products
        for entry in selectors.waiting(products, currency)
    ]
