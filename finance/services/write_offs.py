"""
Write-offs: requested by one person of finance, approved by another; what a customer will not pay, and what
cannot be paid back to him. Every act is also possible after the order's closing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.money import ZERO, check_positive, minor_units
from erp.kernel.numbering import numbers
from erp.kernel.transitions import advance, found, ready
from finance import accounts
from finance.models import ProposalState, Purpose, WriteOff, WriteOffKind
from finance.services import posting, refunds
from finance.services.posting import Balances, credit, debit
from orders.models import Act, Order
from orders.selectors import company_day
from orders.services import catalogue, progress
from orders.services.documents import authorise, holding, holding_of, require_version


class UnknownKind(DomainError):
    code = "finance.unknown_write_off"
    message = _("“%(kind)s” is no kind of write-off. Use one of: %(kinds)s.")


class MoreThanReceivable(DomainError):
    code = "finance.write_off_exceeds_receivable"
    message = _(
        "Order %(number)s: %(owed)s are owed and %(receivable)s are booked as receivable, of which %(requested)s are "
        "requested to be written off already, so %(amount)s cannot be. Ask for %(left)s at most."
    )


class MoreThanUnclaimed(DomainError):
    code = "finance.write_off_exceeds_overpaid"
    message = _(
        "Order %(number)s is overpaid by %(overpaid)s, of which %(requested)s are requested to be kept already, so "
        "%(amount)s cannot be. Ask for %(left)s at most."
    )


class RequesterApprovesWriteOff(DomainError):
    code = "finance.write_off_requester_approves"
    message = _("%(name)s requested write-off %(number)s and may not approve it too. Another chief accountant has to.")


@dataclass(frozen=True, slots=True)
class WriteOffDraft:
    """Money to be given up. ``amount`` in the order's currency."""

    order_id: int
    kind: str
    amount: Decimal


def request_write_off(draft: WriteOffDraft, *, decision: Decision, version: int | None = None) -> WriteOff:
    """
    Ask for bad debt, or for money that cannot be paid back, to be written off.

    :param version: the order's, as the person saw it: the same form sent twice asks once.
    :raises NotFound: the order is out of scope. :raises Forbidden: ``finance.request_write_off`` is missing.
    :raises Changed: the order has another version.
    :raises MoreThanReceivable: :raises MoreThanUnclaimed: beyond what is owed or overpaid and not requested yet.
    """
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, [draft.order_id], decision.by, "finance.request_write_off")
    with holding(scoped.filter(pk=draft.order_id), decision, closed_too=True) as held:
        (order,) = found(Order, [draft.order_id], list(held.values()))
        require_version(order, version)
        catalogue.require(Act.WRITE_OFF, decision)
        write_off = _build(draft, order, decision)
        still_open = WriteOff.objects.filter(order=draft.order_id, kind=draft.kind, status=ProposalState.REQUESTED)
        requested = sum((other.amount for other in still_open), ZERO)
        _require_left(write_off, Balances(held.values()), requested)
        (write_off.number,) = numbers("WO", company_day(decision.at).year, 1)
        setwise.insert([write_off])
        outbox.record("writeoff.request", [write_off], {write_off.pk: {"status": write_off.status}})
        return write_off


def approve_write_offs(write_off_ids: Iterable[int], *, decision: Decision) -> list[WriteOff]:
    """
    Approve that money is given up; all of them or none. Each posts one voucher.

    Open refunds of money that is now kept are rejected, the newest first, whatever their ground; what they asked
    for beyond it is asked back again.

    :raises WrongState: not requested any more. :raises RequesterApprovesWriteOff: one's own request.
    :raises MoreThanReceivable: :raises MoreThanUnclaimed: meanwhile less is owed or overpaid.
    """
    with holding_of(WriteOff.objects, write_off_ids, decision, "finance.approve_write_off", closed_too=True) as (
        held,
        write_offs,
    ):
        ready(write_offs, "approve")
        balances = Balances(held.values())
        approved: dict[tuple[int, str], Decimal] = defaultdict(lambda: ZERO)
        for write_off in write_offs:
            if write_off.requested_by_id == decision.by.pk:
                raise RequesterApprovesWriteOff(name=decision.by.name, number=write_off.number)
            _require_left(write_off, balances, approved[write_off.order_id, write_off.kind])
            approved[write_off.order_id, write_off.kind] += write_off.amount
        advance(write_offs, "approve")
        progress.money(held.values(), written_off=_by_order(write_offs))
        refunds.fit_overpaid(write_off.order for write_off in write_offs if not write_off.is_bad_debt)
        posting.post([_voucher(write_off, balances) for write_off in write_offs])
        return write_offs


