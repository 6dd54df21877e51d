from collections.abc import Iterator

import pytest
from django.db import connection

from erp.kernel import invariants
from erp.kernel.invariants import Invariant
from tests.commands.running import refuse, run
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db


def test_every_rule_is_shown_to_hold() -> None:
    OrderFactory(closed=True)

    printed = run("check_invariants")

    assert all(f"✓ {rule.name}" in printed for rule in invariants.registered())
    assert "✗" not in printed


def test_a_broken_rule_fails_the_command_and_names_its_rows() -> None:
    order = OrderFactory()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET payment_status = 'paid' WHERE id = %s", [order.pk])

    refusal = refuse("check_invariants")

    assert "✗ orders.progress_status" in refusal.printed
    assert order.number in refusal.printed
    assert "orders.progress_status" in refusal.message


def test_of_many_rows_twenty_are_shown_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def offenders() -> Iterator[tuple[str, int]]:
        yield from (("SO-2026-000001", no) for no in range(45))

    monkeypatch.setitem(invariants._registry, "orders.never", Invariant("orders.never", "Never.", offenders))

    printed = refuse("check_invariants").printed

    assert printed.count("SO-2026-000001") == 20
    assert "45" in printed


@pytest.mark.django_db(transaction=True)
def test_all_rules_see_one_moment_of_a_database_in_use() -> None:
    with invariants.snapshot():
        assert connection.in_atomic_block
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SHOW transaction_isolation")
                assert cursor.fetchone() == ("repeatable read",)
