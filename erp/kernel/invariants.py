"""
What must always hold, each proved by a query that returns no row.

Apps register theirs in their ``invariants.py``; ``manage.py check_invariants`` runs them all.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from erp.kernel.history import Recorded

Rows = Iterable[Any]


@dataclass(frozen=True, slots=True)
class Invariant:
    """
    :param name: ``app.snake_case``.
    :param title: the rule as a sentence.
    :param offenders: yields what breaks the rule; nothing while it holds.
    """

    name: str
    title: str | Promise
    offenders: Callable[[], Rows]


_registry: dict[str, Invariant] = {}


def invariant(name: str, title: str | Promise) -> Callable[[Callable[[], Rows]], Callable[[], Rows]]:
    """Register the decorated query under ``name``."""

    def register(offenders: Callable[[], Rows]) -> Callable[[], Rows]:
        assert name not in _registry, f"{name} is registered twice"
        _registry[name] = Invariant(name, title, offenders)
        return offenders

    return register


def registered() -> list[Invariant]:
    return sorted(_registry.values(), key=lambda rule: rule.name)


def broken() -> Iterator[tuple[Invariant, list[Any]]]:
    """Every rule that does not hold, with the rows that break it."""
    for rule in registered():
        rows = list(rule.offenders())
        if rows:
            yield rule, rows


@contextmanager
def snapshot(*, writes: bool = False) -> Iterator[None]:
    """
    Rules that compare several queries see one moment of a database that is in use.

    On SQLite the transaction, begun IMMEDIATE, keeps writers waiting for so long. On PostgreSQL, rows that
    others changed since that moment cannot be locked or written any more.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                mode = "READ WRITE" if writes else "READ ONLY"
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, {mode}")
        yield


@invariant("kernel.history_is_complete", _("The newest history row of every row says what the row says."))
def history_is_complete() -> Rows:
    """Found here: whatever was written past ``save()`` and ``setwise``, and whatever history was told wrongly."""
    for model in apps.get_models():
        if issubclass(model, Recorded):
            yield from _differing_from_history(model)


# Counts what is written to an order's documents too, which leaves no history row of the order.
_UNRECORDED = {"version"}


def _differing_from_history(model: type[models.Model]) -> Rows:
    history: Any = model.history.model  # type: ignore[attr-defined]
    table, key = model._meta.db_table, model._meta.pk.column
    columns = [field.column for field in history.tracked_fields if field.name not in _UNRECORDED]
    differs = "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.{key} FROM {table} t LEFT JOIN {history._meta.db_table} h ON h.history_id = "
            f"(SELECT MAX(history_id) FROM {history._meta.db_table} WHERE {key} = t.{key}) "
            f"WHERE h.history_id IS NULL OR {' OR '.join(f't.{name} {differs} h.{name}' for name in columns)}"
        )
        yield from ((model._meta.label, row_key) for (row_key,) in cursor.fetchall())
