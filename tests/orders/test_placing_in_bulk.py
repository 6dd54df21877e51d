"""Placing many orders in one call, and the numbers they get."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from orders.models import Customer, Order
from orders.services.placing import CustomerDraft, place_order, place_orders
from tests.factories import ProductFactory, ShopFactory, decide
from tests.orders.drafts import draft, line
from tests.support import count_queries

pytestmark = pytest.mark.django_db

# In Shanghai the new year begins at 16:00 UTC.
OLD_YEAR = datetime(2025, 12, 31, 15, 59, 59, 999999, tzinfo=UTC)
NEW_YEAR = datetime(2025, 12, 31, 16, 0, tzinfo=UTC)


def test_a_refused_draft_does_not_stop_the_others(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()
    good, bad = draft(shop, line(product)), draft(shop, line(product, "0"))

    first, refused, last = place_orders([good, bad, good], decision=decide(salesperson))

    assert refused.order is None
    assert refused.error
    assert refused.error.code == "kernel.out_of_range"
    assert first.order
    assert last.order
    assert set(Order.objects.values_list("pk", flat=True)) == {first.order.pk, last.order.pk}


def test_orders_of_one_call_share_a_new_customer_of_the_same_code(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()
    drafts = [draft(shop, line(product), customer=CustomerDraft("王芳", code="K1")) for _ in range(3)]

    place_orders(drafts, decision=decide(salesperson))

    customer = Customer.objects.get()
    assert set(Order.objects.values_list("customer", flat=True)) == {customer.pk}


def test_a_customer_first_named_by_a_refused_draft_is_made_by_the_next(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()
    customer = CustomerDraft("王芳", code="K1")
    bad = draft(shop, line(product), customer=customer, discount=Decimal(10**9))

    refused, placed = place_orders([bad, draft(shop, line(product), customer=customer)], decision=decide(salesperson))

    assert refused.error
    assert placed.order
    assert placed.order.customer == Customer.objects.get()


def test_numbers_count_on_within_a_year(salesperson: Any) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()), placed_at=NEW_YEAR)

    orders = [result.order for result in place_orders([order_draft] * 2, decision=decide(salesperson))]
    orders.append(place_order(order_draft, decision=decide(salesperson)).order)

    assert [order.number for order in orders if order] == ["SO-2026-000001", "SO-2026-000002", "SO-2026-000003"]


def test_the_year_is_that_of_placing_in_the_companys_zone(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()
    drafts = [draft(shop, line(product), placed_at=at) for at in (NEW_YEAR, OLD_YEAR, NEW_YEAR)]

    placed = place_orders(drafts, decision=decide(salesperson))

    assert [result.order.number for result in placed if result.order] == [
        "SO-2026-000001",
        "SO-2025-000001",
        "SO-2026-000002",
    ]


def test_without_a_moment_of_its_own_an_order_is_placed_when_it_is_entered(salesperson: Any) -> None:
    order = place_order(draft(ShopFactory(), line(ProductFactory())), decision=decide(salesperson, at=OLD_YEAR)).order

    assert order
    assert (order.placed_at, order.number) == (OLD_YEAR, "SO-2025-000001")


def test_a_refused_draft_takes_no_number(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()
    good = draft(shop, line(product), placed_at=NEW_YEAR)

    place_orders([draft(shop, line(product, "0"), placed_at=NEW_YEAR), good], decision=decide(salesperson))

    assert Order.objects.get().number == "SO-2026-000001"


def test_a_hundred_orders_take_as_many_queries_as_one(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()
    order_draft = draft(shop, line(product), line(product), shipping_fee=Decimal(5))

    place_orders([order_draft], decision=decide(salesperson))
    counts = []
    for size in (1, 100):
        with count_queries() as queries:
            place_orders([order_draft] * size, decision=decide(salesperson))
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 10
