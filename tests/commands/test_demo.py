"""The demo is made once for all of these tests, in a transaction that is rolled back."""

import os
import socket
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from subprocess import Popen
from time import sleep
from typing import Any
from urllib.request import urlopen

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.test import override_settings
from django.utils import timezone
from django.utils.translation import gettext

from erp.kernel import fsm, invariants
from erp.kernel.acting import Decision, acting
from erp.kernel.models import User
from erp.kernel.money import round_money
from erp.management.commands.demo import _printout
from erp.management.demo import people
from erp.management.demo.business import Calendar
from erp.management.demo.plans import LAST_DAY, Act, plans
from finance.models import (
    Allowance,
    Payment,
    PaymentState,
    ProposalState,
    Refund,
    RefundState,
    TakenBack,
    Voucher,
    WriteOff,
)
from inventory.models import StockTake, Transfer
from inventory.selectors import open_reservations
from logistics.models import Disposition, Inspection, Return, ReturnStatus, Shipment, ShipmentStatus
from orders.contract import all_checks
from orders.models import (
    CheckPolicy,
    ClosingRecord,
    Line,
    LineClosing,
    Order,
    PaymentStatus,
    ShippingStatus,
    Status,
    Waiver,
)
from orders.services import lifecycle
from orders.services.changing import OrderChange
from tests.commands.running import refuse, run
from tests.factories import OrderFactory, UserFactory
from tests.support import count_queries


