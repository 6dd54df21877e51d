"""Every report of money adds up to the ledger, whatever happened to the orders."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Sum
from django.utils.translation import override

from finance.models import OrderBalance, VoucherLine
from tests.factories import UserFactory
from tests.reports.business import CUTS, FROM, TO, Company, answer, booked, totals

pytestmark = pytest.mark.django_db

PERIODS = [(FROM, TO), (date(2026, 1, 1), date(2026, 1, 20)), (date(2026, 1, 21), date(2026, 2, 28))]
ALL_TIME = date(2000, 1, 1)


@pytest.fixture(autouse=True)
def _in_english() -> Any:
    with override("en"):
        yield


@pytest.mark.parametrize("by", ["day", "month", "shop", "customer", "product"])
@pytest.mark.parametrize(("since", "until"), PERIODS)
@pytest.mark.parametrize("currency", ["CNY", "USD"])
def test_sales_are_revenue_and_tax_of_the_ledger(
    company: Company, by: str, since: date, until: date, currency: str
) -> None:
    sums = totals(answer(company, "sales", currency=currency, by=by, since=since, until=until))

    span = {"currency": currency, "since": since, "until": until}
    revenue, tax = -booked("6001", **span), -booked("2221", **span)
    assert sums["Net revenue"] == revenue
    assert sums["Output VAT"] == tax
    assert sums["With tax"] == revenue + tax
    dispatched = -booked("6001", voucher__purpose="dispatch", **span)
    assert sums["Dispatched, without tax"] == dispatched
    assert sums["Taken back, without tax"] == dispatched - revenue


@pytest.mark.parametrize("by", ["day", "month", "shop", "customer", "product"])
@pytest.mark.parametrize(("since", "until"), PERIODS)
def test_margin_is_revenue_less_cost_of_the_ledger(company: Company, by: str, since: date, until: date) -> None:
    sums = totals(answer(company, "margin", by=by, since=since, until=until))

    revenue, cost = -booked("6001", since=since, until=until), booked("6401", since=since, until=until)
    assert (sums["Net revenue"], sums["Cost of sales"], sums["Gross margin"]) == (revenue, cost, revenue - cost)


def test_sales_of_one_shop_are_its_orders(company: Company) -> None:
    shop = company.shops[1]

    sums = totals(answer(company, "sales", shop=shop))

    assert sums["Net revenue"] == -booked("6001", voucher__order__shop=shop) != -booked("6001")


@pytest.mark.parametrize("by", ["customer", "order"])
@pytest.mark.parametrize("day", CUTS)
@pytest.mark.parametrize("currency", ["CNY", "USD"])
def test_ageing_is_the_balance_of_receivables_and_advances(
    company: Company, by: str, day: date, currency: str
) -> None:
    sums = totals(answer(company, "ageing", by=by, day=day, currency=currency))

    span = {"currency": currency, "since": ALL_TIME, "until": day}
    assert sums["Receivable (1122)"] == booked("1122", **span)
    assert sums["Advance (2203)"] == -booked("2203", **span)
    aged = sum(sums[name] for name in ("Not due", "1–30 days", "31–60 days", "61–90 days", "Over 90 days"))
    assert aged == sums["Owed"]
    assert sums["Owed"] - sums["Paid in advance"] == booked("1122", "2203", **span)


def test_an_order_is_aged_by_its_due_date(company: Company) -> None:
    order = company.orders["charged back"]
    assert order.due_date is not None

    for days, column in (
        (0, "Not due"),
        (1, "1–30 days"),
        (31, "31–60 days"),
        (61, "61–90 days"),
        (91, "Over 90 days"),
    ):
        day = order.due_date + timedelta(days=days)
        answered = answer(company, "ageing", by="order", day=day)
        (row,) = (row for row in answered.rows if str(row[0]) == order.number)
        names = [str(each.label) for each in answered.columns]
        assert row[names.index(column)] == row[names.index("Owed")] == 226


@pytest.mark.parametrize(("since", "until"), PERIODS)
@pytest.mark.parametrize("name", ["returned", "bad debt", "charged back", "reopened"])
def test_a_statement_goes_from_balance_to_balance(company: Company, name: str, since: date, until: date) -> None:
    customer = company.orders[name].customer

    answered = answer(company, "statement", customer=f"#{customer.pk}", since=since, until=until)

    owner = {"voucher__order__customer": customer}
    before = booked("1122", "2203", since=ALL_TIME, until=since - timedelta(days=1), **owner)
    after = booked("1122", "2203", since=ALL_TIME, until=until, **owner)
    sums = totals(answered)
    assert (answered.rows[0][-1], answered.rows[-1][-1]) == (before, after)
    assert before + sums["Charged"] - sums["Paid or credited"] == after


@pytest.mark.parametrize("by", ["method", "shop", "day"])
@pytest.mark.parametrize(("since", "until"), PERIODS)
def test_receipts_are_what_bank_and_wallets_gained(company: Company, by: str, since: date, until: date) -> None:
    sums = totals(answer(company, "receipts", by=by, since=since, until=until))

    span: dict[str, Any] = {"since": since, "until": until}
    cash = ("1002", "1012", "6603")
    assert sums["Net into bank and wallets"] == booked("1002", "1012", **span)
    assert sums["Fees kept"] == booked("6603", **span)
    assert sums["Received, gross"] == booked(*cash, voucher__purpose="payment", **span)
    for column, purpose in (("Voided", "void"), ("Charged back", "charge_back"), ("Refunds paid", "refund")):
        assert sums[column] == -booked(*cash, voucher__purpose=purpose, **span)


def test_every_method_has_its_refunds(company: Company) -> None:
    with override("en"):
        rows = {str(row[0]): row for row in answer(company, "receipts", by="method").rows}

    assert rows["Alipay"][1:5] == (369, 30, 0, 113)
    assert rows["Card"][1:5] == (226, 0, 226, 0)


@pytest.mark.parametrize(("since", "until"), PERIODS)
@pytest.mark.parametrize("currency", ["CNY", "USD"])
def test_the_trial_balance_balances_account_by_account(
    company: Company, since: date, until: date, currency: str
) -> None:
    answered = answer(company, "trial-balance", since=since, until=until, currency=currency)

    sums = totals(answered)
    for side in ("Opening", "Closing"):
        assert sums[f"{side} debit"] == sums[f"{side} credit"]
    assert sums["Debit"] == sums["Credit"]
    for row in answered.rows:
        code = row[0].split()[0]
        closing = booked(code, since=ALL_TIME, until=until, currency=currency)
        opening = booked(code, since=ALL_TIME, until=since - timedelta(days=1), currency=currency)
        assert (row[1] - row[2], row[5] - row[6]) == (opening, closing)
        assert row[3] - row[4] == closing - opening


def test_without_cost_its_accounts_are_missing(company: Company) -> None:
    for name, column in (("trial-balance", 0), ("vouchers", 5)):
        seen = {str(row[column])[:4] for row in answer(company, name, reader=company.clerk).rows}
        assert seen & {"1405", "2202", "6401", "6601", "6602"} == set()
        assert {"1122", "6001"} <= seen


def test_the_voucher_list_holds_every_line_once(company: Company) -> None:
    answered = answer(company, "vouchers")

    lines = VoucherLine.objects.filter(voucher__currency="CNY")
    assert len(answered.rows) == lines.count()
    wanted = lines.aggregate(debit=Sum("debit"), credit=Sum("credit"))
    assert totals(answered) == {"Debit": wanted["debit"], "Credit": wanted["credit"]}


def test_vouchers_are_chosen_by_purpose_and_account(company: Company) -> None:
    sums = totals(answer(company, "vouchers", purpose="refund", account="1012"))

    assert sums == {"Debit": 0, "Credit": Decimal(113)}


def test_the_business_has_met_everything(company: Company) -> None:
    """Or the proofs above would prove little."""
    purposes = set(VoucherLine.objects.values_list("voucher__purpose", flat=True))

    assert purposes == {
        *("payment", "void", "charge_back", "refund", "dispatch", "return", "allowance", "cancel", "write_off"),
        *("taken_back", "receipt", "stock_take", "settlement", "reversal"),
    }
    assert OrderBalance.objects.filter(receivable__gt=0).exists()
    assert OrderBalance.objects.filter(advance__gt=0).exists()


def test_a_reader_of_one_shop_sees_its_part_of_the_ledger(company: Company) -> None:
    shop = company.shops[0]
    reader = UserFactory(role="salesperson", shops=[shop])
    reader.user_permissions.add(Permission.objects.get(codename="view_cost"))
    own = {"voucher__order__shop": shop}

    def sums(name: str, **filters: Any) -> dict[str, Any]:
        return totals(answer(company, name, reader=reader, **filters))

    assert sums("sales")["Net revenue"] == -booked("6001", **own)
    assert sums("sales", by="product")["Net revenue"] == -booked("6001", **own)
    assert sums("margin", by="product")["Cost of sales"] == booked("6401", **own)
    assert sums("receipts")["Net into bank and wallets"] == booked("1002", "1012", **own)
    assert sums("ageing", day=TO)["Receivable (1122)"] == booked("1122", **own)
    balance = sums("trial-balance")
    assert balance["Debit"] == balance["Credit"] == sums("vouchers")["Debit"]
    assert balance["Debit"] == sum(line.debit for line in VoucherLine.objects.filter(**own))
