"""What stands in the way of closing, worked out ahead for lists: current, flat, and never decided by."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import system
from erp.site import readiness
from erp.site.models import Readiness
from orders.models import Order, Status
from tests.commands.running import run
from tests.database import content
from tests.factories import OrderFactory
from tests.orders.closings import close, set_policy, without_tracking
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def look(now: Any = None) -> bool:
    now = now or timezone.now()
    with acting(Decision(by=system(), at=now, channel=Channel.JOB)):
        return readiness.refresh(now)


def codes(order: Any) -> set[str]:
    return set(Readiness.objects.get(order=order).codes.strip("|").split("|")) - {""}


def test_each_completed_order_is_looked_at_and_no_other() -> None:
    reviewed, paid = OrderFactory(reviewed=True), OrderFactory(completed=True, paid=True)
    unpaid = OrderFactory(completed=True)
    OrderFactory(shipped=True)

    run("run_worker", "--once")

    assert Readiness.objects.count() == 3
    assert Readiness.objects.get(ready=True).order_id == reviewed.pk
    assert Readiness.objects.get(only_reviews=True).order_id == paid.pk
    assert codes(unpaid) == {"finance.unpaid", "orders.review_missing"}
    row = Readiness.objects.get(order=unpaid)
    assert row.blockers[0]["code"] == "finance.unpaid"
    assert row.blockers[0]["params"]["owed"].endswith("CNY")
    assert row.version == unpaid.version


def test_it_follows_the_order_and_is_gone_with_its_closing() -> None:
    order = OrderFactory(reviewed=True)
    look()
    before = Order.objects.get(pk=order.pk).version

    close(order)
    look()

    assert not Readiness.objects.exists()
    assert Order.objects.get(pk=order.pk).version == before + 1


def test_looking_writes_nothing_else_and_only_what_changed() -> None:
    OrderFactory(reviewed=True)
    before = content()
    look()
    after = content()

    assert [label for label in before if before[label] != after[label]] == ["site.Readiness"]

    checked = Readiness.objects.get().checked_at
    look()
    assert Readiness.objects.get().checked_at == checked


def test_days_and_policies_are_reasons_to_look_again() -> None:
    order = without_tracking()
    look()
    assert codes(order) == {"logistics.tracking_missing"}

    set_policy("logistics.tracking_missing", "ignore")
    look()
    assert codes(order) == set()

    tomorrow = timezone.now() + timedelta(days=1)
    look(tomorrow)
    assert Readiness.objects.get().checked_at == tomorrow


def test_who_will_close_is_not_known_yet() -> None:
    order = OrderFactory(reviewed=True)

    look()

    assert Readiness.objects.get(order=order).ready


def test_looking_is_done_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "BATCH", 2)
    OrderFactory.create_batch(3, completed=True)

    assert look()
    assert Readiness.objects.count() == 2
    assert not look()
    assert Readiness.objects.count() == 3


def test_queries_do_not_grow_with_orders() -> None:
    def queries(size: int) -> int:
        OrderFactory.create_batch(size, completed=True, paid=True)
        with count_queries() as statements:
            look()
        return len(statements)

    queries(1)
    assert queries(2) == queries(9)


def test_closing_does_not_ask_it() -> None:
    order = OrderFactory(completed=True)
    Readiness.objects.create(
        order=order, version=order.version, ready=True, only_reviews=False, checked_at=timezone.now()
    )

    from orders.services.lifecycle import Refused

    with pytest.raises(Refused):
        close(order)
    assert Order.objects.get(pk=order.pk).status == Status.COMPLETED


def test_nothing_that_decides_knows_it() -> None:
    for package in ("orders", "finance", "inventory", "logistics"):
        for path in (Path(settings.BASE_DIR) / package).rglob("*.py"):
            names = {
                getattr(node, "id", getattr(node, "attr", getattr(node, "value", "")))
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Name | ast.Attribute | ast.Constant)
            }
            assert not [name for name in names if isinstance(name, str) and "readiness" in name.lower()], path
