"""Allowances decided by several people at once."""

from functools import partial

from erp.kernel import invariants
from finance.models import Credit
from finance.services.allowances import approve_allowance
from logistics.services.allowing import request_allowance
from orders.models import Order
from tests.concurrency.threads import rounds, together, verdicts
from tests.factories import UserFactory, decide
from tests.finance.giving_up import ALLOWED, allowance, enlarged, one_line, row_of


def test_two_requests_that_together_exceed_the_part_are_one() -> None:
    clerks = [UserFactory(role="service") for _ in range(2)]
    for _ in range(rounds(6)):
        row = row_of(one_line())

        results = together(
            *(partial(request_allowance, row.pk, row.amount - 1, decision=decide(by, **ALLOWED)) for by in clerks)
        )

        assert verdicts(results) == ["done", "finance.allowance_exceeds_part"]
    assert list(invariants.broken()) == []


def test_two_approvals_that_together_exceed_the_part_are_one() -> None:
    accountants = [UserFactory(role="accountant") for _ in range(2)]
    for _ in range(rounds(6)):
        order = one_line()
        asked = [enlarged(each, "150") for each in (allowance(order, "113"), allowance(order, "113"))]

        results = together(
            *(
                partial(approve_allowance, each.pk, decision=decide(by))
                for each, by in zip(asked, accountants, strict=True)
            )
        )

        assert verdicts(results) == ["done", "finance.credit_exceeds_part"]
        assert Credit.objects.get(order=order).amount == 150
        assert Order.objects.get(pk=order.pk).payable == 76
    assert list(invariants.broken()) == []


def test_an_allowance_approved_twice_counts_once() -> None:
    accountants = [UserFactory(role="accountant") for _ in range(2)]
    for _ in range(rounds(6)):
        asked = allowance(one_line(), "113")

        results = together(*(partial(approve_allowance, asked.pk, decision=decide(by)) for by in accountants))

        assert verdicts(results) == ["done", "kernel.wrong_state"]
    assert list(invariants.broken()) == []
