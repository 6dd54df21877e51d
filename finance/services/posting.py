"""
Posting vouchers: once per transaction, last, after every stock lock.

A voucher is dated the day of its act in the company's zone. Its number is drawn from its period's row
in one conditional UPDATE for the whole batch, so nothing posts into a period that is being closed.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property

from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.acting import current
from erp.kernel.errors import DomainError
from erp.kernel.locks import Locks, take
from erp.kernel.money import ZERO
from erp.kernel.numbering import draw_from
from finance import accounts
from finance.models import OrderBalance, Period, Purpose, Voucher, VoucherLine
from orders.models import Order
from orders.selectors import company_day


class PeriodClosed(DomainError):
    code = "finance.period_closed"
    message = _(
        "The accounting period %(period)s of %(currency)s is closed; nothing can be dated %(date)s any more. "
        "Date the act today, or ask finance."
    )


class DatedBefore(DomainError):
    code = "finance.dated_before"
    message = _(
        "The newest voucher of %(period)s in %(currency)s is dated %(last)s; one dated %(date)s would stand "
        "out of order. Repeat the act, or check the clock."
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of one account: a debit when ``amount`` is positive, a credit when negative; zero is left out."""

    account: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Draft:
    """A voucher to be: one document's entries for one purpose, in one currency."""

    purpose: Purpose
    source_type: str
    source_id: str
    source: str
    currency: str
    entries: Sequence[Entry]
    order: Order | None = None


def debit(account: str, amount: Decimal) -> Entry:
    return Entry(account, amount)


def credit(account: str, amount: Decimal) -> Entry:
    return Entry(account, -amount)


class Balances:
    """
    The rule: an order's 1122 and 2203 are never negative.

    Reads both of locked orders, once the first is asked for, and keeps count of what is drafted with it.
    """

    def __init__(self, orders: Iterable[Order]) -> None:
        self._ids = [order.pk for order in orders]
        self._receivables: dict[int, Decimal] = defaultdict(lambda: ZERO)
        self._advances: dict[int, Decimal] = defaultdict(lambda: ZERO)

    def credit(self, order: Order, amount: Decimal) -> list[Entry]:
        """To the customer's credit: 1122 as far as it reaches, the rest 2203."""
        receivable = min(amount, self.receivable(order))
        return self._drafted(order, -receivable, amount - receivable)

    def debit(self, order: Order, amount: Decimal) -> list[Entry]:
        """To the customer's debit: 2203 as far as it reaches, the rest 1122."""
        advance = min(amount, self._stored[order.pk].advance + self._advances[order.pk])
        return self._drafted(order, amount - advance, -advance)

    def advance(self, order: Order, amount: Decimal) -> list[Entry]:
        """To the customer's credit in advance: all of it 2203, to be applied when the order closes."""
        return self._drafted(order, ZERO, amount)

    def receivable(self, order: Order) -> Decimal:
        """The order's 1122, with what is drafted."""
        return self._stored[order.pk].receivable + self._receivables[order.pk]

    @cached_property
    def _stored(self) -> Mapping[int, OrderBalance]:
        rows = OrderBalance.objects.in_bulk(self._ids)
        return {pk: rows.get(pk) or OrderBalance(order_id=pk) for pk in self._ids}

    def _drafted(self, order: Order, receivable: Decimal, advance: Decimal) -> list[Entry]:
        self._receivables[order.pk] += receivable
        self._advances[order.pk] += advance
        return [credit(accounts.ADVANCES, advance), debit(accounts.RECEIVABLE, receivable)]


def post(drafts: Iterable[Draft]) -> list[Voucher]:
    """
    Post vouchers in the name of who is acting; a draft without amounts is none.

    :returns: the vouchers, each with its lines as ``posted``.
    :raises PeriodClosed: the period of the act's day is closed.
    :raises DatedBefore: the period has a voucher of a later day.
    """
    drafts = [draft for draft in drafts if any(entry.amount for entry in draft.entries)]
    if not drafts:
        return []
    vouchers = [_voucher(draft, company_day(current().at)) for draft in drafts]
    VoucherLine.objects.bulk_create([line for voucher in vouchers for line in voucher.posted])
    _add_to_balances(drafts)
    # Last, because whoever else posts in these books has to wait for the end of the transaction.
    _number(vouchers)
    Voucher.objects.bulk_create(vouchers)
    return vouchers


def _voucher(draft: Draft, day: date) -> Voucher:
    voucher = Voucher(
        id=uuid.uuid4(),
        date=day,
        currency=draft.currency,
        purpose=draft.purpose,
        source_type=draft.source_type,
        source_id=draft.source_id,
        source=draft.source,
        order=draft.order,
    )
    voucher.posted = _lines(voucher, draft)
    return voucher


def _lines(voucher: Voucher, draft: Draft) -> list[VoucherLine]:
    return [
        VoucherLine(
            voucher=voucher,
            account_id=entry.account,
            debit=max(entry.amount, ZERO),
            credit=max(-entry.amount, ZERO),
        )
        for entry in draft.entries
        if entry.amount
    ]


def _add_to_balances(drafts: Iterable[Draft]) -> None:
    sums: dict[int, dict[str, Decimal]] = defaultdict(lambda: {"receivable": ZERO, "advance": ZERO})
    for draft in drafts:
        for entry in draft.entries:
            if draft.order is None or entry.account not in (accounts.RECEIVABLE, accounts.ADVANCES):
                continue
            if entry.account == accounts.RECEIVABLE:
                sums[draft.order.pk]["receivable"] += entry.amount
            else:
                sums[draft.order.pk]["advance"] -= entry.amount
    setwise.add_up(OrderBalance, ["receivable", "advance"], sums)


def _number(vouchers: Iterable[Voucher]) -> None:
    """Numbers from each book's period of the day, in the order of the vouchers."""
    take(Locks.NUMBERS)
    of_book: dict[str, list[Voucher]] = defaultdict(list)
    for voucher in vouchers:
        of_book[voucher.currency].append(voucher)
    for currency, numbered in sorted(of_book.items()):
        period_id, first = _draw(currency, numbered[0].date, len(numbered))
        for number, voucher in enumerate(numbered, start=first):
            voucher.period_id, voucher.number = period_id, number


def _draw(currency: str, day: date, count: int) -> tuple[int, int]:
    """(period, first number): opens the month's period, or counts it on unless it is closed or ahead of ``day``."""
    first_day = day.replace(day=1)
    drawn = draw_from(
        Period,
        keys={"currency": currency, "first_day": first_day},
        counter="next_number",
        count=count,
        kept={"last_date": day},
        only_while="t.closed_at IS NULL AND t.last_date <= excluded.last_date",
    )
    if drawn is None:
        period = Period.objects.get(currency=currency, first_day=first_day)
        month = f"{first_day:%Y-%m}"
        if period.closed_at:
            raise PeriodClosed(period=month, currency=currency, date=day)
        raise DatedBefore(period=month, currency=currency, last=period.last_date, date=day)
    period_id, numbers = drawn
    return period_id, numbers.start
