"""The page and the files of a report: who may open them, what they say when asked wrongly, what they hold."""

import csv
import json
import re
import zipfile
from io import BytesIO, StringIO
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from erp.kernel.models import User
from erp.reports import report as reports
from erp.reports.catalogue import REPORTS
from erp.reports.files import inert
from erp.reports.models import Right
from erp.reports.report import COST
from erp.site.roles import ROLES, expand
from finance.models import Voucher
from orders.models import Customer, Order
from orders.selectors import company_day
from orders.services.placing import CustomerDraft, place_order
from tests.database import reading_only
from tests.factories import CustomerFactory, OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide
from tests.orders.closings import close
from tests.orders.drafts import draft, line
from tests.site.clicking import page, sign_in
from tests.support import count_queries

pytestmark = pytest.mark.django_db

NAMES = sorted(REPORTS)


def address(name: str, kind: str = "", **asked: Any) -> str:
    url = reverse("admin:report_file", args=[name, kind]) if kind else reverse("admin:report", args=[name])
    return f"{url}?{urlencode(asked)}"


def ask(name: str) -> dict[str, Any]:
    """What the report needs to be asked."""
    return {"customer": f"#{Customer.objects.order_by('pk')[0].pk}"} if name == "statement" else {}


@pytest.fixture
def business() -> Order:
    order: Order = OrderFactory(reviewed=True)
    OrderFactory(shipped=True, shop=order.shop)
    close(order, actor("closer"))
    return order


def test_every_right_is_of_a_report_and_every_report_has_one() -> None:
    declared = {f"reports.{codename}" for codename, _name in Right._meta.permissions}

    assert declared == {permission for report in REPORTS.values() for permission in report.permissions} - {COST}
    assert len(declared) == len(REPORTS)


def test_roles_have_their_reports_and_the_auditor_all() -> None:
    known = [f"reports.{codename}" for codename, _name in Right._meta.permissions]
    have = {
        role: {code for code in expand(codes, known) if code.startswith("reports.")} for role, codes in ROLES.items()
    }

    assert have["审计员"] == set(known)
    assert have["财务"] == have["财务主管"] == set(known)
    assert have["出纳"] == {"reports.view_receipts"}
    assert have["仓管员"] == {"reports.view_on_hand", "reports.view_movements", "reports.view_execution"}
    assert have["系统管理员"] == set(known) - {"reports.view_margin"}
    assert have["外部商城"] == have["系统任务"] == set()
    assert {code for codes in ROLES.values() for code in codes if code.startswith("reports.")} <= set(known)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_report_answers_and_only_reads(name: str, language: str, business: Order, auditor: User) -> None:
    client = sign_in(auditor, language=language)

    with reading_only():
        response = client.get(address(name, **ask(name)))

    text = response.content.decode()
    assert response.status_code == 200
    assert response.context["rows"] or name == "overdue"
    assert 'class="quiet"' in text
    assert "<script>" not in text


@pytest.mark.parametrize("name", NAMES)
def test_without_the_right_it_is_forbidden_and_not_offered(name: str, business: Order) -> None:
    report = REPORTS[name]
    user = UserFactory(role="cashier")
    user.groups.clear()
    client = sign_in(user)

    assert client.get(address(name)).status_code == 403
    assert client.get(address(name, "csv")).status_code == 403
    assert address(name).rstrip("?") not in client.get("/admin/").content.decode()
    for permission in report.permissions:
        label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    assert client.get(address(name, **ask(name))).status_code == 200
    assert f'href="{address(name).rstrip("?")}"' in client.get("/admin/").content.decode()


def test_margin_needs_the_right_to_see_cost_beside_its_own(salesperson: User) -> None:
    salesperson.user_permissions.add(Permission.objects.get(codename="view_margin"))

    assert sign_in(salesperson).get(address("margin")).status_code == 403


def test_what_is_not_there_is_not_found(auditor: User) -> None:
    client = sign_in(auditor)

    assert client.get("/admin/reports/everything/").status_code == 404
    assert client.get(address("sales", "pdf")).status_code == 404
    assert client.post(address("sales")).status_code == 405


def test_whoever_is_not_signed_in_is_asked_to() -> None:
    assert Client().get(address("sales")).status_code == 302


@pytest.mark.parametrize("name", NAMES)
def test_the_list_of_reports_leads_to_each(name: str, auditor: User) -> None:
    assert f'href="{address(name).rstrip("?")}"' in sign_in(auditor).get("/admin/reports/").content.decode()


