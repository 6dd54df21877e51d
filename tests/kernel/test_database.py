"""What every connection is told before the first query."""

import sqlite3

import pytest
from django.db import connection

from erp.kernel import checks

pytestmark = pytest.mark.django_db

# PostgreSQL: a row that is not free within three seconds is refused, not waited for.
# Write-ahead logging can corrupt a file under concurrent write and checkpoint in older libraries.
WANTED: dict[str, dict[str, object]] = {
    "sqlite": {
        "PRAGMA journal_mode": "wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "delete",
        "PRAGMA foreign_keys": 1,
        "PRAGMA recursive_triggers": 1,  # without it, INSERT OR REPLACE passes the triggers
        "PRAGMA synchronous": 2,
    },
    "postgresql": {"SHOW lock_timeout": "3s", "SHOW synchronous_commit": "on"},
}


def test_the_connection_is_safe() -> None:
    found = {}
    with connection.cursor() as cursor:
        for statement in WANTED[connection.vendor]:
            cursor.execute(statement)
            (found[statement],) = cursor.fetchone()

    assert found == WANTED[connection.vendor]


def test_set_wise_writes_are_not_cut_into_pieces() -> None:
    """Django assumes 999 parameters on SQLite, whatever the library was built with."""
    assert connection.features.max_query_params is None or connection.features.max_query_params >= 32_766


def test_a_library_too_old_for_our_statements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.sqlite_new_enough(databases=["default"]) == []

    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    found = [error.id for error in checks.sqlite_new_enough(databases=["default"])]
    assert found == (["kernel.E002"] if connection.vendor == "sqlite" else [])
