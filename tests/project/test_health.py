"""``/healthz`` and ``/readyz``: what a probe learns."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from erp.kernel import triggers


@pytest.fixture(name="without_database")
def _without_database() -> Iterator[None]:
    def refuse(*args: Any) -> None:
        raise OperationalError("the server is gone")

    with connection.execute_wrapper(refuse):
        yield


def test_alive_needs_no_database(client: Client) -> None:
    assert client.get("/healthz").json() == {"state": "alive"}


@pytest.mark.django_db
def test_ready_once_migrated_and_guarded(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"state": "ready"})


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_pending(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="logistics").delete()

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"state": "migrations pending"})


@pytest.mark.django_db
def test_not_ready_while_a_trigger_is_absent(client: Client) -> None:
    name = "finance_voucher_no_update"
    table = " ON finance_voucher" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TRIGGER "{name}"{table}')

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"state": "triggers absent", "triggers": [name]})
    triggers.create()
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("without_database")
def test_not_ready_without_its_database(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"state": "database unreachable"})


def test_a_probe_is_not_sent_to_https(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/admin/").status_code == 301


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_only_reads(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
