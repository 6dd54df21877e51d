"""Papers: who may print what, what stands on them, and that text and QR code can be read back from the PDF."""

import io
from typing import Any

import pypdf
import pypdfium2
import pytest
import zxingcpp
from django.contrib.auth.models import Permission
from django.urls import reverse

from erp.kernel.acting import acting
from erp.kernel.models import User
from erp.printing import papers, pdf
from erp.printing.models import PrintHeader
from finance.models import Payment, Refund
from inventory.models import Warehouse
from logistics.models import Shipment
from logistics.services import drafting
from orders.models import ClosingRecord, Order
from tests.database import reading_only, unchanged
from tests.factories import OrderFactory, UserFactory, actor, decide
from tests.orders.reopenings import reopen
from tests.site.clicking import changelist, page, sign_in
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def url(name: str, *documents: Any) -> str:
    return papers.all_papers()[name].url(*documents)


def text_of(client: Any, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return str(response.content.decode())


@pytest.fixture
def closed() -> Order:
    order: Order = OrderFactory(closed=True, shipping_address={"city": "杭州市", "line1": "文一路 1 号"})
    return order


def document_of(paper: papers.Paper, order: Order) -> Any:
    if paper.model is Refund:
        return Refund.objects.get(order=OrderFactory(paid=5000, shop=order.shop))
    return paper.model._default_manager.get(order=order)


def drafts(count: int, **story: Any) -> list[Shipment]:
    """Shipments of several orders, nothing of them packed yet."""
    orders = [OrderFactory(processing=True, **story) for _ in range(count)]
    return list(drafting.draft_shipments([order.pk for order in orders], decision=decide(actor("keeper"))))


@pytest.mark.parametrize("name", list(papers.all_papers()))
def test_every_paper_carries_its_number_and_the_head_and_only_reads(name: str, closed: Order, auditor: User) -> None:
    paper = papers.all_papers()[name]
    document = document_of(paper, closed)
    with acting(decide(actor("closer"))):
        PrintHeader.objects.create(company="云杉科技有限公司", phone="0571-1234")
    client = sign_in(auditor)

    with unchanged():
        text = text_of(client, paper.url(document))

    assert f'aria-label="{document.number}"' in text
    assert "云杉科技有限公司" in text
    assert client.post(paper.url(document)).status_code == 405


@pytest.mark.parametrize("name", list(papers.all_papers()))
def test_a_paper_is_not_found_out_of_scope_and_forbidden_without_the_right(name: str, closed: Order) -> None:
    paper = papers.all_papers()[name]
    document = document_of(paper, closed)
    rights = Permission.objects.filter(codename__startswith="view_")
    stranger, without = UserFactory(), UserFactory(shops=[closed.shop], warehouses=list(Warehouse.objects.all()))
    stranger.user_permissions.set(rights)
    last = paper.permissions[-1].split(".")[1]
    without.user_permissions.set(rights.exclude(codename=last))

    for address in (paper.url(document), f"{paper.url(document)}pdf/"):
        assert sign_in(stranger).get(address).status_code == 404
        assert sign_in(without).get(address).status_code == 403


@pytest.mark.parametrize("keys", ["0", "1,x", "１", "9" * 19, "1,2", "-1"])
def test_what_is_no_document_is_not_found(keys: str, closed: Order, auditor: User) -> None:
    assert sign_in(auditor).get(reverse("admin:print", args=["shipment", keys])).status_code == 404
    assert sign_in(auditor).get(reverse("admin:print", args=["nothing", "1"])).status_code == 404


def test_only_the_delivery_note_names_the_address(closed: Order, auditor: User) -> None:
    client, shipment = sign_in(auditor), Shipment.objects.get(order=closed)

    assert "文一路 1 号" in text_of(client, url("shipment", shipment))
    others = [("packing-list", shipment), ("payment", Payment.objects.get(order=closed))]
    for name, document in [*others, ("closing-record", ClosingRecord.objects.get())]:
        assert "文一路" not in text_of(client, url(name, document))
    assert closed.customer_name not in text_of(client, url("closing-record", ClosingRecord.objects.get()))


def test_a_pick_list_adds_up_by_warehouse_and_sku_and_says_where_goods_go(keeper: User) -> None:
    first, second = drafts(2)
    line = first.lines.all()[0].line

    response = sign_in(keeper).get(url("pick-list", first, second))
    text = response.content.decode()

    assert [shipment.order.number in text for shipment in (first, second)] == [True, True]
    assert line.sku in text
    assert text.count("<svg") == 2
    done = Shipment.objects.get(order=OrderFactory(shipped=True))
    assert f"{done.number} is Dispatched: nothing is picked" in text_of(sign_in(keeper), url("pick-list", done))


def test_the_pick_list_of_chosen_shipments_is_opened_from_their_list(auditor: User) -> None:
    shipments = drafts(2)
    data = {"action": "pick_list", "_selected_action": [shipment.pk for shipment in shipments]}

    response = sign_in(auditor).post(changelist(Shipment), data)

    assert response["Location"] == url("pick-list", *shipments)


def test_a_pick_list_asks_the_same_queries_for_every_size(keeper: User) -> None:
    def queries(shipments: list[Shipment]) -> int:
        with count_queries() as statements, reading_only():
            assert client.get(url("pick-list", *shipments)).status_code == 200
        return len(statements)

    client = sign_in(keeper)
    few, many = drafts(2), drafts(8)
    queries(few)

    assert queries(few) == queries(many)


def test_papers_are_offered_on_pages_to_those_who_may_print_them(closed: Order, auditor: User) -> None:
    shipment, record = Shipment.objects.get(order=closed), ClosingRecord.objects.get()
    text = text_of(sign_in(auditor), page(closed))

    assert url("shipment", shipment) in text
    assert url("payment", Payment.objects.get(order=closed)) in text
    assert url("closing-record", record) in text
    assert url("packing-list", shipment) in text_of(sign_in(auditor), page(shipment))
    assert url("pick-list", shipment) not in text
    assert url("shipment", shipment) not in text_of(sign_in(UserFactory(role="cashier")), page(closed))


def test_cost_stands_on_a_record_only_for_those_who_may_see_it(closed: Order, closer: User, accountant: User) -> None:
    for address in (url("closing-record", ClosingRecord.objects.get()), page(ClosingRecord.objects.get())):
        assert ">Margin<" in text_of(sign_in(accountant), address)
        assert ">Margin<" not in text_of(sign_in(closer), address)


def test_a_record_proves_itself_on_its_page(closed: Order, auditor: User) -> None:
    record = ClosingRecord.objects.get()
    text = text_of(sign_in(auditor), page(record))

    for part in ("Unchanged", closed.number, "Payment confirmed", "Nothing is overpaid.", record.digest):
        assert part in text
    assert page(Shipment.objects.get(order=closed)) in text
    reopen(closed)
    assert "CR-000001 · " in text_of(sign_in(auditor), page(ClosingRecord.objects.get(position=2)))


@pytest.mark.parametrize(
    ("column", "value"),
    [("content", "{}"), ("content", "no longer JSON"), ("digest", "0" * 64), ("previous_digest", "1" * 64)],
)
def test_a_record_that_was_changed_says_so(
    column: str, value: str, closed: Order, auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from_db would read it after somebody got past the triggers."""
    record = ClosingRecord.objects.get()
    read = ClosingRecord.from_db.__func__  # type: ignore[attr-defined]

    def tampered(cls: Any, *args: Any) -> Any:
        row = read(cls, *args)
        setattr(row, column, value)
        return row

    monkeypatch.setattr(ClosingRecord, "from_db", classmethod(tampered))

    text = text_of(sign_in(auditor), page(record))

    assert "This record is not as it was written." in text
    assert "Unchanged" not in text


@pytest.mark.parametrize("name", list(papers.all_papers()))
def test_text_and_code_are_read_back_from_the_pdf(name: str, closed: Order, auditor: User) -> None:
    paper = papers.all_papers()[name]
    document = document_of(paper, closed)

    response = sign_in(auditor, language="zh-hans").get(f"{paper.url(document)}pdf/")

    assert response["Content-Type"] == "application/pdf"
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(response.content)).pages)
    assert document.number in text
    assert {"shipment": "发货单", "closing-record": "结案单"}.get(name, "单") in text
    picture = pypdfium2.PdfDocument(response.content)[0].render(scale=3).to_pil()
    assert document.number in [code.text for code in zxingcpp.read_barcodes(picture)]


def test_without_its_packages_the_page_says_what_is_missing(
    closed: Order, auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "lacking", lambda: "libpango-1.0-0")
    address = url("shipment", Shipment.objects.get(order=closed))
    client = sign_in(auditor)

    assert "libpango-1.0-0 is missing" in text_of(client, address)
    assert client.get(f"{address}pdf/").status_code == 501
    with pytest.raises(pdf.PdfLacks):
        pdf.render("")


def test_the_head_is_one_row_the_administrator_keeps(closer: User, accountant: User) -> None:
    client = sign_in(closer)
    add = "/admin/printing/printheader/add/"

    made = client.post(add, {"company": "甲公司", "address": "", "phone": ""})
    header = PrintHeader.objects.get()
    client.post(page(header), {"company": "乙公司", "address": "", "phone": ""})

    assert made.status_code == 302
    assert [row.company for row in header.history.order_by("history_id")] == ["甲公司", "乙公司"]
    assert client.post(add, {"company": "丙公司"}).status_code == 403
    assert sign_in(accountant).get(page(header)).status_code == 403
