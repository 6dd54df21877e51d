"""
Roles: groups of permissions, as far as the product's acts reach.

Made after migrate and by ``manage.py bootstrap_roles``, idempotently: permissions are added to a role,
never taken from it, so that what an installation changed stays.
"""

from collections.abc import Iterable

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import connection

from erp.kernel.models import User, system

_EVERYBODY = [
    "orders.view_order",
    "orders.view_line",
    "orders.view_lineclosing",
    "orders.view_customer",
    "orders.view_product",
    "orders.view_shop",
]
_SEE_SHIPMENTS = [
    f"logistics.view_{model}"
    for model in ("shipment", "shipmentline", "trackingevent", "return", "returnline", "inspection")
]
_SEE_MONEY = ["finance.view_payment", "finance.view_refund", "finance.view_allowance"]
_SEE_FILES = ["files.view_file", "files.view_wrongfile"]
_KEEP_FILES = [*_SEE_FILES, "files.add_file"]
_SEE_STATEMENTS = ["finance.view_statement", "finance.view_statementline", "finance.view_statementmatch"]
_SEE_STOCK = ["inventory.view_stocklevel", "inventory.view_warehouse", "inventory.view_reservation"]
_SEE_COUNTS = ["inventory.view_stocktake", "inventory.view_stocktakeline"]
_SEE_TRANSFERS = ["inventory.view_transfer", "inventory.view_transferline"]
_SEE_LEDGER = [
    "finance.view_account",
    "finance.view_period",
    "finance.view_voucher",
    "finance.view_voucherline",
    "finance.view_orderbalance",
    "finance.view_credit",
    "finance.view_writeoff",
    "finance.view_takenback",
]
_SEE_CLOSING = ["orders.view_closingrecord", "orders.view_review", "orders.view_waiver", "orders.view_reason"]
# Reports, beside which those with cost need the right to see it. Each shows what is in the reader's scope.
_OF_WORK = [f"reports.view_{name}" for name in ("execution", "overdue", "closing_reasons")]
_OF_SALES = [*_OF_WORK, *(f"reports.view_{name}" for name in ("sales", "closed_orders", "ageing", "statement"))]
_OF_STOCK = ["reports.view_on_hand", "reports.view_movements"]
_OF_BOOKS = [f"reports.view_{name}" for name in ("receipts", "trial_balance", "voucher_list")]
_ALL_SHOPS, _ALL_WAREHOUSES = ["orders.all_shops"], ["inventory.all_warehouses"]

SYSTEM_TASKS = "系统任务"