def approve_write_off(write_off_id: int, *, decision: Decision) -> WriteOff:
    """As :func:`approve_write_offs` for one."""
    (write_off,) = approve_write_offs([write_off_id], decision=decision)
    return write_off


def reject_write_offs(write_off_ids: Iterable[int], *, decision: Decision) -> list[WriteOff]:
    """
    Reject requested write-offs; nothing posts.

    :raises ReasonNeedsNote: the reason (驳回) demands a note. :raises WrongState: decided already.
    """
    with holding_of(WriteOff.objects, write_off_ids, decision, "finance.approve_write_off", closed_too=True) as (
        _held,
        write_offs,
    ):
        catalogue.require(Act.REJECT, decision)
        advance(write_offs, "reject")
        return write_offs


def reject_write_off(write_off_id: int, *, decision: Decision) -> WriteOff:
    """As :func:`reject_write_offs` for one."""
    (write_off,) = reject_write_offs([write_off_id], decision=decision)
    return write_off


def _build(draft: WriteOffDraft, order: Order, decision: Decision) -> WriteOff:
    if draft.kind not in WriteOffKind.values:
        raise UnknownKind(kind=str(draft.kind)[:20], kinds=", ".join(WriteOffKind.values))
    return WriteOff(
        order=order,
        kind=draft.kind,
        amount=check_positive(draft.amount, _("Amount"), places=minor_units(order.currency)),
        requested_by=decision.by,
        requested_at=decision.at,
    )


def _require_left(write_off: WriteOff, balances: Balances, requested: Decimal) -> None:
    """:param requested: what is given up of the same kind before it."""
    order = write_off.order
    receivable = balances.receivable(order)
    # Money of the customer's is always in 2203 as far as he is overpaid: what is not dispatched yet is paid there too.
    most = min(order.owed, receivable) if write_off.is_bad_debt else -order.owed
    left = max(most - requested, ZERO)
    if write_off.amount <= left:
        return
    figures = {
        "number": order.number,
        "requested": order.money(requested),
        "amount": order.money(write_off.amount),
        "left": order.money(left),
    }
    if write_off.is_bad_debt:
        owed = order.money(max(order.owed, ZERO))
        raise MoreThanReceivable(**figures, owed=owed, receivable=order.money(receivable))
    raise MoreThanUnclaimed(**figures, overpaid=order.money(max(-order.owed, ZERO)))


def _by_order(write_offs: Iterable[WriteOff]) -> dict[int, Decimal]:
    amounts: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for write_off in write_offs:
        amounts[write_off.order_id] += write_off.signed_amount
    return amounts


def _voucher(write_off: WriteOff, balances: Balances) -> posting.Draft:
    """Bad debt: Dr 1231 / Cr 1122 with Dr 6702 / Cr 1231. Money nobody claims: Dr 2203 / Cr 6301."""
    order, amount = write_off.order, write_off.amount
    if write_off.is_bad_debt:
        entries = [
            debit(accounts.BAD_DEBT_ALLOWANCE, amount),
            *balances.credit(order, amount),
            debit(accounts.CREDIT_LOSS, amount),
            credit(accounts.BAD_DEBT_ALLOWANCE, amount),
        ]
    else:
        entries = [*balances.debit(order, amount), credit(accounts.OTHER_INCOME, amount)]
    return posting.Draft(
        purpose=Purpose.WRITE_OFF,
        source_type="finance.writeoff",
        source_id=str(write_off.pk),
        source=write_off.number,
        currency=order.currency,
        order=order,
        entries=entries,
    )
