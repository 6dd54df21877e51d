"""What goes wrong with an order seldom comes alone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from erp.kernel import invariants
from finance.models import Payment, Refund, RefundState
from finance.services.payments import (
    PaymentDraft,
    PaymentWasRejected,
    charge_back_payment,
    confirm_payment,
    report_payment,
    void_payment,
)
from finance.services.refunds import (
    ReceiverApproves,
    RefundDraft,
    SeveralRequesters,
    approve_refund,
    pay_refund,
    reject_refund,
    request_refund,
)
from logistics.models import Return, ReturnStatus, Shipment
from logistics.selectors import AfterSale, after_sale
from logistics.services import drafting, shipping
from logistics.services.inspecting import receive_returns
from logistics.services.returns import ReturnDraft, ReturnDraftLine, approve_return, request_return
from logistics.services.shipping import Waybill
from logistics.services.undelivered import lose_shipment, refuse_shipment
from orders.contract import Batch
from orders.models import Order, Status, Terms
from orders.services import cancelling, proof
from orders.services.cancelling import cancel_order
from orders.services.closing import close_order
from orders.services.fulfilment import process_orders
from orders.services.lifecycle import Refused
from tests.factories import (
    CarrierFactory,
    OrderFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    actor,
    decide,
    receive,
)
from tests.finance.giving_up import allowance
from tests.logistics.returning import approved, found, received

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


def fresh(order: Any) -> Any:
    return Order.objects.get(pk=order.pk)


def cancel(order: Any) -> Any:
    cancel_order(order.pk, decision=decide(actor("service"), reason="CA01"))
    return fresh(order)


def two_on_their_way(**story: Any) -> tuple[Any, Any, Any]:
    order = OrderFactory(processing=True, line_count=2, **story)
    waybill = Waybill(CarrierFactory().code, "T1")
    for no in (1, 2):
        drafted = drafting.draft_shipment(order.pk, {no: Decimal(2)}, decision=decide(actor("keeper")))
        shipping.pack_shipment(drafted.pk, decision=decide(actor("keeper")))
        shipping.dispatch_shipment(drafted.pk, decision=decide(actor("logistician")), waybill=waybill)
    first, second = Shipment.objects.filter(order=order).order_by("pk")
    return order, first, second


def paid_twice(order: Any) -> tuple[Payment, Payment]:
    """Two payments of all of it; the later is overpaid."""
    for reference in ("A", "B"):
        draft = PaymentDraft(order.pk, "bank", reference, order.total)
        payment = report_payment(draft, decision=decide(actor("cashier")))
        confirm_payment(payment.pk, decision=decide(actor("accountant")))
    first, second = Payment.objects.filter(order=order).order_by("pk")
    return first, second


def test_goods_refused_before_another_parcel_arrived_still_come_back() -> None:
    order, first, second = two_on_their_way(paid=True)
    cancel(order)
    refuse_shipment(first.pk, decision=decide(actor("logistician"), reason="RT04"))

    shipping.deliver_shipment(second.pk, decision=decide(actor("logistician")))

    states = dict(Return.objects.values_list("lines__shipment_line__shipment", "status"))
    assert states == {first.pk: ReturnStatus.APPROVED, second.pk: ReturnStatus.REJECTED}
    received(Return.objects.get(status=ReturnStatus.APPROVED))
    assert fresh(order).payable == order.total / 2


def test_a_parcel_called_back_and_lost_is_received_at_once() -> None:
    order = cancel(OrderFactory(shipped=True, shipping_fee=10, paid=True))

    lose_shipment(Shipment.objects.get().pk, decision=decide(actor("logistician"), reason="RT05"))

    assert (fresh(order).status, fresh(order).payable) == (Status.CANCELLED, 0)
    assert {each.status for each in Return.objects.all()} == {ReturnStatus.RECEIVED}


def test_a_charge_back_leaves_no_refund_that_nothing_covers() -> None:
    order = OrderFactory(processing=True)
    _first, second = paid_twice(order)
    order = cancel(order)
    for refund in Refund.objects.filter(payment=second):
        approve_refund(refund.pk, decision=decide(UserFactory(role="accountant")))
        pay_refund(refund.pk, decision=decide(actor("cashier")))

    charge_back_payment(second.pk, decision=decide(actor("accountant"), reason="FN02"))

    assert fresh(order).owed == 0
    assert not Refund.objects.filter(order=order, status__in=["requested", "approved"]).exists()


def test_a_charge_back_of_refunded_money_is_owed_again_even_by_a_cancelled_order() -> None:
    order = cancel(OrderFactory(paid=True))
    refund = Refund.objects.get()
    approve_refund(refund.pk, decision=decide(actor("accountant")))
    pay_refund(refund.pk, decision=decide(actor("cashier")))

    charge_back_payment(Payment.objects.get().pk, decision=decide(actor("accountant"), reason="FN02"))

    assert fresh(order).owed == order.total


def test_voiding_one_payment_takes_back_the_refund_of_another_that_rested_on_it() -> None:
    order = OrderFactory(completed=True)
    first, _second = paid_twice(order)
    assert Refund.objects.get().status == RefundState.REQUESTED

    void_payment(first.pk, decision=decide(actor("accountant"), reason="FN01"))

    assert Refund.objects.get().status == RefundState.REJECTED


def test_money_that_was_voided_is_reported_anew_under_another_reference() -> None:
    order = OrderFactory(paid=True)
    payment = Payment.objects.get()
    void_payment(payment.pk, decision=decide(actor("accountant"), reason="FN01"))

    draft = PaymentDraft(order.pk, payment.method, payment.reference, payment.amount)
    with pytest.raises(PaymentWasRejected, match=payment.number):
        report_payment(draft, decision=decide(actor("cashier")))


def test_whoever_received_goods_approves_no_refund_of_them_asked_for_by_hand() -> None:
    order = OrderFactory(completed=True, paid=True)
    both = UserFactory(role="accountant")
    both.groups.add(Group.objects.get(name="仓管员"))
    received(approved(order, {1: 1}), by=both)
    refund = Refund.objects.get()
    reject_refund(refund.pk, decision=decide(actor("accountant"), reason="RJ01", note="金额有误"))
    again = request_refund(
        RefundDraft(refund.payment_id, refund.amount), decision=decide(actor("service"), reason="RT02")
    )

    with pytest.raises(ReceiverApproves):
        approve_refund(again.pk, decision=decide(both))


def test_returns_asked_for_by_different_people_are_not_refunded_in_the_name_of_one() -> None:
    order = OrderFactory(completed=True, paid=True)
    returns = []
    for _ in range(2):
        draft = ReturnDraft(order.pk, [ReturnDraftLine(Decimal(1), no=1)])
        asked = request_return(draft, decision=decide(UserFactory(role="service", shops=[order.shop]), reason="RT02"))
        returns.append(approve_return(asked.pk, decision=decide(actor("logistician"))))

    with pytest.raises(SeveralRequesters):
        receive_returns([found(each) for each in returns], decision=decide(actor("keeper")))

    for each in returns:
        received(each)
    assert Refund.objects.count() == 2


def test_an_order_that_is_blocked_anyway_takes_no_stock_from_the_next() -> None:
    product = ProductFactory()
    unpaid = OrderFactory(shop=ShopFactory(terms=Terms.PREPAID), lines=[(product, 1, None)], in_stock=False)
    ready = OrderFactory(lines=[(product, 1, None)], in_stock=False)
    receive({product: 1})

    outcomes = process_orders([unpaid.pk, ready.pk], decision=decide(actor("salesperson")))

    assert (outcomes[unpaid.pk].done, outcomes[ready.pk].done) == (False, True)


def test_receipts_do_not_serve_an_order_that_is_to_be_cancelled() -> None:
    product, other = ProductFactory(), ProductFactory()
    shop = ShopFactory(allows_backorder=True)
    receive({other: 1})
    order = OrderFactory(shop=shop, lines=[(product, 1, None), (other, 1, None)], in_stock=False, processing=True)
    drafted = drafting.draft_shipment(order.pk, {2: Decimal(1)}, decision=decide(actor("keeper")))
    shipping.pack_shipment(drafted.pk, decision=decide(actor("keeper")))
    cancel(order)
    waiting = OrderFactory(shop=shop, lines=[(product, 1, None)], in_stock=False, processing=True)

    receive({product: 1})

    drafting.pack_orders([waiting.pk], decision=decide(actor("keeper")))


def test_a_closing_is_not_dated_before_what_it_rests_on() -> None:
    order = OrderFactory(reviewed=True)

    with pytest.raises(Refused) as refused:
        close_order(
            order.pk, decision=decide(actor("closer"), reason="CL01", at=timezone.now() - timedelta(minutes=5))
        )

    assert refused.value.blockers == ["orders.dated_before_record"]


def test_the_preview_of_a_cancellation_asks_back_what_the_act_does() -> None:
    order = OrderFactory(paid=Decimal(100))
    reject = [refund.pk for refund in Refund.objects.all()]
    assert reject == []
    (shown,) = cancelling.preview([order.pk], decide(actor("service")))

    order = cancel(order)

    assert "100.00 CNY" in " ".join(effect.describe() for effect in shown.effects)
    assert Refund.objects.get().amount == 100


def test_an_allowance_that_is_asked_for_is_an_open_after_sale() -> None:
    order = OrderFactory(delivered=True)
    allowance(order, "20")

    batch = Batch([order], decide(actor("service")), acting=False)

    assert after_sale(batch)[order.pk] == AfterSale.OPEN
