"""Reporting a payment: noted once, and worth nothing before finance confirms it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.errors import DomainError, Forbidden, NotFound
from finance.models import Payment, PaymentMethod, PaymentState, Voucher
from finance.services.payments import (
    PaymentDiffers,
    PaymentDraft,
    PaymentWasRejected,
    reject_payment,
    report_payment,
    report_payments,
)
from orders.models import Order, PaymentStatus
from orders.services.documents import BeforeClosing
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, decide
from tests.support import count_queries

pytestmark = pytest.mark.django_db

MOMENT = datetime(2025, 12, 31, 16, 30, tzinfo=UTC)


def draft(order: Any, amount: str = "100", **kwargs: Any) -> PaymentDraft:
    return PaymentDraft(
        **{"order_id": order.pk, "method": "bank", "reference": "R1", "amount": Decimal(amount), **kwargs}
    )


def code(user: Any, payment_draft: PaymentDraft) -> str:
    with unchanged(), pytest.raises(DomainError) as refused:
        report_payment(payment_draft, decision=decide(user))
    return refused.value.code


def test_a_reported_payment_waits_for_finance_and_counts_for_nothing(cashier: Any) -> None:
    order = OrderFactory()

    payment = report_payment(draft(order, fee=Decimal("0.6")), decision=decide(cashier, at=MOMENT))

    kept = Payment.objects.get()
    assert kept == payment
    assert (kept.status, kept.amount, kept.fee, kept.reported_by) == (
        PaymentState.REPORTED,
        100,
        Decimal("0.6"),
        cashier,
    )
    assert (kept.decided_by, kept.decided_at, kept.shop_id) == (None, None, order.shop_id)
    assert not Voucher.objects.exists()
    now = Order.objects.get(pk=order.pk)
    assert (now.received, now.payment_status) == (0, PaymentStatus.UNPAID)


def test_its_number_counts_within_the_year_of_the_act_in_the_companys_zone(cashier: Any) -> None:
    order = OrderFactory(at=datetime(2025, 12, 1, tzinfo=UTC))

    numbers = [
        report_payment(draft(order, reference=reference), decision=decide(cashier, at=MOMENT)).number
        for reference in ("A", "B")
    ]

    assert numbers == ["PM-2026-000001", "PM-2026-000002"]


def test_money_has_a_value_date_of_its_own(cashier: Any) -> None:
    order = OrderFactory()
    earlier = datetime(2025, 12, 30, tzinfo=UTC)

    known = report_payment(draft(order, received_at=earlier), decision=decide(cashier, at=MOMENT))
    today = report_payment(draft(order, reference="R2"), decision=decide(cashier, at=MOMENT))

    assert (known.received_at, today.received_at) == (earlier, MOMENT)


def test_the_same_content_again_is_the_same_payment(cashier: Any) -> None:
    order = OrderFactory()
    first = report_payment(draft(order), decision=decide(cashier))

    again = report_payment(draft(order, "100.00", reference=" R1 "), decision=decide(cashier))

    assert again == first
    assert Payment.objects.count() == 1
    assert Payment.history.count() == 1


def test_what_was_rejected_is_not_taken_for_reported(cashier: Any, accountant: Any) -> None:
    order = OrderFactory()
    first = report_payment(draft(order), decision=decide(cashier))
    reject_payment(first.pk, decision=decide(accountant, reason="RJ01", note="未到账"))

    with unchanged(), pytest.raises(PaymentWasRejected) as refused:
        report_payment(draft(order), decision=decide(cashier))

    assert (refused.value.code, refused.value.params["number"]) == ("finance.payment_was_rejected", first.number)


@pytest.mark.parametrize("change", [{"amount": Decimal("100.01")}, {"fee": Decimal(1)}], ids=str)
def test_other_content_under_the_same_reference_is_refused(cashier: Any, change: dict[str, Decimal]) -> None:
    order = OrderFactory()
    first = report_payment(draft(order), decision=decide(cashier))

    with unchanged(), pytest.raises(PaymentDiffers) as refused:
        report_payment(replace(draft(order), **change), decision=decide(cashier))

    assert refused.value.code == "finance.payment_differs"
    assert (refused.value.params["number"], str(refused.value.params["amount"])) == (first.number, "100.00 CNY")


def test_a_transfer_for_several_orders_is_one_payment_each(cashier: Any) -> None:
    orders = OrderFactory.create_batch(2)

    payments = report_payments([draft(order) for order in orders], decision=decide(cashier))

    assert [payment.order_id for payment in payments] == [order.pk for order in orders]
    assert Payment.objects.filter(reference="R1").count() == 2


def test_the_same_reference_by_another_method_is_another_payment(cashier: Any) -> None:
    order = OrderFactory()

    report_payments([draft(order), draft(order, method="cash")], decision=decide(cashier))

    assert Payment.objects.count() == 2


def test_one_call_that_names_a_payment_twice_notes_it_once(cashier: Any) -> None:
    order = OrderFactory()

    first, second = report_payments([draft(order), draft(order)], decision=decide(cashier))

    assert first is second
    assert Payment.objects.count() == 1


def test_one_call_that_contradicts_itself_notes_nothing(cashier: Any) -> None:
    order = OrderFactory()

    with unchanged(), pytest.raises(PaymentDiffers):
        report_payments([draft(order), draft(order, "101")], decision=decide(cashier))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount": Decimal(0)}, "kernel.out_of_range"),
        ({"amount": Decimal(-1)}, "kernel.out_of_range"),
        ({"amount": Decimal("0.001")}, "kernel.too_many_decimals"),
        ({"amount": Decimal("NaN")}, "kernel.not_a_number"),
        ({"amount": Decimal("1E+12")}, "kernel.out_of_range"),
        ({"fee": Decimal("-0.01")}, "kernel.out_of_range"),
        ({"fee": Decimal("0.001")}, "kernel.too_many_decimals"),
        ({"fee": Decimal("NaN")}, "kernel.not_a_number"),
        ({"fee": Decimal("100.01")}, "finance.fee_too_large"),
        ({"method": "shells"}, "finance.unknown_method"),
        ({"method": ""}, "finance.unknown_method"),
        ({"reference": ""}, "kernel.missing"),
        ({"reference": "  "}, "kernel.missing"),
        ({"reference": "9" * 65}, "kernel.too_long"),
        ({"reference": "a\x00b"}, "kernel.bad_text"),
        ({"reference": "\ud800"}, "kernel.bad_text"),
        ({"currency": "USD"}, "finance.currency_mismatch"),
        ({"currency": "ZZZ"}, "kernel.unknown_currency"),
    ],
    ids=ascii,
)
def test_what_cannot_be_a_payment_is_refused(cashier: Any, change: dict[str, Any], expected: str) -> None:
    order = OrderFactory()

    assert code(cashier, replace(draft(order), **change)) == expected


def test_an_amount_is_in_the_minor_unit_of_the_orders_currency(cashier: Any) -> None:
    order = OrderFactory(shop=ShopFactory(currency="JPY"))

    assert code(cashier, draft(order, "0.5")) == "kernel.too_many_decimals"
    assert report_payment(draft(order, "5", currency="JPY"), decision=decide(cashier)).amount == 5


def test_a_fee_may_be_all_of_the_payment(cashier: Any) -> None:
    assert report_payment(draft(OrderFactory(), fee=Decimal(100)), decision=decide(cashier)).fee == 100


@pytest.mark.parametrize("method", PaymentMethod.values)
def test_every_method_is_known(cashier: Any, method: str) -> None:
    assert report_payment(draft(OrderFactory(), method=method), decision=decide(cashier)).method == method


def test_a_closed_order_takes_payments_too(cashier: Any) -> None:
    order = OrderFactory(closed=True)

    assert report_payment(draft(order), decision=decide(cashier)).status == PaymentState.REPORTED


def test_nothing_is_reported_for_before_the_closing(cashier: Any) -> None:
    closed, other = OrderFactory(closed=True), OrderFactory()

    with unchanged(), pytest.raises(BeforeClosing):
        report_payments([draft(other), draft(closed)], decision=decide(cashier, at=closed.closed_at))


def test_reporting_needs_its_permission_and_an_order_in_scope(accountant: Any) -> None:
    order = OrderFactory()
    stranger = UserFactory(shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(Forbidden) as forbidden:
            report_payment(draft(order), decision=decide(accountant))
        with pytest.raises(NotFound):
            report_payment(draft(order), decision=decide(stranger))

    assert forbidden.value.params["permission"] == "finance.report_payment"


def test_an_order_that_does_not_exist_is_not_found_by_anybody(cashier: Any) -> None:
    order = OrderFactory()

    with unchanged(), pytest.raises(NotFound):
        report_payments([draft(order), draft(Order(pk=0))], decision=decide(cashier))


def test_a_report_grows_the_version_of_its_order(cashier: Any) -> None:
    order = OrderFactory()

    report_payment(draft(order), decision=decide(cashier))

    assert Order.objects.get(pk=order.pk).version == order.version + 1


def test_fifty_payments_take_as_many_queries_as_one(cashier: Any) -> None:
    orders = OrderFactory.create_batch(51)
    cashier.has_perm("orders.all_shops")

    counts = []
    for chosen in (orders[:1], orders[1:]):
        with count_queries() as queries:
            report_payments([draft(order) for order in chosen], decision=decide(cashier))
        counts.append(len(queries))

    assert counts[0] == counts[1]
