"""
Crediting what dispatches recognised: the one way revenue is taken back.

Whoever owns the fact (a return received, an allowance approved, a cancelled order) calls it downwards, under
the order's lock, and posts what it returns together with what else the act posts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import DomainError
from erp.kernel.money import ZERO, part
from finance import accounts
from finance.models import Credit, CreditGround
from finance.services.posting import Balances, Entry, debit
from orders.models import Line, Order
from orders.services import progress


class CreditExceedsPart(DomainError):
    code = "finance.credit_exceeds_part"
    message = _(
        "Order %(number)s line %(line)s: of %(amount)s dispatched together, %(credited)s are credited already, "
        "so %(wanted)s cannot be. Credit %(left)s at most."
    )


@dataclass(frozen=True, slots=True)
class Part:
    """What one dispatch recognised of a line: ``amount`` with the ``tax`` in it, in the order's currency."""

    key: str
    line: Line
    amount: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Crediting:
    """An ``amount`` to be credited of a part, for the document line ``source_id``."""

    part: Part
    amount: Decimal
    ground: CreditGround
    source_type: str
    source_id: str
    source: str


class Credited:
    """What is credited of the parts of locked orders, as far as it was written or drafted here."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._amounts: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._taxes: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._given_back: set[int] = set()
        self._allowed: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for credit in Credit.objects.filter(order__in=[order.pk for order in orders]):
            self._add(credit)

    def left(self, of: Part) -> Decimal:
        """What can still be credited of a part; nothing once a cancelled order gave back what was left of its line."""
        return ZERO if of.line.pk in self._given_back else of.amount - self._amounts[of.key]

    def allowed(self, of: Part) -> Decimal:
        """What allowances took of a part."""
        return self._allowed[of.key]

    def take(self, order: Order, wanted: Crediting) -> Credit:
        """
        A credit, not yet saved. Its tax is its part of the part's tax by money, rounded in ``money.part``.

        :raises CreditExceedsPart:
        """
        of, left = wanted.part, self.left(wanted.part)
        if wanted.amount > left:
            raise CreditExceedsPart(
                number=order.number,
                line=of.line.no,
                amount=order.money(of.amount),
                credited=order.money(of.amount - left),
                wanted=order.money(wanted.amount),
                left=order.money(left),
            )
        cumulative = self._amounts[of.key] + wanted.amount
        credit = Credit(
            order=order,
            line=of.line,
            part=of.key,
            ground=wanted.ground,
            amount=wanted.amount,
            tax=part(of.tax, cumulative, of.amount, self._taxes[of.key], order.currency),
            source_type=wanted.source_type,
            source_id=wanted.source_id,
            source=wanted.source,
        )
        self._add(credit)
        return credit

    def _add(self, credit: Credit) -> None:
        if credit.ground == CreditGround.CANCEL:
            self._given_back.add(credit.line_id)
        self._amounts[credit.part] += credit.amount
        self._taxes[credit.part] += credit.tax
        if credit.ground == CreditGround.ALLOWANCE:
            self._allowed[credit.part] += credit.amount


def give(orders: Mapping[int, Order], credits: Sequence[Credit]) -> None:
    """Save credits of locked orders and lower what they have to pay: two queries."""
    if credits:
        Credit.objects.bulk_create(credits)
        progress.money(orders.values(), payable=progress.by_order(credits, sign=-1))


def entries(order: Order, credits: Iterable[Credit], balances: Balances) -> list[Entry]:
    """Dr 6001 + 2221 / Cr by the rule, for credits of one order."""
    credits = list(credits)
    amount = sum((credit.amount for credit in credits), ZERO)
    tax = sum((credit.tax for credit in credits), ZERO)
    return [
        debit(accounts.REVENUE, amount - tax),
        debit(accounts.OUTPUT_TAX, tax),
        *balances.credit(order, amount),
    ]
