"""The order page: what stops this order, whose turn it is, and every app's documents of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q, prefetch_related_objects

from erp.files import selectors as file_selectors
from erp.kernel.acting import Decision
from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.kernel.texts import in_reader_language
from erp.site import acts, checklist, timeline
from erp.site.act import Act
from finance import selectors as finance_selectors
from finance.accounts import COST_ACCOUNTS
from finance.models import PaymentState
from inventory import selectors as inventory_selectors
from inventory.models import Move
from logistics import selectors as logistics_selectors
from orders import selectors as order_selectors
from orders.contract import Batch
from orders.models import ClosingRecord, Order, Reason, Status, Waiver
from orders.services import lifecycle, reviewing

COST = "inventory.view_cost"

# What brings an order on; everything else is behind “More”.
_NEXT = frozenset({"process", "pack-order", "report-payment", "complete", "close", "resume", "reopen"})
_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """A station of the lifecycle: who brought the order there, and when."""

    label: Text
    entry: timeline.Entry | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A document with the acts its reader may do to it."""

    document: Any
    acts: Sequence[Act]
    lines: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Reserved:
    line: Any
    warehouse: str
    quantity: Any


def context(order: Order, user: User, decision: Decision) -> dict[str, Any]:
    """Everything the page shows, each part only to those who may see it; queries do not grow with lines."""
    batch = Batch([order], decision, acting=False)
    entries = timeline.of(order, user)
    (account,) = finance_selectors.order_accounts(batch)
    documents = {
        "shipments": _shipments(order, user, batch),
        "returns": _returns(order, user, batch),
        "payments": _payments(order, user),
        "refunds": _refunds(order, user),
        "allowances": _allowances(order, user, batch),
        "write_offs": _write_offs(order, user, batch),
    }
    parts = _checklist(order, user, decision, documents)
    offered = acts.offered(order, user)
    leading = _NEXT - {"report-payment"} if _is_reported(documents["payments"], account.owed) else _NEXT
    return {
        "order": order,
        "account": account,
        "acts": [act for act in offered if act.name in leading],
        "more_acts": [act for act in offered if act.name not in leading],
        "steps": _steps(order, entries),
        "checklist": parts,
        "blockers": sum(entry.finding.is_blocker for part in parts for row in part.rows for entry in row.entries),
        "lines": order_selectors.lines(batch)[order.pk] if user.has_perm("orders.view_line") else None,
        "after_sale": logistics_selectors.after_sale(batch)[order.pk].label,
        **documents,
        "vouchers": _vouchers(order, user),
        "moves": _moves(order, user),
        "reserved": _reserved(order, user, batch),
        "waiting": _waiting(order, user, batch),
        "reviews": _reviews(order, user, batch),
        "waivers": _waivers(order, user),
        "records": _records(order, user),
        "files": file_selectors.of_order(order, user),
        "timeline": entries,
        "held_reason": _name_of(order.held_reason),
        "cancel_reason": _name_of(order.cancel_reason),
        "copy_reason": _name_of(order.copy_reason),
        "copies": order_selectors.copies(order, user),
        "others": order_selectors.others_of_customer(order, user, limit=_OTHERS),
        "sees_cost": user.has_perm(COST),
    }


def _is_reported(payments: Sequence[Row] | None, owed: Decimal) -> bool:
    """What is owed has been reported and waits to be confirmed: nobody is led to report it twice."""
    reported = [row.document.amount for row in payments or () if row.document.status == PaymentState.REPORTED]
    return bool(reported) and sum(reported) >= owed


def _steps(order: Order, entries: Iterable[timeline.Entry]) -> list[Step]:
    """Newest entries come first: the last time an order came to a status counts, unless it was reopened since."""
    reached: dict[str, timeline.Entry] = {}
    for entry in entries:
        if entry.document == order.number and entry.status:
            reached.setdefault(entry.status, entry)
    if order.status != Status.CLOSED:
        reached.pop(Status.CLOSED, None)
    is_cancelled = order.status == Status.CANCELLED
    shown = [status for status in Status if status in reached or (status != Status.CANCELLED and not is_cancelled)]
    return [Step(status.label, reached.get(status), status == order.status) for status in shown]


def _name_of(code: str) -> str:
    """What a reason is called."""
    reason = Reason.objects.filter(code=code).first() if code else None
    return in_reader_language(reason.name, reason.name_en) if reason else ""


def _checklist(
    order: Order, user: User, decision: Decision, documents: Mapping[str, Sequence[Row] | None]
) -> list[checklist.Part]:
    if order.is_final:
        return []
    findings = lifecycle.preview("close", [order.pk], decision)[order.pk].findings
    read = [row.document for rows in documents.values() for row in rows or ()]
    return checklist.of(
        findings, order, user, {(document._meta.label_lower, str(document.pk)): document for document in read}
    )


def _shipments(order: Order, user: User, batch: Batch) -> list[Row] | None:
    if not user.has_perm("logistics.view_shipment"):
        return None
    shipments = (
        logistics_selectors.shipments(user)
        .filter(order=order)
        .select_related("warehouse", "method", "carrier", "dispatched_by")
        .order_by("pk")
    )
    loaded = {shipment.pk: shipment.loaded for shipment in logistics_selectors.shipments_of(batch).get(order.pk, ())}
    return [_row(shipment, order, user, loaded.get(shipment.pk, ())) for shipment in shipments]


