from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from inventory.models import StockLevel, StockTake, StockTakeLine
from tests.commands.running import refuse, run
from tests.factories import ProductFactory, UserFactory, WarehouseFactory, actor, receive
from tests.support import count_queries

pytestmark = pytest.mark.django_db

HEADING = "sku,warehouse,quantity,currency,unit_cost"
Write = Callable[..., Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    def write(*rows: str, heading: str = HEADING) -> Path:
        path = tmp_path / "count.csv"
        path.write_text("\n".join([heading, *rows, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def _stocked(db: None) -> None:
    receive({ProductFactory(sku="NB-14"): 10}, warehouse=WarehouseFactory(code="SH"))
    WarehouseFactory(code="SZ")


def test_goods_are_counted_in_each_warehouse_and_stock_stays(write: Write) -> None:
    run("count_stock", write("NB-14,SH,7,CNY,", "NB-14,SZ,2,CNY,6600"))

    lines = StockTakeLine.objects.order_by("take__warehouse__code")
    assert list(lines.values_list("take__warehouse__code", "counted", "on_hand", "unit_cost")) == [
        ("SH", 7, 10, None),
        ("SZ", 2, 0, Decimal(6600)),
    ]
    assert StockLevel.objects.get().on_hand == 10


def test_the_unit_cost_may_be_left_out(write: Write) -> None:
    run("count_stock", write("NB-14,SH,7,CNY", heading="sku,warehouse,quantity,currency"))

    assert StockTakeLine.objects.get().counted == 7


def test_the_same_file_is_recognised(write: Write) -> None:
    path = write("NB-14,SH,7,CNY,")
    run("count_stock", path)

    run("count_stock", path)

    assert StockTake.objects.count() == 1


def test_what_is_wrong_in_one_warehouse_is_named_with_what_is_wrong_in_another_and_nothing_is_noted(
    write: Write,
) -> None:
    rows = ("NB-14,SH,7,CNY,", "NB-14,SH,7,CNY,", "NB-14,SZ,1,CNY,", "NOPE,NOWHERE,1,CNY,")

    assert refuse("count_stock", write(*rows)).line_numbers == [3, 4, 5]
    assert not StockTake.objects.exists()


def test_all_warehouses_are_locked_before_anything_is_noted(write: Write) -> None:
    path = write("NB-14,SH,7,CNY,", "NB-14,SZ,2,CNY,6600")

    with count_queries() as statements:
        run("count_stock", path)

    noted = [no for no, sql in enumerate(statements) if 'INSERT INTO "inventory_' in sql]
    locked = [no for no, sql in enumerate(statements) if 'FROM "inventory_stocklevel"' in sql]
    assert len(locked) == 1
    assert locked[0] < min(noted)


BAD = {
    "unknown product": "NOPE,SH,1,CNY,",
    "unknown warehouse": "NB-14,NOWHERE,1,CNY,",
    "no warehouse": "NB-14,,1,CNY,",
    "another currency": "NB-14,SH,1,USD,",
    "fraction of a piece": "NB-14,SH,1.5,CNY,",
    "negative": "NB-14,SH,-1,CNY,",
    "not a number": "NB-14,SH,NaN,CNY,",
    "no quantity": "NB-14,SH,,CNY,",
    "negative cost": "NB-14,SH,1,CNY,-1",
    "cost missing": "NB-14,SZ,1,CNY,",
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_one_bad_row_and_nothing_is_noted(write: Write, row: str) -> None:
    ProductFactory(sku="GOOD")

    refusal = refuse("count_stock", write("GOOD,SH,1,CNY,1", row))

    assert refusal.line_numbers == [3]
    assert not StockTake.objects.exists()


def test_a_product_counted_twice_is_named(write: Write) -> None:
    assert refuse("count_stock", write("NB-14,SH,7,CNY,", "NB-14,SH,3,CNY,")).line_numbers == [3]


def test_a_warehouse_has_one_currency(write: Write) -> None:
    ProductFactory(sku="GOOD")

    assert refuse("count_stock", write("NB-14,SH,7,CNY,", "GOOD,SH,3,USD,1")).line_numbers == [3]


def test_counting_needs_its_permission_and_scope(write: Write) -> None:
    path = write("NB-14,SH,7,CNY,")
    stranger = UserFactory(role="keeper", warehouses=[WarehouseFactory()])

    assert refuse("count_stock", path, "--user", actor("salesperson").username).code == "kernel.forbidden"
    refuse("count_stock", path, "--user", stranger.username)

    assert not StockTake.objects.exists()
