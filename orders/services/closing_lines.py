"""行关闭: what is left of some lines is abandoned; price, tax and discount share fall with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision, current
from erp.kernel.errors import DomainError
from erp.kernel.money import ZERO, Money, Quantity, check_positive, plain
from orders import selectors
from orders.contract import Batch, Effect
from orders.models import Act, Line, LineClosing, Order, Status, Unit
from orders.models.master import WHOLE_UNITS
from orders.services import catalogue, lifecycle, progress
from orders.services.lifecycle import Outcome, Seen
from orders.services.placing import FractionOfPiece


class NothingToClose(DomainError):
    code = "orders.nothing_to_close"
    message = _("No line was named of which something is to be closed. Name the lines and how much of each.")


class NamedTwice(DomainError):
    code = "orders.line_named_twice"
    message = _("Line %(line)s is named twice. Name each line once.")


class UnknownLine(DomainError):
    code = "orders.unknown_line"
    message = _("Order %(number)s has no line %(line)s. Choose one of its lines.")


@dataclass(frozen=True, slots=True)
class LineToClose:
    """How much of a line, by its number, is to be closed; without a quantity all that is left of it."""

    no: int
    quantity: Decimal | None = None


def close_lines(
    order_id: int,
    lines: Iterable[LineToClose],
    *,
    decision: Decision,
    party: str = "",
    seen: Seen | None = None,
) -> Outcome:
    """
    Close what is left of lines of an order that is new or in processing.

    What was reserved for it serves others, what is then overpaid is asked back, and an order in processing with
    nothing left open is shipped, all in one transaction and under this permission.

    :param party: whose side the cause is on; without one, that of the reason.
    :raises NotFound: :raises Forbidden: ``decision.by`` lacks ``orders.close_line``.
    :raises NothingToClose: :raises NamedTwice: :raises UnknownLine: :raises FractionOfPiece: :raises UnknownParty:
    :raises ReasonUnknown: :raises ReasonDoesNotApply: :raises ReasonNeedsNote: the reason does not serve.
    :raises Refused: with every finding: more than is left, on hold, the last goods of an order that sent nothing.
    """
    reason = catalogue.require(Act.CLOSE_LINE, decision)
    detail = {**decision.detail, "lines": _quantities(lines), "party": catalogue.party_of(party, reason)}
    decided = replace(decision, detail=detail)
    return lifecycle.run("close_line", [order_id], decided, seen={order_id: seen} if seen else None).one()


def _quantities(lines: Iterable[LineToClose]) -> Mapping[int, Decimal | None]:
    quantities: dict[int, Decimal | None] = {}
    for line in lines:
        if line.no in quantities:
            raise NamedTwice(line=line.no)
        if line.quantity is not None:
            check_positive(line.quantity, _("Quantity"))
        quantities[line.no] = line.quantity
    if not quantities:
        raise NothingToClose
    return quantities


@dataclass(frozen=True, slots=True)
class Remainder:
    """How much of a line is to be closed, of how much that is left."""

    line: Line
    left: Decimal
    quantity: Decimal

    @property
    def is_there(self) -> bool:
        return 0 < self.quantity <= self.left


# What of an order line is promised to something that is under way: by line, and where, such as the warehouse.
Kept = Mapping[tuple[int, int | None], Decimal]


def keep(batch: Batch, promised: Kept) -> None:
    """Say what of lines cannot be closed, for the step of an app that promised it; before anything is chosen."""
    batch.memo["orders.kept"] = promised


def kept(batch: Batch) -> Kept:
    promised: Kept = batch.memo.get("orders.kept", {})
    return promised


def chosen(batch: Batch) -> Mapping[int, Sequence[Remainder]]:
    """By order, what the decision closes of which lines. :raises UnknownLine: :raises FractionOfPiece:"""
    if "orders.closing_lines" not in batch.memo:
        promised: dict[int, Decimal] = defaultdict(lambda: ZERO)
        for (line_id, _where), quantity in kept(batch).items():
            promised[line_id] += quantity
        lines = selectors.lines(batch)
        batch.memo["orders.closing_lines"] = {
            order.pk: _remainders(order, lines.get(order.pk, ()), promised, batch.decision.detail.get("lines", {}))
            for order in batch.orders
        }
    by_order: Mapping[int, Sequence[Remainder]] = batch.memo["orders.closing_lines"]
    return {order_id: by_order[order_id] for order_id in batch.ids}


def _remainders(
    order: Order, lines: Iterable[Line], promised: Mapping[int, Decimal], wanted: Mapping[int, Decimal | None]
) -> list[Remainder]:
    by_no = {line.no: line for line in lines}
    remainders = []
    for no, quantity in sorted(wanted.items()):
        line = by_no.get(no)
        if line is None:
            raise UnknownLine(number=order.number, line=no)
        if quantity is not None and line.unit in WHOLE_UNITS and quantity != quantity.to_integral_value():
            raise FractionOfPiece(line=no, quantity=plain(quantity), unit=line.get_unit_display(), sku=line.sku)
        left = line.open_quantity - promised[line.pk]
        remainders.append(Remainder(line, left, left if quantity is None else quantity))
    return remainders


@dataclass(frozen=True, slots=True)
class CloseShort(Effect):
    """What of one line will not be shipped, and what of its amount and tax falls with it."""

    order_id: int
    line_id: int
    no: int
    sku: str
    quantity: Decimal
    unit: str
    amount: Decimal
    tax: Decimal
    currency: str

    def describe(self) -> str:
        return str(
            _("Line %(no)s: %(quantity)s of %(sku)s are closed short; %(amount)s less are payable, with %(tax)s tax.")
            % {
                "no": self.no,
                "quantity": Quantity(self.quantity, Unit(self.unit).label),
                "sku": self.sku,
                "amount": Money(self.amount, self.currency),
                "tax": Money(self.tax, self.currency),
            }
        )


@dataclass(frozen=True, slots=True)
class Ship(Effect):
    def describe(self) -> str:
        return str(_("Nothing is left to ship: the order is shipped."))


def closings(batch: Batch) -> Mapping[int, list[CloseShort]]:
    """What is closed of each order, computed before it is written: amount and tax rounded in ``progress.worth``."""
    if "orders.planned_closings" not in batch.memo:
        batch.memo["orders.planned_closings"] = {
            order.pk: [_closing(order, remainder) for remainder in chosen(batch)[order.pk] if remainder.is_there]
            for order in batch.orders
        }
    planned: Mapping[int, list[CloseShort]] = batch.memo["orders.planned_closings"]
    return planned


def _closing(order: Order, remainder: Remainder) -> CloseShort:
    line = remainder.line
    amount, tax = progress.worth(line, remainder.quantity, order.currency)
    return CloseShort(order.pk, line.pk, line.no, line.sku, remainder.quantity, line.unit, amount, tax, order.currency)


def leaves_nothing_open(batch: Batch, order: Order) -> bool:
    """Whether no goods or services stay open; the shipping fee alone is nothing to ship."""
    closed = {remainder.line.pk: remainder.quantity for remainder in chosen(batch)[order.pk]}
    lines = selectors.lines(batch).get(order.pk, ())
    return all(line.open_quantity <= closed.get(line.pk, ZERO) for line in lines if not line.is_shipping_fee)


def ships(batch: Batch, order: Order) -> bool:
    """Whether the order is shipped by what is closed of it."""
    return order.status == Status.PROCESSING and bool(chosen(batch)[order.pk]) and leaves_nothing_open(batch, order)


def write(batch: Batch, effects: Sequence[CloseShort]) -> None:
    """Append what was closed short, and note it on lines and orders."""
    lines = {line.pk: line for of_order in selectors.lines(batch).values() for line in of_order}
    decision = current()
    rows = [
        LineClosing(
            order_id=effect.order_id,
            line=lines[effect.line_id],
            quantity=effect.quantity,
            amount=effect.amount,
            tax=effect.tax,
            reason=decision.reason,
            party=decision.detail["party"],
        )
        for effect in effects
    ]
    LineClosing.objects.bulk_create(rows)
    progress.closed_short(batch.by_id, rows, lines.values())
