"""Whatever is changed about a reopening, or about a closing before or after it, verify_audit finds."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from erp.kernel.canonical import sha256
from finance.models import Payment, Voucher, VoucherLine
from finance.services.payments import PaymentDraft, reject_payment, report_payment
from orders.models import ClosingRecord, Order, Review
from orders.services import proof
from tests.audit.tampering import rechain, rewrite, superuser
from tests.factories import OrderFactory, actor, decide
from tests.finance.refunding import REJECTED
from tests.orders.reopenings import another, close_again, reopen

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
History = Order.history.model
MODELS = (ClosingRecord, Review, Order, History, Payment, Voucher, VoucherLine)


@pytest.fixture(autouse=True)
def _reopened(db: None) -> None:
    """CR-000001 closes, CR-000002 reopens with a payment reported meanwhile, CR-000003 closes an order again."""
    order = OrderFactory(closed=True)
    late = report_payment(PaymentDraft(order.pk, "bank", "R9", Decimal(9)), decision=decide(actor("cashier")))
    reopen(order)
    reject_payment(late.pk, decision=decide(actor("accountant"), **REJECTED))
    close_again(order, another())
    actor("auditor")
    assert list(proof.faults()) == []


def record(position: int, **values: Any) -> Callable[[], object]:
    return lambda: ClosingRecord.objects.filter(position=position).update(**values)


def order(**values: Any) -> Callable[[], object]:
    return lambda: Order.objects.update(**values)


def voucher(purpose: str, **values: Any) -> Callable[[], object]:
    return lambda: Voucher.objects.filter(purpose=purpose).update(**values)


def history(cycle: int, status: str, **values: Any) -> Callable[[], object]:
    """Of every row of a cycle with a status."""
    return lambda: History.objects.filter(cycle=cycle, status=status).update(**values)


def reviews(cycle: int) -> Any:
    return Review.objects.filter(cycle=cycle)


def rewritten(position: int, **changes: Any) -> Callable[[], object]:
    return lambda: rewrite(position, **changes)


def swap(one: int, other: int) -> None:
    for old, new in ((one, 9), (other, one), (9, other)):
        ClosingRecord.objects.filter(position=old).update(position=new)
    rechain()


def reopened_by_its_closer() -> None:
    """Everything is made to fit."""
    closer = actor("closer")
    ClosingRecord.objects.filter(position=2).update(by=closer, by_name=closer.name)
    rewrite(2, by={"id": str(closer.pk), "name": closer.name, "roles": ["系统管理员"]})
    Voucher.objects.filter(purpose="reversal").update(by=closer, by_name=closer.name)
    History.objects.filter(cycle=2).update(history_user=closer)


def nothing_reversed() -> None:
    lines = VoucherLine.objects.filter(voucher__purpose="reversal")
    lines._raw_delete("default")
    Voucher.objects.filter(purpose="reversal")._raw_delete("default")


TAMPERINGS: dict[str, tuple[Callable[[], object], str]] = {
    # the record of the reopening
    "content": (record(2, content="{}"), "CR-000002 digest"),
    "act": (record(2, act="close"), "CR-000002 column: act: reopen → close"),
    "reason": (record(2, reason="RO02"), "CR-000002 column: reason: RO01 → RO02"),
    "why": (record(2, why="RO01"), "CR-000002 column: why"),
    "who": (lambda: record(2, by=actor("auditor"))(), "CR-000002 column: by id"),
    "moment": (record(2, at=timezone.now() + DAY), "CR-000002 column: at"),
    "sequence": (record(2, sequence=4), "CR-000002 column: sequence: 2 → 4"),
    "made a closing, rechained": (rewritten(2, act="close"), "CR-000002 column: act: close → reopen"),
    "who, rechained": (rewritten(2, by={"id": "1", "name": "系统", "roles": []}), "CR-000002 column: by id: 1"),
    "moment, rechained": (rewritten(2, at="2020-01-01T00:00:00.000000+00:00"), "CR-000002 column: at"),
    "what it answers": (
        lambda: rewrite(2, answers={"position": "1", "digest": "0" * 64}),
        "CR-000002 answers: digest",
    ),
    "another closing answered": (
        lambda: rewrite(2, answers={"position": "3", "digest": ClosingRecord.objects.get(position=1).digest}),
        "CR-000002 answers: position: 3 → 1",
    ),
    "answers nothing": (lambda: rewrite(2, answers=""), "CR-000002 answers"),
    "nothing reversed, it says": (
        lambda: rewrite(2, evidence={"documents": [], "vouchers": []}),
        "CR-000002 evidence: documents 1",
    ),
    "found something": (
        lambda: rewrite(2, findings=[{"code": "orders.own_closing", "level": "blocker", "params": {}}]),
        "CR-000002 finding orders.own_closing: blocker → passed",
    ),
    "without findings": (lambda: rewrite(2, findings=None), "CR-000002 content"),
    "reopened by its closer, everything made to fit": (reopened_by_its_closer, "CR-000002 duty reopen: CR-000001"),
    "swapped with the closing before": (lambda: swap(1, 2), "CR-000001 column: position"),
    # what it was made of
    "the reversal": (nothing_reversed, "CR-000002 evidence: vouchers 2"),
    "moment of the reversal": (voucher("reversal", at=timezone.now() + DAY), "CR-000002 evidence: vouchers 2"),
    "source of the reversal": (voucher("reversal", source_id="X1"), "CR-000002 evidence: vouchers 2"),
    "who reversed": (lambda: voucher("reversal", by=actor("auditor"))(), "CR-000002 evidence: vouchers 2 sha256"),
    "amount reversed": (
        lambda: VoucherLine.objects.filter(voucher__purpose="reversal", debit__gt=0).update(debit=1),
        "CR-000002 evidence: vouchers 2 sha256",
    ),
    "settlement reversed": (
        lambda: Voucher.objects.filter(purpose="settlement").order_by("number").update(source="X1"),
        "CR-000002 evidence: vouchers 1 sha256",
    ),
    "payment reported meanwhile": (
        lambda: Payment.objects.filter(reference="R9").update(amount=8),
        "CR-000002 evidence: documents 1 sha256",
    ),
    # the order and its history
    "cycle": (order(cycle=1), "CR-000003 column: cycle: 2 → 1"),
    "moment of the reopening, on the order": (
        order(reopened_at=timezone.now() - DAY),
        "CR-000003 column: reopened at",
    ),
    "who closed it again, on the order": (
        lambda: order(closed_by=actor("auditor"))(),
        "CR-000003 column: closed by",
    ),
    "history of the first closing": (
        lambda: History.objects.filter(cycle=1, status="closed")._raw_delete("default"),
        "CR-000001 history: ",
    ),
    "who closed it first, in history": (
        lambda: history(1, "closed", closed_by_id=actor("auditor").pk)(),
        "CR-000001 history: closed by",
    ),
    "moment of the first closing, in history": (
        history(1, "closed", closed_at=timezone.now() - DAY),
        "CR-000001 history: closed at",
    ),
    "history of the reopening": (
        lambda: History.objects.filter(cycle=2)._raw_delete("default"),
        "CR-000002 history: ",
    ),
    "who reopened it, in history": (
        lambda: history(2, "completed", history_user=actor("auditor"))(),
        "CR-000002 history: by",
    ),
    "moment of the reopening, in history": (
        history(2, "completed", reopened_at=timezone.now() - DAY),
        "CR-000002 history: reopened at",
    ),
    # closings before and after
    "a first review": (lambda: reviews(1).filter(block="order")._raw_delete("default"), "CR-000001 evidence: reviews"),
    "a review again": (lambda: reviews(2).filter(block="order")._raw_delete("default"), "CR-000003 evidence: reviews"),
    "the cycle of a review": (lambda: reviews(2).filter(block="order").update(cycle=1), "CR-000003 evidence: reviews"),
    "a first review made later": (lambda: reviews(1).update(at=timezone.now() + DAY), "CR-000001 evidence: reviews"),
    "facts of a first review": (
        lambda: reviews(1).filter(block="order").update(facts="{}", digest=sha256("{}")),
        "CR-000001 evidence: reviews order digest",
    ),
    "the first settlement": (
        lambda: VoucherLine.objects.filter(voucher__purpose="settlement").update(debit=F("credit"), credit=F("debit")),
        "CR-000001 evidence: vouchers 3 sha256",
    ),
    "closing again, undone": (
        order(status="completed", closed_at=None, closed_by=None),
        "CR-000003 column: closed at",
    ),
    "the records of the reopening and after it": (
        lambda: ClosingRecord.objects.filter(position__gt=1)._raw_delete("default"),
        "CR-000001 column: cycle: 1 → 2",
    ),
    "the record of closing again": (
        lambda: ClosingRecord.objects.filter(position=3)._raw_delete("default"),
        "CR-000002 column: closed at",
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_it_is_found_and_told(tampering: str) -> None:
    change, told = TAMPERINGS[tampering]

    with superuser(*MODELS):
        change()
        found = [str(fault) for fault in proof.faults()]

    assert any(fault.startswith(told) for fault in found), found
    assert list(proof.faults()) == []
