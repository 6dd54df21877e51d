"""A review holds for the facts it confirmed: once one differs, it is stale and says which."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel.acting import acting
from erp.kernel.texts import Change
from finance.services.payments import PaymentDraft, report_payment
from logistics.models import Carrier, Shipment, TrackingKind
from logistics.services.shipping import note_tracking
from orders.contract import Finding
from orders.models import Customer, Line, Order, Product, Shop
from orders.services import lifecycle
from orders.services.closing import close_order
from orders.services.reviewing import review_order
from tests.factories import OrderFactory, actor, decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(db: None) -> Any:
    return OrderFactory(reviewed=True, customer={"name": "王芳", "phone": "13800000000"}, line_count=1)


def stale(order: Any) -> dict[str, list[Change]]:
    """By block, what the checklist says has changed since the review."""
    outcome = lifecycle.preview("close", [order.pk], decide(actor("closer")))[order.pk]
    findings: list[Finding] = [finding for finding in outcome.blockers if finding.code == "orders.review_stale"]
    return {finding.params["label"].key: list(finding.params["changes"]) for finding in findings}


def test_nothing_is_stale_while_nothing_changes(order: Any) -> None:
    assert stale(order) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"customer_name": "李雷"}, Change("customer", "王芳", "李雷")),
        ({"external_number": "TB-1"}, Change("external_number", "", "TB-1")),
    ],
    ids=["customer", "external number"],
)
def test_a_changed_fact_of_the_order_is_named_with_before_and_after(
    order: Any, changes: dict[str, str], expected: Change
) -> None:
    Order.objects.filter(pk=order.pk).update(**changes)

    assert stale(order) == {"order": [expected]}


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"customer_phone": "13900000000"}, "phone"),
        ({"customer_email": "li@example.com"}, "email"),
        ({"shipping_address": {"city": "深圳市"}}, "address"),
    ],
    ids=["phone", "e-mail", "address"],
)
def test_of_a_personal_fact_only_that_it_changed(order: Any, changes: dict[str, Any], fact: str) -> None:
    Order.objects.filter(pk=order.pk).update(**changes)

    assert stale(order) == {"order": [Change(fact, "…", "…")]}


def test_a_changed_line_is_named_by_its_place(order: Any) -> None:
    Line.objects.filter(order=order).update(name="别的")

    (change,) = stale(order)["order"]

    assert (change.fact, change.after) == ("lines 1 name", "别的")


def test_the_finding_says_it_in_words(order: Any) -> None:
    Order.objects.filter(pk=order.pk).update(customer_name="李雷")

    outcome = lifecycle.preview("close", [order.pk], decide(actor("closer")))[order.pk]

    (finding,) = outcome.blockers
    with override("en"):
        assert "Customer 王芳 → 李雷" in finding.message


def test_a_fact_that_came_is_called_added(order: Any) -> None:
    report_payment(PaymentDraft(order.pk, "bank", "B-9", Decimal("1.50")), decision=decide(actor("cashier")))

    (change,) = stale(order)["finance"]

    with override("zh-hans"):
        assert str(change).startswith("新增 收款 第 2 项：")


def test_a_payment_reported_later_makes_finances_review_stale(order: Any) -> None:
    report_payment(PaymentDraft(order.pk, "bank", "LATE", Decimal("0.01")), decision=decide(actor("cashier")))

    (change,) = stale(order)["finance"]

    assert (change.fact, change.before) == ("payments 2", "")
    assert "LATE" in change.after


def test_another_tracking_number_makes_logistics_review_stale(order: Any) -> None:
    before = Shipment.objects.get().tracking_number
    Shipment.objects.update(tracking_number="OTHER")

    assert stale(order) == {"logistics": [Change("shipments 1 tracking_number", before, "OTHER")]}
    with override("zh-hans"):
        assert str(stale(order)["logistics"][0]) == f"发货单 第 1 项 运单号 {before} → OTHER"


def test_a_new_review_of_the_changed_facts_holds_again(order: Any) -> None:
    Order.objects.filter(pk=order.pk).update(customer_name="李雷")

    review_order(order.pk, "order", decision=decide(actor("salesperson")))

    assert stale(order) == {}
    close_order(order.pk, decision=decide(actor("closer"), reason="CL01"))


def test_tracking_changes_no_fact(order: Any) -> None:
    shipment = Shipment.objects.get()

    note_tracking(shipment.pk, TrackingKind.SIGNED, decision=decide(actor("logistician")), text="本人签收")

    assert Order.objects.get(pk=order.pk).version > order.version
    assert stale(order) == {}


def test_renaming_master_data_changes_no_fact(order: Any, system: Any) -> None:
    with acting(decide(system)):
        for model in (Carrier, Product, Shop, Customer):
            for row in model.objects.all():
                row.name = f"新{row.name}"
                row.save()

    assert stale(order) == {}


def test_notes_change_no_fact(order: Any) -> None:
    Order.objects.filter(pk=order.pk).update(note="请轻放", internal_note="老客户")

    assert stale(order) == {}
