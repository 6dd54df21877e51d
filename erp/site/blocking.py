"""Checks in a few words, for lists: what a check is called, and what one finding says with its figure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.kernel.money import CURRENCIES, minor_units
from orders.contract import check_of
from orders.services import reviewing

_NAMES: dict[str, Text] = {
    "kernel.not_found": _("Out of scope by now"),
    "kernel.refused_by_database": _("Refused by the database"),
    "kernel.changed": _("Changed meanwhile"),
    "orders.wrong_state": _("In another status"),
    "orders.reason_does_not_fit": _("Reason does not fit"),
    "orders.on_hold": _("On hold"),
    "orders.dated_before_record": _("Dated before its last record"),
    "orders.review_missing": _("Not reviewed"),
    "orders.review_stale": _("Review is stale"),
    "logistics.not_shipped": _("Not all shipped"),
    "logistics.shipment_open": _("Shipment open"),
    "logistics.return_open": _("Return open"),
    "logistics.tracking_missing": _("Tracking number missing"),
    "inventory.stock_not_adjusted": _("Stock not adjusted"),
    "finance.unpaid": _("Not fully paid"),
    "finance.overpaid": _("Overpaid"),
    "finance.payment_unconfirmed": _("Payment unconfirmed"),
    "finance.refund_open": _("Refund open"),
    "finance.allowance_open": _("Allowance open"),
    "finance.write_off_open": _("Write-off open"),
    "finance.books_disagree": _("Books disagree"),
}
# With the figure that says how much.
_SHORT: dict[str, Text] = {
    "orders.review_missing": _("%(label)s: to review"),
    "orders.review_stale": _("%(label)s: review stale"),
    "logistics.shipment_open": _("Shipment open %(shipments)s"),
    "logistics.return_open": _("Return open %(returns)s"),
    "finance.unpaid": _("%(owed)s short"),
    "finance.overpaid": _("%(owed)s overpaid"),
    "finance.payment_unconfirmed": _("To confirm %(pending)s"),
    "finance.refund_open": _("To refund %(refunding)s"),
}


def name_of(code: str) -> str:
    """
    What a check is called; one nobody named here by its first words, which say what holds when it passes.

    An error that is no check goes by its code.
    """
    return str(_NAMES.get(code) or _passed(code)).split("%")[0]


def _passed(code: str) -> Text:
    try:
        return check_of(code).passed
    except StopIteration:
        return code


def short(blocker: Mapping[str, Any]) -> str:
    """A finding, as readiness keeps it, in a few words of the reader's language."""
    code = blocker["code"]
    text = _SHORT.get(code)
    if text is None:
        return name_of(code)
    return str(text) % {key: _shown(key, value) for key, value in blocker["params"].items()}


def _shown(key: str, value: Any) -> str:
    if key == "label":
        return str(reviewing.label_of(value))
    if isinstance(value, list):
        return str(value[0]) if value else ""
    amount, _space, currency = str(value).partition(" ")
    # The currency stands beside the order's total.
    return f"{Decimal(amount):,.{minor_units(currency)}f}" if currency in CURRENCIES else str(value)
