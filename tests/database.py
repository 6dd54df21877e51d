"""Looking at the database as a whole: what changed in it, and who only reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection

OURS = (
    *("kernel", "orders", "finance", "inventory", "logistics"),
    *("files", "printing", "reports", "worker", "bulk", "site"),
)


def content() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values_list())
        for label in OURS
        for model in apps.get_app_config(label).get_models()
        # One without a table only carries rights.
        if model._meta.managed
    }


@contextmanager
def unchanged() -> Iterator[None]:
    """Whatever is done inside leaves every row as it was."""
    before = content()
    yield
    after = content()
    assert [label for label in before if after[label] != before[label]] == []


@contextmanager
def reading_only() -> Iterator[None]:
    """Whatever is done inside neither writes nor locks."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        assert sql.lstrip("(").startswith("SELECT"), sql
        assert "FOR NO KEY UPDATE" not in sql, sql
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield
