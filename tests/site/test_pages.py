"""The order page, what only some may see, and pages for when something is not to be had."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils.translation import override

from erp.kernel.models import User
from finance.models import Voucher
from inventory.models import Move, Receipt, StockLevel
from logistics.models import Shipment
from orders.contract import Block
from orders.models import ClosingRecord, Status
from orders.services import reviewing
from orders.words import KEYS
from tests.factories import OrderFactory, UserFactory
from tests.factories.people import PASSWORD
from tests.orders.closings import close, waive, without_tracking
from tests.orders.reopenings import reopen
from tests.site.clicking import act_url, changelist, page, sign_in

pytestmark = pytest.mark.django_db


def text_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


def test_an_order_page_says_where_the_order_is_what_stops_it_and_whose_turn_it_is(auditor: User) -> None:
    order = OrderFactory(completed=True, paid=100, shipping_fee=12)

    response = sign_in(auditor).get(page(order))
    text = response.content.decode()

    for part in (order.number, "王芳", "411.96 CNY", "Completed", "All shipped", "Partially paid"):
        assert part in text
    assert "payable 411.96 CNY, received 100.00 CNY, written off 0.00 CNY, still owed 311.96 CNY" in text
    assert "→ Cashier, then finance" in text
    transaction, review, _besides = response.context["checklist"]
    blocks = (Block.GOODS, Block.MONEY, Block.RETURNS, Block.REFUNDS, Block.STOCK)
    assert [row.label for row in transaction.rows] == [block.label for block in blocks]
    assert [row.is_blocked for row in transaction.rows] == [False, True, False, False, False]
    assert [(row.label, row.is_blocked) for row in review.rows] == [(each.label, True) for each in reviewing.blocks()]
    assert [step.is_current for step in response.context["steps"]] == [False, False, False, True, False]


def test_the_checklist_is_there_from_the_first_day(salesperson: User) -> None:
    order = OrderFactory()

    text = text_of(sign_in(salesperson), page(order))

    assert "Closing checklist" in text
    assert "shipped 0 pcs of 4 pcs" in text


def test_a_closed_order_shows_its_record_instead_of_a_checklist(closer: User) -> None:
    order = OrderFactory(closed=True)

    text = text_of(sign_in(closer), page(order))

    assert "Closing checklist" not in text
    assert ClosingRecord.objects.get().number in text
    assert re.findall(r"/admin/acts/([a-z_-]+)/", text) == ["reopen"]
    assert act_url("reopen", order) in text


def test_the_timeline_tells_who_did_what(auditor: User) -> None:
    order = OrderFactory(closed=True)
    shipment = Shipment.objects.get()

    entries = sign_in(auditor).get(page(order)).context["timeline"]

    told = [(entry.what, entry.document) for entry in entries]
    assert ("Packed → Dispatched", shipment.number) in told
    assert ("Completed → Closed", order.number) in told
    assert next(entry.why for entry in entries if entry.what == "Completed → Closed") == "CL01"
    assert told.index(("Completed → Closed", order.number)) < told.index(("New → Processing", order.number))


def test_a_warning_and_what_was_waived_are_told_apart_in_words(closer: User) -> None:
    order = without_tracking()
    client = sign_in(closer, language="zh-hans")

    warned = client.get(page(order)).content.decode()
    waiver = waive(order, "logistics.tracking_missing")
    waived = client.get(page(order)).content.decode()
    close(order, closer)

    assert '<li class="finding warning">' in warned
    assert '<span class="word">警告:</span>' in warned
    assert '<li class="finding waived">' in waived
    assert '<span class="word">已豁免:</span>' in waived
    assert page(waiver) in waived
    assert waiver.why in client.get(page(waiver)).content.decode()
    assert "! 已豁免" in client.get(page(ClosingRecord.objects.get())).content.decode()


def test_a_reopened_order_shows_both_records_and_is_no_longer_closed(auditor: User) -> None:
    order = OrderFactory(closed=True)
    reopen(order)
    client = sign_in(auditor)

    shown = client.get(page(order))

    text = shown.content.decode()
    assert [(step.label, step.entry is not None) for step in shown.context["steps"]][-2:] == [
        (Status.COMPLETED.label, True),
        (Status.CLOSED.label, False),
    ]
    assert "Record of the reopening written" in text
    closing, reopening = ClosingRecord.objects.order_by("position")
    assert closing.number in text
    assert reopening.number in text
    for record, sentence in ((closing, "Nothing is overpaid."), (reopening, "did not close this order.")):
        assert sentence in client.get(page(record)).content.decode()
    assert "Undoes" in client.get(page(reopening)).content.decode()


def test_each_role_sees_its_part_of_the_page(cashier: User) -> None:
    order = OrderFactory(shipped=True, paid=True)

    context = sign_in(cashier).get(page(order)).context

    assert context["payments"]
    for hidden in ("shipments", "vouchers", "moves", "reserved", "waiting", "reviews", "waivers", "records"):
        assert context[hidden] is None


def pages_with_cost(order: Any) -> list[str]:
    receipt = Receipt.objects.first()
    dispatch = Voucher.objects.get(purpose="dispatch")
    shipment = Shipment.objects.get(order=order)
    assert receipt
    return [
        page(order),
        page(receipt),
        page(dispatch),
        page(shipment),
        page(ClosingRecord.objects.get()),
        changelist(Move),
        changelist(StockLevel),
        changelist(Voucher),
        "/admin/finance/voucherline/",
        "/admin/inventory/receiptline/",
        "/admin/logistics/shipmentline/",
        page(Move.objects.filter(kind="receipt").first()),
    ]


def test_cost_and_margin_are_for_those_who_may_see_cost(auditor: User) -> None:
    order = OrderFactory(closed=True, line_count=1)
    curious = UserFactory()
    curious.user_permissions.add(
        *Permission.objects.filter(codename__startswith="view_").exclude(codename="view_cost")
    )
    may, may_not = sign_in(auditor), sign_in(curious)
    with override("en"):
        figures = ("50.00 CNY", "100.00 CNY", *(f">{KEYS[key]}<" for key in ("cost", "margin")))
    told = set()

    for address in pages_with_cost(order):
        open_text, kept = text_of(may, address), text_of(may_not, address)
        told |= {figure for figure in figures if figure in open_text}
        assert not [figure for figure in figures if figure in kept], address

    assert told == set(figures)


def test_whoever_has_no_role_is_told_whom_to_ask() -> None:
    nobody = UserFactory(is_staff=False)

    text = text_of(sign_in(nobody), "/admin/")

    assert "has no role" in text
    assert "system administrator" in text


def test_the_first_page_leads_to_the_lists_of_one_s_role(cashier: User) -> None:
    text = text_of(sign_in(cashier), "/admin/")

    assert changelist(Voucher) not in text
    assert "/admin/finance/payment/" in text
    assert act_url("place-order") not in text


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_everybody_works_in_their_own_language(language: str) -> None:
    client = sign_in(UserFactory(role="closer"), language=language)

    response = client.get("/admin/", headers={"accept-language": "en" if language == "zh-hans" else "zh-hans"})

    assert f'<html lang="{language}"' in response.content.decode()


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", r"\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(target: str) -> None:
    user = UserFactory()

    response = Client().post("/admin/login/", {"username": user.username, "password": PASSWORD, "next": target})

    assert response["Location"] == "/admin/"


def test_signing_in_leads_back_to_where_one_was() -> None:
    user, order = UserFactory(role="auditor"), OrderFactory()

    response = Client().post(
        f"/admin/login/?next={page(order)}", {"username": user.username, "password": PASSWORD, "next": page(order)}
    )

    assert response["Location"] == page(order)


def test_leaving_a_page_is_not_called_closing(auditor: User) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(packed=True))
    client = sign_in(auditor)
    version = shipment.history.latest("history_id").history_id

    for address in (page(shipment), f"{page(shipment, 'history')}{version}/"):
        text = text_of(client, address)
        assert "Back" in text
        assert "Close" not in re.sub("Closed|Closing", "", text)


def test_a_missing_page_says_what_to_do() -> None:
    response = sign_in(UserFactory()).get("/admin/acts/close/1/")

    assert response.status_code == 404
    assert "Check the number" in response.content.decode()


def test_a_fault_tells_nothing_of_the_inside(monkeypatch: pytest.MonkeyPatch, closer: User) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("erp.site.orderpage.context", fail)
    client = sign_in(closer)
    client.raise_request_exception = False

    response = client.get(page(OrderFactory()))

    assert response.status_code == 500
    assert "secret inside" not in response.content.decode()
    assert "</html>" in response.content.decode()
