"""
Refunds: requested, approved and paid by three different people; raised by themselves where money is left over.

A refund is a durable intent first: nothing is sent anywhere inside its transactions. Every act is also
possible after the order's closing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext_lazy as _

from erp.kernel import fsm, outbox, setwise
from erp.kernel.acting import Decision, current
from erp.kernel.errors import DomainError
from erp.kernel.locks import Locks
from erp.kernel.models import User
from erp.kernel.money import ZERO, check_positive, minor_units
from erp.kernel.numbering import numbers
from erp.kernel.transitions import advance, ready, wrong_state
from erp.kernel.validation import column
from finance.models import Credit, CreditGround, Ground, Payment, PaymentState, Purpose, Refund
from finance.models.refund import OPEN
from finance.services import posting
from finance.services.posting import Balances, credit
from orders.models import Act, Order, Status
from orders.models.reason import Party
from orders.selectors import company_day
from orders.services import catalogue, progress
from orders.services.documents import holding_of, require_version


class UnknownGround(DomainError):
    code = "finance.unknown_ground"
    message = _("“%(ground)s” is no ground of a refund. Use one of: %(grounds)s.")


class NotConfirmed(DomainError):
    code = "finance.payment_not_confirmed"
    message = _("Payment %(number)s is %(status)s; only money that was confirmed and is still there can be refunded.")


class MoreThanPaid(DomainError):
    code = "finance.refund_exceeds_payment"
    message = _(
        "Of payment %(number)s over %(received)s, %(refunded)s are refunded and %(refunding)s are being refunded: "
        "%(left)s are left, so %(amount)s cannot be refunded. Ask for less, or of another payment."
    )


class NothingOverpaid(DomainError):
    code = "finance.nothing_overpaid"
    message = _(
        "Order %(number)s is not overpaid, so %(amount)s cannot be refunded. Customer service first requests a return "
        "or an allowance; finance rejects a refund that was asked for before."
    )


class AlreadyRefunding(DomainError):
    code = "finance.already_refunding"
    message = _(
        "Order %(number)s is overpaid by %(overpaid)s, and all of it is being refunded already, so %(amount)s more "
        "cannot be. Finance decides the open refunds first."
    )


class MoreThanOverpaid(DomainError):
    code = "finance.refund_exceeds_overpaid"
    message = _(
        "Order %(number)s is overpaid by %(overpaid)s, of which %(left)s are not being refunded yet, so %(amount)s "
        "cannot be refunded. Ask for %(left)s at most."
    )


class NoLongerOverpaid(DomainError):
    code = "finance.refund_no_longer_overpaid"
    message = _(
        "Order %(number)s is overpaid by %(overpaid)s by now, so refund %(refund)s, with which %(amount)s would be "
        "given back at once, goes beyond it. Finance rejects it; what is still overpaid can be asked back anew."
    )


class RequesterApproves(DomainError):
    code = "finance.requester_approves"
    message = _("%(name)s requested refund %(number)s and may not approve it too. Somebody else of finance has to.")


class ReceiverApproves(DomainError):
    code = "finance.receiver_approves"
    message = _(
        "%(name)s received the goods for which refund %(number)s is given and may not approve it too. Somebody else "
        "of finance has to."
    )


class DecidedAndPays(DomainError):
    code = "finance.decider_pays"
    message = _("%(name)s requested or approved refund %(number)s and may not pay it too. Another cashier has to.")


class SeveralRequesters(DomainError):
    code = "finance.several_requesters"
    message = _(
        "Different people asked for these documents of order %(number)s, so that their refunds are not one. "
        "Decide one after the other."
    )


class OfCancelledOrder(DomainError):
    code = "finance.refund_of_cancelled"
    message = _(
        "Order %(order)s is cancelled, so refund %(number)s has to be paid. It ends otherwise only when its payment "
        "is voided or charged back."
    )


@dataclass(frozen=True, slots=True)
class RefundDraft:
    """
    Money to be paid back of one payment. ``amount`` in the order's currency.

    ``party`` is whose side the cause was on; it defaults to the reason's.
    """

    payment_id: int
    amount: Decimal
    ground: str = Ground.OVERPAYMENT
    party: str = ""


def request_refund(draft: RefundDraft, *, decision: Decision, version: int | None = None) -> Refund:
    """
    Ask for money to be paid back to the customer.

    :param version: the order's, as the person saw it: the same form sent twice asks once.
    :raises NotFound: :raises Forbidden: ``finance.request_refund`` is missing. :raises Changed: another version.
    :raises NotConfirmed: :raises MoreThanPaid: beyond the payment.
    :raises NothingOverpaid: :raises AlreadyRefunding: :raises MoreThanOverpaid: beyond what is to be paid back.
    """
    with holding_of(Payment.objects, [draft.payment_id], decision, "finance.request_refund", closed_too=True) as (
        held,
        (payment,),
    ):
        require_version(payment.order, version)
        reason = catalogue.require(Act.REFUND, decision)
        refund: Refund = _build(draft, payment, catalogue.party_of(draft.party, reason))
        _Left(held.values()).require(refund)
        _insert([refund])
        return refund


def approve_refunds(refund_ids: Iterable[int], *, decision: Decision) -> list[Refund]:
    """
    Approve that the customer is to have the money; all of them or none.

    :raises WrongState: not requested any more. :raises RequesterApproves: one's own request.
    :raises ReceiverApproves: the goods it is for were received by the same person.
    :raises NothingOverpaid: :raises NoLongerOverpaid: meanwhile less is overpaid.
    """
    with _approving(refund_ids, decision) as approval:
        for _refund, reasons in approval.refused:
            raise reasons[0]
        return approval.approved


def approve_those_possible(refund_ids: Iterable[int], *, decision: Decision) -> Approval:
    """
    As :func:`approve_refunds`, but what cannot be approved stays requested, with every reason, and the others are.

    :raises NotFound: :raises Forbidden: ``finance.approve_refund`` is missing.
    """
    with _approving(refund_ids, decision) as approval:
        return approval


@dataclass(slots=True)
class Approval:
    """What became of several refunds, in the order of their keys."""

    approved: list[Refund] = field(default_factory=list)
    refused: list[tuple[Refund, list[DomainError]]] = field(default_factory=list)


@contextmanager
def _approving(refund_ids: Iterable[int], decision: Decision) -> Iterator[Approval]:
    with holding_of(Refund.objects, refund_ids, decision, "finance.approve_refund", closed_too=True) as (
        held,
        refunds,
    ):
        # Also where a refund was rejected and asked for again by hand, which no receipt of goods has raised.
        received = set(
            Credit.objects.filter(order__in=held, ground=CreditGround.RETURN, by=decision.by).values_list(
                "order_id", flat=True
            )
        )
        left, approval = _Left(held.values()), Approval()
        for refund in refunds:
            reasons = list(_against_approval(refund, received, left, decision.by))
            if reasons:
                approval.refused.append((refund, reasons))
            else:
                left.take([refund])
                approval.approved.append(refund)
        advance(approval.approved, "approve")
        yield approval


def _against_approval(refund: Refund, received: Collection[int], left: _Left, by: User) -> Iterator[DomainError]:
    """Every reason why somebody may not approve a refund."""
    if not fsm.can_proceed(refund.approve):
        # What was decided already is decided, whoever asks.
        yield wrong_state(refund, "approve")
        return
    if refund.requested_by_id == by.pk:
        yield RequesterApproves(name=by.name, number=refund.number)
    if refund.goods_received_by_id == by.pk or refund.order_id in received:
        yield ReceiverApproves(name=by.name, number=refund.number)
    error = left.beyond(refund)
    if error is not None:
        yield error


def approve_refund(refund_id: int, *, decision: Decision) -> Refund:
    """As :func:`approve_refunds` for one."""
    (refund,) = approve_refunds([refund_id], decision=decision)
    return refund


def pay_refunds(refund_ids: Iterable[int], *, decision: Decision) -> list[Refund]:
    """
    Note that approved refunds left the house; all of them or none. Each posts one voucher.

    :raises WrongState: not approved. :raises DecidedAndPays: requested or approved by the same person.
    :raises NothingOverpaid: :raises NoLongerOverpaid: meanwhile less is overpaid.
    """
    with holding_of(Refund.objects, refund_ids, decision, "finance.pay_refund", closed_too=True) as (held, refunds):
        ready(refunds, "pay")
        for refund in refunds:
            if decision.by.pk in (refund.requested_by_id, refund.approved_by_id):
                raise DecidedAndPays(name=decision.by.name, number=refund.number)
        _Left(held.values()).take(refunds)
        advance(refunds, "pay")
        _mirror(refunds, refunding=-1, refunded=1)
        progress.money(held.values(), refunded=progress.by_order(refunds))
        balances = Balances(held.values())
        posting.post([_voucher(refund, balances) for refund in refunds])
        return refunds


def pay_refund(refund_id: int, *, decision: Decision) -> Refund:
    """As :func:`pay_refunds` for one."""
    (refund,) = pay_refunds([refund_id], decision=decision)
    return refund


def note_refund_failure(refund_id: int, failure: str, *, decision: Decision) -> Refund:
    """
    Note why the money did not reach the customer: the refund stays approved, to be paid again.

    :raises WrongState: not approved. :raises Missing: no word about the failure.
    """
    with holding_of(Refund.objects, [refund_id], decision, "finance.pay_refund", closed_too=True) as (
        _held,
        (failed,),
    ):
        refund: Refund = failed
        ready([refund], "pay")
        refund.failure = column(Refund, "failure", failure, required=True)
        refund.failed_at = decision.at
        setwise.update([refund], ["failure", "failed_at"])
        outbox.record("refund.fail", [refund], {refund.pk: {"status": refund.status}})
        return refund


def reject_refunds(refund_ids: Iterable[int], *, decision: Decision) -> list[Refund]:
    """
    Reject open refunds; nothing posts, and what is overpaid can be asked back again.

    :raises ReasonNeedsNote: the reason (驳回) demands a note. :raises WrongState: paid or rejected already.
    :raises OfCancelledOrder: the order keeps no money, so the customer has to have it.
    """
    with holding_of(Refund.objects, refund_ids, decision, "finance.approve_refund", closed_too=True) as (
        _held,
        refunds,
    ):
        catalogue.require(Act.REJECT, decision)
        for refund in refunds:
            if refund.order.status == Status.CANCELLED:
                raise OfCancelledOrder(number=refund.number, order=refund.order.number)
        advance(refunds, "reject")
        _mirror(refunds, refunding=-1)
        return refunds


def reject_refund(refund_id: int, *, decision: Decision) -> Refund:
    """As :func:`reject_refunds` for one."""
    (refund,) = reject_refunds([refund_id], decision=decision)
    return refund


def reject_open(payments: Sequence[Payment]) -> None:
    """Reject the open refunds of payments being taken back; ``refunding`` is written by the caller."""
    by_id = {payment.pk: payment for payment in payments}
    refunds = list(Refund.objects.filter(payment__in=by_id, status__in=OPEN).order_by("pk"))
    advance(refunds, "reject")
    for refund in refunds:
        by_id[refund.payment_id].refunding -= refund.amount


@dataclass(frozen=True, slots=True)
class Cause:
    """
    Why money became overpaid: the ground of the refund, whose side that was on, and who asked for it.

    :ivar goods_received_by: who received the goods it is for, and may not approve it.
    """

    ground: Ground
    party: str
    by: User
    goods_received_by: User | None = None


def together(causes: Iterable[tuple[Order, Cause]]) -> dict[int, Cause]:
    """
    Causes by order, of documents decided in one act.

    :raises SeveralRequesters: two people asked for documents of one order, whose refund would be in one's name.
    """
    by_order: dict[int, Cause] = {}
    for order, cause in causes:
        if by_order.setdefault(order.pk, cause).by != cause.by:
            raise SeveralRequesters(number=order.number)
    return by_order


def raise_overpaid(orders: Iterable[Order], causes: Mapping[int, Cause] | None = None) -> list[Refund]:
    """
    Ask back what locked orders are overpaid and is not being refunded, of the newest payments first.

    An open order within its shop's tolerance raises none: closing keeps the tail. No query for orders
    without anything overpaid.

    :param causes: by order; without one, more was paid than owed, as whoever acts has found.
    """
    left = _Left(orders)
    more_paid = Cause(Ground.OVERPAYMENT, Party.CUSTOMER, current().by)
    of_cancelled = Cause(Ground.CANCEL, Party.CUSTOMER, current().by)
    over = [order for order in left.orders.values() if left.over[order.pk] > left.pending[order.pk]]
    prefetch_related_objects(over, "shop")
    refunds = []
    for order in over:
        cause = (causes or {}).get(order.pk, of_cancelled if order.status == Status.CANCELLED else more_paid)
        wanted = left.over[order.pk] - left.pending[order.pk]
        if not order.is_final and wanted <= order.shop.tolerance:
            continue
        for payment in left.payments[order.pk]:
            part = min(wanted, payment.refundable)
            if part > 0:
                refunds.append(_refund(payment, part, cause))
                wanted -= part
    _insert(refunds)
    return refunds


def fit_overpaid(orders: Iterable[Order]) -> list[Refund]:
    """
    Reject open refunds of locked orders, the newest first, that are more than what is still overpaid; what the last
    of them asked for within it is asked back again, for the same cause.
    """
    by_id = {order.pk: order for order in orders}
    refunds = list(
        Refund.objects.filter(order__in=by_id, status__in=OPEN)
        .select_related("requested_by", "goods_received_by")
        .order_by("-pk")
    )
    pending = dict(progress.by_order(refunds))
    rejected, causes = [], {}
    for refund in refunds:
        if pending[refund.order_id] > max(-by_id[refund.order_id].owed, ZERO):
            pending[refund.order_id] -= refund.amount
            causes[refund.order_id] = Cause(
                Ground(refund.ground), refund.party, refund.requested_by, goods_received_by=refund.goods_received_by
            )
            rejected.append(refund)
    advance(rejected, "reject")
    _mirror(rejected, refunding=-1)
    return raise_overpaid([by_id[order_id] for order_id in causes], causes)


class _Left:
    """
    What locked orders are overpaid, by order, how much of it is being refunded, and of which payments.
    """

    def __init__(self, orders: Iterable[Order]) -> None:
        self.orders = {order.pk: order for order in orders}
        self.over = {pk: -order.owed for pk, order in self.orders.items()}
        self.pending: dict[int, Decimal] = defaultdict(lambda: ZERO)
        self.taken: dict[int, Decimal] = defaultdict(lambda: ZERO)
        self.payments: dict[int, list[Payment]] = defaultdict(list)
        overpaid = [pk for pk, amount in self.over.items() if amount > 0]
        if overpaid:
            for payment in Payment.objects.filter(order__in=overpaid, status=PaymentState.CONFIRMED).order_by("-pk"):
                payment.order = self.orders[payment.order_id]
                self.pending[payment.order_id] += payment.refunding
                self.payments[payment.order_id].append(payment)

    def require(self, refund: Refund) -> None:
        """
        A refund not asked for yet is within what is overpaid and not being refunded.

        :raises NothingOverpaid: :raises AlreadyRefunding: :raises MoreThanOverpaid:
        """
        order, over = refund.order, self.over[refund.order_id]
        left = over - self.pending[order.pk]
        if refund.amount <= left:
            return
        figures = {"number": order.number, "amount": order.money(refund.amount)}
        if over <= 0:
            raise NothingOverpaid(**figures)
        if left <= 0:
            raise AlreadyRefunding(**figures, overpaid=order.money(over))
        raise MoreThanOverpaid(**figures, overpaid=order.money(over), left=order.money(left))

    def beyond(self, refund: Refund) -> NothingOverpaid | NoLongerOverpaid | None:
        """Why a refund asked for before goes beyond what is overpaid by now, together with those taken."""
        order, over = refund.order, self.over[refund.order_id]
        amount = self.taken[order.pk] + refund.amount
        if over <= 0:
            return NothingOverpaid(number=order.number, amount=order.money(refund.amount))
        if amount > over:
            return NoLongerOverpaid(
                number=order.number,
                overpaid=order.money(over),
                refund=refund.number,
                amount=order.money(amount),
            )
        return None

    def take(self, refunds: Iterable[Refund]) -> None:
        """
        Refunds asked for before are, together, within what is overpaid.

        :raises NothingOverpaid: :raises NoLongerOverpaid:
        """
        for refund in refunds:
            error = self.beyond(refund)
            if error is not None:
                raise error
            self.taken[refund.order_id] += refund.amount


def _build(draft: RefundDraft, payment: Payment, party: str) -> Refund:
    order = payment.order
    if draft.ground not in Ground.values:
        raise UnknownGround(ground=str(draft.ground)[:20], grounds=", ".join(Ground.values))
    amount = check_positive(draft.amount, _("Amount"), places=minor_units(order.currency))
    if payment.status != PaymentState.CONFIRMED:
        raise NotConfirmed(number=payment.number, status=payment.get_status_display())
    if amount > payment.refundable:
        raise MoreThanPaid(
            number=payment.number,
            received=order.money(payment.amount),
            refunded=order.money(payment.refunded),
            refunding=order.money(payment.refunding),
            left=order.money(payment.refundable),
            amount=order.money(amount),
        )
    return _refund(payment, amount, Cause(Ground(draft.ground), party, current().by))


def _refund(payment: Payment, amount: Decimal, cause: Cause) -> Refund:
    return Refund(
        order=payment.order,
        payment=payment,
        ground=cause.ground,
        amount=amount,
        party=cause.party,
        goods_received_by=cause.goods_received_by,
        requested_by=cause.by,
        requested_at=current().at,
    )


def _insert(refunds: Sequence[Refund]) -> None:
    if not refunds:
        return
    # After stock, before vouchers are numbered: whoever raises refunds may have moved goods, and posts last.
    drawn = numbers("RF", company_day(current().at).year, len(refunds), rank=Locks.NUMBERS)
    for refund, number in zip(refunds, drawn, strict=True):
        refund.number = number
    setwise.insert(refunds)
    _mirror(refunds, refunding=1)
    outbox.record("refund.request", refunds, {refund.pk: {"status": refund.status} for refund in refunds})


def _mirror(refunds: Sequence[Refund], *, refunding: int = 0, refunded: int = 0) -> None:
    """Add the refunds' amounts to what their payments mirror, with these signs."""
    payments = Payment.objects.in_bulk({refund.payment_id for refund in refunds})
    for refund in refunds:
        payment = payments[refund.payment_id]
        payment.refunding += refunding * refund.amount
        payment.refunded += refunded * refund.amount
        refund.payment = payment
    setwise.update(list(payments.values()), ["refunding", "refunded"], record=False)


def _voucher(refund: Refund, balances: Balances) -> posting.Draft:
    """Dr by the rule / Cr the account the money came in on."""
    return posting.Draft(
        purpose=Purpose.REFUND,
        source_type="finance.refund",
        source_id=str(refund.pk),
        source=refund.number,
        currency=refund.order.currency,
        order=refund.order,
        entries=[*balances.debit(refund.order, refund.amount), credit(refund.payment.account, refund.amount)],
    )
