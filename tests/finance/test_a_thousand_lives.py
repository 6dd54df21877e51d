"""
The ledger's rules over many thousand random orders, by the product's own arithmetic and without a database.

Models stay unsaved; only what reads and writes rows is put aside. What is dispatched, closed short, credited, paid,
refunded, written off, taken back, settled and reversed is computed by the code that does it for real.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from django.db.models import QuerySet

from erp.kernel import setwise
from erp.kernel.acting import acting
from erp.kernel.errors import DomainError
from erp.kernel.models import User
from erp.kernel.money import ZERO, minor_units
from finance import accounts
from finance.effects import Reverse, Settle
from finance.models import (
    Allowance,
    Credit,
    Ground,
    OrderBalance,
    Payment,
    PaymentState,
    Refund,
    TakenBack,
    WriteOff,
)
from finance.selectors import LedgerLine
from finance.services import (
    allowances,
    cancelling,
    crediting,
    lowering,
    payments,
    posting,
    refunds,
    taking_back,
    write_offs,
)
from finance.services.posting import Balances
from finance.services.refunds import Cause
from logistics.models import Return, ReturnLine, Shipment, ShipmentLine
from logistics.services import inspecting, shipping
from logistics.services.allowing import part_of
from orders.models import Line, LineClosing, Order, Shop, Status
from orders.services import placing, progress
from tests.factories import decide

LIVES, CHUNKS = 20_000, 4
SOMEBODY = User(pk=1, username="somebody", name="职员")
RATES = [ZERO, Decimal("0.06"), Decimal("0.09"), Decimal("0.13")]


class Life:
    """One order, what happened to it, and its ledger: debits less credits by account."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        currency = dice.choice(["CNY", "CNY", "JPY"])
        self.unit = Decimal(1).scaleb(-minor_units(currency))
        self.books: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self.balances = Balances([])
        self.balances.__dict__["_stored"] = {1: OrderBalance(order_id=1)}
        self.payments: list[Any] = []
        self.refunds: list[Any] = []
        self.write_offs: list[Any] = []
        self.sent: list[ShipmentLine] = []
        self.credits: list[Credit] = []
        self.settlement: Any = None
        self.taken_of_tail = ZERO
        self.keys = iter(range(1, 10**6))
        self.shares = inspecting.Shares([], [])
        self.returned: dict[int, Decimal] = defaultdict(lambda: ZERO)
        self._place(currency)

    def _place(self, currency: str) -> None:
        dice = self.dice
        shop = Shop(pk=1, currency=currency, tolerance=dice.choice([0, 0, 5]) * self.unit)
        self.order: Any = Order(pk=1, shop=shop, currency=currency, number="SO")
        self.lines = [Line(pk=no, no=no, order=self.order, kind="stocked", unit="piece") for no in (1, 2, 3)]
        self.lines = self.lines[: dice.randint(1, 3)]
        for line in self.lines:
            line.tax_rate = dice.choice(RATES)
            price = Decimal(dice.randint(0, dice.choice([300, 1_000_000]))).scaleb(-4) * (1 if self.unit < 1 else 100)
            placing.price(line, Decimal(dice.randint(1, 9)), price, ZERO, currency)
        goods = sum(line.amount for line in self.lines)
        discount = dice.choice([ZERO, ZERO, self.some(goods)])
        amounts = placing.add_up(self.lines, discount, ZERO, currency)
        self.order.total = self.order.payable = amounts["total"]

    def some(self, amount: Decimal) -> Decimal:
        """Some of an amount, perhaps all or nothing of it."""
        return self.dice.randint(0, int(amount / self.unit)) * self.unit

    def more_than_nothing(self, amount: Decimal) -> Decimal:
        return max(self.some(amount), self.unit)

    # What the services do

    def post(self, drafts: Iterable[posting.Draft]) -> None:
        for draft in drafts:
            assert sum(entry.amount for entry in draft.entries) == 0, draft
            for entry in draft.entries:
                self.books[entry.account] += entry.amount

    def follow(self, ground: Ground) -> None:
        cause = {1: Cause(ground, "customer", SOMEBODY)}
        self.post(lowering.follow([self.order], self.balances, cause))

    def dispatch(self) -> None:
        lines = [line for line in self.lines if line.open_quantity]
        if not lines or self.order.is_final:
            return
        shipment = Shipment(pk=next(self.keys), order=self.order, number="SH")
        loads = []
        for line in self.dice.sample(lines, self.dice.randint(1, len(lines))):
            row = ShipmentLine(pk=next(self.keys), shipment=shipment, line=line, quantity=self._pieces(line))
            loads.append(shipping._Load(shipment, row, line, self.order, self.lines))
        shipping._recognise(loads, {str(load.row.pk): self.some(Decimal(90)) for load in loads})
        self.sent += [load.row for load in loads]
        progress.dispatched(
            {1: self.order}, [load.shipped() for load in loads], self.lines, decide(SOMEBODY, at=NOW).at
        )
        voucher = shipping._voucher(shipment, loads)
        # The receivable of a dispatch is not drafted with the rule: it is always a debit.
        self.balances._receivables[1] += sum(load.row.amount for load in loads)
        self.post([voucher])

    def close_line(self) -> None:
        lines = [line for line in self.lines if line.open_quantity]
        if not lines or self.order.is_final:
            return
        line = self.dice.choice(lines)
        quantity = self._pieces(line)
        amount, tax = progress.worth(line, quantity, self.order.currency)
        row = LineClosing(order=self.order, line=line, quantity=quantity, amount=amount, tax=tax)
        progress.closed_short({1: self.order}, [row], self.lines)
        self.follow(Ground.LINE_CLOSED)

    def _pieces(self, line: Line) -> Decimal:
        return Decimal(self.dice.randint(1, int(line.open_quantity)))

    def send_back(self) -> None:
        rows = [row for row in self.sent if row.quantity > self.returned[row.pk]]
        if not rows:
            return
        shipped = self.dice.choice(rows)
        quantity = Decimal(self.dice.randint(1, int(shipped.quantity - self.returned[shipped.pk])))
        goods_return = Return(pk=next(self.keys), order=self.order, number=f"RT{next(self.keys)}", party="customer")
        row = ReturnLine(pk=next(self.keys), goods_return=goods_return, shipment_line=shipped, quantity=quantity)
        agreed = self.dice.choice([None, None, self.some(Decimal(20))])
        entry = inspecting._Entry(goods_return, row, [], agreed)
        self.returned[shipped.pk] += quantity
        with patch.object(inspecting, "Shares", lambda *_args: self.shares):
            try:
                credits = inspecting._credits([entry], {1: self.order})
            except inspecting.CreditExceedsShare:
                entry.credit = row.credit = ZERO
                credits = []
        self.credits += credits
        crediting.give({1: self.order}, credits)
        progress.came_back([progress.CameBack(shipped.line, quantity, ZERO)])
        self.post([inspecting._voucher(goods_return, credits, defaultdict(lambda: ZERO), self.balances)])
        self.follow(Ground.RETURN)

    def allow(self) -> None:
        rows = [row for row in self.sent if self.shares.credited.left(part_of(row)) > 0]
        if not rows:
            return
        row = self.dice.choice(rows)
        left = self.shares.credited.left(part_of(row))
        allowance = Allowance(
            pk=next(self.keys),
            order=self.order,
            line=row.line,
            part=str(row.pk),
            part_amount=row.amount,
            part_tax=row.tax,
            amount=self.more_than_nothing(left),
            number="AL",
        )
        credit = self.shares.credited.take(self.order, allowances._crediting(allowance))
        self.credits.append(credit)
        crediting.give({1: self.order}, [credit])
        self.post([allowances._voucher(allowance, credit, self.balances)])
        self.follow(Ground.ALLOWANCE)

    def pay(self) -> None:
        owed = max(self.order.owed, ZERO)
        amount = self.dice.choice([owed, owed, self.some(owed), owed + self.some(self.unit * 300)])
        if amount <= 0:
            return
        fee = self.dice.choice([ZERO, min(self.unit, amount)])
        payment = Payment(
            pk=next(self.keys),
            order=self.order,
            method="bank",
            amount=amount,
            fee=fee,
            status=PaymentState.CONFIRMED,
            number="PM",
        )
        self.payments.append(payment)
        progress.money([self.order], received=progress.by_order([payment]))
        self.post([payments._voucher(payment, self.balances)])
        self.follow(Ground.OVERPAYMENT)

    def lose_payment(self) -> None:
        confirmed = [payment for payment in self.payments if payment.status == PaymentState.CONFIRMED]
        if not confirmed:
            return
        payment = self.dice.choice(confirmed)
        name = "charge_back" if payment.refunded else self.dice.choice(["void", "charge_back"])
        self.refunds = [refund for refund in self.refunds if refund.payment is not payment]
        payment.refunding = ZERO
        payment.__dict__["status"] = PaymentState.CHARGED_BACK
        progress.money([self.order], received=progress.by_order([payment], sign=-1))
        self._fit_refunds()
        self.post([payments._taken_back(name, payment, self.balances)])

    def _fit_refunds(self) -> None:
        fitted = False
        while sum(refund.amount for refund in self.refunds) > max(-self.order.owed, ZERO):
            refund = self.refunds.pop()
            refund.payment.refunding -= refund.amount
            fitted = True
        if fitted:
            refunds.raise_overpaid([self.order])

    def decide_refund(self) -> None:
        if not self.refunds:
            return
        refund = self.refunds[0]
        if not self.dice.randrange(4) and self.order.status != Status.CANCELLED:
            self.refunds.remove(refund)
            refund.payment.refunding -= refund.amount
            return
        try:
            refunds._Left([self.order]).take([refund])
        except DomainError:
            return
        self.refunds.remove(refund)
        refund.payment.refunding -= refund.amount
        refund.payment.refunded += refund.amount
        progress.money([self.order], refunded=progress.by_order([refund]))
        self.post([refunds._voucher(refund, self.balances)])

    def give_up(self) -> None:
        if not self.order.owed or self.refunds:
            return
        kind = "bad_debt" if self.order.owed > 0 else "unclaimed"
        amount = self.dice.choice([abs(self.order.owed), self.more_than_nothing(abs(self.order.owed))])
        write_off: Any = WriteOff(
            pk=next(self.keys), order=self.order, kind=kind, amount=amount, status="approved", number="WO"
        )
        try:
            write_offs._require_left(write_off, self.balances, ZERO)
        except DomainError:
            return
        self.write_offs.append(write_off)
        progress.money([self.order], written_off=write_offs._by_order([write_off]))
        self.post([write_offs._voucher(write_off, self.balances)])

    def cancel(self) -> None:
        if self.order.status in (Status.CLOSED, Status.CANCELLED) or self.order.cycle > 1:
            return
        if any(row.quantity > self.returned[row.pk] for row in self.sent):
            return
        self.order.cancel_requested_by, self.order.cancel_party = SOMEBODY, "customer"
        self._become(Status.CANCELLED)
        of_line: dict[int, list[Credit]] = defaultdict(list)
        for credit in self.credits:
            of_line[credit.line_id].append(credit)
        credits = cancelling.recognised(self.order, self.lines, of_line)
        self.credits += credits
        for credit in credits:
            self.shares.credited._add(credit)
        self.post(cancelling.give_back([self.order], credits, self.balances))

    def close(self) -> None:
        order = self.order
        ready = not any(line.open_quantity for line in self.lines) and not self.refunds
        if order.is_final or not ready or abs(order.owed) > order.shop.tolerance:
            return
        receivable, advance = self.balances._receivables[1], self.balances._advances[1]
        settle = Settle(1, order.currency, receivable, advance)
        if settle.short or settle.over:
            progress.money([order], written_off={1: settle.short - settle.over})
        self.settlement = settle.voucher(order)
        self.taken_of_tail = ZERO
        self.post([self.settlement])
        self.balances._receivables[1] = self.balances._advances[1] = ZERO
        self._become(Status.CLOSED)
        assert self.books[accounts.RECEIVABLE] == self.books[accounts.ADVANCES] == 0 == order.owed

    def reopen(self) -> None:
        order = self.order
        if order.status != Status.CLOSED:
            return
        sides = [
            LedgerLine(entry.account, max(entry.amount, ZERO), max(-entry.amount, ZERO))
            for entry in self.settlement.entries
            if entry.amount
        ]
        undone = [Reverse(1, order.currency, "V1", "orders.order", f"1/{order.cycle}", "SO", tuple(sides))]
        if self.taken_of_tail:
            taken = (
                LedgerLine(accounts.ADVANCES, self.taken_of_tail, ZERO),
                LedgerLine(accounts.OTHER_LOSS, ZERO, self.taken_of_tail),
            )
            undone.append(Reverse(1, order.currency, "V2", "finance.takenback", "1", "SO", taken))
        tail = sum(reverse.tail for reverse in undone)
        if tail:
            progress.money([order], written_off={1: -tail})
        self.post([reverse.voucher(order) for reverse in undone])
        for reverse in undone:
            for entry in reverse.voucher(order).entries:
                if entry.account == accounts.RECEIVABLE:
                    self.balances._receivables[1] += entry.amount
                if entry.account == accounts.ADVANCES:
                    self.balances._advances[1] -= entry.amount
        self.settlement = None
        order.cycle += 1
        self._become(Status.COMPLETED)

    def _become(self, status: str) -> None:
        self.order.__dict__["status"] = status

    # What must hold

    def check(self) -> None:
        order, receivable, advance = self.order, self.books[accounts.RECEIVABLE], -self.books[accounts.ADVANCES]
        assert receivable >= 0 <= advance
        assert (receivable, advance) == (self.balances._receivables[1], self.balances._advances[1])
        not_dispatched = ZERO if order.is_final else sum(line.open_amount for line in self.lines)
        assert receivable - advance == order.owed - not_dispatched
        if order.status == Status.CLOSED:
            assert not (receivable and advance)
        if order.status == Status.CANCELLED:
            open_refunds = sum(refund.amount for refund in self.refunds)
            assert (receivable, advance) == (max(order.owed, ZERO), open_refunds)

    def check_at_the_end(self) -> None:
        sold = sum(row.amount for row in self.sent) - sum(credit.amount for credit in self.credits)
        tax = sum(row.tax for row in self.sent) - sum(credit.tax for credit in self.credits)
        books = self.books
        assert (-books[accounts.REVENUE], -books[accounts.OUTPUT_TAX]) == (sold - tax, tax)
        kept = books[accounts.BANK] + books[accounts.WALLETS] + books[accounts.FEES]
        given_up = books[accounts.CREDIT_LOSS] + books[accounts.OTHER_LOSS] + books[accounts.OTHER_INCOME]
        assert (kept, given_up) == (self.order.received - self.order.refunded, self.order.written_off)
        assert books[accounts.BAD_DEBT_ALLOWANCE] == 0
        if not books[accounts.RECEIVABLE] and not books[accounts.ADVANCES]:
            assert sold == kept + given_up
        if not any(line.open_quantity for line in self.lines):
            for line in self.lines:
                rows = [row for row in self.sent if row.line is line]
                assert sum(row.amount for row in rows) + line.closed_amount == line.amount
                assert sum(row.tax for row in rows) + line.closed_tax == line.tax
        assert all(0 <= each.tax <= each.amount for each in (*self.sent, *self.credits))


