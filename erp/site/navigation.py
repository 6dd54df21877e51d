"""The sidebar: the field's modules, each with the lists its reader may open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.reports import catalogue
from erp.site import dispatching, refunding, statements, worklists
from orders.models import Order


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is no list: its address, and whom it is for."""

    title: Text
    icon: str
    name: str
    is_for: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Module:
    """
    One part of the sidebar.

    :ivar lists: the models whose lists it opens, each with the symbol beside it.
    :ivar pages: what people work through there, above the lists.
    :ivar has_reports: whether it opens the reports.
    """

    title: Text
    lists: Mapping[str, str]
    pages: Sequence[Page] = ()
    has_reports: bool = False


MODULES = (
    Module(
        _("Order management"),
        {
            "orders.Order": "receipt_long",
            "orders.ClosingRecord": "verified",
            "orders.Line": "list",
            "orders.LineClosing": "content_cut",
            "orders.Review": "fact_check",
            "orders.Waiver": "gpp_maybe",
            "bulk.BulkRun": "dynamic_feed",
        },
    ),
    Module(
        _("Inventory"),
        {
            "inventory.StockLevel": "inventory_2",
            "inventory.Receipt": "move_to_inbox",
            "inventory.Transfer": "sync_alt",
            "inventory.StockTake": "checklist",
            "inventory.Reservation": "lock",
            "inventory.Move": "swap_vert",
        },
    ),
    Module(
        _("Logistics"),
        {
            "logistics.Shipment": "local_shipping",
            "logistics.Return": "assignment_return",
            "logistics.Inspection": "search_check",
            "logistics.TrackingEvent": "pin_drop",
            "files.File": "attach_file",
        },
        (Page(_("Dispatch by scanning"), "barcode_scanner", "dispatch", dispatching.may),),
    ),
    Module(
        _("Finance"),
        {
            "finance.Payment": "payments",
            "finance.Statement": "account_balance",
            "finance.Refund": "currency_exchange",
            "finance.Allowance": "sell",
            "finance.WriteOff": "money_off",
            "finance.Voucher": "menu_book",
            "finance.OrderBalance": "account_balance_wallet",
            "finance.Credit": "remove_circle",
            "finance.TakenBack": "undo",
            "finance.Period": "calendar_month",
            "finance.Account": "account_tree",
        },
        (
            Page(_("Bring in a bank statement"), "upload_file", "statement", statements.may_keep),
            Page(_("Refunds to approve"), "approval", "refunds", refunding.may),
        ),
    ),
    Module(_("Reports"), {}, has_reports=True),
    Module(
        _("Master data"),
        {
            "orders.Shop": "storefront",
            "orders.Customer": "group",
            "orders.Product": "category",
            "inventory.Warehouse": "warehouse",
            "logistics.Carrier": "airport_shuttle",
            "orders.ShippingMethod": "route",
        },
    ),
    Module(
        _("System settings"),
        {
            "kernel.User": "person",
            "auth.Group": "badge",
            "orders.ShopScope": "store",
            "inventory.WarehouseScope": "garage_home",
            "orders.Reason": "label",
            "orders.CheckPolicy": "policy",
            "printing.PrintHeader": "print",
            "kernel.OutboxEvent": "outbox",
            "kernel.Counter": "123",
            "worker.Worker": "engineering",
        },
    ),
)
# Read within the documents they belong to, and found from their pages.
WITHIN = frozenset(
    {
        "files.WrongFile",
        "finance.StatementLine",
        "finance.StatementMatch",
        "bulk.BulkItem",
        "finance.VoucherLine",
        "inventory.ReceiptLine",
        "inventory.TransferLine",
        "inventory.StockTakeLine",
        "logistics.ShipmentLine",
        "logistics.ReturnLine",
        "site.Readiness",
        "site.SavedView",
    }
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The modules with what this person may see of them; those without anything are left out."""
    home = {"title": _("Home"), "icon": "home", "link": reverse("admin:index")}
    modules: list[dict[str, Any]] = [
        {"title": module.title, "items": list(_items(module, request))} for module in MODULES
    ]
    if request.user.has_perm("orders.view_order"):
        modules[0]["items"] = [*_worklists(request), *modules[0]["items"]]
    return [{"items": [home]}, *({**module, "collapsible": True} for module in modules if module["items"])]


def _items(module: Module, request: HttpRequest) -> Iterator[dict[str, Any]]:
    yield from _lists(module, request)
    if module.has_reports:
        yield from _reports(request.user)


def _lists(module: Module, request: HttpRequest) -> Iterator[dict[str, Any]]:
    for page in module.pages:
        if page.is_for(request.user):
            yield {"title": page.title, "icon": page.icon, "link": reverse(f"admin:{page.name}")}
    for label, icon in module.lists.items():
        model = apps.get_model(label)
        if admin.site.get_model_admin(model).has_view_permission(request):
            name = model._meta.label_lower.replace(".", "_")
            link = reverse(f"admin:{name}_changelist")
            item = {"title": capfirst(str(model._meta.verbose_name_plural)), "icon": icon, "link": link}
            yield {**item, "active": False} if model is Order and _in_worklist(request) else item


def _reports(user: Any) -> Iterator[dict[str, Any]]:
    assert isinstance(user, User)
    for report in catalogue.offered(user):
        yield {"title": str(report.title), "icon": report.icon, "link": reverse("admin:report", args=[report.name])}


def _in_worklist(request: HttpRequest) -> bool:
    return any(each.is_current and each.count is not None for each in worklists.counted(request))


def _worklists(request: HttpRequest) -> Iterator[dict[str, Any]]:
    """What the reader works from, with its numbers; the archives are found above the list itself."""
    in_list = request.path == reverse("admin:orders_order_changelist")
    for each in worklists.counted(request):
        if each.count is not None:
            item = {"title": each.worklist.label, "icon": each.worklist.icon, "link": each.worklist.link}
            yield {**item, "badge": each.count, "badge_variant": "primary", "active": in_list and each.is_current}
