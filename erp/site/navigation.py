"""The sidebar: the field's modules, each with the lists its reader may open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text


@dataclass(frozen=True, slots=True)
class Module:
    """
    One part of the sidebar.

    :ivar lists: the models whose lists it opens, each with the symbol beside it.
    """

    title: Text
    lists: Mapping[str, str]


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
        },
    ),
    Module(
        _("Finance"),
        {
            "finance.Payment": "payments",
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
    ),
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
        },
    ),
)
# Read within the documents they belong to, and found from their pages.
WITHIN = frozenset(
    {
        "finance.VoucherLine",
        "inventory.ReceiptLine",
        "inventory.TransferLine",
        "inventory.StockTakeLine",
        "logistics.ShipmentLine",
        "logistics.ReturnLine",
    }
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The modules with what this person may see of them; those without anything are left out."""
    home = {"title": _("Home"), "icon": "home", "link": reverse("admin:index")}
    modules = ({"title": module.title, "items": list(_lists(module, request))} for module in MODULES)
    return [{"items": [home]}, *({**module, "collapsible": True} for module in modules if module["items"])]


def _lists(module: Module, request: HttpRequest) -> Iterator[dict[str, Any]]:
    for label, icon in module.lists.items():
        model = apps.get_model(label)
        if admin.site.get_model_admin(model).has_view_permission(request):
            name = model._meta.label_lower.replace(".", "_")
            link = reverse(f"admin:{name}_changelist")
            yield {"title": capfirst(str(model._meta.verbose_name_plural)), "icon": icon, "link": link}
