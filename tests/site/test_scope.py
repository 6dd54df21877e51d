"""What is out of somebody's scope is not found, by whatever address."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from erp.kernel.models import User
from finance.models import OrderBalance, Payment, Voucher, VoucherLine
from inventory.models import (
    Move,
    Receipt,
    ReceiptLine,
    Reservation,
    StockLevel,
    Transfer,
    TransferLine,
    Warehouse,
)
from logistics.models import Shipment, ShipmentLine, TrackingEvent
from logistics.services import shipping
from orders.models import CheckPolicy, ClosingRecord, Customer, Line, Order, Review, Shop, Waiver
from tests.database import unchanged
from tests.factories import (
    OrderFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    actor,
    decide,
    receive,
    transfer,
)
from tests.orders.closings import set_policy, waive, without_tracking
from tests.site.clicking import act_url, changelist, page, sign_in

pytestmark = pytest.mark.django_db

BY_SHOP = [
    Shop,
    Customer,
    Order,
    Line,
    Review,
    Waiver,
    CheckPolicy,
    ClosingRecord,
    Payment,
    Voucher,
    VoucherLine,
    OrderBalance,
]
BY_WAREHOUSE = [Warehouse, StockLevel, Move, Reservation, Receipt, ReceiptLine, Transfer, TransferLine]
BY_BOTH = [Shipment, ShipmentLine, TrackingEvent]


@pytest.fixture
def theirs() -> Order:
    """A closed order of a shop and warehouse of other people."""
    origin, product = WarehouseFactory(), ProductFactory()
    shop, warehouse = ShopFactory(), WarehouseFactory()
    receive({product: 1}, warehouse=origin)
    transfer({product: 1}, origin=origin, destination=warehouse)
    shipped = OrderFactory(shipped=True, shop=shop, warehouse=warehouse)
    shipment = Shipment.objects.get(order=shipped)
    shipping.note_tracking(shipment.pk, "signed", decision=decide(actor("logistician")))
    waive(without_tracking(shop=shop, warehouse=warehouse), "logistics.tracking_missing")
    set_policy("logistics.tracking_missing", "ignore", shop=shop)
    order: Order = OrderFactory(closed=True, shop=shop, warehouse=warehouse, shipping_fee=9)
    return order


def reader(**scope: Any) -> User:
    """Reads every kind of document, as far as the scope reaches."""
    user: User = UserFactory(**scope)
    views = Permission.objects.filter(codename__startswith="view_") | Permission.objects.filter(
        codename__in=[
            "close_order",
            "waive_check",
            "report_payment",
            "confirm_payment",
            "dispatch_shipment",
            "receive_stock",
        ]
    )
    user.user_permissions.add(*views)
    return user


def rows_of(models: list[Any]) -> list[Any]:
    rows = [model._base_manager.order_by("pk").last() for model in models]
    assert all(rows), rows
    return rows


def assert_hidden(user: User, models: list[Any]) -> None:
    client = sign_in(user)
    for row in rows_of(models):
        label = type(row).__name__
        assert client.get(page(row)).status_code == 404, label
        assert client.get(page(row, "history")).status_code == 404, label
        assert client.get(changelist(type(row))).context["cl"].result_count == 0, label
        if hasattr(row, "history"):
            past = row.history.latest("history_id")
            meta = row._meta
            address = reverse(
                f"admin:{meta.app_label}_{meta.model_name}_simple_history", args=[row.pk, past.history_id]
            )
            assert client.get(address).status_code == 404, label


@pytest.mark.usefixtures("theirs")
def test_documents_of_other_shops_are_not_found() -> None:
    assert_hidden(reader(shops=[]), BY_SHOP + BY_BOTH)


@pytest.mark.usefixtures("theirs")
def test_documents_of_other_warehouses_are_not_found() -> None:
    assert_hidden(reader(warehouses=[]), BY_WAREHOUSE + BY_BOTH)


def test_one_s_own_are_found(theirs: Order) -> None:
    warehouse = Shipment.objects.get(order=theirs).warehouse
    assert warehouse
    client = sign_in(reader(shops=[theirs.shop], warehouses=[warehouse]))
    own = Voucher.objects.filter(order=theirs).last()
    receipt = Voucher.objects.filter(order=None).first()

    for row in rows_of([model for model in BY_SHOP + BY_WAREHOUSE + BY_BOTH if model not in (Voucher, VoucherLine)]):
        assert client.get(page(row)).status_code == 200, type(row).__name__
    assert client.get(page(own)).status_code == 200
    assert client.get(page(receipt)).status_code == 404


def test_acts_on_what_is_out_of_scope_are_not_found_and_change_nothing(theirs: Order) -> None:
    client = sign_in(reader(shops=[], warehouses=[]))
    shipment, payment = Shipment.objects.first(), Payment.objects.first()
    assert shipment
    assert payment
    addresses = [
        act_url("close", theirs),
        act_url("waive", theirs),
        act_url("report-payment", theirs),
        act_url("confirm-payment", payment),
        act_url("dispatch-shipment", shipment),
        act_url("receive-stock", shipment.warehouse),
    ]

    with unchanged():
        for address in addresses:
            assert (client.get(address).status_code, client.post(address).status_code) == (404, 404), address


def test_out_of_scope_is_not_found_even_without_the_right(theirs: Order) -> None:
    client = sign_in(UserFactory(shops=[]))

    assert client.post(act_url("close", theirs)).status_code == 404


def test_ids_that_are_none_are_not_found(closer: User) -> None:
    client = sign_in(closer)

    for pk in ("0", "-1", "abc", "99999999999999999999999", "1'--", "%00", "１２"):
        assert client.get(f"/admin/acts/close/{pk}/").status_code == 404, pk
        assert client.get(f"/admin/orders/order/{pk}/change/").status_code == 404, pk


def test_filters_and_choices_name_only_one_s_own_shops(theirs: Order) -> None:
    own = ShopFactory()
    client = sign_in(UserFactory(role="salesperson", shops=[own]))
    client_text = client.get(changelist(Order)).content.decode() + client.get(act_url("place-order")).content.decode()

    assert theirs.shop.name not in client_text
    assert own.name in client_text


def test_placing_into_a_shop_out_of_scope_is_a_wrong_choice(theirs: Order) -> None:
    client = sign_in(UserFactory(role="salesperson", shops=[ShopFactory()]))

    with unchanged():
        response = client.post(act_url("place-order"), {"shop": theirs.shop.code})

    assert "shop" in response.context["form"].errors
