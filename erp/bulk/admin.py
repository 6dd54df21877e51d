"""Bulk runs for whoever may see everybody's."""

from django.contrib import admin

from erp.bulk.models import BulkItem, BulkRun
from erp.kernel.admin import DocumentAdmin


@admin.register(BulkRun)
class BulkRunAdmin(DocumentAdmin):
    list_display = ("id", "act", "state", "requested_by", "requested_at", "finished_at")
    list_select_related = ("requested_by",)
    list_filter = ("state",)


@admin.register(BulkItem)
class BulkItemAdmin(DocumentAdmin):
    list_display = ("order", "run", "state", "at")
    list_select_related = ("order", "run")
    list_filter = ("state",)
    scoped_by = "order"
    structures = frozenset({"refusals"})
