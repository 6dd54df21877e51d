"""Reading documents together with their lines."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


def with_lines(
    queryset: "models.QuerySet[Row]", key: str, columns: Sequence[str], *, annotated: Sequence[str] = ()
) -> Iterator[tuple[Row, list[tuple[Any, ...]]]]:
    """
    Documents in the order of the queryset, each once with these columns of its lines: one query, by an outer join.

    :param key: path of the lines' primary key: they come in its order.
    :param annotated: annotations of the queryset to be set on the documents.
    """
    model = queryset.model
    stored = [field.attname for field in model._meta.concrete_fields]
    width = len(stored) + len(annotated)
    order = [*queryset.query.order_by, "pk", key]
    rows = queryset.order_by(*order).values_list(*stored, *annotated, key, *columns)
    for head, joined in groupby(rows.iterator(chunk_size=2000), key=lambda row: row[:width]):
        document = model.from_db(None, stored, head[: len(stored)])
        for name, value in zip(annotated, head[len(stored) :], strict=True):
            setattr(document, name, value)
        yield document, [row[width + 1 :] for row in joined if row[width] is not None]
