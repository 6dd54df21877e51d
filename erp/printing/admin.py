"""The head of printed papers in the back office."""

from django.contrib import admin
from django.http import HttpRequest

from erp.kernel.admin import MasterAdmin
from erp.printing.models import PrintHeader


@admin.register(PrintHeader)
class PrintHeaderAdmin(MasterAdmin):
    list_display = ("company", "address", "phone")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one, which is changed."""
        return super().has_add_permission(request) and not PrintHeader.objects.exists()
