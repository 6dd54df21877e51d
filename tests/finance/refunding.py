"""Orders that are paid too much, and what is asked back of them."""

from decimal import Decimal
from typing import Any

from finance.models import Payment, Refund
from finance.services.payments import PaymentDraft, confirm_payments, report_payments
from finance.services.refunds import (
    RefundDraft,
    approve_refund,
    pay_refund,
    reject_refunds,
    request_refund,
)
from tests.factories import OrderFactory, actor, decide

REASON = {"reason": "RT06", "note": "多付"}
REJECTED = {"reason": "RJ01", "note": "不退"}


def paid(order: Any, *amounts: str, method: str = "bank", fee: str = "0") -> list[Payment]:
    """Confirmed payments of an order, one after the other."""
    payments = []
    for amount in amounts:
        reference = f"R{Payment.objects.count()}"
        draft = PaymentDraft(order.pk, method, reference, Decimal(amount), Decimal(fee))
        (payment,) = report_payments([draft], decision=decide(actor("cashier")))
        payments += confirm_payments([payment.pk], decision=decide(actor("accountant")))
    return payments


def requested(payment: Any, amount: str) -> Refund:
    return request_refund(RefundDraft(payment.pk, Decimal(amount)), decision=decide(actor("service"), **REASON))


def settle(refund: Any) -> Refund:
    """Approved and paid."""
    approve_refund(refund.pk, decision=decide(actor("accountant")))
    return pay_refund(refund.pk, decision=decide(actor("cashier")))


def reject_all(order: Any) -> None:
    refunds = Refund.objects.filter(order=order, status="requested").values_list("pk", flat=True)
    reject_refunds(list(refunds), decision=decide(actor("accountant"), **REJECTED))


def overpaid(*amounts: str, **story: Any) -> tuple[Any, list[Payment]]:
    """An order over 399.96 and its payments, with nothing asked back of what is too much."""
    order = OrderFactory(**story)
    payments = paid(order, *amounts)
    reject_all(order)
    return order, payments


def overpaid_orders(count: int, *amounts: str) -> list[list[Payment]]:
    """As :func:`overpaid` for many orders, at one go: the payments of each, which know their order."""
    orders = OrderFactory.create_batch(count)
    drafts = [
        PaymentDraft(order.pk, "bank", f"R{no}", Decimal(amount))
        for order in orders
        for no, amount in enumerate(amounts)
    ]
    reported = report_payments(drafts, decision=decide(actor("cashier")))
    confirm_payments([payment.pk for payment in reported], decision=decide(actor("accountant")))
    raised = Refund.objects.filter(order__in=orders).values_list("pk", flat=True)
    reject_refunds(list(raised), decision=decide(actor("accountant"), **REJECTED))
    payments = list(Payment.objects.filter(order__in=orders).select_related("order").order_by("order", "pk"))
    return [payments[start : start + len(amounts)] for start in range(0, len(payments), len(amounts))]


def overpaid_order() -> Any:
    """Overpaid by 100.04: 60 are refunded, 40 approved."""
    order, (payment,) = overpaid("500")
    settle(requested(payment, "60"))
    approve_refund(requested(payment, "40").pk, decision=decide(actor("accountant")))
    return order
