"""A process killed anywhere in a close leaves everything as it was; or, once committed, everything done."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from erp.kernel.locks import unit_of_work
from erp.kernel.models import Counter, OutboxEvent
from finance.models import OrderBalance, Period, Voucher
from inventory.models import Reservation, StockLevel
from inventory.services import stock
from inventory.services.stock import Reserve
from orders.models import ClosingRecord, Order, Status
from orders.services.closing import close_order
from orders.services.lifecycle import Refused
from tests.factories import OrderFactory, actor, decide, receive

# Fewer would mean that failpoints are not reached.
FAILPOINTS_AT_LEAST = 20


@pytest.fixture
def order() -> Any:
    """Reviewed, paid, with a reservation left over: closing has something to do in every app."""
    order = OrderFactory(line_count=1, reviewed=True)
    line = order.lines.get()
    receive({line.product: 1})
    level = StockLevel.objects.get()
    with unit_of_work(decide(actor("keeper"))):
        levels = stock.lock_levels({(level.product_id, level.warehouse_id)})
        stock.reserve([Reserve(line, level.warehouse_id, Decimal(1))], levels.values())
    return order


@pytest.fixture
def crash(order: Any) -> Iterator[Any]:
    """Closes the order in another process, killed at the failpoint of a number; answers its exit code."""
    database = str(connection.settings_dict["NAME"])
    decision = decide(actor("closer"))
    command = [sys.executable, "-m", "tests.concurrency.crash"]
    with subprocess.Popen(
        [*command, database, str(order.pk), str(decision.by.pk), decision.at.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=settings.BASE_DIR,
    ) as process:
        assert process.stdin
        assert process.stdout

        def close_and_die_at(failpoint: int) -> int:
            process.stdin.write(f"{failpoint}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            return int(process.stdout.readline())  # type: ignore[union-attr]

        yield close_and_die_at


def everything(order: Any) -> Any:
    """All rows that closing writes."""
    tables = (Order, Order.history.model, StockLevel, Reservation, Voucher, OrderBalance, Period)
    return [list(model.objects.order_by("pk").values()) for model in (*tables, ClosingRecord, Counter, OutboxEvent)]


def test_a_killed_close_is_all_or_nothing_and_can_be_repeated(order: Any, crash: Any) -> None:
    before = everything(order)
    for failpoint in count(1):
        assert crash(failpoint) == -signal.SIGKILL
        after = everything(order)
        if after != before:
            break

    # Only the last failpoint, after COMMIT, leaves anything behind: there the close is done.
    assert failpoint > FAILPOINTS_AT_LEAST
    assert Order.objects.get().status == Status.CLOSED
    assert StockLevel.objects.get().reserved == 0
    with pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(actor("closer"), reason="CL01"))
    assert "orders.wrong_state" in refused.value.blockers
    assert everything(order) == after


def test_after_a_kill_the_close_is_repeated_with_success(order: Any, crash: Any) -> None:
    assert crash(FAILPOINTS_AT_LEAST) == -signal.SIGKILL

    assert crash(10**6) == 0

    assert Order.objects.get().status == Status.CLOSED
    assert ClosingRecord.objects.get().position == 1