NOW = datetime(2026, 1, 5, tzinfo=UTC)
EARLY = ("dispatch", "dispatch", "close_line", "pay", "pay", "allow", "send_back", "give_up", "lose_payment", "cancel")
LATE = ("pay", "pay", "decide_refund", "decide_refund", "close", "close", "give_up")
AFTER = ("send_back", "allow", "pay", "lose_payment", "decide_refund", "give_up", "reopen", "close")


def story(dice: Random) -> Iterator[str]:
    """What happens to an order: anything, then everything leaves, is settled and closed; and what comes after."""
    yield from dice.choices(EARLY, k=dice.randint(2, 5))
    yield from ["dispatch"] * 4
    yield from LATE
    yield from dice.choices(AFTER, k=dice.randint(0, 5))
    yield from LATE
    yield from LATE


class _Left(refunds._Left):
    """What is left of an order's payments, as its life knows them."""

    def __init__(self, orders: Iterable[Any]) -> None:
        self.orders = {order.pk: order for order in orders}
        self.over = {pk: -order.owed for pk, order in self.orders.items()}
        self.taken = dict.fromkeys(self.orders, Decimal(0))
        self.pending: Any = {1: sum(refund.amount for refund in _Present.life.refunds)}
        confirmed = [payment for payment in _Present.life.payments if payment.status == PaymentState.CONFIRMED]
        self.payments: Any = {1: confirmed[::-1]}


