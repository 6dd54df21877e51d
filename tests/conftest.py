"""Fixtures and the database's behaviour in tests."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase

from erp.kernel import triggers
from erp.kernel.models import User, system
from tests.factories import UserFactory

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def _flush_past_triggers(self: Any) -> None:
    """
    Rows that can never be deleted have to go after a test that commits.

    On SQLite post_migrate, sent by the flush, makes the triggers again; on PostgreSQL they stay and are
    asleep in a session that poses as a replica.
    """
    triggers.drop_on_sqlite()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
    _flush(self)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = DEFAULT")
    assert triggers.absent() == []


TransactionTestCase._fixture_teardown = _flush_past_triggers  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _fast(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _files_of_its_own(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path / "media")


@pytest.fixture(name="system")
def _system(db: None) -> User:
    return system()


def _user_with_role(role: str) -> Any:
    @pytest.fixture(name=role)
    def user(db: None) -> User:
        return UserFactory(role=role)

    return user


salesperson = _user_with_role("salesperson")
service = _user_with_role("service")
keeper = _user_with_role("keeper")
logistician = _user_with_role("logistician")
accountant = _user_with_role("accountant")
cashier = _user_with_role("cashier")
chief_accountant = _user_with_role("chief_accountant")
closer = _user_with_role("closer")
auditor = _user_with_role("auditor")
