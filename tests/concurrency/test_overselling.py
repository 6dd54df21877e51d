"""Ten pieces are promised ten times, however many ask at once."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from inventory.models import Reservation, StockLevel
from inventory.services import stock
from orders.services.fulfilment import process_order
from tests.concurrency.threads import together, verdicts
from tests.factories import OrderFactory, ProductFactory, actor, decide, receive

BUYERS, PIECES = 20, 10


@pytest.fixture
def orders() -> Any:
    """Of one piece each."""
    product = ProductFactory()
    receive({product: PIECES})
    return OrderFactory.create_batch(BUYERS, lines=[(product, 1, None)])


def process_at_once(orders: Sequence[Any]) -> list[str]:
    decision = decide(actor("salesperson"))
    return verdicts(together(*(partial(process_order, order.pk, decision=decision) for order in orders)))


def test_exactly_as_many_as_there_are(orders: Any) -> None:
    results = process_at_once(orders)

    assert results == ["done"] * PIECES + ["inventory.not_enough_stock"] * (BUYERS - PIECES)
    assert Reservation.objects.count() == PIECES
    assert StockLevel.objects.get().available == 0


class TestWithoutRowLocks:
    """The test above can fail: with the locks off, PostgreSQL oversells. On SQLite the transaction is the lock."""

    @pytest.fixture
    def _everything_holds(self, transactional_db: None) -> None:
        """Here it does not."""

    def test_the_same_pieces_are_promised_again_and_again(self, orders: Any, monkeypatch: Any) -> None:
        reserve = stock.reserve

        def reserve_late(*args: Any) -> None:
            time.sleep(0.1)
            reserve(*args)

        monkeypatch.setattr(QuerySet, "select_for_update", lambda queryset, **options: queryset)
        monkeypatch.setattr(stock, "reserve", reserve_late)

        done = process_at_once(orders).count("done")

        assert done > PIECES if connection.vendor == "postgresql" else done == PIECES
