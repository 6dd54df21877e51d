"""Orders are found by what people have in hand, within their scope, whatever is typed."""

from collections.abc import Callable
from typing import Any

import pytest

from erp.kernel.models import User
from logistics.models import Shipment
from orders.models import Order
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory
from tests.site.clicking import changelist, goes_to, sign_in
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Any:
    product = ProductFactory(sku="KETTLE-7", name="云杉牌电热水壶")
    customer = {"name": "上海云杉贸易", "phone": "13900001234"}
    OrderFactory(shipped=True)
    return OrderFactory(shipped=True, lines=[(product, 1, None)], customer=customer, external_number="Tb-778899")


def found(user: User, text: str, **query: str) -> list[int]:
    response = sign_in(user).get(changelist(Order), {"q": text, **query})
    assert response.status_code == 200, response
    return [row.pk for row in response.context["cl"].result_list]


def _parcel(order: Any) -> str:
    return str(Shipment.objects.get(order=order).tracking_number)


@pytest.mark.parametrize(
    "typed",
    [
        lambda order: order.number.lower()[:-1],
        lambda order: "tB-7788",
        lambda order: "1390000",
        lambda order: " 云杉 ",
        lambda order: "上",
        lambda order: "云杉贸",
        lambda order: "kettle",
        lambda order: "热水",
        _parcel,
    ],
)
def test_an_order_is_found_by_what_people_have_in_hand(typed: Callable[[Any], str], order: Any, auditor: User) -> None:
    assert order.pk in found(auditor, typed(order))


@pytest.mark.parametrize("text", ["杉", "778899", "ETTLE", "0001234", "热", "nobody"])
def test_what_is_too_little_or_not_at_the_beginning_finds_nothing(text: str, order: Any, auditor: User) -> None:
    assert found(auditor, text) == []


@pytest.mark.parametrize(
    "text", ["%", "_", "%%%", "___", "\\", "'", "\0", "x" * 10_000, "云" * 10_000, "a\0b", "(", "👨‍👩‍👧"]
)
def test_nothing_that_is_typed_means_anything_else(text: str, order: Any, auditor: User) -> None:
    assert found(auditor, text) == [] or "\0" in text


def test_a_full_number_leads_to_its_order(order: Any, auditor: User) -> None:
    for text in (order.number, order.number.lower(), f" {order.number} ", "TB-778899"):
        assert goes_to(sign_in(auditor).get(changelist(Order), {"q": text, "list": "to_process"}), order)


def test_an_external_number_of_two_shops_leads_to_both(order: Any, auditor: User) -> None:
    other = OrderFactory(shop=ShopFactory(), external_number="TB-778899")

    assert set(found(auditor, "tb-778899")) == {order.pk, other.pk}


def test_nothing_is_found_beyond_the_scope(order: Any) -> None:
    stranger = UserFactory(role="salesperson", shops=[ShopFactory()])
    for text in (order.number, "Tb-778899", "1390000", "云杉", "kettle", "热水", _parcel(order)):
        assert found(stranger, text) == []


def test_a_search_narrows_the_list_it_is_asked_in(order: Any, auditor: User) -> None:
    assert found(auditor, "云杉", list="to_sign") == [order.pk]
    assert found(auditor, "云杉", list="to_process") == []


def test_a_search_costs_one_query(order: Any, auditor: User) -> None:
    client = sign_in(auditor)
    client.get(changelist(Order))
    with count_queries() as without:
        client.get(changelist(Order), {"list": "to_sign"})
    with count_queries() as searched:
        client.get(changelist(Order), {"list": "to_sign", "q": "云杉"})

    assert len(searched) <= len(without) + 1


def test_orders_by_amount(auditor: User) -> None:
    cheap, dear = (OrderFactory(lines=[(ProductFactory(price=price), 1, None)]) for price in ("10.00", "99.50"))

    def between(**query: str) -> set[int]:
        return set(found(auditor, "", **query))

    assert between(total_from="10", total_to="10") == {cheap.pk}
    assert between(total_from="10.01") == {dear.pk}
    assert between(total_to="99.49") == {cheap.pk}
    assert between(total_from="", total_to="") == {cheap.pk, dear.pk}


@pytest.mark.parametrize("value", ["abc", "NaN", "1" + "0" * 30, "1e3", "１２", "0.00001", "\0", "5" * 5000])
def test_an_amount_nobody_can_read_is_an_error(value: str, auditor: User) -> None:
    OrderFactory()
    response = sign_in(auditor).get(changelist(Order), {"total_from": value})

    assert response.status_code in (200, 302)
    if response.status_code == 200:
        assert not response.context["cl"].result_list
        assert "Amount from" in response.content.decode()


def test_amounts_in_the_wrong_order_are_an_error(auditor: User) -> None:
    text = sign_in(auditor).get(changelist(Order), {"total_from": "9", "total_to": "1"}).content.decode()
    assert "smaller than the first" in text
