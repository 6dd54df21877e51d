"""Processing an order reserves its goods."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel.acting import acting
from erp.kernel.models import system
from inventory.models import Reservation, ReservationKind, StockLevel
from inventory.steps import Take, Wait
from orders.models import Order, Status
from orders.services import lifecycle
from orders.services.fulfilment import process_order, process_orders
from orders.services.lifecycle import Refused
from tests.factories import OrderFactory, ProductFactory, ShopFactory, WarehouseFactory, actor, decide, receive
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def process(*orders: Any) -> Any:
    return process_orders([order.pk for order in orders], decision=decide(actor("salesperson")))


def reserved(order: Any) -> list[tuple[str, int, Decimal]]:
    """(SKU, warehouse, quantity) of every reservation."""
    rows = Reservation.objects.filter(order=order).order_by("line__no", "warehouse_id")
    return list(rows.values_list("line__sku", "warehouse_id", "quantity"))


def test_every_stocked_line_is_reserved() -> None:
    first, second, warehouse = ProductFactory(), ProductFactory(), WarehouseFactory()
    receive({first: 5, second: 5}, warehouse=warehouse)
    order = OrderFactory(lines=[(first, 2, None), (second, 5, None)])

    process(order)

    assert reserved(order) == [(first.sku, warehouse.pk, 2), (second.sku, warehouse.pk, 5)]
    levels = StockLevel.objects.order_by("pk").values_list("on_hand", "reserved")
    assert list(levels) == [(5, 2), (5, 5)]


def test_a_reservation_says_who_reserved_for_which_order() -> None:
    product = ProductFactory()
    receive({product: 1})
    order = OrderFactory(lines=[(product, 1, None)])

    process(order)

    row = Reservation.objects.get()
    assert (row.kind, row.order, row.by) == (ReservationKind.RESERVE, order, actor("salesperson"))


def test_one_warehouse_that_serves_all_is_preferred_to_an_earlier_one_that_serves_some() -> None:
    first, second = ProductFactory(), ProductFactory()
    some, everything = WarehouseFactory(), WarehouseFactory()
    receive({first: 10}, warehouse=some)
    receive({first: 2, second: 2}, warehouse=everything)
    order = OrderFactory(lines=[(first, 2, None), (second, 2, None)])

    process(order)

    assert {warehouse for _sku, warehouse, _quantity in reserved(order)} == {everything.pk}


def test_a_warehouse_serves_all_only_if_lines_of_one_product_fit_in_together() -> None:
    product, few, enough = ProductFactory(), WarehouseFactory(), WarehouseFactory()
    receive({product: 3}, warehouse=few)
    receive({product: 4}, warehouse=enough)
    order = OrderFactory(lines=[(product, 2, None), (product, 2, None)])

    process(order)

    assert reserved(order) == [(product.sku, enough.pk, 2), (product.sku, enough.pk, 2)]


def test_goods_come_from_several_warehouses_where_none_has_all() -> None:
    product, here, there = ProductFactory(), WarehouseFactory(), WarehouseFactory()
    receive({product: 3}, warehouse=here)
    receive({product: 4}, warehouse=there)
    order = OrderFactory(lines=[(product, 5, None)])

    process(order)

    assert reserved(order) == [(product.sku, here.pk, 3), (product.sku, there.pk, 2)]


def test_what_is_promised_to_others_is_not_available() -> None:
    product = ProductFactory()
    receive({product: 3})
    process(OrderFactory(lines=[(product, 2, None)]))
    late = OrderFactory(lines=[(product, 2, None)])

    outcome = process(late)[late.pk]

    assert outcome.codes == ["inventory.not_enough_stock"]


def test_what_an_earlier_order_of_the_batch_takes_is_gone_for_a_later_one() -> None:
    product = ProductFactory()
    receive({product: 3})
    first, second, third = (OrderFactory(lines=[(product, quantity, None)]) for quantity in (2, 2, 1))

    outcomes = process(third, second, first)

    assert [outcome.done for outcome in outcomes] == [True, False, True]
    assert reserved(second) == []
    assert StockLevel.objects.get().available == 0


def test_a_shortage_names_product_wanted_and_available() -> None:
    product, other = ProductFactory(sku="AB-1"), ProductFactory()
    receive({product: 3, other: 9})
    order = OrderFactory(lines=[(product, 2, None), (other, 1, None), (product, 4, None)])

    with pytest.raises(Refused) as refused:
        process_order(order.pk, decision=decide(actor("salesperson")))

    (shortage,) = refused.value.outcome.blockers[0].params["shortages"]
    assert (shortage.sku, shortage.wanted.value, shortage.available.value) == ("AB-1", 6, 3)
    with override("en"):
        assert "AB-1 wanted 6 pcs, available 3 pcs" in refused.value.outcome.blockers[0].message


def test_all_shortages_are_named() -> None:
    order = OrderFactory(line_count=3)

    outcome = process(order)[order.pk]

    assert [shortage.sku for shortage in outcome.blockers[0].params["shortages"]] == list(
        order.lines.order_by("no").values_list("sku", flat=True)
    )


def test_an_order_short_of_one_product_reserves_nothing_at_all() -> None:
    there, absent = ProductFactory(), ProductFactory()
    receive({there: 3})
    order = OrderFactory(lines=[(there, 1, None), (absent, 1, None)])

    process(order)

    assert Order.objects.get(pk=order.pk).status == Status.NEW
    assert not Reservation.objects.exists()
    assert StockLevel.objects.get().reserved == 0


def test_a_shop_that_allows_backorder_takes_what_is_there_and_waits_for_the_rest() -> None:
    there, absent = ProductFactory(), ProductFactory()
    receive({there: 3})
    order = OrderFactory(shop=ShopFactory(allows_backorder=True), lines=[(there, 5, None), (absent, 1, None)])

    outcome = process(order)[order.pk]

    assert outcome.done
    assert [(sku, quantity) for sku, _warehouse, quantity in reserved(order)] == [(there.sku, 3)]
    waits = [(effect.sku, effect.quantity.value) for effect in outcome.effects if isinstance(effect, Wait)]
    assert waits == [(there.sku, 2), (absent.sku, 1)]


def test_services_reserve_nothing() -> None:
    goods, service = ProductFactory(), ProductFactory(service=True)
    receive({goods: 1})
    order = OrderFactory(lines=[(service, 2, None), (goods, 1, None)], shipping_fee=10)

    process(order)

    assert [sku for sku, _warehouse, _quantity in reserved(order)] == [goods.sku]


def test_an_order_of_services_needs_no_stock() -> None:
    order = OrderFactory(services_only=True)

    assert process(order)[order.pk].done


def test_an_inactive_warehouse_serves_nobody() -> None:
    product, warehouse = ProductFactory(), WarehouseFactory()
    receive({product: 3}, warehouse=warehouse)
    warehouse.is_active = False
    with acting(decide(system())):
        warehouse.save()
    order = OrderFactory(lines=[(product, 1, None)])

    assert process(order)[order.pk].codes == ["inventory.not_enough_stock"]


def test_a_warehouse_of_another_currency_serves_nobody() -> None:
    product = ProductFactory()
    receive({product: 3}, warehouse=WarehouseFactory(currency="USD"))
    order = OrderFactory(lines=[(product, 1, None)])

    assert process(order)[order.pk].codes == ["inventory.not_enough_stock"]


def test_orders_of_different_currencies_in_one_batch_take_from_their_own() -> None:
    product, yuan, dollar = ProductFactory(), WarehouseFactory(), WarehouseFactory(currency="USD")
    receive({product: 1}, warehouse=yuan)
    receive({product: 1}, warehouse=dollar)
    chinese = OrderFactory(lines=[(product, 1, None)])
    american = OrderFactory(shop=ShopFactory(currency="USD"), lines=[(product, 1, 10)])

    process(chinese, american)

    assert reserved(chinese) == [(product.sku, yuan.pk, 1)]
    assert reserved(american) == [(product.sku, dollar.pk, 1)]


def test_the_preview_promises_exactly_what_is_done() -> None:
    product, warehouse = ProductFactory(sku="AB-1"), WarehouseFactory(name="东仓")
    receive({product: 3}, warehouse=warehouse)
    order = OrderFactory(lines=[(product, 2, None)])

    promised = lifecycle.preview("process", [order.pk], decide(actor("salesperson")))[order.pk]

    assert not Reservation.objects.exists()
    line = order.lines.get()
    assert promised.effects == (Take(order.pk, line.pk, warehouse.pk, "AB-1", "东仓", Decimal(2)),)
    with override("en"):
        assert promised.effects[0].describe() == "2 of AB-1 are reserved in 东仓."
    assert process(order)[order.pk].effects == promised.effects


def test_queries_do_not_grow_with_orders_or_lines() -> None:
    decision = decide(actor("salesperson"))
    decision.by.has_perm("orders.process_order")
    counts = []
    for size, line_count in ((1, 1), (10, 3), (50, 2)):
        orders = OrderFactory.create_batch(size, line_count=line_count)
        receive({line.product: line.quantity * size for line in orders[0].lines.select_related("product")})
        with count_queries() as statements:
            process_orders([order.pk for order in orders], decision=decision)
        counts.append(len(statements))

    assert not Order.objects.exclude(status=Status.PROCESSING).exists()
    assert len(set(counts)) == 1
