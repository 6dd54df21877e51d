"""Closing proves each line's moves against what was shipped, and gives leftover reservations back."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel.acting import acting
from erp.kernel.locks import unit_of_work
from erp.kernel.models import system
from inventory.models import Move, MoveKind, Reservation, ReservationKind, StockLevel
from inventory.services import stock
from inventory.services.stock import Reserve
from inventory.steps import Release
from orders.models import ClosingRecord, Order, Status
from orders.services import lifecycle
from orders.services.closing import close_order
from orders.services.lifecycle import Refused
from tests.factories import OrderFactory, ProductFactory, ShopFactory, actor, decide, receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Any:
    return ProductFactory(sku="AB-1")


def closing() -> Any:
    return decide(actor("closer"), reason="CL01")


def reserve(line: Any, quantity: int) -> StockLevel:
    """Promise more to a line than it needs: what a fault, or an act of another time, may leave behind."""
    level = StockLevel.objects.get(product=line.product_id)
    with unit_of_work(decide(system())):
        levels = stock.lock_levels({(line.product_id, level.warehouse_id)})
        stock.reserve([Reserve(line, level.warehouse_id, Decimal(quantity))], levels.values())
    return level


def test_leftover_reservations_are_released(product: Any) -> None:
    order = OrderFactory(lines=[(product, 2, None)], reviewed=True)
    receive({product: 5})
    reserve(order.lines.get(), 3)

    close_order(order.pk, decision=closing())

    newest = Reservation.objects.order_by("pk").last()
    assert newest
    assert (newest.kind, newest.quantity, newest.by) == (ReservationKind.RELEASE, -3, actor("closer"))
    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved) == (5, 0)


def test_leftovers_serve_at_once_who_waits_for_them(product: Any) -> None:
    closed = OrderFactory(lines=[(product, 2, None)], reviewed=True)
    receive({product: 3})
    reserve(closed.lines.get(), 3)
    waiting = OrderFactory(
        shop=ShopFactory(allows_backorder=True), lines=[(product, 2, None)], in_stock=False, processing=True
    )

    close_order(closed.pk, decision=closing())

    assert [row.quantity for row in Reservation.objects.filter(order=waiting)] == [2]
    assert Order.objects.get(pk=waiting.pk).version == waiting.version + 1
    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved) == (3, 2)


def test_what_is_promised_to_others_stays(product: Any) -> None:
    order = OrderFactory(lines=[(product, 2, None)], reviewed=True)
    OrderFactory(lines=[(product, 4, None)], processing=True)

    close_order(order.pk, decision=closing())

    assert StockLevel.objects.get().reserved == 4


def test_the_preview_says_what_will_be_released(product: Any) -> None:
    order = OrderFactory(lines=[(product, 2, None)], reviewed=True)
    receive({product: 5})
    line = order.lines.get()
    level = reserve(line, 3)

    effects = lifecycle.preview("close", [order.pk], closing())[order.pk].effects

    release = Release(order.pk, line.pk, level.warehouse_id, "AB-1", Decimal(3))
    assert release in effects
    with override("en"):
        assert release.describe() == "The leftover reservation of 3 AB-1 is released."


def test_a_line_whose_moves_differ_from_what_was_shipped_blocks(product: Any) -> None:
    order = OrderFactory(lines=[(product, 2, None), (ProductFactory(), 1, None)], reviewed=True)
    line = order.lines.get(no=1)
    with acting(decide(system())):
        Move.objects.create(
            product=product,
            warehouse=StockLevel.objects.get(product=product).warehouse,
            kind=MoveKind.ISSUE,
            quantity=Decimal(-1),
            value=Decimal(0),
            on_hand_after=Decimal(0),
            value_after=Decimal(0),
            line=line,
            source_type="tests.document",
            source_id="1",
            source="T",
        )

    with pytest.raises(Refused) as refused:
        close_order(order.pk, decision=closing())

    (finding,) = (f for f in refused.value.outcome.blockers if f.code == "inventory.stock_not_adjusted")
    assert (finding.params["shipped"].value, finding.params["moved"].value) == (3, 4)
    assert list(finding.params["lines"]) == ["1 AB-1"]
    assert Order.objects.get(pk=order.pk).status == Status.COMPLETED


def test_services_need_no_move() -> None:
    order = OrderFactory(services_only=True, reviewed=True)

    close_order(order.pk, decision=closing())

    assert not Move.objects.exists()


def test_the_closing_record_testifies_every_move(product: Any) -> None:
    order = OrderFactory(lines=[(product, 2, None)], closed=True)

    evidence = ClosingRecord.objects.get(order=order).data["evidence"]["moves"]

    (move,) = Move.objects.filter(line__order=order)
    assert [(entry["id"], entry["document"]) for entry in evidence] == [(str(move.pk), move.source)]
    assert len(evidence[0]["sha256"]) == 64
