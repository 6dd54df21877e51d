"""Closing proves that everything ordered was shipped and delivered, by somebody else than the closer."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils.translation import override

from erp.kernel.canonical import digest
from logistics import facts, selectors
from logistics.models import Shipment, ShipmentLine
from orders.contract import Batch
from orders.models import ClosingRecord, Line
from orders.services.closing import close_order
from orders.services.lifecycle import Refused
from tests.factories import OrderFactory, ProductFactory, actor, decide
from tests.support import without_guards

pytestmark = pytest.mark.django_db


def blockers(order: Any, by: Any) -> dict[str, Any]:
    """Findings that keep ``by`` from closing, by code."""
    with pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(by, reason="CL01"))
    return {finding.code: finding for finding in refused.value.outcome.blockers}


def test_goods_that_left_on_no_shipment_block(closer: Any) -> None:
    order = OrderFactory(lines=[(ProductFactory(sku="AB-1"), 2, None)], reviewed=True)
    with without_guards(ShipmentLine):
        ShipmentLine.objects.update(quantity=Decimal(1))

    finding = blockers(order, closer)["logistics.not_shipped"]

    assert (finding.params["shipped"].value, finding.params["ordered"].value) == (1, 2)
    with override("en"):
        assert str(finding.params["missing"]) == "1 AB-1 × 1 pcs"


def test_progress_that_disagrees_with_the_shipments_blocks(closer: Any) -> None:
    order = OrderFactory(line_count=1, reviewed=True)
    with without_guards(Line):
        Line.objects.update(shipped=Decimal(1))

    assert "logistics.not_shipped" in blockers(order, closer)


def test_lines_of_different_units_are_counted_without_a_unit(closer: Any) -> None:
    lines = [(ProductFactory(), 2, None), (ProductFactory(unit="kg"), 3, None)]
    order = OrderFactory(lines=lines, shipping_fee=10, reviewed=True)
    with without_guards(ShipmentLine):
        ShipmentLine.objects.update(quantity=Decimal("0.5"))

    finding = blockers(order, closer)["logistics.not_shipped"]

    # The shipping fee is no goods.
    assert (str(finding.params["shipped"]), str(finding.params["ordered"])) == ("1", "5")


@pytest.mark.parametrize("status", ["draft", "packed", "dispatched"])
def test_a_shipment_that_is_not_delivered_blocks(closer: Any, status: str) -> None:
    order = OrderFactory(reviewed=True)
    with without_guards(Shipment):
        Shipment.objects.update(status=status)

    finding = blockers(order, closer)["logistics.shipment_open"]

    assert list(finding.params["shipments"]) == [Shipment.objects.get().number]


def test_whoever_dispatched_may_not_close(closer: Any) -> None:
    dispatcher = actor("logistician")
    dispatcher.user_permissions.add(Permission.objects.get(codename="close_order"))
    order = OrderFactory(reviewed=True)

    found = blockers(order, dispatcher)

    assert set(found) == {"logistics.conflict_of_duty"}
    finding = found["logistics.conflict_of_duty"]
    assert finding.params["name"] == dispatcher.name
    assert list(finding.params["shipments"]) == [Shipment.objects.get().number]
    assert close_order(order.pk, decision=decide(closer, reason="CL01")).done


def test_the_closing_record_testifies_every_shipment_and_who_handled_it() -> None:
    order = OrderFactory(closed=True)

    evidence = ClosingRecord.objects.get(order=order).data["evidence"]

    (shipment,) = Shipment.objects.filter(order=order)
    (document,) = (entry for entry in evidence["documents"] if entry["type"] == "shipment")
    assert (document["number"], document["state"]) == (shipment.number, "delivered")
    handled = {entry["act"]: entry["by"] for entry in evidence["acts"] if entry["document"] == shipment.number}
    assert handled == {
        "pack_shipment": str(actor("keeper").pk),
        "dispatch_shipment": str(actor("logistician").pk),
        "deliver_shipment": str(actor("logistician").pk),
    }


def test_the_evidence_changes_with_anything_a_shipment_says() -> None:
    order = OrderFactory(closed=True)
    before = digest(evidence_of(order))

    with without_guards(ShipmentLine):
        ShipmentLine.objects.update(cost=Decimal(1))

    assert digest(evidence_of(order)) != before


def test_the_review_shows_method_carrier_tracking_number_and_lines() -> None:
    order = OrderFactory(lines=[(ProductFactory(sku="AB-1"), 2, None)], delivered=True)

    (shipment,) = facts.review(batch_of(order))[order.pk]["shipments"]

    sent = Shipment.objects.get()
    assert shipment == {
        "number": sent.number,
        "method": "EXPRESS",
        "carrier": "SOME",
        "tracking_number": sent.tracking_number,
        "lines": [{"sku": "AB-1", "quantity": 2}],
        "state": "delivered",
    }


def test_a_cancelled_shipment_is_no_part_of_the_review() -> None:
    order = OrderFactory(packed=True)
    with without_guards(Shipment):
        Shipment.objects.update(status="cancelled")

    assert facts.review(batch_of(order)) == {order.pk: {"shipments": [], "returns": []}}


def test_everybody_sees_the_shipments_of_their_scope() -> None:
    OrderFactory(packed=True)

    assert list(selectors.shipments(actor("keeper"))) == list(Shipment.objects.all())


def batch_of(order: Any) -> Batch:
    return Batch([order], decide(actor("closer")), acting=False)


def evidence_of(order: Any) -> Any:
    return facts.evidence(batch_of(order))
