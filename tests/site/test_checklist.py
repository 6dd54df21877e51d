"""The checklist: one row per block, and what mends a finding for those who may."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.models import User
from finance.services import payments
from finance.services.payments import PaymentDraft
from orders.contract import Block
from tests.factories import OrderFactory, actor, decide
from tests.site.clicking import act_url, page, sign_in

pytestmark = pytest.mark.django_db
MONEY = str(Block.MONEY.label)


def rows(user: User, order: Any) -> dict[str, Any]:
    parts = sign_in(user).get(page(order)).context["checklist"]
    return {str(row.label): row for part in parts for row in part.rows}


def remedies(row: Any) -> list[tuple[str, Any]]:
    return [(remedy.act.name, remedy.subject) for entry in row.entries for remedy in entry.remedies]


def test_money_that_is_missing_is_reported_or_given_up_by_those_who_may(
    cashier: User, accountant: User, auditor: User
) -> None:
    order = OrderFactory(completed=True, paid=100)

    assert remedies(rows(cashier, order)[MONEY]) == [("report-payment", order)]
    assert remedies(rows(accountant, order)[MONEY]) == [("request-write-off", order)]
    assert remedies(rows(auditor, order)[MONEY]) == []


def test_a_document_that_stands_in_the_way_is_decided_from_the_checklist(accountant: User) -> None:
    order = OrderFactory(completed=True, paid=100)
    draft = PaymentDraft(order.pk, "bank", "R-1", Decimal(10))
    payment = payments.report_payment(draft, decision=decide(actor("cashier")))

    row = rows(accountant, order)[MONEY]
    text = sign_in(accountant).get(page(order)).content.decode()

    assert [name for name, subject in remedies(row) if subject == payment] == ["confirm-payment", "reject-payment"]
    assert act_url("confirm-payment", payment) in text


def test_what_passed_is_folded_away_behind_the_figures(auditor: User) -> None:
    order = OrderFactory(reviewed=True)

    found = rows(auditor, order)

    assert not any(row.is_blocked for row in found.values())
    (entry,) = found[MONEY].entries
    assert str(entry.finding.params["owed"]) == "0.00 CNY"
    assert {finding.code for finding in found[MONEY].folded} >= {"finance.payment_unconfirmed"}


def test_the_page_of_an_act_shows_the_same_rows(closer: User) -> None:
    order = OrderFactory(completed=True, paid=100)

    response = sign_in(closer).get(act_url("close", order))

    on_page = rows(closer, order)
    in_dialog = {str(row.label): row.is_blocked for part in response.context["checklist"] for row in part.rows}
    assert in_dialog == {label: row.is_blocked for label, row in on_page.items()}


def test_nobody_is_led_to_report_the_same_money_twice(cashier: User) -> None:
    order = OrderFactory(delivered=True, reported=True)
    client = sign_in(cashier)

    context = client.get(page(order)).context

    assert "report-payment" not in [act.name for act in context["acts"]]
    assert "report-payment" in [act.name for act in context["more_acts"]]