@dataclass(frozen=True, slots=True)
class ReturnRow(Row):
    """A return, and whether everything that follows from it is done."""

    is_settled: bool = False


def _returns(order: Order, user: User, batch: Batch) -> list[ReturnRow] | None:
    if not user.has_perm("logistics.view_return"):
        return None
    people = ("shipment", "requested_by", "approved_by", "received_by")
    returns = logistics_selectors.returns(user).filter(order=order).select_related(*people).order_by("pk")
    brought = {each.pk: each.brought for each in logistics_selectors.returns_of(batch).get(order.pk, ())}
    refunds = finance_selectors.refunds_of(batch).get(order.pk, ())
    rows = []
    for each in returns:
        each.order = order
        is_settled = logistics_selectors.is_settled(each, refunds)
        rows.append(ReturnRow(each, acts.offered(each, user), brought.get(each.pk, ()), is_settled))
    return rows


def _payments(order: Order, user: User) -> list[Row] | None:
    if not user.has_perm("finance.view_payment"):
        return None
    payments = finance_selectors.payments(user).filter(order=order)
    return [
        _row(payment, order, user) for payment in payments.select_related("reported_by", "decided_by").order_by("pk")
    ]


def _refunds(order: Order, user: User) -> list[Row] | None:
    if not user.has_perm("finance.view_refund"):
        return None
    refunds = finance_selectors.refunds(user).filter(order=order)
    people = ("payment", "requested_by", "approved_by", "paid_by")
    return [_row(refund, order, user) for refund in refunds.select_related(*people).order_by("pk")]


def _allowances(order: Order, user: User, batch: Batch) -> list[Row] | None:
    if not user.has_perm("finance.view_allowance"):
        return None
    return _proposals(finance_selectors.allowances_of(batch).get(order.pk, []), order, user, "line")


def _write_offs(order: Order, user: User, batch: Batch) -> list[Row] | None:
    if not user.has_perm("finance.view_writeoff"):
        return None
    return _proposals(finance_selectors.write_offs_of(batch).get(order.pk, []), order, user)


def _proposals(documents: Sequence[Any], order: Order, user: User, *beside: str) -> list[Row]:
    """What the account was read from already: no query for orders without any."""
    prefetch_related_objects(documents, "requested_by", "approved_by", "rejected_by", *beside)
    return [_row(document, order, user) for document in documents]


def _row(document: Any, order: Order, user: User, lines: Sequence[Any] = ()) -> Row:
    document.order = order
    return Row(document, acts.offered(document, user), lines)


def _vouchers(order: Order, user: User) -> Mapping[Any, list[Any]] | None:
    """Lines by voucher; those that tell what goods cost only to those who may see cost."""
    if not user.has_perm("finance.view_voucher"):
        return None
    vouchers = finance_selectors.vouchers(user).filter(order=order).prefetch_related("lines__account")
    sees_cost = user.has_perm(COST)
    return {
        voucher: [line for line in voucher.lines.all() if sees_cost or line.account_id not in COST_ACCOUNTS]
        for voucher in vouchers.order_by("date", "number")
    }


def _moves(order: Order, user: User) -> list[Any] | None:
    if not user.has_perm("inventory.view_move"):
        return None
    moves: Any = Move.objects.visible_to(user)
    return list(moves.filter(line__order=order).select_related("warehouse", "line").order_by("pk"))


def _reserved(order: Order, user: User, batch: Batch) -> list[Reserved] | None:
    if not user.has_perm("inventory.view_reservation"):
        return None
    lines = {line.pk: line for line in order_selectors.lines(batch)[order.pk]}
    warehouses = dict(inventory_selectors.warehouses(user).values_list("pk", "name"))
    still_open = inventory_selectors.open_reservations(Q(order=order, warehouse__in=warehouses))
    return [
        Reserved(lines[line_id], warehouses[warehouse_id], quantity)
        for line_id, by_warehouse in still_open.items()
        for warehouse_id, quantity in by_warehouse.items()
    ]


def _waiting(order: Order, user: User, batch: Batch) -> list[tuple[Any, Any]] | None:
    if not user.has_perm("inventory.view_reservation"):
        return None
    return inventory_selectors.lacking(batch)[order.pk]


def _reviews(order: Order, user: User, batch: Batch) -> list[tuple[Text, Any]] | None:
    if not user.has_perm("orders.view_review"):
        return None
    newest = order_selectors.newest_reviews(batch)
    return [
        (block.label, newest[order.pk, block.name]) for block in reviewing.blocks() if (order.pk, block.name) in newest
    ]


def _waivers(order: Order, user: User) -> list[Waiver] | None:
    if not user.has_perm("orders.view_waiver"):
        return None
    return list(Waiver.objects.filter(order=order).order_by("pk"))


def _records(order: Order, user: User) -> list[ClosingRecord] | None:
    if not user.has_perm("orders.view_closingrecord"):
        return None
    return list(ClosingRecord.objects.filter(order=order).order_by("sequence"))
