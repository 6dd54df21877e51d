"""Numbers of documents."""

from datetime import date

import pytest

from erp.kernel.acting import Decision
from erp.kernel.locks import Locks, unit_of_work
from erp.kernel.models import Counter
from erp.kernel.numbering import draw, draw_from, numbers
from finance.models import Period
from tests.factories import DecisionFactory
from tests.support import count_queries

pytestmark = pytest.mark.django_db


class Failure(Exception):
    pass


def test_numbers_follow_each_other_within_a_series() -> None:
    with unit_of_work(DecisionFactory()):
        assert numbers("T", 2026, 2) == ["T-2026-000001", "T-2026-000002"]
        assert numbers("T", 2026, 1) == ["T-2026-000003"]
        assert numbers("T", 2027, 1) == ["T-2027-000001"]
        assert numbers("U", 2026, 1) == ["U-2026-000001"]


@pytest.mark.parametrize("count", [1, 10, 500])
def test_a_batch_is_drawn_in_one_query(count: int) -> None:
    decision = DecisionFactory()
    with count_queries() as queries, unit_of_work(decision):
        drawn = draw("T", count)

    assert len(queries) == 1
    assert drawn == range(1, count + 1)
    assert Counter.objects.get(key="T").next == count + 1


def _draw_and_fail(decision: Decision) -> None:
    with unit_of_work(decision):
        draw("T", 5)
        raise Failure


def test_a_failed_transaction_gives_its_numbers_back() -> None:
    with unit_of_work(DecisionFactory()):
        draw("T", 1)
    with pytest.raises(Failure):
        _draw_and_fail(DecisionFactory())
    with unit_of_work(DecisionFactory()):
        assert draw("T", 1) == range(2, 3)


def test_a_drawn_row_is_a_lock_of_its_rank() -> None:
    with unit_of_work(DecisionFactory()):
        draw("chain", 1, rank=Locks.CHAIN)
        with pytest.raises(AssertionError, match="go up only"):
            draw("T", 1)


def test_numbers_are_drawn_within_a_unit_of_work_only() -> None:
    with pytest.raises(AssertionError, match="unit of work"):
        draw("T", 1)


class TestDrawFrom:
    def _draw(self, day: date, count: int = 1) -> tuple[int, range] | None:
        return draw_from(
            Period,
            keys={"currency": "CNY", "first_day": day.replace(day=1)},
            counter="next_number",
            count=count,
            kept={"last_date": day},
            only_while="t.closed_at IS NULL AND t.last_date <= excluded.last_date",
        )

    def test_makes_the_row_and_counts_it_on(self) -> None:
        first = self._draw(date(2026, 3, 2), 2)
        second = self._draw(date(2026, 3, 5), 3)
        period = Period.objects.get()

        assert first == (period.pk, range(1, 3))
        assert second == (period.pk, range(3, 6))
        assert (period.next_number, period.last_date) == (6, date(2026, 3, 5))

    def test_draws_nothing_while_the_condition_is_false(self) -> None:
        self._draw(date(2026, 3, 5))

        assert self._draw(date(2026, 3, 4)) is None
        period = Period.objects.get()
        assert (period.next_number, period.last_date) == (2, date(2026, 3, 5))
