"""Acts on payments, refunds, allowances, write-offs and accounting periods."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.money import ZERO
from erp.site import about, forms
from erp.site.act import Act, Call, Done, Preview
from erp.site.statements import told
from finance import periods
from finance import selectors as finance_selectors
from finance.matching import Verdict
from finance.models import (
    Allowance,
    Payment,
    PaymentState,
    Period,
    ProposalState,
    Refund,
    RefundState,
    Statement,
    WriteOff,
)
from finance.services import allowances, lowering, payments, refunds, statements, write_offs
from finance.services.statements import Use
from orders.contract import Batch
from orders.models import Act as Catalogue


def on_payments() -> Iterable[Act]:
    reported = frozenset({PaymentState.REPORTED})
    right = "finance.confirm_payment"
    yield Act(
        "confirm-payment",
        _("Confirm payment"),
        right,
        _confirm_payment,
        model=Payment,
        states=reported,
        about=about.payment,
        preview=_confirming_preview,
        consequence=_("The money is there: it is posted and counts for the order."),
        after_closing=True,
    )
    yield Act(
        "reject-payment",
        _("Reject payment"),
        right,
        _reject_payment,
        model=Payment,
        states=reported,
        about=about.payment,
        consequence=_("The money is not there, or was reported wrongly: nothing is posted."),
        reasons=Catalogue.REJECT,
        after_closing=True,
    )
    confirmed = frozenset({PaymentState.CONFIRMED})
    yield Act(
        "void-payment",
        _("Void payment"),
        "finance.void_payment",
        _void_payment,
        model=Payment,
        states=confirmed,
        consequence=_("The money never was there: what was posted is taken back, open refunds of it are rejected."),
        reasons=Catalogue.VOID,
        after_closing=True,
    )
    yield Act(
        "charge-back-payment",
        _("Charge back"),
        "finance.void_payment",
        _charge_back,
        model=Payment,
        states=confirmed,
        consequence=_("The bank took the money back: the customer owes it again, open refunds of it are rejected."),
        reasons=Catalogue.VOID,
        after_closing=True,
    )
    yield Act(
        "request-refund",
        _("Request a refund"),
        "finance.request_refund",
        _request_refund,
        model=Payment,
        states=confirmed,
        form=forms.RefundForm,
        consequence=_("Finance approves the refund, then a cashier pays it."),
        compares=True,
        reasons=Catalogue.REFUND,
        after_closing=True,
    )


def on_refunds() -> Iterable[Act]:
    def act(name: str, label: Any, right: str, run: Callable[[Call], Done], *states: str, **kwargs: Any) -> Act:
        return Act(
            name,
            label,
            f"finance.{right}",
            run,
            model=Refund,
            states=frozenset(states),
            after_closing=True,
            **kwargs,
        )

    yield act(
        "approve-refund",
        _("Approve refund"),
        "approve_refund",
        _approve_refund,
        RefundState.REQUESTED,
        consequence=_("The customer is to have the money; a cashier pays it."),
    )
    yield act(
        "pay-refund",
        _("Pay refund"),
        "pay_refund",
        _pay_refund,
        RefundState.APPROVED,
        consequence=_("The money has left: it is posted and counts for the order. This cannot be taken back."),
    )
    yield act(
        "note-refund-failure",
        _("Note a failure"),
        "pay_refund",
        _note_refund_failure,
        RefundState.APPROVED,
        form=forms.RefundFailureForm,
        consequence=_("The refund stays approved, to be paid again."),
    )
    yield act(
        "reject-refund",
        _("Reject refund"),
        "approve_refund",
        _reject_refund,
        RefundState.REQUESTED,
        RefundState.APPROVED,
        consequence=_("The customer does not get the money: nothing is posted."),
        reasons=Catalogue.REJECT,
    )


def on_proposals() -> Iterable[Act]:
    """Allowances and write-offs: what was requested is approved or rejected."""

    def act(model: Any, name: str, label: Any, right: str, run: Callable[[Call], Done], **kwargs: Any) -> Act:
        return Act(
            name,
            label,
            f"finance.{right}",
            run,
            model=model,
            states=frozenset({ProposalState.REQUESTED}),
            about=about.allowance if model is Allowance else about.write_off,
            after_closing=True,
            **kwargs,
        )

    yield act(
        Allowance,
        "approve-allowance",
        _("Approve allowance"),
        "approve_allowance",
        _approve_allowance,
        preview=_allowance_preview,
        consequence=_("The customer pays less: revenue and tax are taken back; what is then overpaid is refunded."),
    )
    yield act(
        Allowance,
        "reject-allowance",
        _("Reject allowance"),
        "approve_allowance",
        _reject_allowance,
        consequence=_("The price stays: nothing is posted."),
        reasons=Catalogue.REJECT,
    )
    yield act(
        WriteOff,
        "approve-write-off",
        _("Approve write-off"),
        "approve_write_off",
        _approve_write_off,
        consequence=_(
            "The money is given up and posted; open refunds of money that is kept are rejected. "
            "Bad debt that is paid later is taken back by itself."
        ),
    )
    yield act(
        WriteOff,
        "reject-write-off",
        _("Reject write-off"),
        "approve_write_off",
        _reject_write_off,
        consequence=_("The money stays owed: nothing is posted."),
        reasons=Catalogue.REJECT,
    )


def on_statements() -> Iterable[Act]:
    yield Act(
        "confirm-statement",
        _("Confirm what fits"),
        "finance.confirm_payment",
        _confirm_statement,
        model=Statement,
        about=about.statement(Verdict.MATCHED),
        consequence=_("The money is there: every payment that fits is posted and counts for its order."),
    )
    yield Act(
        "report-statement",
        _("Report what is missing"),
        "finance.report_payment",
        _report_statement,
        model=Statement,
        about=about.statement(Verdict.PROPOSED),
        consequence=_("Each is reported for the order its line names; finance confirms it."),
    )


def on_periods() -> Iterable[Act]:
    yield Act(
        "close-period",
        _("Close accounting period"),
        "finance.close_period",
        _close_period,
        model=Period,
        states=frozenset({"open"}),
        preview=_period_preview,
        consequence=_(
            "Nothing is posted into the period any more, and a digest of its vouchers is kept. It stays so."
        ),
    )


def _confirming_preview(payment: Any, decision: Decision) -> Preview:
    return _follows(payment.order, payment.amount, decision, confirming=payment.amount)


def _allowance_preview(allowance: Any, decision: Decision) -> Preview:
    return _follows(allowance.order, allowance.amount, decision)


def _follows(order: Any, amount: Decimal, decision: Decision, confirming: Decimal = ZERO) -> Preview:
    """What is taken back or asked back once the customer is better off by an amount."""
    batch = Batch([order], decision, acting=False)
    effects = lowering.foresee({order: amount}, lambda: finance_selectors.payments_of(batch), confirming)
    return Preview(effects=[effect.describe() for effect in effects])


def _period_preview(period: Any, decision: Decision) -> Preview:
    return Preview(periods.examine(period, decision.at))


def _confirm_payment(call: Call) -> Done:
    payment = payments.confirm_payment(call.subject.pk, decision=call.decision)
    return Done(_("Payment %(number)s is confirmed.") % {"number": payment.number}, payment.order)


def _reject_payment(call: Call) -> Done:
    payment = payments.reject_payment(call.subject.pk, decision=call.decision)
    return Done(_("Payment %(number)s is rejected.") % {"number": payment.number}, payment.order)


def _void_payment(call: Call) -> Done:
    payment = payments.void_payment(call.subject.pk, decision=call.decision)
    return Done(_("Payment %(number)s is voided.") % {"number": payment.number}, payment.order)


def _charge_back(call: Call) -> Done:
    payment = payments.charge_back_payment(call.subject.pk, decision=call.decision)
    return Done(_("Payment %(number)s is charged back.") % {"number": payment.number}, payment.order)


def _request_refund(call: Call) -> Done:
    draft = refunds.RefundDraft(call.subject.pk, call.data["amount"])
    refund = refunds.request_refund(draft, decision=call.decision, version=call.seen.version)
    return Done(_("Refund %(number)s is requested.") % {"number": refund.number}, refund.order)


def _approve_refund(call: Call) -> Done:
    refund = refunds.approve_refund(call.subject.pk, decision=call.decision)
    return Done(_("Refund %(number)s is approved.") % {"number": refund.number}, refund.order)


def _pay_refund(call: Call) -> Done:
    refund = refunds.pay_refund(call.subject.pk, decision=call.decision)
    return Done(_("Refund %(number)s is paid.") % {"number": refund.number}, refund.order)


def _note_refund_failure(call: Call) -> Done:
    refund = refunds.note_refund_failure(call.subject.pk, call.data["failure"], decision=call.decision)
    return Done(_("The failure of refund %(number)s is noted.") % {"number": refund.number}, refund.order)


def _reject_refund(call: Call) -> Done:
    refund = refunds.reject_refund(call.subject.pk, decision=call.decision)
    return Done(_("Refund %(number)s is rejected.") % {"number": refund.number}, refund.order)


def _approve_allowance(call: Call) -> Done:
    allowance = allowances.approve_allowance(call.subject.pk, decision=call.decision)
    return Done(_("Allowance %(number)s is approved.") % {"number": allowance.number}, allowance.order)


def _reject_allowance(call: Call) -> Done:
    allowance = allowances.reject_allowance(call.subject.pk, decision=call.decision)
    return Done(_("Allowance %(number)s is rejected.") % {"number": allowance.number}, allowance.order)


def _approve_write_off(call: Call) -> Done:
    write_off = write_offs.approve_write_off(call.subject.pk, decision=call.decision)
    return Done(_("Write-off %(number)s is approved.") % {"number": write_off.number}, write_off.order)


def _reject_write_off(call: Call) -> Done:
    write_off = write_offs.reject_write_off(call.subject.pk, decision=call.decision)
    return Done(_("Write-off %(number)s is rejected.") % {"number": write_off.number}, write_off.order)


def _confirm_statement(call: Call) -> Done:
    taken = statements.use_statement(call.subject.pk, Use.CONFIRM, decision=call.decision)
    return Done(told(taken, Use.CONFIRM), taken.statement)


def _report_statement(call: Call) -> Done:
    taken = statements.use_statement(call.subject.pk, Use.REPORT, decision=call.decision)
    return Done(told(taken, Use.REPORT), taken.statement)


def _close_period(call: Call) -> Done:
    period = periods.close_period(call.subject.pk, decision=call.decision)
    return Done(_("Accounting period %(period)s is closed.") % {"period": period}, period)
