"""
Numbers of documents: one INSERT … ON CONFLICT … RETURNING for a whole batch, drawn right before the insert.

The counter's row stays locked until the transaction ends, so a rollback gives its numbers back.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection, models

from erp.kernel.locks import Locks, take
from erp.kernel.models import Counter


def draw(key: str, count: int, *, rank: Locks = Locks.NOTHING) -> range:
    """
    Draw ``count`` numbers in a row from the counter ``key``, which starts at 1.

    :param rank: the lock this row counts as; counters whose numbers may have gaps count as none.
    """
    take(rank)
    drawn = draw_from(Counter, keys={"key": key}, counter="next", count=count)
    assert drawn is not None
    return drawn[1]


def numbers(prefix: str, year: int, count: int, *, rank: Locks = Locks.NOTHING) -> list[str]:
    """
    Document numbers such as ``SO-2026-000001``.

    :param rank: of documents that are also raised by acts which hold higher locks already.
    """
    return [f"{prefix}-{year}-{n:06d}" for n in draw(f"{prefix}-{year}", count, rank=rank)]


def draw_from(
    model: type[models.Model],
    *,
    keys: Mapping[str, Any],
    counter: str,
    count: int,
    kept: Mapping[str, Any] | None = None,
    only_while: str = "",
) -> tuple[Any, range] | None:
    """
    Draw ``count`` numbers from the row named by ``keys``, which is made when absent and starts at 1.

    :param kept: columns set to these values by every draw.
    :param only_while: SQL condition over the row (``t``) and the offered one (``excluded``).
    :returns: primary key of the row and the numbers, or ``None`` where ``only_while`` is false.
    """
    quote = connection.ops.quote_name
    meta: Any = model._meta
    table = quote(meta.db_table)
    columns = {**keys, counter: count + 1, **(kept or {})}
    names = [quote(meta.get_field(name).column) for name in columns]
    changes = [f"{quote(counter)} = {table}.{quote(counter)} + %s"]
    changes += [f"{quote(name)} = excluded.{quote(name)}" for name in kept or ()]
    condition = f" WHERE {only_while.replace('t.', f'{table}.')}" if only_while else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) "
            f"ON CONFLICT ({', '.join(map(quote, keys))}) DO UPDATE SET {', '.join(changes)}{condition} "
            f"RETURNING {quote(meta.pk.column)}, {quote(counter)}",
            [*columns.values(), count],
        )
        row = cursor.fetchone()
    return None if row is None else (row[0], range(row[1] - count, row[1]))
