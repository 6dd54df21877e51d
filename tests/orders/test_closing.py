"""关闭: what closing an order does, and that it is final."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel.locks import unit_of_work
from erp.kernel.models import OutboxEvent
from finance.models import OrderBalance, Voucher
from inventory.models import Reservation, StockLevel
from inventory.services import stock
from logistics.models import Shipment, TrackingKind
from logistics.services.drafting import draft_shipment, draft_shipments, pack_orders
from logistics.services.shipping import cancel_shipment, deliver_shipment, dispatch_shipment, note_tracking
from orders.models import ClosingRecord, Line, Order, PaymentStatus, Status
from orders.services.closing import close_order
from orders.services.documents import OrderIsFinal
from orders.services.fulfilment import complete_order, process_order
from orders.services.lifecycle import Refused
from orders.services.reviewing import review_order
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, actor, decide
from tests.ledger import booked, sides
from tests.orders.closings import blockers, close, review_as_it_is

pytestmark = pytest.mark.django_db


def completed(*, paid: str, tolerance: str = "1", **story: Any) -> Any:
    """An order of 399.96 of which this much is paid; the shop writes off what is within its tolerance."""
    shop = ShopFactory(tolerance=Decimal(tolerance))
    order = OrderFactory(shop=shop, completed=True, paid=Decimal(paid), **story)
    review_as_it_is(order)
    return order


def settlement(order: Any) -> list[str]:
    return sides(Voucher.objects.get(order=order, purpose="settlement"))


def test_a_closed_order_says_who_closed_it_and_when(closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    decision = decide(closer, reason="CL01")

    outcome = close_order(order.pk, decision=decision)

    now = Order.objects.get(pk=order.pk)
    assert (now.status, now.closed_by, now.closed_at) == (Status.CLOSED, closer, decision.at)
    assert now.version == order.version + 1
    assert outcome.done
    assert outcome.number == order.number


def test_advances_are_applied_to_the_receivable_so_that_both_are_zero() -> None:
    order = OrderFactory(reviewed=True)
    before = booked(order)

    close(order)

    assert booked(order) == [*before, ["settlement", "Dr 2203 399.96", "Cr 1122 399.96"]]
    balance = OrderBalance.objects.get(order=order)
    assert (balance.receivable, balance.advance) == (0, 0)


def test_the_settlement_names_the_order_and_its_cycle_as_its_source(closer: Any) -> None:
    order = OrderFactory(reviewed=True)

    close(order, closer)

    voucher = Voucher.objects.get(purpose="settlement")
    assert (voucher.source_type, voucher.source_id, voucher.source) == ("orders.order", f"{order.pk}/1", order.number)
    assert (voucher.by, voucher.by_name, voucher.why) == (closer, closer.name, "CL01")


def test_a_tail_short_is_written_off_within_the_shops_tolerance() -> None:
    order = completed(paid="399.06", tolerance="0.90")

    close(order)

    assert settlement(order) == ["Dr 2203 399.06", "Dr 6711 0.9", "Cr 1122 399.96"]
    now = Order.objects.get(pk=order.pk)
    assert (now.payment_status, now.written_off, now.owed) == (PaymentStatus.PAID, Decimal("0.90"), 0)


def test_a_tail_over_is_kept_as_other_income_within_the_shops_tolerance() -> None:
    order = completed(paid="400.86", tolerance="0.90")

    close(order)

    assert settlement(order) == ["Dr 2203 400.86", "Cr 1122 399.96", "Cr 6301 0.9"]
    now = Order.objects.get(pk=order.pk)
    assert (now.payment_status, now.written_off, now.owed) == (PaymentStatus.PAID, Decimal("-0.90"), 0)


@pytest.mark.parametrize(
    ("paid", "codes"),
    [("399.05", ["finance.unpaid"]), ("400.87", ["finance.overpaid", "finance.refund_open"])],
)
def test_a_cent_beyond_the_tolerance_is_no_tail(paid: str, codes: list[str]) -> None:
    order = completed(paid=paid, tolerance="0.90")

    assert blockers(order) == codes


def test_an_order_wholly_within_the_tolerance_closes_unpaid() -> None:
    shop = ShopFactory(tolerance=Decimal(400))
    order = OrderFactory(shop=shop, completed=True, unpaid=True)
    review_as_it_is(order)

    outcome = close(order)

    assert settlement(order) == ["Dr 6711 399.96", "Cr 1122 399.96"]
    with override("en"):
        assert outcome.effects[0].describe() == "A tail of 399.96 CNY is written off."


def test_the_outcome_says_what_was_done_in_words() -> None:
    order = completed(paid="399.06")

    outcome = close(order)

    with override("en"):
        assert [effect.describe() for effect in outcome.effects] == [
            "Advances of 399.06 CNY are applied to the receivable. A tail of 0.90 CNY is written off.",
            "A closing record is written that can never be changed; the order's documents become read-only.",
        ]


def test_a_tail_over_is_told_in_words_too() -> None:
    order = completed(paid="400.86")

    outcome = close(order)

    with override("en"):
        assert outcome.effects[0].describe().endswith("A tail of 0.90 CNY is kept as other income.")


def test_an_order_that_costs_nothing_has_nothing_to_settle() -> None:
    order = OrderFactory(reviewed=True, zero_value=True)

    close(order)

    assert booked(order) == [["dispatch", "Dr 6601 200", "Cr 1405 200"]]
    assert ClosingRecord.objects.get().data["evidence"]["totals"]["owed"] == "0"


def test_an_order_of_services_closes_with_its_service_shipment() -> None:
    order = OrderFactory(reviewed=True, services_only=True)

    close(order)

    assert booked(order) == [
        ["payment", "Dr 1012 399.96", "Cr 2203 399.96"],
        ["dispatch", "Dr 1122 399.96", "Cr 6001 353.94", "Cr 2221 46.02"],
        ["settlement", "Dr 2203 399.96", "Cr 1122 399.96"],
    ]


def test_a_leftover_reservation_is_released() -> None:
    order = OrderFactory(reviewed=True, line_count=1)
    line = Line.objects.get(order=order)
    OrderFactory(lines=[(line.product, 5, None)], packed=True)
    level = StockLevel.objects.get(product=line.product)
    # No service leaves one behind so far: it is made under the services.
    StockLevel.objects.filter(pk=level.pk).update(on_hand=level.on_hand + 1)
    with unit_of_work(decide(actor("keeper"))):
        levels = stock.lock_levels({(line.product_id, level.warehouse_id)})
        stock.reserve([stock.Reserve(line, level.warehouse_id, Decimal(1))], levels.values())

    outcome = close(order)

    assert sum(Reservation.objects.filter(order=order).values_list("quantity", flat=True)) == 0
    assert StockLevel.objects.get(pk=level.pk).reserved == level.reserved
    with override("en"):
        assert f"The leftover reservation of 1 {line.sku} is released." in [
            effect.describe() for effect in outcome.effects
        ]


def test_closing_is_told_to_others_once() -> None:
    order = OrderFactory(reviewed=True)

    close(order)

    event = OutboxEvent.objects.get(topic="order.close")
    assert (event.subject_id, event.payload["status"]) == (str(order.pk), Status.CLOSED)


def test_an_order_is_closed_once() -> None:
    order = OrderFactory(closed=True)

    with unchanged():
        assert "orders.wrong_state" in blockers(order)

    assert ClosingRecord.objects.filter(order=order).count() == 1
    assert Voucher.objects.filter(order=order, purpose="settlement").count() == 1


READ_ONLY: dict[str, Callable[[Any, Any], object]] = {
    "draft everything": lambda order, shipment: draft_shipments([order.pk], decision=decide(actor("keeper"))),
    "draft a shipment": lambda order, shipment: draft_shipment(
        order.pk, {1: Decimal(1)}, decision=decide(actor("keeper"))
    ),
    "pack": lambda order, shipment: pack_orders([order.pk], decision=decide(actor("keeper"))),
    "cancel a shipment": lambda order, shipment: cancel_shipment(shipment.pk, decision=decide(actor("keeper"))),
    "dispatch": lambda order, shipment: dispatch_shipment(shipment.pk, decision=decide(actor("logistician"))),
    "deliver": lambda order, shipment: deliver_shipment(shipment.pk, decision=decide(actor("logistician"))),
    "note tracking": lambda order, shipment: note_tracking(
        shipment.pk, TrackingKind.SIGNED, decision=decide(actor("logistician"))
    ),
}


@pytest.mark.parametrize("act", READ_ONLY.values(), ids=READ_ONLY.keys())
def test_documents_of_a_closed_order_are_read_only(act: Any) -> None:
    order = OrderFactory(closed=True)
    shipment = Shipment.objects.get(order=order)

    with unchanged(), pytest.raises(OrderIsFinal) as refused:
        act(order, shipment)

    assert refused.value.params["number"] == order.number


@pytest.mark.parametrize(
    "act",
    [
        lambda order: process_order(order.pk, decision=decide(actor("salesperson"))),
        lambda order: complete_order(order.pk, decision=decide(actor("service"))),
        lambda order: review_order(order.pk, "order", decision=decide(actor("salesperson"))),
    ],
    ids=["process", "complete", "review"],
)
def test_a_closed_order_goes_nowhere(act: Any) -> None:
    order = OrderFactory(closed=True)

    with unchanged(), pytest.raises(Refused) as refused:
        act(order)

    assert "orders.wrong_state" in refused.value.blockers
