"""
Lines of a bank statement beside the payments people reported: by reference, then by amount.

Read only, and only what the reader may see. A line whose reference names an order nobody reported a payment
for under it is proposed to be reported: one person reports, another confirms.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.canonical import digest
from erp.kernel.errors import Text
from erp.kernel.money import ZERO
from finance.models import Payment, PaymentState, Statement, StatementLine, StatementMatch, StatementUse
from finance.statement_file import BankLine
from orders.models import Order

if TYPE_CHECKING:
    from erp.kernel.models import User

_LONGEST = Payment._meta.get_field("reference").max_length or 0
# What may be the number of an order: a word with a digit in it.
_WORD = re.compile(r"[\w-]{4,64}", re.ASCII)
_WORDS = 10


class Verdict(models.TextChoices):
    """In the order in which people want to look at them."""

    DIFFERS = "differs", _("Amount differs")
    UNKNOWN = "unknown", pgettext_lazy("statement line", "Unknown")
    PROPOSED = "proposed", _("To be reported")
    MATCHED = "matched", _("To be confirmed")
    DONE = "done", _("Confirmed already")
    OUTGOING = "outgoing", _("Money out")


@dataclass(frozen=True, slots=True)
class Examined:
    """
    What is to be thought of one line.

    :ivar payments: those its reference names, or that it fits. :ivar expected: what the books say, in its currency.
    :ivar order: the one to report it for. :ivar note: why it is not simply so.
    :ivar known: the earlier statement it stands on; such a line is dealt with there.
    :ivar own: the reader reported it, so that somebody else has to confirm it.
    """

    line: BankLine
    verdict: Verdict
    payments: Sequence[Payment] = ()
    expected: Decimal | None = None
    order: Order | None = None
    note: Text = ""
    known: Statement | None = None
    own: bool = False

    @property
    def reported(self) -> list[Payment]:
        return [payment for payment in self.payments if payment.status == PaymentState.REPORTED]

    @property
    def reference(self) -> str:
        """What a payment reported for the line is known by."""
        return _key(self.line)


def _key(line: BankLine) -> str:
    """As much of a reference as a payment has room for."""
    return line.reference[:_LONGEST].strip()


def examine(lines: Sequence[BankLine], *, method: str, currency: str, user: User) -> list[Examined]:
    """Every line of a file, in its order: a handful of queries, however many lines."""
    known = _known(line.digest for line in lines)
    books = _Books(lines, method, currency, user)
    return [books.judge(line, known.get(line.digest)) for line in lines]


def examine_statement(statement: Statement, user: User) -> list[Examined]:
    """Every line of a statement as it stands now."""
    rows = StatementLine.objects.filter(statement=statement).order_by("no")
    lines = [BankLine(row.no, row.date, row.amount, row.reference, row.counterparty, row.digest) for row in rows]
    books = _Books(lines, statement.method, statement.currency, user)
    return [books.judge(line, None) for line in lines]


def fingerprint(examined: Iterable[Examined]) -> str:
    """What was shown: sent back by the confirming click, so that nothing else is done than that."""
    return digest(
        [
            [each.line.digest, each.verdict.value, each.known is not None, each.own, [p.number for p in each.payments]]
            for each in examined
        ]
    )


def _known(digests: Iterable[str]) -> Mapping[str, Statement]:
    rows = StatementLine.objects.filter(digest__in=list(digests)).select_related("statement")
    return {row.digest: row.statement for row in rows}


class _Books:
    """Everything the books have to say about some lines; each payment is taken by one line only."""

    def __init__(self, lines: Sequence[BankLine], method: str, currency: str, user: User) -> None:
        self.user = user
        keys = {_key(line) for line in lines if line.reference and line.amount > 0}
        payments = Payment.objects.visible_to(user).filter(method=method, order__currency=currency)
        self.by_reference: dict[str, list[Payment]] = defaultdict(list)
        for payment in payments.filter(reference__in=keys).select_related("order").order_by("pk"):
            self.by_reference[payment.reference].append(payment)
        self.by_line = _confirmed(lines)
        self.taken = {payment.pk for of_line in self.by_line.values() for payment in of_line}
        found = [payment.pk for of_key in self.by_reference.values() for payment in of_key]
        matches = StatementMatch.objects.filter(payment__in=found, use=StatementUse.CONFIRMED)
        self.taken |= set(matches.values_list("payment_id", flat=True))
        words = {word for key in keys - self.by_reference.keys() for word in _words(key)}
        self.orders = _orders(words, currency, user)
        self.pending: dict[int, list[Payment]] = defaultdict(list)
        ids = {order.pk for of_word in self.orders.values() for order in of_word}
        for payment in Payment.objects.filter(order__in=ids, status=PaymentState.REPORTED).select_related("order"):
            self.pending[payment.order_id].append(payment)
        self.proposed: dict[int, dict[str, Decimal]] = defaultdict(dict)

    def judge(self, line: BankLine, known: Statement | None) -> Examined:
        if line.amount <= 0:
            return Examined(line, Verdict.OUTGOING, known=known)
        if line.digest in self.by_line:
            of_line = self.by_line[line.digest]
            return Examined(line, Verdict.DONE, of_line, _sum(of_line), known=known)
        named = self.by_reference.get(_key(line), [])
        return self._by_payments(line, named, known) if named else self._by_order(line, known)

    def _by_payments(self, line: BankLine, named: Sequence[Payment], known: Statement | None) -> Examined:
        free = [payment for payment in named if payment.pk not in self.taken]
        fitting = _fitting(line.amount, free)
        self.taken |= {payment.pk for payment in fitting}
        reported = [payment for payment in fitting if payment.status == PaymentState.REPORTED]
        if reported:
            own = any(payment.reported_by_id == self.user.pk for payment in reported)
            return Examined(line, Verdict.MATCHED, fitting, _sum(fitting), known=known, own=own)
        if fitting:
            return Examined(line, Verdict.DONE, fitting, _sum(fitting), known=known)
        counting = [payment for payment in free if payment.status in _COUNTING]
        note = "" if counting else _("Every payment under this reference is rejected, taken back or used by a line.")
        return Examined(line, Verdict.DIFFERS, counting or named, _sum(counting), known=known, note=note)

    def _by_order(self, line: BankLine, known: Statement | None) -> Examined:
        orders = {order.pk: order for word in _words(line.reference) for order in self.orders.get(word, ())}
        if len(orders) != 1:
            note = _("Its reference names several orders.") if orders else ""
            return Examined(line, Verdict.UNKNOWN, known=known, note=note)
        (order,) = orders.values()
        pending = self.pending[order.pk]
        if pending:
            note = _("Payments of this order are reported under another reference.")
            return Examined(line, Verdict.DIFFERS, pending, _sum(pending), order, note, known)
        proposed = self.proposed[order.pk]
        owed = max(order.owed - sum(proposed.values(), ZERO), ZERO)
        if _key(line) in proposed:
            note = _("An earlier line is for this order under the same reference.")
            return Examined(line, Verdict.DIFFERS, (), owed, order, note, known)
        if line.amount > owed:
            note = _("The order owes less than what has come.")
            return Examined(line, Verdict.DIFFERS, (), owed, order, note, known)
        proposed[_key(line)] = line.amount
        return Examined(line, Verdict.PROPOSED, (), owed, order, known=known)


_COUNTING = frozenset({PaymentState.REPORTED, PaymentState.CONFIRMED})


def _fitting(amount: Decimal, payments: Sequence[Payment]) -> list[Payment]:
    """
    The payments that are this money: all of one reference, or the one of them over just this amount.

    What is confirmed already comes first, so that nothing is confirmed that needs not be.
    """
    by_status = {status: [payment for payment in payments if payment.status == status] for status in _COUNTING}
    confirmed, reported = by_status[PaymentState.CONFIRMED], by_status[PaymentState.REPORTED]
    groups = [confirmed, reported, [*confirmed, *reported], *([payment] for payment in [*confirmed, *reported])]
    return next((group for group in groups if group and amount in (_sum(group), _net(group))), [])


def _sum(payments: Iterable[Payment]) -> Decimal:
    return sum((payment.amount for payment in payments), ZERO)


def _net(payments: Iterable[Payment]) -> Decimal:
    """What arrives where the service has kept its fee."""
    return sum((payment.amount - payment.fee for payment in payments), ZERO)


def _confirmed(lines: Sequence[BankLine]) -> dict[str, list[Payment]]:
    """Payments that lines have confirmed, by digest."""
    matches = StatementMatch.objects.filter(
        line__digest__in=[line.digest for line in lines], use=StatementUse.CONFIRMED
    )
    result: dict[str, list[Payment]] = defaultdict(list)
    for match in matches.select_related("line", "payment__order").order_by("pk"):
        result[match.line.digest].append(match.payment)
    return dict(result)


def _words(reference: str) -> list[str]:
    words = [reference, *_WORD.findall(reference)][: _WORDS + 1]
    return [word for word in words if any(character.isdigit() for character in word)]


def _orders(words: set[str], currency: str, user: User) -> Mapping[str, list[Order]]:
    """By number and by the shop's number."""
    result: dict[str, list[Order]] = defaultdict(list)
    named = Q(number__in=words) | Q(external_number__in=words)
    for order in Order.objects.visible_to(user).filter(named, currency=currency) if words else ():
        for word in {order.number, order.external_number} & words:
            result[word or ""].append(order)
    return result
