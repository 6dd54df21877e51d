"""
变更: what of an order is different from now on, as far as its status lets it be.

A new order can be changed throughout: it has reserved nothing and is priced again as it was when placed. One in
processing only where and how it is sent, and whom to call; later ones only in their internal note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError, Text
from erp.kernel.money import ZERO, Money, plain
from erp.kernel.texts import Term
from erp.kernel.validation import column
from orders import selectors
from orders.contract import Batch, Effect
from orders.models import Line, Order, ShippingMethod, Status
from orders.services import lifecycle, placing, progress
from orders.services.closing_lines import NamedTwice, UnknownLine
from orders.services.lifecycle import Outcome, Seen
from orders.services.placing import LineDraft


class LinesClosedShort(DomainError):
    code = "orders.lines_closed_short"
    message = _(
        "Something of order %(number)s is closed short already; its lines, discount and shipping fee stay. "
        "Close more of it, or place another order."
    )


class CopyIsFree(DomainError):
    code = "orders.copy_is_free"
    message = _(
        "Order %(number)s sends goods of %(origin)s once more, at price 0; %(total)s cannot be asked for it. "
        "Place an order of its own."
    )


@dataclass(frozen=True, slots=True)
class LineChange:
    """What is to be different of a line, by its number; None leaves it. ``discount`` is an amount off the line."""

    no: int
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    discount: Decimal | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What is to be different; None leaves it as it is. Amounts in the order's currency."""

    customer_name: str | None = None
    customer_phone: str | None = None
    customer_email: str | None = None
    shipping_address: Mapping[str, str] | None = None
    shipping_method: str | None = None
    note: str | None = None
    internal_note: str | None = None
    discount: Decimal | None = None
    shipping_fee: Decimal | None = None
    lines: Sequence[LineChange] = ()
    added: Sequence[LineDraft] = ()


TEXTS = ("customer_name", "customer_phone", "customer_email", "note", "internal_note")
DELIVERY = frozenset({"customer_name", "customer_phone", "customer_email", "shipping_address", "shipping_method"})
PRICES = ("goods_total", "discount", "shipping_fee", "tax", "total")
# What can still be changed; everything of a new order.
ALLOWED = {Status.PROCESSING: DELIVERY | {"internal_note"}}
_LATER = frozenset({"internal_note"})
# What a change is told by: the other amounts follow from these.
TOLD = (*TEXTS, "shipping_address", "shipping_method", "discount", "shipping_fee", "total")


def change_order(order_id: int, change: OrderChange, *, decision: Decision, seen: Seen | None = None) -> Outcome:
    """
    Change an order, and ask back what it then is overpaid. What changed is in the history of order and lines.

    :raises NotFound: :raises Forbidden: ``decision.by`` lacks ``orders.change_order``.
    :raises Refused: with every finding: too late for it, packed already, or nothing is different.
    :raises UnknownLine: :raises NamedTwice: :raises LinesClosedShort: :raises CopyIsFree:
    :raises DomainError: as placing an order refuses what it is told.
    """
    detail = {**decision.detail, "change": _clean(change)}
    decided = replace(decision, detail=detail)
    return lifecycle.run("change", [order_id], decided, seen={order_id: seen} if seen else None).one()


def _clean(change: OrderChange) -> OrderChange:
    texts: dict[str, Any] = {
        name: column(Order, name, value, required=name == "customer_name")
        for name, value in ((name, getattr(change, name)) for name in TEXTS)
        if value is not None
    }
    numbers: set[int] = set()
    for line in change.lines:
        if line.no in numbers:
            raise NamedTwice(line=line.no)
        numbers.add(line.no)
    address = change.shipping_address
    return replace(
        change,
        **texts,
        shipping_address=None if address is None else placing.clean_address(address),
        shipping_method=_code(change.shipping_method),
    )


def _code(method: str | None) -> str | None:
    return None if method is None else column(ShippingMethod, "code", method)


@dataclass(frozen=True, slots=True)
class ChangeField(Effect):
    """A column of the order that gets another value; both as people read them."""

    order_id: int
    field: str
    before: str
    after: str

    def describe(self) -> str:
        return str(
            _("%(field)s: %(before)s → %(after)s")
            % {"field": label_of(self.field), "before": self.before or "—", "after": self.after or "—"}
        )


