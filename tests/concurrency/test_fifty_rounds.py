"""
Seven races in which goods or money could go two ways, fifty rounds of each.

Every round ends as one after the other would; each race says beside that which refusals there are, and what is left of
goods and money when all rounds are over.
"""

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from finance.models import Payment, Refund
from finance.services.payments import charge_back_payment
from finance.services.refunds import RefundDraft, approve_refunds, pay_refund, request_refund
from inventory.models import StockLevel
from logistics.models import Return, ReturnStatus, Shipment, ShipmentStatus
from logistics.services.returns import ReturnDraft, ReturnDraftLine, request_return
from orders.models import ClosingRecord, LineClosing, Order, Status
from orders.services.closing import close_order
from tests.concurrency.scenes import (
    Scene,
    cancelling,
    closing_line,
    dispatching,
    pack_some,
    play,
    reopening,
    soon,
    state_of,
)
from tests.concurrency.threads import Act
from tests.factories import OrderFactory, ProductFactory, UserFactory, actor, decide
from tests.finance.refunding import REASON, overpaid_orders
from tests.logistics.returning import REASON as RETURNED

ROUNDS = 50
# Two more are played first, one act after the other.
ORDERS = ROUNDS + 2


def one_of_two(refusal: str) -> set[tuple[str, str]]:
    """Whoever comes first is done, the other is refused."""
    return {("done", refusal), (refusal, "done")}


def test_two_refunds_of_sixty_of_a_payment_of_a_hundred_are_one() -> None:
    clerks = [decide(UserFactory(role="service"), **REASON) for _ in range(2)]
    payments = [payment for payment, _other in overpaid_orders(ORDERS, "100", "900")]

    told = play(
        [
            Scene(
                *(partial(request_refund, RefundDraft(payment.pk, Decimal(60)), decision=clerk) for clerk in clerks),
                partial(state_of, payment.order),
            )
            for payment in payments
        ]
    )

    assert told == one_of_two("finance.refund_exceeds_payment")
    asked = Payment.objects.filter(pk__in=[payment.pk for payment in payments]).values_list("refunding", flat=True)
    assert list(asked) == [60] * ORDERS


def test_a_double_cancel_releases_once() -> None:
    orders = OrderFactory.create_batch(ORDERS, line_count=1, processing=True, paid=True)

    told = play([Scene(cancelling(order), cancelling(order), partial(state_of, order)) for order in orders])

    assert told == one_of_two("orders.wrong_state")
    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved) == (2 * ORDERS, 0)
    assert list(Refund.objects.values_list("amount", flat=True)) == [orders[0].total] * ORDERS
    assert list(Order.objects.values_list("payable", flat=True)) == [0] * ORDERS


@pytest.mark.parametrize(
    ("is_decided_later", "told"),
    [
        (True, {("done", "orders.dated_before_record orders.review_stale logistics.return_open"), ("done", "done")}),
        (False, {("done", "orders.review_stale logistics.return_open"), ("orders.before_closing", "done")}),
    ],
    ids=["asked later", "asked before"],
)
def test_a_return_is_asked_for_before_the_order_closes_or_after(
    is_decided_later: bool, told: set[tuple[str, str]]
) -> None:
    """One that is there first stops the closing; one decided before the closing was recorded is decided again."""
    orders = OrderFactory.create_batch(ORDERS, line_count=1, reviewed=True)
    asked_at, closed_at = moments(is_decided_later)
    asking = decide(actor("service"), at=asked_at, **RETURNED)
    closing = decide(actor("closer"), at=closed_at, reason="CL01")

    endings = play(
        [
            Scene(
                asking_back(order, asking),
                partial(close_order, order.pk, decision=closing),
                partial(state_of, order),
            )
            for order in orders
        ]
    )

    assert endings == told
    assert ClosingRecord.objects.count() == Order.objects.filter(status=Status.CLOSED).count()


