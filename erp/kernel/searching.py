"""
Indexes that find text as people type it, on PostgreSQL: in any case, from its beginning or from within.

SQLite reads the table, which is as fast as it needs to be there. Upper case, because ``istartswith`` and ``icontains``
compare it.
"""

from typing import Any

from django.db import DatabaseError, transaction
from django.db.migrations.operations.base import Operation


class SearchIndex(Operation):
    """
    An index for ``istartswith`` on a text column, or with ``within`` for ``icontains``.

    The latter needs the extension pg_trgm: where it may not be had, the column is searched without an index.
    """

    reversible = True

    def __init__(self, model_name: str, column: str, *, within: bool = False) -> None:
        self.model_name, self.column, self.within = model_name, column, within

    def deconstruct(self) -> Any:
        return self.__class__.__qualname__, [self.model_name, self.column], {"within": self.within}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing a model knows of."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql" or (self.within and not _has_trigrams(schema_editor)):
            return
        kind, operators = ("gin", "gin_trgm_ops") if self.within else ("btree", "text_pattern_ops")
        table = self.model_name.replace(".", "_")
        schema_editor.execute(
            f'CREATE INDEX "{self._name}" ON "{table}" USING {kind} (UPPER("{self.column}"::text) {operators})'
        )

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f'DROP INDEX IF EXISTS "{self._name}"')

    def describe(self) -> str:
        return f"Search {self.model_name} by {self.column}"

    @property
    def _name(self) -> str:
        return f"{self.model_name.replace('.', '_')}_{self.column}_search"


def _has_trigrams(schema_editor: Any) -> bool:
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError:
        return False
    return True
