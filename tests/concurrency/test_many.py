"""Many people at work on what others work on too."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from erp.kernel import setwise
from erp.kernel.locks import unit_of_work
from finance.models import Period, Purpose, Voucher
from finance.periods import close_period
from logistics.services.drafting import pack_orders
from logistics.services.shipping import Waybill, dispatch_shipments
from orders.models import ClosingRecord, Order, Status
from orders.services.closing import close_order, close_orders
from orders.services.fulfilment import process_order
from tests.concurrency.threads import rounds, together, verdicts
from tests.factories import OrderFactory, ProductFactory, WarehouseFactory, actor, decide, receive

WORKERS = 8


def test_closers_of_different_orders_make_one_gapless_chain() -> None:
    orders = OrderFactory.create_batch(WORKERS * 3, line_count=1, reviewed=True)
    decision = decide(actor("closer"), reason="CL01")

    def close_all(own: Sequence[Any]) -> None:
        for order in own:
            close_order(order.pk, decision=decision)

    results = together(*(partial(close_all, orders[no::WORKERS]) for no in range(WORKERS)))

    assert verdicts(results) == ["done"] * WORKERS
    positions = ClosingRecord.objects.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(1, len(orders) + 1))
    assert Voucher.objects.filter(purpose=Purpose.SETTLEMENT).count() == len(orders)


def test_batches_of_the_same_orders_close_each_order_once() -> None:
    ids = [order.pk for order in OrderFactory.create_batch(6, line_count=1, reviewed=True)]
    decision = decide(actor("closer"), reason="CL01")
    batches = [ids, ids[::-1], ids[3:] + ids[:3], ids[::2] + ids[1::2]]

    outcomes = together(*(partial(close_orders, batch, decision=decision) for batch in batches))

    for order_id in ids:
        of_order = [batch[order_id] for batch in outcomes]
        assert sum(outcome.done for outcome in of_order) == 1
        assert all("orders.wrong_state" in outcome.codes for outcome in of_order if not outcome.done)
    assert ClosingRecord.objects.count() == len(ids)


def test_baskets_in_opposite_order_never_wait_for_each_other() -> None:
    products = ProductFactory.create_batch(3)
    baskets = rounds(4)
    receive(dict.fromkeys(products, 2 * WORKERS * baskets))
    orders = [
        OrderFactory.create_batch(baskets, lines=[(product, 2, None) for product in products[:: 1 - 2 * (no % 2)]])
        for no in range(WORKERS)
    ]
    salesperson, keeper, logistician = (decide(actor(role)) for role in ("salesperson", "keeper", "logistician"))

    def fulfil(own: Sequence[Any]) -> None:
        for order in own:
            process_order(order.pk, decision=salesperson)
            shipments = [shipment.pk for shipment in pack_orders([order.pk], decision=keeper)]
            waybills = dict.fromkeys(shipments, Waybill(method="PICKUP"))
            dispatch_shipments(shipments, decision=logistician, waybills=waybills)

    results = together(*(partial(fulfil, own) for own in orders))

    assert verdicts(results) == ["done"] * WORKERS
    assert Order.objects.filter(status=Status.SHIPPED).count() == WORKERS * baskets


def test_holding_adds_up_versions_exactly() -> None:
    times = 50
    pair = [order.pk for order in OrderFactory.create_batch(2, line_count=1)]
    decision = decide(actor("keeper"))

    def hold(ids: Sequence[int]) -> None:
        for _ in range(times):
            with unit_of_work(decision):
                held = setwise.hold(Order.objects.filter(pk__in=ids))
                assert [order.pk for order in held] == pair

    results = together(partial(hold, pair), partial(hold, pair[::-1]))

    assert verdicts(results) == ["done", "done"]
    assert list(Order.objects.values_list("version", flat=True)) == [1 + 2 * times] * 2


def test_a_period_closes_while_this_month_goes_on() -> None:
    """The books are proved as they are at one moment, not halfway through what others post."""
    last_month = timezone.now().replace(day=1) - timedelta(days=2)
    product, warehouse, keeper = ProductFactory(), WarehouseFactory(), actor("keeper")
    currencies = ["AUD", "BRL", "CAD", "CHF", "DKK", "EUR"]
    for currency in currencies:
        receive({product: 1}, warehouse=WarehouseFactory(currency=currency), decision=decide(keeper, at=last_month))
    periods = list(Period.objects.filter(currency__in=currencies))

    def go_on() -> None:
        for _ in range(3 * rounds()):
            receive({product: 1}, warehouse=warehouse, decision=decide(keeper))

    def close_all() -> None:
        for period in periods:
            close_period(period.pk, decision=decide(actor("accountant")))

    assert verdicts(together(go_on, go_on, close_all)) == ["done"] * 3
