"""What a cancelled order keeps: nothing. What is still recognised is mirrored, and what was paid goes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finance.models import Credit, CreditGround, Ground, Purpose
from finance.services import crediting, lowering, posting
from finance.services.posting import Balances
from finance.services.refunds import Cause
from orders.models import Line, Order
from orders.services import progress


@dataclass(frozen=True, slots=True)
class Carried:
    """What an act that carries a cancellation along has drafted: it posts its own and these together, last."""

    balances: Balances
    drafts: list[posting.Draft]


# Where it is found in a batch's memo.
CARRIED = "finance.carried"


def give_back(orders: Sequence[Order], credits: Sequence[Credit], balances: Balances) -> list[posting.Draft]:
    """
    Set what locked, cancelled orders have to pay to zero, mirror what is still recognised, and raise refunds.

    :param credits: what is still recognised of their lines, not yet saved.
    :param balances: with everything drafted so far.
    :returns: what is to be posted.
    """
    Credit.objects.bulk_create(credits)
    progress.money(orders, payable={order.pk: -order.payable for order in orders})
    of_order: dict[int, list[Credit]] = {order.pk: [] for order in orders}
    for credit in credits:
        of_order[credit.order_id].append(credit)
    vouchers = [_voucher(order, of_order[order.pk], balances) for order in orders]
    return [*vouchers, *lowering.follow(orders, balances, {order.pk: cause(order) for order in orders})]


def recognised(order: Order, lines: Iterable[Line], credited: Mapping[int, Sequence[Credit]]) -> list[Credit]:
    """What is dispatched of an order's lines and not credited yet, in its currency, as credits not yet saved."""
    credits = []
    for line in lines:
        of_line = credited.get(line.pk, ())
        amount = line.shipped_amount - sum(credit.amount for credit in of_line)
        tax = line.shipped_tax - sum(credit.tax for credit in of_line)
        if amount:
            credits.append(
                Credit(
                    order=order,
                    line=line,
                    ground=CreditGround.CANCEL,
                    amount=amount,
                    tax=tax,
                    source_type="orders.line",
                    source_id=str(line.pk),
                    source=order.number,
                )
            )
    return credits


def cause(order: Order) -> Cause:
    """Why money of an order that is cancelled goes back: as whoever asked for it said."""
    assert order.cancel_requested_by is not None
    return Cause(Ground.CANCEL, order.cancel_party, order.cancel_requested_by)


def _voucher(order: Order, credits: Sequence[Credit], balances: Balances) -> posting.Draft:
    """Dr 6001 + 2221 / Cr by the rule; the cost stays where the goods went."""
    return posting.Draft(
        purpose=Purpose.CANCEL,
        source_type="orders.order",
        source_id=str(order.pk),
        source=order.number,
        currency=order.currency,
        order=order,
        entries=crediting.entries(order, credits, balances),
    )
