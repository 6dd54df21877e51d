"""What tests share that makes no rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import CheckConstraint

from erp.kernel import invariants, triggers

_TRANSACTION = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")


@contextmanager
def count_queries() -> Iterator[list[str]]:
    """
    Collect the statements run inside, without those that only open and end transactions.

    ``CaptureQueriesContext`` counts savepoints, and a block that succeeds only once they are left out
    is flat in the number of orders.
    """
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(_TRANSACTION):
            statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements


def entries(voucher: Any) -> list[tuple[str, Decimal, Decimal]]:
    """(account, debit, credit) of every line of a voucher, by account."""
    return list(voucher.lines.values_list("account_id", "debit", "credit").order_by("account_id", "pk"))


def offenders(name: str) -> list[Any]:
    """What breaks the invariant of this name."""
    (rule,) = (rule for rule in invariants.registered() if rule.name == name)
    return list(rule.offenders())


@contextmanager
def without_guards(*models: Any) -> Iterator[None]:
    """
    Let a test write what CHECKs and triggers of these models refuse, to see whether invariants find it.

    The end of the test's transaction brings the guards back.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table with deferred checks outstanding cannot be altered.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for model in models:
                table = model._meta.db_table
                cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
                for constraint in model._meta.constraints:
                    if isinstance(constraint, CheckConstraint):
                        cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{constraint.name}"')
            yield
        else:
            triggers.drop_on_sqlite()
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            try:
                yield
            finally:
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
