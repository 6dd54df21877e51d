"""Whatever the splits, the parts of a line sum to its amount and tax, to the cent."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from erp.kernel import invariants
from erp.kernel.money import round_money
from logistics.models import ShipmentLine
from logistics.services.drafting import draft_shipment
from logistics.services.shipping import Waybill, dispatch_shipment, pack_shipment
from orders.models import Line, LineClosing, Order, Status
from orders.services.closing_lines import LineToClose, close_lines
from tests.factories import OrderFactory, ProductFactory, actor, decide
from tests.support import offenders

pytestmark = pytest.mark.django_db


def send(order: Any, quantity: int) -> None:
    keeper = decide(actor("keeper"))
    shipment = draft_shipment(order.pk, {1: Decimal(quantity)}, decision=keeper)
    pack_shipment(shipment.pk, decision=keeper)
    dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=Waybill(method="PICKUP"))


def test_three_dispatches_of_ten_yuan_in_three_pieces() -> None:
    order = OrderFactory(lines=[(ProductFactory(tax_rate=Decimal("0.13")), 3, Decimal("3.3333"))], processing=True)

    for _ in range(3):
        send(order, 1)

    parts = ShipmentLine.objects.order_by("pk").values_list("amount", "tax")
    assert list(parts) == [
        (Decimal("3.33"), Decimal("0.38")),
        (Decimal("3.34"), Decimal("0.39")),
        (Decimal("3.33"), Decimal("0.38")),
    ]


@given(
    parts=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    price=st.integers(0, 100_000).map(lambda n: Decimal(n).scaleb(-4)),
    rate=st.sampled_from([Decimal(0), Decimal("0.06"), Decimal("0.13"), Decimal("0.9999")]),
)
# Screws for half a cent: a part may be worth nothing, and then holds no tax.
@example(parts=[9, 1, 10], price=Decimal("0.005"), rate=Decimal("0.13"))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_split_sums_to_the_line(parts: list[int], price: Decimal, rate: Decimal) -> None:
    order = OrderFactory(lines=[(ProductFactory(tax_rate=rate), sum(parts), price)], processing=True)

    for part in parts:
        send(order, part)

    line = Line.objects.get(order=order)
    rows = list(ShipmentLine.objects.filter(line=line).order_by("pk"))
    assert [row.quantity for row in rows] == parts
    assert sum(row.amount for row in rows) == line.amount == line.shipped_amount
    assert sum(row.tax for row in rows) == line.tax == line.shipped_tax
    assert all(0 <= row.tax <= row.amount for row in rows)
    assert Order.objects.get(pk=order.pk).status == Status.SHIPPED
    assert offenders("logistics.shipped_equals_documents") == []
    assert offenders("finance.owed_equals_books") == []


def close(order: Any, quantity: int) -> None:
    by = decide(actor("salesperson"), reason="CL02")
    close_lines(order.pk, [LineToClose(1, Decimal(quantity))], decision=by)


def test_three_dispatches_and_a_closed_remainder_with_a_discount() -> None:
    """Four at 33.33 less 10.00 are 123.32, of which 14.19 are tax."""
    lines = [(ProductFactory(tax_rate=Decimal("0.13")), 4, Decimal("33.33"))]
    order = OrderFactory(lines=lines, discount=10, processing=True)

    send(order, 1)
    send(order, 1)
    close(order, 1)
    send(order, 1)

    parts = ShipmentLine.objects.order_by("pk").values_list("amount", "tax")
    assert list(parts) == [
        (Decimal("30.83"), Decimal("3.55")),
        (Decimal("30.83"), Decimal("3.55")),
        (Decimal("30.83"), Decimal("3.55")),
    ]
    assert LineClosing.objects.values_list("amount", "tax").get() == (Decimal("30.83"), Decimal("3.54"))
    assert Order.objects.get(pk=order.pk).payable == Decimal("92.49")


@given(
    parts=st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=1, max_size=5),
    price=st.integers(0, 100_000).map(lambda n: Decimal(n).scaleb(-4)),
    discount=st.integers(0, 100),
    rate=st.sampled_from([Decimal(0), Decimal("0.06"), Decimal("0.13"), Decimal("0.9999")]),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_split_of_dispatches_and_closings_sums_to_the_line(
    parts: list[tuple[bool, int]], price: Decimal, discount: int, rate: Decimal
) -> None:
    """One piece is sent first: an order that sent nothing is not closed short to the last."""
    whole = 1 + sum(quantity for _closes, quantity in parts)
    product = ProductFactory(tax_rate=rate)
    gross = round_money(price * whole, "CNY")
    share = round_money(gross * discount / 100, "CNY")
    order = OrderFactory(lines=[(product, whole, price)], discount=share, processing=True)

    send(order, 1)
    for closes, quantity in parts:
        (close if closes else send)(order, quantity)

    line = Line.objects.get(order=order)
    sent, closed = ShipmentLine.objects.filter(line=line), LineClosing.objects.filter(line=line)
    rows = [*sent, *closed]
    assert sum(row.amount for row in rows) == line.amount == line.shipped_amount + line.closed_amount
    assert sum(row.tax for row in rows) == line.tax == line.shipped_tax + line.closed_tax
    assert all(0 <= row.tax <= row.amount for row in rows)
    now = Order.objects.get(pk=order.pk)
    assert (now.status, now.payable) == (Status.SHIPPED, line.shipped_amount)
    assert list(invariants.broken()) == []
