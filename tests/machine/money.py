"""What is done with money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Q

from erp.kernel.money import ZERO
from finance.models import Allowance, Payment, Period, Refund, WriteOff
from finance.models.refund import OPEN as OPEN_REFUND
from finance.periods import close_period
from finance.services import allowances, payments, refunds, write_offs
from finance.services.payments import PaymentDraft
from finance.services.refunds import RefundDraft
from finance.services.write_offs import WriteOffDraft
from logistics.models import ShipmentLine
from logistics.services import allowing
from orders.models import Order, Status
from tests.machine.acts import REJECTED, Acts, act


class MoneyActs(Acts):
    @act
    def report_payment(self) -> bool:
        order = self.some_order()
        if not order:
            return False
        owed = max(order.owed, ZERO)
        more = Decimal(self.life.dice.choice(["0", "0", "0.02", "-0.03", "30"]))
        return self.report(order, max(self.life.part_of(owed) + more, Decimal("0.01")))

    def report(self, order: Any, amount: Decimal) -> bool:
        life = self.life
        fee = min(amount, Decimal("0.60")) if life.chance(20) else ZERO
        method = life.dice.choice(["bank", "alipay"])
        draft = PaymentDraft(order.pk, method, f"R{life.turn}", amount, fee)
        return self.attempt("report", lambda: payments.report_payment(draft, decision=life.by("cashier")))

    @act
    def confirm_payment(self) -> bool:
        return self.confirm(Payment.objects.filter(status="reported"))

    def confirm(self, rows: Any) -> bool:
        return self.decide("confirm", rows, "accountant", payments.confirm_payment)

    @act
    def reject_payment(self) -> bool:
        rows = Payment.objects.filter(status="reported")
        return self.decide("reject payment", rows, "accountant", payments.reject_payment, **REJECTED)

    @act
    def void_payment(self) -> bool:
        rows = Payment.objects.filter(status="confirmed")
        return self.life.chance(70) and self.decide("void", rows, "accountant", payments.void_payment, reason="FN01")

    @act
    def charge_back_payment(self) -> bool:
        rows = Payment.objects.filter(status="confirmed")
        return self.life.chance(40) and self.decide(
            "charge back", rows, "accountant", payments.charge_back_payment, reason="FN02"
        )

    @act
    def request_refund(self) -> bool:
        order = self.life.one(order for order in Order.objects.order_by("pk") if order.owed < 0)
        return bool(order) and self.ask_back(order)

    def ask_back(self, order: Any) -> bool:
        payment = self.life.one(Payment.objects.filter(order=order, status="confirmed"))
        if not payment:
            return self.ask_to_give_up(order)
        amount = min(self.life.part_of(-order.owed), payment.amount)
        draft = RefundDraft(payment.pk, amount)
        decision = self.life.by("service", "RT06", "多付")
        return self.attempt("request refund", lambda: refunds.request_refund(draft, decision=decision))

    @act
    def approve_refund(self) -> bool:
        return self.approve_back(Refund.objects.filter(status="requested"))

    def approve_back(self, rows: Any) -> bool:
        return self.decide("approve refund", rows, "accountant", refunds.approve_refund)

    @act
    def pay_refund(self) -> bool:
        return self.pay_back(Refund.objects.filter(status="approved"))

    def pay_back(self, rows: Any) -> bool:
        return self.decide("pay refund", rows, "cashier", refunds.pay_refund)

    @act
    def fail_refund(self) -> bool:
        return self.decide(
            "fail refund",
            Refund.objects.filter(status="approved"),
            "cashier",
            lambda pk, decision: refunds.note_refund_failure(pk, "账号不符", decision=decision),
        )

    @act
    def reject_refund(self) -> bool:
        rows = Refund.objects.filter(status__in=OPEN_REFUND)
        return self.decide("reject refund", rows, "accountant", refunds.reject_refund, **REJECTED)

    @act
    def request_allowance(self) -> bool:
        row = self.life.one(ShipmentLine.objects.filter(amount__gt=0))
        if not row:
            return False
        amount, decision = self.life.part_of(row.amount), self.life.by("service", "FN05")
        return self.attempt("request allowance", lambda: allowing.request_allowance(row.pk, amount, decision=decision))

    @act
    def approve_allowance(self) -> bool:
        return self.approve_allowed(Allowance.objects.filter(status="requested"))

    def approve_allowed(self, rows: Any) -> bool:
        return self.decide("approve allowance", rows, "accountant", allowances.approve_allowance)

    @act
    def reject_allowance(self) -> bool:
        rows = Allowance.objects.filter(status="requested")
        return self.decide("reject allowance", rows, "accountant", allowances.reject_allowance, **REJECTED)

    @act
    def request_write_off(self) -> bool:
        unsettled = ~Q(status=Status.NEW)
        order = self.life.one(order for order in Order.objects.filter(unsettled).order_by("pk") if order.owed)
        return bool(order) and self.ask_to_give_up(order)

    def ask_to_give_up(self, order: Any) -> bool:
        kind = "bad_debt" if order.owed > 0 else "unclaimed"
        draft = WriteOffDraft(order.pk, kind, self.life.part_of(abs(order.owed)))
        decision = self.life.by("accountant", "FN04")
        return self.attempt(f"request {kind}", lambda: write_offs.request_write_off(draft, decision=decision))

    @act
    def approve_write_off(self) -> bool:
        return self.approve_given_up(WriteOff.objects.filter(status="requested"))

    def approve_given_up(self, rows: Any) -> bool:
        return self.decide("approve write-off", rows, "chief_accountant", write_offs.approve_write_off)

    @act
    def reject_write_off(self) -> bool:
        rows = WriteOff.objects.filter(status="requested")
        return self.decide("reject write-off", rows, "chief_accountant", write_offs.reject_write_off, **REJECTED)

    @act
    def close_accounting_period(self) -> bool:
        over = Period.objects.filter(closed_at=None, first_day__lt=self.life.now.date().replace(day=1))
        return self.decide("close period", list(over.order_by("first_day")[:1]), "accountant", close_period)
