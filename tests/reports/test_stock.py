"""Stock by its moves adds up to the ledger; alerts compare what is available with what was wanted."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils.translation import override

from inventory.models import Move, MoveKind
from tests.reports.business import CUTS, Company, answer, booked, totals

pytestmark = pytest.mark.django_db

ALL_TIME = date(2000, 1, 1)


@pytest.fixture(autouse=True)
def _in_english() -> Any:
    with override("en"):
        yield


@pytest.mark.parametrize("since", CUTS)
@pytest.mark.parametrize("until", CUTS)
@pytest.mark.parametrize("currency", ["CNY", "USD"])
def test_movements_are_the_stock_of_the_ledger(company: Company, since: date, until: date, currency: str) -> None:
    if since > until:
        return
    answered = answer(company, "movements", since=since, until=until, currency=currency)

    sums = totals(answered)
    opening = booked("1405", since=ALL_TIME, until=since - timedelta(days=1), currency=currency)
    closing = booked("1405", since=ALL_TIME, until=until, currency=currency)
    assert (sums["Opening value"], sums["Closing value"]) == (opening, closing)
    assert sums["Value in"] - sums["Value out"] == closing - opening
    for row in answered.rows:
        opened, *moved, closed = row[3:12]
        assert opened + sum(moved[:4]) - sum(moved[4:]) == closed


def test_every_kind_of_move_has_its_column(company: Company) -> None:
    answered = answer(company, "movements")

    names = [str(column.label) for column in answered.columns]
    for kind in MoveKind:
        moved = sum(abs(m.quantity) for m in Move.objects.filter(kind=kind, warehouse__currency="CNY"))
        assert sum(row[names.index(str(kind.label))] for row in answered.rows) == moved


def test_values_are_for_those_who_may_see_cost(company: Company) -> None:
    for name in ("movements", "on-hand"):
        full, without = answer(company, name), answer(company, name, reader=company.clerk)
        assert totals(full)
        assert totals(without) == {}
        assert len(without.rows) == len(full.rows)


def test_what_is_on_hand_now_is_worth_what_the_ledger_says(company: Company) -> None:
    for by in ("product", "warehouse"):
        assert totals(answer(company, "on-hand", by=by)) == {"Value": booked("1405", since=ALL_TIME)}
