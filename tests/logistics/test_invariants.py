"""Each rule of shipments holds after ordinary work, and finds what was written past every guard."""

from typing import Any

import pytest
from django.db import connection

from erp.kernel import invariants
from erp.kernel.models import OutboxEvent
from finance.models import Credit, Voucher, VoucherLine
from inventory.models import Move
from logistics.models import Inspection, Return, ReturnLine, Shipment, ShipmentLine
from logistics.services.returns import reject_return
from logistics.services.shipping import deliver_shipment
from logistics.services.undelivered import lose_shipment, refuse_shipment
from orders.models import Line
from orders.services.cancelling import cancel_order
from tests.factories import OrderFactory, ProductFactory, WarehouseFactory, actor, decide
from tests.logistics.returning import LOST, REFUSED, REJECTED, approved, received, requested, shipment_of
from tests.support import offenders, without_guards

pytestmark = pytest.mark.django_db

RULES = [
    "shipped_equals_documents",
    "status_follows_graph",
    "cost_equals_issues",
    "returned_equals_returns",
    "returns_within_shipments",
    "received_is_inspected",
    "restocked_moved",
    "received_returns_post",
    "undelivered_comes_back",
    "state_changes_are_told",
    "decisions_have_reasons",
    "closed_has_nothing_open",
    "dispatches_moved",
    "moves_have_documents",
]


@pytest.fixture
def order() -> Any:
    OrderFactory(packed=True)
    return OrderFactory(delivered=True, shipping_fee=10)


def tamper(statement: str, *params: Any) -> None:
    recorded = (Shipment, Shipment.history.model, Return, Return.history.model)
    guarded = (*recorded, ShipmentLine, ReturnLine, Inspection, Credit, Line, Move, Voucher, VoucherLine)
    with without_guards(*guarded), connection.cursor() as cursor:
        cursor.execute(statement, params)


def broken() -> set[str]:
    return {name for name in RULES if offenders(f"logistics.{name}")}


def test_every_rule_of_logistics_is_looked_at() -> None:
    names = (rule.name.split(".") for rule in invariants.registered())

    assert set(RULES) == {name for app, name in names if app == "logistics"}


def test_all_hold_after_ordinary_work(order: Any) -> None:
    OrderFactory(closed=True, zero_value=True)
    OrderFactory(closed=True, services_only=True)
    for what in ("restocked", "defective", "scrapped", "lost"):
        received(approved(OrderFactory(closed=True), {1: 1, 2: 2}), what)
    received(approved(OrderFactory(delivered=True, zero_value=True), {1: 1}))
    requested(OrderFactory(delivered=True), {1: 1})
    logistician = actor("logistician")
    refuse_shipment(shipment_of(OrderFactory(shipped=True)).pk, decision=decide(logistician, **REFUSED))
    lose_shipment(shipment_of(OrderFactory(shipped=True)).pk, decision=decide(logistician, **LOST))

    assert broken() == set()


@pytest.mark.parametrize("column", ["shipped", "shipped_amount", "shipped_tax"])
def test_progress_that_is_on_no_shipment_is_found(order: Any, column: str) -> None:
    tamper(f"UPDATE orders_line SET {column} = {column} - 1 WHERE order_id = %s AND no = 1", order.pk)

    assert broken() == {"shipped_equals_documents"}


@pytest.mark.parametrize("column", ["quantity", "amount", "tax"])
def test_a_shipment_that_is_in_no_progress_is_found(order: Any, column: str) -> None:
    tamper(f"UPDATE logistics_shipmentline SET {column} = {column} + 1 WHERE amount > 0")

    assert broken() - {"dispatches_moved"} == {"shipped_equals_documents"}


def test_what_is_still_in_the_house_is_not_shipped(order: Any) -> None:
    tamper("UPDATE logistics_shipmentline SET quantity = quantity + 1 WHERE amount = 0")

    assert broken() == set()


def test_a_dispatch_without_progress_is_found(order: Any) -> None:
    tamper("UPDATE logistics_shipment SET status = 'dispatched' WHERE status = 'packed'")

    assert broken() == {"shipped_equals_documents", "dispatches_moved"}


def test_a_status_that_skipped_a_step_is_found(order: Any) -> None:
    tamper("UPDATE logistics_historicalshipment SET status = 'draft' WHERE status = 'dispatched'")

    number = Shipment.objects.get(order=order).number
    assert offenders("logistics.status_follows_graph") == [(number, "packed", "draft"), (number, "draft", "delivered")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inventory_move SET value = value - 1 WHERE kind = 'issue'",
        "UPDATE finance_voucherline SET debit = debit + 1 WHERE account_id = '6401'",
        "DELETE FROM finance_voucherline WHERE account_id = '6401'",
        "DELETE FROM inventory_move WHERE kind = 'issue'",
    ],
)
def test_cost_that_is_not_the_value_of_the_issues_is_found(order: Any, statement: str) -> None:
    tamper(statement)

    assert broken() - {"dispatches_moved"} == {"cost_equals_issues"}


