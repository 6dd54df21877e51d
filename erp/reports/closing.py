"""关闭订单报表 and 关闭原因分析: which orders ended, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce, TruncMonth
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.errors import Text
from erp.kernel.money import ZERO
from erp.reports.filters import CustomerField, InBook, InPeriod, InShop, grouped_by
from erp.reports.report import Asked, Chart, Column, Kind, Link, Report, Row, amount, count
from erp.reports.selectors import products
from erp.reports.selectors.books import customers, in_scope
from inventory.models import Reservation, Warehouse
from logistics.models import Shipment
from orders.models import Act, ClosingRecord, LineClosing, Order, Reason, Shop, Status
from orders.selectors import company_day


class ClosedFilters(InShop, InBook, InPeriod):
    customer = CustomerField(required=False)
    reason = forms.ChoiceField(label=_("Reason"), required=False)

    field_order = ("since", "until", "shop", "currency", "customer", "reason")

    def prepare(self) -> None:
        super().prepare()
        field = self.fields["reason"]
        assert isinstance(field, forms.ChoiceField)
        reasons = (each for each in Reason.objects.order_by("code") if Act.CLOSE in each.acts)
        field.choices = [("", pgettext_lazy("report", "All")), *((each.code, str(each)) for each in reasons)]


def _closed_columns(asked: Asked) -> Sequence[Column]:
    return [
        Column(_("Order"), Kind.LINK),
        Column(_("Customer")),
        Column(_("Shop")),
        Column(_("Placed"), Kind.DATE),
        Column(pgettext_lazy("order", "Closed"), Kind.MOMENT),
        count(_("Days from order to closing"), adds_up=False),
        Column(_("Closed by")),
        Column(_("Reason")),
        Column(_("Closing record"), Kind.LINK),
        amount(_("Total")),
        amount(_("Payable")),
        amount(pgettext_lazy("amount", "Received")),
        amount(pgettext_lazy("amount", "Refunded")),
        amount(_("Written off")),
        Column(_("Since then")),
    ]


def _closed(asked: Asked) -> Iterator[Row]:
    names = {reason.code: str(reason) for reason in Reason.objects.all()}
    columns = (
        *("pk", "position", "sequence", "at", "by_name", "reason", "order_id", "order__cycle"),
        *("order__number", "order__customer_name", "order__shop__name", "order__placed_at"),
    )
    amounts = [f"order__{name}" for name in ("total", "payable", "received", "refunded", "written_off")]
    rows = _closings(asked)
    if asked.get("customer"):
        rows = rows.filter(order__customer=asked.get("customer"))
    if asked.get("reason"):
        rows = rows.filter(reason=asked.get("reason"))
    for values in rows.order_by("at", "pk").values_list(*columns, *amounts).iterator(chunk_size=2000):
        record, position, sequence, at, closer, reason, pk, cycle, number, customer, shop, placed_at, *money = values
        placed = company_day(placed_at)
        head = Link(number, Order, pk), customer, shop, placed, at, (company_day(at) - placed).days
        proof = Link(ClosingRecord.from_db(None, ["position"], [position]).number, ClosingRecord, record)
        # The next cycle began by reopening.
        undone = _now("Reopened") if cycle > (sequence + 1) // 2 else None
        yield *head, closer, names.get(reason, reason), proof, *money, undone


def _closings(asked: Asked) -> Any:
    since, until = asked.moments
    rows = ClosingRecord.objects.filter(act=Act.CLOSE, at__gte=since, at__lt=until, order__currency=asked.currency)
    return in_scope(rows, asked)


CLOSED = Report(
    name="closed-orders",
    title=_("Closed orders"),
    icon="verified",
    permissions=["reports.view_closed_orders"],
    reads=_(
        "By the day of closing, from the closing records (order statistics, not of the ledger). Amounts are those of "
        "the order now; a closing that was undone is marked."
    ),
    form=ClosedFilters,
    columns=_closed_columns,
    rows=_closed,
)

_BY: Mapping[str, Text] = {
    "reason": _("Reason"),
    "product": _("Product"),
    "customer": _("Customer"),
    "clerk": pgettext_lazy("report", "Clerk"),
    "shop": _("Shop"),
    "warehouse": _("Warehouse"),
    "month": pgettext_lazy("report", "Month"),
}


class ReasonFilters(InShop, InBook, InPeriod):
    by = grouped_by(*_BY.items())

    field_order = ("since", "until", "by", "shop", "currency")


@dataclass(slots=True)
class _Ended:
    """Counts of documents, and amounts in the currency asked for."""

    closed: int = 0
    cancelled: int = 0
    cancelled_amount: Decimal = ZERO
    short: int = 0
    short_amount: Decimal = ZERO
    lost: Decimal = ZERO


def _reason_columns(asked: Asked) -> Sequence[Column]:
    by = asked.filters["by"]
    # An order of several products would be counted with each of them.
    adds_up = by != "product"
    return [
        Column(_BY[by], Kind.LINK if by == "customer" else Kind.TEXT),
        *([Column(_("Lost sale"))] if by == "reason" else []),
        count(_("Orders closed"), adds_up=adds_up),
        count(_("Orders cancelled"), adds_up=adds_up),
        amount(_("Amount cancelled")),
        count(_("Lines closed short")),
        amount(_("Amount closed short")),
        amount(_("Of these, lost sales")),
    ]


def _reasons(asked: Asked) -> Iterator[Row]:
    by = asked.filters["by"]
    reasons = {reason.code: reason for reason in Reason.objects.all()}
    ended = _ended(asked, {code for code, reason in reasons.items() if reason.lost_sale})
    names = _names(by, ended, asked, reasons)
    order = (lambda row: str(row[0])) if by == "month" else (lambda row: (-row[1].lost, -_all(row[1]), str(row[0])))
    for key, row in sorted(ended.items(), key=order):
        flag = [(_now("Yes") if key in reasons and reasons[key].lost_sale else "")] if by == "reason" else []
        counts = row.closed, row.cancelled, row.cancelled_amount, row.short, row.short_amount
        yield names.get(key, "—"), *flag, *counts, row.lost


def _all(row: _Ended) -> int:
    return row.closed + row.cancelled + row.short


def _ended(asked: Asked, lost: set[str]) -> Mapping[Any, _Ended]:
    """By what was asked for, in three queries."""
    by = asked.filters["by"]
    result: dict[Any, _Ended] = defaultdict(_Ended)
    for key, _reason, number in _grouped(_still_closed(asked), by, "order__", n=Count("pk", distinct=True)):
        result[key].closed += number
    value = Sum("lines__amount") if by == "product" else Sum("total")
    for key, reason, number, total in _grouped(_cancelled(asked), by, "", n=Count("pk", distinct=True), value=value):
        row = result[key]
        row.cancelled += number
        row.cancelled_amount += total or ZERO
        row.lost += (total or ZERO) if reason in lost else ZERO
    for key, reason, number, total in _grouped(_short(asked), by, "order__", n=Count("pk"), value=Sum("amount")):
        row = result[key]
        row.short += number
        row.short_amount += total
        row.lost += total if reason in lost else ZERO
    return result


def _grouped(rows: Any, by: str, order: str, **sums: Any) -> Iterator[tuple[Any, ...]]:
    """By key and reason. :param order: the path to the order."""
    cancelled = rows.model is Order
    reason = "cancel_reason" if cancelled else "reason"
    keys: Mapping[str, Any] = {
        "reason": F(reason),
        "product": F("line__product_id") if rows.model is LineClosing else F(f"{order}lines__product_id"),
        "customer": F(f"{order}customer_id"),
        "clerk": F("cancelled_by__name" if cancelled else "by__name"),
        "shop": F(f"{order}shop_id"),
        "warehouse": _warehouse("pk" if cancelled else "order_id"),
        "month": TruncMonth("cancelled_at" if cancelled else "at", tzinfo=ZoneInfo(settings.COMPANY_TIME_ZONE)),
    }
    grouped = rows.order_by().annotate(key=keys[by]).values_list("key", reason)
    return iter(grouped.annotate(**sums))


def _warehouse(order: str) -> Any:
    """Where an order's goods left first or, when none did, were reserved first."""
    left = Shipment.objects.filter(order=OuterRef(order), warehouse__isnull=False).order_by("pk")
    reserved = Reservation.objects.filter(order=OuterRef(order)).order_by("pk")
    return Coalesce(Subquery(left.values("warehouse_id")[:1]), Subquery(reserved.values("warehouse_id")[:1]))


