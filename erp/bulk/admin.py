"""Bulk runs for whoever may see everybody's."""

from django.contrib import admin

from erp.bulk.models import BulkRun
from erp.kernel.admin import DocumentAdmin


@admin.register(BulkRun)
class BulkRunAdmin(DocumentAdmin):
    list_display = ("id", "act", "state", "requested_by", "requested_at", "finished_at")
    list_select_related = ("requested_by",)
    list_filter = ("state",)
