from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from erp.kernel.acting import Channel
from erp.management.commands.import_orders import LinesDisagree, NotAMoment
from orders.models import Customer, Order, Shop, Status
from tests.commands.running import refuse, run
from tests.factories import ProductFactory, ShopFactory, UserFactory

pytestmark = pytest.mark.django_db

HEADING = "shop,external_id,placed_at,currency,customer_code,customer_name,country,sku,quantity,unit_price"
GOOD = "WEB,A1,2026-11-02 10:03,CNY,C1,王芳,中国,NB-14,1,8999.00"
Write = Callable[..., Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    def write(*rows: str) -> Path:
        path = tmp_path / "orders.csv"
        path.write_text("\n".join([HEADING, *rows, ""]), encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def _products(db: None) -> None:
    ProductFactory(sku="NB-14", price=Decimal(9499))
    ProductFactory(sku="CABLE", unit="m")


@pytest.fixture(name="web")
def _web() -> Shop:
    shop: Shop = ShopFactory(code="WEB")
    return shop


def test_rows_of_one_order_become_its_lines(write: Write, web: Shop) -> None:
    run(
        "import_orders",
        write(GOOD, "WEB,A2,2026-11-02 11:00,CNY,,李娜,中国,NB-14,2,", GOOD.replace("NB-14,1", "CABLE,2.5")),
    )

    first, second = Order.objects.order_by("external_number")
    assert (first.external_number, first.customer_name, first.status) == ("A1", "王芳", Status.NEW)
    assert first.placed_at == datetime(2026, 11, 2, 2, 3, tzinfo=UTC)
    assert first.shipping_address == {"country": "中国"}
    assert [(line.sku, line.quantity) for line in first.lines.order_by("no")] == [
        ("NB-14", Decimal(1)),
        ("CABLE", Decimal("2.5")),
    ]
    assert second.total == Decimal(18998)
    assert Order.history.filter(channel=Channel.COMMAND, history_user__username="system").count() == 2


def test_a_moment_may_name_its_offset(write: Write, web: Shop) -> None:
    run("import_orders", write(GOOD.replace("2026-11-02 10:03", "2026-11-02T10:03:00+00:00")))

    assert Order.objects.get().placed_at == datetime(2026, 11, 2, 10, 3, tzinfo=UTC)


def test_orders_of_one_customer_share_the_customer(write: Write, web: Shop) -> None:
    run("import_orders", write(GOOD, GOOD.replace("A1", "A2")))

    assert Customer.objects.get().code == "C1"


def test_a_second_run_changes_nothing(write: Write, web: Shop) -> None:
    path = write(GOOD)
    run("import_orders", path)

    run("import_orders", path)

    assert Order.history.count() == 1


def test_an_order_placed_before_with_other_content_is_refused(write: Write, web: Shop) -> None:
    run("import_orders", write(GOOD))

    refusal = refuse("import_orders", write(GOOD.replace("A1", "A0"), GOOD.replace("NB-14,1", "NB-14,2")))

    assert refusal.line_numbers == [3]
    assert Order.objects.count() == 1


def test_more_orders_than_fit_into_one_call(write: Write, web: Shop) -> None:
    run("import_orders", write(*(GOOD.replace("A1", f"A{no}") for no in range(450))))

    assert Order.objects.count() == 450


def test_a_shop_is_made_only_when_asked_for(write: Write) -> None:
    refusal = refuse("import_orders", write(GOOD))
    assert refusal.line_numbers == [2]
    assert not Shop.objects.exists()

    run("import_orders", write(GOOD), "--create-shop")

    assert Shop.objects.get().currency == "CNY"
    assert Order.objects.get().shop.code == "WEB"


BAD = {
    "unknown shop": GOOD.replace("WEB", "NOPE"),
    "no shop": GOOD.replace("WEB", ""),
    "no external number": GOOD.replace("A1", ""),
    "long external number": GOOD.replace("A1", "A" * 65),
    "unknown product": GOOD.replace("NB-14", "NOPE"),
    "no product": GOOD.replace("NB-14", ""),
    "long country": GOOD.replace("中国", "国" * 201),
    "negative price": GOOD.replace("8999.00", "-8999.00"),
    "no customer": GOOD.replace("王芳", ""),
    "long customer": GOOD.replace("王芳", "王" * 101),
    "other currency": GOOD.replace("CNY", "USD"),
    "unknown currency": GOOD.replace("CNY", "XXX"),
    "fraction of a piece": GOOD.replace(",1,8999", ",1.5,8999"),
    "nothing": GOOD.replace(",1,8999", ",0,8999"),
    "negative": GOOD.replace(",1,8999", ",-1,8999"),
    "not a number": GOOD.replace(",1,8999", ",NaN,8999"),
    "exponent": GOOD.replace(",1,8999", ",1e5,8999"),
    "full-width digits": GOOD.replace(",1,8999", ",１,8999"),
    "minus zero": GOOD.replace(",1,8999", ",-0,8999"),
    "thousands separator": GOOD.replace("8999.00", '"8,999.00"'),
    "too many decimals": GOOD.replace("8999.00", "8999.00001"),
    "too large": GOOD.replace(",1,8999.00", ",999999999999,999999999999"),
    "no moment": GOOD.replace("2026-11-02 10:03", ""),
    "impossible moment": GOOD.replace("2026-11-02", "2026-02-30"),
    "first day of the calendar": GOOD.replace("2026-11-02 10:03", "0001-01-01T00:00:00+14:00"),
    "last day of the calendar": GOOD.replace("2026-11-02 10:03", "9999-12-31T23:59:59-12:00"),
    "NUL": GOOD.replace("NB-14", "NB\0-14"),
    "too few cells": GOOD.rsplit(",", 1)[0],
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_one_bad_row_is_named_by_its_line_and_nothing_is_imported(write: Write, web: Shop, row: str) -> None:
    refusal = refuse("import_orders", write(GOOD.replace("A1", "A0"), row))

    assert refusal.line_numbers == [3]
    assert not Order.objects.exists()
    assert not Customer.objects.exists()


def test_a_bad_moment_is_told_how_to_write_it(write: Write, web: Shop) -> None:
    refusal = refuse("import_orders", write(BAD["impossible moment"]))

    assert str(NotAMoment(value="2026-02-30 10:03", name="placed_at")) in refusal.lines[0]


def test_every_bad_row_is_named(write: Write, web: Shop) -> None:
    refusal = refuse(
        "import_orders",
        write(
            GOOD,
            GOOD.replace("A1", "A2").replace("NB-14", "NOPE"),
            GOOD.replace("A1", "A2"),
            GOOD.replace("A1", "A2").replace("NB-14", "NOPE TOO"),
            GOOD.replace("A1", "A3").replace(",1,8999", ",1e5,8999"),
        ),
    )

    assert refusal.line_numbers == [3, 5, 6]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("placed_at", "2026-11-02 10:04"),
        ("currency", ""),
        ("customer_code", "C2"),
        ("customer_name", "李娜"),
        ("country", "China"),
    ],
)
def test_rows_of_one_order_have_to_agree(write: Write, web: Shop, name: str, value: str) -> None:
    cells = dict(zip(HEADING.split(","), GOOD.split(","), strict=True))

    refusal = refuse("import_orders", write(GOOD, ",".join({**cells, name: value}.values())))

    assert refusal.line_numbers == [3]
    assert str(LinesDisagree(name=name, value=value, expected=cells[name], line=2)) in refusal.lines[0]
    assert not Order.objects.exists()


def test_a_salesperson_imports_into_own_shops_only(write: Write, web: Shop) -> None:
    ShopFactory(code="OTHER")
    salesperson = UserFactory(role="salesperson", shops=[web])

    run("import_orders", write(GOOD), "--user", salesperson.username)

    refusal = refuse("import_orders", write(GOOD.replace("WEB", "OTHER")), "--user", salesperson.username)
    assert refusal.line_numbers == [2]
    path = write(GOOD.replace("WEB", "NEW"))
    assert refuse("import_orders", path, "--create-shop", "--user", salesperson.username).code == "kernel.forbidden"
    assert Order.objects.count() == 1
    assert not Shop.objects.filter(code="NEW").exists()
