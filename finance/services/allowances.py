"""
Allowances: requested by one person, approved by another; the customer keeps the goods and pays less.

Every act is also possible after the order's closing. Whoever knows what was dispatched names the part.
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
from finance.models import Allowance, Credit, CreditGround, Ground, ProposalState, Purpose
from finance.services import crediting, lowering, posting, refunds
from finance.services.crediting import Credited, Crediting, Part
from finance.services.posting import Balances
from finance.services.refunds import Cause
from orders.models import Act, Order
from orders.selectors import company_day
from orders.services import catalogue
from orders.services.documents import authorise, holding, holding_of, require_version


class AllowanceExceedsPart(DomainError):
    code = "finance.allowance_exceeds_part"
    message = _(
        "Order %(number)s line %(line)s: of %(amount)s dispatched together, %(credited)s are credited and "
        "%(requested)s requested as allowances already, so %(wanted)s cannot be allowed. Ask for %(left)s at most."
    )


class RequesterApprovesAllowance(DomainError):
    code = "finance.allowance_requester_approves"
    message = _("%(name)s requested allowance %(number)s and may not approve it too. Somebody else of finance has to.")


@dataclass(frozen=True, slots=True)
class AllowanceDraft:
    """
    What the customer is to pay less of a part. ``amount`` in the order's currency.

    ``source`` is the number of the document that dispatched it; ``party`` whose side the cause was on: it defaults
    to the reason's.
    """

    part: Part
    source: str
    amount: Decimal
    party: str = ""


def request_allowance(draft: AllowanceDraft, *, decision: Decision, version: int | None = None) -> Allowance:
    """
    Ask for a lower price of what was dispatched.

    :param version: the order's, as the person saw it: the same form sent twice asks once.
    :raises NotFound: the order is out of scope. :raises Forbidden: ``finance.request_allowance`` is missing.
    :raises Changed: the order has another version.
    :raises AllowanceExceedsPart: more than what is neither credited nor requested of the part.
    """
    order_id = draft.part.line.order_id
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, [order_id], decision.by, "finance.request_allowance")
    with holding(scoped.filter(pk=order_id), decision, closed_too=True) as held:
        (order,) = found(Order, [order_id], list(held.values()))
        require_version(order, version)
        reason = catalogue.require(Act.ALLOWANCE, decision)
        allowance = _build(draft, order, catalogue.party_of(draft.party, reason), decision)
        _require_left(allowance, draft.part)
        (allowance.number,) = numbers("AL", company_day(decision.at).year, 1)
        setwise.insert([allowance])
        outbox.record("allowance.request", [allowance], {allowance.pk: {"status": allowance.status}})
        return allowance


def approve_allowances(allowance_ids: Iterable[int], *, decision: Decision) -> list[Allowance]:
    """
    Approve that the customer pays less; all of them or none. Each gives a credit and posts one voucher.

    What is then overpaid becomes a refund, in the name of who requested the allowance.

    :raises WrongState: not requested any more. :raises RequesterApprovesAllowance: one's own request.
    :raises CreditExceedsPart: meanwhile so much of the part was credited that it no longer fits.
    """
    documents = Allowance.objects.select_related("line", "requested_by")
    with holding_of(documents, allowance_ids, decision, "finance.approve_allowance", closed_too=True) as (
        held,
        allowances,
    ):
        ready(allowances, "approve")
        for allowance in allowances:
            if allowance.requested_by_id == decision.by.pk:
                raise RequesterApprovesAllowance(name=decision.by.name, number=allowance.number)
        credited = Credited(held.values())
        credits = [credited.take(allowance.order, _crediting(allowance)) for allowance in allowances]
        advance(allowances, "approve")
        crediting.give(held, credits)
        balances = Balances(held.values())
        vouchers = [_voucher(*pair, balances) for pair in zip(allowances, credits, strict=True)]
        posting.post([*vouchers, *lowering.follow(held.values(), balances, _causes(allowances))])
        return allowances


def approve_allowance(allowance_id: int, *, decision: Decision) -> Allowance:
    """As :func:`approve_allowances` for one."""
    (allowance,) = approve_allowances([allowance_id], decision=decision)
    return allowance


def reject_allowances(allowance_ids: Iterable[int], *, decision: Decision) -> list[Allowance]:
    """
    Reject requested allowances; nothing posts, and the price stays.

    :raises ReasonNeedsNote: the reason (驳回) demands a note. :raises WrongState: decided already.
    """
    with holding_of(Allowance.objects, allowance_ids, decision, "finance.approve_allowance", closed_too=True) as (
        _held,
        allowances,
    ):
        catalogue.require(Act.REJECT, decision)
        advance(allowances, "reject")
        return allowances


def reject_allowance(allowance_id: int, *, decision: Decision) -> Allowance:
    """As :func:`reject_allowances` for one."""
    (allowance,) = reject_allowances([allowance_id], decision=decision)
    return allowance


class Allowable:
    """What can still be asked for of the parts of orders: neither credited nor in a requested allowance."""

    def __init__(self, orders: Iterable[Order]) -> None:
        orders = list(orders)
        self._credited = Credited(orders)
        self._requested: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for allowance in Allowance.objects.filter(order__in=orders, status=ProposalState.REQUESTED):
            self._requested[allowance.part] += allowance.amount

    def requested(self, of: Part) -> Decimal:
        return self._requested[of.key]

    def uncredited(self, of: Part) -> Decimal:
        return self._credited.left(of)

    def left(self, of: Part) -> Decimal:
        return max(self.uncredited(of) - self.requested(of), ZERO)


def _build(draft: AllowanceDraft, order: Order, party: str, decision: Decision) -> Allowance:
    return Allowance(
        order=order,
        line=draft.part.line,
        part=draft.part.key,
        part_amount=draft.part.amount,
        part_tax=draft.part.tax,
        source=draft.source,
        amount=check_positive(draft.amount, _("Amount"), places=minor_units(order.currency)),
        party=party,
        requested_by=decision.by,
        requested_at=decision.at,
    )


def _require_left(allowance: Allowance, of: Part) -> None:
    order, allowable = allowance.order, Allowable([allowance.order])
    if allowance.amount > allowable.left(of):
        raise AllowanceExceedsPart(
            number=order.number,
            line=of.line.no,
            amount=order.money(of.amount),
            credited=order.money(of.amount - allowable.uncredited(of)),
            requested=order.money(allowable.requested(of)),
            wanted=order.money(allowance.amount),
            left=order.money(allowable.left(of)),
        )


def _crediting(allowance: Allowance) -> Crediting:
    return Crediting(
        part=Part(allowance.part, allowance.line, allowance.part_amount, allowance.part_tax),
        amount=allowance.amount,
        ground=CreditGround.ALLOWANCE,
        source_type="finance.allowance",
        source_id=str(allowance.pk),
        source=allowance.number,
    )


def _causes(allowances: Iterable[Allowance]) -> dict[int, Cause]:
    return refunds.together(
        (allowance.order, Cause(Ground.ALLOWANCE, allowance.party, allowance.requested_by)) for allowance in allowances
    )


def _voucher(allowance: Allowance, credit: Credit, balances: Balances) -> posting.Draft:
    """Dr 6001 + 2221 / Cr by the rule."""
    return posting.Draft(
        purpose=Purpose.ALLOWANCE,
        source_type="finance.allowance",
        source_id=str(allowance.pk),
        source=allowance.number,
        currency=allowance.order.currency,
        order=allowance.order,
        entries=crediting.entries(allowance.order, [credit], balances),
    )
