"""A receipt serves the lines that wait for it: oldest order first."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from erp.kernel import invariants
from inventory.models import Reservation, ReservationKind, StockLevel
from inventory.services.counting import approve_stock_take
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine, receive_deliveries
from orders.models import Order
from orders.services.fulfilment import process_orders
from orders.services.holds import hold_order
from tests.factories import (
    OrderFactory,
    ProductFactory,
    ShopFactory,
    WarehouseFactory,
    actor,
    count,
    decide,
    receive,
    transfer,
)
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Any:
    return ProductFactory()


@pytest.fixture
def patient_shop() -> Any:
    """A shop that lets its orders wait for goods."""
    return ShopFactory(allows_backorder=True)


def waiting(shop: Any, *lines: tuple[Any, int], placed_days_ago: int = 0) -> Any:
    at = timezone.now() - timedelta(days=placed_days_ago)
    wanted = [(product, quantity, None) for product, quantity in lines]
    return OrderFactory(shop=shop, lines=wanted, at=at, in_stock=False, processing=True)


def reserved(order: Any) -> list[Decimal]:
    return list(Reservation.objects.filter(order=order).order_by("pk").values_list("quantity", flat=True))


def test_a_line_that_waits_gets_what_it_lacks_and_no_more(patient_shop: Any, product: Any) -> None:
    order = waiting(patient_shop, (product, 3))

    receive({product: 10})

    assert reserved(order) == [3]
    level = StockLevel.objects.get()
    assert (level.reserved, level.available) == (3, 7)


def test_the_oldest_order_is_served_first_and_the_last_one_only_partly(patient_shop: Any, product: Any) -> None:
    newest = waiting(patient_shop, (product, 4), placed_days_ago=1)
    oldest = waiting(patient_shop, (product, 4), placed_days_ago=3)
    middle = waiting(patient_shop, (product, 4), placed_days_ago=2)

    receive({product: 6})

    assert (reserved(oldest), reserved(middle), reserved(newest)) == ([4], [2], [])


def test_the_next_receipt_goes_on_where_the_last_one_ended(patient_shop: Any, product: Any) -> None:
    older = waiting(patient_shop, (product, 4), placed_days_ago=2)
    newer = waiting(patient_shop, (product, 4), placed_days_ago=1)

    receive({product: 6})
    receive({product: 6})

    assert (reserved(older), reserved(newer)) == ([4], [2, 2])
    assert StockLevel.objects.get().available == 4


def test_within_an_order_its_lines_are_served_in_their_order(patient_shop: Any, product: Any) -> None:
    order = waiting(patient_shop, (product, 2), (product, 2))

    receive({product: 3})

    by_line = Reservation.objects.filter(order=order).order_by("line__no").values_list("line__no", "quantity")
    assert list(by_line) == [(1, 2), (2, 1)]


def test_every_warehouse_of_the_currency_serves(patient_shop: Any, product: Any) -> None:
    order = waiting(patient_shop, (product, 4))
    here, there = WarehouseFactory(), WarehouseFactory()

    receive({product: 1}, warehouse=here)
    receive({product: 9}, warehouse=there)

    rows = Reservation.objects.filter(order=order).order_by("pk").values_list("warehouse", "quantity")
    assert list(rows) == [(here.pk, 1), (there.pk, 3)]


def test_goods_of_another_currency_serve_nobody(patient_shop: Any, product: Any) -> None:
    order = waiting(patient_shop, (product, 4))

    receive({product: 4}, warehouse=WarehouseFactory(currency="USD"))

    assert reserved(order) == []


def test_a_reservation_is_signed_by_who_received(patient_shop: Any, product: Any, keeper: Any) -> None:
    waiting(patient_shop, (product, 4))

    receive({product: 4}, decision=decide(keeper))

    row = Reservation.objects.get()
    assert (row.kind, row.by) == (ReservationKind.RESERVE, keeper)


def test_a_served_order_has_a_new_version_and_others_keep_theirs(patient_shop: Any, product: Any) -> None:
    served = waiting(patient_shop, (product, 4), placed_days_ago=1)
    unserved = waiting(patient_shop, (product, 4))

    receive({product: 4})

    versions = Order.objects.in_bulk([served.pk, unserved.pk])
    assert versions[served.pk].version == served.version + 1
    assert versions[unserved.pk].version == unserved.version


def test_a_new_order_takes_nothing_before_it_is_processed(patient_shop: Any, product: Any) -> None:
    order = OrderFactory(shop=patient_shop, lines=[(product, 4, None)])

    receive({product: 4})

    assert reserved(order) == []


def test_what_is_shipped_already_does_not_wait(patient_shop: Any, product: Any) -> None:
    order = OrderFactory(shop=patient_shop, lines=[(product, 4, None)], shipped=True)

    receive({product: 4})

    assert reserved(order) == [4, -4]


def test_services_never_wait(patient_shop: Any, product: Any) -> None:
    order = waiting(patient_shop, (ProductFactory(service=True), 2), (product, 1))

    receive({product: 5})

    assert reserved(order) == [1]


def test_receipts_transfers_counts_and_holds_serve_one_after_the_other(patient_shop: Any, product: Any) -> None:
    """Whatever way goods become available, the oldest order has them first."""
    orders = [waiting(patient_shop, (product, 2), placed_days_ago=days) for days in (5, 4, 3, 2)]
    here, there = WarehouseFactory(), WarehouseFactory()

    receive({product: 3}, warehouse=here)
    take = count({product: 1}, warehouse=there)
    approve_stock_take(take.pk, decision=decide(actor("chief_accountant")))
    assert [sum(reserved(order)) for order in orders] == [2, 2, 0, 0]

    hold_order(orders[0].pk, release=True, decision=decide(actor("service"), reason="HO01"))
    assert [sum(reserved(order)) for order in orders] == [0, 2, 2, 0]

    receive({product: 3}, warehouse=here)
    transfer({product: 1}, origin=here, destination=there)
    assert [sum(reserved(order)) for order in orders] == [0, 2, 2, 2]
    assert list(invariants.broken()) == []


def test_queries_do_not_grow_with_waiting_orders(patient_shop: Any) -> None:
    decision = decide(actor("keeper"))
    receive({ProductFactory(): 1}, decision=decision)
    counts = []
    for size in (1, 20):
        product = ProductFactory()
        orders = OrderFactory.create_batch(size, shop=patient_shop, lines=[(product, 1, None), (product, 1, None)])
        process_orders([order.pk for order in orders], decision=decide(actor("salesperson")))
        with count_queries() as statements:
            receive({product: 2 * size}, decision=decision)
        counts.append(len(statements))

    assert Reservation.objects.count() == 42
    assert counts[0] == counts[1]


def test_deliveries_into_several_warehouses_serve_a_line_once_and_lock_orders_and_stock_before_they_post(
    patient_shop: Any, product: Any, keeper: Any
) -> None:
    other = ProductFactory()
    order = waiting(patient_shop, (product, 5), (other, 1))
    first, second = WarehouseFactory(), WarehouseFactory()
    lines = [ReceiptDraftLine(product.sku, Decimal(3), Decimal(1))]

    receive_deliveries(
        [
            ReceiptDraft(first.code, lines),
            ReceiptDraft(second.code, [*lines, ReceiptDraftLine(other.sku, Decimal(9), Decimal(1))]),
        ],
        decision=decide(keeper),
    )

    assert sorted(reserved(order)) == [1, 2, 3]
    assert list(invariants.broken()) == []