def test_cost_of_a_zero_value_order_is_compared_too() -> None:
    OrderFactory(shipped=True, zero_value=True)
    tamper("UPDATE finance_voucherline SET debit = debit + 1 WHERE account_id = '6601'")

    assert broken() == {"cost_equals_issues"}


@pytest.mark.parametrize(("zero_value", "account"), [(True, "6401"), (False, "6601")])
def test_cost_in_the_account_of_the_other_kind_of_order_is_found(zero_value: bool, account: str) -> None:
    OrderFactory(shipped=True, zero_value=zero_value)
    assert broken() == set()

    tamper("UPDATE finance_voucherline SET account_id = %s WHERE account_id IN ('6401', '6601')", account)

    assert broken() == {"cost_equals_issues"}


@pytest.mark.parametrize(
    "change",
    [
        "quantity = quantity * 2",
        "value = value * 2",
        "kind = 'loss'",
        "source_id = source_id || '-0'",
        "source_type = 'logistics.shipment'",
        "line_id = (SELECT MIN(id) FROM orders_line)",
        "product_id = (SELECT MAX(id) FROM orders_product)",
        "warehouse_id = (SELECT MAX(id) FROM inventory_warehouse)",
    ],
)
def test_a_move_that_is_not_its_shipment_line_s_is_found(order: Any, change: str) -> None:
    WarehouseFactory()
    ProductFactory()

    tamper(f"UPDATE inventory_move SET {change} WHERE kind = 'issue'")

    assert "dispatches_moved" in broken()


def test_goods_that_left_without_a_move_are_found(order: Any) -> None:
    tamper("DELETE FROM inventory_move WHERE kind = 'issue'")

    assert len(offenders("logistics.dispatches_moved")) == 2


@pytest.mark.parametrize("kind", ["shipping_fee", "stocked"], ids=["a service", "what has not left"])
def test_a_move_of_what_moves_nothing_is_found(order: Any, kind: str) -> None:
    rows = ShipmentLine.objects.filter(
        line__kind=kind, shipment__status="delivered" if kind != "stocked" else "packed"
    )
    row = rows.order_by("pk")[0]
    issue = Move.objects.filter(kind="issue").order_by("pk")[0]

    tamper("UPDATE inventory_move SET source_id = %s WHERE id = %s", str(row.pk), issue.pk)

    assert row.pk in [key for key, *_ in offenders("logistics.dispatches_moved")]


def test_a_move_of_a_cancelled_shipment_is_found(order: Any) -> None:
    tamper("UPDATE logistics_shipment SET status = 'cancelled' WHERE status = 'delivered'")

    assert "dispatches_moved" in broken()


def test_a_move_of_no_kind_of_document_is_found(order: Any) -> None:
    tamper("UPDATE inventory_move SET source_type = 'elsewhere' WHERE kind = 'receipt'")

    assert broken() == {"moves_have_documents"}


@pytest.mark.parametrize("topic", ["shipment.pack", "shipment.dispatch", "shipment.deliver"])
def test_a_change_nobody_was_told_of_is_found(order: Any, topic: str) -> None:
    OutboxEvent.objects.filter(topic=topic, subject_id=str(shipment_of(order).pk)).delete()

    assert offenders("logistics.state_changes_are_told") == [(str(shipment_of(order).pk), topic, 1, 0)]


@pytest.mark.parametrize("status", ["draft", "packed", "dispatched"])
def test_a_shipment_of_a_closed_order_that_has_no_end_is_found(status: str) -> None:
    number = shipment_of(OrderFactory(closed=True)).number

    tamper(f"UPDATE logistics_shipment SET status = '{status}'")

    assert offenders("logistics.closed_has_nothing_open") == [(number, status)]


def test_a_return_is_open_beside_the_closing_only_if_it_came_after_it() -> None:
    order = OrderFactory(closed=True)
    goods_return = requested(order, {1: 1})
    assert broken() == set()

    tamper("UPDATE logistics_return SET requested_at = (SELECT closed_at FROM orders_order WHERE id = order_id)")

    assert offenders("logistics.closed_has_nothing_open") == [(goods_return.number, "requested")]


