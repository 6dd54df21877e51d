"""Reading shipments. Everything a person or key asks for is filtered by their scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import models
from django.db.models import F, Q, Sum
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.money import ZERO
from erp.kernel.reading import with_lines
from finance import selectors as finance_selectors
from finance.models import Ground, Refund
from logistics.models import IN_HOUSE, Return, ReturnStatus, Shipment, ShipmentLine, ShipmentStatus
from orders.models import Line, Order
from orders.models.order import LineKind

if TYPE_CHECKING:
    from erp.kernel.models import User
    from orders.contract import Batch


def shipments(user: User) -> Any:
    return Shipment.objects.visible_to(user)


def returns(user: User) -> Any:
    return Return.objects.visible_to(user)


def called(number: str, user: User) -> list[Shipment]:
    """Shipments with this number, or of the order with this number or shop's number, the oldest first."""
    upper = number.upper()
    named = Q(number=upper) | Q(order__number=upper) | Q(order__external_number=number)
    rows = Shipment.objects.visible_to(user).filter(named).order_by("pk")
    return list(rows.select_related("order", "warehouse", "method", "carrier"))


class Loaded(NamedTuple):
    """A shipment's line, with what it is of; amounts are what dispatching recognised."""

    pk: int
    line_id: int
    line_no: int
    sku: str
    kind: str
    quantity: Decimal
    amount: Decimal
    tax: Decimal
    cost: Decimal

    @property
    def is_stocked(self) -> bool:
        return self.kind == LineKind.STOCKED


def shipments_of(batch: Batch) -> Mapping[int, list[Any]]:
    """Shipments by order, as :func:`loaded` reads them: one query."""
    if "logistics.shipments" not in batch.memo:
        shipments: dict[int, list[Any]] = defaultdict(list)
        for shipment in loaded(Shipment.objects.filter(order_id__in=batch.ids)):
            shipments[shipment.order_id].append(shipment)
        batch.memo["logistics.shipments"] = shipments
    by_order: Mapping[int, list[Any]] = batch.memo["logistics.shipments"]
    return by_order


def loaded(shipments: Any) -> Iterator[Any]:
    """
    Shipments by primary key, each with its lines as ``loaded``, by the numbers of the order's lines, and with
    ``method_code``, ``needs_tracking`` and ``carrier_code``: one query.
    """
    annotated = {
        "method_code": F("method__code"),
        "needs_tracking": F("method__needs_tracking"),
        "carrier_code": F("carrier__code"),
    }
    columns = ["pk", "line_id", "line__no", "line__sku", "line__kind", "quantity", "amount", "tax", "cost"]
    for shipment, rows in with_lines(
        shipments.annotate(**annotated).order_by("pk"),
        "lines__pk",
        [f"lines__{column}" for column in columns],
        annotated=list(annotated),
    ):
        shipment.loaded = sorted((Loaded(*row) for row in rows), key=lambda row: (row.line_no or 0, row.pk))
        yield shipment


def left_to_ship(order: Order) -> list[tuple[Line, Decimal]]:
    """What of each line is neither shipped, closed short nor on a shipment, by the lines' numbers."""
    promised: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for (line_id, _warehouse_id), quantity in in_house([order.pk]).items():
        promised[line_id] += quantity
    lines = ((line, line.open_quantity - promised[line.pk]) for line in order.lines.order_by("no"))
    return [(line, quantity) for line, quantity in lines if quantity > 0]


def is_packed(order: Order) -> bool:
    """Whether something of it was packed, and not taken back."""
    return (
        Shipment.objects.filter(order=order)
        .exclude(status__in=[ShipmentStatus.DRAFT, ShipmentStatus.CANCELLED])
        .exists()
    )


class Inspected(NamedTuple):
    """How much of a return line becomes what; ``cost`` is its part of what the goods cost."""

    disposition: str
    warehouse_id: int | None
    quantity: Decimal
    cost: Decimal
    by_id: int
    by_name: str
    at: datetime


class Returned(NamedTuple):
    """A line of a return, with what it is of and, once received, what was found; amounts in the order's currency."""

    pk: int
    shipment_line_id: int
    shipment_id: int
    line_id: int
    line_no: int
    sku: str
    quantity: Decimal
    share: Decimal | None
    credit: Decimal | None
    inspected: list[Inspected]


