"""Asking for goods to come back, and deciding it; receiving them is ``logistics.services.inspecting``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.money import ZERO
from erp.kernel.numbering import numbers
from erp.kernel.transitions import advance, found, ready
from logistics.models import OUT, UNDELIVERED, Return, ReturnLine, ReturnStatus, Shipment, ShipmentLine
from logistics.services import drafting
from orders.models import Act, Line, Order
from orders.models.order import LineKind
from orders.selectors import company_day
from orders.services import catalogue
from orders.services.catalogue import party_of
from orders.services.documents import authorise, holding, holding_of, require_version


class NothingToReturn(DomainError):
    code = "logistics.nothing_to_return"
    message = _("Of order %(number)s nothing was chosen that could come back. Name goods that have left the house.")


class NotReturnable(DomainError):
    code = "logistics.not_returnable"
    message = _(
        "Order %(number)s has no goods on line %(line)s that have left the house. For a service, ask for an allowance."
    )


class MoreThanLeft(DomainError):
    code = "logistics.return_exceeds_shipped"
    message = _(
        "Order %(number)s line %(line)s (%(sku)s): %(wanted)s were to come back, only %(left)s have left the house "
        "and are on no other return. Return less, or have the other return rejected."
    )


class ReturnUndecided(DomainError):
    code = "logistics.return_undecided"
    message = _(
        "Return %(number)s asks for goods of shipment %(shipment)s and is neither approved nor rejected. Logistics "
        "has to decide it first."
    )


class CannotBeRejected(DomainError):
    code = "logistics.return_of_undelivered"
    message = _(
        "Return %(number)s is about shipment %(shipment)s, which never reached the customer: it cannot be rejected. "
        "Where the goods do not come, the warehouse receives them as lost."
    )


@dataclass(frozen=True, slots=True)
class ReturnDraftLine:
    """Goods by the ``no`` of their line, of the oldest shipment first, or by the shipment line that carried them."""

    quantity: Decimal
    no: int | None = None
    shipment_line_id: int | None = None


@dataclass(frozen=True, slots=True)
class ReturnDraft:
    """What is to come back of one order. ``party`` is whose side the cause was on; it defaults to the reason's."""

    order_id: int
    lines: Sequence[ReturnDraftLine]
    party: str = ""


def request_return(draft: ReturnDraft, *, decision: Decision, version: int | None = None) -> Return:
    """
    Ask for goods to come back; also after the order's closing.

    :param version: the order's, as the person saw it: the same form sent twice asks once.
    :raises NotFound: :raises Forbidden: ``logistics.request_return`` is missing. :raises Changed: another version.
    :raises ReasonUnknown: none of the catalogue's for returns.
    :raises NothingToReturn: :raises NotReturnable: :raises MoreThanLeft: :raises FractionOfPiece: of a line.
    """
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, [draft.order_id], decision.by, "logistics.request_return")
    with holding(scoped.filter(pk=draft.order_id), decision, closed_too=True) as held:
        (order,) = found(Order, [draft.order_id], list(held.values()))
        require_version(order, version)
        party = party_of(draft.party, catalogue.require(Act.RETURN, decision))
        (made,) = insert([Plan(order, party, _chosen(order, draft.lines))], decision)
        return made


def approve_returns(return_ids: Iterable[int], *, decision: Decision) -> list[Return]:
    """The goods may come; all returns or none. :raises WrongState: one is not requested any more."""
    with holding_of(Return.objects, return_ids, decision, "logistics.approve_return", closed_too=True) as (
        _held,
        returns,
    ):
        advance(returns, "approve")
        return returns


def approve_return(return_id: int, *, decision: Decision) -> Return:
    """As :func:`approve_returns` for one."""
    (goods_return,) = approve_returns([return_id], decision=decision)
    return goods_return


