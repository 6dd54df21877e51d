"""Reading files at all is tested here, for every command that reads one."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from erp.kernel.acting import Channel
from erp.kernel.errors import DomainError
from erp.kernel.money import OutOfRange
from erp.management.commands.import_products import NotYesOrNo
from erp.management.csvfile import WrongCellCount
from orders.models import Product, ProductKind, Unit
from tests.commands.running import refuse, run
from tests.factories import ProductFactory, UserFactory
from tests.factories.people import actor

pytestmark = pytest.mark.django_db

HEADING = "sku,name,unit,price,currency,tax_rate,stocked"
GOOD = "NB-14,笔记本电脑,device,8999.00,CNY,0.13,yes"

Write = Callable[..., Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    def write(*rows: str, heading: str = HEADING, encoding: str = "utf-8") -> Path:
        path = tmp_path / "products.csv"
        path.write_bytes("\n".join([heading, *rows, ""]).encode(encoding))
        return path

    return write


def imported() -> set[str]:
    return set(Product.objects.exclude(sku="SHIPPING").values_list("sku", flat=True))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_products_are_added(write: Write, encoding: str) -> None:
    printed = run("import_products", write(GOOD, "SVC,上门安装,time,200,CNY,0.06,否", encoding=encoding))

    notebook = Product.objects.get(sku="NB-14")
    assert (notebook.name, notebook.unit, notebook.price) == ("笔记本电脑", Unit.DEVICE, Decimal(8999))
    assert (notebook.currency, notebook.tax_rate, notebook.kind) == ("CNY", Decimal("0.13"), ProductKind.STOCKED)
    assert Product.objects.get(sku="SVC").kind == ProductKind.SERVICE
    assert "2" in printed
    history = Product.history.get(sku="NB-14")
    assert (history.history_user.username, history.channel) == ("system", Channel.COMMAND)


def test_a_second_run_changes_nothing(write: Write) -> None:
    path = write(GOOD)
    run("import_products", path)

    run("import_products", path)

    assert Product.history.filter(sku="NB-14").count() == 1


def test_what_differs_is_changed_and_recorded(write: Write) -> None:
    run("import_products", write(GOOD, "MOUSE,鼠标,piece,99,CNY,0.13,yes"))

    run("import_products", write(GOOD.replace("8999.00", "8499.5"), "MOUSE,鼠标,piece,99,CNY,0.13,yes"))

    assert [str(row.price) for row in Product.history.filter(sku="NB-14").order_by("history_id")] == [
        "8999.0000",
        "8499.5000",
    ]
    assert Product.history.filter(sku="MOUSE").count() == 1


def test_a_unit_goes_by_its_code_or_its_name_in_any_language(write: Write) -> None:
    rows = ["CODE,x,DEVICE,1,CNY,0,yes"]
    for code, _name in settings.LANGUAGES:
        with override(code):
            rows.append(f"{code},x,{Unit.DEVICE.label},1,CNY,0,yes")

    run("import_products", write(*rows))

    assert set(Product.objects.filter(sku__in=["CODE", "zh-hans", "en"]).values_list("unit", flat=True)) == {"device"}


BAD = {
    "not a number": "A,x,device,NaN,CNY,0.13,yes",
    "infinity": "A,x,device,Infinity,CNY,0.13,yes",
    "exponent": "A,x,device,1e5,CNY,0.13,yes",
    "full-width digits": "A,x,device,１２,CNY,0.13,yes",
    "minus zero": "A,x,device,-0,CNY,0.13,yes",
    "negative": "A,x,device,-5,CNY,0.13,yes",
    "thousands separator": 'A,x,device,"1,000.00",CNY,0.13,yes',
    "too many decimals": "A,x,device,1.23456,CNY,0.13,yes",
    "too large": "A,x,device,1000000000000,CNY,0.13,yes",
    "5000 digits": f"A,x,device,{'9' * 5000},CNY,0.13,yes",
    "no price": "A,x,device,,CNY,0.13,yes",
    "NUL": "A\0,x,device,1,CNY,0.13,yes",
    "right-to-left override": "A,\u202ex,device,1,CNY,0.13,yes",
    "too few cells": "A,x,device,1,CNY,0.13",
    "too many cells": "A,x,device,1,CNY,0.13,yes,more",
    "unknown unit": "A,x,lightyear,1,CNY,0.13,yes",
    "unknown currency": "A,x,device,1,XXX,0.13,yes",
    "tax rate in percent": "A,x,device,1,CNY,13,yes",
    "tax rate of 100 %": "A,x,device,1,CNY,1,yes",
    "neither yes nor no": "A,x,device,1,CNY,0.13,maybe",
    "no SKU": ",x,device,1,CNY,0.13,yes",
    "no name": "A,,device,1,CNY,0.13,yes",
    "long SKU": f"{'A' * 65},x,device,1,CNY,0.13,yes",
    "long name": f"A,{'x' * 201},device,1,CNY,0.13,yes",
    "long cell": f"A,{'x' * 20_000},device,1,CNY,0.13,yes",
    "quoted cell of 1 MB": f'A,"{"x" * 10**6}",device,1,CNY,0.13,yes',
    "text after a quoted cell": 'A,"x"y,device,1,CNY,0.13,yes',
    "quote without an end": 'A,"x,device,1,CNY,0.13,yes',
    "the same SKU twice": GOOD,
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_one_bad_row_is_named_by_its_line_and_nothing_is_imported(write: Write, row: str) -> None:
    refusal = refuse("import_products", write(GOOD, row))

    assert refusal.line_numbers == [3]
    assert len(refusal.lines[0]) < 400
    assert imported() == set()


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("neither yes nor no", NotYesOrNo(value="maybe", name="stocked")),
        ("too few cells", WrongCellCount(cells=6, columns=7)),
        ("tax rate in percent", OutOfRange(name=_("Tax rate"), value="13", range="< 1")),
    ],
)
def test_a_bad_row_is_told_what_to_write(write: Write, row: str, error: DomainError) -> None:
    assert str(error) in refuse("import_products", write(BAD[row])).lines[0]


def test_every_bad_row_is_named(write: Write) -> None:
    refusal = refuse(
        "import_products", write(BAD["NUL"], GOOD, BAD["exponent"], "", BAD["unknown unit"], BAD["too few cells"])
    )

    assert refusal.line_numbers == [2, 4, 6, 7]
    assert "4" in refusal.message


def test_of_very_many_bad_rows_the_first_are_shown_and_all_are_counted(write: Write) -> None:
    refusal = refuse("import_products", write(*[BAD["exponent"]] * 120))

    assert len(refusal.lines) == 51
    assert "70" in refusal.lines[-1]
    assert "120" in refusal.message


def test_the_kind_of_a_known_product_stays(write: Write) -> None:
    ProductFactory(sku="NB-14")

    refusal = refuse("import_products", write(GOOD.replace("yes", "no")))

    assert "NB-14" in refusal.lines[0]
    assert Product.objects.get(sku="NB-14").kind == ProductKind.STOCKED


@pytest.mark.parametrize(
    ("heading", "named"),
    [
        (HEADING.replace(",stocked", ""), "stocked"),
        (HEADING + ",colour", "colour"),
        (HEADING + ",sku", "sku"),
        ("", "sku"),
    ],
)
def test_other_columns_are_refused_by_name(write: Write, heading: str, named: str) -> None:
    message = refuse("import_products", write(GOOD, heading=heading)).message

    assert named in message


def test_columns_may_stand_in_any_order(write: Write) -> None:
    run(
        "import_products",
        write("yes,0.13,CNY,8999,device,笔记本电脑,NB-14", heading=",".join(HEADING.split(",")[::-1])),
    )

    assert imported() == {"NB-14"}


@pytest.mark.parametrize(("encoding", "named"), [("gb18030", "UTF-8"), ("utf-16", "UTF-16"), ("latin-1", "UTF-8")])
def test_another_charset_is_named(write: Write, encoding: str, named: str) -> None:
    row = GOOD if encoding != "latin-1" else GOOD.replace("笔记本电脑", "Gerät")
    message = refuse("import_products", write(row, encoding=encoding)).message

    assert named in message
    assert imported() == set()


@pytest.mark.parametrize("name", ["", "absent.csv"])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    message = refuse("import_products", tmp_path / name).message

    assert str(tmp_path) in message


def test_a_file_without_rows_imports_nothing(write: Write) -> None:
    run("import_products", write())

    assert imported() == set()


def test_a_named_account_acts_with_its_own_permissions(write: Write) -> None:
    run("import_products", write(GOOD), "--user", actor("closer").username)

    assert Product.history.get(sku="NB-14").history_user == actor("closer")
    refusal = refuse("import_products", write(GOOD), "--user", actor("salesperson").username)
    assert refusal.code == "kernel.forbidden"


def test_changing_needs_its_own_permission(write: Write) -> None:
    run("import_products", write(GOOD))
    adder = UserFactory()
    adder.user_permissions.add(Permission.objects.get(codename="add_product"))

    refusal = refuse("import_products", write(GOOD.replace("8999", "1")), "--user", adder.username)

    assert refusal.code == "kernel.forbidden"


def test_an_account_that_is_absent_or_inactive_is_named(write: Write) -> None:
    gone = UserFactory(is_active=False, role="closer")

    for name in (gone.username, "nobody"):
        message = refuse("import_products", write(GOOD), "--user", name).message
        assert name in message
