"""收发存汇总, 即时库存与库存预警."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Q, Sum
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.kernel.money import ZERO
from erp.reports.filters import InBook, InPeriod, InWarehouse, grouped_by
from erp.reports.report import Asked, Column, Report, Row, amount, quantity
from inventory.models import Move, MoveKind, StockLevel, Warehouse
from orders.models import Product, ProductKind, Unit

_INWARDS = (MoveKind.RECEIPT, MoveKind.RETURN, MoveKind.GAIN, MoveKind.MOVED_IN)
_OUTWARDS = (MoveKind.ISSUE, MoveKind.LOSS, MoveKind.MOVED_OUT)


class StockFilters(InWarehouse, InBook):
    """The currency is that of warehouses."""

    def currencies(self, user: User) -> Any:
        rows = Warehouse.objects.visible_to(user).order_by("currency")
        return rows.values_list("currency", flat=True).distinct()


def _in_scope(rows: Any, asked: Asked) -> Any:
    rows = rows.visible_to(asked.user).filter(warehouse__currency=asked.currency)
    return rows.filter(warehouse=asked.get("warehouse")) if asked.get("warehouse") else rows


class MovementFilters(StockFilters, InPeriod):
    field_order = ("since", "until", "warehouse", "currency")


def _movement_columns(asked: Asked) -> Sequence[Column]:
    kinds = [quantity(kind.label) for kind in (*_INWARDS, *_OUTWARDS)]
    values = [amount(label) for label in (_("Opening value"), _("Value in"), _("Value out"), _("Closing value"))]
    return [
        Column(_("Warehouse")),
        Column(_("Product")),
        Column(_("Unit")),
        quantity(_("Opening")),
        *kinds,
        quantity(_("Closing")),
        *(values if asked.sees_cost else []),
    ]


def _movements(asked: Asked) -> Iterator[Row]:
    """Back from what is on hand now: closing less what moved since, opening less what moved in the period too."""
    moved = _moved(asked)
    levels = _in_scope(StockLevel.objects, asked).order_by("warehouse__name", "product__sku")
    columns = ("product_id", "warehouse_id", "warehouse__name", "product__sku", "product__name", "product__unit")
    for product, warehouse, *shown, on_hand, value in levels.values_list(*columns, "on_hand", "value"):
        inside, since = moved[product, warehouse]
        closing, closing_value = on_hand - since.quantity, value - since.value
        quantities = [inside.kinds[kind] for kind in (*_INWARDS, *_OUTWARDS)]
        opening, opening_value = closing - inside.quantity, closing_value - inside.value
        if opening or closing or any(quantities):
            values = (opening_value, inside.value_in, inside.value_out, closing_value) if asked.sees_cost else ()
            yield *_named(*shown), opening, *(abs(each) for each in quantities), closing, *values


class _Moved:
    """What moved of one product in one warehouse; what left is negative by kind, and positive in ``value_out``."""

    def __init__(self) -> None:
        self.kinds: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self.quantity = self.value_in = self.value_out = ZERO

    def add(self, kind: str, quantity: Decimal | None, value: Decimal | None) -> None:
        self.kinds[kind] += quantity or ZERO
        self.quantity += quantity or ZERO
        if kind in _INWARDS:
            self.value_in += value or ZERO
        else:
            self.value_out -= value or ZERO

    @property
    def value(self) -> Decimal:
        return self.value_in - self.value_out


def _moved(asked: Asked) -> Mapping[tuple[int, int], tuple[_Moved, _Moved]]:
    """By product and warehouse: in the period, and after it."""
    since, until = asked.moments
    inside, after = Q(at__lt=until), Q(at__gte=until)
    sums = {
        "quantity_inside": Sum("quantity", filter=inside),
        "value_inside": Sum("value", filter=inside),
        "quantity_after": Sum("quantity", filter=after),
        "value_after": Sum("value", filter=after),
    }
    rows = _in_scope(Move.objects, asked).filter(at__gte=since).order_by()
    result: dict[tuple[int, int], tuple[_Moved, _Moved]] = defaultdict(lambda: (_Moved(), _Moved()))
    for product, warehouse, kind, *moved in rows.values_list("product_id", "warehouse_id", "kind").annotate(**sums):
        of_level = result[product, warehouse]
        of_level[0].add(kind, *moved[:2])
        of_level[1].add(kind, *moved[2:])
    return result


def _named(warehouse: str, sku: str, name: str, unit: str) -> tuple[str, str, str]:
    return warehouse, f"{sku} {name}", str(Unit(unit).label)


MOVEMENTS = Report(
    name="movements",
    title=_("Stock movement summary"),
    icon="swap_vert",
    permissions=["reports.view_movements"],
    reads=_(
        "By the day goods moved, from the stock moves: opening, in, out and closing. Vouchers of the same day carry "
        "the same values to 1405 stock."
    ),
    form=MovementFilters,
    columns=_movement_columns,
    rows=_movements,
)

_BY: Mapping[str, Text] = {"product": _("Product"), "warehouse": _("Warehouse")}


class OnHandFilters(StockFilters):
    by = grouped_by(*_BY.items())
    alerts = forms.BooleanField(label=_("Below the alert level only"), required=False)

    field_order = ("by", "warehouse", "currency", "alerts")


def _on_hand_columns(asked: Asked) -> Sequence[Column]:
    of_product = [quantity(_("Alert level")), quantity(_("Short of it by"))]
    return [
        *([Column(_("Warehouse"))] if asked.filters["by"] == "warehouse" else []),
        Column(_("Product")),
        Column(_("Unit")),
        quantity(_("On hand")),
        quantity(_("Reserved")),
        quantity(_("Available")),
        quantity(_("Defective")),
        *(of_product if asked.filters["by"] == "product" else []),
        *([amount(_("Value"))] if asked.sees_cost else []),
    ]


class _Stock:
    """What lies of one product; what is defective serves no order, and is not available."""

    def __init__(self, product: Mapping[str, Any]) -> None:
        self.product = product
        self.on_hand = self.reserved = self.defective = self.value = ZERO

    def add(self, level: Mapping[str, Any]) -> None:
        self.on_hand += level["on_hand"]
        self.reserved += level["reserved"]
        self.value += level["value"]
        if level["warehouse__is_defective"]:
            self.defective += level["on_hand"]

    @property
    def available(self) -> Decimal:
        return self.on_hand - self.reserved - self.defective

    @property
    def short(self) -> Decimal:
        level: Decimal = self.product["reorder_level"]
        return max(level - self.available, ZERO)


_PRODUCT = ("sku", "name", "unit", "reorder_level")


def _on_hand(asked: Asked) -> Iterator[Row]:
    levels = _levels(asked)
    products = _stock(levels, asked)
    wanted = {pk for pk, stock in products.items() if stock.short or not asked.get("alerts")}
    if asked.filters["by"] == "warehouse":
        for level in levels:
            if level["product_id"] in wanted and level["on_hand"]:
                stock = _Stock(products[level["product_id"]].product)
                stock.add(level)
                yield level["warehouse__name"], *_of_stock(stock), *([stock.value] if asked.sees_cost else [])
        return
    for pk, stock in sorted(products.items(), key=lambda each: (-bool(each[1].short), each[1].product["sku"])):
        if pk in wanted:
            alert = (stock.product["reorder_level"] or None, stock.short or None)
            yield *_of_stock(stock), *alert, *([stock.value] if asked.sees_cost else [])


def _levels(asked: Asked) -> list[dict[str, Any]]:
    columns = ("product_id", "on_hand", "reserved", "value", "warehouse__name", "warehouse__is_defective")
    of_product = (f"product__{name}" for name in _PRODUCT)
    return list(
        _in_scope(StockLevel.objects, asked).order_by("warehouse__name", "product__sku").values(*columns, *of_product)
    )


def _stock(levels: Sequence[Mapping[str, Any]], asked: Asked) -> Mapping[int, _Stock]:
    """By product; those with an alert level also where nothing ever lay."""
    alerting = Product.objects.filter(
        reorder_level__gt=0, kind=ProductKind.STOCKED, is_active=True, currency=asked.currency
    )
    result = {product["pk"]: _Stock(product) for product in alerting.values("pk", *_PRODUCT)}
    for level in levels:
        product = {name: level[f"product__{name}"] for name in _PRODUCT}
        result.setdefault(level["product_id"], _Stock(product)).add(level)
    return result


def _of_stock(stock: _Stock) -> Row:
    product = f"{stock.product['sku']} {stock.product['name']}"
    unit = str(Unit(stock.product["unit"]).label)
    return product, unit, stock.on_hand, stock.reserved, stock.available, stock.defective or None


ON_HAND = Report(
    name="on-hand",
    title=_("Stock on hand and alerts"),
    icon="inventory_2",
    permissions=["reports.view_on_hand"],
    reads=_(
        "As it is now, from the stock levels of the warehouses in your scope. Available is on hand less reserved and "
        "defective; an alert compares it with the alert level of the product, set in its master data."
    ),
    form=OnHandFilters,
    columns=_on_hand_columns,
    rows=_on_hand,
)
