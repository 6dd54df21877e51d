"""Units of work, and locks in one order."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connection

from erp.kernel import locks, setwise
from erp.kernel.acting import Decision, current
from erp.kernel.errors import Busy, NotFound, RefusedByDatabase
from erp.kernel.locks import Locks, insert_last, lock, once_more_after, take, unit_of_work
from erp.kernel.models import OutboxEvent
from orders.models import Order, Shop
from tests.factories import DecisionFactory, OrderFactory, ShopFactory, UserFactory, decide
from tests.support import count_queries


class Failure(Exception):
    pass


def _write_shop() -> None:
    Shop.objects.create(code="X", name="店", currency="CNY")


def _event(topic: str) -> OutboxEvent:
    return OutboxEvent(topic=topic, subject_type="x", subject_id="1", subject="1")


@pytest.mark.django_db
class TestUnitOfWork:
    def test_one_inside_another_joins_it(self) -> None:
        """What the inner one wrote goes when the outer one fails."""
        with pytest.raises(Failure):
            self._outer_fails(decide(UserFactory()), decide(UserFactory()))

        assert not Shop.objects.exists()

    def _outer_fails(self, outer: Decision, inner: Decision) -> None:
        with unit_of_work(outer):
            with unit_of_work(inner):
                assert current() is inner
                _write_shop()
            assert current() is outer
            raise Failure

    def test_a_failure_inside_cannot_be_swallowed(self) -> None:
        """Nothing of a transaction is kept whose inner part failed, and whoever called learns of it."""
        with pytest.raises(AssertionError, match="swallowed"):
            self._swallows(DecisionFactory())

        assert not Shop.objects.exists()

    def _swallows(self, decision: Decision) -> None:
        with unit_of_work(decision), suppress(Failure):
            self._fails(decision)

    def _fails(self, decision: Decision) -> None:
        with unit_of_work(decision):
            _write_shop()
            insert_last([_event("a")])
            raise Failure

    def test_rows_for_the_end_are_inserted_once_at_the_end(self) -> None:
        decision = DecisionFactory()
        with count_queries() as queries, unit_of_work(decision):
            with unit_of_work(DecisionFactory()):
                insert_last([_event("a")])
            insert_last([_event("b")])
            before = len(queries)

        assert len(queries) - before == 1
        assert list(OutboxEvent.objects.filter(subject_type="x").order_by("id").values_list("topic", flat=True)) == [
            "a",
            "b",
        ]

    def test_rows_for_the_end_go_with_a_failure(self) -> None:
        with pytest.raises(Failure):
            self._fails(DecisionFactory())
        with unit_of_work(DecisionFactory()):
            pass

        assert not OutboxEvent.objects.filter(subject_type="x").exists()

    def test_outside_of_one_nothing_is_locked_or_left_for_the_end(self) -> None:
        with pytest.raises(AssertionError, match="unit of work"):
            take(Locks.STOCK)
        with pytest.raises(AssertionError, match="unit of work"):
            insert_last([])


def _locked(sqlstate: str) -> OperationalError:
    cause = Exception()
    cause.sqlstate = sqlstate  # type: ignore[attr-defined]
    error = OperationalError("…")
    error.__cause__ = cause
    return error


class TestOnceMoreAfter:
    @pytest.fixture
    def met(self) -> list[Exception | None]:
        """What the act meets, one after the other."""
        return []

    @pytest.fixture
    def act(self, met: list[Exception | None]) -> Any:
        @once_more_after(Busy)
        def act(number: int, *, twice: bool) -> int:
            refusal = met.pop(0)
            if refusal:
                raise refusal
            return number * 2 if twice else number

        return act

    def test_a_refusal_of_its_kind_the_act_is_done_again(self, act: Any, met: Any) -> None:
        met += [Busy(), None]

        assert act(21, twice=True) == 42

    @pytest.mark.parametrize("refusals", [[Busy(), Busy()], [NotFound()]], ids=["a second one", "another one"])
    def test_refusals_are_raised(self, act: Any, met: Any, refusals: list[Exception]) -> None:
        met += refusals

        with pytest.raises(type(refusals[0])):
            act(1, twice=False)

        assert met == []

    @pytest.mark.django_db
    def test_nothing_is_done_again_inside_of_another_unit(self, act: Any, met: Any) -> None:
        met += [Busy(), None]

        with pytest.raises(Busy), unit_of_work(DecisionFactory()):
            act(1, twice=False)

        assert met == [None]


@pytest.mark.django_db
class TestRefusalsOfTheDatabase:
    def _run(self, error: Exception) -> None:
        with unit_of_work(DecisionFactory()):
            raise error

    def test_a_broken_constraint_becomes_a_refusal_that_names_it(self) -> None:
        ShopFactory(code="X")
        with pytest.raises(RefusedByDatabase) as refused, unit_of_work(DecisionFactory()):
            _write_shop()

        assert "code" in str(refused.value)
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize(
        "error", [OperationalError("database is locked"), *map(_locked, sorted(locks._CONTENTION))]
    )
    def test_waiting_in_vain_becomes_a_refusal(self, error: OperationalError) -> None:
        with pytest.raises(Busy):
            self._run(error)

    @pytest.mark.parametrize("error", [OperationalError("disk full"), _locked("53100")], ids=repr)
    def test_a_fault_stays_a_fault(self, error: OperationalError) -> None:
        with pytest.raises(OperationalError):
            self._run(error)


@pytest.mark.django_db
class TestRanks:
    def test_go_up(self) -> None:
        with unit_of_work(DecisionFactory()):
            for rank in (Locks.NOTHING, Locks.STOCK, Locks.STOCK, Locks.NUMBERS, Locks.CHAIN):
                take(rank)

    @pytest.mark.parametrize(
        ("higher", "lower"),
        [(Locks.STOCK, Locks.NOTHING), (Locks.NUMBERS, Locks.STOCK), (Locks.CHAIN, Locks.NUMBERS)],
    )
    def test_never_go_down(self, higher: Locks, lower: Locks) -> None:
        with unit_of_work(DecisionFactory()):
            take(higher)
            with pytest.raises(AssertionError, match="go up only"):
                take(lower)
            with pytest.raises(AssertionError, match="go up only"):
                lock(Shop.objects.all(), lower)

    def test_an_order_is_not_locked_after_stock(self) -> None:
        with unit_of_work(DecisionFactory()):
            take(Locks.STOCK)
            with pytest.raises(AssertionError, match="go up only"):
                setwise.hold(Order.objects.all())

    def test_begin_anew_with_the_next_unit(self) -> None:
        with unit_of_work(DecisionFactory()):
            take(Locks.CHAIN)
        with unit_of_work(DecisionFactory()):
            take(Locks.NOTHING)


@pytest.mark.django_db
class TestLock:
    def test_returns_rows_as_they_are_now_in_the_order_of_their_keys(self) -> None:
        shops = ShopFactory.create_batch(3)
        queryset = Shop.objects.order_by("-pk")
        list(queryset)
        Shop.objects.filter(pk=shops[0].pk).update(name="meanwhile")

        with unit_of_work(DecisionFactory()):
            locked = lock(queryset)

        assert [row.pk for row in locked] == [shop.pk for shop in shops]
        assert locked[0].name == "meanwhile"

    def test_leaves_inserts_that_point_at_the_row_alone(self) -> None:
        OrderFactory()
        decision = DecisionFactory()
        with count_queries() as queries, unit_of_work(decision):
            lock(Shop.objects.all())
            lock(Order.objects.select_related("shop"))

        if connection.vendor == "postgresql":
            assert queries[0].endswith('ORDER BY "orders_shop"."id" ASC FOR NO KEY UPDATE')
            assert queries[1].endswith('FOR NO KEY UPDATE OF "orders_order"')
        else:
            assert not any("FOR NO KEY UPDATE" in query for query in queries)


@pytest.fixture(name="statements")
def _statements() -> Iterator[list[str]]:
    """Also those that begin and end transactions."""
    noted: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        noted.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield noted


@pytest.mark.django_db(transaction=True)
class TestOutsideOfATransaction:
    def test_a_lock_holds_nothing(self) -> None:
        with pytest.raises(AssertionError, match="holds nothing"):
            lock(Shop.objects.all())
        with pytest.raises(AssertionError, match="holds nothing"):
            setwise.hold(Order.objects.all())

    def test_a_unit_of_work_takes_the_write_lock_of_sqlite_before_it_reads(self, statements: list[str]) -> None:
        decision = DecisionFactory()
        statements.clear()
        with unit_of_work(decision):
            lock(Shop.objects.all())

        if connection.vendor == "sqlite":
            assert statements[0] == "BEGIN IMMEDIATE"
        assert connection.get_autocommit()


def test_no_unit_is_left_open() -> None:
    assert locks._unit.get() is None