def reject_returns(return_ids: Iterable[int], *, decision: Decision) -> list[Return]:
    """
    The goods are not taken back, or never came; all returns or none.

    :raises WrongState: received or rejected already. :raises ReasonNeedsNote: the reason (驳回) demands a note.
    :raises CannotBeRejected: its goods are those of a refused or lost shipment.
    """
    with holding_of(Return.objects, return_ids, decision, "logistics.approve_return", closed_too=True) as (
        _held,
        returns,
    ):
        catalogue.require(Act.REJECT, decision)
        ready(returns, "reject")
        lines = ReturnLine.objects.filter(goods_return__in=returns, shipment_line__shipment__status__in=UNDELIVERED)
        for line in lines.select_related("goods_return", "shipment_line__shipment").order_by("pk")[:1]:
            raise CannotBeRejected(number=line.goods_return.number, shipment=line.shipment_line.shipment.number)
        advance(returns, "reject")
        return returns


def reject_return(return_id: int, *, decision: Decision) -> Return:
    """As :func:`reject_returns` for one."""
    (goods_return,) = reject_returns([return_id], decision=decision)
    return goods_return


@dataclass(slots=True)
class Plan:
    """
    A return to be: quantities by shipment line.

    Born approved where it is of a refused or lost ``shipment``, or calls back what is on its way.
    """

    order: Order
    party: str
    quantities: Mapping[ShipmentLine, Decimal]
    shipment: Shipment | None = None
    calls_back: bool = False


def of_shipments(shipments: Sequence[Shipment], kinds: set[LineKind], party: str) -> list[Plan]:
    """
    What has to come back of shipments that did not reach the customer and is on no return yet.

    :param kinds: the lines whose amount follows the goods.
    :raises NothingToReturn: one carries no goods. :raises ReturnUndecided: a return of its goods is requested.
    """
    left = Left([shipment.order for shipment in shipments])
    plans = []
    for shipment in shipments:
        rows = [row for row in left.rows if row.shipment_id == shipment.pk]
        if not any(row.line.is_stocked for row in rows):
            raise NothingToReturn(number=shipment.order.number)
        for row in rows:
            if row.pk in left.undecided:
                raise ReturnUndecided(number=left.undecided[row.pk], shipment=shipment.number)
        quantities = {row: left.of(row) for row in rows if row.line.kind in kinds and left.of(row)}
        if quantities:
            plans.append(Plan(shipment.order, party, quantities, shipment))
    return plans


def call_back(shipments: Sequence[Shipment], decision: Decision, party: str) -> list[Return]:
    """What of shipments on their way is on no return yet is to come back, since their orders are to be cancelled."""
    left = Left([shipment.order for shipment in shipments])
    plans = []
    for shipment in shipments:
        rows = [row for row in left.rows if row.shipment_id == shipment.pk and row.line.is_stocked and left.of(row)]
        if rows:
            quantities = {row: left.of(row) for row in rows}
            plans.append(Plan(shipment.order, party, quantities, calls_back=True))
    return insert(plans, decision)


def let_go(order_ids: Iterable[int]) -> None:
    """
    Reject what was called back of locked orders that will not be cancelled: their customers have the goods.

    What was refused or lost meanwhile did not reach them, so its return goes on.
    """
    ids = list(order_ids)
    if ids:
        called = Return.objects.filter(order__in=ids, calls_back=True, status=ReturnStatus.APPROVED)
        undelivered = Return.objects.filter(lines__shipment_line__shipment__status__in=UNDELIVERED)
        advance(list(called.exclude(pk__in=undelivered.values("pk")).order_by("pk")), "reject")


def called_back(shipments: Sequence[Shipment]) -> list[Return]:
    """What was called back of these shipments and is not here yet, with their orders."""
    orders = {shipment.order_id: shipment.order for shipment in shipments}
    called = Return.objects.filter(
        pk__in=ReturnLine.objects.filter(shipment_line__shipment__in=shipments).values("goods_return"),
        calls_back=True,
        status=ReturnStatus.APPROVED,
    )
    returns = list(called.select_related("requested_by").order_by("pk"))
    for each in returns:
        each.order = orders[each.order_id]
    return returns


