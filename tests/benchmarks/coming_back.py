"""
What a month's cancellation invoices take back of its sales, as a clerk would: goods by returns, services by
allowances.

A row belongs to the customer's earlier rows of the same product, the newest first, those of its own price before
dearer ones. What a service's row takes off (discounts, carriage, manual corrections) is allowed on the customer's
newest row that is worth it and of which nothing comes back. What no earlier sale of the file explains is left for a
named reason.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from common import WAREHOUSE, Clock, People

from erp.kernel.acting import Channel, Decision
from finance.models import Refund
from finance.services import allowances, refunds
from logistics.models import ShipmentLine
from logistics.services import allowing, inspecting, returns
from logistics.services.inspecting import InspectedLine, InspectionDraft
from logistics.services.returns import ReturnDraft, ReturnDraftLine
from orders.models import Order

NO_CUSTOMER = "cancellation that names no customer"
NO_SALE = "cancellation of a sale before this month"
TOO_MUCH = "cancellation of more, or dearer, than the month sold to the customer"


@dataclass(slots=True)
class Sold:
    """A row of a sale, as far as nothing of it came back or was allowed."""

    invoice: str
    no: int
    price: Decimal
    left: int
    is_whole: bool = True


@dataclass(slots=True)
class Taking:
    """What of one sale is taken back on one day: by line, how many pieces for how much, and allowed amounts."""

    pieces: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    credits: dict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    allowed: list[tuple[int, Decimal]] = field(default_factory=list)


class Ledger:
    """Rows of the sales so far by customer, and what cancellations take of them."""

    def __init__(self, services: frozenset[str]) -> None:
        self._services = services
        self._sold: dict[str, dict[str, list[Sold]]] = defaultdict(lambda: defaultdict(list))
        self.rows: Counter[str] = Counter()
        self.credited = Decimal(0)

    def sell(self, invoice: Any) -> None:
        for no, row in enumerate(invoice.rows, start=1):
            self._sold[row.customer][row.sku].append(Sold(invoice.number, no, row.price, row.quantity))

    def take_back(self, invoice: Any) -> Mapping[str, Taking]:
        """What a cancellation takes, by sale; its rows are counted by what became of them."""
        takings: dict[str, Taking] = defaultdict(Taking)
        for row in invoice.rows:
            self.rows[self._take(row, takings)] += 1
        return takings

    def _take(self, row: Any, takings: dict[str, Taking]) -> str:
        if not row.customer:
            return f"left: {NO_CUSTOMER}"
        if row.sku in self._services:
            return self._allow(row, -row.amount, takings)
        return self._return(row, -row.quantity, takings)

    def _return(self, row: Any, wanted: int, takings: dict[str, Taking]) -> str:
        bought = [sold for sold in reversed(self._sold[row.customer][row.sku]) if sold.left]
        fitting = [sold for sold in bought if sold.price == row.price]
        fitting += [sold for sold in bought if sold.price > row.price]
        if sum(sold.left for sold in fitting) < wanted:
            return f"left: {TOO_MUCH if bought else NO_SALE}"
        for sold in fitting:
            pieces = min(wanted, sold.left)
            if pieces:
                sold.left -= pieces
                sold.is_whole = False
                wanted -= pieces
                taking = takings[sold.invoice]
                taking.pieces[sold.no] += pieces
                taking.credits[sold.no] += pieces * row.price
                self.credited += pieces * row.price
        return "returned"

    def _allow(self, row: Any, amount: Decimal, takings: dict[str, Taking]) -> str:
        bought = [sold for of_sku in self._sold[row.customer].values() for sold in of_sku]
        worth = [sold for sold in bought if sold.is_whole and sold.price * sold.left >= amount]
        if not worth:
            return f"left: {TOO_MUCH if bought else NO_SALE}"
        sold = worth[-1]
        # Nothing comes back of a row that got cheaper, so that every figure of the file can be credited as it is.
        sold.is_whole, sold.left = False, 0
        takings[sold.invoice].allowed.append((sold.no, amount))
        self.credited += amount
        return "allowed"


def carry_out(takings: Mapping[str, Taking], people: People, clock: Clock) -> None:
    """One day's: returns and allowances, each by whose job it is, and the refunds that they raise, paid."""
    if not takings:
        return

    def decide(role: str, reason: str = "") -> Decision:
        return Decision(by=people(role), at=clock(), channel=Channel.BULK, reason=reason)

    orders = {order.external_number: order for order in Order.objects.filter(external_number__in=takings)}
    asked = {}
    for number, taking in takings.items():
        lines = [ReturnDraftLine(Decimal(pieces), no=no) for no, pieces in sorted(taking.pieces.items())]
        if lines:
            asked[number] = returns.request_return(
                ReturnDraft(orders[number].pk, lines), decision=decide("客服", "RT01")
            )
    if asked:
        returns.approve_returns([made.pk for made in asked.values()], decision=decide("物流"))
        drafts = [_inspected(made, takings[number]) for number, made in asked.items()]
        inspecting.receive_returns(drafts, decision=decide("仓管员"))
    _allow(takings, orders, decide)
    raised = list(Refund.objects.filter(order__in=orders.values(), status="requested").values_list("pk", flat=True))
    refunds.approve_refunds(raised, decision=decide("财务"))
    refunds.pay_refunds(raised, decision=decide("出纳"))


def _inspected(made: Any, taking: Taking) -> InspectionDraft:
    """Everything as good as new, for as much as the cancellation says."""
    lines = [
        InspectedLine(row.pk, restocked=row.quantity, credit=taking.credits[row.shipment_line.line.no])
        for row in made.lines.select_related("shipment_line__line")
    ]
    return InspectionDraft(made.pk, lines, warehouse=WAREHOUSE)


def _allow(takings: Mapping[str, Taking], orders: Mapping[str | None, Order], decide: Any) -> None:
    asked = []
    for number, taking in takings.items():
        for no, amount in taking.allowed:
            row = ShipmentLine.objects.get(line__order=orders[number], line__no=no)
            asked.append(allowing.request_allowance(row.pk, amount, decision=decide("客服", "FN05")).pk)
    if asked:
        allowances.approve_allowances(asked, decision=decide("财务"))


def together(all_takings: Sequence[Mapping[str, Taking]]) -> dict[str, Taking]:
    """Several cancellations of one day, by sale."""
    result: dict[str, Taking] = defaultdict(Taking)
    for takings in all_takings:
        for number, taking in takings.items():
            into = result[number]
            for no, pieces in taking.pieces.items():
                into.pieces[no] += pieces
                into.credits[no] += taking.credits[no]
            into.allowed += taking.allowed
    return result
