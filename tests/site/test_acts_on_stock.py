"""Every button on warehouses and stock-takes does what it says, once."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from erp.kernel.models import User
from inventory.models import Receipt, StockLevel, StockTake, Transfer
from tests.factories import (
    OrderFactory,
    ProductFactory,
    UserFactory,
    WarehouseFactory,
    count,
    receive,
)
from tests.site.clicking import act_url, confirm, filled_in, fresh, goes_to, page, rows, sign_in, the

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]


def test_receiving_stock(keeper: User) -> None:
    warehouse, product = WarehouseFactory(), ProductFactory()
    line = {"sku": product.sku, "quantity": "10", "unit_cost": "12.3456"}

    response = confirm(sign_in(keeper), "receive-stock", warehouse, reference="DN-1", **rows([line]))

    assert goes_to(response, the(Receipt))
    level = the(StockLevel)
    assert (level.on_hand, level.value) == (10, Decimal("123.46"))


def test_the_same_delivery_note_is_received_once(keeper: User) -> None:
    warehouse, product = WarehouseFactory(), ProductFactory()
    client = sign_in(keeper)
    url = act_url("receive-stock", warehouse)
    line = {"sku": product.sku, "quantity": "10", "unit_cost": "1"}
    data = filled_in(client.get(url)) | {"reference": "DN-1"} | rows([line])

    client.post(url, data)
    response = client.post(url, data)

    assert response.status_code == 409
    assert the(Receipt).number in response.content.decode()


def test_every_wrong_line_of_a_receipt_is_named(keeper: User) -> None:
    lines = [{"sku": sku, "quantity": "1", "unit_cost": "1"} for sku in ("NO-1", "NO-2")]

    response = confirm(sign_in(keeper), "receive-stock", WarehouseFactory(), reference="DN-1", **rows(lines))

    assert response.status_code == 409
    assert [problem.split("”")[0] for problem in response.context["problems"]] == ["Product “NO-1", "Product “NO-2"]


def test_transferring_stock(keeper: User) -> None:
    here, there, product = WarehouseFactory(), WarehouseFactory(), ProductFactory()
    WarehouseFactory(currency="USD")
    receive({product: 10}, warehouse=here)
    client = sign_in(keeper)
    offered = client.get(act_url("transfer-stock", here))
    assert [code for code, _name in offered.context["form"].fields["destination"].choices] == [there.code]
    assert here.name in offered.content.decode()

    data = filled_in(offered) | rows([{"sku": product.sku, "quantity": "4"}])
    response = client.post(act_url("transfer-stock", here), data)
    again = client.post(act_url("transfer-stock", here), data)

    assert goes_to(response, the(Transfer))
    assert again.status_code == 409
    assert list(StockLevel.objects.order_by("warehouse").values_list("on_hand", "value")) == [(6, 300), (4, 200)]


def test_a_transfer_of_promised_goods_says_what_can_leave(keeper: User) -> None:
    order = OrderFactory(processing=True, line_count=1)
    level = the(StockLevel)
    line = {"sku": order.lines.get().sku, "quantity": "1"}

    response = confirm(
        sign_in(keeper), "transfer-stock", level.warehouse, destination=WarehouseFactory().code, **rows([line])
    )

    assert response.status_code == 409
    assert "of 2 pcs on hand there 2 pcs are reserved for orders: 0 pcs can leave" in response.content.decode()


def test_counting_stock_and_approving_the_count(keeper: User, chief_accountant: User) -> None:
    warehouse, lost, found = WarehouseFactory(), ProductFactory(), ProductFactory()
    receive({lost: 10}, warehouse=warehouse)
    lines = [{"sku": lost.sku, "quantity": "7"}, {"sku": found.sku, "quantity": "2", "unit_cost": "9.99"}]

    counted = confirm(sign_in(keeper), "count-stock", warehouse, reference="P-1", **rows(lines))

    take = the(StockTake)
    assert goes_to(counted, take)
    assert the(StockLevel).on_hand == 10
    client = sign_in(keeper)
    assert act_url("approve-stocktake", take) not in client.get(page(take)).content.decode()

    approved = confirm(sign_in(chief_accountant), "approve-stocktake", take)

    assert goes_to(approved, take)
    levels = StockLevel.objects.order_by("pk").values_list("on_hand", "value")
    assert list(levels) == [(7, 350), (2, Decimal("19.98"))]


def test_a_loss_of_promised_goods_says_for_whom(chief_accountant: User) -> None:
    order = OrderFactory(processing=True, line_count=1)
    take = count({order.lines.get().product: 0})

    response = confirm(sign_in(chief_accountant), "approve-stocktake", take)

    assert response.status_code == 409
    assert order.number in response.content.decode()
    assert fresh(take).status == "counted"


def test_rejecting_a_count_with_a_note(chief_accountant: User) -> None:
    take = count({ProductFactory(): 1})

    response = confirm(sign_in(chief_accountant), "reject-stocktake", take, reason="RJ01", note="数错了")

    assert goes_to(response, take)
    assert fresh(take).status == "rejected"


def test_a_count_begins_with_what_should_lie_there(keeper: User) -> None:
    warehouse, first, second, open_one = WarehouseFactory(), *(ProductFactory() for _ in range(3))
    receive({first: 10, second: 5, open_one: 1}, warehouse=warehouse)
    count({open_one: 1}, warehouse=warehouse)
    client = sign_in(keeper)

    shown = client.get(act_url("count-stock", warehouse))
    rows_shown = [(form["sku"].value(), form["name"].value(), str(form["book"].value())) for form in _begun(shown)]
    assert rows_shown == [(first.sku, first.name, "10 pcs"), (second.sku, second.name, "5 pcs")]
    response = client.post(act_url("count-stock", warehouse), filled_in(shown) | {"rows-0-quantity": "9"})

    take = StockTake.objects.latest("pk")
    assert goes_to(response, take)
    assert [(line.product, line.counted, line.on_hand) for line in take.lines.all()] == [(first, 9, 10)]


def test_what_the_books_say_is_for_those_who_may_see_stock(keeper: User) -> None:
    warehouse, product = WarehouseFactory(), ProductFactory()
    receive({product: 10}, warehouse=warehouse)
    blind = with_rights("inventory.count_stock", "inventory.view_warehouse", "inventory.all_warehouses")

    shown = sign_in(blind).get(act_url("count-stock", warehouse))

    assert product.name in shown.content.decode()
    assert "10 pcs" not in shown.content.decode()
    assert "In the books" not in shown.content.decode()


def test_a_found_product_without_a_quantity_is_not_passed_over(keeper: User) -> None:
    warehouse = WarehouseFactory()
    client = sign_in(keeper)

    response = confirm(client, "count-stock", warehouse, **rows([{"sku": ProductFactory().sku}]))

    assert "nothing found is 0" in response.content.decode()
    assert not StockTake.objects.exists()


def test_more_lines_put_the_cursor_into_the_first_empty_one(keeper: User) -> None:
    warehouse, product = WarehouseFactory(), ProductFactory()
    client = sign_in(keeper)
    url = act_url("receive-stock", warehouse)
    data = filled_in(client.get(url)) | rows([{"sku": product.sku, "quantity": "2", "unit_cost": "1"}])

    text = client.post(url, data | {"more": "1"}).content.decode()

    (tag,) = (part for part in text.split("<input")[1:] if "autofocus" in part.split(">")[0])
    assert 'name="rows-1-sku"' in tag


def test_a_page_of_five_hundred_lines_is_taken(keeper: User) -> None:
    warehouse, products = WarehouseFactory(), ProductFactory.create_batch(400)
    lines = [{"sku": product.sku, "quantity": "1", "unit_cost": "1"} for product in products]

    response = confirm(sign_in(keeper), "receive-stock", warehouse, reference="DN-9", **rows(lines))

    assert goes_to(response, the(Receipt))


def _begun(shown: Any) -> list[Any]:
    return list(shown.context["rows"].initial_forms)


def with_rights(*rights: str) -> User:
    user: User = UserFactory()
    for right in rights:
        label, codename = right.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    return user
