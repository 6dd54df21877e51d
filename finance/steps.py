"""
What finance adds to an order's transitions.

Processing: who pays in advance has paid, or says so. Closing: the customer owes nothing, the books agree,
and both balances end at zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext_lazy as _

from erp.kernel.locks import Locks
from erp.kernel.money import ZERO
from erp.kernel.texts import Listing
from finance import facts, selectors
from finance.effects import AskBack, Mirror, Reverse, Settle, TakeBack
from finance.models import Allowance, Credit, Ground, Payment, PaymentState, Refund, WriteOff
from finance.models.payment import EVER_CONFIRMED
from finance.services import cancelling, lowering, posting, taking_back
from finance.services.posting import Balances
from finance.services.refunds import Cause
from orders import selectors as order_selectors
from orders.contract import Batch, Block, Check, Effect, Finding, Link, Step
from orders.models import Order, Party, Policy, Terms
from orders.services import changing, closing_lines, progress

UNPAID = Check(
    "finance.unpaid",
    Block.MONEY,
    passed=_("Payable %(payable)s, received %(captured)s, written off %(written_off)s, still owed %(owed)s."),
    blocked=_(
        "Order %(number)s: payable %(payable)s, received %(captured)s, written off %(written_off)s, "
        "still owed %(owed)s."
    ),
    hint=_("The cashier reports the payment, then finance confirms it; what will not be paid is written off."),
    role=_("Cashier, then finance"),
    lasting=True,
)
OVERPAID = Check(
    "finance.overpaid",
    Block.REFUNDS,
    passed=_("Nothing is overpaid."),
    blocked=_(
        "Order %(number)s: payable %(payable)s, received %(captured)s, written off %(written_off)s, "
        "overpaid by %(owed)s."
    ),
    hint=_("Pay the difference back to the customer; what nobody claims is written off."),
    role=_("Finance"),
    lasting=True,
)
UNCONFIRMED = Check(
    "finance.payment_unconfirmed",
    Block.MONEY,
    passed=_("Every reported payment is confirmed or rejected."),
    blocked=_("Order %(number)s: reported payments of %(pending)s are neither confirmed nor rejected: %(payments)s."),
    hint=_("Compare them with the bank statement, then confirm or reject them."),
    role=_("Finance"),
    lasting=True,
)
REFUND_OPEN = Check(
    "finance.refund_open",
    Block.REFUNDS,
    passed=_("No refund is open."),
    blocked=_("Order %(number)s: refunds of %(refunding)s are neither paid nor rejected: %(refunds)s."),
    hint=_("Approve and pay them, or reject them."),
    role=_("Finance and cashier"),
    lasting=True,
)
ALLOWANCE_OPEN = Check(
    "finance.allowance_open",
    Block.REFUNDS,
    passed=_("No allowance is open."),
    blocked=_("Order %(number)s: allowances of %(amount)s are neither approved nor rejected: %(allowances)s."),
    hint=_("Approve or reject them."),
    role=_("Finance"),
    lasting=True,
)
WRITE_OFF_OPEN = Check(
    "finance.write_off_open",
    Block.MONEY,
    passed=_("No write-off is open."),
    blocked=_("Order %(number)s: write-offs of %(amount)s are neither approved nor rejected: %(write_offs)s."),
    hint=_("Approve or reject them."),
    role=_("Chief accountant"),
    lasting=True,
)
NOT_PREPAID = Check(
    "finance.not_prepaid",
    Block.MONEY,
    passed=_("Prepaid: payable %(payable)s, received or reported %(covered)s."),
    blocked=_(
        "Order %(number)s is prepaid: payable %(payable)s, received or reported %(covered)s, %(missing)s are missing."
    ),
    hint=_("Report the customer's payment, or wait for it."),
    role=_("Cashier"),
)
BOOKS = Check(
    "finance.books_disagree",
    Block.MONEY,
    passed=_("Documents and ledger agree."),
    blocked=_("Order %(number)s: %(owed)s are owed by documents, %(booked)s by the ledger."),
    hint=_("Stop here and have the ledger examined."),
    role=_("Chief accountant"),
    lasting=True,
)
CONFLICT = Check(
    facts.AGAINST_CLOSING,
    Block.DUTY,
    passed=_("%(name)s confirmed no payment of this order, and decided no refund, allowance or write-off."),
    blocked=_(
        "%(name)s confirmed payments or decided refunds, allowances or write-offs of order %(number)s (%(payments)s) "
        "and may not close it too."
    ),
    hint=_("Somebody else has to close the order."),
    role=_("System administrator"),
    soft=Policy.BLOCK,
)


_Document = Payment | Refund | Allowance | WriteOff


class Prepaid(Step):
    """An order paid in advance is processed once payments cover it; those that are only reported count too."""

    checks = (NOT_PREPAID,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        if all(order.terms != Terms.PREPAID for order in batch.orders):
            return
        for account in selectors.order_accounts(batch):
            order, missing = account.order, account.owed - account.pending
            if order.terms == Terms.PREPAID:
                yield NOT_PREPAID.finding(
                    order,
                    missing <= 0,
                    number=order.number,
                    payable=order.money(account.payable),
                    covered=order.money(account.payable - missing),
                    missing=order.money(max(missing, ZERO)),
                )


class RefundLowered(Step, ABC):
    """Asks back what is overpaid once an act has lowered what is payable."""

    locks = Locks.NUMBERS

    @abstractmethod
    def lowered(self, batch: Batch) -> Mapping[int, Decimal]:
        """By how much less is payable, by order; others that are overpaid are left as somebody decided."""

    def causes(self, batch: Batch) -> Mapping[int, Cause]:
        """Of the refunds, by order; without one, more was paid than owed."""
        return {}

    def plan(self, batch: Batch) -> Iterator[Effect]:
        lowered = self.lowered(batch)
        better_off = {order: lowered[order.pk] for order in batch.orders if lowered[order.pk] > 0}
        yield from lowering.foresee(better_off, lambda: selectors.payments_of(batch))

    def save(self, batch: Batch, effects: Sequence[Effect]) -> None:
        lowered = self.lowered(batch)
        orders = [order for order in batch.orders if lowered[order.pk] > 0]
        posting.post(lowering.follow(orders, Balances(orders), self.causes(batch)))


class RefundClosedLines(RefundLowered):
    def lowered(self, batch: Batch) -> Mapping[int, Decimal]:
        closings = closing_lines.closings(batch)
        return {order_id: sum((effect.amount for effect in of_order), ZERO) for order_id, of_order in closings.items()}

    def causes(self, batch: Batch) -> Mapping[int, Cause]:
        decision = batch.decision
        cause = Cause(Ground.LINE_CLOSED, Party(decision.detail["party"]), decision.by)
        return dict.fromkeys(batch.ids, cause)


class RefundChange(RefundLowered):
    def lowered(self, batch: Batch) -> Mapping[int, Decimal]:
        return {order.pk: changing.planned(batch)[order.pk].lowered for order in batch.orders}


class GiveBack(Step):
    """A cancelled order keeps no money and no revenue."""

    locks = Locks.NUMBERS

    def plan(self, batch: Batch) -> Iterator[Effect]:
        accounts_of = selectors.order_accounts(batch)
        taken = taking_back.foresee({account.order: account.kept + account.written_off for account in accounts_of})
        for account in accounts_of:
            order = account.order
            mirrored = sum((each.amount for each in self._recognised(batch, order)), ZERO)
            if mirrored:
                yield Mirror(order.pk, order.currency, mirrored)
            if taken[order.pk]:
                yield TakeBack(order.pk, order.currency, taken[order.pk])
            left = account.kept + account.written_off - taken[order.pk] - account.refunding
            if left > 0:
                yield AskBack(order.pk, order.currency, left)

    def save(self, batch: Batch, effects: Sequence[Effect]) -> None:
        prefetch_related_objects(batch.orders, "cancel_requested_by")
        credits = [each for order in batch.orders for each in self._recognised(batch, order)]
        carried: cancelling.Carried | None = batch.memo.get(cancelling.CARRIED)
        drafts = cancelling.give_back(batch.orders, credits, carried.balances if carried else Balances(batch.orders))
        if carried:
            carried.drafts.extend(drafts)
        else:
            posting.post(drafts)

    def _recognised(self, batch: Batch, order: Order) -> list[Credit]:
        credited: dict[int, list[Credit]] = defaultdict(list)
        for given in selectors.credits_of(batch).get(order.pk, ()):
            credited[given.line_id].append(given)
        return cancelling.recognised(order, order_selectors.lines(batch)[order.pk], credited)


class SettleAccount(Step):
    checks = (UNPAID, OVERPAID, UNCONFIRMED, REFUND_OPEN, ALLOWANCE_OPEN, WRITE_OFF_OPEN, BOOKS, CONFLICT)
    locks = Locks.NUMBERS

    def check(self, batch: Batch) -> Iterator[Finding]:
        documents = selectors.documents_of(batch)
        for account in selectors.order_accounts(batch):
            yield from _account_findings(account, documents[account.order.pk])
            yield _conflict(account.order, documents[account.order.pk], batch)

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for account in selectors.order_accounts(batch):
            if account.receivable or account.advance:
                yield Settle(account.order.pk, account.order.currency, account.receivable, account.advance)

    def save(self, batch: Batch, effects: Sequence[Settle]) -> None:
        tails = {effect.order_id: effect.short - effect.over for effect in effects if effect.short or effect.over}
        if tails:
            progress.money([batch.by_id[order_id] for order_id in tails], written_off=tails)
        vouchers = posting.post(effect.voucher(batch.by_id[effect.order_id]) for effect in effects)
        selectors.add_posted(batch, vouchers)

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        return facts.evidence(batch)


class ReverseSettlement(Step):
    locks = Locks.NUMBERS

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            for posted in facts.vouchers_of_closing(batch, order, order.cycle):
                voucher = posted.voucher
                yield Reverse(
                    order.pk,
                    order.currency,
                    str(voucher),
                    voucher.source_type,
                    voucher.source_id,
                    voucher.source,
                    tuple(posted.lines),
                )

    def save(self, batch: Batch, effects: Sequence[Reverse]) -> None:
        tails: dict[int, Decimal] = defaultdict(lambda: ZERO)
        for effect in effects:
            if effect.tail:
                tails[effect.order_id] -= effect.tail
        if tails:
            progress.money([batch.by_id[order_id] for order_id in tails], written_off=tails)
        posting.post(effect.voucher(batch.by_id[effect.order_id]) for effect in effects)

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        return facts.reopening_evidence(batch)


def _account_findings(account: selectors.OrderAccount, documents: selectors.Documents) -> Iterator[Finding]:
    order = account.order
    figures: dict[str, Any] = {
        "number": order.number,
        "payable": order.money(account.payable),
        "captured": order.money(account.kept),
        "written_off": order.money(account.written_off),
    }
    tolerance = account.tolerance
    yield UNPAID.finding(order, account.owed <= tolerance, **figures, owed=order.money(max(account.owed, ZERO)))
    yield OVERPAID.finding(order, -account.owed <= tolerance, **figures, owed=order.money(max(-account.owed, ZERO)))
    reported = [payment for payment in documents.payments if payment.status == PaymentState.REPORTED]
    yield UNCONFIRMED.finding(
        order,
        not reported,
        number=order.number,
        pending=order.money(account.pending),
        payments=Listing(payment.number for payment in reported),
        links=[_link(payment) for payment in reported],
    )
    refunding = [refund for refund in documents.refunds if refund.is_open]
    yield REFUND_OPEN.finding(
        order,
        not refunding,
        number=order.number,
        refunding=order.money(account.refunding),
        refunds=Listing(refund.number for refund in refunding),
        links=[_link(refund) for refund in refunding],
    )
    allowing = [allowance for allowance in documents.allowances if allowance.is_open]
    yield ALLOWANCE_OPEN.finding(
        order,
        not allowing,
        number=order.number,
        amount=order.money(sum((allowance.amount for allowance in allowing), ZERO)),
        allowances=Listing(allowance.number for allowance in allowing),
        links=[_link(allowance) for allowance in allowing],
    )
    writing_off = [write_off for write_off in documents.write_offs if write_off.is_open]
    yield WRITE_OFF_OPEN.finding(
        order,
        not writing_off,
        number=order.number,
        amount=order.money(sum((write_off.amount for write_off in writing_off), ZERO)),
        write_offs=Listing(write_off.number for write_off in writing_off),
        links=[_link(write_off) for write_off in writing_off],
    )
    yield BOOKS.finding(
        order,
        account.agrees,
        number=order.number,
        owed=order.money(account.owed - account.open_goods),
        booked=order.money(account.receivable - account.advance),
    )


def _conflict(order: Order, documents: selectors.Documents, batch: Batch) -> Finding:
    closer = batch.decision.by
    own: list[_Document] = [
        payment
        for payment in documents.payments
        if payment.status in EVER_CONFIRMED and payment.decided_by_id == closer.pk
    ]
    own += [refund for refund in documents.refunds if closer.pk in (refund.approved_by_id, refund.paid_by_id)]
    own += [allowance for allowance in documents.allowances if closer.pk == allowance.approved_by_id]
    own += [
        write_off
        for write_off in documents.write_offs
        if write_off.is_approved and closer.pk in (write_off.requested_by_id, write_off.approved_by_id)
    ]
    return CONFLICT.finding(
        order,
        not own,
        people=[closer.pk],
        number=order.number,
        name=closer.name,
        payments=Listing(document.number for document in own),
        links=[_link(document) for document in own],
    )


def _link(document: _Document) -> Link:
    return Link(document._meta.label_lower, str(document.pk), document.number)
