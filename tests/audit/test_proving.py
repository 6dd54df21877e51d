"""Closing records prove themselves for years, whatever becomes of settings and master data."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group

from erp.kernel.acting import acting
from erp.kernel.models import User
from inventory.models import Warehouse
from logistics.models import Carrier
from orders import contract
from orders.models import ClosingRecord, Customer, Line, Order, Product, Reason, Shop, Status
from orders.services import proof, reviewing
from orders.services.sealing import ProofIncomplete
from tests.factories import OrderFactory, ShopFactory, actor, decide
from tests.orders.closings import close, review_as_it_is
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def faults() -> list[str]:
    return [str(fault) for fault in proof.faults()]


def records() -> list[ClosingRecord]:
    return list(ClosingRecord.objects.order_by("position"))


def rename(model: Any) -> None:
    with acting(decide(actor("closer"))):
        for row in model.objects.all():
            row.name = f"新{row.name}"[:60]
            row.save()


def test_nothing_closed_is_nothing_to_prove() -> None:
    OrderFactory(completed=True)

    assert faults() == []


@pytest.mark.parametrize(
    "story",
    [
        {"paid": True, "shipping_fee": 10, "discount": 5},
        {"zero_value": True},
        {"services_only": True},
        {"external_number": "TB-1", "customer": {"name": "王芳", "phone": "13800000000"}},
        {"shipping_address": {"city": "深圳市"}, "note": "加急"},
    ],
    ids=str,
)
def test_what_was_closed_is_proved(story: dict[str, Any]) -> None:
    OrderFactory.create_batch(2, closed=True, **story)

    assert faults() == []


def test_other_orders_go_on_beside_what_is_proved() -> None:
    OrderFactory(closed=True)
    OrderFactory(packed=True, reported=True)
    OrderFactory(reviewed=True)

    assert faults() == []


def test_a_person_whose_salt_is_erased_leaves_the_record_proved() -> None:
    order = OrderFactory(closed=True, customer={"name": "王芳", "phone": "13800000000"})
    with acting(decide(actor("closer"))):
        order.customer.salt = ""
        order.customer.save()

    assert faults() == []
    Line.objects.filter(order=order).update(sku="别的")
    assert faults() != []


def test_records_are_proved_in_chunks() -> None:
    OrderFactory.create_batch(5, closed=True)

    assert list(proof.faults(chunk=2)) == []


@pytest.mark.parametrize(
    "model", [User, Product, Customer, Shop, Carrier, Warehouse, Reason], ids=lambda m: m.__name__
)
def test_a_later_name_is_no_fault(model: Any) -> None:
    OrderFactory(closed=True)

    rename(model)

    assert faults() == []


SETTINGS: dict[str, Callable[[], object]] = {
    "a price": lambda: Product.objects.update(price=Decimal(1), tax_rate=Decimal(0)),
    "a phone": lambda: Customer.objects.update(phone="13900000000", email="new@example.com"),
    "terms": lambda: Shop.objects.update(terms="credit", credit_days=30),
    "a closed shop": lambda: Shop.objects.update(is_active=False),
    "a reason given up": lambda: Reason.objects.update(is_active=False),
    "roles": lambda: Group.objects.all().delete(),
    "somebody who left": lambda: User.objects.update(is_active=False),
}


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS)
def test_a_later_setting_is_no_fault(change: Callable[[], object]) -> None:
    OrderFactory(closed=True)

    assert change()

    assert faults() == []


@pytest.mark.parametrize("paid", ["399.06", "400.86"], ids=["short", "over"])
def test_a_tail_within_the_tolerance_of_then_is_proved_with_any_tolerance_of_today(paid: str) -> None:
    order = OrderFactory(shop=ShopFactory(tolerance=Decimal("0.90")), completed=True, paid=Decimal(paid))
    review_as_it_is(order)
    close(order)

    Shop.objects.update(tolerance=0)

    assert faults() == []


def test_a_step_added_later_is_not_asked_of_older_records(set_steps: Callable[..., None]) -> None:
    old = OrderFactory(closed=True)

    set_steps("close", "tests.orders.steps.Testifies", *django_settings.ORDER_STEPS["close"])
    new = OrderFactory(reviewed=True)
    close(new)

    assert faults() == []
    evidence = {record.order_id: record.data["evidence"] for record in records()}
    assert ("credit" in evidence[old.pk], "credit" in evidence[new.pk]) == (False, True)


def close_without(step: str, set_steps: Callable[..., None]) -> Order:
    set_steps("close", *(path for path in django_settings.ORDER_STEPS["close"] if path != step))
    order = OrderFactory(reviewed=True)
    close(order)
    return order


def test_no_order_closes_without_everything_the_proof_rests_on(set_steps: Callable[..., None]) -> None:
    with pytest.raises(ProofIncomplete, match=re.escape("finance.unpaid")):
        close_without("finance.steps.SettleAccount", set_steps)

    assert not ClosingRecord.objects.exists()
    assert Order.objects.get().status == Status.COMPLETED


def test_a_record_without_everything_the_proof_rests_on_is_not_proved(
    set_steps: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(contract, "proof_codes", frozenset)
        close_without("inventory.steps.ProveStock", set_steps)

    (record,) = records()
    assert f"{record.number} finding inventory.stock_not_adjusted:  → passed" in faults()


def test_a_block_of_review_added_later_is_not_asked_of_older_records(settings: Any) -> None:
    OrderFactory(closed=True)
    settings.REVIEW_BLOCKS = {**settings.REVIEW_BLOCKS, "legal": settings.REVIEW_BLOCKS["order"]}
    reviewing._blocks.cache_clear()
    try:
        assert faults() == []
    finally:
        reviewing._blocks.cache_clear()


def test_the_queries_of_a_chunk_do_not_grow_with_itsrecords() -> None:
    OrderFactory(closed=True)
    with count_queries() as one:
        faults()
    OrderFactory.create_batch(20, closed=True)
    with count_queries() as many:
        faults()

    assert len(one) == len(many)
