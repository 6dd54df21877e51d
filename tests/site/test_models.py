"""Every model of ours has its pages: documents to read, master data to edit by those who may."""

from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from erp.bulk import services as bulk
from erp.kernel.acting import acting
from erp.kernel.admin import DocumentAdmin
from erp.kernel.models import Counter, OutboxEvent, User
from erp.printing.models import PrintHeader
from erp.site.models import Readiness, SavedView
from erp.worker.models import Worker
from finance.models import Credit
from finance.services import payments
from finance.services.payments import PaymentDraft
from finance.services.statements import Use
from inventory.models import Warehouse, WarehouseScope
from logistics.models import Carrier, Shipment, TrackingEvent
from logistics.services import shipping
from orders.models import CheckPolicy, Customer, LineClosing, Order, Product, Reason, ShippingMethod, Shop, ShopScope
from tests.database import OURS, unchanged
from tests.factories import (
    CarrierFactory,
    OrderFactory,
    ProductFactory,
    UserFactory,
    actor,
    count,
    decide,
    receive,
    transfer,
)
from tests.files.keeping import keep, mark
from tests.finance.giving_up import allowed, one_line, written_off
from tests.finance.refunding import paid
from tests.finance.statements import take
from tests.logistics.returning import approved, received
from tests.orders.closings import set_policy, waive, without_tracking
from tests.site.clicking import changelist, page, sign_in
from tests.support import count_queries

pytestmark = pytest.mark.django_db

MODELS = [
    model
    for label in OURS
    for model in apps.get_app_config(label).get_models()
    if not model.__name__.startswith("Historical") and model._meta.managed
]
MASTER = {
    CheckPolicy,
    Shop,
    Customer,
    Product,
    Reason,
    ShippingMethod,
    ShopScope,
    Warehouse,
    WarehouseScope,
    Carrier,
    PrintHeader,
    User,
}
DOCUMENTS = sorted(set(MODELS) - MASTER, key=lambda model: model.__name__)
RECORDED = [model for model in MODELS if hasattr(model, "history")]


def name(model: Any) -> str:
    return str(model._meta.label_lower)


@pytest.fixture
def furnished() -> None:
    """At least one row of every model."""
    order = OrderFactory(closed=True, shipping_address={"city": "杭州市"}, shipping_fee=12)
    seen = {"version": 1, "ready": True, "only_reviews": False, "checked_at": timezone.now()}
    Readiness.objects.create(order=order, **seen)
    SavedView.objects.create(user=actor("closer"), name="云杉", query="q=云杉")
    Worker.objects.create(name="host:1", started_at=timezone.now(), seen_at=timezone.now())
    shipment = Shipment.objects.get(order=OrderFactory(shipped=True, shop=order.shop))
    shipping.note_tracking(shipment.pk, "signed", decision=decide(actor("logistician")))
    OrderFactory(paid=Decimal(5000), shop=order.shop)
    UserFactory(shops=[order.shop], warehouses=[shipment.warehouse])
    count({ProductFactory(): 1})
    moved = ProductFactory()
    receive({moved: 1})
    transfer({moved: 1})
    received(approved(OrderFactory(delivered=True, shop=order.shop), {1: 1}))
    assert TrackingEvent.objects.exists()
    given_up = one_line(shop=order.shop)
    allowed(given_up, "26")
    written_off(given_up, "200")
    paid(given_up, "50")
    waive(without_tracking(shop=order.shop), "logistics.tracking_missing")
    set_policy("logistics.tracking_missing", "ignore", shop=order.shop)
    banked = PaymentDraft(OrderFactory(shop=order.shop).pk, "bank", "B-1", Decimal(60))
    payments.report_payment(banked, decision=decide(actor("cashier")))
    take([(60, "B-1")], Use.CONFIRM)
    mark(keep(shipment))
    bulk.draft("close", [order.pk], decision=decide(actor("closer")))
    line = order.lines.all()[0]
    with acting(decide(actor("salesperson"))):
        PrintHeader.objects.create(company="云杉科技有限公司")
        LineClosing.objects.bulk_create(
            [LineClosing(order=order, line=line, quantity=1, amount=1, tax=0, reason="CA02", party="seller")]
        )
        Credit.objects.bulk_create([Credit(order=order, line=line, part="1", ground="return", amount=1, tax=0)])


@pytest.fixture
def superuser() -> User:
    user: User = UserFactory(is_superuser=True)
    return user


def test_every_model_is_registered() -> None:
    assert set(MODELS) <= set(site._registry)


@pytest.mark.usefixtures("furnished")
def test_the_auditor_reads_every_list_and_page(auditor: User) -> None:
    client = sign_in(auditor)

    for model in MODELS:
        row = model._base_manager.order_by("pk").last()
        assert row is not None, name(model)
        assert client.get(changelist(model)).status_code == 200, name(model)
        assert client.get(page(row)).status_code == 200, name(model)


