"""Bringing in a bank statement: looked at first, taken over by the second click, once."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from erp.kernel.models import User
from finance.models import Payment, PaymentState, Statement
from finance.services import payments
from finance.services.payments import PaymentDraft
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, actor, decide
from tests.finance.statements import csv_of, take
from tests.site.clicking import confirm, goes_to, page, sign_in, the

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]

NEW = "/admin/statements/"


@pytest.fixture(autouse=True)
def _shop(db: None) -> None:
    ShopFactory()


def upload(client: Client, content: bytes, *, name: str = "jan.csv", method: str = "bank", **kwargs: Any) -> Any:
    file = SimpleUploadedFile(name, content)
    return client.post(NEW, {"file": file, "method": method, "currency": "CNY"}, **kwargs)


def press(client: Client, shown: Any, use: str) -> Any:
    return client.post(NEW, {"read": shown.context["read"], "seen": shown.context["seen"], "use": use})


def reported(order: Any, amount: Any, reference: str) -> Payment:
    draft = PaymentDraft(order.pk, "bank", reference, Decimal(amount))
    return payments.report_payment(draft, decision=decide(actor("cashier")))


def test_everything_is_shown_before_anything_is_written(accountant: User) -> None:
    orders = OrderFactory.create_batch(3)
    payment, other = reported(orders[0], 60, "A"), reported(orders[1], 60, "B")
    client = sign_in(accountant)
    content = csv_of([(60, "A"), ("59.50", "B"), (7, "C"), (5, orders[2].number)])

    with unchanged():
        shown = upload(client, content)

    text = shown.content.decode()
    for part in (
        "Amount differs · 1",
        "Unknown · 1",
        "To be confirmed · 1",
        "To be reported · 1",
        "Nothing is written",
    ):
        assert part in text
    assert "59.50 CNY" in text
    assert page(payment) in text
    assert page(other) in text
    assert [use for use, _label in shown.context["uses"]] == ["keep", "confirm"]

    done = press(client, shown, "confirm")

    assert goes_to(done, the(Statement))
    told = client.get(done["Location"]).content.decode()
    assert "1 payment is confirmed. Of 4 lines 4 were new" in told
    assert Payment.objects.get(pk=payment.pk).status == PaymentState.CONFIRMED

    with unchanged():
        again = upload(client, content)
        sent = press(client, shown, "confirm")
    assert "Nothing in this file is new" in again.content.decode()
    assert again.context["uses"] == []
    assert goes_to(sent, the(Statement))


def test_the_cashier_reports_and_finance_confirms_on_the_statements_page(cashier: User, accountant: User) -> None:
    order = OrderFactory()
    client = sign_in(cashier)
    shown = upload(client, csv_of([(60, order.number)]))
    assert [use for use, _label in shown.context["uses"]] == ["keep", "report"]

    press(client, shown, "report")

    statement = the(Statement)
    text = client.get(page(statement)).content.decode()
    assert "You reported it, so somebody else of finance confirms it." in text
    assert "confirm-statement" not in text
    assert "report-statement" not in text
    response = confirm(sign_in(accountant), "confirm-statement", statement)
    assert goes_to(response, statement)
    assert the(Payment).status == PaymentState.CONFIRMED


def test_the_cashier_reports_later_what_a_kept_statement_names(cashier: User) -> None:
    order = OrderFactory()
    statement = take([(60, order.number)]).statement

    assert goes_to(confirm(sign_in(cashier), "report-statement", statement), statement)

    assert the(Payment).reported_by == cashier


def test_a_payment_decided_meanwhile_is_shown_again(accountant: User) -> None:
    payment = reported(OrderFactory(), 60, "A")
    client = sign_in(accountant)
    shown = upload(client, csv_of([(60, "A")]))
    payments.confirm_payment(payment.pk, decision=decide(actor("accountant")))

    with unchanged():
        response = press(client, shown, "confirm")

    assert response.status_code == 409
    assert "confirmed meanwhile" in response.content.decode()
    assert "Confirmed already · 1" in response.content.decode()


def test_a_bad_file_is_told_line_by_line_and_keeps_the_page(accountant: User) -> None:
    response = upload(sign_in(accountant), b"date,amount,reference,counterparty\nx,1,r,c\n2026-01-05,y,r,c\n")

    assert response.status_code == 400
    assert [re.match(r"Line \d", problem)[0] for problem in response.context["problems"]] == ["Line 2", "Line 3"]  # type: ignore[index]


def test_what_the_page_kept_cannot_be_changed(accountant: User) -> None:
    client = sign_in(accountant)
    shown = upload(client, csv_of([(60, "A")]))

    with unchanged():
        response = client.post(NEW, {"read": shown.context["read"] + "x", "use": "confirm"})

    assert response.status_code == 400


def test_ten_thousand_lines_fit_into_the_page(accountant: User) -> None:
    client = sign_in(accountant)
    shown = upload(
        client, csv_of([(no + 1, f"2026012322001412{no:08d} 货款 云杉贸易有限公司") for no in range(10_000)])
    )

    assert len(shown.context["read"]) < 1_000_000
    assert press(client, shown, "keep").status_code == 302
    assert the(Statement).lines.count() == 10_000


@pytest.mark.parametrize("role", ["keeper", "logistician", "salesperson", "auditor", "closer"])
def test_only_who_confirms_or_reports_brings_one_in(role: str) -> None:
    client = sign_in(actor(role))

    with unchanged():
        assert client.get(NEW).status_code == 403
        assert upload(client, csv_of([(60, "A")])).status_code == 403


def test_it_is_offered_where_statements_are_listed(cashier: User, auditor: User) -> None:
    assert f'href="{NEW}"' in sign_in(cashier).get("/admin/finance/statement/").content.decode()
    assert f'href="{NEW}"' not in sign_in(auditor).get("/admin/finance/statement/").content.decode()


def test_names_of_files_are_only_names(accountant: User) -> None:
    client = sign_in(accountant)

    press(client, upload(client, csv_of([(60, "A")]), name="<script>x</script>.csv"), "keep")

    assert "<script>x" not in client.get(page(the(Statement))).content.decode()
