"""What an act is about: the facts of a document, in the reader's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from erp.kernel.acting import Decision
from erp.kernel.money import ZERO
from erp.kernel.shown import price
from erp.site.act import Facts
from finance import matching
from finance import selectors as finance_selectors
from finance.matching import Verdict
from finance.models import Allowance, Payment, Statement, WriteOff
from inventory.models import Warehouse
from logistics.models import Return, ReturnLine, Shipment, ShipmentLine
from orders.contract import Batch
from orders.models import Line
from orders.words import KEYS


def payment(payment: Payment, decision: Decision) -> Facts:
    """The money, who said it came, and what the order owes before it is decided."""
    order = payment.order
    (account,) = finance_selectors.order_accounts(Batch([order], decision, acting=False))
    return {
        **_named(payment, "number", "status", "method", "reference"),
        _name(payment, "amount"): price(payment.amount, order.currency),
        _name(payment, "fee"): price(payment.fee, order.currency),
        _name(payment, "received_at"): _moment(payment.received_at),
        _name(payment, "reported_by"): payment.reported_by,
        _("Reported at"): _moment(payment.history.earliest("history_id").history_date),
        _word("owed"): price(account.owed, order.currency),
    }


def statement(verdict: Verdict) -> Callable[[Statement, Decision], Facts]:
    """How many of its lines are of one verdict by now, and what they add up to."""

    def shown(statement: Statement, decision: Decision) -> Facts:
        examined = matching.examine_statement(statement, decision.by)
        lines = [each.line for each in examined if each.verdict == verdict and not each.own]
        return {
            **_named(statement, "number", "name", "method"),
            verdict.label: len(lines),
            _("Together"): price(sum((line.amount for line in lines), ZERO), statement.currency),
        }

    return shown


def allowance(allowance: Allowance, decision: Decision) -> Facts:
    """Of which goods, how much of what was charged for them, and who asked for it and why."""
    order, line = allowance.order, allowance.line
    return {
        **_named(allowance, "number", "status", "source"),
        _word("lines"): f"{line.no} · {line.sku} {line.name}",
        _name(allowance, "part_amount"): price(allowance.part_amount, order.currency),
        _name(allowance, "amount"): price(allowance.amount, order.currency),
        **_named(allowance, "party"),
        **_requested(allowance),
    }


def write_off(write_off: WriteOff, decision: Decision) -> Facts:
    """What is given up, who asked for it and why, and what the order owes before it is decided."""
    order = write_off.order
    (account,) = finance_selectors.order_accounts(Batch([order], decision, acting=False))
    return {
        **_named(write_off, "number", "status", "kind"),
        _name(write_off, "amount"): price(write_off.amount, order.currency),
        **_requested(write_off),
        _word("owed"): price(account.owed, order.currency),
    }


def _requested(document: Allowance | WriteOff) -> Facts:
    return {
        _name(document, "requested_by"): document.requested_by,
        _name(document, "requested_at"): _moment(document.requested_at),
        _word("why"): document.history.earliest("history_id").history_change_reason,
    }


def shipment(shipment: Shipment, decision: Decision) -> Facts:
    """Where the goods are, where they go and how, and which they are."""
    lines = ShipmentLine.objects.filter(shipment=shipment).select_related("line").order_by("line__no", "pk")
    return {
        **_named(shipment, "number", "status", "warehouse"),
        _word("address"): " ".join(shipment.order.shipping_address.values()),
        **_named(shipment, "method", "carrier", "tracking_number"),
        _word("lines"): [_line(row) for row in lines],
    }


def warehouse(warehouse: Warehouse, decision: Decision) -> Facts:
    """Which one it is, and in what its value is kept."""
    return _named(warehouse, "code", "name", "currency")


def goods_return(goods_return: Return, decision: Decision) -> Facts:
    """Why the goods come back, who asked for it, and which they are."""
    lines = ReturnLine.objects.filter(goods_return=goods_return).select_related("shipment_line__line")
    return {
        **_named(goods_return, "number", "status", "shipment", "reason", "party", "requested_by"),
        _name(goods_return, "requested_at"): _moment(goods_return.requested_at),
        **_named(goods_return, "approved_by"),
        _word("lines"): [
            _goods(row.shipment_line.line, row.quantity) for row in lines.order_by("shipment_line__line__no", "pk")
        ],
    }


def _line(row: ShipmentLine) -> Mapping[Any, Any]:
    return _goods(row.line, row.quantity)


def _goods(line: Line, quantity: Decimal) -> Mapping[Any, Any]:
    return {_word("sku"): line.sku, _word("name"): line.name, _word("quantity"): line.count(quantity)}


def _named(document: Any, *names: str) -> Facts:
    """The fields that say something, under their own names."""
    shown = {name: getattr(document, f"get_{name}_display", None) for name in names}
    values = {name: display() if display else getattr(document, name) for name, display in shown.items()}
    return {_name(document, name): value for name, value in values.items() if value not in (None, "")}


def _name(document: Any, field: str) -> str:
    return capfirst(str(document._meta.get_field(field).verbose_name))


def _word(key: str) -> str:
    return str(KEYS[key])


def _moment(at: Any) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")
