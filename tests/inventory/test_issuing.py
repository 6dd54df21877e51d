"""Goods leave at their share of the value; the last unit takes the rest."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp.kernel.locks import unit_of_work
from erp.kernel.money import ZERO
from inventory.models import Move, MoveKind, Reservation, ReservationKind, StockLevel
from inventory.services import stock
from inventory.services.stock import Issue, NotReserved
from logistics.services.drafting import draft_shipment
from logistics.services.shipping import Waybill, dispatch_shipment, pack_shipment
from orders.models import Unit
from tests.factories import OrderFactory, ProductFactory, ShopFactory, actor, decide, receive
from tests.support import offenders

pytestmark = pytest.mark.django_db


def ship(order: Any, quantities: Mapping[int, Decimal | int]) -> None:
    """Send quantities by line number on their way."""
    shipment = draft_shipment(
        order.pk, {no: Decimal(quantity) for no, quantity in quantities.items()}, decision=decide(actor("keeper"))
    )
    pack_shipment(shipment.pk, decision=decide(actor("keeper")))
    dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=Waybill(method="PICKUP"))


def issue(line: Any, warehouse_id: int, *quantities: int) -> dict[str, Decimal]:
    """Each quantity as a document of its own."""
    decision = decide(actor("logistician"))
    with unit_of_work(decision):
        return stock.issue(
            [
                Issue(line, line.order, warehouse_id, Decimal(quantity), "tests.document", f"{line.pk}/{no}", "T")
                for no, quantity in enumerate(quantities)
            ]
        )


def issues() -> list[Decimal]:
    return list(Move.objects.filter(kind=MoveKind.ISSUE).order_by("pk").values_list("value", flat=True))


def test_an_issue_takes_its_share_of_the_value_and_the_last_unit_the_rest() -> None:
    product = ProductFactory()
    receive({product: 3}, unit_cost=Decimal("3.3333"))
    order = OrderFactory(lines=[(product, 3, None)], in_stock=False, processing=True)

    for _ in range(3):
        ship(order, {1: 1})

    # 10.00 ÷ 3 = 3.33; of 6.67 one half is 3.335, rounded up; the rest.
    assert issues() == [Decimal("-3.33"), Decimal("-3.34"), Decimal("-3.33")]
    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved, level.value) == (0, 0, 0)


def test_an_issue_is_a_move_with_the_balance_after_it() -> None:
    product = ProductFactory()
    receive({product: 5}, unit_cost=Decimal(2))
    order = OrderFactory(lines=[(product, 3, None)], in_stock=False, processing=True)

    ship(order, {1: 2})

    move = Move.objects.get(kind=MoveKind.ISSUE)
    assert (move.quantity, move.value, move.on_hand_after, move.value_after) == (-2, -4, 3, 6)
    assert (move.line, move.by) == (order.lines.get(), actor("logistician"))


def test_an_issue_consumes_the_reservation_of_its_line() -> None:
    product = ProductFactory()
    receive({product: 5})
    order = OrderFactory(lines=[(product, 3, None)], in_stock=False, processing=True)

    ship(order, {1: 2})

    rows = Reservation.objects.order_by("pk").values_list("kind", "quantity")
    assert list(rows) == [(ReservationKind.RESERVE, 3), (ReservationKind.CONSUME, -2)]
    assert StockLevel.objects.get().reserved == 1


def test_several_issues_of_one_product_in_one_act_follow_one_another() -> None:
    product = ProductFactory()
    receive({product: 3}, unit_cost=Decimal("3.3333"))
    order = OrderFactory(lines=[(product, 3, None)], in_stock=False, processing=True)

    values = issue(order.lines.get(), StockLevel.objects.get().warehouse_id, 1, 1, 1)

    assert list(values.values()) == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]


@pytest.mark.parametrize("quantities", [(3,), (1, 2)])
def test_more_than_the_line_has_reserved_there_does_not_leave(quantities: tuple[int, ...]) -> None:
    product = ProductFactory()
    receive({product: 9})
    order = OrderFactory(lines=[(product, 2, None)], in_stock=False, processing=True)

    with pytest.raises(NotReserved) as refused:
        issue(order.lines.get(), StockLevel.objects.get().warehouse_id, *quantities)

    assert (refused.value.params["quantity"], refused.value.params["reserved"]) == ("3", "2")
    assert StockLevel.objects.get().on_hand == 9


def test_a_refusal_names_the_warehouse_by_its_name() -> None:
    product = ProductFactory()
    receive({product: 1})
    order = OrderFactory(lines=[(product, 1, None)], in_stock=False, processing=True)
    warehouse = StockLevel.objects.get().warehouse

    with pytest.raises(NotReserved) as refused:
        issue(order.lines.get(), warehouse.pk, 2)

    assert str(refused.value.params["warehouse"]) == warehouse.name


def test_nothing_to_issue_asks_the_database_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert stock.issue([]) == {}


quantity = st.integers(1, 50_000).map(lambda n: Decimal(n).scaleb(-4))
cost = st.integers(0, 999_999).map(lambda n: Decimal(n).scaleb(-4))
receipts = st.tuples(st.just("receive"), quantity, cost)
dispatches = st.tuples(st.just("ship"), st.fractions(0, 1))


@given(st.lists(st.one_of(receipts, dispatches), min_size=2, max_size=8))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_comes_and_goes_value_is_never_negative_and_nothing_is_worth_nothing(acts: list[Any]) -> None:
    product = ProductFactory(unit=Unit.KILOGRAM)
    shop = ShopFactory(allows_backorder=True)
    order = OrderFactory(shop=shop, lines=[(product, 10**6, 1)], in_stock=False, processing=True)
    on_hand = ZERO
    for act in acts:
        if act[0] == "receive":
            receive({product: act[1]}, unit_cost=act[2])
            on_hand += act[1]
            continue
        part = (on_hand * act[1].numerator / act[1].denominator).quantize(Decimal("0.0001"))
        if part:
            ship(order, {1: part})
            on_hand -= part

    level = StockLevel.objects.filter(product=product).first()
    assert (level.on_hand if level else ZERO) == on_hand
    assert not level or level.value >= 0
    assert on_hand or not level or level.value == 0
    for name in ("level_is_sum_of_moves", "balances_run", "reserved_within_on_hand", "value_equals_ledger"):
        assert offenders(f"inventory.{name}") == []
