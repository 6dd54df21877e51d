"""
Transactions in the name of one person, and locks in one agreed order.

Orders first, then stock rows, then the rows numbers are drawn from, then the chain of closing
records; within a rank by primary key. A lock out of order is a deadlock waiting for load, so it is
an assertion failure today.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, models, transaction

from erp.kernel.acting import Decision, acting
from erp.kernel.errors import Busy, DomainError, RefusedByDatabase

Row = TypeVar("Row", bound=models.Model)
Params = ParamSpec("Params")
Done = TypeVar("Done")


class Locks(IntEnum):
    """The highest lock a step takes; a transition's steps never go down."""

    NOTHING = 0
    STOCK = 1
    NUMBERS = 2
    CHAIN = 3


@dataclass(slots=True)
class _Unit:
    """The outermost unit of work: the highest lock taken, and rows to be inserted last, together."""

    taken: Locks = Locks.NOTHING
    last: list[Any] = field(default_factory=list)


_unit: ContextVar[_Unit | None] = ContextVar("unit_of_work", default=None)


@contextmanager
def unit_of_work(decision: Decision) -> Iterator[None]:
    """
    One transaction in which ``decision`` acts; one inside another joins it and its locks.

    :raises Busy: a lock could not be had in time, or two transactions waited for each other.
    :raises RefusedByDatabase: a constraint or trigger refused a row.
    """
    if _unit.get() is not None:
        # Without a savepoint, a failure that somebody swallows still takes the whole transaction with it.
        with acting(decision), transaction.atomic(savepoint=False):
            yield
        return
    unit = _Unit()
    token = _unit.set(unit)
    try:
        with _refusals(), acting(decision), transaction.atomic():
            yield
            assert not transaction.get_rollback(), "a failure inside was swallowed: nothing would be kept"
            if unit.last:
                type(unit.last[0])._base_manager.bulk_create(unit.last)
    finally:
        _unit.reset(token)


_CONTENTION = {"55P03", "40P01", "40001"}  # lock not available, deadlock, serialization failure


@contextmanager
def _refusals() -> Iterator[None]:
    """What the database refuses, as refusals of ours; anything else it reports is a fault and stays one."""
    try:
        yield
    except IntegrityError as error:
        raise RefusedByDatabase(rule=str(error).strip().splitlines()[0][:200]) from error
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) in _CONTENTION or "database is locked" in str(error):
            raise Busy from error
        raise


def once_more_after(refusal: type[DomainError]) -> Callable[[Callable[Params, Done]], Callable[Params, Done]]:
    """
    Do a unit of work once more after somebody was in its way: now what they did is there to see.

    Inside of another unit nothing is done again: its transaction is lost.
    """

    def decorate(act: Callable[Params, Done]) -> Callable[Params, Done]:
        @wraps(act)
        def once_more(*args: Params.args, **kwargs: Params.kwargs) -> Done:
            try:
                return act(*args, **kwargs)
            except refusal:
                if _unit.get() is not None:
                    raise
            return act(*args, **kwargs)

        return once_more

    return decorate


def _current() -> _Unit:
    unit = _unit.get()
    assert unit is not None, "this happens inside a unit of work"
    return unit


def take(rank: Locks) -> None:
    """Announce a lock of this rank; nothing of a lower rank may follow in this transaction."""
    unit = _current()
    assert unit.taken <= rank, f"{rank.name} after {unit.taken.name}: locks go up only"
    unit.taken = rank


def insert_last(rows: Iterable[Any]) -> None:
    """Insert these rows, all of one model, in one statement when the unit of work ends."""
    _current().last.extend(rows)


def lock(queryset: "models.QuerySet[Row]", rank: Locks = Locks.NOTHING) -> list[Row]:
    """
    Lock rows in primary-key order and return them as they are once locked.

    The only place that locks rows. FOR NO KEY UPDATE, because plain FOR UPDATE would stop every
    insert that points at them. On SQLite the transaction itself, begun IMMEDIATE, is the lock.
    """
    assert transaction.get_connection().in_atomic_block, "a lock outside a transaction holds nothing"
    take(rank)
    options: dict[str, Any] = {"no_key": True}
    if queryset.query.select_related:
        options["of"] = ("self",)
    return list(queryset.order_by("pk").select_for_update(**options))
