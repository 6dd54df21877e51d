"""Background processes in the back office."""

from django.contrib import admin

from erp.kernel.admin import DocumentAdmin
from erp.worker.models import Worker


@admin.register(Worker)
class WorkerAdmin(DocumentAdmin):
    list_display = ("name", "started_at", "seen_at")
