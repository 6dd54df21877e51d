"""Warehouses and stock in the back office."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from erp.kernel.admin import DocumentAdmin, LinesInline, MasterAdmin, RecordedDocumentAdmin, ScopedRelatedFilter
from inventory.models import (
    Move,
    Receipt,
    ReceiptLine,
    Reservation,
    StockLevel,
    StockTake,
    StockTakeLine,
    Transfer,
    TransferLine,
    Warehouse,
    WarehouseScope,
)

_BY_WAREHOUSE = ("warehouse", ScopedRelatedFilter)


@admin.register(Warehouse)
class WarehouseAdmin(MasterAdmin):
    list_display = ("code", "name", "currency", "is_defective", "is_active")
    search_fields = ("code", "name")
    fixed = ("code", "currency", "is_defective")


@admin.register(WarehouseScope)
class WarehouseScopeAdmin(MasterAdmin):
    list_display = ("user", "warehouse")
    list_select_related = ("user", "warehouse")
    list_filter = (_BY_WAREHOUSE,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Taking a warehouse from somebody's scope: nothing points at the row."""
        return bool(request.user.has_perm("inventory.delete_warehousescope"))


@admin.register(StockLevel)
class StockLevelAdmin(DocumentAdmin):
    list_display = ("product", "warehouse", "on_hand", "reserved", "value")
    list_select_related = ("product", "warehouse")
    list_filter = (_BY_WAREHOUSE,)
    search_fields = ("product__sku",)
    amounts = {"value": "warehouse.currency"}
    costs = frozenset({"value"})


@admin.register(Move)
class MoveAdmin(DocumentAdmin):
    list_display = ("source", "kind", "product", "warehouse", "quantity", "on_hand_after", "value", "at", "by_name")
    list_select_related = ("product", "warehouse")
    list_filter = ("kind", _BY_WAREHOUSE)
    search_fields = ("source",)
    hidden = frozenset({"source_id", "source_type"})
    amounts = {"value": "warehouse.currency", "value_after": "warehouse.currency"}
    costs = frozenset({"value", "value_after"})


@admin.register(Reservation)
class ReservationAdmin(DocumentAdmin):
    list_display = ("order", "product", "warehouse", "kind", "quantity", "at", "by_name")
    list_select_related = ("order", "product", "warehouse")
    list_filter = ("kind", _BY_WAREHOUSE)


class ReceiptLineInline(LinesInline):
    model = ReceiptLine
    fields = ("product", "quantity", "unit_cost", "value")
    related = ("product", "receipt__warehouse")
    amounts = {"unit_cost": "receipt.warehouse.currency", "value": "receipt.warehouse.currency"}
    costs = frozenset({"unit_cost", "value"})


@admin.register(Receipt)
class ReceiptAdmin(DocumentAdmin):
    list_display = ("number", "warehouse", "reference", "at", "by_name")
    list_select_related = ("warehouse",)
    list_filter = (_BY_WAREHOUSE,)
    search_fields = ("number", "reference")
    inlines = (ReceiptLineInline,)


class TransferLineInline(LinesInline):
    model = TransferLine
    fields = ("product", "quantity", "value")
    related = ("product", "transfer__origin")
    amounts = {"value": "transfer.origin.currency"}
    costs = frozenset({"value"})


@admin.register(Transfer)
class TransferAdmin(DocumentAdmin):
    list_display = ("number", "origin", "destination", "reference", "at", "by_name")
    list_select_related = ("origin", "destination")
    list_filter = (("origin", ScopedRelatedFilter), ("destination", ScopedRelatedFilter))
    search_fields = ("number", "reference")
    inlines = (TransferLineInline,)


@admin.register(TransferLine)
class TransferLineAdmin(DocumentAdmin):
    list_display = ("transfer", "product", "quantity", "value")
    list_select_related = ("transfer__origin", "product")
    scoped_by = "transfer"
    amounts = {"value": "transfer.origin.currency"}
    costs = frozenset({"value"})


class StockTakeLineInline(LinesInline):
    model = StockTakeLine
    fields = ("product", "counted", "on_hand", "unit_cost")
    related = ("product", "take__warehouse")
    amounts = {"unit_cost": "take.warehouse.currency"}
    costs = frozenset({"unit_cost"})


@admin.register(StockTake)
class StockTakeAdmin(RecordedDocumentAdmin):
    list_display = ("number", "warehouse", "status", "reference", "counted_by", "counted_at", "decided_by")
    list_select_related = ("warehouse", "counted_by", "decided_by")
    list_filter = ("status", _BY_WAREHOUSE)
    search_fields = ("number", "reference")
    inlines = (StockTakeLineInline,)


@admin.register(StockTakeLine)
class StockTakeLineAdmin(DocumentAdmin):
    list_display = ("take", "product", "counted", "on_hand", "unit_cost")
    list_select_related = ("take__warehouse", "product")
    scoped_by = "take"
    amounts = {"unit_cost": "take.warehouse.currency"}
    costs = frozenset({"unit_cost"})


@admin.register(ReceiptLine)
class ReceiptLineAdmin(DocumentAdmin):
    list_display = ("receipt", "product", "quantity", "unit_cost", "value")
    list_select_related = ("receipt__warehouse", "product")
    scoped_by = "receipt"
    amounts = {"unit_cost": "receipt.warehouse.currency", "value": "receipt.warehouse.currency"}
    costs = frozenset({"unit_cost", "value"})
