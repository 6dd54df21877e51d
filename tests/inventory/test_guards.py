"""What the database itself refuses about stock."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from erp.kernel.acting import acting
from erp.kernel.models import system
from inventory.models import (
    Move,
    Receipt,
    ReceiptLine,
    Reservation,
    StockLevel,
    StockTake,
    Transfer,
    TransferLine,
    WarehouseScope,
)
from tests.factories import (
    OrderFactory,
    ProductFactory,
    UserFactory,
    WarehouseFactory,
    count,
    decide,
    receive,
    transfer,
)

pytestmark = pytest.mark.django_db


def refused(statement: str, *params: Any) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, params)
    except IntegrityError:
        return True
    return False


@pytest.fixture
def stocked() -> Any:
    """A processed order: a receipt with its line, a move and a reservation."""
    return OrderFactory(processing=True, line_count=1)


@pytest.mark.parametrize("model", [Move, Receipt, ReceiptLine, Reservation], ids=lambda model: model.__name__)
def test_rows_are_never_changed_nor_deleted(stocked: Any, model: Any) -> None:
    table, row = model._meta.db_table, model.objects.first()

    assert refused(f"UPDATE {table} SET id = id WHERE id = %s", row.pk)
    assert refused(f"DELETE FROM {table} WHERE id = %s", row.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        row.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_update=True)
    assert model.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    "change",
    [
        "reserved = -1",
        "reserved = on_hand + 1",
        "on_hand = -1",
        "on_hand = reserved - 1",
        "value = -1",
        "on_hand = 0, reserved = 0",
    ],
)
def test_a_level_never_promises_more_than_is_there_nor_has_value_without_goods(stocked: Any, change: str) -> None:
    assert refused(f"UPDATE inventory_stocklevel SET {change}")


def test_a_product_has_one_level_in_a_warehouse(stocked: Any) -> None:
    level = StockLevel.objects.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        StockLevel.objects.create(product=level.product, warehouse=level.warehouse)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "receipt", "quantity": -1},
        {"kind": "receipt", "quantity": 0},
        {"kind": "receipt", "value": -1},
        {"kind": "issue", "quantity": 1, "value": -1},
        {"kind": "issue", "quantity": 0, "value": -1},
        {"kind": "issue", "quantity": -1, "value": 1},
        {"kind": "gain", "quantity": -1},
        {"kind": "gain", "value": -1},
        {"kind": "loss", "quantity": 1, "value": -1},
        {"kind": "loss", "quantity": -1, "value": 1},
        {"kind": "moved_out", "quantity": 1, "value": -1},
        {"kind": "moved_in", "quantity": -1},
        {"kind": "gift"},
        {"on_hand_after": -1},
        {"value_after": -1},
    ],
    ids=str,
)
def test_a_move_goes_one_way_and_ends_at_no_negative_balance(stocked: Any, wrong: dict[str, Any]) -> None:
    assert not inserted(move(**wrong))


def test_a_document_line_moves_stock_once(stocked: Any) -> None:
    first = Move.objects.get()

    assert not inserted(move(source_type=first.source_type, source_id=first.source_id))
    assert inserted(move())


@pytest.mark.parametrize(("kind", "quantity"), [("reserve", -1), ("reserve", 0), ("consume", 1), ("release", 1)])
def test_a_reservation_goes_one_way(stocked: Any, kind: str, quantity: int) -> None:
    row = Reservation.objects.get()

    assert not inserted(_copy(row, kind=kind, quantity=Decimal(quantity)))


@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"quantity": -1}, {"unit_cost": -1}, {"value": -1}], ids=str)
def test_a_receipt_line_has_goods_and_no_negative_cost(stocked: Any, wrong: dict[str, int]) -> None:
    assert not inserted(_copy(ReceiptLine.objects.get(), **{name: Decimal(value) for name, value in wrong.items()}))


def test_a_transfer_goes_to_another_warehouse_and_each_slip_only_once() -> None:
    here, there = WarehouseFactory(), WarehouseFactory()

    with acting(decide(system())):
        assert not inserted(Transfer(number="1", origin=here, destination=here))
        assert inserted(Transfer(number="1", origin=here, destination=there, reference="T1"))
        assert not inserted(Transfer(number="2", origin=here, destination=there, reference="T1"))
        assert inserted(Transfer(number="2", origin=there, destination=here, reference="T1"))


@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"quantity": -1}, {"value": -1}], ids=str)
def test_a_transfer_line_has_goods_and_no_negative_value(wrong: dict[str, int]) -> None:
    product = ProductFactory()
    receive({product: 1})
    transfer({product: 1})

    line = TransferLine.objects.get()
    assert not inserted(_copy(line, **{name: Decimal(value) for name, value in wrong.items()}))


def test_a_warehouse_receives_a_reference_once() -> None:
    here, there = WarehouseFactory(), WarehouseFactory()

    with acting(decide(system())):
        assert inserted(Receipt(number="1", warehouse=here, reference="D1"))
        assert not inserted(Receipt(number="2", warehouse=here, reference="D1"))
        assert inserted(Receipt(number="2", warehouse=there, reference="D1"))


def test_a_warehouse_books_a_count_sheet_once() -> None:
    here, there = WarehouseFactory(), WarehouseFactory()

    def sheet(number: str, warehouse: Any) -> StockTake:
        by = {"counted_by": system(), "counted_at": decide(system()).at}
        return StockTake(number=number, warehouse=warehouse, reference="P1", **by)

    assert inserted(sheet("1", here))
    assert not inserted(sheet("2", here))
    assert inserted(sheet("2", there))


@pytest.mark.parametrize(
    "change",
    [
        "status = 'approved'",
        "status = 'thrown away'",
        "decided_by_id = counted_by_id",
        "status = 'approved', decided_by_id = counted_by_id, decided_at = counted_at",
    ],
)
def test_a_stock_take_is_decided_by_somebody_and_approved_by_another(change: str) -> None:
    count({ProductFactory(): 1})

    assert refused(f"UPDATE inventory_stocktake SET {change}")
    assert not refused("UPDATE inventory_stocktake SET status = status")


@pytest.mark.parametrize("wrong", [{"counted": -1}, {"on_hand": -1}, {"unit_cost": -1}], ids=str)
def test_a_stock_take_line_has_no_negative_amounts(wrong: dict[str, int]) -> None:
    line = count({ProductFactory(): 1}).lines.get()
    changes = {name: Decimal(value) for name, value in wrong.items()}

    assert not inserted(_copy(line, product=ProductFactory(), **changes))
    assert inserted(_copy(line, **{name: Decimal(0) for name in wrong}))


def test_a_product_is_on_one_line_of_a_stock_take() -> None:
    assert not inserted(_copy(count({ProductFactory(): 1}).lines.get()))


def test_lines_of_a_stock_take_are_never_changed_nor_deleted() -> None:
    count({ProductFactory(): 1})

    assert refused("UPDATE inventory_stocktakeline SET counted = 0")
    assert refused("DELETE FROM inventory_stocktakeline")


def test_the_currency_of_a_warehouse_is_one_of_iso_4217() -> None:
    WarehouseFactory()

    assert refused("UPDATE inventory_warehouse SET currency = 'XXX'")


def test_a_warehouse_is_given_to_a_user_once() -> None:
    warehouse = WarehouseFactory()
    user = UserFactory(warehouses=[warehouse])

    with acting(decide(system())):
        assert not inserted(WarehouseScope(user=user, warehouse=warehouse))


@pytest.mark.parametrize("kept", ["warehouse", "product"])
def test_what_stock_refers_to_is_not_deleted(stocked: Any, kept: str) -> None:
    row = getattr(StockLevel.objects.get(), kept)

    with pytest.raises(ProtectedError), transaction.atomic(), acting(decide(system())):
        row.delete()


def move(**kwargs: Any) -> Move:
    """A receipt of one piece worth 1, unless said otherwise."""
    level = StockLevel.objects.get()
    values = {"quantity": 1, "value": 1, "on_hand_after": 1, "value_after": 1}
    values |= {name: kwargs.pop(name) for name in list(kwargs) if name in values}
    with acting(decide(system())):
        return Move(
            product=level.product,
            warehouse=level.warehouse,
            **{"kind": "receipt", "source_type": "tests.document", "source_id": "1", "source": "T", **kwargs},
            **{name: Decimal(value) for name, value in values.items()},
        )


def inserted(row: Any) -> bool:
    try:
        with transaction.atomic():
            type(row)._base_manager.bulk_create([row])
    except IntegrityError:
        return False
    return True


def _copy(row: Any, **changes: Any) -> Any:
    row.pk, row._state.adding = None, True
    for name, value in changes.items():
        setattr(row, name, value)
    return row
