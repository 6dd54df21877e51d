"""Whatever is typed or sent: an answer, never a fault, and nothing that runs in somebody's browser."""

import re

import pytest
from django.test import Client

from erp.kernel.models import User
from finance.models import Payment
from logistics.models import Shipment
from orders.models import Customer, Order, Shop
from tests.database import unchanged
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, WarehouseFactory
from tests.site.clicking import act_url, changelist, confirm, filled_in, page, rows, sign_in

pytestmark = pytest.mark.django_db

NO_NUMBERS = [
    "NaN",
    "Infinity",
    "１２",
    "1" + "0" * 30,
    "1e3",
    "1,000.00",
    "-0",
    "0.00001",
    "0x10",
    "5" * 5000,
    "true",
    "٣",
]
SCRIPT = '<script>alert("x")</script>'


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_number_is_an_error_of_its_field(value: str, cashier: User, keeper: User) -> None:
    order = OrderFactory(processing=True)
    cash, store = sign_in(cashier), sign_in(keeper)

    with unchanged():
        paid = confirm(cash, "report-payment", order, reference="R", amount=value)
        sent = confirm(store, "draft-shipment", order, line_1=value)

    assert "amount" in paid.context["form"].errors
    assert "line_1" in sent.context["form"].errors


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_number_in_a_row_is_an_error_of_its_cell(value: str, keeper: User) -> None:
    client, warehouse, product = sign_in(keeper), WarehouseFactory(), ProductFactory()
    line = {"sku": product.sku, "quantity": value, "unit_cost": value}

    with unchanged():
        response = confirm(client, "receive-stock", warehouse, reference="DN", **rows([line]))

    assert set(response.context["rows"].errors[0]) == {"quantity", "unit_cost"}


@pytest.mark.parametrize("value", ["-5", "0", "0.001"])
def test_a_number_that_does_not_serve_is_refused_by_the_service(value: str, cashier: User) -> None:
    order, client = OrderFactory(), sign_in(cashier)

    with unchanged():
        response = confirm(client, "report-payment", order, reference="R", amount=value)

    assert response.status_code == 409
    assert response.context["problems"]


@pytest.mark.parametrize("value", ["", "yesterday", "0001-01-01T00:00", "9999-12-31T23:59", "2026-13-40T99:99"])
def test_no_moment_is_an_error_of_its_field(value: str, cashier: User) -> None:
    order, client = OrderFactory(), sign_in(cashier)

    with unchanged():
        response = confirm(client, "report-payment", order, reference="R", received_at=value)

    assert "received_at" in response.context["form"].errors


@pytest.mark.parametrize("value", ["a\0b", "a\u202eb", "a\x1bb", "名" * 101])
def test_text_that_cannot_be_stored_is_an_error_of_its_field(value: str, salesperson: User) -> None:
    client = sign_in(salesperson)

    with unchanged():
        response = confirm(client, "place-order", customer_name=value)

    assert "customer_name" in response.context["form"].errors


def test_emoji_and_wide_text_are_stored_as_they_are(salesperson: User) -> None:
    shop, product = ShopFactory(), ProductFactory()

    confirm(
        sign_in(salesperson),
        "place-order",
        shop=shop.code,
        customer_name="👨‍👩‍👧 王",
        **rows([{"sku": product.sku, "quantity": "1"}]),
    )

    assert Customer.objects.get().name == "👨‍👩‍👧 王"


@pytest.mark.parametrize(
    "data",
    [
        {"rows-TOTAL_FORMS": "abc"},
        {"rows-TOTAL_FORMS": "99999999"},
        {"rows-TOTAL_FORMS": "-1"},
        {"version": "abc", "digest": "x" * 999, "shown_at": "\0"},
        {"shop": "\0"},
        {"shipping_method": "ROCKET"},
    ],
)
def test_a_mangled_form_is_answered(data: dict[str, str], salesperson: User) -> None:
    shop, product = ShopFactory(), ProductFactory()
    client = sign_in(salesperson)
    filled = {"shop": shop.code, "customer_name": "王芳", **rows([{"sku": product.sku, "quantity": "1"}])}

    response = confirm(client, "place-order", **{**filled, **data})

    assert response.status_code in (200, 302, 409)


