"""What shows several apps' facts in one page of the back office."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from erp.kernel.acting import Decision
from erp.kernel.admin import DocumentAdmin
from erp.kernel.models import User
from erp.site import orderpage
from erp.site.models import Readiness, SavedView
from orders.admin import OrderAdmin
from orders.models import Order


@admin.register(Order)
class OrderPage(OrderAdmin):
    """The order with every app's documents of it, and the acts that are next."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        user = request.user
        assert isinstance(user, User)
        context.update(orderpage.context(obj, user, Decision(by=user, at=timezone.now())))
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(Readiness)
class ReadinessAdmin(DocumentAdmin):
    list_display = ("order", "version", "ready", "codes", "checked_at")
    list_select_related = ("order",)
    list_filter = ("ready",)
    structures = frozenset({"blockers"})
    scoped_by = "order"


@admin.register(SavedView)
class SavedViewAdmin(DocumentAdmin):
    list_display = ("name", "user", "query")
    list_select_related = ("user",)
