"""What shows several apps' facts in one page of the back office."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.models import User
from erp.printing import records
from erp.printing.papers import MOST, all_papers
from erp.site import orderpage
from logistics.admin import ShipmentAdmin
from logistics.models import Shipment
from orders.admin import ClosingRecordAdmin, OrderAdmin
from orders.models import ClosingRecord, Order


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


@admin.register(ClosingRecord)
class ClosingRecordPage(ClosingRecordAdmin):
    """The record as a paper people can read, with the proof of its own digest."""

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
        context["record"] = records.told(obj, user)
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(Shipment)
class ShipmentPage(ShipmentAdmin):
    """Shipments, of several of which one pick list is printed."""

    actions = ("pick_list",)  # type: ignore[assignment]

    @admin.action(description=_("Print pick list"))
    def pick_list(self, request: HttpRequest, chosen: Any) -> HttpResponse | None:
        """Only shows: the choice is carried in the address of the paper."""
        shipments = list(chosen.order_by("pk")[: MOST + 1])
        if len(shipments) > MOST:
            limit = _("One pick list holds at most %(most)s shipments. Choose fewer.") % {"most": MOST}
            self.message_user(request, limit, messages.ERROR)
            return None
        return redirect(all_papers()["pick-list"].url(*shipments))
