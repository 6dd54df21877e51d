"""Alerts compare what is available with what was wanted; everybody sees their own warehouses and shops only."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from erp.kernel.acting import acting
from inventory.models import StockLevel
from orders.models import Product
from orders.selectors import company_day
from orders.services.cancelling import cancel_order
from tests.factories import (
    OrderFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    actor,
    decide,
    receive,
)
from tests.reports.business import answer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_english() -> Any:
    with override("en"):
        yield


def test_an_alert_compares_what_is_available_with_the_level() -> None:
    reader = UserFactory(role="auditor")
    low, fine, never = (ProductFactory(sku=sku) for sku in ("LOW", "FINE", "NEVER"))
    receive({low: 5, fine: 5})
    receive({low: 7}, warehouse=WarehouseFactory(code="BROKEN", is_defective=True))
    OrderFactory(lines=[(low, 2, None)], processing=True, in_stock=False)
    for product, level in ((low, "4"), (fine, "5"), (never, "1")):
        _alert(product, level)

    everything = _rows(reader)
    alerts = _rows(reader, alerts="on")

    assert set(everything) == {"LOW", "FINE", "NEVER"}
    assert set(alerts) == {"LOW", "NEVER"}
    on_hand, reserved, available, defective, level, short = alerts["LOW"][2:8]
    assert (on_hand, reserved, available, defective, level, short) == (12, 2, 3, 7, 4, 1)
    assert alerts["NEVER"][7] == 1


def test_stock_is_that_of_the_readers_warehouses() -> None:
    product, mine = ProductFactory(), WarehouseFactory()
    receive({product: 3}, warehouse=mine)
    receive({product: 4})
    keeper = UserFactory(role="keeper", warehouses=[mine])

    (row,) = _rows(keeper).values()

    assert row[2] == 3
    assert StockLevel.objects.count() == 2


def _rows(reader: Any, **filters: Any) -> dict[str, Any]:
    rows = answer(None, "on-hand", reader=reader, **filters).rows
    return {row[0].split()[0]: row for row in rows}


def _alert(product: Product, level: str) -> None:
    product.reorder_level = Decimal(level)
    with acting(decide(UserFactory())):
        product.save()


def test_only_orders_of_the_readers_shops_are_counted() -> None:
    mine, theirs = ShopFactory(), ShopFactory()
    for shop in (mine, theirs):
        order = OrderFactory(shop=shop)
        cancel_order(order.pk, decision=decide(actor("service"), reason="CA01"))
    reader = UserFactory(role="salesperson", shops=[mine])
    today = company_day(timezone.now())

    def rows(name: str, **filters: Any) -> Any:
        return answer(None, name, reader=reader, since=today, until=today, **filters)

    assert [row[3] for row in rows("closing-reasons").rows] == [1]
    assert len(rows("execution").rows) == 2
