"""Files and what was said of them, to read."""

from django.contrib import admin

from erp.files.models import File, WrongFile
from erp.kernel.admin import DocumentAdmin


@admin.register(File)
class FileAdmin(DocumentAdmin):
    list_display = ("name", "payment", "shipment", "goods_return", "kind", "size", "by_name", "at")
    list_select_related = ("payment", "shipment", "goods_return")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("-at",)


@admin.register(WrongFile)
class WrongFileAdmin(DocumentAdmin):
    list_display = ("file", "why", "by_name", "at")
    list_select_related = ("file",)
    scoped_by = "file"
