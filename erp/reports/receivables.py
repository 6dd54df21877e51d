"""应收账款账龄 and 客户对账单: what customers owe by the ledger, and how it came to that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.kernel.money import ZERO
from erp.reports.filters import CustomerField, InBook, InPeriod, InShop, OnDay, grouped_by
from erp.reports.report import Asked, Chart, Column, Kind, Link, Report, Row, amount
from erp.reports.selectors import books
from erp.reports.selectors.books import Owed
from finance import accounts
from finance.models import Purpose, Voucher
from orders.models import Order

_BY: Mapping[str, Text] = {"customer": _("Customer"), "order": _("Order")}
# Days since due, each bucket up to and with its number.
_BUCKETS = (0, 30, 60, 90)


class AgeingFilters(InShop, InBook, OnDay):
    by = grouped_by(*_BY.items())

    field_order = ("day", "by", "shop", "currency")


def _ageing_columns(asked: Asked) -> Sequence[Column]:
    by = asked.filters["by"]
    return [
        Column(_BY[by], Kind.LINK),
        *([Column(_("Customer"), Kind.LINK), Column(_("Due"), Kind.DATE)] if by == "order" else []),
        amount(_("Receivable (1122)")),
        amount(_("Advance (2203)")),
        amount(_("Owed")),
        amount(_("Not due")),
        amount(_("1–30 days")),
        amount(_("31–60 days")),
        amount(_("61–90 days")),
        amount(_("Over 90 days")),
        amount(_("Paid in advance")),
    ]


def _ageing(asked: Asked) -> Iterator[Row]:
    day = asked.filters["day"]
    orders = books.balances_on(asked, day)
    names = books.customers({order.customer_id for order in orders}, asked)
    if asked.filters["by"] == "order":
        for order in sorted(orders, key=lambda order: (order.due_date or date.max, order.order_id)):
            link = Link(order.number, Order, order.order_id)
            yield link, names[order.customer_id], order.due_date, *_aged(order, day)
        return
    sums: dict[int, list[Decimal]] = defaultdict(lambda: [ZERO] * 9)
    for order in orders:
        of_customer = sums[order.customer_id]
        for no, value in enumerate(_aged(order, day)):
            of_customer[no] += value
    for customer, values in sorted(sums.items(), key=lambda row: (-row[1][2], row[0])):
        yield names[customer], *values


def _aged(order: Owed, day: date) -> list[Decimal]:
    """
    Receivable, advance, what is owed beyond the advance, that by days since due, and the advance beyond it.

    The advance of an order is set against its receivable when the order closes: until then neither is owed.
    """
    net = order.receivable - order.advance
    owed, ahead = max(net, ZERO), max(-net, ZERO)
    days = (day - order.due_date).days if order.due_date else 0
    place = next((no for no, limit in enumerate(_BUCKETS) if days <= limit), len(_BUCKETS))
    buckets = [owed if no == place else ZERO for no in range(len(_BUCKETS) + 1)]
    return [order.receivable, order.advance, owed, *buckets, ahead]


AGEING = Report(
    name="ageing",
    title=_("Ageing of receivables"),
    icon="hourglass_bottom",
    permissions=["reports.view_ageing"],
    reads=_(
        "By voucher date, from the ledger: 1122 less 2203 of each order at the end of the day, by days since it was "
        "due. An advance counts against the receivable of its own order, which closing settles with it."
    ),
    form=AgeingFilters,
    columns=_ageing_columns,
    rows=_ageing,
    chart=lambda asked: Chart("bar", 0, (3,), 15) if asked.filters["by"] == "customer" else None,
)


class StatementFilters(InBook, InPeriod):
    customer = CustomerField()

    asks = ("customer",)
    field_order = ("customer", "since", "until", "currency")


def _statement_columns(asked: Asked) -> Sequence[Column]:
    return [
        Column(_("Date"), Kind.DATE),
        Column(_("Voucher"), Kind.LINK),
        Column(_("What for")),
        Column(_("Document")),
        Column(_("Order"), Kind.LINK),
        amount(_("Charged")),
        amount(_("Paid or credited")),
        amount(_("Balance"), adds_up=False),
    ]


def _statement(asked: Asked) -> Iterator[Row]:
    lines = (
        books.of_book(asked)
        .filter(
            voucher__order__customer=asked.filters["customer"],
            account__in=[accounts.RECEIVABLE, accounts.ADVANCES],
        )
        .order_by()
    )
    before = lines.filter(voucher__date__lt=asked.since).aggregate(debit=Sum("debit"), credit=Sum("credit"))
    balance = (before["debit"] or ZERO) - (before["credit"] or ZERO)
    yield asked.since, None, _now("Opening balance"), None, None, None, None, balance
    for voucher, order, net in _postings(lines.filter(voucher__date__gte=asked.since, voucher__date__lte=asked.until)):
        balance += net
        purpose = Purpose(voucher.purpose).label
        link = Link(str(voucher), Voucher, voucher.pk)
        yield voucher.date, link, purpose, voucher.source, order, max(net, ZERO), max(-net, ZERO), balance
    yield asked.until, None, _now("Closing balance"), None, None, None, None, balance


def _postings(lines: Any) -> Iterator[tuple[Voucher, Link, Decimal]]:
    """Vouchers with what they change of the balance; those that only move it between accounts are left out."""
    rows = lines.values_list(
        *(f"voucher__{column}" for column in books.VOUCHER), "voucher__order_id", "voucher__order__number"
    )
    ordered = rows.annotate(Sum("debit"), Sum("credit")).order_by("voucher__date", "voucher__number")
    for *values, order_id, number, debit, credit in ordered:
        if debit != credit:
            voucher = books.voucher(values)
            yield voucher, Link(number, Order, order_id), debit - credit


STATEMENT = Report(
    name="statement",
    title=_("Customer statement"),
    icon="request_quote",
    permissions=["reports.view_statement"],
    reads=_(
        "By voucher date, from the ledger: what changed 1122 less 2203 of the customer's orders. A negative balance "
        "is money of the customer."
    ),
    form=StatementFilters,
    columns=_statement_columns,
    rows=_statement,
)
