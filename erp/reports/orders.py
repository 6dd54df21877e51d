"""销售订单执行情况 and 未关闭超期清单: how far orders have come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import F
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.errors import Text
from erp.reports.filters import CustomerField, InBook, InPeriod, InShop, grouped_by
from erp.reports.report import Asked, Column, Kind, Link, Report, Row, amount, count, quantity, start_of
from erp.reports.selectors.books import in_scope
from orders.models import OPEN, Line, Order, PaymentStatus, ShippingStatus, Status, Unit
from orders.selectors import company_day

_ANY: tuple[str, Text] = ("", pgettext_lazy("report", "All"))


class ExecutionFilters(InShop, InBook, InPeriod):
    customer = CustomerField(required=False)
    status = forms.ChoiceField(label=_("Status"), required=False, choices=[_ANY, *Status.choices])
    unshipped = forms.BooleanField(label=_("With something left to ship only"), required=False)

    field_order = ("since", "until", "shop", "currency", "customer", "status", "unshipped")


def _execution_columns(asked: Asked) -> Sequence[Column]:
    return [
        Column(_("Order"), Kind.LINK),
        Column(_("Placed"), Kind.DATE),
        Column(_("Customer")),
        Column(_("Shop")),
        Column(_("Status")),
        Column(_("Payment")),
        Column(_("Product")),
        Column(_("Unit")),
        quantity(_("Ordered")),
        quantity(_("Shipped")),
        quantity(_("Left to ship")),
        quantity(_("Closed short")),
        quantity(_("Returned")),
        amount(_("Amount ordered")),
        amount(_("Amount shipped")),
    ]


def _execution(asked: Asked) -> Iterator[Row]:
    columns = (
        *("order_id", "order__number", "order__placed_at", "order__customer_name", "order__shop__name"),
        *("order__status", "order__payment_status", "sku", "name", "unit"),
        *("quantity", "shipped", "closed", "returned", "amount", "shipped_amount"),
    )
    rows = _lines(asked).order_by("-order__placed_at", "order_id", "no").values_list(*columns)
    for pk, number, at, customer, shop, status, paid, sku, name, unit, *figures in rows.iterator(chunk_size=2000):
        ordered, shipped, closed, returned, total, total_shipped = figures
        head = Link(number, Order, pk), company_day(at), customer, shop
        states = Status(status).label, PaymentStatus(paid).label
        goods = f"{sku} {name}", Unit(unit).label
        left = ordered - shipped - closed
        yield *head, *states, *goods, ordered, shipped, left, closed or None, returned or None, total, total_shipped


def _lines(asked: Asked) -> Any:
    since, until = asked.moments
    rows = Line.objects.filter(order__placed_at__gte=since, order__placed_at__lt=until, order__currency=asked.currency)
    if asked.get("customer"):
        rows = rows.filter(order__customer=asked.get("customer"))
    if asked.get("status"):
        rows = rows.filter(order__status=asked.get("status"))
    if asked.get("unshipped"):
        rows = rows.filter(shipped__lt=F("quantity") - F("closed")).exclude(order__status=Status.CANCELLED)
    return in_scope(rows, asked)


EXECUTION = Report(
    name="execution",
    title=_("Order execution"),
    icon="checklist",
    permissions=["reports.view_execution"],
    reads=_(
        "By order date, from the orders as they are now (order statistics, not of the ledger): what was ordered, and "
        "what became of it. Quantities are not added up, for units differ."
    ),
    form=ExecutionFilters,
    columns=_execution_columns,
    rows=_execution,
)

_SINCE: Mapping[str, Text] = {
    "placed": pgettext_lazy("since", "Placed"),
    "completed": pgettext_lazy("since", "Completed"),
    "due": pgettext_lazy("since", "Due"),
}


class OverdueFilters(InShop, InBook):
    by = grouped_by(*_SINCE.items())
    days = forms.IntegerField(label=_("At least so many days ago"), min_value=0, max_value=3650, initial=30)
    customer = CustomerField(required=False)
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[_ANY, *((status.value, status.label) for status in OPEN)]
    )

    field_order = ("by", "days", "shop", "currency", "customer", "status")

    def prepare(self) -> None:
        super().prepare()
        self.fields["by"].label = pgettext_lazy("report", "Counted from")


def _overdue_columns(asked: Asked) -> Sequence[Column]:
    return [
        Column(_("Order"), Kind.LINK),
        Column(_("Customer")),
        Column(_("Shop")),
        Column(_("Status")),
        Column(_("Shipping")),
        Column(_("Payment")),
        Column(_("Placed"), Kind.DATE),
        count(_("Days since placed"), adds_up=False),
        Column(_("Due"), Kind.DATE),
        count(_("Days overdue"), adds_up=False),
        amount(_("Owed")),
        Column(_("Stopped by")),
    ]


def _overdue(asked: Asked) -> Iterator[Row]:
    columns = (
        *("pk", "number", "customer_name", "shop__name", "status", "shipping_status", "payment_status", "placed_at"),
        *("due_date", "payable", "received", "refunded", "written_off", "held_at", "cancel_requested_at"),
    )
    for row in _open(asked).values(*columns).iterator(chunk_size=2000):
        placed = company_day(row["placed_at"])
        late = (asked.today - row["due_date"]).days if row["due_date"] else 0
        states = Status(row["status"]), ShippingStatus(row["shipping_status"]), PaymentStatus(row["payment_status"])
        owed = row["payable"] - row["received"] + row["refunded"] - row["written_off"]
        head = Link(row["number"], Order, row["pk"]), row["customer_name"], row["shop__name"]
        days = (asked.today - placed).days
        yield *head, *(s.label for s in states), placed, days, row["due_date"], max(late, 0) or None, owed, _stop(row)


def _stop(row: Mapping[str, Any]) -> str | None:
    if row["cancel_requested_at"]:
        return _now("To be cancelled")
    return _now("On hold") if row["held_at"] else None


def _open(asked: Asked) -> Any:
    last = asked.today - timedelta(days=asked.filters["days"])
    rows = in_scope(Order.objects.filter(status__in=OPEN, currency=asked.currency), asked, "shop")
    if asked.get("status"):
        rows = rows.filter(status=asked.get("status"))
    if asked.get("customer"):
        rows = rows.filter(customer=asked.get("customer"))
    match asked.filters["by"]:
        case "completed":
            return rows.filter(status=Status.COMPLETED, completed_at__lt=_end(last)).order_by("completed_at", "pk")
        case "due":
            return rows.filter(due_date__lte=last).order_by("due_date", "pk")
    return rows.filter(placed_at__lt=_end(last)).order_by("placed_at", "pk")


def _end(day: Any) -> Any:
    return start_of(day + timedelta(days=1))


OVERDUE = Report(
    name="overdue",
    title=_("Open overdue orders"),
    icon="event_busy",
    permissions=["reports.view_overdue"],
    reads=_(
        "As it is now, from the orders (order statistics, not of the ledger): orders neither closed nor cancelled, "
        "the oldest first. Negative owed is to be paid back."
    ),
    form=OverdueFilters,
    columns=_overdue_columns,
    rows=_overdue,
)
