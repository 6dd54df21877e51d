from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from erp.kernel import invariants
from finance.models import Voucher
from inventory.models import Move, Receipt, StockLevel, Warehouse
from tests.commands.running import refuse, run
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, WarehouseFactory
from tests.factories.people import actor

pytestmark = pytest.mark.django_db

HEADING = "sku,warehouse,quantity,unit_cost,currency"
Write = Callable[..., Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    def write(*rows: str) -> Path:
        path = tmp_path / "stock.csv"
        path.write_text("\n".join([HEADING, *rows, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def _products(db: None) -> None:
    ProductFactory(sku="NB-14")
    ProductFactory(sku="CABLE", unit="m")
    ProductFactory(sku="SVC", service=True)


def test_goods_are_received_into_each_warehouse(write: Write) -> None:
    WarehouseFactory(code="SH")

    run("receive_stock", write("NB-14,SH,10,6600,CNY", "CABLE,SH,2.5,1.8,CNY", "NB-14,SZ,4,6500,CNY"))

    levels = {
        (level.product.sku, level.warehouse.code): (level.on_hand, level.value)
        for level in StockLevel.objects.select_related("product", "warehouse")
    }
    assert levels == {
        ("NB-14", "SH"): (Decimal(10), Decimal(66000)),
        ("CABLE", "SH"): (Decimal("2.5"), Decimal("4.5")),
        ("NB-14", "SZ"): (Decimal(4), Decimal(26000)),
    }
    assert Receipt.objects.count() == Voucher.objects.count() == 2
    assert list(invariants.broken()) == []


def test_a_missing_warehouse_is_made_in_the_currency_of_its_rows(write: Write) -> None:
    run("receive_stock", write("NB-14,TOKYO,1,90000,JPY"))

    assert Warehouse.objects.get(code="TOKYO").currency == "JPY"


def test_the_same_file_is_recognised(write: Write) -> None:
    path = write("NB-14,SH,10,6600,CNY", "NB-14,SZ,4,6500,CNY")
    run("receive_stock", path)

    run("receive_stock", path)

    assert Receipt.objects.count() == 2
    assert Move.objects.count() == 2


def test_another_file_with_the_same_goods_is_another_delivery(write: Write) -> None:
    run("receive_stock", write("NB-14,SH,10,6600,CNY"))

    run("receive_stock", write("NB-14,SH,10,6600,CNY", ""))

    assert StockLevel.objects.get().on_hand == 20


def test_waiting_orders_are_served(write: Write) -> None:
    shop = ShopFactory(allows_backorder=True)
    product = ProductFactory(sku="LATE")
    OrderFactory(processing=True, in_stock=False, shop=shop, lines=[(product, 3, None)])

    run("receive_stock", write("LATE,SH,10,6600,CNY"))

    assert StockLevel.objects.get().reserved == 3


BAD = {
    "unknown product": "NOPE,SH,1,1,CNY",
    "service": "SVC,SH,1,1,CNY",
    "fraction of a piece": "NB-14,SH,1.5,1,CNY",
    "nothing": "NB-14,SH,0,1,CNY",
    "negative": "NB-14,SH,-1,1,CNY",
    "negative cost": "NB-14,SH,1,-1,CNY",
    "not a number": "NB-14,SH,NaN,1,CNY",
    "exponent": "NB-14,SH,1e5,1,CNY",
    "full-width digits": "NB-14,SH,１,1,CNY",
    "minus zero": "NB-14,SH,-0,1,CNY",
    "thousands separator": 'NB-14,SH,"1,000.00",1,CNY',
    "too many decimals": "CABLE,SH,0.00001,1,CNY",
    "too large": "NB-14,SH,999999999999,999999999999,CNY",
    "no warehouse": "NB-14,,1,1,CNY",
    "long warehouse": f"NB-14,{'W' * 33},1,1,CNY",
    "another currency than before": "NB-14,SH,1,1,USD",
    "unknown currency": "NB-14,NEW,1,1,XXX",
    "no currency": "NB-14,NEW,1,1,",
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_one_bad_row_is_named_by_its_line_and_nothing_is_received(write: Write, row: str) -> None:
    refusal = refuse("receive_stock", write("NB-14,SH,10,6600,CNY", row))

    assert refusal.line_numbers == [3]
    assert not Receipt.objects.exists()
    assert not Warehouse.objects.exists()


def test_every_bad_row_is_named(write: Write) -> None:
    rows = [BAD["unknown product"], "NB-14,SH,1,1,CNY", BAD["service"], BAD["exponent"], BAD["no currency"]]

    assert refuse("receive_stock", write(*rows)).line_numbers == [2, 4, 5, 6]


def test_a_known_warehouse_keeps_its_currency(write: Write) -> None:
    WarehouseFactory(code="SH")

    assert refuse("receive_stock", write("NB-14,SH,1,1,USD")).line_numbers == [2]


def test_a_keeper_receives_into_own_warehouses_only(write: Write) -> None:
    own = WarehouseFactory(code="OWN")
    WarehouseFactory(code="OTHER")
    keeper = UserFactory(role="keeper", warehouses=[own])

    run("receive_stock", write("NB-14,OWN,1,1,CNY"), "--user", keeper.username)

    assert Receipt.objects.get().by == keeper
    for code in ("OTHER", "NEW"):
        refuse("receive_stock", write(f"NB-14,{code},1,1,CNY"), "--user", keeper.username)
    assert Receipt.objects.count() == 1
    assert not Warehouse.objects.filter(code="NEW").exists()


def test_receiving_needs_its_permission(write: Write) -> None:
    WarehouseFactory(code="SH")

    refusal = refuse("receive_stock", write("NB-14,SH,1,1,CNY"), "--user", actor("salesperson").username)

    assert refusal.code == "kernel.forbidden"
    assert not Receipt.objects.exists()
