"""Rules the database itself keeps."""

import pytest
from django.core.management import call_command
from django.core.management.sql import emit_pre_migrate_signal
from django.db import IntegrityError, connection, transaction

from erp.kernel import checks, triggers
from erp.kernel.acting import acting
from finance.models import Period, Voucher, VoucherLine
from tests.factories import DecisionFactory

pytestmark = pytest.mark.django_db

TABLE, NAME = "orders_closingrecord", "orders_closingrecord_no_update"


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _drop() -> None:
    _execute(f'DROP TRIGGER "{NAME}"' + (f" ON {TABLE}" if connection.vendor == "postgresql" else ""))


def test_every_trigger_is_there_after_migrate() -> None:
    assert triggers.absent() == []


def test_a_dropped_trigger_is_noticed_and_made_again_by_migrate() -> None:
    _drop()
    assert triggers.absent() == [NAME]
    assert [warning.id for warning in checks.triggers_present(databases=["default"])] == ["kernel.W001"]

    call_command("migrate", verbosity=0)

    assert triggers.absent() == []
    assert checks.triggers_present(databases=["default"]) == []


def test_a_trigger_that_sleeps_counts_as_absent() -> None:
    if connection.vendor == "postgresql":
        _execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER {NAME}")
    else:
        _drop()

    assert triggers.absent() == [NAME]


def test_making_them_twice_changes_nothing() -> None:
    triggers.create()
    triggers.create()

    assert triggers.absent() == []


def test_migrations_rebuild_tables_without_triggers_on_sqlite_only() -> None:
    before = triggers._present()
    emit_pre_migrate_signal(verbosity=0, interactive=False, db="default")

    assert triggers._present() == (set() if connection.vendor == "sqlite" else before)


def test_names_are_not_cut_by_postgresql() -> None:
    names = [name for _model, name, _event, _condition in triggers._wanted()]

    assert max(len(name.encode()) for name in names) <= 63
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "sides",
    [[], [("1122", 5, 0)], [("1122", 5, 0), ("6001", 0, 4)], [("1122", 5, 0), ("6001", 5, 0)]],
    ids=["no lines", "one line", "unequal", "one-sided"],
)
def test_a_condition_refuses_an_insert(sides: list[tuple[str, int, int]]) -> None:
    """That of vouchers: at least two lines, debit = credit."""
    with pytest.raises(IntegrityError, match="refused by the database"):
        _post(sides)


def test_a_condition_lets_pass_what_it_does_not_meet() -> None:
    _post([("1122", 5, 0), ("6001", 0, 5)])

    assert Voucher.objects.count() == 1


def _post(sides: list[tuple[str, int, int]]) -> None:
    with acting(DecisionFactory()), transaction.atomic():
        period = Period.objects.create(currency="CNY", first_day="2026-03-01", last_date="2026-03-02")
        voucher = Voucher(
            period=period,
            number=1,
            date="2026-03-02",
            currency="CNY",
            purpose="receipt",
            source_type="test",
            source_id="1",
            source="T",
        )
        VoucherLine.objects.bulk_create(
            VoucherLine(voucher=voucher, account_id=account, debit=debit, credit=credit)
            for account, debit, credit in sides
        )
        Voucher.objects.bulk_create([voucher])