@dataclass(frozen=True, slots=True)
class ChangeLine(Effect):
    """A line that is added, removed or different: quantity, unit price and amount of it before and after."""

    order_id: int
    no: int
    sku: str
    before: str
    after: str

    def describe(self) -> str:
        params = {"no": self.no, "sku": self.sku, "before": self.before, "after": self.after}
        if not self.before:
            return str(_("Line %(no)s %(sku)s is added: %(after)s") % params)
        if not self.after:
            return str(_("Line %(no)s %(sku)s is removed: %(before)s") % params)
        return str(_("Line %(no)s %(sku)s: %(before)s → %(after)s") % params)


ChangeEffect = ChangeField | ChangeLine


def label_of(name: str) -> str:
    column: Any = Order._meta.get_field(name)
    return str(capfirst(column.verbose_name))


def field_changes(order_id: int, before: Any, after: Any) -> Iterator[ChangeField]:
    """How an order, or a row of its history, differs from an earlier one."""
    for name in TOLD:
        old, new = _shown(before, name), _shown(after, name)
        if old != new:
            yield ChangeField(order_id, name, old, new)


def _shown(order: Any, name: str) -> str:
    value = getattr(order, name)
    if isinstance(value, Decimal):
        return str(Money(value, order.currency))
    if isinstance(value, Mapping):
        return " ".join(value[part] for part in placing.ADDRESS_PARTS if part in value)
    return "" if value is None else str(value)


def line_change(order_id: int, before: Any, after: Any, currency: str) -> ChangeLine | None:
    """How a line, or a row of its history, differs from an earlier one; either may be missing."""
    line = before if after is None else after
    said = ChangeLine(order_id, line.no, line.sku, _line_shown(before, currency), _line_shown(after, currency))
    return said if said.before != said.after else None


def _line_shown(line: Any, currency: str) -> str:
    if line is None:
        return ""
    discount = f" − {plain(line.discount)}" if line.discount else ""
    return f"{plain(line.quantity)} × {plain(line.unit_price)}{discount}, {Money(line.amount, currency)}"


def planned(batch: Batch) -> Mapping[int, Changed]:
    """What the decision changes, by order. :raises DomainError: it cannot be priced, or names what there is not."""
    if "orders.change" not in batch.memo:
        change = batch.decision.detail.get("change", OrderChange())
        lines = selectors.lines(batch)
        batch.memo["orders.change"] = {
            order.pk: _changed(order, change, lines.get(order.pk, ())) for order in batch.orders
        }
    by_order: Mapping[int, Changed] = batch.memo["orders.change"]
    return {order_id: by_order[order_id] for order_id in batch.ids}


@dataclass(slots=True)
class Changed:
    """
    An order as it is to be, beside the one it is.

    :ivar columns: of the order that differ. :ivar late: what was asked for and cannot be any more.
    :ivar lowered: by how much less is payable; negative: more.
    """

    order: Order
    after: Order
    late: list[Term] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    lowered: Decimal = ZERO
    before_lines: Mapping[int, Line] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    added: list[Line] = field(default_factory=list)
    removed: list[Line] = field(default_factory=list)

    @property
    def is_different(self) -> bool:
        return bool(self.columns or self.lines or self.added or self.removed)

    @property
    def concerns_delivery(self) -> bool:
        return self.order.status == Status.PROCESSING and bool(DELIVERY & set(self.columns))

    def effects(self) -> Iterator[ChangeEffect]:
        currency = self.order.currency
        yield from field_changes(self.order.pk, self.order, self.after)
        pairs: list[tuple[Line | None, Line | None]] = [(self.before_lines[line.pk], line) for line in self.lines]
        pairs += [(line, None) for line in self.removed]
        pairs += [(None, line) for line in self.added]
        said = (line_change(self.order.pk, before, after, currency) for before, after in pairs)
        yield from (change for change in said if change)

    def stamp(self) -> list[str]:
        """Give the locked order its new columns; their names."""
        for name in self.columns:
            setattr(self.order, name, getattr(self.after, name))
        if "total" not in self.columns:
            return self.columns
        progress.repriced(self.order)
        return [*self.columns, *progress.REPRICED]

    def save_lines(self) -> None:
        setwise.delete(self.removed)
        setwise.update(self.lines, _PRICED)
        setwise.insert(self.added)


_PRICED = ("quantity", "unit_price", "discount", "order_discount", "amount", "tax")


