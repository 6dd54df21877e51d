"""Master data is edited in somebody's name, and keeps what other rows rest on."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from erp.kernel.acting import Channel
from erp.kernel.models import User
from inventory.models import Warehouse
from orders.models import CheckPolicy, Product, Reason, Shop
from tests.database import unchanged
from tests.factories import CustomerFactory, OrderFactory, ProductFactory, ShopFactory, UserFactory, WarehouseFactory
from tests.orders.closings import set_policy
from tests.site.clicking import changelist, page, sign_in

pytestmark = pytest.mark.django_db


def shop_form(**changes: Any) -> dict[str, Any]:
    data = {"code": "TMALL", "name": "天猫旗舰店", "currency": "CNY", "terms": "prepaid", "credit_days": "0"}
    return {**data, "tolerance": "0.05", "is_active": "on", **changes}


def test_a_shop_is_made_and_changed_with_a_history_of_who_and_how(closer: User) -> None:
    client = sign_in(closer)

    made = client.post("/admin/orders/shop/add/", shop_form())
    shop = Shop.objects.get()
    changed = client.post(page(shop), shop_form(name="天猫店"))

    assert (made.status_code, changed.status_code) == (302, 302)
    row = shop.history.latest("history_id")
    assert (row.name, row.actor_name, row.channel) == ("天猫店", closer.name, Channel.ADMIN)
    assert row.request_id == changed["X-Request-Id"]
    text = client.get(page(shop, "history")).content.decode()
    assert "天猫旗舰店 → 天猫店" in text
    assert "Back office" in text


@pytest.mark.parametrize("factory", [ShopFactory, WarehouseFactory])
def test_a_currency_is_chosen_once(factory: Any, closer: User) -> None:
    row = factory()
    data = shop_form() if isinstance(row, Shop) else {"code": "WH", "name": "仓", "is_active": "on"}

    sign_in(closer).post(page(row), {**data, "currency": "USD"})

    again = type(row).objects.get(pk=row.pk)
    assert again.name == data["name"]
    assert again.currency == "CNY"


def test_the_shop_of_a_customer_is_chosen_once(closer: User) -> None:
    customer, other = CustomerFactory(), ShopFactory()

    sign_in(closer).post(page(customer), {"shop": other.pk, "code": "C1", "name": "新名", "credit_days": "0"})

    again = type(customer).objects.get(pk=customer.pk)
    assert (again.name, again.shop_id) == ("新名", customer.shop_id)


def test_the_acts_of_a_reason_are_ticked(closer: User) -> None:
    reason = Reason.objects.get(code="CA02")
    client = sign_in(closer)
    data = {"name": reason.name, "party": reason.party, "is_active": "on", "acts": ["cancel", "close"]}

    assert 'value="close_line" id="id_acts_2" checked' in client.get(page(reason)).content.decode()
    assert client.post(page(reason), data).status_code == 302
    refused = client.post(page(reason), {**data, "acts": ["fly"]})

    assert set(Reason.objects.get(code="CA02").acts) == {"cancel", "close"}
    assert "acts" in refused.context["adminform"].form.errors


def policy_form(**changes: Any) -> dict[str, Any]:
    return {"code": "logistics.tracking_missing", "shop": "", "above": "0", "level": "block", **changes}


def test_a_check_policy_is_made_and_changed_with_a_history(closer: User) -> None:
    client, shop = sign_in(closer), ShopFactory()

    client.post("/admin/orders/checkpolicy/add/", policy_form(shop=shop.pk, above="500"))
    policy = CheckPolicy.objects.get()
    client.post(page(policy), policy_form(level="ignore", above="7"))

    policy.refresh_from_db()
    assert (policy.shop, policy.above, policy.level) == (shop, 500, "ignore")
    assert [row.level for row in policy.history.order_by("history_id")] == ["block", "ignore"]
    assert "500.00 CNY" in client.get(changelist(CheckPolicy)).content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "finance.unpaid"},
        {"code": "orders.wrong_state"},
        {"code": "x"},
        {"level": "maybe"},
        {"above": "5"},
        {"above": "-5"},
    ],
    ids=str,
)
def test_a_check_policy_is_for_a_soft_check_and_an_amount_has_a_shop(wrong: dict[str, Any], closer: User) -> None:
    client = sign_in(closer)

    with unchanged():
        response = client.post("/admin/orders/checkpolicy/add/", policy_form(**wrong))

    assert response.context["adminform"].form.errors


def test_the_same_check_policy_is_made_once(closer: User) -> None:
    client = sign_in(closer)
    client.post("/admin/orders/checkpolicy/add/", policy_form())

    with unchanged():
        response = client.post("/admin/orders/checkpolicy/add/", policy_form(level="ignore"))

    assert response.context["adminform"].form.errors


def test_whoever_sees_some_shops_sets_no_policy_for_every_shop() -> None:
    shop = ShopFactory()
    user = UserFactory(shops=[shop])
    user.user_permissions.add(*Permission.objects.filter(codename__endswith="_checkpolicy"))
    client = sign_in(user)
    general = set_policy("logistics.tracking_missing", "block")

    with unchanged():
        refused = client.post("/admin/orders/checkpolicy/add/", policy_form(code="finance.conflict_of_duty"))
        client.post("/admin/orders/checkpolicy/add/", policy_form(shop=ShopFactory.build().pk or 999))
        changed = client.post(page(general), policy_form(level="ignore"))
    client.post("/admin/orders/checkpolicy/add/", policy_form(shop=shop.pk))

    assert "shop" in refused.context["adminform"].form.errors
    assert changed.status_code == 403
    assert CheckPolicy.objects.filter(shop=shop).exists()


def test_others_read_a_product_as_people_write_numbers(salesperson: User) -> None:
    product = ProductFactory()

    text = sign_in(salesperson).get(page(product)).content.decode()

    assert "99.99 CNY" in text
    assert ">0.13<" in text
    assert "_save" not in text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tolerance", "NaN"),
        ("tolerance", "-1"),
        ("tolerance", "１２"),
        ("tolerance", "1" + "0" * 30),
        ("tolerance", "1e3"),
        ("tolerance", "1,000.00"),
        ("tolerance", "-0"),
        ("tolerance", "0.00001"),
        ("name", "店\0"),
        ("name", "店\u202e"),
        ("name", "店" * 101),
        ("credit_days", "99999999999"),
        ("credit_days", "-1"),
        ("currency", "XXX"),
    ],
)
def test_what_cannot_be_stored_is_an_error_of_its_field(field: str, value: str, closer: User) -> None:
    client = sign_in(closer)

    with unchanged():
        response = client.post("/admin/orders/shop/add/", shop_form(**{field: value}))

    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert field in errors or "__all__" in errors


def test_a_name_of_emoji_is_stored_as_it_is(closer: User) -> None:
    sign_in(closer).post("/admin/orders/shop/add/", shop_form(name="👨‍👩‍👧 店"))

    assert Shop.objects.get().name == "👨‍👩‍👧 店"


def test_columns_that_belong_to_nobody_cannot_be_slipped_in(closer: User) -> None:
    customer = CustomerFactory()
    data = {"code": "C1", "name": customer.name, "credit_days": "0", "salt": "00", "id": "77"}

    sign_in(closer).post(page(customer), data)

    again = type(customer).objects.get(pk=customer.pk)
    assert again.salt == customer.salt


def test_a_product_keeps_sku_and_kind(closer: User) -> None:
    product = ProductFactory()
    data = {
        "name": "新",
        "unit": "piece",
        "price": "1",
        "currency": "CNY",
        "tax_rate": "0",
        "reorder_level": "0",
        "sku": "X",
        "kind": "service",
    }

    sign_in(closer).post(page(product), data)

    again = Product.objects.get(pk=product.pk)
    assert (again.name, again.sku, again.kind) == ("新", product.sku, product.kind)


def test_what_orders_point_at_stays(closer: User) -> None:
    order = OrderFactory(packed=True)
    client = sign_in(closer)
    pointed_at = [order.shop, order.customer, order.lines.first().product, Warehouse.objects.first()]

    with unchanged():
        for row in pointed_at:
            assert client.post(page(row, "delete"), {"post": "yes"}).status_code == 403
