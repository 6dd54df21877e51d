"""What must always hold of stock."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils.translation import gettext_lazy as _

from erp.kernel.invariants import Lives, Rows, invariant
from erp.kernel.money import ZERO
from finance import accounts
from finance.models import VoucherLine
from inventory.models import (
    Move,
    MoveKind,
    ReceiptLine,
    Reservation,
    StockLevel,
    StockTake,
    StockTakeLine,
    StockTakeStatus,
    TransferLine,
)
from orders.models import Line, Status
from orders.models.order import LineKind


@invariant("inventory.level_is_sum_of_moves", _("On hand and value of every level are the sums of its moves."))
def level_is_sum_of_moves() -> Rows:
    yield from _differences("inventory_move", "quantity", "on_hand")
    yield from _differences("inventory_move", "value", "value")


@invariant("inventory.reserved_is_sum_of_reservations", _("Reserved is the sum of open reservations."))
def reserved_is_sum_of_reservations() -> Rows:
    yield from _differences("inventory_reservation", "quantity", "reserved")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT line_id, warehouse_id, SUM(quantity) FROM inventory_reservation "
            "GROUP BY line_id, warehouse_id HAVING SUM(quantity) < 0"
        )
        yield from cursor.fetchall()


@invariant("inventory.reserved_within_on_hand", _("0 ≤ reserved ≤ on hand; value ≥ 0, and 0 when nothing is on hand."))
def reserved_within_on_hand() -> Rows:
    holds = Q(reserved__gte=0, value__gte=0) & (Q(on_hand__gt=0) | Q(on_hand=0, value=0))
    yield from StockLevel.objects.exclude(holds).values_list("pk", "on_hand", "reserved", "value")
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, on_hand, reserved FROM inventory_stocklevel WHERE reserved > on_hand")
        yield from cursor.fetchall()


@invariant("inventory.balances_run", _("Each move's balance is the one before plus the move."))
def balances_run() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, on_hand_after, value_after FROM (SELECT id, on_hand_after, value_after, "
            "SUM(quantity) OVER w AS on_hand, SUM(value) OVER w AS value FROM inventory_move "
            "WINDOW w AS (PARTITION BY product_id, warehouse_id ORDER BY id)) AS running "
            "WHERE on_hand_after <> on_hand OR value_after <> value"
        )
        yield from cursor.fetchall()


@invariant("inventory.value_equals_ledger", _("The value of stock is the balance of 1405, per currency."))
def value_equals_ledger() -> Rows:
    values: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for currency, value in StockLevel.objects.values_list("warehouse__currency").annotate(Sum("value")):
        values[currency] += value
    ledger = VoucherLine.objects.filter(account_id=accounts.STOCK).values_list("voucher__currency")
    for currency, debits, credits in ledger.annotate(debits=Sum("debit"), credits=Sum("credit")):
        values[currency] -= debits - credits
    yield from ((currency, difference) for currency, difference in values.items() if difference)


@invariant(
    "inventory.moves_equal_shipped", _("What was issued for a line is what was shipped and not restocked of it.")
)
def moves_equal_shipped() -> Rows:
    issued = dict(Move.objects.filter(line__isnull=False).values_list("line_id").annotate(Sum("quantity")))
    lines = Line.objects.filter(Q(shipped__gt=0) | Q(pk__in=issued)).values_list("pk", "kind", "shipped", "restocked")
    for line_id, kind, shipped, restocked in lines.iterator(chunk_size=5000):
        expected = shipped - restocked if kind == LineKind.STOCKED else ZERO
        if -issued.get(line_id, ZERO) != expected:
            yield line_id, shipped, issued.get(line_id, ZERO)


def unlike_documents(
    source_type: str, columns: Sequence[str], wanted: Iterable[tuple[Any, tuple[Any, ...] | None]]
) -> Rows:
    """
    Document lines that do not have the one move they should, and moves of this type of no such line.

    :param wanted: by the key that its move names, what the move of each line says in ``columns``; None: it has none.
    """
    moves = Move.objects.filter(source_type=source_type).values_list("source_id", *columns)
    moved = {source_id: tuple(move) for source_id, *move in moves.iterator(chunk_size=5000)}
    for key, expected in wanted:
        move = moved.pop(str(key), None)
        if move != expected:
            yield key, expected, move
    yield from moved.items()


@invariant(
    "inventory.receipts_moved", _("Each receipt line has one move of its quantity and value, and there is no other.")
)
def receipts_moved() -> Rows:
    columns = ("product_id", "receipt__warehouse_id", "quantity", "value")
    lines = ReceiptLine.objects.values_list("pk", *columns).iterator(chunk_size=5000)
    yield from unlike_documents(
        "inventory.receiptline",
        ("kind", "product_id", "warehouse_id", "quantity", "value"),
        ((pk, (MoveKind.RECEIPT, *move)) for pk, *move in lines),
    )


@invariant(
    "inventory.stock_takes_moved",
    _("Each line of an approved stock-take that differs has one move of its difference, and no other line has any."),
)
def stock_takes_moved() -> Rows:
    lines = StockTakeLine.objects.select_related("take").iterator(chunk_size=2000)
    columns = ("kind", "product_id", "warehouse_id", "quantity")
    yield from unlike_documents("inventory.stocktakeline", columns, ((line.pk, _difference(line)) for line in lines))


def _difference(line: StockTakeLine) -> tuple[Any, ...] | None:
    if line.take.status != StockTakeStatus.APPROVED or not line.difference:
        return None
    kind = MoveKind.GAIN if line.difference > 0 else MoveKind.LOSS
    return kind, line.product_id, line.take.warehouse_id, line.difference


@invariant(
    "inventory.transfers_moved",
    _("Each transfer line has one move out and one in, of equal and opposite quantity and value, and no other."),
)
def transfers_moved() -> Rows:
    columns = ("kind", "product_id", "warehouse_id", "quantity", "value")
    yield from unlike_documents("inventory.transferline", columns, _both_ends())


def _both_ends() -> Iterable[tuple[str, tuple[Any, ...]]]:
    for line in TransferLine.objects.select_related("transfer").iterator(chunk_size=2000):
        product, quantity, value = line.product_id, line.quantity, line.value
        yield f"{line.pk}/out", (MoveKind.MOVED_OUT, product, line.transfer.origin_id, -quantity, -value)
        yield f"{line.pk}/in", (MoveKind.MOVED_IN, product, line.transfer.destination_id, quantity, value)


@invariant("inventory.counted_once_at_a_time", _("No product is twice in undecided stock-takes of a warehouse."))
def counted_once_at_a_time() -> Rows:
    undecided = StockTakeLine.objects.filter(take__status=StockTakeStatus.COUNTED)
    counts = undecided.values_list("product_id", "take__warehouse_id").annotate(count=Count("pk"))
    yield from counts.filter(count__gt=1)


_LIVES = Lives(StockTake, born={"count": StockTakeStatus.COUNTED})


@invariant("inventory.status_follows_graph", _("Every change of a stock-take's status is declared."))
def status_follows_graph() -> Rows:
    yield from _LIVES.off_graph()


@invariant("inventory.state_changes_are_told", _("Every change of a stock-take's status has its outbox row."))
def state_changes_are_told() -> Rows:
    yield from _LIVES.untold()


@invariant("inventory.rejection_has_reason", _("History says why a stock-take was rejected."))
def rejection_has_reason() -> Rows:
    yield from _LIVES.without_reason("reject")


@invariant("inventory.closed_reserves_nothing", _("Nothing is reserved for a closed order."))
def closed_reserves_nothing() -> Rows:
    of_closed = Reservation.objects.filter(order__status=Status.CLOSED)
    open_sums = of_closed.values_list("order__number", "line", "warehouse").annotate(open=Sum("quantity"))
    yield from open_sums.exclude(open=0)


@invariant("inventory.released_is_free", _("An order whose goods a hold released has nothing reserved."))
def released_is_free() -> Rows:
    open_sums = (
        Reservation.objects.filter(order__held_released=True).values_list("order__number").annotate(Sum("quantity"))
    )
    yield from open_sums.filter(quantity__sum__gt=0)


@invariant("inventory.defective_serves_nobody", _("Nothing is reserved in a warehouse of defective goods."))
def defective_serves_nobody() -> Rows:
    open_sums = Reservation.objects.filter(warehouse__is_defective=True).values_list("warehouse", "line")
    yield from open_sums.annotate(open=Sum("quantity")).filter(open__gt=0)


def _differences(table: str, column: str, level_column: str) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT l.id, l.{level_column}, COALESCE(s.total, 0) FROM inventory_stocklevel l LEFT JOIN "
            f"(SELECT product_id, warehouse_id, SUM({column}) AS total FROM {table} "
            f"GROUP BY product_id, warehouse_id) s "
            f"ON s.product_id = l.product_id AND s.warehouse_id = l.warehouse_id "
            f"WHERE l.{level_column} <> COALESCE(s.total, 0)"
        )
        yield from cursor.fetchall()
