"""
Payments: cashiers and shops report them, finance confirms or rejects; only confirmed money posts and counts,
until it is voided (an error) or charged back. All of it also after the order's closing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError, NotFound
from erp.kernel.money import ZERO, Money, check, check_positive, minor_units
from erp.kernel.numbering import numbers
from erp.kernel.transitions import advance, ready
from erp.kernel.validation import column, passed
from finance import accounts
from finance.models import Payment, PaymentMethod, PaymentState, Purpose
from finance.models.payment import TAKEN_BACK
from finance.services import lowering, posting, refunds
from finance.services.posting import Balances, credit, debit
from orders.models import Act, Order
from orders.selectors import company_day
from orders.services import catalogue, progress
from orders.services.documents import authorise, holding, holding_of


class UnknownMethod(DomainError):
    code = "finance.unknown_method"
    message = _("“%(method)s” is no payment method. Use one of: %(methods)s.")


class PaymentDiffers(DomainError):
    code = "finance.payment_differs"
    message = _(
        "Payment %(number)s was already reported under %(reference)s with %(amount)s. "
        "Use another reference, or send the same content."
    )


class PaymentWasRejected(DomainError):
    code = "finance.payment_was_rejected"
    message = _(
        "Payment %(number)s, reported under %(reference)s, is %(status)s. If the money has come after all, report it "
        "under another reference."
    )


# Reported once, and not money any more.
GONE = frozenset({PaymentState.REJECTED, *TAKEN_BACK})


class FeeTooLarge(DomainError):
    code = "finance.fee_too_large"
    message = _("The fee of %(fee)s is more than the payment of %(amount)s. Correct it.")


class PaymentCurrencyMismatch(DomainError):
    code = "finance.currency_mismatch"
    message = _("The payment is in %(currency)s, but order %(number)s is in %(expected)s. Pay it in %(expected)s.")


class RefundPaid(DomainError):
    code = "finance.refund_paid"
    message = _(
        "Of payment %(number)s, %(refunded)s were refunded already, so it was there and cannot be voided. "
        "Where the bank took it back, charge it back."
    )


@dataclass(frozen=True, slots=True)
class PaymentDraft:
    """
    Money received for one order. ``amount`` in the order's currency, ``fee`` what the service kept of it.

    ``received_at`` is the value date; it defaults to the act.
    """

    order_id: int
    method: str
    reference: str
    amount: Decimal
    fee: Decimal = ZERO
    currency: str = ""
    received_at: datetime | None = None


def report_payments(drafts: Iterable[PaymentDraft], *, decision: Decision) -> list[Payment]:
    """
    Note payments to be confirmed; all of them or none.

    The same method, reference and order with the same amount is the same payment again.

    :returns: one payment per draft, in their order.
    :raises NotFound: an order is out of scope. :raises Forbidden: ``finance.report_payment`` is missing.
    :raises PaymentDiffers: the reference is known with other content.
    """
    drafts = list(drafts)
    ids = {draft.order_id for draft in drafts}
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, ids, decision.by, "finance.report_payment")
    with holding(scoped.filter(pk__in=ids), decision, closed_too=True) as held:
        missing = ids - held.keys()
        if missing:
            raise NotFound(label=Order._meta.verbose_name, ids=", ".join(map(str, sorted(missing))))
        return _report(drafts, held, decision)


def report_payment(draft: PaymentDraft, *, decision: Decision) -> Payment:
    """As :func:`report_payments` for one."""
    (payment,) = report_payments([draft], decision=decision)
    return payment


def confirm_payments(payment_ids: Iterable[int], *, decision: Decision) -> list[Payment]:
    """
    Confirm that reported money is there; all of them or none. Each posts one voucher.

    What was written off as bad debt or tail is taken back as far as it is paid now; what is then overpaid becomes a
    refund request of who confirms it.

    :raises NotFound: :raises Forbidden: :raises WrongState: a payment is not reported any more.
    """
    with holding_of(Payment.objects, payment_ids, decision, "finance.confirm_payment", closed_too=True) as (
        held,
        payments,
    ):
        advance(payments, "confirm")
        progress.money(held.values(), received=progress.by_order(payments))
        balances = Balances(held.values())
        vouchers = [_voucher(payment, balances) for payment in payments]
        posting.post([*vouchers, *lowering.follow(held.values(), balances)])
        return payments


def confirm_payment(payment_id: int, *, decision: Decision) -> Payment:
    """As :func:`confirm_payments` for one."""
    (payment,) = confirm_payments([payment_id], decision=decision)
    return payment


def reject_payments(payment_ids: Iterable[int], *, decision: Decision) -> list[Payment]:
    """
    Reject reported money that is not there; nothing posts.

    :raises ReasonNeedsNote: the reason (驳回) demands a note. :raises WrongState: not reported any more.
    """
    with holding_of(Payment.objects, payment_ids, decision, "finance.confirm_payment", closed_too=True) as (
        _held,
        payments,
    ):
        catalogue.require(Act.REJECT, decision)
        advance(payments, "reject")
        return payments


def reject_payment(payment_id: int, *, decision: Decision) -> Payment:
    """As :func:`reject_payments` for one."""
    (payment,) = reject_payments([payment_id], decision=decision)
    return payment


def void_payments(payment_ids: Iterable[int], *, decision: Decision) -> list[Payment]:
    """
    Void money that was confirmed by mistake; all of them or none. Open refunds of it are rejected.

    :raises Forbidden: ``finance.void_payment`` is missing. :raises ReasonUnknown: none of the catalogue's.
    :raises RefundPaid: money of it was paid back. :raises WrongState: not confirmed.
    """
    with _taking_back("void", payment_ids, decision) as (held, payments):
        for payment in payments:
            if payment.refunded:
                raise RefundPaid(number=payment.number, refunded=payment.order.money(payment.refunded))
        return _take_back("void", payments, held)


def void_payment(payment_id: int, *, decision: Decision) -> Payment:
    """As :func:`void_payments` for one."""
    (payment,) = void_payments([payment_id], decision=decision)
    return payment


def charge_back_payments(payment_ids: Iterable[int], *, decision: Decision) -> list[Payment]:
    """
    Note that the bank or service took money back; all of them or none. Open refunds of it are rejected, of a
    cancelled order also those of other payments that are more than what is left over.

    :raises Forbidden: ``finance.void_payment`` is missing. :raises ReasonUnknown: none of the catalogue's.
    :raises WrongState: not confirmed.
    """
    with _taking_back("charge_back", payment_ids, decision) as (held, payments):
        return _take_back("charge_back", payments, held)


def charge_back_payment(payment_id: int, *, decision: Decision) -> Payment:
    """As :func:`charge_back_payments` for one."""
    (payment,) = charge_back_payments([payment_id], decision=decision)
    return payment


@contextmanager
def _taking_back(
    name: str, ids: Iterable[int], decision: Decision
) -> Iterator[tuple[dict[int, Order], list[Payment]]]:
    with holding_of(Payment.objects, ids, decision, "finance.void_payment", closed_too=True) as (held, payments):
        catalogue.require(Act.VOID, decision)
        ready(payments, name)
        yield held, payments


def _take_back(name: str, payments: list[Payment], held: dict[int, Order]) -> list[Payment]:
    refunds.reject_open(payments)
    advance(payments, name, also=["refunding"])
    progress.money(held.values(), received=progress.by_order(payments, sign=-1))
    # Refunds of other payments may rest on the money that is gone.
    refunds.fit_overpaid(held.values())
    balances = Balances(held.values())
    posting.post([_taken_back(name, payment, balances) for payment in payments])
    return payments


def _report(drafts: Sequence[PaymentDraft], orders: dict[int, Order], decision: Decision) -> list[Payment]:
    known = {
        (payment.order_id, payment.method, payment.reference): payment
        for payment in Payment.objects.filter(order__in=orders)
    }
    new: list[Payment] = []
    result: list[Payment] = []
    for draft in drafts:
        payment = _build(draft, orders[draft.order_id], decision)
        key = (payment.order_id, payment.method, payment.reference)
        existing = known.get(key)
        if existing is None:
            known[key] = payment
            new.append(payment)
        elif (existing.amount, existing.fee) != (payment.amount, payment.fee):
            raise PaymentDiffers(
                number=existing.number or "…",
                reference=existing.reference,
                amount=Money(existing.amount, payment.order.currency),
            )
        elif existing.status in GONE:
            raise PaymentWasRejected(
                number=existing.number, reference=existing.reference, status=existing.get_status_display()
            )
        result.append(known[key])
    year = company_day(decision.at).year
    for payment, number in zip(new, numbers("PM", year, len(new)) if new else [], strict=True):
        payment.number = number
    setwise.insert(new)
    return result


def _build(draft: PaymentDraft, order: Order, decision: Decision) -> Payment:
    if draft.method not in PaymentMethod.values:
        raise UnknownMethod(method=str(draft.method)[:20], methods=", ".join(PaymentMethod.values))
    if draft.currency and draft.currency != order.currency:
        minor_units(draft.currency)
        raise PaymentCurrencyMismatch(currency=draft.currency, number=order.number, expected=order.currency)
    places = minor_units(order.currency)
    amount = check_positive(draft.amount, _("Amount"), places=places)
    fee = check(draft.fee, _("Fee"), places=places, least=ZERO)
    if fee > amount:
        raise FeeTooLarge(fee=order.money(fee), amount=order.money(amount))
    return Payment(
        order=order,
        shop_id=order.shop_id,
        method=draft.method,
        reference=column(Payment, "reference", draft.reference, required=True),
        amount=amount,
        fee=fee,
        received_at=passed(draft.received_at or decision.at, decision.at, _("Received")),
        reported_by=decision.by,
    )


def _voucher(payment: Payment, balances: Balances) -> posting.Draft:
    """
    Dr money and fee / Cr 2203: advances are applied to the receivable when the order closes.

    Of a closed or cancelled order the credit follows the rule, so that nothing needs applying.
    """
    credits = (balances.credit if payment.order.is_final else balances.advance)(payment.order, payment.amount)
    money = [debit(payment.account, payment.amount - payment.fee), debit(accounts.FEES, payment.fee)]
    return _draft(Purpose.PAYMENT, payment, [*money, *credits])


def _taken_back(name: str, payment: Payment, balances: Balances) -> posting.Draft:
    """Dr by the rule / Cr money: voided, the fee with it as it was posted; charged back, gross: the fee stays."""
    fee = payment.fee if name == "void" else ZERO
    money = [credit(payment.account, payment.amount - fee), credit(accounts.FEES, fee)]
    purpose = Purpose.VOID if name == "void" else Purpose.CHARGE_BACK
    return _draft(purpose, payment, [*balances.debit(payment.order, payment.amount), *money])


def _draft(purpose: Purpose, payment: Payment, entries: Sequence[posting.Entry]) -> posting.Draft:
    return posting.Draft(
        purpose=purpose,
        source_type="finance.payment",
        source_id=str(payment.pk),
        source=payment.number,
        currency=payment.order.currency,
        order=payment.order,
        entries=entries,
    )
