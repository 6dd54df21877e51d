"""
What vouchers of sales say of products.

A voucher line names no product. The documents that vouchers are posted from do, in the same amounts: shipment lines
at dispatch, credits for what is taken back, inspections for what came back into stock. They are chosen by the date of
their voucher.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Sum
from django.db.models.functions import Cast

from erp.kernel.money import ZERO
from erp.reports.report import Asked
from erp.reports.selectors.books import in_scope
from finance.models import Credit, Purpose, Voucher
from logistics.models import Inspection, ShipmentLine
from orders.models import Product


@dataclass(slots=True)
class Sold:
    """Revenue without tax, tax and cost, in the currency asked for; what came back is positive too."""

    revenue: Decimal = ZERO
    tax: Decimal = ZERO
    cost: Decimal = ZERO
    revenue_back: Decimal = ZERO
    tax_back: Decimal = ZERO
    cost_back: Decimal = ZERO


def sold(asked: Asked) -> Mapping[int, Sold]:
    """By product, in three queries. Orders of no value cost a selling expense, which is none of sales."""
    result: dict[int, Sold] = defaultdict(Sold)
    dispatched = _dispatched(asked).values_list("line__product_id").annotate(Sum("amount"), Sum("tax"), Sum("cost"))
    for product, amount, tax, cost in dispatched:
        row = result[product]
        row.revenue, row.tax, row.cost = amount - tax, tax, cost
    for product, cost in _given_away(asked).values_list("line__product_id").annotate(Sum("cost")):
        result[product].cost -= cost
    for product, amount, tax in _credits(asked).values_list("line__product_id").annotate(Sum("amount"), Sum("tax")):
        row = result[product]
        row.revenue_back, row.tax_back = amount - tax, tax
    for product, cost in _came_back(asked).values_list("line__shipment_line__line__product_id").annotate(Sum("cost")):
        result[product].cost_back = cost
    return result


def names(products: Any) -> Mapping[int, str]:
    rows = Product.objects.filter(pk__in=list(products)).values_list("pk", "sku", "name")
    return {pk: f"{sku} {name}" for pk, sku, name in rows}


def _dispatched(asked: Asked) -> Any:
    vouchers = Voucher.objects.filter(
        purpose=Purpose.DISPATCH, currency=asked.currency, date__gte=asked.since, date__lte=asked.until
    )
    shipments = vouchers.annotate(shipment=Cast("source_id", BigIntegerField())).values("shipment")
    rows = ShipmentLine.objects.filter(shipment__in=shipments)
    return in_scope(rows, asked, "shipment__order__shop").order_by()


def _given_away(asked: Asked) -> Any:
    return _dispatched(asked).filter(shipment__order__total=0, cost__gt=0)


def _credits(asked: Asked) -> Any:
    since, until = asked.moments
    rows = Credit.objects.filter(order__currency=asked.currency, at__gte=since, at__lt=until)
    return in_scope(rows, asked).order_by()


def _came_back(asked: Asked) -> Any:
    since, until = asked.moments
    rows = Inspection.objects.filter(
        line__goods_return__order__currency=asked.currency,
        line__goods_return__order__total__gt=0,
        at__gte=since,
        at__lt=until,
    )
    return in_scope(rows, asked, "line__goods_return__order__shop").order_by()