def test_a_refund_is_paid_or_its_payment_is_charged_back_first() -> None:
    orders = OrderFactory.create_batch(ORDERS, line_count=1, paid=Decimal(500))
    refunds = list(Refund.objects.select_related("order").order_by("pk"))
    approve_refunds([refund.pk for refund in refunds], decision=decide(UserFactory(role="accountant")))
    cashier, back = decide(actor("cashier")), decide(actor("accountant"), reason="FN02")

    told = play(
        [
            Scene(
                partial(pay_refund, refund.pk, decision=cashier),
                partial(charge_back_payment, refund.payment_id, decision=back),
                partial(state_of, refund.order),
            )
            for refund in refunds
        ]
    )

    assert len(refunds) == len(orders)
    assert told == {("done", "done"), ("kernel.wrong_state", "done")}
    paid = Refund.objects.filter(status="paid").aggregate(paid=Sum("amount"))["paid"]
    assert Order.objects.aggregate(refunded=Sum("refunded"))["refunded"] == paid


def test_a_refund_is_asked_for_before_its_payment_is_charged_back_or_not_at_all() -> None:
    clerk, back = decide(actor("service"), **REASON), decide(actor("accountant"), reason="FN02")

    told = play(
        [
            Scene(
                partial(request_refund, RefundDraft(payment.pk, Decimal(60)), decision=clerk),
                partial(charge_back_payment, payment.pk, decision=back),
                partial(state_of, payment.order),
            )
            for (payment,) in overpaid_orders(ORDERS, "500")
        ]
    )

    assert told == {("done", "done"), ("finance.payment_not_confirmed", "done")}
    assert not Refund.objects.exclude(status="rejected").exists()


def test_nothing_leaves_after_the_request_to_cancel_and_what_has_left_is_called_back() -> None:
    orders = OrderFactory.create_batch(ORDERS, line_count=1, packed=True, paid=True)

    told = play([Scene(dispatching(order), cancelling(order), partial(state_of, order)) for order in orders])

    assert told == {("done", "done"), ("orders.is_to_be_cancelled", "done")}
    on_their_way = set(Shipment.objects.filter(status=ShipmentStatus.DISPATCHED).values_list("order", flat=True))
    assert set(Return.objects.values_list("order", flat=True)) == on_their_way
    assert all(order.is_to_be_cancelled for order in Order.objects.all())


def test_what_is_packed_leaves_and_what_is_not_is_closed() -> None:
    """Of one line: both change what is left of it, and whichever comes last ships the order."""
    orders = OrderFactory.create_batch(ORDERS, lines=[(ProductFactory(), 3, None)], processing=True, paid=True)
    pack_some(orders, 2)

    told = play([Scene(closing_line(order), dispatching(order), partial(state_of, order)) for order in orders])

    assert told == {("done", "done")}
    assert set(Order.objects.values_list("status", flat=True)) == {Status.SHIPPED}
    assert list(LineClosing.objects.values_list("quantity", flat=True)) == [1] * ORDERS
    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved) == (ORDERS, 0)


@pytest.mark.parametrize(
    ("is_decided_later", "told"),
    [
        (True, {("done", "done")}),
        (False, {("done", "done"), ("orders.before_closing", "done")}),
    ],
    ids=["asked later", "asked before"],
)
def test_a_return_is_asked_for_before_the_order_is_reopened_or_after(
    is_decided_later: bool, told: set[tuple[str, str]]
) -> None:
    orders = OrderFactory.create_batch(ORDERS, line_count=1, closed=True)
    asked_at, reopened_at = moments(is_decided_later)
    asking = decide(actor("service"), at=asked_at, **RETURNED)
    by = UserFactory(role="closer")

    endings = play(
        [
            Scene(asking_back(order, asking), reopening(order, by, at=reopened_at), partial(state_of, order))
            for order in orders
        ]
    )

    assert endings == told
    assert set(Order.objects.values_list("status", flat=True)) == {Status.COMPLETED}
    assert set(Return.objects.values_list("status", flat=True)) == {ReturnStatus.REQUESTED}


def asking_back(order: Any, decision: Any) -> Act:
    draft = ReturnDraft(order.pk, [ReturnDraftLine(Decimal(1), no=1)])
    return partial(request_return, draft, decision=decision)


def moments(is_first_later: bool) -> tuple[datetime, datetime]:
    """When two people decide, the first of them later than the second, or before."""
    now, later = timezone.now(), soon()
    return (later, now) if is_first_later else (now, later)