class _Present:
    """The life that is being lived, for what stands in for reading and writing rows."""

    life: Life


def _raise(new: list[Refund]) -> None:
    for refund in new:
        refund.pk, refund.number = next(_Present.life.keys), "RF"
        refund.payment.refunding += refund.amount
    _Present.life.refunds += new


def _shorts(orders: Any) -> Iterator[taking_back._Short]:
    life = _Present.life
    if not orders:
        return
    for write_off in reversed(life.write_offs):
        if write_off.is_bad_debt:
            yield taking_back._Short(1, write_off.amount - write_off.taken_back, write_off=write_off)
    if life.order.status == Status.CLOSED:
        tail = sum(entry.amount for entry in life.settlement.entries if entry.account == accounts.OTHER_LOSS)
        if tail:
            yield taking_back._Short(1, tail - life.taken_of_tail)


def _take_back(rows: list[TakenBack]) -> None:
    life = _Present.life
    for row in rows:
        row.pk = next(life.keys)
        if row.write_off:
            row.write_off.taken_back += row.amount
        else:
            life.taken_of_tail += row.amount
    progress.money([life.order], written_off=progress.by_order(rows, sign=-1))


@pytest.fixture
def without_database() -> Iterator[None]:
    with (
        patch.object(QuerySet, "bulk_create", lambda _self, rows, **_options: rows),
        patch.object(setwise, "update", lambda *_args, **_options: None),
        patch.object(refunds, "_Left", _Left),
        patch.object(refunds, "_insert", _raise),
        patch.object(taking_back, "_shorts", _shorts),
        patch.object(taking_back, "_save", lambda rows, _orders: _take_back(rows)),
    ):
        yield


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_books_and_documents_agree_all_life_long(chunk: int, without_database: None) -> None:
    dice = Random(chunk)
    ended: set[tuple[str, int]] = set()
    with acting(decide(SOMEBODY, at=NOW)):
        for _ in range(LIVES // CHUNKS):
            life = _Present.life = Life(dice)
            for happening in story(dice):
                getattr(life, happening)()
                life.check()
            life.check_at_the_end()
            ended.add((life.order.status, life.order.cycle))
    assert {("closed", 1), ("closed", 2), ("cancelled", 1)} <= ended
