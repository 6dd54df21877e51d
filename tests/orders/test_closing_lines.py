"""行关闭: the remainder of a line is not shipped, and everything that hangs on it falls with it."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.translation import override

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from erp.kernel.money import OutOfRange
from finance.models import Refund
from inventory.models import Reservation, StockLevel
from logistics.models import Shipment
from logistics.services.drafting import draft_shipment
from logistics.services.shipping import Waybill, dispatch_shipment, pack_shipment
from orders.models import ClosingRecord, Line, LineClosing, Order, PaymentStatus, ShippingStatus, Status
from orders.services import lifecycle, proof
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, ReasonUnknown, UnknownParty
from orders.services.closing import close_order
from orders.services.closing_lines import LineToClose, NamedTwice, NothingToClose, UnknownLine, close_lines
from orders.services.fulfilment import complete_order, process_order
from orders.services.holds import hold_order
from orders.services.lifecycle import Outcome, Refused, Seen
from orders.services.placing import FractionOfPiece
from orders.services.reviewing import review_order
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
)
from tests.ledger import booked
from tests.support import count_queries

pytestmark = pytest.mark.django_db

TAX = Decimal("0.13")


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


def fresh(order: Any) -> Any:
    return Order.objects.get(pk=order.pk)


def line_of(order: Any, no: int = 1) -> Line:
    return Line.objects.get(order=order, no=no)


def close(order: Any, quantities: dict[int, int | str | None], *, reason: str = "CL02", **kwargs: Any) -> Outcome:
    lines = [LineToClose(no, None if left is None else Decimal(left)) for no, left in quantities.items()]
    return close_lines(order.pk, lines, decision=decide(actor("salesperson"), reason=reason), **kwargs)


def draft(order: Any, quantities: dict[int, int], **kwargs: Any) -> Shipment:
    chosen = {no: Decimal(quantity) for no, quantity in quantities.items()}
    return draft_shipment(order.pk, chosen, decision=decide(actor("keeper")), **kwargs)


def send(order: Any, quantities: dict[int, int], **kwargs: Any) -> None:
    shipment = draft(order, quantities, **kwargs)
    pack_shipment(shipment.pk, decision=decide(actor("keeper")))
    dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=Waybill(method="PICKUP"))


def reserved(order: Any) -> list[Decimal]:
    return list(Reservation.objects.filter(order=order).order_by("pk").values_list("quantity", flat=True))


def ten(**story: Any) -> Any:
    """Ten of one product at 11.30 each, ordered and reserved."""
    story.setdefault("lines", [(ProductFactory(tax_rate=TAX), 10, Decimal("11.30"))])
    return OrderFactory(processing=True, **story)


def test_a_closed_remainder_falls_out_of_everything(salesperson: Any) -> None:
    order = ten()
    send(order, {1: 4})
    decision = decide(salesperson, reason="CA02", note="停产")

    close_lines(order.pk, [LineToClose(1, Decimal(5))], decision=decision)

    line, now, closing = line_of(order), fresh(order), LineClosing.objects.get()
    assert (line.closed, line.closed_amount, line.closed_tax) == (5, Decimal("56.50"), Decimal("6.50"))
    assert (closing.quantity, closing.amount, closing.tax) == (5, Decimal("56.50"), Decimal("6.50"))
    assert (closing.by, closing.at, closing.why) == (salesperson, decision.at, "CA02 停产")
    assert (closing.reason, closing.party) == ("CA02", "seller")
    assert (now.total, now.payable) == (113, Decimal("56.50"))
    assert (now.status, now.shipping_status) == (Status.PROCESSING, ShippingStatus.PARTLY_SHIPPED)
    assert reserved(order) == [10, -4, -5]
    assert StockLevel.objects.get().available == 5
    assert OutboxEvent.objects.filter(topic="order.close_line").count() == 1
    assert now.history.latest("history_id").history_change_reason == "CA02 停产"
    assert len(booked(order)) == 1


def test_without_a_quantity_all_that_is_left_is_closed_and_the_order_is_shipped(salesperson: Any) -> None:
    order = ten()
    send(order, {1: 4})

    outcome = close(order, {1: None})

    now = fresh(order)
    assert line_of(order).closed == 6
    assert (now.status, now.shipping_status) == (Status.SHIPPED, ShippingStatus.ALL_SHIPPED)
    assert now.history.latest("history_id").actor_name == actor("salesperson").name
    assert OutboxEvent.objects.filter(topic="order.ship").count() == 1
    with override("en"):
        assert [effect.describe() for effect in outcome.effects] == [
            f"Line 1: 6 pcs of {line_of(order).sku} are closed short; 67.80 CNY less are payable, with 7.80 CNY tax.",
            "Nothing is left to ship: the order is shipped.",
            f"The reservation of 6 {line_of(order).sku} is released.",
        ]


def test_a_new_order_is_closed_in_part_and_then_reserves_the_rest(salesperson: Any) -> None:
    product = ProductFactory(tax_rate=TAX)
    order = OrderFactory(lines=[(product, 10, None)])
    receive({product: 7})

    close(order, {1: 3})
    process_order(order.pk, decision=decide(salesperson))

    assert fresh(order).status == Status.PROCESSING
    assert reserved(order) == [7]
    assert draft(order, {1: 7}).lines.get().quantity == 7


def test_what_waits_for_stock_is_closed_before_what_is_reserved() -> None:
    product, shop = ProductFactory(), ShopFactory(allows_backorder=True)
    receive({product: 6})
    order = OrderFactory(shop=shop, lines=[(product, 10, None)], in_stock=False, processing=True)

    close(order, {1: 3})
    assert reserved(order) == [6]
    close(order, {1: 2})
    assert reserved(order) == [6, -1]
    receive({product: 9})
    assert reserved(order) == [6, -1]


def test_freed_goods_serve_whoever_waits_for_them_in_the_same_act() -> None:
    product, shop = ProductFactory(), ShopFactory(allows_backorder=True)
    holder = OrderFactory(lines=[(product, 5, None)], processing=True)
    waiting = OrderFactory(shop=shop, lines=[(product, 4, None)], in_stock=False, processing=True)
    before = fresh(waiting).version

    close(holder, {1: 3})

    assert (reserved(holder), reserved(waiting)) == ([5, -3], [3])
    assert fresh(waiting).version == before + 1


def test_goods_on_a_shipment_are_not_taken_from_under_it() -> None:
    product = ProductFactory()
    one, two = WarehouseFactory.create_batch(2)
    receive({product: 5}, warehouse=one)
    receive({product: 5}, warehouse=two)
    order = OrderFactory(lines=[(product, 10, None)], in_stock=False, processing=True)
    draft(order, {1: 5}, warehouse_id=one.pk)

    with pytest.raises(Refused) as refused, unchanged():
        close(order, {1: 6})
    assert refused.value.blockers == ["logistics.more_than_left"]
    (finding,) = refused.value.outcome.blockers
    assert [link.number for link in finding.links] == [Shipment.objects.get().number]
    with override("en"):
        assert "wanted 6 pcs, left 5 pcs" in finding.message

    close(order, {1: None})
    assert list(Reservation.objects.filter(quantity__lt=0).values_list("warehouse", "quantity")) == [(two.pk, -5)]
    assert fresh(order).status == Status.PROCESSING


def test_nothing_left_cannot_be_closed() -> None:
    order = ten()
    send(order, {1: 10})
    other = ten()
    draft(other, {1: 10})

    with unchanged():
        with pytest.raises(Refused) as refused:
            close(order, {1: 1})
        assert set(refused.value.blockers) == {"orders.wrong_state", "logistics.more_than_left"}
        with pytest.raises(Refused) as refused:
            close(other, {1: None})
        assert refused.value.blockers == ["logistics.more_than_left"]


@pytest.mark.parametrize("stage", ["new", "processing"])
def test_the_last_goods_of_an_order_that_sent_nothing_are_cancelled_with_it(stage: str) -> None:
    order = OrderFactory(shipping_fee=12, line_count=2, **({} if stage == "new" else {stage: True}))
    close(order, {1: None})

    with unchanged(), pytest.raises(Refused) as refused:
        close(order, {2: None})

    assert refused.value.blockers == ["orders.close_line_cancel_instead"]


def test_services_that_are_left_still_ship_with_the_fee_and_ship_the_order() -> None:
    goods, hours = ProductFactory(), ProductFactory(service=True)
    order = OrderFactory(lines=[(goods, 2, None), (hours, 1, Decimal(100))], shipping_fee=12, processing=True)

    close(order, {1: None})
    assert fresh(order).status == Status.PROCESSING
    send(order, {2: 1})

    assert fresh(order).status == Status.SHIPPED
    assert fresh(order).payable == 112
    assert booked(order)[0][:2] == ["dispatch", "Dr 1122 112"]


def test_what_is_overpaid_by_then_is_asked_back() -> None:
    order = ten(paid=True)
    send(order, {1: 4})

    outcome = close(order, {1: None}, party="customer")

    refund = Refund.objects.get()
    assert (refund.amount, refund.ground, refund.party) == (Decimal("67.80"), "line_closed", "customer")
    assert (refund.requested_by, refund.status) == (actor("salesperson"), "requested")
    assert fresh(order).payment_status == PaymentStatus.OVERPAID
    with override("en"):
        assert "A refund of 67.80 CNY is requested." in [effect.describe() for effect in outcome.effects]


def test_what_was_not_paid_yet_is_not_asked_back() -> None:
    order = ten(paid=Decimal("56.50"))

    close(order, {1: 5})

    assert not Refund.objects.exists()
    assert fresh(order).payment_status == PaymentStatus.PAID


def test_an_order_on_hold_keeps_its_lines() -> None:
    order = ten()
    hold_order(order.pk, decision=decide(actor("service"), reason="HO01"))

    with unchanged(), pytest.raises(Refused) as refused:
        close(order, {1: 1})

    assert refused.value.blockers == ["orders.on_hold"]


@pytest.mark.parametrize("stage", ["shipped", "completed", "closed"])
def test_a_shipped_order_has_nothing_to_close(stage: str) -> None:
    order = OrderFactory(**{stage: True})

    with unchanged(), pytest.raises(Refused) as refused:
        close(order, {1: 1})

    assert "orders.wrong_state" in refused.value.blockers


def test_what_is_named_wrongly_is_refused(salesperson: Any) -> None:
    order = ten()

    with unchanged():
        for quantities, error in (({}, NothingToClose), ({7: 1}, UnknownLine), ({1: "1.5"}, FractionOfPiece)):
            with pytest.raises(error):
                close(order, quantities)
        with pytest.raises(NamedTwice):
            close_lines(order.pk, [LineToClose(1), LineToClose(1)], decision=decide(salesperson, reason="CL02"))
        with pytest.raises(OutOfRange):
            close(order, {1: 0})
        with pytest.raises(UnknownParty):
            close(order, {1: 1}, party="weather")
        for reason, refusal in (("", ReasonUnknown), ("CL01", ReasonDoesNotApply), ("CA99", ReasonNeedsNote)):
            with pytest.raises(refusal):
                close(order, {1: 1}, reason=reason)


def test_closing_lines_needs_its_permission_and_an_order_in_scope(service: Any) -> None:
    order = ten()
    stranger = UserFactory(role="salesperson", shops=[ShopFactory()])
    lines = [LineToClose(1, Decimal(1))]

    with unchanged():
        with pytest.raises(Forbidden):
            close_lines(order.pk, lines, decision=decide(service, reason="CL02"))
        with pytest.raises(NotFound):
            close_lines(order.pk, lines, decision=decide(stranger, reason="CL02"))


def test_the_same_click_twice_closes_once() -> None:
    order = ten()
    seen = Seen(order.version)
    close(order, {1: 2}, seen=seen)

    with unchanged(), pytest.raises(Refused) as refused:
        close(order, {1: 2}, seen=seen)

    assert refused.value.blockers == ["orders.changed"]


def test_the_preview_promises_what_the_act_does(salesperson: Any) -> None:
    order = ten(paid=True)
    send(order, {1: 4})
    decision = decide(salesperson, reason="CL02", detail={"lines": {1: None}, "party": "seller"})

    with unchanged():
        shown = lifecycle.preview("close_line", [order.pk], decision)[order.pk]
    done = close(order, {1: None}, seen=Seen(shown.version, shown.digest))

    assert [type(effect).__name__ for effect in done.effects] == ["CloseShort", "Ship", "Free", "AskBack"]
    assert done.effects == shown.effects


def test_lines_cost_no_more_queries_than_one() -> None:
    products = ProductFactory.create_batch(30)
    counts = []
    for count in (1, 30):
        order = OrderFactory(lines=[(product, 2, None) for product in products[:count]], processing=True, paid=True)
        user = actor("salesperson")
        user.has_perm("orders.all_shops")
        lines = [LineToClose(no, Decimal(1)) for no in range(1, count + 1)]
        decision = decide(user, reason="CL02")
        with count_queries() as statements:
            close_lines(order.pk, lines, decision=decision)
        counts.append(len(statements))

    assert counts[0] == counts[1]
    assert counts[0] <= 36


def test_a_closing_proves_what_was_closed_short_and_who_did_it(closer: Any) -> None:
    order = ten(paid=Decimal("45.20"))
    send(order, {1: 4})
    close(order, {1: None})
    complete_order(order.pk, decision=decide(actor("service")))
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        review_order(order.pk, block, decision=decide(actor(role)))

    close_order(order.pk, decision=decide(closer, reason="CL02"))

    evidence = ClosingRecord.objects.get().data["evidence"]
    assert evidence["order"]["lines"][0]["closed"] == "6"
    assert (evidence["totals"]["closed_short"], evidence["totals"]["payable"]) == ("67.8", "45.2")
    acts = [(act["act"], act["document"], act["by"]) for act in evidence["acts"]]
    assert ("close_line", f"{order.number}/1", str(actor("salesperson").pk)) in [
        (act, document, str(by)) for act, document, by in acts
    ]
    assert [row["number"] for row in evidence["documents"] if row["type"] == "line_closing"] == [f"{order.number}/1"]


def test_more_than_was_ordered_is_refused_by_the_database() -> None:
    order = ten()
    send(order, {1: 4})

    for columns in ({"closed": 7}, {"closed_amount": 100}, {"closed": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Line.objects.filter(order=order).update(**columns)


@pytest.mark.parametrize(
    "columns",
    [{"quantity": 0}, {"amount": -1}, {"tax": 2}, {"party": "weather"}, {"reason": ""}],
    ids=lambda columns: "+".join(columns),
)
def test_half_a_line_closing_is_refused_by_the_database(columns: dict[str, Any]) -> None:
    line = line_of(ten())
    values = {"quantity": 1, "amount": 1, "tax": 0, "party": "seller", "reason": "CL02", **columns}

    with pytest.raises(IntegrityError), transaction.atomic(), acting(decide(actor("salesperson"))):
        LineClosing.objects.bulk_create([LineClosing(order=line.order, line=line, **values)])
