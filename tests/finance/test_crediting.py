"""Credits take back what a dispatch recognised of a line, never more, and their taxes add up to its tax."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp.kernel.acting import acting
from erp.kernel.locks import unit_of_work
from finance.models import Credit, CreditGround
from finance.services import crediting
from finance.services.crediting import Credited, CreditExceedsPart, Crediting, Part
from orders.models import Line, Order
from tests.factories import OrderFactory, actor, decide
from tests.support import offenders

pytestmark = pytest.mark.django_db


def of_first_line(order: Order) -> Part:
    line = order.lines.order_by("no")[0]
    return Part("1", line, line.shipped_amount, line.shipped_tax)


def wanted(part: Part, amount: str | Decimal, source_id: str = "1") -> Crediting:
    return Crediting(part, Decimal(amount), CreditGround.ALLOWANCE, "tests.paper", source_id, "P1")


def test_no_more_is_credited_than_was_dispatched_together() -> None:
    order = OrderFactory(delivered=True)
    part = of_first_line(order)

    with acting(decide(actor("accountant"))):
        credited = Credited([order])
        credited.take(order, wanted(part, part.amount - 1))
        with pytest.raises(CreditExceedsPart) as refused:
            credited.take(order, wanted(part, 2))

    assert refused.value.params["left"] == order.money(Decimal(1))


def test_what_was_credited_before_counts() -> None:
    order = OrderFactory(delivered=True)
    part = of_first_line(order)

    with unit_of_work(decide(actor("accountant"))):
        crediting.give({order.pk: order}, [Credited([order]).take(order, wanted(part, 1))])

    assert Credited([order]).left(part) == part.amount - 1
    assert Order.objects.get(pk=order.pk).payable == order.total - 1
    assert Credit.objects.get().by == actor("accountant")
    assert offenders("finance.payable_equals_documents") == []


@given(cents=st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_the_taxes_of_any_credits_add_up_to_the_tax_of_the_part(cents: list[int]) -> None:
    amounts = [Decimal(each) / 100 for each in cents]
    whole = sum(amounts, Decimal(0))
    tax = min(Decimal("0.13"), whole)
    part: Any = Part("1", Line(no=1), whole, tax)

    credited = Credited([])
    with acting(decide(actor("accountant"))):
        taxes = [credited.take(Order(pk=1, currency="CNY"), wanted(part, amount)).tax for amount in amounts]

    assert sum(taxes) == tax
    assert all(0 <= each <= amount for each, amount in zip(taxes, amounts, strict=True))
