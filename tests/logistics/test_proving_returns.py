"""Reviews show what came back, and the closing record testifies it and who handled it."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from erp.kernel.acting import acting
from finance.models import Refund
from inventory.models import Reservation
from logistics import facts
from logistics.models import Return, ReturnLine
from orders.contract import Batch
from orders.models import ClosingRecord
from orders.services import proof
from orders.services.closing import close_order
from orders.services.reviewing import review_order
from tests.factories import OrderFactory, actor, decide
from tests.finance.refunding import settle
from tests.logistics.returning import approved, defective_warehouse, received
from tests.support import offenders, without_guards

pytestmark = pytest.mark.django_db


def closed_with_return() -> Any:
    order = OrderFactory(completed=True, paid=True, line_count=1)
    received(approved(order, {1: 1}))
    settle(Refund.objects.get(order=order))
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        review_order(order.pk, block, decision=decide(actor(role)))
    close_order(order.pk, decision=decide(actor("closer"), reason="CL03"))
    return order


def test_the_review_shows_what_became_of_what_came_back() -> None:
    order = OrderFactory(completed=True, line_count=1)
    received(approved(order, {1: 1}), "scrapped")

    batch = Batch([order], decide(actor("logistician")), acting=False)
    (shown,) = facts.review(batch)[order.pk]["returns"]

    sku = order.lines.get().sku
    assert shown == {
        "number": Return.objects.get().number,
        "lines": [{"sku": sku, "quantity": 1, "found": {"scrapped": 1}}],
        "state": "received",
    }


def test_the_closing_record_testifies_every_return_and_who_handled_it() -> None:
    order = closed_with_return()
    goods_return = Return.objects.get()

    evidence = ClosingRecord.objects.get(order=order).data["evidence"]

    (document,) = (entry for entry in evidence["documents"] if entry["type"] == "return")
    assert (document["number"], document["state"]) == (goods_return.number, "received")
    acts = [entry for entry in evidence["acts"] if entry["document"] == goods_return.number]
    assert {entry["act"]: entry["by"] for entry in acts} == {
        "request_return": str(actor("service").pk),
        "approve_return": str(actor("logistician").pk),
        "receive_return": str(actor("keeper").pk),
    }
    assert [entry.get("against") for entry in acts if entry["act"] == "receive_return"] == [facts.AGAINST_CLOSING]


def test_a_return_changed_after_the_closing_is_found_and_a_later_one_is_none_of_its_business() -> None:
    order = closed_with_return()
    received(approved(order, {1: 1}))
    assert list(proof.faults()) == []

    with without_guards(ReturnLine):
        ReturnLine.objects.filter(pk=ReturnLine.objects.earliest("pk").pk).update(credit=1)

    assert [fault.what for fault in proof.faults()] == ["evidence: documents 2 sha256"]


def test_who_received_the_goods_cannot_have_approved_their_refund() -> None:
    order = OrderFactory(completed=True, paid=True, line_count=1)
    received(approved(order, {1: 1}))

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE finance_refund SET status = 'approved', approved_at = requested_at, "
            "approved_by_id = goods_received_by_id"
        )


def test_nothing_is_reserved_in_a_defective_warehouse() -> None:
    order = OrderFactory(processing=True, line_count=1)
    line = order.lines.get()
    values = {"line": line, "order": order, "product": line.product, "kind": "reserve", "quantity": 1}
    bad = defective_warehouse()

    with acting(decide(actor("keeper"))):
        with pytest.raises(IntegrityError), transaction.atomic():
            Reservation.objects.create(**values, warehouse=bad)
        with without_guards(Reservation):
            Reservation.objects.create(**values, warehouse=bad)

    assert offenders("inventory.defective_serves_nobody") == [(bad.pk, line.pk, 1)]
