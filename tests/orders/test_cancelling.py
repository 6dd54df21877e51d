"""取消: an order keeps neither goods nor money; while goods are under way the cancellation waits for them."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from erp.kernel import invariants
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from finance.models import Ground, Payment, PaymentState, Refund, RefundState
from finance.services.payments import PaymentDraft, charge_back_payment, confirm_payment, report_payment
from finance.services.refunds import OfCancelledOrder, approve_refund, pay_refund, reject_refund
from inventory import selectors
from inventory.models import StockLevel
from logistics.models import Return, ReturnStatus, Shipment, ShipmentStatus
from logistics.services import drafting, shipping
from logistics.services.shipping import Waybill
from logistics.services.undelivered import refuse_shipment
from orders.contract import Batch
from orders.models import Order, PaymentStatus, Status
from orders.services import lifecycle
from orders.services.cancelling import cancel_order, cancel_orders, preview
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, UnknownParty
from orders.services.documents import OrderIsFinal, OrderIsToBeCancelled
from orders.services.fulfilment import complete_order, process_order
from orders.services.holds import hold_order
from orders.services.lifecycle import Refused, Seen
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
from tests.ledger import booked
from tests.logistics.returning import approved, received
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []


def fresh(order: Any) -> Any:
    return Order.objects.get(pk=order.pk)


def cancel(order: Any, reason: str = "CA01", **kwargs: Any) -> Any:
    cancel_order(order.pk, decision=decide(actor("service"), reason=reason), **kwargs)
    return fresh(order)


def shipment_of(order: Any) -> Any:
    return Shipment.objects.get(order=order)


class TestAtOnce:
    @pytest.mark.parametrize("stage", ["new", "processing"])
    def test_an_order_in_the_house_is_cancelled(self, stage: str) -> None:
        order = cancel(OrderFactory(processing=stage == "processing"))

        assert (order.status, order.payable, order.payment_status) == (Status.CANCELLED, 0, PaymentStatus.NOT_DUE)
        assert (order.cancelled_by, order.cancel_requested_by) == (actor("service"), actor("service"))
        assert (order.cancel_reason, order.cancel_party) == ("CA01", "customer")
        assert all(level.reserved == 0 for level in StockLevel.objects.all())

    def test_drafted_shipments_are_cancelled_with_it(self) -> None:
        order = OrderFactory(processing=True)
        drafting.draft_shipments([order.pk], decision=decide(actor("keeper")))

        cancel(order)

        assert shipment_of(order).status == ShipmentStatus.CANCELLED

    def test_what_was_paid_becomes_a_refund_that_has_to_be_paid(self) -> None:
        order = cancel(OrderFactory(processing=True, paid=True), reason="CA02")

        refund = Refund.objects.get(order=order)
        assert (refund.amount, refund.ground, refund.party) == (order.total, Ground.CANCEL, "seller")
        assert refund.requested_by == actor("service")
        with pytest.raises(OfCancelledOrder):
            reject_refund(refund.pk, decision=decide(actor("accountant"), reason="RJ01", note="不退"))

    def test_a_cancelled_order_that_was_refunded_owes_nothing(self) -> None:
        order = cancel(OrderFactory(paid=True))
        refund = Refund.objects.get(order=order)

        approve_refund(refund.pk, decision=decide(actor("accountant")))
        pay_refund(refund.pk, decision=decide(actor("cashier")))

        now = fresh(order)
        assert (now.owed, now.payment_status) == (0, PaymentStatus.REFUNDED)
        amount = f"{order.total.normalize():f}"
        assert booked(order) == [
            ["payment", f"Dr 1012 {amount}", f"Cr 2203 {amount}"],
            ["refund", f"Dr 2203 {amount}", f"Cr 1012 {amount}"],
        ]

    def test_even_what_is_within_the_shops_tolerance_goes_back(self) -> None:
        order = cancel(OrderFactory(shop=ShopFactory(tolerance=Decimal(5)), paid=Decimal(1)))

        assert Refund.objects.get(order=order).amount == 1

    def test_what_is_being_refunded_is_not_refunded_twice(self) -> None:
        order = OrderFactory(paid=Decimal(5000))
        over = Refund.objects.get(order=order).amount

        cancel(order)

        amounts = Refund.objects.filter(order=order).order_by("pk").values_list("amount", flat=True)
        assert list(amounts) == [over, 5000 - over]

    def test_money_that_comes_later_goes_back_too(self) -> None:
        order = OrderFactory(reported=True)
        cancel(order)

        confirm_payment(Payment.objects.get(order=order).pk, decision=decide(actor("accountant")))

        assert Refund.objects.get(order=order).ground == Ground.CANCEL
        draft = PaymentDraft(order.pk, "bank", "LATE", Decimal(7))
        late = report_payment(draft, decision=decide(actor("cashier")))
        confirm_payment(late.pk, decision=decide(actor("accountant")))
        assert Refund.objects.filter(order=order, payment=late, amount=7, ground=Ground.CANCEL).exists()

    def test_a_charge_back_ends_the_refund(self) -> None:
        order = cancel(OrderFactory(paid=True))

        charge_back_payment(Payment.objects.get().pk, decision=decide(actor("accountant"), reason="FN02"))

        assert Payment.objects.get().status == PaymentState.CHARGED_BACK
        assert Refund.objects.get(order=order).status == RefundState.REJECTED

    def test_an_order_on_hold_may_be_cancelled(self) -> None:
        order = OrderFactory(processing=True)
        hold_order(order.pk, decision=decide(actor("service"), reason="HO01"))

        order = cancel(order)

        assert (order.status, order.is_on_hold) == (Status.CANCELLED, False)

    def test_it_is_told_and_kept_in_history(self) -> None:
        order = cancel(OrderFactory(processing=True))

        assert OutboxEvent.objects.filter(topic="order.cancel", subject=order.number).count() == 1
        newest = order.history.latest("history_id")
        assert (newest.status, newest.actor_name, newest.history_change_reason) == (
            Status.CANCELLED,
            actor("service").name,
            "CA01",
        )


class TestRefused:
    @pytest.mark.parametrize("stage", ["completed", "closed"])
    def test_what_is_completed_is_closed_instead(self, stage: str) -> None:
        order = OrderFactory(**{stage: True})

        with pytest.raises(Refused) as refused:
            cancel(order)

        assert "orders.wrong_state" in refused.value.blockers

    def test_what_the_customer_has_is_not_cancelled(self) -> None:
        order = OrderFactory(delivered=True)

        with pytest.raises(Refused) as refused:
            cancel(order)

        assert refused.value.blockers == ["orders.cancel_delivered"]
        assert shipment_of(order).number in str(refused.value)

    def test_the_second_cancellation_is_refused(self) -> None:
        order = cancel(OrderFactory(processing=True, paid=True))

        with pytest.raises(Refused) as refused:
            cancel(order)

        assert refused.value.blockers == ["orders.wrong_state"]
        assert Refund.objects.count() == 1

    def test_only_whoever_may(self) -> None:
        order = OrderFactory()

        with pytest.raises(Forbidden):
            cancel_order(order.pk, decision=decide(actor("keeper"), reason="CA01"))
        stranger = UserFactory(role="service", shops=[])
        with pytest.raises(NotFound):
            cancel_order(order.pk, decision=decide(stranger, reason="CA01"))

    def test_the_reason_has_to_serve(self) -> None:
        order = OrderFactory()

        with pytest.raises(ReasonDoesNotApply):
            cancel(order, reason="CL01")
        with pytest.raises(ReasonNeedsNote):
            cancel(order, reason="CA99")
        with pytest.raises(UnknownParty):
            cancel(order, party="nobody")
        assert fresh(order).status == Status.NEW

    def test_nothing_is_done_with_a_cancelled_order(self) -> None:
        order = cancel(OrderFactory())

        with pytest.raises(Refused):
            process_order(order.pk, decision=decide(actor("salesperson")))
        with pytest.raises(Refused):
            hold_order(order.pk, decision=decide(actor("service"), reason="HO01"))
        with pytest.raises(OrderIsFinal):
            drafting.draft_shipments([order.pk], decision=decide(actor("keeper")))

    def test_another_version_than_the_one_shown_is_a_finding(self) -> None:
        order = OrderFactory()

        with pytest.raises(Refused) as refused:
            cancel(order, seen=Seen(order.version - 1))

        assert refused.value.blockers == ["orders.changed"]

    @pytest.mark.parametrize(
        "values",
        [
            {"cancelled_at": None},
            {"cancelled_by": None},
            {"status": "new"},
            {"cancel_reason": ""},
            {"cancel_party": "nobody"},
            {"cancel_requested_by": None},
        ],
        ids=str,
    )
    def test_the_database_refuses_half_a_cancellation(self, values: dict[str, Any]) -> None:
        order = cancel(OrderFactory())

        with pytest.raises(IntegrityError), transaction.atomic():
            Order.objects.filter(pk=order.pk).update(**values)

    def test_the_database_refuses_a_request_of_a_new_order(self) -> None:
        order = OrderFactory()

        with pytest.raises(IntegrityError), transaction.atomic():
            Order.objects.filter(pk=order.pk).update(
                cancel_requested_at=timezone.now(),
                cancel_requested_by=actor("service"),
                cancel_reason="CA01",
                cancel_party="customer",
            )


class TestRequested:
    def test_a_packed_order_is_to_be_cancelled_and_is_once_its_shipment_is_taken_back(self) -> None:
        order = cancel(OrderFactory(packed=True, paid=True))

        assert (order.status, order.is_to_be_cancelled, order.cancelled_at) == (Status.PROCESSING, True, None)
        assert not Refund.objects.exists()

        shipping.cancel_shipment(shipment_of(order).pk, decision=decide(actor("keeper")))

        order = fresh(order)
        assert (order.status, order.cancelled_by, order.cancel_requested_by) == (
            Status.CANCELLED,
            actor("keeper"),
            actor("service"),
        )
        assert (order.cancel_reason, Refund.objects.get().requested_by) == ("CA01", actor("service"))

    def test_it_waits_for_the_last_packed_shipment(self) -> None:
        order = OrderFactory(processing=True, line_count=2)
        for no in (1, 2):
            drafted = drafting.draft_shipment(order.pk, {no: Decimal(2)}, decision=decide(actor("keeper")))
            shipping.pack_shipment(drafted.pk, decision=decide(actor("keeper")))
        cancel(order)
        first, last = Shipment.objects.filter(order=order).order_by("pk")

        shipping.cancel_shipment(first.pk, decision=decide(actor("keeper")))
        assert fresh(order).status == Status.PROCESSING

        shipping.cancel_shipment(last.pk, decision=decide(actor("keeper")))
        assert fresh(order).status == Status.CANCELLED

    def test_nothing_of_it_is_packed_or_dispatched_any_more(self) -> None:
        order = OrderFactory(processing=True, line_count=2)
        packed = drafting.draft_shipment(order.pk, {1: Decimal(2)}, decision=decide(actor("keeper")))
        shipping.pack_shipment(packed.pk, decision=decide(actor("keeper")))
        drafted = drafting.draft_shipment(order.pk, {2: Decimal(2)}, decision=decide(actor("keeper")))
        cancel(order)

        assert Shipment.objects.get(pk=drafted.pk).status == ShipmentStatus.CANCELLED
        with pytest.raises(OrderIsToBeCancelled):
            drafting.draft_shipments([order.pk], decision=decide(actor("keeper")))
        with pytest.raises(OrderIsToBeCancelled):
            shipping.dispatch_shipment(packed.pk, decision=decide(actor("logistician")))

    def test_a_second_request_is_refused_and_says_whose_the_first_is(self) -> None:
        order = cancel(OrderFactory(packed=True))

        with pytest.raises(Refused) as refused:
            cancel(order)

        assert refused.value.blockers == ["orders.cancel_requested"]
        assert actor("service").name in str(refused.value)

    def test_the_preview_says_what_will_happen(self) -> None:
        at_once, waiting = OrderFactory(processing=True, paid=True), OrderFactory(packed=True)
        decision = decide(actor("service"))

        shown = preview([at_once.pk, waiting.pk], decision)

        assert shown[at_once.pk].ready
        assert shown[waiting.pk].ready
        at_once_only = lifecycle.preview("cancel", [waiting.pk], decision)
        assert at_once_only[waiting.pk].codes == ["orders.cancel_under_way"]
        assert any(str(at_once.money(at_once.total)) in effect.describe() for effect in shown[at_once.pk].effects)


def test_many_are_cancelled_together_each_as_it_can_be() -> None:
    new, packed, delivered = OrderFactory(), OrderFactory(packed=True), OrderFactory(delivered=True)

    outcomes = cancel_orders([new.pk, packed.pk, delivered.pk], decision=decide(actor("service"), reason="CA01"))

    assert [outcomes[order.pk].done for order in (new, packed, delivered)] == [True, True, False]
    assert (fresh(new).status, fresh(packed).is_to_be_cancelled) == (Status.CANCELLED, True)


def test_queries_do_not_grow_with_orders() -> None:
    counts = []
    for number in (1, 10):
        orders = OrderFactory.create_batch(number, processing=True, paid=True)
        user = actor("service")
        user.has_perm("orders.all_shops")
        with count_queries() as statements:
            cancel_orders([order.pk for order in orders], decision=decide(user, reason="CA01"))
        counts.append(len(statements))

    assert counts[1] <= counts[0]
    assert counts[0] <= 32


@pytest.mark.parametrize("stage", ["shipped"])
def test_completing_an_order_ends_a_request(stage: str) -> None:
    order = cancel(OrderFactory(**{stage: True}))
    assert order.is_to_be_cancelled

    complete_order(order.pk, decision=decide(actor("service")))

    assert (fresh(order).status, fresh(order).is_to_be_cancelled) == (Status.COMPLETED, False)


@pytest.mark.parametrize("how", ["deliver", "signed"])
def test_the_first_delivery_ends_a_request(how: str) -> None:
    order = cancel(OrderFactory(shipped=True))

    if how == "deliver":
        shipping.deliver_shipment(shipment_of(order).pk, decision=decide(actor("logistician")))
    else:
        shipping.note_tracking(shipment_of(order).pk, "signed", decision=decide(actor("logistician")))

    order = fresh(order)
    assert (order.status, order.is_to_be_cancelled) == (Status.SHIPPED, False)
    assert OutboxEvent.objects.filter(topic="order.end_cancel_request", subject=order.number).exists()
    assert order.history.filter(cancel_requested_at__isnull=False).exists()


def waiting_order(product: Any, quantity: int) -> Any:
    """One piece is there and packed; the rest is waited for."""
    receive({product: 1})
    order = OrderFactory(
        shop=ShopFactory(allows_backorder=True), lines=[(product, quantity, None)], in_stock=False, packed=True
    )
    waybill = Waybill(carrier=CarrierFactory().code, tracking_number="SF1")
    shipping.dispatch_shipment(shipment_of(order).pk, decision=decide(actor("logistician")), waybill=waybill)
    return fresh(order)


def test_an_order_that_will_not_be_cancelled_after_all_takes_what_came_in_meanwhile() -> None:
    product = ProductFactory()
    order = cancel(waiting_order(product, 4))
    receive({product: 2})
    assert StockLevel.objects.get().available == 2

    shipping.deliver_shipment(shipment_of(order).pk, decision=decide(actor("logistician")))

    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved) == (2, 2)
    batch = Batch([fresh(order)], decide(actor("keeper")), acting=False)
    assert [quantity for _line, quantity in selectors.lacking(batch)[order.pk]] == [1]
    receive({product: 5})
    assert StockLevel.objects.get().reserved == 3


def test_it_takes_nothing_that_was_promised_to_others_and_ends_its_request_all_the_same() -> None:
    product = ProductFactory()
    order = cancel(waiting_order(product, 4))
    other = OrderFactory(lines=[(product, 2, None)], processing=True)

    shipping.deliver_shipment(shipment_of(order).pk, decision=decide(actor("logistician")))

    assert not fresh(order).is_to_be_cancelled
    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved) == (2, 2)
    assert fresh(other).version == other.version


class TestCalledBack:
    """Goods on their way when somebody asks to cancel: what happens to them decides."""

    def test_what_is_on_its_way_is_called_back_and_the_order_cancelled_once_it_is_in_the_house(self) -> None:
        order = cancel(OrderFactory(shipped=True, paid=True, shipping_fee=10))
        called = Return.objects.get(order=order)
        assert (called.status, called.calls_back, called.reason) == (ReturnStatus.APPROVED, True, "CA01")

        received(called)

        order = fresh(order)
        assert (order.status, order.payable, shipment_of(order).status) == (
            Status.CANCELLED,
            0,
            ShipmentStatus.REFUSED,
        )
        assert sum(refund.amount for refund in Refund.objects.filter(order=order)) == order.total
        assert {refund.ground for refund in Refund.objects.filter(order=order)} == {Ground.CANCEL}
        purposes = [purpose for purpose, *_lines in booked(order)]
        assert purposes == ["payment", "dispatch", "return", "cancel"]
        # The shipping fee stayed recognised until now.
        assert booked(order)[-1][1] == "Dr 6001 10"

    def test_goods_that_were_refused_cancel_it_too(self) -> None:
        order = cancel(OrderFactory(shipped=True))
        refuse_shipment(shipment_of(order).pk, decision=decide(actor("logistician"), reason="RT04"))
        assert fresh(order).status == Status.SHIPPED

        received(Return.objects.get(order=order))

        assert fresh(order).status == Status.CANCELLED

    def test_a_lost_shipment_cancels_what_was_asked_for_before(self) -> None:
        order = OrderFactory(processing=True, paid=True, line_count=2)
        for no in (1, 2):
            drafted = drafting.draft_shipment(order.pk, {no: Decimal(2)}, decision=decide(actor("keeper")))
            shipping.pack_shipment(drafted.pk, decision=decide(actor("keeper")))
        first, last = Shipment.objects.filter(order=order).order_by("pk")
        waybill = Waybill(CarrierFactory().code, "T1")
        shipping.dispatch_shipment(first.pk, decision=decide(actor("logistician")), waybill=waybill)
        cancel(order)
        shipping.cancel_shipment(last.pk, decision=decide(actor("keeper")))
        assert fresh(order).status == Status.PROCESSING

        received(Return.objects.get(order=order))

        order = fresh(order)
        assert order.status == Status.CANCELLED
        assert all(level.reserved == 0 for level in StockLevel.objects.all())

    def test_what_reaches_the_customer_rejects_its_return(self) -> None:
        order = cancel(OrderFactory(shipped=True))

        shipping.deliver_shipment(shipment_of(order).pk, decision=decide(actor("logistician")))

        assert Return.objects.get(order=order).status == ReturnStatus.REJECTED
        assert not fresh(order).is_to_be_cancelled

    def test_confirming_receipt_rejects_it_as_well(self) -> None:
        order = cancel(OrderFactory(shipped=True))

        complete_order(order.pk, decision=decide(actor("service")))

        assert Return.objects.get(order=order).status == ReturnStatus.REJECTED

    def test_services_under_way_are_not_cancelled(self) -> None:
        order = OrderFactory(shipped=True, services_only=True)

        with pytest.raises(Refused) as refused:
            cancel(order)

        assert refused.value.blockers == ["orders.cancel_delivered"]

    def test_goods_that_came_back_from_the_customer_do_not_stand_in_the_way(self) -> None:
        order = OrderFactory(delivered=True, paid=True)
        received(approved(order, {line.no: line.quantity for line in order.lines.all()}))

        order = cancel(order)

        assert order.status == Status.CANCELLED
        assert sum(refund.amount for refund in Refund.objects.filter(order=order)) == order.total

    def test_what_a_cancelled_order_frees_serves_who_waits(self) -> None:
        product = ProductFactory()
        order = OrderFactory(processing=True, lines=[(product, 2, None)])
        shop = ShopFactory(allows_backorder=True)
        waiting = OrderFactory(processing=True, lines=[(product, 2, None)], shop=shop, in_stock=False)

        cancel(order)

        batch = Batch([waiting], decide(actor("service")), acting=False)
        assert selectors.lacking(batch)[waiting.pk] == []