ROLES: dict[str, list[str]] = {
    "业务员": [
        *_EVERYBODY,
        *_SEE_FILES,
        *_SEE_SHIPMENTS,
        *_SEE_MONEY,
        *_SEE_STOCK,
        *_SEE_CLOSING,
        *_ALL_WAREHOUSES,
        *_OF_SALES,
        "reports.view_on_hand",
        "orders.add_order",
        "orders.change_order",
        "orders.process_order",
        "orders.cancel_order",
        "orders.close_line",
        "orders.review_order",
    ],
    "客服": [
        *_EVERYBODY,
        *_KEEP_FILES,
        *_SEE_SHIPMENTS,
        *_SEE_MONEY,
        *_SEE_CLOSING,
        *_ALL_WAREHOUSES,
        *_OF_WORK,
        "reports.view_closed_orders",
        "orders.complete_order",
        "orders.cancel_order",
        "logistics.request_return",
        "finance.request_refund",
        "finance.request_allowance",
        "orders.hold_order",
    ],
    "仓管员": [
        *_EVERYBODY,
        *_KEEP_FILES,
        *_SEE_SHIPMENTS,
        *_SEE_STOCK,
        *_SEE_COUNTS,
        *_ALL_SHOPS,
        "inventory.view_move",
        "inventory.view_receipt",
        "inventory.view_receiptline",
        *_SEE_TRANSFERS,
        *_OF_STOCK,
        "reports.view_execution",
        "orders.process_order",
        "inventory.receive_stock",
        "inventory.transfer_stock",
        "inventory.count_stock",
        "logistics.pack_shipment",
        "logistics.receive_return",
    ],
    "物流": [
        *_EVERYBODY,
        *_KEEP_FILES,
        *_SEE_SHIPMENTS,
        *_SEE_STOCK,
        *_SEE_CLOSING,
        *_ALL_SHOPS,
        *_ALL_WAREHOUSES,
        *_OF_WORK,
        "reports.view_on_hand",
        "logistics.view_carrier",
        "logistics.dispatch_shipment",
        "logistics.deliver_shipment",
        "logistics.approve_return",
        "logistics.review_logistics",
    ],
    "财务": [
        *_EVERYBODY,
        *_KEEP_FILES,
        *_SEE_SHIPMENTS,
        *_SEE_MONEY,
        *_SEE_STATEMENTS,
        *_SEE_LEDGER,
        *_SEE_STOCK,
        *_SEE_COUNTS,
        *_SEE_CLOSING,
        *_ALL_SHOPS,
        *_ALL_WAREHOUSES,
        "inventory.view_move",
        "inventory.view_receipt",
        "inventory.view_receiptline",
        *_SEE_TRANSFERS,
        "inventory.view_cost",
        *_OF_SALES,
        *_OF_STOCK,
        *_OF_BOOKS,
        "reports.view_margin",
        "finance.confirm_payment",
        "finance.void_payment",
        "finance.approve_refund",
        "finance.approve_allowance",
        "finance.request_write_off",
        "finance.close_period",
        "finance.review_finance",
    ],
    "出纳": [
        *_EVERYBODY,
        *_KEEP_FILES,
        *_SEE_MONEY,
        *_SEE_STATEMENTS,
        *_ALL_SHOPS,
        "reports.view_receipts",
        "finance.report_payment",
        "finance.pay_refund",
    ],
    "财务主管": [
        "site.view_readiness",
        *_EVERYBODY,
        *_SEE_FILES,
        *_SEE_SHIPMENTS,
        *_SEE_MONEY,
        *_SEE_STATEMENTS,
        *_SEE_LEDGER,
        *_SEE_STOCK,
        *_SEE_COUNTS,
        *_SEE_CLOSING,
        *_ALL_SHOPS,
        *_ALL_WAREHOUSES,
        "inventory.view_move",
        "inventory.view_cost",
        *_OF_SALES,
        *_OF_STOCK,
        *_OF_BOOKS,
        "reports.view_margin",
        "finance.approve_write_off",
        "orders.waive_check",
        "inventory.approve_stocktake",
    ],
    "系统管理员": [
        "site.view_readiness",
        *_EVERYBODY,
        *_SEE_FILES,
        *_SEE_SHIPMENTS,
        *_SEE_MONEY,
        *_SEE_LEDGER,
        *_SEE_STOCK,
        *_SEE_CLOSING,
        *_ALL_SHOPS,
        *_ALL_WAREHOUSES,
        *_OF_SALES,
        *_OF_STOCK,
        *_OF_BOOKS,
        "orders.review_order",
        "finance.review_finance",
        "logistics.review_logistics",
        "orders.close_order",
        "orders.reopen_order",
        "bulk.view_bulkrun",
        *(f"kernel.{act}_user" for act in ("view", "add", "change")),
        "auth.view_group",
        *(
            f"orders.{act}_{model}"
            for act in ("add", "change")
            for model in ("shop", "customer", "product", "shippingmethod", "reason", "checkpolicy")
        ),
        "orders.view_shippingmethod",
        "orders.view_checkpolicy",
        *(f"orders.{act}_shopscope" for act in ("view", "add", "change", "delete")),
        *(f"inventory.{act}_warehousescope" for act in ("view", "add", "change", "delete")),
        *(f"inventory.{act}_warehouse" for act in ("add", "change")),
        *(f"logistics.{act}_carrier" for act in ("view", "add", "change")),
        *(f"printing.{act}_printheader" for act in ("view", "add", "change")),
    ],
    # Reads everything with logs; changes no business document.
    "审计员": [*_ALL_SHOPS, *_ALL_WAREHOUSES, "inventory.view_cost", "view_*"],
    # Held by the machine account of a shop, for its own orders.
    "外部商城": [
        *_EVERYBODY,
        *_SEE_SHIPMENTS,
        *_SEE_MONEY,
        "orders.add_order",
        "orders.complete_order",
        "orders.cancel_order",
        "finance.report_payment",
        "finance.pay_refund",
        "logistics.request_return",
    ],
    # Held by the machine account “system”: what its commands take over from files, nothing people decide.
    SYSTEM_TASKS: [
        *_ALL_SHOPS,
        *_ALL_WAREHOUSES,
        "orders.add_shop",
        "orders.add_product",
        "orders.change_product",
        "orders.add_order",
        "inventory.add_warehouse",
        "inventory.receive_stock",
        "inventory.count_stock",
    ],
}

# Also the packages' apps whose permissions a role holds: they come after ours and have none yet.
APPS = (
    "kernel",
    "orders",
    "finance",
    "inventory",
    "logistics",
    "files",
    "printing",
    "reports",
    "worker",
    "bulk",
    "site",
    "auth",
    "admin",
)


def create() -> None:
    """Make absent roles, add absent permissions to present ones, and give the machine account its role."""
    tables = set(connection.introspection.table_names())
    if not {Permission._meta.db_table, User._meta.db_table} <= tables:
        return
    for label in APPS:
        create_permissions(apps.get_app_config(label), verbosity=0)
    known = {f"{p.content_type.app_label}.{p.codename}": p for p in _permissions()}
    for name, codes in ROLES.items():
        group, _created = Group.objects.get_or_create(name=name)
        present = set(group.permissions.values_list("pk", flat=True))
        group.permissions.add(*(known[code] for code in expand(codes, known) if known[code].pk not in present))
    system().groups.add(Group.objects.get(name=SYSTEM_TASKS))


def expand(codes: Iterable[str], known: Iterable[str]) -> list[str]:
    """Permission codes with ``view_*`` written out over every model of ours."""
    plain = [code for code in codes if code != "view_*"]
    if "view_*" in codes:
        plain += [code for code in known if code.split(".")[1].startswith("view_") and code not in plain]
    return plain


def _permissions() -> Iterable[Permission]:
    return Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
