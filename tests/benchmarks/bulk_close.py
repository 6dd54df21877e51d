"""
Closes many orders in the background, one in twenty blocked, while the worker is killed twice.

    DATABASE_URL=… python tests/benchmarks/bulk_close.py --orders 5000

Asserts that closed and refused are all orders, none twice; says how fast it was, how long the run rested after each
death, and how slowly the page of the run answered meanwhile.
"""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from common import METHOD, SHOP, Journey, People, fresh_database, prepare
from django.core.management.base import CommandParser
from django.db import connection
from django.db.models import Count
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import reverse
from django.utils import timezone

from erp.bulk import selectors, services
from erp.bulk.models import BulkRun, ItemState, RunState
from erp.kernel import invariants
from erp.kernel.acting import Channel, Decision
from inventory.services.receiving import ReceiptDraftLine
from orders.models import ClosingRecord, Order, Product, Status
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft

PRODUCTS, BATCH, ONE_IN = 100, 500, 20
MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


def completed(people: People, numbers: range) -> list[int]:
    """Orders that are ready to close, but for those finance has not reviewed."""
    drafts = [
        OrderDraft(
            SHOP,
            CustomerDraft("王芳"),
            [LineDraft(f"P{no % PRODUCTS}", Decimal(2))],
            external_number=f"B{no}",
            shipping_method=METHOD,
        )
        for no in numbers
    ]
    journey = Journey(people, drafts, timezone.now)
    journey.go(Journey.STEPS[: Journey.STEPS.index("review_finance")])
    ids = journey.ids
    journey.part(set(ids) - set(ids[::ONE_IN])).review_finance()
    journey.review_logistics()
    assert not journey.refused, journey.refused
    return ids


def worker() -> "subprocess.Popen[bytes]":
    name = connection.settings_dict["NAME"]
    url = f"sqlite:///{name}" if connection.vendor == "sqlite" else f"postgres://root@/{name}"
    return subprocess.Popen([sys.executable, MANAGE, "run_worker"], env={**os.environ, "DATABASE_URL": url})


class Watch:
    """Somebody who looks at the page of the run all the while."""

    def __init__(self, client: Client, run: BulkRun) -> None:
        self.client, self.run = client, run
        self.seconds: list[float] = []

    def until(self, told: int, kill: Any = None) -> float:
        """:returns: seconds until the first piece was told, then kills whoever works."""
        began, before = perf_counter(), self.told()
        first = 0.0
        while (now := self.told()) < told:
            if now > before and not first:
                first = perf_counter() - began
            self._look("run")
            self._look("progress")
            sleep(0.05)
        if kill is not None:
            kill.kill()
            kill.wait()
        return first or perf_counter() - began

    def told(self) -> int:
        return selectors.progress([self.run])[self.run.pk].told

    def _look(self, name: str) -> None:
        started = perf_counter()
        response = self.client.get(reverse(f"admin:bulk_{name}", args=[self.run.pk]), secure=True)
        self.seconds.append(perf_counter() - started)
        assert response.status_code == 200, response.status_code


def prove(run: BulkRun, ids: list[int]) -> None:
    counts = dict(run.items.values_list("state").annotate(Count("pk")))
    blocked = sum(len(ids[start : start + BATCH][::ONE_IN]) for start in range(0, len(ids), BATCH))
    assert counts == {ItemState.DONE: len(ids) - blocked, ItemState.REFUSED: blocked}, counts
    assert Order.objects.filter(status=Status.CLOSED).count() == len(ids) - blocked
    assert ClosingRecord.objects.count() == ClosingRecord.objects.values("order").distinct().count()
    assert ClosingRecord.objects.count() == len(ids) - blocked
    assert not list(invariants.broken())
    print(f"closed {len(ids) - blocked} + refused {blocked} = {len(ids)}, none twice")


def trial(people: People, size: int) -> None:
    ids = [pk for no in range(0, size, BATCH) for pk in completed(people, range(no, min(no + BATCH, size)))]
    closer = people("系统管理员")
    decision = Decision(by=closer, at=timezone.now(), channel=Channel.ADMIN, reason="CL01")
    started = perf_counter()
    run = services.draft("close", ids, decision=decision)
    print(f"drafted in {perf_counter() - started:.2f} s")
    services.start(run.pk, decision=decision)
    client = Client()
    client.force_login(closer)
    watch = Watch(client, run)
    started = perf_counter()
    rests = [watch.until(size // 5, kill=worker()), watch.until(size // 2, kill=worker())]
    last, before = worker(), watch.told()
    began = perf_counter()
    rests.append(watch.until(size))
    took = perf_counter() - began - rests[-1]
    print(
        f"{perf_counter() - started:.0f} s in all; to the first piece of each worker {[round(s, 1) for s in rests]} s"
    )
    print(
        f"{(size - before - services.PIECE) / took:.0f} orders/s once at work"
        if took > 1
        else "too few to say how fast"
    )
    while BulkRun.objects.get(pk=run.pk).state != RunState.FINISHED:
        sleep(0.2)
    last.terminate()
    last.wait()
    ms = [round(seconds * 1000) for seconds in sorted(watch.seconds)]
    print(f"{len(ms)} pages: half within {ms[len(ms) // 2]} ms, slowest {ms[-1]} ms")
    prove(run, ids)


def main() -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1000)
    options = parser.parse_args()
    setup_test_environment()
    with fresh_database():
        products = [
            Product(
                sku=f"P{no}", name=f"笔记本 {no}", price=Decimal("99.99"), currency="CNY", tax_rate=Decimal("0.13")
            )
            for no in range(PRODUCTS)
        ]
        stock = [ReceiptDraftLine(product.sku, Decimal(100_000), Decimal(50)) for product in products]
        people = prepare(products, stock, timezone.now, currency="CNY", terms="on_delivery")
        print(f"{connection.vendor}, {options.orders} orders")
        trial(people, options.orders)


if __name__ == "__main__":
    main()
