"""What shops are offered: what is available, less what new orders want."""

from decimal import Decimal
from typing import Any

import pytest

from inventory.selectors import offered
from orders.services.holds import hold_order
from tests.factories import OrderFactory, ProductFactory, ShopFactory, WarehouseFactory, actor, decide, receive
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Any:
    return ProductFactory()


def of(product: Any, currency: str = "CNY") -> Decimal:
    return offered([product.pk], currency)[product.pk]


def test_what_is_on_hand_and_not_reserved_is_offered(product: Any) -> None:
    receive({product: 5})
    receive({product: 4}, warehouse=WarehouseFactory())
    OrderFactory(lines=[(product, 2, None)], in_stock=False, processing=True)

    assert of(product) == 7


def test_new_orders_have_their_share_before_they_are_processed_also_on_hold(product: Any) -> None:
    receive({product: 5})
    OrderFactory(lines=[(product, 1, None)])
    held = OrderFactory(lines=[(product, 2, None)])
    hold_order(held.pk, decision=decide(actor("service"), reason="HO01"))

    assert of(product) == 2


def test_nothing_is_the_least_that_is_offered(product: Any) -> None:
    OrderFactory(lines=[(product, 3, None)])

    assert of(product) == 0
    assert of(ProductFactory()) == 0


def test_goods_of_inactive_warehouses_are_not_offered(product: Any) -> None:
    receive({product: 5}, warehouse=(warehouse := WarehouseFactory()))
    type(warehouse).objects.filter(pk=warehouse.pk).update(is_active=False)

    assert of(product) == 0


def test_each_currency_has_its_own_goods_and_orders(product: Any) -> None:
    receive({product: 5})
    receive({product: 3}, warehouse=WarehouseFactory(currency="USD"))
    OrderFactory(shop=ShopFactory(currency="USD"), lines=[(product, 1, 9)])

    assert (of(product), of(product, "USD")) == (5, 2)


def test_two_queries_answer_for_all_products() -> None:
    products = ProductFactory.create_batch(3)
    receive(dict.fromkeys(products, 2))

    with count_queries() as statements:
        assert set(offered([product.pk for product in products], "CNY").values()) == {2}

    assert len(statements) == 2
