"""What finance will do to an order, as values: told before the act, and done by it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel.money import ZERO, Money
from finance import accounts, facts, selectors
from finance.models import Purpose
from finance.services import posting
from finance.services.posting import credit, debit
from orders.contract import Effect
from orders.models import Order


@dataclass(frozen=True, slots=True)
class TakeBack(Effect):
    """What was written off is paid, or no longer owed, after all."""

    order_id: int
    currency: str
    amount: Decimal

    def describe(self) -> str:
        return str(_("The write-off of %(amount)s is taken back.") % {"amount": Money(self.amount, self.currency)})


@dataclass(frozen=True, slots=True)
class AskBack(Effect):
    """What is overpaid by then is asked back."""

    order_id: int
    currency: str
    amount: Decimal

    def describe(self) -> str:
        return str(_("A refund of %(amount)s is requested.") % {"amount": Money(self.amount, self.currency)})


@dataclass(frozen=True, slots=True)
class Settle(Effect):
    """Advances are applied to the receivable; what is left, within tolerance, is written off."""

    order_id: int
    currency: str
    receivable: Decimal
    advance: Decimal

    @property
    def applied(self) -> Decimal:
        return min(self.receivable, self.advance)

    @property
    def short(self) -> Decimal:
        """Left of the receivable: an expense."""
        return self.receivable - self.applied

    @property
    def over(self) -> Decimal:
        """Left of the advance: an income."""
        return self.advance - self.applied

    def describe(self) -> str:
        sentences = []
        if self.applied:
            sentences.append(
                _("Advances of %(amount)s are applied to the receivable.")
                % {"amount": Money(self.applied, self.currency)}
            )
        if self.short:
            sentences.append(_("A tail of %(amount)s is written off.") % {"amount": Money(self.short, self.currency)})
        if self.over:
            sentences.append(
                _("A tail of %(amount)s is kept as other income.") % {"amount": Money(self.over, self.currency)}
            )
        return " ".join(str(sentence) for sentence in sentences)

    def voucher(self, order: Order) -> posting.Draft:
        return posting.Draft(
            purpose=Purpose.SETTLEMENT,
            source_type=facts.CLOSING,
            source_id=facts.closing_id(order.pk, order.cycle),
            source=order.number,
            currency=self.currency,
            order=order,
            entries=[
                debit(accounts.ADVANCES, self.advance),
                debit(accounts.OTHER_LOSS, self.short),
                credit(accounts.RECEIVABLE, self.receivable),
                credit(accounts.OTHER_INCOME, self.over),
            ],
        )


@dataclass(frozen=True, slots=True)
class Mirror(Effect):
    """What is still recognised of a cancelled order is taken back."""

    order_id: int
    currency: str
    amount: Decimal

    def describe(self) -> str:
        return str(
            _("Revenue of %(amount)s, tax included, is taken back.") % {"amount": Money(self.amount, self.currency)}
        )


@dataclass(frozen=True, slots=True)
class Reverse(Effect):
    """The settlement of the closing is reversed line by line, and so is what took its tail back since."""

    order_id: int
    currency: str
    number: str
    source_type: str
    source_id: str
    source: str
    lines: tuple[selectors.LedgerLine, ...]

    @property
    def tail(self) -> Decimal:
        """What was written off by it; negative, what was kept or taken back."""
        tails = (accounts.OTHER_LOSS, accounts.OTHER_INCOME)
        return sum((line.debit - line.credit for line in self.lines if line.account in tails), ZERO)

    def describe(self) -> str:
        if self.source_type == selectors.TAKEN_BACK:
            texts = {"amount": Money(-self.tail, self.currency), "number": self.number}
            return str(_("%(amount)s of it were taken back since: %(number)s is reversed too.") % texts)
        said = [_("The settlement %(number)s is reversed by a voucher of today.") % {"number": self.number}]
        if self.tail > 0:
            said.append(_("A tail of %(amount)s is owed again.") % {"amount": Money(self.tail, self.currency)})
        if self.tail < 0:
            said.append(_("A tail of %(amount)s is overpaid again.") % {"amount": Money(-self.tail, self.currency)})
        return " ".join(map(str, said))

    def voucher(self, order: Order) -> posting.Draft:
        """
        Both balances only grow by it, so that neither becomes negative, whatever was posted after the closing: what
        is overpaid of a closed order stands in 2203, so that is where a tail is taken back.
        """
        return posting.Draft(
            purpose=Purpose.REVERSAL,
            source_type=self.source_type,
            source_id=self.source_id,
            source=self.source,
            currency=self.currency,
            order=order,
            entries=[posting.Entry(line.account, line.credit - line.debit) for line in self.lines],
        )