def _changed(order: Order, change: OrderChange, lines: Sequence[Line]) -> Changed:
    changed = Changed(order, copy(order))
    after = changed.after
    for name in TEXTS:
        if getattr(change, name) is not None:
            setattr(after, name, getattr(change, name))
    if change.shipping_address is not None:
        after.shipping_address = dict(change.shipping_address)
    if change.shipping_method is not None:
        after.shipping_method = _method(order, change.shipping_method)
    asked = [
        name for name in ("discount", "shipping_fee") if getattr(change, name) not in (None, getattr(order, name))
    ]
    if _reprices(change, lines, order):
        asked.append("lines")
    changed.columns = [name for name in (*TEXTS, "shipping_address") if getattr(after, name) != getattr(order, name)]
    if after.shipping_method_id != order.shipping_method_id:
        changed.columns.append("shipping_method")
    changed.late = [Term(name, _label(name)) for name in (*changed.columns, *asked) if not _is_allowed(order, name)]
    if asked and not changed.late:
        _reprice(changed, change, lines)
    return changed


def _is_allowed(order: Order, name: str) -> bool:
    return order.status == Status.NEW or name in ALLOWED.get(Status(order.status), _LATER)


def _label(name: str) -> Text:
    return _("Lines") if name == "lines" else label_of(name)


def _method(order: Order, code: str) -> ShippingMethod | None:
    """The one it has stays, also when it is not offered any more."""
    if order.shipping_method is not None and order.shipping_method.code == code:
        return order.shipping_method
    if not code:
        return None
    method = ShippingMethod.objects.filter(code=code, is_active=True).first()
    if method is None:
        raise placing.UnknownShippingMethod(method=code)
    return method


def _reprices(change: OrderChange, lines: Sequence[Line], order: Order) -> bool:
    by_no = {line.no: line for line in lines if not line.is_shipping_fee}
    different = bool(change.added)
    for wanted in change.lines:
        line = by_no.get(wanted.no)
        if line is None:
            raise UnknownLine(number=order.number, line=wanted.no)
        values = {name: getattr(wanted, name) for name in ("quantity", "unit_price", "discount")}
        is_other = any(value not in (None, getattr(line, name)) for name, value in values.items())
        different = different or wanted.remove or is_other
    return different


def _reprice(changed: Changed, change: OrderChange, lines: Sequence[Line]) -> None:
    """
    Price the goods anew, with the tax rates they were placed with; rounding as in :mod:`orders.services.placing`.

    Lines keep their numbers; added ones get the next.
    """
    order, currency = changed.order, changed.order.currency
    if any(line.closed for line in lines):
        raise LinesClosedShort(number=order.number)
    wanted = {line.no: line for line in change.lines}
    changed.before_lines = {line.pk: line for line in lines}
    fee = next((copy(line) for line in lines if line.is_shipping_fee), None)
    goods = [copy(line) for line in lines if not line.is_shipping_fee]
    changed.removed = [line for line in goods if line.no in wanted and wanted[line.no].remove]
    kept = [line for line in goods if line not in changed.removed]
    for line in kept:
        _price(line, wanted.get(line.no, LineChange(line.no)), currency)
    next_no = max(line.no for line in lines) + 1
    changed.added = placing.more_lines(order, change.added, next_no)
    every = [*kept, *changed.added]
    placing.check_count(every)
    amounts = placing.add_up(
        every,
        order.discount if change.discount is None else change.discount,
        order.shipping_fee if change.shipping_fee is None else change.shipping_fee,
        currency,
    )
    every += _with_fee(changed, fee, amounts["shipping_fee"], next_no + len(changed.added))
    if order.copied_from_id and amounts["total"]:
        raise CopyIsFree(number=order.number, origin=order.copied_from, total=order.money(amounts["total"]))
    for name, value in {**amounts, "tax": sum((line.tax for line in every), ZERO)}.items():
        setattr(changed.after, name, value)
    changed.lowered = order.total - amounts["total"]
    changed.columns += [name for name in PRICES if getattr(changed.after, name) != getattr(order, name)]
    changed.lines = [line for line in every if line.pk and _differs(line, changed.before_lines[line.pk])]


def _price(line: Line, wanted: LineChange, currency: str) -> None:
    quantity = line.quantity if wanted.quantity is None else wanted.quantity
    unit_price = line.unit_price if wanted.unit_price is None else wanted.unit_price
    discount = line.discount if wanted.discount is None else wanted.discount
    placing.price(line, quantity, unit_price, discount, currency)


def _with_fee(changed: Changed, line: Line | None, fee: Decimal, no: int) -> list[Line]:
    """The line of the shipping fee as it is to be: charged anew, added, or removed."""
    if line is None:
        if fee:
            changed.added.append(placing.fee_line(changed.order, no, fee))
        return changed.added[-1:] if fee else []
    if not fee:
        changed.removed.append(line)
        return []
    placing.charge(line, fee, changed.order.currency)
    return [line]


def _differs(line: Line, before: Line) -> bool:
    return any(getattr(line, name) != getattr(before, name) for name in _PRICED)
