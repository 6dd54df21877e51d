"""
What must always hold, each proved by a query that returns no row.

Apps register theirs in their ``invariants.py``; ``manage.py check_invariants`` runs them all.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from erp.kernel import fsm
from erp.kernel.history import Recorded
from erp.kernel.models import OutboxEvent

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


@dataclass(frozen=True, slots=True)
class Lives:
    """
    What history and outbox tell of the status of every row of a model with a declared graph.

    :param born: the status a row may begin with, by the act that makes it.
    :param silent: acts that nobody is told of.
    """

    model: Any
    born: Mapping[str, str]
    silent: Collection[str] = ()

    def off_graph(self) -> Rows:
        """First statuses and changes of status that are of no declared act: number, before, after."""
        steps, params = self._steps()
        return _fetch(f"SELECT number, before, status FROM {steps} WHERE before <> status AND act IS NULL", params)

    def without_reason(self, *acts: str) -> Rows:
        """Of these acts those whose history does not say why: key, number and act."""
        steps, params = self._steps()
        return _fetch(
            f"SELECT id, number, act FROM {steps} WHERE before <> status AND history_change_reason = '' "
            f"AND act IN ({', '.join(['%s'] * len(acts))})",
            [*params, *acts],
        )

    def untold(self) -> Rows:
        """Acts that did not leave one outbox row each time: key, act, how often it was done and told."""
        steps, params = self._steps()
        label, name = self.model._meta.label_lower, self.model._meta.model_name
        acts = sorted({act for act, _before, _after in self._edges()} - set(self.silent))
        topics = [f"{name}.{act}" for act in acts]
        listed = ", ".join(["%s"] * len(acts))
        return _fetch(
            "SELECT subject, topic, SUM(done), SUM(told) FROM ("
            f"SELECT CAST(id AS TEXT) AS subject, '{name}.' || act AS topic, 1 AS done, 0 AS told FROM {steps} "
            f"WHERE before <> status AND act IN ({listed}) UNION ALL "
            f"SELECT subject_id, topic, 0, 1 FROM {OutboxEvent._meta.db_table} "
            f"WHERE subject_type = %s AND topic IN ({listed})"
            ") AS acts GROUP BY subject, topic HAVING SUM(done) <> SUM(told)",
            [*params, *acts, label, *topics],
        )

    def _edges(self) -> list[tuple[str, str, str]]:
        """Act, status before (nothing where it makes the row) and after."""
        made = [(act, "", str(status)) for act, status in self.born.items()]
        return made + sorted(edge for edge in fsm.edges(self.model) if edge[1] != edge[2])

    def _steps(self) -> tuple[str, list[str]]:
        """What to select from, with its parameters: every history row, the status before it, the act between."""
        edges = self._edges()
        return (
            "(SELECT s.id, s.number, s.before, s.status, s.history_change_reason, e.column1 AS act FROM "
            "(SELECT id, number, status, history_change_reason, "
            "LAG(status, 1, '') OVER (PARTITION BY id ORDER BY history_id) AS before "
            f"FROM {self.model.history.model._meta.db_table}) AS s "
            f"LEFT JOIN (VALUES {', '.join(['(%s, %s, %s)'] * len(edges))}) AS e "
            "ON e.column2 = s.before AND e.column3 = s.status) AS steps",
            [value for edge in edges for value in edge],
        )


def _fetch(sql: str, params: Iterable[Any]) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        yield from cursor.fetchall()
