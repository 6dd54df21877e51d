"""
Rules the database itself keeps: rows that are never changed, and conditions no CHECK can express.

A model marked ``append_only = True`` gets triggers that refuse UPDATE, DELETE and TRUNCATE; its
``triggers`` name conditions under which an INSERT is refused. They are raised as integrity
violations on both databases, and made after each migrate.

SQLite rebuilds tables to migrate them, which fails with triggers present: there they are dropped
before and made again after. On PostgreSQL they are never dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models


@dataclass(frozen=True, slots=True)
class RefuseInsert:
    """Refuse a new row (``NEW``) while the SQL ``condition`` is true; both databases must understand it."""

    name: str
    condition: str


def _wanted() -> Iterator[tuple[type[models.Model], str, str, str]]:
    """(model, trigger name, event, condition) of every trigger there has to be."""
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        if getattr(model, "append_only", False):
            yield model, f"{table}_no_update", "UPDATE", ""
            yield model, f"{table}_no_delete", "DELETE", ""
            if connection.vendor == "postgresql":
                yield model, f"{table}_no_truncate", "TRUNCATE", ""
        rule: RefuseInsert
        for rule in getattr(model, "triggers", ()):
            yield model, f"{table}_{rule.name}", "INSERT", rule.condition


def _present() -> set[str]:
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor.fetchall()}


def absent() -> list[str]:
    """Names of triggers that should be in the database and are not; tables not migrated yet have none."""
    tables = set(connection.introspection.table_names())
    present = _present()
    return sorted(name for model, name, _, _ in _wanted() if model._meta.db_table in tables and name not in present)


def create(**kwargs: Any) -> None:
    """Make what is absent; tables not migrated yet are left for the next time."""
    tables = set(connection.introspection.table_names())
    present = _present()
    with connection.cursor() as cursor:
        for model, name, event, condition in _wanted():
            if model._meta.db_table in tables and name not in present:
                for statement in _create_sql(model._meta.db_table, name, event, condition):
                    cursor.execute(statement)


def drop_on_sqlite(**kwargs: Any) -> None:
    """A table cannot be rebuilt under its triggers."""
    if connection.vendor == "sqlite":
        wanted = {name for _, name, _, _ in _wanted()}
        with connection.cursor() as cursor:
            for name in _present() & wanted:
                cursor.execute(f'DROP TRIGGER "{name}"')


def _create_sql(table: str, name: str, event: str, condition: str) -> Iterator[str]:
    message = f"{name}: refused by the database"
    if connection.vendor == "sqlite":
        when = f"WHEN {condition} " if condition else ""
        yield (
            f'CREATE TRIGGER "{name}" BEFORE {event} ON "{table}" FOR EACH ROW {when}'
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
        return
    check = f"IF NOT ({condition}) THEN RETURN NEW; END IF; " if condition else ""
    yield (
        f'CREATE OR REPLACE FUNCTION "{name}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {check}'
        f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    level = "STATEMENT" if event == "TRUNCATE" else "ROW"
    yield (f'CREATE TRIGGER "{name}" BEFORE {event} ON "{table}" FOR EACH {level} EXECUTE FUNCTION "{name}"()')
