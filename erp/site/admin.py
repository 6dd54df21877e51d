"""What shows several apps' facts in one page of the back office."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from erp.bulk import acts as bulk
from erp.bulk.views import begin
from erp.kernel.acting import Decision
from erp.kernel.admin import DocumentAdmin
from erp.kernel.models import User
from erp.printing import records
from erp.printing.papers import MOST, all_papers
from erp.site import amounts, orderlist, orderpage, searching, statements
from erp.site.models import Readiness, SavedView
from finance import matching
from finance.admin import StatementAdmin
from finance.models import Statement
from logistics.admin import ShipmentAdmin
from logistics.models import Shipment
from orders.admin import ClosingRecordAdmin, OrderAdmin
from orders.models import ClosingRecord, Order


def _begin(act: str, _admin: Any, request: HttpRequest, queryset: Any) -> HttpResponse:
    return begin(request, act, queryset)


class _Page:
    """An admin page that shows more than its own document."""

    def page_context(self, obj: Any, user: User) -> Mapping[str, Any]:
        """What the page's template needs beside the form."""
        raise TypeError(f"{type(self).__name__} shows nothing beside its document")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        assert isinstance(request.user, User)
        context.update(self.page_context(obj, request.user))
        response: HttpResponse = super().render_change_form(request, context, *args, obj=obj, **kwargs)  # type: ignore[misc]
        return response


@admin.register(Order)
class OrderPage(_Page, OrderAdmin):
    """The list clerks work from; the order with every app's documents of it, and the acts that are next."""

    paginator = orderlist.BoundedPaginator
    list_before_template = "erp/order_lists.html"
    list_filter = (  # type: ignore[assignment]
        orderlist.WorklistFilter,
        *OrderAdmin.list_filter,
        "closed_at",
        amounts.AmountFilter,
        orderlist.FindingFilter,
    )
    search_help = searching.HELP
    list_display = (  # type: ignore[assignment]
        "number",
        "customer_name",
        "total",
        "status",
        "shipping_status",
        "payment_status",
        "next_or_blocking",
        "placed_at",
        "shop",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return orderlist.OrderList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """A full number leads to its order."""
        text = request.GET.get("q", "")
        if text and request.method == "GET" and self.has_view_permission(request):
            found = searching.exactly(self.get_queryset(request), text)
            if found is not None:
                return redirect("admin:orders_order_change", found)
        return super().changelist_view(request, extra_context)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return searching.matching(queryset, search_term, request.user), False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in orderlist.PARAMETERS or super().lookup_allowed(lookup, value, request)

    @admin.display(description=_("What comes next, or what blocks"))
    def next_or_blocking(self, order: Any) -> str:
        return orderlist.next_or_blocking(order, order.seen)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("shop", "shipping_method")

    def get_actions(self, request: HttpRequest) -> Any:
        """What the reader may do to a whole selection, in the background."""
        offered = [act for act in bulk.all_acts().values() if request.user.has_perm(act.permission)]
        return {act.name: (partial(_begin, act.name), act.name, act.label) for act in offered}

    def page_context(self, obj: Any, user: User) -> Mapping[str, Any]:
        return orderpage.context(obj, user, Decision(by=user, at=timezone.now()))


@admin.register(Statement)
class StatementPage(_Page, StatementAdmin):
    """A bank statement beside the payments of every order it names, as they are now."""

    def page_context(self, obj: Any, user: User) -> Mapping[str, Any]:
        examined = matching.examine_statement(obj, user)
        return {"groups": statements.groups(examined), "useful": statements.useful(examined)}


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


@admin.register(ClosingRecord)
class ClosingRecordPage(_Page, ClosingRecordAdmin):
    """The record as a paper people can read, with the proof of its own digest."""

    def page_context(self, obj: Any, user: User) -> Mapping[str, Any]:
        return {"record": records.told(obj, user)}


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