@pytest.fixture(name="demo", scope="module")
def _demo(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with django_db_blocker.unblock(), override_settings(PASSWORD_HASHERS=hashers), transaction.atomic():
        yield run("demo", "--no-serve")
        connection.check_constraints()
        transaction.set_rollback(True)


def test_there_are_orders_in_every_state(demo: str) -> None:
    counts = Counter(Order.objects.values_list("status", flat=True))

    assert sum(counts.values()) >= 300
    assert set(counts) == set(Status.values)
    assert min(counts.values()) >= 20


def test_processing_orders_are_reserved_waiting_packed_and_shipped_in_parts(demo: str) -> None:
    processing = Order.objects.filter(status=Status.PROCESSING)

    reserved = open_reservations(Q(order__in=processing))
    waiting = {
        line.order_id
        for line in Line.objects.filter(order__in=processing, kind="stocked")
        if line.open_quantity > sum(reserved.get(line.pk, {}).values())
    }
    assert len(waiting) >= 3
    assert set(Shipment.objects.filter(order__in=processing).values_list("status", flat=True)) >= {
        ShipmentStatus.DRAFT,
        ShipmentStatus.PACKED,
        ShipmentStatus.DISPATCHED,
    }
    assert processing.filter(shipping_status=ShippingStatus.PARTLY_SHIPPED).exists()
    assert processing.filter(shipping_status=ShippingStatus.NOT_SHIPPED).exclude(pk__in=waiting).exists()


def test_shipped_orders_are_on_their_way_signed_for_refused_or_lost(demo: str) -> None:
    statuses = Shipment.objects.filter(order__status=Status.SHIPPED).values_list("status", flat=True)

    assert set(statuses) == {
        ShipmentStatus.DISPATCHED,
        ShipmentStatus.DELIVERED,
        ShipmentStatus.REFUSED,
        ShipmentStatus.LOST,
    }


@pytest.mark.parametrize(
    ("model", "states"),
    [
        pytest.param(Payment, PaymentState, id="payments"),
        pytest.param(Refund, RefundState, id="refunds"),
        pytest.param(Allowance, ProposalState, id="allowances"),
        pytest.param(WriteOff, ProposalState, id="write-offs"),
        pytest.param(Return, ReturnStatus, id="returns"),
        pytest.param(Shipment, ShipmentStatus, id="shipments"),
    ],
)
def test_documents_are_in_each_of_their_states(demo: str, model: Any, states: Any) -> None:
    assert set(model.objects.values_list("status", flat=True)) == set(states.values)


def test_what_goes_wrong_or_is_rare_is_there_too(demo: str) -> None:
    orders, closed = Order.objects.all(), Order.objects.filter(status=Status.CLOSED)
    after = Q(requested_at__gt=F("order__closed_at"), order__in=closed)

    assert set(Inspection.objects.values_list("disposition", flat=True)) == set(Disposition.values)
    assert set(orders.filter(held_at__isnull=False).values_list("held_reason", flat=True)) >= {"HO01", "HO02", "HO03"}
    assert orders.filter(held_released=True).exists()
    assert orders.filter(cancel_requested_at__isnull=False, shipping_status=ShippingStatus.NOT_SHIPPED).exists()
    assert Return.objects.filter(calls_back=True, status=ReturnStatus.APPROVED).exists()
    assert set(Refund.objects.filter(order__status=Status.CANCELLED).values_list("status", flat=True)) >= {
        RefundState.REQUESTED,
        RefundState.APPROVED,
        RefundState.PAID,
    }
    assert Refund.objects.exclude(failure="").filter(status=RefundState.APPROVED).exists()
    assert LineClosing.objects.filter(order__in=closed).exists()
    assert Return.objects.filter(after, status=ReturnStatus.RECEIVED).exists()
    assert Refund.objects.filter(after, status=RefundState.PAID).exists()
    assert Allowance.objects.filter(after, status=ProposalState.APPROVED).exists()
    assert Payment.objects.filter(status=PaymentState.CONFIRMED, decided_at__gt=F("order__closed_at")).exists()
    assert TakenBack.objects.filter(order__in=closed).exists()
    assert set(ClosingRecord.objects.values_list("reason", flat=True)) >= {"CL01", "CL02", "CL03", "CL04", "RO02"}
    assert closed.filter(cycle=2).exists()
    assert orders.filter(status=Status.COMPLETED, cycle=2).exists()
    assert orders.filter(copied_from__isnull=False, total=0).count() >= 2
    assert Waiver.objects.filter(order__in=closed).exists()
    assert CheckPolicy.objects.exists()
    assert Transfer.objects.exists()
    assert set(StockTake.objects.values_list("status", flat=True)) == {"counted", "approved"}
    assert Line.objects.filter(unit_price=0, order__total__gt=0).exists()
    assert closed.filter(total=0).exists()
    assert closed.filter(discount__gt=0, tax__gt=0).exists()
    assert closed.exclude(lines__kind="stocked").exists()


def test_the_discounted_order_is_taxed_at_the_standard_rate(demo: str) -> None:
    for line in Line.objects.filter(order__discount__gt=0):
        assert line.tax == round_money(line.amount * line.tax_rate / (1 + line.tax_rate), "CNY")
        assert line.tax_rate == Decimal("0.13")


# What no page shows in these books: each needs a race, a clock that is wrong, broken books, or no order at all.
NEVER = {
    # Somebody else was faster than the page.
    "orders.wrong_state",
    "orders.changed",
    # Said only when a form is confirmed without a change; its preview lets the form be filled in.
    "orders.nothing_changed",
    # No service makes an order without lines.
    "orders.has_no_lines",
    # A clock that was set back.
    "orders.dated_before_record",
    # Books or stock that do not agree.
    "finance.books_disagree",
    "inventory.stock_not_adjusted",
}
_TYPED: dict[str, dict[str, Any]] = {
    "change": {"change": OrderChange(shipping_address={"line1": "another street"})},
    "hold": {"release": True},
    "close_line": {"lines": {1: None}, "party": "customer"},
}


def _stopped_by(name: str) -> set[str]:
    """What stops a transition of the orders in its statuses, whoever with the right begins it."""
    permission = fsm.permission_of(Order, name)
    able = [user for user in User.objects.exclude(username="system") if not permission or user.has_perm(permission)]
    codes = set()
    for user in able:
        orders = Order.objects.visible_to(user).filter(status__in=fsm.sources(Order, name))
        reason = "CL01" if name == "close" else ""
        decision = Decision(user, timezone.now(), reason=reason, detail=_TYPED.get(name, {}))
        with acting(decision):
            outcomes = lifecycle.preview(name, list(orders.values_list("pk", flat=True)), decision)
        codes |= {code for outcome in outcomes for code in outcome.codes}
    return codes


def test_everything_that_can_stop_an_order_stops_one(demo: str) -> None:
    # A period's checks are about no order.
    possible = {check.code for check in all_checks() if ".period_" not in check.code}
    possible -= {"finance.earlier_period_open"}

    met = {code for name in settings.ORDER_STEPS for code in _stopped_by(name)}

    assert met == possible - NEVER


def test_completed_orders_are_ready_or_stopped_by_one_thing(demo: str) -> None:
    completed = Order.objects.filter(status=Status.COMPLETED)
    closer = User.objects.get(username=people.ADMINISTRATOR.username)

    outcomes = lifecycle.preview("close", completed.values_list("pk", flat=True), Decision(closer, timezone.now()))

    blockers = {frozenset(outcome.codes) for outcome in outcomes}
    assert frozenset() in blockers, "some are ready to close"
    assert frozenset({"orders.review_missing"}) in blockers
    assert frozenset({"orders.review_stale"}) in blockers
    assert {PaymentStatus.UNPAID, PaymentStatus.PARTLY_PAID, PaymentStatus.PAID} <= set(
        completed.values_list("payment_status", flat=True)
    )


def test_what_to_look_at_names_an_order_each(demo: str) -> None:
    told = demo[demo.index(gettext("What to look at:")) :]
    looks = {str(plan.situation.look) for plan in plans() if plan.situation.look}

    assert len(looks) <= 18
    for look in looks:
        (row,) = (row for row in told.splitlines() if row.strip().startswith(f"{look} "))
        assert Order.objects.filter(number=row.split()[-1]).exists()


def test_everything_holds_and_nothing_lies_in_the_future(demo: str) -> None:
    assert list(invariants.broken()) == []
    assert run("verify_audit")
    now = timezone.now()
    assert Order.history.order_by("-history_date").first().history_date <= now
    first = Order.objects.order_by("placed_at")[0].placed_at
    assert timedelta(days=26) < now - first < timedelta(days=28)
    assert Voucher.objects.values("date").distinct().count() > 10


def test_every_role_signs_in_and_nobody_is_a_superuser(demo: str) -> None:
    roles = set()
    for person in people.STAFF:
        user = User.objects.get(username=person.username)
        assert user.check_password(people.PASSWORD)
        assert user.is_staff
        assert person.username in demo
        roles |= {group.name for group in user.groups.all()}
    assert len(roles) == 9
    assert not User.objects.filter(is_superuser=True).exists()
    assert not User.objects.filter(user_permissions__isnull=False).exists()
    assert not User.objects.get(username=people.WEB_SHOP.username).has_usable_password()


def test_one_salesperson_sees_one_shop_only(demo: str) -> None:
    user = User.objects.get(username=people.KEY_ACCOUNTS.username)

    assert set(Order.objects.visible_to(user).values_list("shop__code", flat=True)) == {"B2B"}


def test_the_example_is_told_from_order_to_closing_record(demo: str) -> None:
    order = Order.objects.get(external_number="WEB-EXAMPLE")
    record = ClosingRecord.objects.get(order=order)

    assert (order.total, order.status) == (8999, Status.CLOSED)
    assert record.reason == "CL01"
    told = demo[demo.index(order.number) : demo.index(record.digest)].splitlines()
    states = [line.split()[-1] for line in told if people.WEB_SHOP.username in line or line.startswith("20")]
    assert list(dict.fromkeys(states)) == [status.label for status in Status if status != Status.CANCELLED]
    doers = [person.username for person in people.STAFF if any(person.username in line for line in told)]
    assert set(doers) == {"gaoming", "zhaoqiang", "qianfeng", "wumin", "lijing"}
    assert record.number in demo


def test_a_second_run_tells_the_same_and_changes_nothing(demo: str) -> None:
    before = _counts()

    again = run("demo", "--no-serve")

    assert again == demo
    assert _counts() == before


def test_a_second_run_writes_nothing_and_reads_little(demo: str) -> None:
    with count_queries() as statements:
        list(_printout())

    assert len(statements) < 100
    assert not [sql for sql in statements if not sql.lstrip("(").startswith("SELECT")]


def test_the_money_of_a_confirmed_payment_is_reported_by_somebody_else(demo: str) -> None:
    for payment in Payment.objects.filter(status=PaymentState.CONFIRMED):
        assert payment.reported_by_id != payment.decided_by_id


@pytest.mark.django_db
def test_a_database_with_business_of_its_own_gets_no_accounts_with_a_known_password() -> None:
    OrderFactory()
    before = _counts()

    refuse("demo", "--no-serve")

    assert _counts() == before


@pytest.mark.django_db
def test_a_failure_on_the_way_leaves_no_trace() -> None:
    UserFactory(username=people.AUDITOR.username)
    before = _counts()

    assert refuse("demo", "--no-serve").code == "kernel.bad_master_data"

    assert _counts() == before


@pytest.mark.django_db
def test_a_port_in_use_is_said_before_anything_is_done() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        assert port in refuse("demo", "--port", port).message


def test_it_serves_from_an_empty_database_without_collected_files(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/demo.sqlite3", "SECRET_KEY": "for this test"}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "demo", "--port", str(port)]
    with (
        (tmp_path / "log").open("w") as log,
        Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log) as demo,
    ):
        try:
            assert _page(demo, port, "readyz") == 200, (tmp_path / "log").read_text()
            assert _page(demo, port, "static/admin/css/base.css") == 200
            worker = _worker(tmp_path / "demo.sqlite3")
        finally:
            demo.terminate()
    _assert_ends(worker)


def _worker(database: Path) -> int:
    """The process that works beside the server, once it has been heard of."""
    for _ in range(300):
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            row = connection.execute("SELECT name FROM worker_worker").fetchone()
        if row:
            return int(row[0].rpartition(":")[2])
        sleep(0.2)
    raise AssertionError("no worker was heard of")


def _assert_ends(process: int) -> None:
    for _ in range(300):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        sleep(0.2)
    raise AssertionError(f"{process} outlives the demo")


def _page(demo: "Popen[bytes]", port: int, path: str) -> int:
    """The status of a page, as soon as the server answers; 0 when it never does."""
    for _ in range(600):
        if demo.poll() is not None:
            break
        try:
            with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as response:
                return int(response.status)
        except OSError:
            sleep(0.2)
    return 0


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    assert port in refuse("demo", "--port", port).message


@pytest.mark.parametrize("clock", ["00:00:00", "00:00:30", "08:59:59", "09:00:00", "09:00:01", "13:30:00", "23:59:59"])
def test_moments_go_forward_and_never_past_now(clock: str) -> None:
    now = datetime.fromisoformat(f"2026-03-05T{clock}+08:00")
    calendar = Calendar(now)

    moments = [calendar.moment(day, act) for day in range(LAST_DAY + 1) for act in range(len(Act) + 1)]

    assert all(earlier <= later for earlier, later in pairwise(moments))
    assert moments[-1] <= now
    assert moments[0].date() == datetime(2026, 2, 6).date()


def test_plans_do_not_depend_on_the_run() -> None:
    assert plans() == plans()
    assert len({plan.external_number for plan in plans()}) == len(plans())


def _counts() -> dict[str, int]:
    return {model._meta.label: model._base_manager.count() for model in apps.get_models() if model._meta.managed}
