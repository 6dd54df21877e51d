"""Two workers at the same piece of a bulk run: every order is done once, and told as done."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from erp.bulk import services
from orders.models import ClosingRecord, Review
from tests.bulk.running import fresh, results, started, work
from tests.concurrency.threads import together, verdicts
from tests.factories import OrderFactory, actor


@pytest.mark.parametrize("act", ["close", "review-order"])
def test_two_workers_do_a_piece_once(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: Any = OrderFactory.create_batch(6, line_count=1, completed=True, paid=True, reviewed=act == "close")
    run = started(act, orders, actor("closer" if act == "close" else "salesperson"))
    # As if a piece took longer than its lease: everybody takes the same.
    monkeypatch.setattr(services, "LEASE", timedelta(seconds=-1))

    results_of_work = together(*(partial(work, timezone.now()) for _worker in range(3)))

    assert verdicts(results_of_work) == ["done"] * 3
    assert list(results(run).values()) == [("done", [])] * len(orders)
    done = ClosingRecord if act == "close" else Review
    assert done.objects.filter(order__in=[order.pk for order in orders]).count() == len(orders)
    work()
    assert fresh(run).state == "finished"
