"""Each rule of stock holds after ordinary work, and finds what was written past every guard."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from erp.kernel import invariants
from erp.kernel.models import OutboxEvent
from inventory.models import (
    Move,
    ReceiptLine,
    Reservation,
    StockLevel,
    StockTake,
    StockTakeLine,
    Transfer,
    TransferLine,
)
from inventory.services.counting import approve_stock_takes, reject_stock_take
from orders.models import Line, Order
from orders.services.holds import hold_order
from tests.factories import OrderFactory, ProductFactory, WarehouseFactory, actor, count, decide, receive, transfer
from tests.support import offenders, without_guards

pytestmark = pytest.mark.django_db

RULES = [
    "level_is_sum_of_moves",
    "reserved_is_sum_of_reservations",
    "reserved_within_on_hand",
    "balances_run",
    "value_equals_ledger",
    "moves_equal_shipped",
    "stock_takes_moved",
    "transfers_moved",
    "counted_once_at_a_time",
    "released_is_free",
    "defective_serves_nobody",
    "receipts_moved",
    "status_follows_graph",
    "state_changes_are_told",
    "rejection_has_reason",
    "closed_reserves_nothing",
]


@pytest.fixture
def order() -> Any:
    """Of two lines one is shipped; the goods of another order are reserved."""
    OrderFactory(processing=True)
    return OrderFactory(shipped=True, shipping_fee=10)


def tamper(statement: str, *params: Any) -> None:
    guarded = (StockLevel, Move, Reservation, ReceiptLine, Transfer, TransferLine, Line)
    counted = (StockTake, StockTake.history.model, StockTakeLine)
    with without_guards(*guarded, *counted), connection.cursor() as cursor:
        cursor.execute(statement, params)


def broken() -> set[str]:
    return {name for name in RULES if offenders(f"inventory.{name}")}


def test_every_rule_of_stock_is_looked_at() -> None:
    names = (rule.name.split(".") for rule in invariants.registered())

    assert set(RULES) == {name for app, name in names if app == "inventory"}


def test_all_hold_after_ordinary_work(order: Any) -> None:
    receive({ProductFactory(): 3}, warehouse=WarehouseFactory(currency="USD"), unit_cost=Decimal("0.335"))

    assert broken() == set()


def test_goods_that_came_by_no_move_are_found(order: Any) -> None:
    tamper("UPDATE inventory_stocklevel SET on_hand = on_hand + 10000")

    assert broken() == {"level_is_sum_of_moves"}


def test_value_that_came_by_no_move_is_found(order: Any) -> None:
    tamper("UPDATE inventory_stocklevel SET value = value + 100 WHERE value > 0")

    assert broken() == {"level_is_sum_of_moves", "value_equals_ledger"}


def test_a_level_without_any_move_is_found() -> None:
    tamper(
        "INSERT INTO inventory_stocklevel (product_id, warehouse_id, on_hand, reserved, value) "
        "VALUES (%s, %s, 1, 0, 0)",
        ProductFactory().pk,
        WarehouseFactory().pk,
    )

    assert broken() == {"level_is_sum_of_moves"}


def test_a_promise_without_reservation_is_found(order: Any) -> None:
    tamper("UPDATE inventory_stocklevel SET reserved = reserved - 10000 WHERE reserved > 0")

    assert broken() == {"reserved_is_sum_of_reservations"}


def test_a_line_that_consumed_more_than_it_had_is_found(order: Any) -> None:
    """What another line of the product has too much hides it from the sum over the level."""
    product = ProductFactory()
    first = OrderFactory(lines=[(product, 1, None)], processing=True).lines.get()
    second = OrderFactory(lines=[(product, 1, None)], processing=True).lines.get()
    tamper("UPDATE inventory_reservation SET quantity = -10000 WHERE line_id = %s", first.pk)
    tamper("UPDATE inventory_reservation SET quantity = 30000 WHERE line_id = %s", second.pk)

    assert offenders("inventory.reserved_is_sum_of_reservations") == [
        (first.pk, Reservation.objects.get(line=first).warehouse_id, -10000)
    ]


@pytest.mark.parametrize(
    "change",
    ["reserved = -1", "reserved = on_hand + 1", "value = -1", "on_hand = -1, reserved = 0", "on_hand = 0, value = 1"],
)
def test_a_level_out_of_bounds_is_found(order: Any, change: str) -> None:
    tamper(f"UPDATE inventory_stocklevel SET {change}")

    assert "reserved_within_on_hand" in broken()


@pytest.mark.parametrize("column", ["on_hand_after", "value_after"])
def test_a_balance_that_does_not_follow_from_the_moves_before_is_found(order: Any, column: str) -> None:
    tamper(f"UPDATE inventory_move SET {column} = {column} + 1 WHERE id = (SELECT MIN(id) FROM inventory_move)")

    assert broken() == {"balances_run"}


def test_a_changed_move_is_found(order: Any) -> None:
    tamper("UPDATE inventory_move SET quantity = quantity - 10000 WHERE kind = 'issue'")

    assert broken() == {"level_is_sum_of_moves", "balances_run", "moves_equal_shipped"}


def test_a_deleted_move_is_found(order: Any) -> None:
    tamper("DELETE FROM inventory_move WHERE id = (SELECT MAX(id) FROM inventory_move)")

    assert {"level_is_sum_of_moves", "moves_equal_shipped"} <= broken()


def test_value_the_ledger_does_not_know_is_found_per_currency(order: Any) -> None:
    receive({ProductFactory(): 1}, warehouse=WarehouseFactory(currency="USD"), unit_cost=Decimal(7))
    tamper("UPDATE inventory_stocklevel SET value = value - 10000 WHERE value = 70000")

    assert offenders("inventory.value_equals_ledger") == [("USD", Decimal(-1))]


def test_goods_shipped_without_a_move_are_found(order: Any) -> None:
    processing = OrderFactory(processing=True).lines.first()
    tamper("UPDATE orders_line SET shipped = 10000 WHERE id = %s", processing.pk)

    assert broken() == {"moves_equal_shipped"}


def test_a_move_of_a_service_is_found(order: Any) -> None:
    service = OrderFactory(services_only=True, shipped=True).lines.first()
    tamper("UPDATE inventory_move SET line_id = %s WHERE kind = 'receipt'", service.pk)

    assert broken() == {"moves_equal_shipped"}


class TestStockTakes:
    @pytest.fixture(autouse=True)
    def _takes(self, db: None) -> None:
        """One approved with a gain, a loss and a line that agrees; one that nobody has decided."""
        lost, agreed = ProductFactory(sku="LOST"), ProductFactory()
        receive({lost: 5, agreed: 1})
        take = count({lost: 3, agreed: 1, ProductFactory(sku="FOUND"): 4})
        approve_stock_takes([take.pk], decision=decide(actor("chief_accountant")))
        count({lost: 2})

    def test_all_hold(self) -> None:
        assert broken() == set()

    def test_a_line_without_its_move_is_found(self) -> None:
        tamper("DELETE FROM inventory_move WHERE kind = 'gain'")

        assert "stock_takes_moved" in broken()

    @pytest.mark.parametrize("change", ["counted = counted + 10000", "on_hand = on_hand + 10000"])
    def test_a_changed_line_is_found(self, change: str) -> None:
        tamper(f"UPDATE inventory_stocktakeline SET {change} WHERE id = (SELECT MIN(id) FROM inventory_stocktakeline)")

        assert broken() == {"stock_takes_moved"}

    def test_a_move_of_another_quantity_is_found(self) -> None:
        tamper("UPDATE inventory_move SET quantity = quantity - 10000 WHERE kind = 'loss'")

        assert "stock_takes_moved" in broken()

    def test_a_move_of_no_line_is_found(self) -> None:
        tamper("UPDATE inventory_move SET source_id = '0' WHERE kind = 'loss'")

        assert broken() == {"stock_takes_moved"}

    def test_moves_of_an_undecided_stock_take_are_found(self) -> None:
        tamper(
            "UPDATE inventory_stocktake SET status = 'counted', decided_by_id = NULL, decided_at = NULL "
            "WHERE status = 'approved'"
        )

        # Its lost product is now in two.
        assert broken() == {"stock_takes_moved", "counted_once_at_a_time"}

    def test_a_move_of_another_kind_is_found(self) -> None:
        tamper("UPDATE inventory_move SET kind = 'receipt' WHERE kind = 'gain'")

        assert broken() == {"stock_takes_moved"}

    @pytest.mark.parametrize("topic", ["stocktake.count", "stocktake.approve"])
    def test_a_change_nobody_was_told_of_is_found(self, topic: str) -> None:
        OutboxEvent.objects.filter(topic=topic).delete()

        assert broken() == {"state_changes_are_told"}

    def test_a_rejection_nobody_knows_the_reason_of_is_found(self) -> None:
        take = StockTake.objects.get(status="counted")
        reject_stock_take(take.pk, decision=decide(actor("chief_accountant"), reason="RJ01", note="重盘"))
        assert broken() == set()

        tamper("UPDATE inventory_historicalstocktake SET history_change_reason = ''")

        assert offenders("inventory.rejection_has_reason") == [(take.pk, take.number, "reject")]

    def test_a_status_no_act_leads_to_is_found(self) -> None:
        tamper("UPDATE inventory_historicalstocktake SET status = 'rejected' WHERE status = 'counted'")

        assert broken() == {"status_follows_graph", "state_changes_are_told"}

    def test_an_approval_that_moved_nothing_is_found(self) -> None:
        tamper(
            "UPDATE inventory_stocktake SET status = 'approved', decided_by_id = %s, decided_at = counted_at "
            "WHERE status = 'counted'",
            actor("chief_accountant").pk,
        )

        assert broken() == {"stock_takes_moved"}


class TestTransfers:
    @pytest.fixture(autouse=True)
    def _moved(self, db: None) -> None:
        product = ProductFactory()
        receive({product: 5})
        transfer({product: 2})

    def test_all_hold(self) -> None:
        assert broken() == set()

    @pytest.mark.parametrize("kind", ["moved_out", "moved_in"])
    @pytest.mark.parametrize(
        "change",
        [
            "quantity = quantity * 2",
            "value = value * 2",
            "kind = 'gain'",
            "source_id = '0/in'",
            "warehouse_id = (SELECT MAX(id) + MIN(id) FROM inventory_warehouse) - warehouse_id",
        ],
    )
    def test_a_move_that_is_not_its_line_s_is_found(self, kind: str, change: str) -> None:
        tamper(f"UPDATE inventory_move SET {change} WHERE kind = '{kind}'")

        assert "transfers_moved" in broken()

    @pytest.mark.parametrize("kind", ["moved_out", "moved_in"])
    def test_goods_that_left_and_did_not_arrive_or_came_from_nowhere_are_found(self, kind: str) -> None:
        tamper(f"DELETE FROM inventory_move WHERE kind = '{kind}'")

        assert "transfers_moved" in broken()

    @pytest.mark.parametrize("change", ["quantity = quantity + 10000", "value = value + 10000"])
    def test_a_changed_line_is_found(self, change: str) -> None:
        tamper(f"UPDATE inventory_transferline SET {change}")

        assert broken() == {"transfers_moved"}

    def test_a_transfer_turned_round_is_found(self) -> None:
        tamper("UPDATE inventory_transfer SET origin_id = destination_id, destination_id = origin_id")

        assert broken() == {"transfers_moved"}


class TestReceipts:
    @pytest.fixture(autouse=True)
    def _received(self, db: None) -> None:
        receive({ProductFactory(): 5})
        WarehouseFactory()

    @pytest.mark.parametrize(
        "change",
        [
            "quantity = quantity * 2",
            "value = value * 2",
            "kind = 'gain'",
            "source_id = '0'",
            "warehouse_id = (SELECT MAX(id) FROM inventory_warehouse)",
        ],
    )
    def test_a_move_that_is_not_its_line_s_is_found(self, change: str) -> None:
        tamper(f"UPDATE inventory_move SET {change}")

        assert "receipts_moved" in broken()

    def test_a_receipt_that_moved_nothing_is_found(self) -> None:
        tamper("DELETE FROM inventory_move")

        assert "receipts_moved" in broken()

    @pytest.mark.parametrize("change", ["quantity = quantity + 10000", "value = value + 10000"])
    def test_a_changed_line_is_found(self, change: str) -> None:
        tamper(f"UPDATE inventory_receiptline SET {change}")

        assert broken() == {"receipts_moved"}


def test_goods_promised_to_a_closed_order_are_found() -> None:
    order, waiting = OrderFactory(closed=True, line_count=1), OrderFactory(processing=True, line_count=1)
    assert broken() == set()

    tamper("UPDATE inventory_reservation SET order_id = %s WHERE order_id = %s", order.pk, waiting.pk)

    assert [row[0] for row in offenders("inventory.closed_reserves_nothing")] == [order.number]


def test_goods_promised_to_an_order_that_released_them_are_found() -> None:
    order = OrderFactory(processing=True)
    hold_order(order.pk, decision=decide(actor("service"), reason="HO01"))
    assert broken() == set()

    Order.objects.filter(pk=order.pk).update(held_released=True)

    assert offenders("inventory.released_is_free") == [(order.number, Decimal(4))]