def returns_of(batch: Batch) -> Mapping[int, list[Any]]:
    """
    Returns by order, each with its lines as ``brought``, by number, as they stood if that is asked for: one query.
    """
    if "logistics.returns" not in batch.memo:
        by_order: dict[int, list[Any]] = defaultdict(list)
        for each in _brought(Return.objects.filter(order_id__in=batch.ids).order_by("pk")):
            if not batch.as_of:
                by_order[each.order_id].append(each)
            elif each.requested_at <= batch.as_of[each.order_id]:
                by_order[each.order_id].append(_as_it_stood(each, batch.as_of[each.order_id]))
        batch.memo["logistics.returns"] = by_order
    result: Mapping[int, list[Any]] = batch.memo["logistics.returns"]
    return result


def _as_it_stood(each: Any, moment: datetime) -> Any:
    """A copy, never to be saved, of a return as it stood at a moment since it was requested."""
    values = {field.attname: getattr(each, field.attname) for field in each._meta.concrete_fields}
    brought = each.brought
    if each.rejected_at and each.rejected_at > moment:
        values |= {"status": _open_state(values), "rejected_by_id": None, "rejected_at": None}
    if each.received_at and each.received_at > moment:
        values |= {"status": ReturnStatus.APPROVED, "received_by_id": None, "received_at": None}
        brought = [row._replace(share=None, credit=None, inspected=[]) for row in brought]
    if each.approved_at and each.approved_at > moment:
        values |= {"status": ReturnStatus.REQUESTED, "approved_by_id": None, "approved_at": None}
    then = Return(**values)
    then.brought = brought  # type: ignore[attr-defined]
    return then


def _open_state(values: Mapping[str, Any]) -> ReturnStatus:
    return ReturnStatus.APPROVED if values["approved_at"] else ReturnStatus.REQUESTED


_LINE = (
    *("pk", "shipment_line_id", "shipment_line__shipment_id", "shipment_line__line_id", "shipment_line__line__no"),
    *("shipment_line__line__sku", "quantity", "share", "credit"),
)
_FOUND = ("disposition", "warehouse_id", "quantity", "cost", "by_id", "by_name", "at")


def _brought(returns: Any) -> Iterator[Any]:
    columns = [f"lines__{column}" for column in _LINE] + [f"lines__inspections__{column}" for column in _FOUND]
    for each, rows in with_lines(returns, "lines__pk", columns):
        lines: dict[int, Returned] = {}
        for row in rows:
            line = lines.setdefault(row[0], Returned._make([*row[: len(_LINE)], []]))
            if row[len(_LINE)] is not None:
                line.inspected.append(Inspected(*row[len(_LINE) :]))
        for line in lines.values():
            line.inspected.sort()
        each.brought = sorted(lines.values(), key=lambda line: (line.line_no, line.pk))
        yield each


class AfterSale(models.TextChoices):
    """Whether something of an order comes back, and the money for it."""

    NONE = "none", _("Nothing")
    OPEN = "open", pgettext_lazy("after-sale", "In process")
    DONE = "done", pgettext_lazy("after-sale", "Done")


def after_sale(batch: Batch) -> Mapping[int, AfterSale]:
    """By order: derived from its returns and from the refunds given for returns and allowances."""
    returns, refunds = returns_of(batch), finance_selectors.refunds_of(batch)
    allowances = finance_selectors.allowances_of(batch)
    result = {}
    for order_id in batch.ids:
        given = [refund for refund in refunds.get(order_id, ()) if refund.ground in (Ground.RETURN, Ground.ALLOWANCE)]
        documents = [*returns.get(order_id, ()), *allowances.get(order_id, ()), *given]
        is_open = any(document.is_open for document in documents)
        result[order_id] = AfterSale.OPEN if is_open else AfterSale.DONE if documents else AfterSale.NONE
    return result


def is_settled(goods_return: Return, refunds: Iterable[Refund]) -> bool:
    """
    Received, and no refund that it raised is open.

    :param refunds: those of its order. A refund does not say which return it is for: any for goods may be this one's.
    """
    is_open = any(refund.is_open for refund in refunds if refund.ground == Ground.RETURN)
    return goods_return.status == ReturnStatus.RECEIVED and not is_open


def in_house(order_ids: Iterable[int]) -> Mapping[tuple[int, int | None], Decimal]:
    """Quantities on draft and packed shipments, by line and warehouse."""
    rows = (
        ShipmentLine.objects.filter(shipment__order_id__in=list(order_ids), shipment__status__in=sorted(IN_HOUSE))
        .values_list("line_id", "shipment__warehouse_id")
        .annotate(total=Sum("quantity"))
        .order_by("line_id")
    )
    result: dict[tuple[int, int | None], Decimal] = defaultdict(lambda: ZERO)
    for line_id, warehouse_id, quantity in rows:
        result[line_id, warehouse_id] += quantity
    return result
