"""
How fast orders of three lines go from placed to closed, one by one and in batches, and how that scales.

Both ways alternate in one process, because absolute figures swing between runs on shared machines while
ratios repeat. Counted are all statements but those of transactions and savepoints. Users are the same
instances throughout, so their permissions are read once, as within one request; one line says what reading
user and permissions anew for every act adds.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from multiprocessing import get_context
from statistics import fmean, median, quantiles
from time import perf_counter

from common import METHOD, SHOP, Journey, People, Sample, disconnect, fresh_database, measure, prepare
from django.core.management import CommandParser
from django.db import connection
from django.utils import timezone

from erp.kernel import invariants
from erp.kernel.models import User
from inventory.services.receiving import ReceiptDraftLine
from orders.models import Product
from orders.services import lifecycle
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft

PRODUCTS = 1000
ROUNDS = 4
CLOSERS = 8
REVIEWED = Journey.STEPS[:-1]
CLOSE = Journey.STEPS[-1]

_numbers = count(1)


def draft(lines: int = 3) -> OrderDraft:
    """An order of a known customer; orders walk through the catalogue, so that they share levels now and then."""
    number = next(_numbers)
    skus = (f"P{(number * lines + no) % PRODUCTS}" for no in range(lines))
    return OrderDraft(
        shop=SHOP,
        customer=CustomerDraft(name="王芳", code="C1"),
        external_number=f"E{number}",
        lines=[LineDraft(sku, Decimal(2)) for sku in skus],
        shipping_method=METHOD,
    )


def journey(people: People, orders: int = 1, lines: int = 3) -> Journey:
    return Journey(people, [draft(lines) for _ in range(orders)], timezone.now)


def travel(people: People, orders: int = 1, lines: int = 3) -> dict[str, Sample]:
    travelled = journey(people, orders, lines)
    samples = travelled.go()
    assert len(travelled.ids) == orders, travelled.refused
    return samples


def compare(people: People, orders: int, batch: int) -> None:
    """The same way one by one and in batches, alternating."""
    single: list[dict[str, Sample]] = []
    bulk: list[dict[str, Sample]] = []
    for _ in range(ROUNDS):
        single += [travel(people) for _ in range(orders // ROUNDS)]
        bulk.append(travel(people, batch))
    print(f"\n{'':18}one by one ({len(single)} orders)      in batches of {batch} ({len(bulk)} batches)")
    print(f"{'step':18}{'queries':>8}{'median ms':>11}{'p95 ms':>8}{'queries':>11}{'ms/order':>10}{'ratio':>8}")
    for step in Journey.STEPS:
        print(f"{step:18}{_row([way[step] for way in single], [way[step] for way in bulk], batch)}")
    whole, of_batch = [_sum(way) for way in single], [_sum(way) for way in bulk]
    print(f"{'lifecycle':18}{_row(whole, of_batch, batch)}")
    _summary(whole, [way[CLOSE] for way in single], of_batch, [way[CLOSE] for way in bulk], batch)


def _row(single: Sequence[Sample], bulk: Sequence[Sample], batch: int) -> str:
    times = [sample.seconds * 1000 for sample in single]
    per_order = median(sample.seconds for sample in bulk) * 1000 / batch
    return (
        f"{_queries(single):>8}{median(times):>11.1f}{quantiles(times, n=20)[-1]:>8.1f}"
        f"{_queries(bulk):>11}{per_order:>10.2f}{median(times) / per_order:>7.1f}×"
    )


def _queries(samples: Sequence[Sample]) -> str:
    """One figure, or the least and the most."""
    seen = sorted({sample.queries for sample in samples})
    return str(seen[0]) if len(seen) == 1 else f"{seen[0]}–{seen[-1]}"


def _sum(way: dict[str, Sample]) -> Sample:
    return Sample(sum(sample.queries for sample in way.values()), sum(sample.seconds for sample in way.values()))


def _summary(
    whole: Sequence[Sample],
    closes: Sequence[Sample],
    bulk_whole: Sequence[Sample],
    bulk_closes: Sequence[Sample],
    batch: int,
) -> None:
    print(
        f"\nproduct LIFECYCLES/s mean {1 / fmean(s.seconds for s in whole):.2f} "
        f"p50 {1 / _median(whole):.2f} closes/s p50 {1 / _median(closes):.2f} "
        f"queries/lifecycle {_queries(whole)}"
    )
    print(
        f"bulk / one by one, orders per second: close {_median(closes) * batch / _median(bulk_closes):.1f}×, "
        f"lifecycle {_median(whole) * batch / _median(bulk_whole):.1f}×"
    )


def _median(samples: Sequence[Sample]) -> float:
    return median(sample.seconds for sample in samples)


def fresh_users(people: People) -> None:
    """As when every act is a request of its own."""
    warm = _sum(travel(people))
    fresh = _sum(travel(lambda role: User.objects.get(username=role)))
    print(f"user and permissions read anew for every act: {fresh.queries} queries instead of {warm.queries}")


def long_orders(people: People) -> None:
    short, long = travel(people), travel(people, lines=300)
    huge = travel(people, lines=10_000)
    print(f"\n{'lines':18}{'3':>18}{'300':>18}{'10,000':>18}")
    for step in Journey.STEPS:
        figures = (f"{way[step].queries:>6}{way[step].seconds * 1000:>9.0f} ms" for way in (short, long, huge))
        print(f"{step:18}{''.join(figures)}")
    same = short[CLOSE].queries == long[CLOSE].queries
    print(f"close of 300 lines: {'as many queries as' if same else 'NOT the queries'} of 3 lines")


def previews(people: People, batch: int) -> None:
    ready = journey(people, batch)
    ready.go(REVIEWED)
    decision = ready.decide("系统管理员", "CL01")
    one = [measure(lambda pk=pk: list(lifecycle.preview("close", [pk], decision))) for pk in ready.ids[:50]]
    of_batch = measure(lambda: list(lifecycle.preview("close", ready.ids, decision)))
    print(f"\npreview of one close: {_queries(one)} queries, median {_median(one) * 1000:.1f} ms")
    print(f"preview of {batch} closes: {of_batch.queries} queries, {of_batch.seconds * 1000:.0f} ms")


def closers(people: People, orders: int) -> None:
    """The same number of orders closed by one worker and by eight, processes as those of a server; twice."""
    alone, together = [], []
    for _ in range(2):
        alone.append(_close_all(people, orders, 1))
        together.append(_close_all(people, orders, CLOSERS))
    ratio = min(alone) / min(together)
    print(
        f"\n{CLOSERS} concurrent closers / 1: {ratio:.2f}× "
        f"({orders / min(together):.1f} and {orders / min(alone):.1f} closes/s)"
    )


def _close_all(people: People, orders: int, workers: int) -> float:
    ready = journey(people, orders)
    ready.go(REVIEWED)
    fork = get_context("fork")
    shares = [ready.ids[no::workers] for no in range(workers)]
    closing = [fork.Process(target=_close_one_by_one, args=(ready, share)) for share in shares]
    disconnect()
    started = perf_counter()
    for process in closing:
        process.start()
    for process in closing:
        process.join()
    assert not any(process.exitcode for process in closing)
    return perf_counter() - started


def _close_one_by_one(ready: Journey, ids: Sequence[int]) -> None:
    for pk in ids:
        ready.only(pk).close()


def main() -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=120, help="orders one by one, in all")
    parser.add_argument("--batch", type=int, default=lifecycle.BATCH_LIMIT, help="orders of one batch")
    options = parser.parse_args()
    with fresh_database():
        products = [
            Product(
                sku=f"P{no}", name=f"笔记本 {no}", price=Decimal("99.99"), currency="CNY", tax_rate=Decimal("0.13")
            )
            for no in range(PRODUCTS)
        ]
        stock = [ReceiptDraftLine(product.sku, Decimal(100_000), Decimal(50)) for product in products]
        people = prepare(products, stock, timezone.now, currency="CNY", terms="on_delivery")
        print(f"{connection.vendor}, {PRODUCTS} products")
        travel(people)  # fills caches
        compare(people, options.orders, options.batch)
        fresh_users(people)
        long_orders(people)
        previews(people, options.batch)
        closers(people, min(options.orders, options.batch))
        assert not list(invariants.broken())


if __name__ == "__main__":
    main()
