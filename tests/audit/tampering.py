"""What somebody can do who owns the database: change what is kept for ever, its guards asleep."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from erp.kernel.canonical import sha256
from orders.models import ClosingRecord
from tests.support import without_guards


@contextmanager
def superuser(*models: Any) -> Iterator[None]:
    """Inside, CHECKs of these models and every trigger and foreign key sleep; the end undoes what was done."""
    with transaction.atomic():
        with without_guards(*models):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL session_replication_role = replica")
            yield
        transaction.set_rollback(True)


def rewrite(position: int, **changes: Any) -> None:
    """Change the content of a record, and make every digest from it on anew, as one who knows how."""
    record = ClosingRecord.objects.get(position=position)
    content = json.dumps({**record.data, **changes}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    ClosingRecord.objects.filter(pk=record.pk).update(content=content)
    rechain()


def rechain() -> None:
    previous = ""
    for record in ClosingRecord.objects.order_by("position"):
        digest = sha256(previous + record.content)
        ClosingRecord.objects.filter(pk=record.pk).update(previous_digest=previous, digest=digest)
        previous = digest
