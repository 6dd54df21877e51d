"""Carriers and shipments in the back office."""

from django.contrib import admin

from erp.kernel.admin import DocumentAdmin, LinesInline, MasterAdmin, RecordedDocumentAdmin, ScopedRelatedFilter
from logistics.models import Carrier, Inspection, Return, ReturnLine, ShipmentLine, TrackingEvent

_AMOUNTS = dict.fromkeys(("amount", "tax", "cost"), "shipment.order.currency")


@admin.register(Carrier)
class CarrierAdmin(MasterAdmin):
    list_display = ("code", "name", "phone", "is_active")
    search_fields = ("code", "name")
    fixed = ("code",)


class ShipmentLineInline(LinesInline):
    model = ShipmentLine
    fields = ("line", "quantity", "amount", "tax", "cost")
    related = ("line", "shipment__order")
    amounts = _AMOUNTS
    costs = frozenset({"cost"})


class TrackingEventInline(LinesInline):
    model = TrackingEvent
    fields = ("happened_at", "kind", "place", "text", "by_name")


class ShipmentAdmin(RecordedDocumentAdmin):
    """Registered by ``erp.site``, which adds the pick list of several."""

    list_display = ("number", "order", "status", "warehouse", "method", "carrier", "tracking_number", "dispatched_at")
    list_select_related = ("order", "warehouse", "method", "carrier")
    list_filter = ("status", ("warehouse", ScopedRelatedFilter), "carrier")
    search_fields = ("number", "tracking_number")
    inlines = (ShipmentLineInline, TrackingEventInline)


@admin.register(ShipmentLine)
class ShipmentLineAdmin(DocumentAdmin):
    list_display = ("shipment", "line", "quantity", "amount", "cost")
    list_select_related = ("shipment__order", "line")
    scoped_by = "shipment"
    amounts = _AMOUNTS
    costs = frozenset({"cost"})


@admin.register(TrackingEvent)
class TrackingEventAdmin(DocumentAdmin):
    list_display = ("shipment", "kind", "happened_at", "place", "text")
    list_select_related = ("shipment",)
    list_filter = ("kind",)


_WORTH = dict.fromkeys(("share", "credit"), "goods_return.order.currency")


class ReturnLineInline(LinesInline):
    model = ReturnLine
    fields = ("shipment_line", "quantity", "share", "credit")
    related = ("shipment_line__line", "goods_return__order")
    amounts = _WORTH


@admin.register(Return)
class ReturnAdmin(RecordedDocumentAdmin):
    list_display = ("number", "order", "status", "reason", "party", "requested_by", "requested_at", "received_at")
    list_select_related = ("order", "requested_by")
    list_filter = ("status", "party")
    search_fields = ("number",)
    inlines = (ReturnLineInline,)


@admin.register(ReturnLine)
class ReturnLineAdmin(DocumentAdmin):
    list_display = ("goods_return", "shipment_line", "quantity", "share", "credit")
    list_select_related = ("goods_return__order", "shipment_line__line")
    scoped_by = "goods_return"
    amounts = _WORTH


@admin.register(Inspection)
class InspectionAdmin(DocumentAdmin):
    list_display = ("line", "disposition", "quantity", "warehouse", "cost", "at", "by_name")
    list_select_related = ("line__shipment_line__line", "line__goods_return__order", "warehouse")
    list_filter = ("disposition",)
    amounts = {"cost": "line.goods_return.order.currency"}
    costs = frozenset({"cost"})
