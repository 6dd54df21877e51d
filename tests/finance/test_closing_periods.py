"""会计期间结账: a month of a book is closed once, in order, and for ever."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.translation import override

from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from finance import periods
from finance.models import Payment, Period, Refund, Voucher, VoucherLine
from finance.periods import PeriodAlreadyClosed, PeriodRefused, close_period
from finance.services.payments import PaymentDraft, confirm_payment, reject_payment, report_payment
from finance.services.posting import PeriodClosed
from finance.services.write_offs import WriteOffDraft, reject_write_off, request_write_off
from inventory.models import StockLevel
from orders.models import Order
from orders.services.cancelling import cancel_order
from tests.database import unchanged
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide, receive
from tests.support import offenders, without_guards

pytestmark = pytest.mark.django_db

JANUARY = datetime(2026, 1, 20, 4, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 5, 4, tzinfo=UTC)
# The last moment of January and the first of February, in Shanghai.
LAST = datetime(2026, 1, 31, 15, 59, 59, tzinfo=UTC)
AFTER = datetime(2026, 1, 31, 16, 0, tzinfo=UTC)


def period_of(at: datetime, currency: str = "CNY") -> Period:
    return Period.objects.get(currency=currency, first_day=at.date().replace(day=1))


def close(period: Period, at: datetime = FEBRUARY) -> Period:
    return close_period(period.pk, decision=decide(actor("accountant"), at=at))


def refusal(period: Period, at: datetime = FEBRUARY) -> PeriodRefused:
    actor("accountant")
    with unchanged(), pytest.raises(PeriodRefused) as refused:
        close(period, at)
    return refused.value


def blockers(refused: PeriodRefused) -> list[str]:
    return [finding.code for finding in refused.findings if finding.is_blocker]


@pytest.fixture
def january(db: None) -> Period:
    """A month in which an order was closed."""
    OrderFactory(closed=True, at=JANUARY)
    return period_of(JANUARY)


def test_a_closed_period_says_who_closed_it_and_when_and_seals_its_vouchers(january: Period) -> None:
    close(january)

    january.refresh_from_db()
    assert (january.closed_by, january.closed_at) == (actor("accountant"), FEBRUARY)
    assert january.digest == periods.content_digest(january)
    assert len(january.digest) == 64


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Voucher, lambda: Voucher.objects.filter(purpose="payment").update(source="X1")),
        (Voucher, lambda: Voucher.objects.filter(purpose="payment").update(date=date(2026, 1, 1))),
        (Voucher, lambda: Voucher.objects.filter(purpose="payment").update(by_name="别人")),
        (VoucherLine, lambda: VoucherLine.objects.filter(account="1405", debit__gt=0).update(debit=1)),
        (VoucherLine, lambda: VoucherLine.objects.filter(account="1012").update(account="1002")),
    ],
    ids=["source", "date", "name", "amount", "account"],
)
def test_a_change_after_the_seal_is_found(january: Period, model: Any, change: Callable[[], object]) -> None:
    close(january)

    with without_guards(model):
        assert change()

    assert offenders("finance.closed_periods_stay") == [(str(january), Period.objects.get().digest)]


def test_others_are_told(january: Period) -> None:
    close(january)

    assert OutboxEvent.objects.get(topic="period.close").subject == "CNY 2026-01"


def test_nothing_posts_into_it_any_more(january: Period) -> None:
    order = OrderFactory(at=FEBRUARY)
    payment = report_payment(
        PaymentDraft(order.pk, "bank", "R1", Decimal(5)), decision=decide(actor("cashier"), at=FEBRUARY)
    )
    close(january)

    with unchanged(), pytest.raises(PeriodClosed):
        confirm_payment(payment.pk, decision=decide(actor("accountant"), at=LAST))

    confirm_payment(payment.pk, decision=decide(actor("accountant"), at=FEBRUARY))


def test_it_stays_closed(january: Period) -> None:
    close(january)

    with unchanged(), pytest.raises(PeriodAlreadyClosed) as refused:
        close(january)

    assert refused.value.params["name"] == actor("accountant").name
    with override("en"):
        assert "2026-01 of CNY was closed on" in str(refused.value)


def test_a_period_is_closed_from_the_day_after_its_last_in_the_companys_zone(january: Period) -> None:
    with unchanged(), pytest.raises(PeriodRefused) as refused:
        close(january, at=LAST)

    assert blockers(refused.value) == ["finance.period_not_over"]
    close(january, at=AFTER)


@pytest.mark.parametrize(("first_day", "last_day"), [("2024-02-01", 29), ("2025-02-01", 28), ("2025-12-01", 31)])
def test_every_month_has_its_own_last_day(first_day: str, last_day: int) -> None:
    assert Period(first_day=datetime.fromisoformat(first_day).date()).last_day.day == last_day


def test_months_are_closed_in_order(january: Period) -> None:
    OrderFactory(shipped=True, at=FEBRUARY)
    march = datetime(2026, 3, 1, 4, tzinfo=UTC)

    refused = refusal(period_of(FEBRUARY), march)

    assert blockers(refused) == ["finance.earlier_period_open"]
    (finding,) = (finding for finding in refused.findings if finding.is_blocker)
    assert list(finding.params["periods"]) == ["2026-01"]
    close(january, march)
    close(period_of(FEBRUARY), march)


def test_each_book_has_an_order_of_its_own(january: Period) -> None:
    OrderFactory(shop=ShopFactory(currency="USD"), shipped=True, at=datetime(2025, 12, 5, 4, tzinfo=UTC))

    close(january)

    assert not period_of(datetime(2025, 12, 5, tzinfo=UTC), "USD").closed_at


def test_payments_received_by_its_last_day_are_confirmed_or_rejected_first(january: Period) -> None:
    order = OrderFactory(at=JANUARY)
    drafts = [
        PaymentDraft(order.pk, "bank", reference, Decimal(5), received_at=at)
        for reference, at in (("LAST", LAST), ("AFTER", AFTER))
    ]
    last, after = (report_payment(draft, decision=decide(actor("cashier"), at=FEBRUARY)) for draft in drafts)

    refused = refusal(january)

    assert blockers(refused) == ["finance.period_payments_unconfirmed"]
    (finding,) = (finding for finding in refused.findings if finding.is_blocker)
    assert list(finding.params["payments"]) == [last.number]
    assert after.number not in str(refused)
    with override("en"):
        assert "Payments with a value date up to" in finding.message
    reject_payment(last.pk, decision=decide(actor("accountant"), at=FEBRUARY, reason="RJ01", note="查无此款"))
    close(january)


def test_payments_in_another_currency_are_another_books(january: Period) -> None:
    order = OrderFactory(shop=ShopFactory(currency="USD"), at=JANUARY)
    report_payment(PaymentDraft(order.pk, "bank", "R1", Decimal(5)), decision=decide(actor("cashier"), at=JANUARY))

    close(january)


def cancelled_without_its_refund() -> None:
    order = OrderFactory(paid=True, at=JANUARY)
    cancel_order(order.pk, decision=decide(actor("salesperson"), at=JANUARY, reason="CA01"))
    (refund,) = Refund.objects.filter(order=order)
    by = {"rejected_by": actor("accountant"), "rejected_at": JANUARY}
    Refund.objects.filter(pk=refund.pk).update(status="rejected", **by)
    Payment.objects.filter(order=order).update(refunding=0)


SPOILED: dict[str, Callable[[], object]] = {
    # No act leaves a cancelled order with money that nobody gives back.
    "finance.cancelled_keeps_nothing": cancelled_without_its_refund,
    "finance.received_equals_payments": lambda: Order.objects.update(received=1),
    "inventory.value_equals_ledger": lambda: StockLevel.objects.filter(value__gt=0).update(value=1),
}


@pytest.mark.parametrize("rule", SPOILED)
def test_no_month_is_sealed_over_broken_books(january: Period, rule: str) -> None:
    receive({ProductFactory(): 3}, decision=decide(actor("keeper"), at=JANUARY))
    SPOILED[rule]()

    refused = refusal(january)

    assert blockers(refused) == ["finance.period_books_broken"]
    (finding,) = (finding for finding in refused.findings if finding.is_blocker)
    assert rule in finding.params["rules"]


def test_a_write_off_requested_by_its_end_is_decided_first(january: Period) -> None:
    order = OrderFactory(delivered=True, at=JANUARY)
    asked = request_write_off(
        WriteOffDraft(order.pk, "bad_debt", Decimal(1)), decision=decide(actor("accountant"), at=LAST, reason="FN04")
    )

    refused = refusal(january)

    assert blockers(refused) == ["finance.period_write_offs_undecided"]
    assert asked.number in str(refused)
    reject_write_off(asked.pk, decision=decide(actor("chief_accountant"), at=AFTER, reason="RJ01", note="再催收"))
    close(january)


def test_a_write_off_requested_later_is_of_the_next_period(january: Period) -> None:
    order = OrderFactory(delivered=True, at=JANUARY)
    request_write_off(
        WriteOffDraft(order.pk, "bad_debt", Decimal(1)), decision=decide(actor("accountant"), at=AFTER, reason="FN04")
    )

    close(january)


def test_rules_that_are_not_of_stock_or_ledger_do_not_matter(january: Period) -> None:
    with without_guards(Order.history.model):
        Order.history.update(actor_name="")
    assert offenders("orders.history_is_signed")

    close(january)


def test_everything_that_is_missing_is_told_at_once(january: Period) -> None:
    order = OrderFactory(at=FEBRUARY, shipped=True)
    draft = PaymentDraft(order.pk, "bank", "R1", Decimal(5))
    report_payment(draft, decision=decide(actor("cashier"), at=FEBRUARY))
    Order.objects.update(received=1)

    refused = refusal(period_of(FEBRUARY), datetime(2026, 3, 1, 4, tzinfo=UTC))

    assert blockers(refused) == [
        "finance.earlier_period_open",
        "finance.period_payments_unconfirmed",
        "finance.period_books_broken",
    ]
    assert refused.code == "finance.period_refused"


def test_what_holds_is_told_too(january: Period) -> None:
    findings = periods.examine(january, AFTER)

    assert not any(finding.is_blocker for finding in findings)
    with override("en"):
        assert findings[1].message == "Every earlier period is closed."
    assert {finding.order_id for finding in findings} == {None}


def test_closing_a_period_needs_its_permission(january: Period) -> None:
    user = UserFactory(role="chief_accountant")

    with unchanged(), pytest.raises(Forbidden) as refused:
        close_period(january.pk, decision=decide(user, at=FEBRUARY))

    assert refused.value.params["permission"] == "finance.close_period"


def test_a_period_that_does_not_exist_is_not_found(accountant: Any) -> None:
    with unchanged(), pytest.raises(NotFound):
        close_period(0, decision=decide(accountant))


def test_a_closed_period_has_a_closer_and_a_seal(january: Period) -> None:
    for values in ({"closed_at": FEBRUARY}, {"closed_by": actor("accountant")}, {"digest": "d" * 64}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Period.objects.filter(pk=january.pk).update(**values)
