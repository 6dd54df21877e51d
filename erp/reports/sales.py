"""销售报表 and 销售毛利: revenue, what was taken back of it, and what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.errors import Text
from erp.reports.filters import InBook, InPeriod, InShop, grouped_by
from erp.reports.report import COST, Asked, Chart, Column, Kind, Report, Row, amount
from erp.reports.selectors import books, products
from erp.reports.selectors.products import Sold
from finance import accounts
from finance.models import Purpose

_BY: Mapping[str, Text] = {
    "day": pgettext_lazy("report", "Day"),
    "month": pgettext_lazy("report", "Month"),
    "shop": _("Shop"),
    "customer": _("Customer"),
    "product": _("Product"),
}
IN_TIME = frozenset({"day", "month"})


class SalesFilters(InShop, InBook, InPeriod):
    by = grouped_by(*_BY.items())

    field_order = ("since", "until", "by", "shop", "currency")


def _by(asked: Asked) -> Sequence[tuple[Any, Sold]]:
    """What was sold, by what was asked for: in the order of time, or the largest first."""
    by = asked.filters["by"]
    if by == "product":
        sold: Mapping[Any, Sold] = products.sold(asked)
        names: Mapping[Any, Any] = products.names(sold)
    else:
        sold = _posted(asked)
        names = books.shown(by, sold, asked)
    rows = sorted(sold.items(), key=(lambda row: row[0]) if by in IN_TIME else (lambda row: (-_net(row[1]), row[0])))
    return [(names.get(key, "—"), row) for key, row in rows]


def _net(row: Sold) -> Any:
    return row.revenue - row.revenue_back


def _posted(asked: Asked) -> Mapping[Any, Sold]:
    codes = [accounts.REVENUE, accounts.OUTPUT_TAX, accounts.COST_OF_SALES]
    result: dict[Any, Sold] = defaultdict(Sold)
    key = books.KEYS[asked.filters["by"]]
    for line in books.sums(books.in_period(asked), key, codes, books.SALES):
        _add(result[line.key], line)
    return result


_COLUMNS = {accounts.REVENUE: "revenue", accounts.OUTPUT_TAX: "tax", accounts.COST_OF_SALES: "cost"}


def _add(row: Sold, line: books.Sums) -> None:
    column = _COLUMNS[line.account]
    sign = 1 if line.account == accounts.COST_OF_SALES else -1
    change = sign * (line.debit - line.credit)
    if line.purpose == Purpose.DISPATCH:
        setattr(row, column, getattr(row, column) + change)
    else:
        setattr(row, f"{column}_back", getattr(row, f"{column}_back") - change)


def _key(asked: Asked) -> Column:
    by = asked.filters["by"]
    return Column(_BY[by], {"day": Kind.DATE, "customer": Kind.LINK}.get(by, Kind.TEXT))


def _chart(asked: Asked, column: int) -> Chart:
    by = asked.filters["by"]
    return Chart("line" if by == "day" else "bar", 0, (column,), 366 if by in IN_TIME else 20)


def _sales_columns(asked: Asked) -> Sequence[Column]:
    return [
        _key(asked),
        amount(_("Dispatched, without tax")),
        amount(_("Taken back, without tax")),
        amount(_("Net revenue")),
        amount(_("Output VAT")),
        amount(_("With tax")),
    ]


def _sales(asked: Asked) -> Iterator[Row]:
    for name, row in _by(asked):
        net, tax = _net(row), row.tax - row.tax_back
        yield name, row.revenue, row.revenue_back, net, tax, net + tax


SALES = Report(
    name="sales",
    title=_("Sales report"),
    icon="trending_up",
    permissions=["reports.view_sales"],
    reads=_(
        "By voucher date, from the ledger: 6001 revenue and 2221 output VAT. Revenue is recognised at dispatch; "
        "returns, allowances and cancellations count on the day they were posted."
    ),
    form=SalesFilters,
    columns=_sales_columns,
    rows=_sales,
    chart=lambda asked: _chart(asked, 3),
)


def _margin_columns(asked: Asked) -> Sequence[Column]:
    return [
        _key(asked),
        amount(_("Net revenue")),
        amount(_("Cost of sales")),
        amount(_("Gross margin")),
        Column(_("Margin rate"), Kind.RATE),
    ]


def _margin(asked: Asked) -> Iterator[Row]:
    for name, row in _by(asked):
        net, cost = _net(row), row.cost - row.cost_back
        yield name, net, cost, net - cost, (net - cost) / net if net else None


MARGIN = Report(
    name="margin",
    title=_("Gross margin"),
    icon="percent",
    permissions=["reports.view_margin", COST],
    reads=_(
        "By voucher date, from the ledger: 6001 revenue less 6401 cost of sales. Goods given away with orders of no "
        "value are a selling expense, and none of the cost here."
    ),
    form=SalesFilters,
    columns=_margin_columns,
    rows=_margin,
    chart=lambda asked: _chart(asked, 3),
)