@pytest.mark.usefixtures("furnished")
def test_the_auditor_reads_every_history(auditor: User) -> None:
    client = sign_in(auditor)

    for model in RECORDED:
        past = model.history.order_by("history_id").last()
        listed = client.get(page(past.instance, "history"))
        assert listed.status_code == 200, name(model)
        assert past.actor_name in listed.content.decode(), name(model)
        assert client.get(_version(past)).status_code == 200, name(model)


def _version(past: Any) -> str:
    meta = past.instance._meta
    return reverse(
        f"admin:{meta.app_label}_{meta.model_name}_simple_history", args=[past.instance.pk, past.history_id]
    )


@pytest.mark.usefixtures("furnished")
def test_an_old_version_is_never_written_back(auditor: User, superuser: User) -> None:
    clients = [sign_in(auditor), sign_in(superuser)]

    with unchanged():
        for model in RECORDED:
            past = model.history.order_by("history_id").first()
            for client in clients:
                assert client.post(_version(past), {"name": "x"}).status_code == 403, name(model)
                assert b"_save" not in client.get(_version(past)).content, name(model)


@pytest.mark.usefixtures("furnished")
def test_nobody_without_a_right_reads_anything() -> None:
    nobody, stranger = sign_in(UserFactory()), Client()

    for model in MODELS:
        row = model._base_manager.order_by("pk").last()
        for address in (changelist(model), page(row), page(row, "history")):
            assert nobody.get(address).status_code in (403, 404), address
            assert stranger.get(address).status_code == 302, address


@pytest.mark.usefixtures("furnished")
def test_documents_are_written_by_services_only(superuser: User) -> None:
    client = sign_in(superuser)

    with unchanged():
        for model in DOCUMENTS:
            row = model._base_manager.order_by("pk").last()
            add = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
            for address in (add, page(row), page(row, "delete")):
                assert client.post(address, {"status": "closed", "post": "yes"}).status_code == 403, address
            asked = client.post(changelist(model), {"action": "delete_selected", "_selected_action": row.pk})
            assert asked.status_code in (200, 302, 403), name(model)
            assert isinstance(site.get_model_admin(model), DocumentAdmin), name(model)


@pytest.mark.usefixtures("furnished")
def test_only_scopes_can_be_deleted(superuser: User) -> None:
    client = sign_in(superuser)
    deletable = {
        model
        for model in MODELS
        if client.get(page(model._base_manager.order_by("pk").last(), "delete")).status_code == 200
    }

    assert deletable == {ShopScope, WarehouseScope}
    for model in MODELS:
        assert site.get_model_admin(model).actions in (None, ("pick_list",)), name(model)


def test_a_scope_is_taken_away_with_a_trace(closer: User) -> None:
    shop = OrderFactory().shop
    with acting(decide(closer)):
        scope = ShopScope.objects.create(user=closer, shop=shop)

    response = sign_in(closer).post(page(scope, "delete"), {"post": "yes"})

    assert response.status_code == 302
    assert not ShopScope.objects.exists()
    assert ShopScope.history.latest("history_id").history_type == "-"


def test_every_list_is_cheap_and_flat(auditor: User) -> None:
    def queries() -> dict[str, int]:
        result = {}
        for model in MODELS:
            with count_queries() as statements:
                client.get(changelist(model))
            result[name(model)] = len(statements)
        return result

    client = sign_in(auditor)
    OrderFactory.create_batch(10, closed=True)
    CarrierFactory.create_batch(3)
    few = queries()
    OrderFactory.create_batch(40, closed=True)
    CarrierFactory.create_batch(10)

    assert queries() == few
    assert max(few.values()) <= 12, few


def test_the_order_page_asks_the_same_queries_for_every_size(auditor: User) -> None:
    def queries(order: Order) -> int:
        with count_queries() as statements:
            assert client.get(page(order)).status_code == 200
        return len(statements)

    client = sign_in(auditor)
    small, large = (
        OrderFactory(completed=True, paid=True, line_count=1),
        OrderFactory(completed=True, paid=True, line_count=30),
    )
    queries(small)

    assert queries(small) == queries(large) <= 53


def test_lists_offer_nothing_that_reads_every_row() -> None:
    for model in MODELS:
        admin = site.get_model_admin(model)
        assert admin.date_hierarchy is None, name(model)
        assert not admin.show_full_result_count, name(model)
        indexed = {index.fields[0].lstrip("-") for index in model._meta.indexes}
        for entry in admin.list_filter:
            if isinstance(entry, type):
                continue  # a filter that says itself what it offers
            field = model._meta.get_field(entry[0] if isinstance(entry, tuple) else entry)
            served = field.choices or field.get_internal_type() == "BooleanField" or field.is_relation
            assert served or field.db_index or field.name in indexed, f"{name(model)} {field.name}"


def test_queues_and_counters_are_the_auditors_to_read() -> None:
    OrderFactory()

    client = sign_in(actor("salesperson"))

    for model in (Counter, OutboxEvent):
        assert client.get(changelist(model)).status_code == 403


def test_roles_are_to_read_for_the_administrator(closer: User) -> None:
    role = Group.objects.get(name="财务")
    client = sign_in(closer)

    assert client.get(page(role)).status_code == 200
    assert client.post(page(role), {"name": "x"}).status_code == 403
