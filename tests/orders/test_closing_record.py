"""结案单: what the proof of a closing holds, and how one is chained to the next."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from erp.kernel.acting import Channel
from erp.kernel.canonical import sha256
from erp.kernel.version import VERSION
from finance.models import Payment, Voucher
from inventory.models import Move
from logistics.models import Shipment
from orders.models import ClosingRecord, Order
from orders.services.closing import close_orders
from tests.factories import OrderFactory, actor, decide
from tests.orders.closings import close

pytestmark = pytest.mark.django_db


def leaves(content: Any) -> Iterator[Any]:
    for item in content.values() if isinstance(content, dict) else content:
        if isinstance(item, dict | list):
            yield from leaves(item)
        else:
            yield item


@pytest.fixture
def order(db: None) -> Any:
    customer = {"name": "王芳", "phone": "13800000000", "email": "wang@example.com"}
    return OrderFactory(
        reviewed=True,
        customer=customer,
        shipping_address={"line1": "科技路1号"},
        external_number="TB-1",
        shipping_fee=10,
        discount=5,
    )


def test_it_says_who_closed_what_when_why_and_through_which_door(order: Any, closer: Any) -> None:
    decision = decide(
        closer,
        reason="CL04",
        note="尾差已核",
        channel=Channel.API,
        request_id="r-1",
        detail={"tell_customer": True},
    )

    close_orders([order.pk], decision=decision)

    content = ClosingRecord.objects.get().data
    assert {name: content[name] for name in content if name not in ("findings", "evidence", "people")} == {
        "act": "close",
        "position": "1",
        "sequence": "1",
        "number": order.number,
        "at": decision.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "by": {"id": str(closer.pk), "name": closer.name, "roles": ["系统管理员"]},
        "channel": "api",
        "request": "r-1",
        "reason": "CL04",
        "tolerance": "0 CNY",
        "note": "尾差已核",
        "detail": {"tell_customer": "true"},
        "policy": {},
        "waivers": [],
        "application": VERSION,
    }


def test_its_columns_say_the_same(order: Any, closer: Any) -> None:
    decision = decide(closer, reason="CL04", note="尾差已核", channel=Channel.BULK, request_id="r-1")

    close_orders([order.pk], decision=decision)

    record = ClosingRecord.objects.get()
    assert (record.number, record.position, record.sequence, record.order) == ("CR-000001", 1, 1, order)
    assert (record.by, record.by_name, record.at) == (closer, closer.name, decision.at)
    assert (record.channel, record.request_id) == (Channel.BULK, "r-1")
    assert (record.reason, record.why) == ("CL04", "CL04 尾差已核")


def test_it_keeps_the_checklist_with_its_figures(order: Any) -> None:
    close(order)

    findings = ClosingRecord.objects.get().data["findings"]
    assert {finding["level"] for finding in findings} == {"passed"}
    by_code = {finding["code"]: finding["params"] for finding in findings}
    assert set(by_code) == {
        "orders.on_hold",
        "orders.reason_does_not_fit",
        "orders.dated_before_record",
        "orders.review_missing",
        "orders.review_stale",
        "logistics.not_shipped",
        "logistics.shipment_open",
        "logistics.return_open",
        "logistics.tracking_missing",
        "logistics.conflict_of_duty",
        "inventory.stock_not_adjusted",
        "finance.unpaid",
        "finance.overpaid",
        "finance.payment_unconfirmed",
        "finance.refund_open",
        "finance.allowance_open",
        "finance.write_off_open",
        "finance.books_disagree",
        "finance.conflict_of_duty",
    }
    assert by_code["finance.unpaid"] == {
        "number": order.number,
        "payable": "404.96 CNY",
        "captured": "404.96 CNY",
        "written_off": "0 CNY",
        "owed": "0 CNY",
    }


def test_it_keeps_the_three_reviews(order: Any) -> None:
    close(order)

    reviews = ClosingRecord.objects.get().data["evidence"]["reviews"]
    assert {block: (review["name"], review["bulk"]) for block, review in reviews.items()} == {
        "order": (actor("salesperson").name, "false"),
        "finance": (actor("accountant").name, "false"),
        "logistics": (actor("logistician").name, "false"),
    }
    assert all(len(review["digest"]) == 64 for review in reviews.values())


def test_it_keeps_every_act_of_duty_with_its_actor(order: Any) -> None:
    close(order)

    content = ClosingRecord.objects.get().data
    shipment, payment = Shipment.objects.get(), Payment.objects.get()
    done = [(act["act"], act["document"], content["people"][act["by"]]) for act in content["evidence"]["acts"]]
    assert done == [
        ("pack_shipment", shipment.number, actor("keeper").name),
        ("dispatch_shipment", shipment.number, actor("logistician").name),
        ("deliver_shipment", shipment.number, actor("logistician").name),
        ("report_payment", payment.number, actor("cashier").name),
        ("confirmed_payment", payment.number, actor("accountant").name),
    ]


def test_it_keeps_the_totals(order: Any) -> None:
    close(order)

    assert ClosingRecord.objects.get().data["evidence"]["totals"] == {
        "goods": "399.96",
        "discount": "5",
        "shipping_fee": "10",
        "tax": "45.44",
        "ordered": "404.96",
        "shipped": "404.96",
        "closed_short": "0",
        "payable": "404.96",
        "captured": "404.96",
        "refunded": "0",
        "allowed": "0",
        "owed": "0",
        "revenue": "359.52",
        "output_tax": "45.44",
        "cost": "200",
        "margin": "159.52",
        "returned": "0",
        "written_off": "0",
        "receivable": "0",
        "advance": "0",
    }


def test_it_names_every_document_voucher_and_move_with_its_digest(order: Any) -> None:
    close(order)

    evidence = ClosingRecord.objects.get().data["evidence"]
    assert {(each["type"], each["number"], each["state"]) for each in evidence["documents"]} == {
        ("shipment", Shipment.objects.get().number, "delivered"),
        ("payment", Payment.objects.get().number, "confirmed"),
    }
    assert [each["number"] for each in evidence["vouchers"]] == [
        str(voucher) for voucher in Voucher.objects.filter(order=order).order_by("number")
    ]
    assert [each["purpose"] for each in evidence["vouchers"]] == ["payment", "dispatch", "settlement"]
    assert [each["id"] for each in evidence["moves"]] == [
        str(pk) for pk in Move.objects.filter(line__order=order).order_by("pk").values_list("pk", flat=True)
    ]
    for section in ("documents", "vouchers", "moves"):
        digests = [each["sha256"] for each in evidence[section]]
        assert len(set(digests)) == len(digests)
        assert {len(digest) for digest in digests} == {64}


def test_it_keeps_the_order_itself(order: Any) -> None:
    close(order)

    kept = ClosingRecord.objects.get().data["evidence"]["order"]
    assert {name: kept[name] for name in ("number", "external_number", "customer", "terms", "total")} == {
        "number": order.number,
        "external_number": "TB-1",
        "customer": "王芳",
        "terms": "on_delivery",
        "total": "404.96 CNY",
    }
    assert [line["sku"] for line in kept["lines"]] == list(order.lines.order_by("no").values_list("sku", flat=True))


def test_phone_e_mail_and_address_are_in_it_as_salted_hashes_only(order: Any) -> None:
    close(order)

    record = ClosingRecord.objects.get()
    for personal in ("13800000000", "wang@example.com", "科技路"):
        assert personal not in record.content
    kept = record.data["evidence"]["order"]
    assert kept["phone#"] == sha256(f"{order.customer.salt}:13800000000")
    assert len({kept["phone#"], kept["email#"], kept["address#"]}) == 3


def test_its_content_is_canonical_strings_only_and_keys_in_order(order: Any) -> None:
    close(order)

    content = ClosingRecord.objects.get().content
    assert {type(leaf) for leaf in leaves(json.loads(content))} == {str}
    assert content == json.dumps(json.loads(content), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def test_each_record_is_chained_to_the_one_before(closer: Any) -> None:
    orders = OrderFactory.create_batch(3, reviewed=True)
    close(orders[0])
    close_orders([order.pk for order in orders[1:]], decision=decide(closer, reason="CL01"))

    previous = ""
    records = list(ClosingRecord.objects.order_by("position"))
    for position, record in enumerate(records, start=1):
        assert (record.position, record.data["position"]) == (position, str(position))
        assert record.previous_digest == previous
        assert record.digest == sha256(previous + record.content)
        previous = record.digest
    assert [record.order_id for record in records] == [order.pk for order in orders]


def test_the_databases_clock_stands_beside_the_moment_of_the_act(closer: Any) -> None:
    start = timezone.now()
    order = OrderFactory(reviewed=True, at=datetime(2026, 1, 5, 4, tzinfo=UTC))
    decided = datetime(2026, 1, 6, 4, tzinfo=UTC)

    close(order, closer, at=decided)

    record = ClosingRecord.objects.get()
    assert record.at == decided == Order.objects.get(pk=order.pk).closed_at
    # Within a transaction the clock of PostgreSQL stands still, and SQLite's has whole seconds.
    assert record.recorded_at > start - timedelta(minutes=5)
    assert "recorded_at" not in record.content


def test_a_refused_closing_leaves_no_gap_in_the_chain() -> None:
    first, unpaid, second = (
        OrderFactory(reviewed=True),
        OrderFactory(completed=True),
        OrderFactory(reviewed=True),
    )
    decision = decide(actor("closer"), reason="CL01")

    close_orders([first.pk, unpaid.pk], decision=decision)
    close_orders([unpaid.pk], decision=decision)
    close(second)

    assert list(ClosingRecord.objects.order_by("position").values_list("position", "order")) == [
        (1, first.pk),
        (2, second.pk),
    ]
