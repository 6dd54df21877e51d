"""
Writes for many rows at once that leave the same history as writes for one.

Beside append-only models, this is the only module that bypasses ``save()``. Raw SQL is confined to
:func:`hold`, :func:`add_up`, :func:`_record` and :func:`_update_from_values`. A refused history row takes
its row with it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection, models, transaction

from erp.kernel import history
from erp.kernel.acting import current
from erp.kernel.errors import Changed
from erp.kernel.history import Recorded
from erp.kernel.locks import Locks, take

Row = TypeVar("Row", bound=models.Model)


@transaction.atomic(savepoint=False)
def insert(instances: Sequence[Any]) -> Sequence[Any]:
    """Insert rows of one model and, where it has history, their first history rows: two queries."""
    if not instances:
        return instances
    type(instances[0])._base_manager.bulk_create(instances)
    _record(instances, "+")
    return instances


@transaction.atomic(savepoint=False)
def update(instances: Sequence[Any], fields: Iterable[str], *, record: bool = True) -> None:
    """
    Write ``fields`` of every instance, each its own values: one UPDATE and one insert of history.

    :param record: leave no history row, for columns that history excludes.
    :raises TypeError: a value is an expression.
    :raises Changed: a row is gone.
    """
    if not instances:
        return
    _update_from_values(instances, list(fields))
    if record:
        _record(instances, "~")


@transaction.atomic(savepoint=False)
def delete(instances: Sequence[Any]) -> None:
    """Delete rows of one model to which nothing points; their history says what they were."""
    if not instances:
        return
    _record(instances, "-")
    rows: Any = type(instances[0])._base_manager
    for chunk in _chunks(instances, 1):
        rows.filter(pk__in=[instance.pk for instance in chunk])._raw_delete(using=rows.db)


@transaction.atomic(savepoint=False)
def save_state(instances: Sequence[Any], before: Mapping[int, str], fields: Iterable[str]) -> None:
    """
    Write the status of locked rows, and ``fields`` with it: the only writer of a status.

    One UPDATE, conditional on the status each row had when it was locked; versions grow by one.

    :raises Changed: a row no longer has that status.
    """
    if not instances:
        return
    fields = [*fields, "status"]
    if hasattr(instances[0], "version"):
        fields += ["version", "touched_at"]
        for instance in instances:
            instance.version += 1
            instance.touched_at = _touched(instance)
    _update_from_values(instances, fields, before=before)
    _record(instances, "~")
    for instance in instances:
        instance._remember()


def stamp(instance: models.Model, **values: Any) -> None:
    """Write technical columns of one row that history leaves out, such as ``last_login``."""
    assert set(values) <= set(getattr(instance, "history_excludes", ())), "history keeps that column"
    type(instance)._base_manager.filter(pk=instance.pk).update(**values)


def bump_versions(instances: Sequence[Any]) -> None:
    """Add one to the version of locked rows, touched now."""
    for instance in instances:
        instance.version += 1
        instance.touched_at = _touched(instance)
    update(instances, ["version", "touched_at"], record=False)


def _touched(instance: Any) -> datetime:
    """Clocks differ: the latest moment at which anything of a row was written."""
    now = current().at
    touched: datetime = max(instance.touched_at or now, now)
    return touched


def hold(queryset: "models.QuerySet[Row]") -> list[Row]:
    """
    Lock rows in primary-key order, add one to their version and note when they were touched, in one statement.

    :returns: the rows as they are now, in primary-key order.
    """
    assert connection.in_atomic_block, "a lock outside a transaction holds nothing"
    take(Locks.NOTHING)
    meta: Any = queryset.model._meta
    quote = connection.ops.quote_name
    chosen = queryset.order_by("pk").select_for_update(no_key=True, of=("self",)).values("pk")
    try:
        sql, params = chosen.query.sql_with_params()
    except EmptyResultSet:
        return []
    columns = ", ".join(f"t.{quote(field.column)}" for field in meta.concrete_fields)
    table, key = quote(meta.db_table), quote(meta.pk.column)
    now = _database_value(meta.get_field("touched_at"), current().at)
    moment = _placeholder(meta.get_field("touched_at"))
    # Clocks differ: the latest moment counts.
    touch = f"CASE WHEN touched_at > {moment} THEN touched_at ELSE {moment} END"
    if connection.vendor == "postgresql":
        statement = (
            f"WITH held (pk) AS MATERIALIZED ({sql}) UPDATE {table} AS t SET version = t.version + 1, "
            f"touched_at = {touch} FROM held WHERE t.{key} = held.pk RETURNING {columns}"
        )
        params = (*params, now, now)
    else:
        # SQLite does not know the alias in RETURNING; the transaction, begun IMMEDIATE, is the lock.
        statement = (
            f"UPDATE {table} SET version = version + 1, touched_at = {touch} WHERE {key} IN ({sql}) "
            f"RETURNING {columns.replace('t.', '')}"
        )
        params = (now, now, *params)
    rows: list[Row] = list(queryset.model._base_manager.raw(statement, params))
    return sorted(rows, key=lambda row: row.pk)


def add_up(model: type[models.Model], amounts: Sequence[str], rows: Mapping[Any, Mapping[str, Any]]) -> None:
    """
    Add to the rows named by primary key, making those that do not exist yet: one query.

    Whoever calls holds a lock that keeps others out. What is offered for insertion are the sums, since it
    is held to the row's CHECKs even where the row exists.

    :param amounts: every column beside the key.
    """
    if not rows:
        return
    meta: Any = model._meta
    quote = connection.ops.quote_name
    fields = [meta.pk, *(meta.get_field(name) for name in amounts)]
    row = "(" + ", ".join(_placeholder(field) for field in fields) + ")"
    table, key, *columns = (quote(name) for name in (meta.db_table, *(field.column for field in fields)))
    sums = (f"COALESCE(t.{column}, 0) + v.column{i}" for i, column in enumerate(columns, 2))
    params = [
        _database_value(field, value)
        for key_value, of_row in rows.items()
        for field, value in zip(fields, (key_value, *(of_row[name] for name in amounts)), strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join([key, *columns])}) SELECT {', '.join(['v.column1', *sums])} "
            f"FROM (VALUES {', '.join([row] * len(rows))}) AS v LEFT JOIN {table} AS t ON t.{key} = v.column1 "
            # SQLite reads ON CONFLICT as the join's condition where there is no WHERE.
            f"WHERE true ON CONFLICT ({key}) DO UPDATE SET "
            f"{', '.join(f'{column} = excluded.{column}' for column in columns)}",
            params,
        )


def _record(instances: Sequence[Any], history_type: str) -> None:
    """Copy rows, as they now stand in their table, into their history: one INSERT … SELECT."""
    model = type(instances[0])
    if not issubclass(model, Recorded):
        return
    copies = history.model_of(model)
    meta: Any = model._meta
    quote = connection.ops.quote_name
    signature = history.signature(copies, history_type)
    copied = ", ".join(quote(field.column) for field in copies.tracked_fields)
    signed = ", ".join(quote(field.column) for field in signature)
    values = [_database_value(field, value) for field, value in signature.items()]
    keys = [_database_value(meta.pk, instance.pk) for instance in instances]
    with connection.cursor() as cursor:
        for chunk in _chunks(keys, 1, beside=len(values)):
            cursor.execute(
                f"INSERT INTO {quote(copies._meta.db_table)} ({copied}, {signed}) "
                f"SELECT {copied}, {', '.join(_placeholder(field) for field in signature)} "
                f"FROM {quote(meta.db_table)} WHERE {quote(meta.pk.column)} IN ({', '.join(['%s'] * len(chunk))}) "
                f"ORDER BY {quote(meta.pk.column)}",
                [*values, *chunk],
            )


def _chunks(rows: Sequence[Any], parameters: int, beside: int = 0) -> Iterator[Sequence[Any]]:
    """As many rows at once, of so many parameters each ``beside`` others, as one statement can take."""
    size = max(1, ((connection.features.max_query_params or 60_000) - beside) // parameters)
    yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _update_from_values(
    instances: Sequence[Any], names: Sequence[str], before: Mapping[int, str] | None = None
) -> None:
    """UPDATE … FROM (VALUES …): one statement for any number of rows, as far as parameters reach."""
    model = type(instances[0])
    fields = [model._meta.get_field(name) for name in names]
    columns = [model._meta.pk, *fields]
    if before is not None:
        columns.append(model._meta.get_field("status"))
    for batch in _chunks(instances, len(columns)):
        done = _update_chunk(model, columns, len(fields), batch, before)
        if done != len(batch):
            raise Changed(label=model._meta.verbose_name, number=", ".join(str(instance) for instance in batch[:5]))


def _update_chunk(
    model: type[models.Model],
    columns: Sequence[Any],
    written: int,
    batch: Sequence[Any],
    before: Mapping[int, str] | None,
) -> int:
    quote = connection.ops.quote_name
    row = "(" + ", ".join(_placeholder(field) for field in columns) + ")"
    changes = [f"{quote(columns[i].column)} = v.column{i + 1}" for i in range(1, written + 1)]
    where = f"t.{quote(columns[0].column)} = v.column1"
    if before is not None:
        where += f" AND t.status = v.column{len(columns)}"
    params: list[Any] = []
    for instance in batch:
        params += [_database_value(field, getattr(instance, field.attname)) for field in columns[: written + 1]]
        if before is not None:
            params.append(before[instance.pk])
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {quote(model._meta.db_table)} AS t SET {', '.join(changes)} "
            f"FROM (VALUES {', '.join([row] * len(batch))}) AS v WHERE {where}",
            params,
        )
        return int(cursor.rowcount)


def _placeholder(field: Any) -> str:
    if connection.vendor != "postgresql":
        return "%s"
    kind = field.rel_db_type(connection)
    # A cast to varchar(n) would cut silently; the assignment from text refuses what is too long.
    return f"%s::{'text' if kind.startswith('varchar') else kind}"


def _database_value(field: Any, value: Any) -> Any:
    if hasattr(value, "resolve_expression"):
        raise TypeError(f"{field.name} is assigned values, never expressions: compute it under the lock")
    return field.get_db_prep_save(value, connection)