WRONG = [
    {"since": "2026-13-40"},
    {"since": "yesterday"},
    {"since": ""},
    {"since": "0001-01-01"},
    {"since": "9999-12-31"},
    {"since": "2026-02-01", "until": "2026-01-01"},
    {"shop": "0"},
    {"shop": "x"},
    {"shop": "9" * 30},
    {"shop": "\0"},
    {"currency": "XXX"},
    {"currency": ""},
    {"by": "weather"},
    {"by": "\0"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_filters_are_said_beside_their_field(wrong: dict[str, str], business: Order, auditor: User) -> None:
    client = sign_in(auditor)

    response = client.get(address("sales", **wrong))

    assert response.status_code == 400
    assert set(response.context["form"].errors) <= set(wrong)
    assert response.context["form"].errors
    assert "answer" not in response.context
    assert client.get(address("sales", "xlsx", **wrong)).status_code == 400


TYPED = ["\0", "9" * 40, "'; DROP TABLE x", "<script>", "-1", "１２", "%ff"]


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_typed_gets_an_answer(name: str, business: Order, auditor: User) -> None:
    client = sign_in(auditor)
    for field in REPORTS[name].form.base_fields:
        for value in TYPED:
            response = client.get(address(name, **{**ask(name), field: value}))

            assert response.status_code in (200, 400), (field, value)
            assert "<script>" not in response.content.decode()


def test_a_statement_asks_for_its_customer_first(business: Order, auditor: User) -> None:
    client = sign_in(auditor)

    first, nobody = client.get(address("statement")), client.get(address("statement", customer="nobody"))

    assert first.status_code == 200
    assert "Fill in what is asked for" in first.content.decode()
    assert "errorlist" not in first.content.decode()
    assert nobody.status_code == 400
    assert "No customer in your scope" in nobody.content.decode()


def test_a_customer_is_found_by_code_name_and_beginning(business: Order, auditor: User) -> None:
    client = sign_in(auditor)
    first, second = CustomerFactory(code="C-1", name="北京云杉"), CustomerFactory(code="C-2", name="北京云松")

    def chosen(typed: str) -> Any:
        response = client.get(address("statement", customer=typed))
        return response.context.get("chosen") or response.content.decode()

    assert chosen("C-1") == chosen("北京云杉") == chosen("北京云杉") == chosen(f"#{first.pk}") == first
    assert chosen("北京云松") == second
    assert "北京云杉 (C-1), 北京云松 (C-2)" in chosen("北京")
    assert "No customer" in chosen(f"#{10**30}")


def test_whoever_has_no_shop_is_told_so() -> None:
    reader = UserFactory(role="salesperson", shops=[])

    response = sign_in(reader).get(address("sales"))

    assert response.status_code == 400
    assert "No shop or warehouse is in your scope" in response.content.decode()


def test_a_month_without_business_says_so(business: Order, auditor: User) -> None:
    response = sign_in(auditor).get(address("sales", since="2020-01-01", until="2020-01-31"))

    assert response.status_code == 200
    assert "Nothing in this period" in response.content.decode()


def test_this_month_is_the_default(business: Order, auditor: User) -> None:
    form = sign_in(auditor).get(address("sales")).context["form"]

    today = company_day(timezone.now())
    assert (form.cleaned_data["since"], form.cleaned_data["until"]) == (today.replace(day=1), today)


def test_rows_lead_to_what_their_reader_may_open(business: Order) -> None:
    reader = UserFactory(role="accountant")
    client = sign_in(reader)
    voucher = Voucher.objects.filter(order=business).order_by("number")[0]

    text = client.get(address("vouchers")).content.decode()
    assert page(voucher) in text
    assert page(business) in text
    owner = f"customer=%23{business.customer_id}"
    assert owner in client.get(address("sales", by="customer")).content.decode()
    for codename in ("view_voucher", "view_order", "view_statement"):
        reader.groups.get().permissions.remove(*Permission.objects.filter(codename=codename))
    text = client.get(address("vouchers")).content.decode()
    assert str(voucher) in text
    assert page(voucher) not in text
    assert page(business) not in text
    assert owner not in client.get(address("sales", by="customer")).content.decode()


def test_a_shop_out_of_scope_is_no_choice(business: Order) -> None:
    mine = ShopFactory(currency=business.currency)
    reader = UserFactory(role="salesperson", shops=[mine])
    client = sign_in(reader)

    for name in ("sales", "ageing", "execution", "closed-orders"):
        assert client.get(address(name, shop=business.shop_id)).status_code == 400
        assert business.number not in client.get(address(name)).content.decode()
    assert client.get(address("statement", customer=f"#{business.customer_id}")).status_code == 400


def test_a_chart_is_drawn_from_the_rows_of_the_table(business: Order, auditor: User) -> None:
    response = sign_in(auditor).get(address("sales", by="shop"))

    text = response.content.decode()
    drawn = re.search(r'data-type="bar" data-value="([^"]*)"', text)
    assert drawn
    data = json.loads(drawn.group(1).replace("&quot;", '"'))
    assert data["labels"] == [row[0].text for row in response.context["rows"]]
    assert [f"{value:,.2f}" for value in data["datasets"][0]["data"]] == [
        row[3].text for row in response.context["rows"]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_queries_does_not_grow_with_the_rows(name: str, auditor: User) -> None:
    shop = ShopFactory()

    def queries() -> int:
        with count_queries() as statements:
            response = client.get(address(name, **ask(name)))
        assert response.status_code == 200
        return len(statements)

    client = sign_in(auditor)
    OrderFactory.create_batch(2, shop=shop, shipped=True)
    queries()
    few = queries()
    OrderFactory.create_batch(6, shop=shop, shipped=True, line_count=3)

    assert queries() == few <= 16


# Files


def rows_of(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(StringIO(content.decode("utf-8-sig"))))


NAMESPACE = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def cells_of(content: bytes) -> list[list[tuple[str, str]]]:
    """(type, text) of every cell."""
    with zipfile.ZipFile(BytesIO(content)) as file:
        assert file.testzip() is None
        for part in file.namelist():
            ElementTree.fromstring(file.read(part))
        sheet = ElementTree.fromstring(file.read("xl/worksheets/sheet1.xml"))
    assert sheet.findall(".//m:f", NAMESPACE) == []
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.findall("m:c", NAMESPACE)]
        for row in sheet.findall("m:sheetData/m:row", NAMESPACE)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_both_files_hold_the_rows_and_what_has_to_be_known_of_them(name: str, business: Order, auditor: User) -> None:
    client = sign_in(auditor)
    shown = client.get(address(name, **ask(name))).context

    listed = rows_of(client.get(address(name, "csv", **ask(name))).content)
    cells = cells_of(client.get(address(name, "xlsx", **ask(name))).content)

    rows = shown["rows"]
    with override("en"):
        head, title = [str(column.label) for column in shown["columns"]], str(REPORTS[name].title)
    assert listed[0] == [text for _type, text in cells[0]] == head
    assert len(listed) == len(cells)
    for no, row in enumerate(rows, start=1):
        texts = [i for i, column in enumerate(shown["columns"]) if not column.is_number]
        assert [listed[no][i] for i in texts if row[i].url] == [row[i].text for i in texts if row[i].url]
    total = listed[len(rows) + 1]
    assert bool(shown["totals"]) == bool(total and total[0] == "Total")
    assert [title] in listed
    assert any("Data as of" in "".join(row) for row in listed)


def test_amounts_are_numbers_in_a_file(business: Order, auditor: User) -> None:
    client = sign_in(auditor)

    listed = rows_of(client.get(address("sales", "csv", by="shop")).content)
    cells = cells_of(client.get(address("sales", "xlsx", by="shop")).content)

    assert re.fullmatch(r"\d+\.\d\d", listed[1][3])
    assert cells[1][3] == ("n", listed[1][3])


EVIL = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", " =1", '"=1', "'=1", "\t=1"]


@pytest.mark.parametrize("name", EVIL)
def test_what_people_typed_is_never_a_formula(name: str) -> None:
    assert inert(name).startswith("'")
    assert inert("\0=1").startswith("'")
    assert inert("王芳 a=b") == "王芳 a=b"


def test_a_customer_with_a_formula_for_a_name_is_harmless_in_both_files(auditor: User) -> None:
    name = '=HYPERLINK("http://evil")'
    product = ProductFactory()
    place_order(
        draft(ShopFactory(), line(product), customer=CustomerDraft(name)), decision=decide(actor("salesperson"))
    )
    client = sign_in(auditor)

    listed = rows_of(client.get(address("execution", "csv")).content)
    cells = cells_of(client.get(address("execution", "xlsx")).content)

    assert listed[1][2] == f"'{name}"
    assert cells[1][2] == ("inlineStr", name)


def test_more_rows_than_a_report_reads_are_said_and_never_added_up(
    business: Order, auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "LIMIT", 3)
    client = sign_in(auditor)

    response = client.get(address("vouchers"))
    listed = rows_of(client.get(address("vouchers", "csv")).content)

    assert (len(response.context["rows"]), response.context["totals"]) == (3, ())
    assert "and no report reads more" in response.content.decode()
    assert len(listed[1 : listed.index([])]) == 3
    assert any("Only the first" in row[0] for row in listed if row)
