"""
Progress columns of orders: the only writer.

Called downwards by whoever owns the fact, under the order's lock. Lists and filters read these
columns; closing checks read the documents.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from erp.kernel import setwise
from erp.kernel.money import ZERO, part
from orders.models import Line, LineClosing, Order, PaymentStatus, ShippingStatus, Terms
from orders.selectors import company_day

# What a dispatch changes on the order itself.
DISPATCHED = ("shipping_status", "due_date")
# What other prices of a new order change on it.
REPRICED = ("payable", "payment_status")


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one dispatch takes of one line."""

    line: Line
    quantity: Decimal
    amount: Decimal
    tax: Decimal


def dispatched(orders: Mapping[int, Order], parts: Iterable[Shipped], lines: Iterable[Line], at: object) -> None:
    """
    Note what dispatches took: lines at once; shipping status and due date of the orders with :func:`save`.

    :param lines: all lines of these orders.
    """
    changed: dict[int, Line] = {}
    for shipped in parts:
        line = shipped.line
        line.shipped += shipped.quantity
        line.shipped_amount += shipped.amount
        line.shipped_tax += shipped.tax
        changed[line.pk] = line
    setwise.update(list(changed.values()), ["shipped", "shipped_amount", "shipped_tax"], record=False)
    by_order: dict[int, list[Line]] = {}
    for line in lines:
        by_order.setdefault(line.order_id, []).append(line)
    for order in orders.values():
        order.shipping_status = shipping_status(by_order[order.pk])
        if order.due_date is None:
            order.due_date = company_day(at) + timedelta(days=order.credit_days if order.terms == Terms.CREDIT else 0)


def worth(
    line: Line, quantity: Decimal, currency: str, taken: tuple[Decimal, Decimal, Decimal] | None = None
) -> tuple[Decimal, Decimal]:
    """
    What the next part of a line is worth, rounded in ``money.part``: its amount by quantity, the tax in it by amount.

    Dispatches and what is closed short share one cumulative over the line. Taken by quantity, the tax of a part could
    be more than its amount, where pieces cost less than a cent.

    :param taken: quantity, amount and tax of the parts before it; without it those the line's progress says.
    """
    before, amount_before, tax_before = taken or line.taken
    amount = part(line.amount, before + quantity, line.quantity, amount_before, currency)
    if not line.amount:
        return amount, ZERO
    return amount, part(line.tax, amount_before + amount, line.amount, tax_before, currency)


def closed_short(orders: Mapping[int, Order], closings: Iterable[LineClosing], lines: Iterable[Line]) -> None:
    """
    Note what was closed short of lines: shipping status follows, and less is payable.

    :param lines: all lines of these orders, among them those of the closings.
    """
    closings = list(closings)
    for closing in closings:
        line = closing.line
        line.closed += closing.quantity
        line.closed_amount += closing.amount
        line.closed_tax += closing.tax
    setwise.update([closing.line for closing in closings], ["closed", "closed_amount", "closed_tax"], record=False)
    of_order: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        of_order[line.order_id].append(line)
    for order in orders.values():
        order.shipping_status = shipping_status(of_order[order.pk])
    setwise.update(list(orders.values()), ["shipping_status"], record=False)
    money(orders.values(), payable=by_order(closings, sign=-1))


def repriced(order: Order) -> None:
    """All of a new order's total is payable; whoever calls writes :data:`REPRICED`."""
    order.payable = order.total
    order.payment_status = payment_status(order)


@dataclass(frozen=True, slots=True)
class CameBack:
    """What one received return brought of one line, and how much of it entered stock again."""

    line: Line
    quantity: Decimal
    restocked: Decimal


def came_back(parts: Iterable[CameBack]) -> None:
    """Note on lines what returns brought: one query."""
    changed: dict[int, Line] = {}
    for came in parts:
        line = changed.setdefault(came.line.pk, came.line)
        line.returned += came.quantity
        line.restocked += came.restocked
    setwise.update(list(changed.values()), ["returned", "restocked"], record=False)


def by_order(documents: Iterable[Any], *, sign: int = 1) -> Mapping[int, Decimal]:
    """What documents of orders amount to, by order."""
    amounts: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for document in documents:
        amounts[document.order_id] += sign * document.amount
    return amounts


def money(orders: Iterable[Order], **changes: Mapping[int, Decimal]) -> None:
    """
    Note what is added to ``payable``, ``received``, ``refunded`` or ``written_off``, by order; with a minus taken
    from it. Payment status follows. One query.
    """
    orders = list(orders)
    for order in orders:
        for name, amounts in changes.items():
            setattr(order, name, getattr(order, name) + amounts.get(order.pk, ZERO))
        order.payment_status = payment_status(order)
    setwise.update(orders, [*changes, "payment_status"], record=False)


def save(orders: Iterable[Order]) -> None:
    """Write what :func:`dispatched` noted on orders that no transition carries along."""
    setwise.update(list(orders), DISPATCHED, record=False)


def shipping_status(lines: Iterable[Line]) -> ShippingStatus:
    """From exact quantities: everything, something or nothing has left."""
    lines = list(lines)
    if not any(line.open_quantity for line in lines):
        return ShippingStatus.ALL_SHIPPED
    return ShippingStatus.PARTLY_SHIPPED if any(line.shipped for line in lines) else ShippingStatus.NOT_SHIPPED


def payment_status(order: Order) -> PaymentStatus:
    """From exact amounts, the first that fits."""
    kept = order.received - order.refunded
    rules = {
        PaymentStatus.NOT_DUE: not order.payable and not order.received and not order.refunded,
        PaymentStatus.OVERPAID: order.owed < 0,
        PaymentStatus.REFUNDED: order.owed == kept == ZERO and order.refunded > 0,
        PaymentStatus.UNPAID: kept <= 0,
        PaymentStatus.PARTLY_PAID: order.owed > 0,
        PaymentStatus.PARTLY_REFUNDED: order.refunded > 0,
    }
    return next((status for status, holds in rules.items() if holds), PaymentStatus.PAID)
