"""Money asked back by several people at once."""

from decimal import Decimal
from functools import partial

from erp.kernel import invariants
from finance.models import Payment, Refund
from finance.services.payments import charge_back_payment
from finance.services.refunds import RefundDraft, approve_refund, pay_refund, request_refund
from tests.concurrency.threads import rounds, together, verdicts
from tests.factories import UserFactory, actor, decide
from tests.finance.refunding import REASON, overpaid, requested


def test_two_refunds_of_sixty_of_a_payment_of_a_hundred_are_one() -> None:
    clerks = [UserFactory(role="service") for _ in range(2)]
    for _ in range(rounds(6)):
        _order, (payment, _other) = overpaid("100", "900")
        draft = RefundDraft(payment.pk, Decimal(60))

        results = together(*(partial(request_refund, draft, decision=decide(by, **REASON)) for by in clerks))

        assert verdicts(results) == ["done", "finance.refund_exceeds_payment"]
        assert Payment.objects.get(pk=payment.pk).refunding == 60
    assert list(invariants.broken()) == []


def test_a_refund_is_paid_or_its_payment_is_charged_back_first() -> None:
    for _ in range(rounds(6)):
        _order, (payment,) = overpaid("500")
        refund = requested(payment, "60")
        approve_refund(refund.pk, decision=decide(actor("accountant")))
        back = decide(actor("accountant"), reason="FN02")

        results = together(
            partial(pay_refund, refund.pk, decision=decide(actor("cashier"))),
            partial(charge_back_payment, payment.pk, decision=back),
        )

        paid = Refund.objects.get(pk=refund.pk).status == "paid"
        assert verdicts(results) == (["done", "done"] if paid else ["done", "kernel.wrong_state"])
    assert list(invariants.broken()) == []
