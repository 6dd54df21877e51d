"""What takes write-offs back says so before it does it, with the amount."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel import invariants
from finance.effects import AskBack, TakeBack
from finance.models import Refund, TakenBack
from logistics.services.drafting import draft_shipment
from logistics.services.shipping import Waybill, dispatch_shipment, pack_shipment
from orders.models import Order
from orders.services import cancelling, closing_lines, lifecycle
from orders.services.closing_lines import LineToClose
from tests.factories import CarrierFactory, OrderFactory, ProductFactory, actor, decide
from tests.finance.giving_up import written_off
from tests.finance.refunding import paid
from tests.logistics.returning import approved, received

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves(db: None) -> Iterator[None]:
    yield
    assert list(invariants.broken()) == []


@pytest.fixture
def half_shipped(db: None) -> Any:
    """An order over 226, of which one piece of two has left and its 113 are given up."""
    order = OrderFactory(lines=[(ProductFactory(price=Decimal(113)), 2, None)], processing=True)
    shipment = draft_shipment(order.pk, {1: Decimal(1)}, decision=decide(actor("keeper")))
    pack_shipment(shipment.pk, decision=decide(actor("keeper")))
    waybill = Waybill(carrier=CarrierFactory().code, tracking_number="SF1")
    dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=waybill)
    written_off(order, "113")
    return Order.objects.get(pk=order.pk)


def planned(outcome: lifecycle.Outcome) -> list[tuple[type, Decimal]]:
    return [(type(effect), effect.amount) for effect in outcome.effects if isinstance(effect, TakeBack | AskBack)]


def done() -> list[tuple[type, Decimal]]:
    return [(TakeBack, row.amount) for row in TakenBack.objects.all()] + [
        (AskBack, row.amount) for row in Refund.objects.all()
    ]


def test_closing_a_line_tells_what_it_takes_back_and_what_it_asks_back(half_shipped: Any) -> None:
    paid(half_shipped, "113")
    decision = decide(actor("salesperson"), reason="CL02", detail={"lines": {1: None}, "party": ""})

    told = planned(lifecycle.preview("close_line", [half_shipped.pk], decision)[half_shipped.pk])
    closing_lines.close_lines(half_shipped.pk, [LineToClose(1)], decision=decide(decision.by, reason="CL02"))

    assert told == done() == [(TakeBack, 113)]


def test_cancelling_tells_it_too(half_shipped: Any) -> None:
    received(approved(half_shipped, {1: 1}))
    paid(half_shipped, "20")
    decision = decide(actor("service"), reason="CA01")

    told = planned(cancelling.preview([half_shipped.pk], decision)[half_shipped.pk])
    before = done()
    cancelling.cancel_order(half_shipped.pk, decision=decision)

    assert before == [(TakeBack, 20)]
    assert told == [row for row in done() if row not in before] == [(TakeBack, 93), (AskBack, 20)]