def _still_closed(asked: Asked) -> Any:
    """Closings that were not undone by reopening: those of the order's present cycle."""
    return _closings(asked).filter(sequence=F("order__cycle") * 2 - 1)


def _cancelled(asked: Asked) -> Any:
    since, until = asked.moments
    rows = Order.objects.filter(
        status=Status.CANCELLED, cancelled_at__gte=since, cancelled_at__lt=until, currency=asked.currency
    )
    return in_scope(rows, asked, "shop")


def _short(asked: Asked) -> Any:
    since, until = asked.moments
    return in_scope(LineClosing.objects.filter(at__gte=since, at__lt=until, order__currency=asked.currency), asked)


def _names(by: str, keys: Any, asked: Asked, reasons: Mapping[str, Reason]) -> Mapping[Any, Any]:
    match by:
        case "reason":
            return {code: str(reasons.get(code, code)) for code in keys}
        case "product":
            return products.names(keys)
        case "customer":
            return customers(keys, asked)
        case "shop":
            return dict(Shop.objects.filter(pk__in=list(keys)).values_list("pk", "name"))
        case "warehouse":
            return dict(Warehouse.objects.visible_to(asked.user).values_list("pk", "name"))
        case "month":
            return {key: f"{key:%Y-%m}" for key in keys}
    return {key: key for key in keys}


REASONS = Report(
    name="closing-reasons",
    title=_("Closing-reason analysis"),
    icon="label",
    permissions=["reports.view_closing_reasons"],
    reads=_(
        "By the day orders were closed or cancelled and lines closed short, from these documents (order statistics, "
        "not of the ledger). Closings that were undone are left out; a reason says whether it counts as a lost sale."
    ),
    form=ReasonFilters,
    columns=_reason_columns,
    rows=_reasons,
    chart=lambda asked: Chart("bar", 0, (7 if asked.filters["by"] == "reason" else 6,), 15),
)