def insert(plans: Sequence[Plan], decision: Decision) -> list[Return]:
    """Write returns of locked orders: requested, or approved where their shipment raised them."""
    if not plans:
        return []
    drawn = numbers("RT", company_day(decision.at).year, len(plans))
    returns = []
    for plan, number in zip(plans, drawn, strict=True):
        made = Return(
            number=number,
            order=plan.order,
            shipment=plan.shipment,
            calls_back=plan.calls_back,
            reason=decision.reason,
            party=plan.party,
            requested_by=decision.by,
            requested_at=decision.at,
        )
        if plan.shipment or plan.calls_back:
            made.approve(decision)
        returns.append(made)
    setwise.insert(returns)
    ReturnLine.objects.bulk_create(
        ReturnLine(goods_return=made, shipment_line=row, quantity=quantity)
        for made, plan in zip(returns, plans, strict=True)
        for row, quantity in plan.quantities.items()
    )
    for name, status in (("request", ReturnStatus.REQUESTED), ("approve", ReturnStatus.APPROVED)):
        told = [made for made in returns if made.status == status]
        outbox.record(f"return.{name}", told, {made.pk: {"status": made.status} for made in told})
    return returns


class Left:
    """What of some orders has left the house and is on no return, by shipment line, the oldest shipment first."""

    def __init__(self, orders: Iterable[Order]) -> None:
        ids = {order.pk for order in orders}
        rows = ShipmentLine.objects.filter(shipment__order__in=ids, shipment__status__in=OUT)
        self.rows = list(rows.select_related("line").order_by("shipment__dispatched_at", "shipment_id", "pk"))
        self.undecided: dict[int, str] = {}
        self._asked: dict[int, Decimal] = defaultdict(lambda: ZERO)
        asked = ReturnLine.objects.filter(goods_return__order__in=ids).exclude(
            goods_return__status=ReturnStatus.REJECTED
        )
        columns = ("shipment_line_id", "goods_return__status", "goods_return__number")
        for row_id, status, number, quantity in asked.values_list(*columns).annotate(Sum("quantity")):
            self._asked[row_id] += quantity
            if status == ReturnStatus.REQUESTED:
                self.undecided[row_id] = number

    def of(self, row: ShipmentLine) -> Decimal:
        return row.quantity - self._asked[row.pk]

    def by_line(self) -> dict[Line, Decimal]:
        """Goods that can come back, by line, in the order of their numbers."""
        sums: dict[Line, Decimal] = defaultdict(lambda: ZERO)
        for row in sorted(self.rows, key=lambda row: row.line.no):
            if row.line.is_stocked and self.of(row):
                sums[row.line] += self.of(row)
        return sums

    def take(self, row: ShipmentLine, quantity: Decimal) -> None:
        self._asked[row.pk] += quantity


def returnable(order: Order) -> Mapping[Line, Decimal]:
    """What of an order's goods can come back, by line."""
    return Left([order]).by_line()


def _chosen(order: Order, lines: Sequence[ReturnDraftLine]) -> dict[ShipmentLine, Decimal]:
    if not lines:
        raise NothingToReturn(number=order.number)
    left = Left([order])
    chosen: dict[ShipmentLine, Decimal] = defaultdict(lambda: ZERO)
    for wanted in lines:
        rows = [row for row in left.rows if row.line.is_stocked and _is_meant(row, wanted)]
        if not rows:
            raise NotReturnable(number=order.number, line=wanted.no or wanted.shipment_line_id)
        line = rows[0].line
        missing = drafting.whole(order, line, wanted.quantity)
        available = sum((left.of(row) for row in rows), ZERO)
        if missing > available:
            raise MoreThanLeft(
                number=order.number,
                line=line.no,
                sku=line.sku,
                wanted=line.count(missing),
                left=line.count(available),
            )
        for row in rows:
            quantity = min(missing, left.of(row))
            if quantity:
                left.take(row, quantity)
                chosen[row] += quantity
                missing -= quantity
    return chosen


def _is_meant(row: ShipmentLine, wanted: ReturnDraftLine) -> bool:
    return row.pk == wanted.shipment_line_id if wanted.shipment_line_id else row.line.no == wanted.no
