"""Whatever a superuser of the database changes in what a closing testified, verify_audit finds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from erp.kernel.canonical import sha256
from erp.kernel.fields import fixed
from erp.kernel.models import User
from finance.models import Payment, Voucher, VoucherLine
from inventory.models import Move
from logistics.models import Carrier, Shipment, ShipmentLine
from orders.models import ClosingRecord, Customer, Line, Order, Review, Waiver
from orders.services import proof
from tests.audit.tampering import rechain, rewrite, superuser
from tests.factories import CarrierFactory, OrderFactory, actor
from tests.orders.closings import close, waive, without_tracking

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
CODE = "logistics.tracking_missing"
MODELS = (ClosingRecord, Review, Order, Line, Payment, Voucher, VoucherLine, Move, Shipment, ShipmentLine)


@pytest.fixture(autouse=True)
def _closed(db: None) -> None:
    """Two closed orders; the second is tampered with."""
    OrderFactory.create_batch(2, closed=True, external_number="")
    actor("auditor")


def order() -> Any:
    return Order.objects.order_by("-pk")[0]


def of(model: Any, path: str = "order") -> Any:
    return model.objects.filter(**{path: order().pk})


def record(**values: Any) -> Callable[[], object]:
    return lambda: ClosingRecord.objects.filter(position=2).update(**values)


def change(model: Any, path: str = "order", **values: Any) -> Callable[[], object]:
    return lambda: of(model, path).update(**values)


def delete(model: Any, path: str = "order", **which: Any) -> Callable[[], object]:
    return lambda: of(model, path).filter(**which)._raw_delete("default")


def swap_records() -> None:
    for old, new in ((1, 9), (2, 1), (9, 2)):
        ClosingRecord.objects.filter(position=old).update(position=new)


def swap_and_rechain() -> None:
    swap_records()
    rechain()


def add_a_copy(model: Any, path: str = "order", **values: Any) -> Callable[[], object]:
    def add() -> None:
        row = of(model, path).order_by("pk")[0]
        row.pk = None
        if model is Voucher:
            row.pk = "12345678-1234-1234-1234-123456789012"
        for name, value in values.items():
            setattr(row, name, value)
        model.objects.bulk_create([row])

    return add


def cost_less() -> None:
    """A dispatch of lower value, the ledger still in balance."""
    lines = of(VoucherLine, "voucher__order").filter(account__in=["6401", "1405"])
    lines.filter(debit__gt=0).update(debit=F("debit") - fixed(1))
    lines.filter(credit__gt=0).update(credit=F("credit") - fixed(1))


def change_account() -> None:
    of(VoucherLine, "voucher__order").filter(account="6001").update(account="6301")


def review_of_other_facts() -> None:
    of(Review).filter(block="order").update(facts="{}", digest=sha256("{}"))


def never_paid() -> None:
    of(Payment)._raw_delete("default")
    of(Voucher).filter(purpose="payment")._raw_delete("default")


TAMPERINGS: dict[str, Callable[[], object]] = {
    # the record
    "content": record(content="{}"),
    "content that is no JSON": record(content="…"),
    "content that is a list": record(content="[]"),
    "content, its digest made anew": lambda: rewrite(2, reason="CL05"),
    "content of an earlier record, all digests made anew": lambda: rewrite(1, reason="CL05"),
    "content emptied, digests made anew": lambda: (record(content="{}")(), rechain()),
    "who closed, in the content": lambda: rewrite(2, by={"id": "1", "name": "系统", "roles": []}),
    "a note, in the content": lambda: rewrite(2, note="已核"),
    "digest": record(digest="0" * 64),
    "previous digest": record(previous_digest="0" * 64),
    "position": record(position=3),
    "two records changing places": swap_records,
    "two records changing places, digests made anew": swap_and_rechain,
    "sequence": record(sequence=3),
    "the order of a record": lambda: ClosingRecord.objects.filter(position=2).update(
        order=Order.objects.order_by("pk")[0], sequence=3
    ),
    "who closed": lambda: record(by=actor("auditor"))(),
    "name of who closed": record(by_name="别人"),
    "moment of closing": record(at=timezone.now() - DAY),
    "channel": record(channel="job"),
    "request": record(request_id="r-2"),
    "reason": record(reason="CL05"),
    "reason and note in words": record(why="CL01 已核"),
    "a record in between": lambda: ClosingRecord.objects.filter(position=1)._raw_delete("default"),
    "the last record": lambda: ClosingRecord.objects.filter(position=2)._raw_delete("default"),
    "every record": lambda: ClosingRecord.objects.all()._raw_delete("default"),
    # the order
    "order number": change(Order, "pk", number="SO-2000-000001"),
    "external number": change(Order, "pk", external_number="TB-9"),
    "customer": change(Order, "pk", customer_name="李雷"),
    "phone": change(Order, "pk", customer_phone="13900000000"),
    "e-mail": change(Order, "pk", customer_email="li@example.com"),
    "address": change(Order, "pk", shipping_address={"city": "深圳市"}),
    "terms": change(Order, "pk", terms="credit"),
    "currency": change(Order, "pk", currency="USD"),
    "moment of placing": change(Order, "pk", placed_at=timezone.now() - DAY),
    "total": change(Order, "pk", total=1, goods_total=1),
    "tax": change(Order, "pk", tax=1),
    "moment of closing, on the order": change(Order, "pk", closed_at=timezone.now() - DAY),
    "who closed, on the order": lambda: change(Order, "pk", closed_by=actor("auditor"))(),
    "closed no more": change(Order, "pk", status="completed", closed_at=None, closed_by=None),
    "an order": delete(Order, "pk"),
    "its customer": lambda: Customer.objects.all()._raw_delete("default"),
    "line quantity": change(Line, quantity=1),
    "line price": change(Line, unit_price=1),
    "line discount": change(Line, discount=1),
    "line tax": change(Line, tax=1),
    "line name": change(Line, name="别的"),
    "line amount": change(Line, amount=1),
    "line shipped": change(Line, shipped=1),
    "line amount shipped": change(Line, shipped_amount=1),
    "a line": delete(Line, no=2),
    "every line": delete(Line),
    "a line more": add_a_copy(Line, no=3),
    # money
    "payment amount": change(Payment, amount=1),
    "payment fee": change(Payment, fee=1),
    "payment reference": change(Payment, reference="R9"),
    "payment method": change(Payment, method="cash"),
    "payment state": change(Payment, status="rejected"),
    "payment value date": change(Payment, received_at=timezone.now() - DAY),
    "who reported a payment": lambda: change(Payment, reported_by=actor("auditor"))(),
    "who confirmed a payment": lambda: change(Payment, decided_by=actor("closer"))(),
    "when a payment was confirmed": change(Payment, decided_at=timezone.now() - DAY),
    "a payment": delete(Payment),
    "a payment and its voucher": never_paid,
    "a payment more": add_a_copy(Payment, number="PM-2000-000001", reference="R9"),
    "voucher date": change(Voucher, date=timezone.now().date() - DAY),
    "voucher number": change(Voucher, number=F("number") + 100),
    "voucher source": change(Voucher, source="X1"),
    "who posted a voucher": lambda: change(Voucher, by=actor("auditor"))(),
    "name of who posted": change(Voucher, by_name="别人"),
    "moment of posting": change(Voucher, at=timezone.now() - DAY),
    "a voucher of another order": lambda: change(Voucher, order=Order.objects.order_by("pk")[0])(),
    "voucher lines in balance": cost_less,
    "account of a voucher line": lambda: (
        of(VoucherLine, "voucher__order").filter(account="6001").update(account="6301")
    ),
    "a voucher line": delete(VoucherLine, "voucher__order", account="2221"),
    "a voucher": delete(Voucher, purpose="settlement"),
    "a voucher more": add_a_copy(Voucher, number=100, source_id="X1"),
    # stock and goods
    "move value": change(Move, "line__order", value=-1),
    "move quantity": change(Move, "line__order", quantity=-1),
    "balance of a move": change(Move, "line__order", on_hand_after=9),
    "source of a move": change(Move, "line__order", source="X1"),
    "who moved": lambda: change(Move, "line__order", by=actor("auditor"))(),
    "a move": delete(Move, "line__order"),
    "a move more": add_a_copy(Move, "line__order", source_id="X1"),
    "shipment number": change(Shipment, number="SH-2000-000001"),
    "tracking number": change(Shipment, tracking_number="T9"),
    "carrier": lambda: change(Shipment, carrier=CarrierFactory())(),
    "shipment state": change(Shipment, status="dispatched"),
    "who dispatched": lambda: change(Shipment, dispatched_by=actor("closer"))(),
    "when it was delivered": change(Shipment, delivered_at=timezone.now() - DAY),
    "a shipment": delete(Shipment),
    "a shipment more": add_a_copy(Shipment, number="SH-2000-000001"),
    "quantity shipped": change(ShipmentLine, "shipment__order", quantity=1),
    "amount shipped": change(ShipmentLine, "shipment__order", amount=F("amount") + fixed(1)),
    "cost shipped": change(ShipmentLine, "shipment__order", cost=1),
    "a shipment line": delete(ShipmentLine, "shipment__order"),
    # the final review
    "facts reviewed": change(Review, facts="{}"),
    "facts reviewed, digest made anew": review_of_other_facts,
    "digest of a review": change(Review, digest="0" * 64),
    "who reviewed": lambda: change(Review, by=actor("auditor"))(),
    "name of who reviewed": change(Review, by_name="别人"),
    "moment of a review": change(Review, at=timezone.now() + DAY),
    "a review that becomes a bulk review": change(Review, is_bulk=True),
    "block of a review": lambda: of(Review).filter(block="finance").update(block="order"),
    "a review": delete(Review, block="finance"),
    "every review": delete(Review),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_it_is_found(tampering: str) -> None:
    assert list(proof.faults()) == []

    with superuser(*MODELS):
        TAMPERINGS[tampering]()

        assert list(proof.faults()) != []

    assert list(proof.faults()) == []


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        (record(reason="CL05"), "CR-000002 column: reason: CL01 → CL05"),
        (change(Order, "pk", customer_name="李雷"), "CR-000002 evidence: order customer: 王芳 → 李雷"),
        (change(Order, "pk", customer_phone="13900000000"), "CR-000002 evidence: order phone: … → …"),
        (change(Payment, amount=1), "CR-000002 finding finance.unpaid: captured: 399.96 CNY → 1 CNY"),
        (change(Line, shipped=1), "CR-000002 finding inventory.stock_not_adjusted: shipped: 4 → 2"),
        (delete(Review), "CR-000002 evidence: reviews order: "),
        (record(position=3), "CR-000003 position: 3 → 2"),
        (record(content="…"), "CR-000002 digest: "),
        (record(content="…"), "CR-000002 content:  → JSONDecodeError"),
        (delete(Order, "pk"), "CR-000002 order: "),
        (
            lambda: ClosingRecord.objects.filter(position=2)._raw_delete("default"),
            "— order SO-2026-000002: closed → no closing record",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_told_where_with_what_was_recorded_and_what_is_found(tampering: Callable[[], object], told: str) -> None:
    year = f"{order().placed_at:%Y}"

    with superuser(*MODELS):
        tampering()
        found = [str(fault) for fault in proof.faults()]

    told = told.replace("SO-2026", f"SO-{year}")
    assert any(fault.startswith(told) for fault in found), found


def test_a_record_that_says_its_closer_confirmed_the_money_is_no_proof() -> None:
    """Even if documents and digests were all changed to fit."""
    with superuser(*MODELS):
        of(Payment).update(decided_by=actor("closer"))
        data = ClosingRecord.objects.get(position=2).data
        evidence = data["evidence"]
        for act in evidence["acts"]:
            if act["act"] == "confirmed_payment":
                act["by"] = data["by"]["id"]
        people = {**data["people"], data["by"]["id"]: data["by"]["name"]}
        rewrite(2, evidence=evidence, people=people)

        found = [str(fault) for fault in proof.faults()]

    assert any(fault.startswith("CR-000002 duty confirmed_payment") for fault in found), found


@pytest.fixture
def waiver() -> Waiver:
    """Of a third order, closed over a warning."""
    order = without_tracking()
    given: Waiver = waive(order, CODE)
    close(order)
    assert list(proof.faults()) == []
    return given


def rewrite_finding(code: str, **changes: Any) -> None:
    data = ClosingRecord.objects.get(position=3).data
    rewrite(3, findings=[{**each, **changes} if each["code"] == code else each for each in data["findings"]])


def waived_by_the_closer() -> None:
    closer = actor("closer")
    Waiver.objects.update(by=closer, by_name=closer.name)
    (said,) = ClosingRecord.objects.get(position=3).data["waivers"]
    rewrite(3, waivers=[{**said, "by": {"id": str(closer.pk), "name": closer.name}}])


WAIVER_TAMPERINGS: dict[str, tuple[Callable[[], object], str]] = {
    "a waiver": (lambda: Waiver.objects.all()._raw_delete("default"), f"waiver {CODE}: "),
    "who waived": (lambda: Waiver.objects.update(by=actor("auditor")), f"waiver {CODE}: by id: "),
    "name of who waived": (lambda: Waiver.objects.update(by_name="别人"), f"waiver {CODE}: by name: "),
    "moment of a waiver": (lambda: Waiver.objects.update(at=timezone.now() - DAY), f"waiver {CODE}: at: "),
    "a waiver given afterwards": (lambda: Waiver.objects.update(at=timezone.now() + DAY), f"waiver {CODE}: "),
    "note of a waiver": (lambda: Waiver.objects.update(why="WV01 别的"), f"waiver {CODE}: why: "),
    "figures of a waiver": (lambda: Waiver.objects.update(figures="{}"), f"waiver {CODE}: "),
    "check of a waiver": (lambda: Waiver.objects.update(code="finance.conflict_of_duty"), f"waiver {CODE}: "),
    "order of a waiver": (lambda: Waiver.objects.update(order=Order.objects.order_by("pk")[0]), f"waiver {CODE}: "),
    "figures waived, in the content": (lambda: rewrite_finding(CODE, params={}), f"waiver {CODE}: "),
    "a warning never waived": (lambda: rewrite_finding(CODE, level="warning"), f"finding {CODE}: warning → passed"),
    "waived what policy blocks": (lambda: rewrite(3, policy={CODE: "block"}), f"policy {CODE}: block → warn"),
    "waived without policy": (lambda: rewrite(3, policy={}), f"policy {CODE}: block → warn"),
    "a check waived that nobody waived": (
        lambda: rewrite_finding("finance.unpaid", level="waived"),
        "waiver finance.unpaid: ",
    ),
    "waivers taken out of the content": (lambda: rewrite(3, waivers=[]), f"waiver {CODE}: by"),
    "waived by the closer, everything made to fit": (waived_by_the_closer, f"duty waive_check: {CODE}"),
}


@pytest.mark.parametrize("tampering", WAIVER_TAMPERINGS)
def test_what_is_changed_about_a_waiver_is_found(tampering: str, waiver: Waiver) -> None:
    change, told = WAIVER_TAMPERINGS[tampering]

    with superuser(*MODELS, Waiver):
        change()
        found = [str(fault) for fault in proof.faults()]

    assert any(fault.startswith(f"CR-000003 {told}") for fault in found), found


def test_a_record_that_says_something_blocked_is_no_proof() -> None:
    with superuser(*MODELS):
        findings = ClosingRecord.objects.get(position=2).data["findings"]
        findings[0]["level"] = "blocker"
        rewrite(2, findings=findings)

        found = [str(fault) for fault in proof.faults()]

    assert found == [f"CR-000002 finding {findings[0]['code']}: blocker → passed"]


def test_who_is_deleted_leaves_what_they_did() -> None:
    with superuser(*MODELS):
        User.objects.exclude(username="system")._raw_delete("default")

        assert list(proof.faults()) == []


def test_a_carrier_renamed_is_no_tampering() -> None:
    Carrier.objects.update(name="新承运商")

    assert list(proof.faults()) == []