class TestReasons:
    @pytest.fixture(autouse=True)
    def _decided(self, db: None) -> None:
        """One shipment refused, one lost, one return asked for and rejected."""
        logistician = actor("logistician")
        refuse_shipment(shipment_of(OrderFactory(shipped=True)).pk, decision=decide(logistician, **REFUSED))
        lose_shipment(shipment_of(OrderFactory(shipped=True)).pk, decision=decide(logistician, **LOST))
        asked = requested(OrderFactory(delivered=True), {1: 1})
        reject_return(asked.pk, decision=decide(logistician, **REJECTED))

    @pytest.mark.parametrize(
        ("table", "status", "act"),
        [
            ("shipment", "refused", "refuse"),
            ("shipment", "lost", "lose"),
            ("return", "requested", "request"),
            ("return", "rejected", "reject"),
        ],
    )
    def test_what_nobody_knows_the_reason_of_is_found(self, table: str, status: str, act: str) -> None:
        assert broken() == set()

        tamper(f"UPDATE logistics_historical{table} SET history_change_reason = '' WHERE status = '{status}'")

        assert [row[2] for row in offenders("logistics.decisions_have_reasons")] == [act]

    def test_a_return_that_has_lost_its_reason_is_found(self) -> None:
        tamper("UPDATE logistics_return SET reason = ''")

        assert broken() == {"decisions_have_reasons"}


def test_goods_called_back_and_let_go_or_found_to_be_refused_need_no_reason_of_their_own() -> None:
    let_go, came_back = (OrderFactory(shipped=True, line_count=1) for _ in range(2))
    for order in (let_go, came_back):
        cancel_order(order.pk, decision=decide(actor("service"), reason="CA01"))
    deliver_shipment(shipment_of(let_go).pk, decision=decide(actor("logistician")))
    received(Return.objects.get(order=came_back))
    assert (Return.objects.get(order=let_go).status, shipment_of(came_back).status) == ("rejected", "refused")
    assert broken() == set()

    tamper("UPDATE logistics_return SET calls_back = %s, received_at = requested_at", False)

    assert [row[2] for row in offenders("logistics.decisions_have_reasons")] == ["refuse", "reject"]


@pytest.fixture
def returned() -> Any:
    """Of two, one was sold again and one scrapped; of another order one is on its way back."""
    order = OrderFactory(delivered=True, line_count=1)
    received(approved(order, {1: 1}))
    received(approved(order, {1: 1}), "scrapped")
    approved(OrderFactory(delivered=True, line_count=1), {1: 1})
    return order


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        ("UPDATE orders_line SET returned = returned - 10000 WHERE returned > 0", {"returned_equals_returns"}),
        ("UPDATE orders_line SET restocked = restocked - 10000 WHERE restocked > 0", {"returned_equals_returns"}),
        ("UPDATE orders_line SET returned = 10000, restocked = 10000 WHERE returned = 0", {"returned_equals_returns"}),
        (
            "UPDATE logistics_returnline SET quantity = quantity + 30000 WHERE share IS NULL",
            {"returns_within_shipments"},
        ),
        ("UPDATE logistics_returnline SET share = 1, credit = 0 WHERE share IS NULL", {"received_is_inspected"}),
        ("UPDATE logistics_returnline SET credit = credit - 1 WHERE credit > 0", {"received_is_inspected"}),
        ("UPDATE finance_credit SET source_id = source_id || '-0'", {"received_is_inspected"}),
        (
            "UPDATE logistics_inspection SET quantity = quantity + 10000 WHERE disposition = 'scrapped'",
            {"received_is_inspected"},
        ),
        ("UPDATE logistics_inspection SET cost = cost + 1 WHERE disposition = 'scrapped'", {"cost_equals_issues"}),
        ("UPDATE inventory_move SET value = value + 1 WHERE kind = 'return'", {"restocked_moved"}),
        (
            "UPDATE inventory_move SET kind = 'receipt' WHERE kind = 'return'",
            {"restocked_moved", "moves_have_documents"},
        ),
        ("UPDATE inventory_move SET source_id = '0' WHERE kind = 'return'", {"restocked_moved"}),
        ("DELETE FROM inventory_move WHERE kind = 'return'", {"restocked_moved"}),
        (
            "UPDATE finance_voucher SET source_id = source_id || '-0' WHERE purpose = 'return'",
            {"received_returns_post"},
        ),
        (
            "UPDATE logistics_historicalreturn SET status = 'rejected' WHERE status = 'approved'",
            {"status_follows_graph", "state_changes_are_told", "decisions_have_reasons"},
        ),
        (
            "UPDATE finance_voucherline SET credit = credit + 1 WHERE account_id = '6401' AND credit > 0",
            {"cost_equals_issues"},
        ),
    ],
)
def test_a_return_that_disagrees_with_anything_is_found(returned: Any, statement: str, rules: set[str]) -> None:
    assert broken() == set()

    tamper(statement)

    assert broken() == rules


def test_more_returned_than_shipped_is_found(returned: Any) -> None:
    tamper("UPDATE orders_line SET shipped = 0 WHERE returned > 0")

    assert "returned_equals_returns" in broken()


def test_an_undelivered_shipment_whose_goods_nobody_asks_back_is_found() -> None:
    shipment = shipment_of(OrderFactory(shipped=True))
    refuse_shipment(shipment.pk, decision=decide(actor("logistician"), **REFUSED))
    tamper("UPDATE logistics_return SET status = 'rejected'")

    assert broken() == {"undelivered_comes_back"}
