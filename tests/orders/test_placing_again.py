"""The shop's own number of an order: what is sent twice is placed once."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from orders.models import Order
from orders.services import placing
from orders.services.placing import CustomerDraft, ExternalNumberTaken, place_order, place_orders
from tests.database import unchanged
from tests.factories import ProductFactory, ShopFactory, decide
from tests.orders.drafts import draft, line

pytestmark = pytest.mark.django_db


def test_the_same_content_again_is_the_same_order_and_changes_nothing(salesperson: Any) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory(), "2"), external_number="TB-1", note="加急")
    first = place_order(order_draft, decision=decide(salesperson))

    with unchanged():
        second = place_order(order_draft, decision=decide(salesperson))

    assert first.order
    assert second.order == first.order
    assert (first.created, second.created) == (True, False)


def test_content_written_differently_is_the_same_content(salesperson: Any) -> None:
    product = ProductFactory()
    order_draft = draft(ShopFactory(), line(product, "2", "10"), external_number="TB-1")
    place_order(order_draft, decision=decide(salesperson))

    again = replace(order_draft, lines=[line(product, "2.00", "10.0")], external_number=" TB-1 ")

    assert not place_order(again, decision=decide(salesperson)).created


def test_the_same_content_is_the_same_order_when_the_price_of_today_is_another(salesperson: Any, system: Any) -> None:
    product = ProductFactory(price=Decimal(100))
    order_draft = draft(ShopFactory(), line(product), external_number="TB-1")
    place_order(order_draft, decision=decide(salesperson))
    type(product).objects.update(price=Decimal(200))

    again = place_order(order_draft, decision=decide(salesperson))

    assert again.order
    assert (again.created, again.order.total) == (False, 100)


@pytest.mark.parametrize(
    "change",
    [
        {"note": "急"},
        {"discount": Decimal("0.01")},
        {"shipping_fee": Decimal(1)},
        {"shipping_method": "EXPRESS"},
        {"shipping_address": {"city": "深圳市"}},
        {"customer": CustomerDraft("李雷")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_content_under_the_same_number_is_refused(salesperson: Any, change: dict[str, Any]) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()), external_number="TB-1")
    order = place_order(order_draft, decision=decide(salesperson)).order

    with unchanged(), pytest.raises(ExternalNumberTaken) as refused:
        place_order(replace(order_draft, **change), decision=decide(salesperson))

    assert order
    assert (refused.value.code, refused.value.params["number"]) == ("orders.external_number_taken", order.number)


def test_each_shop_has_its_own_numbers(salesperson: Any) -> None:
    product = ProductFactory()

    placed = [
        place_order(draft(ShopFactory(), line(product), external_number="1"), decision=decide(salesperson))
        for _ in range(2)
    ]

    assert [result.created for result in placed] == [True, True]


def test_without_a_number_every_order_is_a_new_one(salesperson: Any) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()))

    for _ in range(2):
        assert place_order(order_draft, decision=decide(salesperson)).created


def test_one_call_with_the_same_number_twice_places_it_once(salesperson: Any) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()), external_number="TB-1")

    first, same, other = place_orders(
        [order_draft, order_draft, replace(order_draft, note="别的")], decision=decide(salesperson)
    )

    assert (first.created, same.created) == (True, False)
    assert first.order
    assert same.order is first.order
    assert isinstance(other.error, ExternalNumberTaken)
    assert Order.objects.get().external_number == "TB-1"


def test_who_places_it_in_the_same_moment_finds_what_the_other_has_placed(salesperson: Any, monkeypatch: Any) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()), external_number="TB-1")
    first = place_order(order_draft, decision=decide(salesperson))
    read, too_early = placing._read, iter([True])

    def read_too_early(*args: Any) -> Any:
        known = read(*args)
        if next(too_early, False):
            known.orders = {}
        return known

    monkeypatch.setattr(placing, "_read", read_too_early)

    with unchanged():
        second = place_order(order_draft, decision=decide(salesperson))

    assert (second.order, second.created) == (first.order, False)