@pytest.mark.parametrize("seen", [{}, {"version": "x"}, {"version": "-1"}, {"version": "0"}, {"shown_at": "never"}])
def test_a_click_that_does_not_say_what_was_seen_asks_again(seen: dict[str, str], closer: User) -> None:
    order, client = OrderFactory(reviewed=True), sign_in(closer)

    with unchanged():
        response = client.post(act_url("close", order), {"reason": "CL01", **seen})

    assert response.status_code == 409


@pytest.mark.parametrize(
    "query",
    [
        "?q=%00",
        "?q=" + "x" * 5000,
        "?status__exact=%00",
        "?status__exact=nothing",
        "?total__gte=abc",
        "?number__regex=(",
        "?shop__id__exact=abc",
        "?shop__id__exact=99999999999999999999999",
        "?shop__currency=CNY",
        "?placed_at__gte=rubbish",
        "?customer__email__startswith=a",
        "?o=1.2.3.-99.abc",
        "?p=-1",
        "?p=abc",
        "?p=99999999999",
        "?all=",
        "?e=1",
        "?_to_field=shop",
        "?_popup=1",
    ],
)
def test_a_list_is_asked_rubbish(query: str, auditor: User) -> None:
    OrderFactory()

    assert sign_in(auditor).get(changelist(Order) + query).status_code in (200, 302, 400)


def test_what_people_write_is_shown_and_never_run(closer: User, accountant: User, salesperson: User) -> None:
    shop = ShopFactory(name=SCRIPT)
    product = ProductFactory(name=SCRIPT)
    order = OrderFactory(
        reported=True,
        shop=shop,
        lines=[(product, 1, None)],
        customer={"name": SCRIPT, "phone": SCRIPT[:40]},
        note=SCRIPT,
        external_number=SCRIPT,
        shipping_address={"city": SCRIPT},
    )
    payment = Payment.objects.get()
    confirm(sign_in(accountant), "reject-payment", payment, reason="RJ01", note=SCRIPT)
    client = sign_in(UserFactory(is_superuser=True))

    for address in (
        page(order),
        page(payment, "history"),
        page(order.customer),
        page(shop),
        changelist(Order),
        changelist(Shop),
        act_url("report-payment", order),
        act_url("place-order"),
    ):
        text = client.get(address).content.decode()
        assert SCRIPT not in text, address
        assert "&lt;script&gt;" in text, address
    finished = OrderFactory(
        closed=True, shop=shop, lines=[(product, 1, None)], customer={"name": SCRIPT}, external_number="X"
    )
    for model in ("closingrecord", "review"):
        assert SCRIPT not in client.get(f"/admin/orders/{model}/1/change/").content.decode()
    assert SCRIPT not in client.get(page(finished)).content.decode()


def test_a_message_about_what_people_wrote_is_escaped(logistician: User) -> None:
    OrderFactory(shipped=True)
    shipment = Shipment.objects.get()
    client = sign_in(logistician)

    confirm(client, "track-shipment", shipment, kind="in_transit", place=SCRIPT)

    assert SCRIPT not in client.get("/admin/").content.decode()


def test_every_page_that_writes_wants_its_token(closer: User) -> None:
    shop = ShopFactory()
    client = sign_in(closer, enforce_csrf_checks=True)

    with unchanged():
        for address in (
            "/admin/orders/shop/add/",
            page(shop),
            "/admin/kernel/user/add/",
            f"/admin/kernel/user/{UserFactory._meta.model.objects.first().pk}/password/",
            "/admin/password_change/",
            "/admin/logout/",
        ):
            assert client.post(address, {"name": "x"}).status_code == 403, address
    assert Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x"}).status_code == 403


def test_pages_carry_no_inline_script_and_nothing_from_elsewhere(auditor: User) -> None:
    order = OrderFactory(completed=True, paid=True)
    client = sign_in(auditor)

    for address in (page(order), page(order, "history"), changelist(Order), "/admin/"):
        text = client.get(address).content.decode()
        assert not re.search(r"<script(?![^>]* src=)|\son[a-z]+=|javascript:", text), address
        assert "http://" not in text.replace("http://www.w3.org", ""), address


def test_reading_back_what_was_filled_in_keeps_it(cashier: User) -> None:
    order, client = OrderFactory(), sign_in(cashier)

    response = confirm(client, "report-payment", order, reference="REF-77", amount="abc")

    assert filled_in(response)["reference"] == "REF-77"
