"""The last pieces go one way, whoever else wants them at the same moment."""

from functools import partial

from inventory.models import Reservation, StockLevel
from orders.services.fulfilment import process_order
from tests.concurrency.threads import rounds, together, verdicts
from tests.factories import OrderFactory, ProductFactory, WarehouseFactory, actor, decide, receive, transfer


def test_two_transfers_and_a_reservation_share_no_piece() -> None:
    keeper, salesperson = actor("keeper"), actor("salesperson")
    here, there, elsewhere = (WarehouseFactory() for _ in range(3))
    for _round in range(rounds()):
        product = ProductFactory()
        receive({product: 3}, warehouse=here)
        order = OrderFactory(lines=[(product, 2, None)])

        results = together(
            partial(transfer, {product: 2}, origin=here, destination=there, decision=decide(keeper)),
            partial(transfer, {product: 2}, origin=here, destination=elsewhere, decision=decide(keeper)),
            partial(process_order, order.pk, decision=decide(salesperson)),
        )

        # Two that left first are reserved elsewhere; two reserved first stay where they are.
        told = verdicts(results)
        levels = list(StockLevel.objects.filter(product=product))
        assert set(told) <= {"done", "inventory.not_available", "inventory.not_enough_stock"}, told
        assert 1 <= told.count("done") <= 2
        assert sum(level.on_hand for level in levels) == 3
        assert sum(level.value for level in levels) == 150
        assert all(0 <= level.reserved <= level.on_hand for level in levels)
        promised = Reservation.objects.filter(order=order)
        assert sum(row.quantity for row in promised) in (0, 2)


def test_transfers_to_and_fro_do_not_stop_each_other() -> None:
    keeper = actor("keeper")
    here, there = WarehouseFactory(), WarehouseFactory()
    for _round in range(rounds()):
        products = ProductFactory.create_batch(3)
        receive(dict.fromkeys(products, 5), warehouse=here)
        receive(dict.fromkeys(products[::-1], 5), warehouse=there)

        results = together(
            partial(transfer, dict.fromkeys(products, 2), origin=here, destination=there, decision=decide(keeper)),
            partial(
                transfer, dict.fromkeys(products[::-1], 1), origin=there, destination=here, decision=decide(keeper)
            ),
        )

        assert verdicts(results) == ["done", "done"]
        levels = StockLevel.objects.filter(product__in=products)
        assert set(levels.values_list("warehouse", "on_hand")) == {(here.pk, 4), (there.pk, 6)}


def test_the_same_slip_sent_twice_is_booked_once() -> None:
    keeper = actor("keeper")
    here, there = WarehouseFactory(), WarehouseFactory()
    product = ProductFactory()
    receive({product: 100}, warehouse=here)
    for no in range(rounds()):
        send = partial(transfer, {product: 1}, origin=here, destination=there, reference=f"T-{no}")

        results = together(*(partial(send, decision=decide(keeper)) for _ in range(2)))

        assert verdicts(results) == ["done", "inventory.already_transferred"]
