"""System checks of the kernel."""

import sqlite3
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from erp.kernel import triggers


@register(Tags.database)
def triggers_present(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """
    Rows that must never change are only as safe as their triggers.

    A warning, because an error would keep ``migrate`` from making them; ``/readyz`` turns red on it.
    """
    if not databases:
        return []
    return [
        Warning(f"Trigger {name} is absent.", hint="Run manage.py migrate.", id="kernel.W001")
        for name in triggers.absent()
    ]


@register(Tags.database)
def sqlite_new_enough(databases: Any = None, **kwargs: Any) -> list[Error]:
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info < (3, 35):
        return [Error("SQLite 3.35 or newer is needed (UPDATE … FROM, RETURNING).", id="kernel.E002")]
    return []
