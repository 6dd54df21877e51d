"""Goods that come back while somebody else receives them, or an order begins to wait for them."""

from functools import partial

from finance.models import Voucher
from inventory.models import Move
from logistics.models import Return
from logistics.services.inspecting import receive_return
from tests.concurrency.threads import rounds, together, verdicts
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide
from tests.logistics.returning import approved, found


def test_two_keepers_receive_a_return_once() -> None:
    keepers = [UserFactory(role="keeper") for _ in range(2)]
    for _ in range(rounds(6)):
        order = OrderFactory(completed=True, paid=True)
        goods_return = approved(order, {1: 1})
        draft = found(goods_return)

        results = together(*(partial(receive_return, draft, decision=decide(by)) for by in keepers))

        assert verdicts(results) == ["done", "kernel.wrong_state"]
        assert Voucher.objects.filter(order=order, purpose="return").count() == 1
        assert Move.objects.filter(line__order=order, kind="return").count() == 1


def test_goods_come_back_while_an_order_begins_to_wait_for_them() -> None:
    """Whichever is first, the order has them in the end."""
    from inventory.models import Reservation
    from orders.services.fulfilment import process_order

    keeper, clerk = actor("keeper"), actor("salesperson")
    shop = ShopFactory(allows_backorder=True)
    for _ in range(rounds(6)):
        product = ProductFactory()
        goods_return = approved(OrderFactory(lines=[(product, 1, None)], completed=True), {1: 1})
        waiting = OrderFactory(shop=shop, lines=[(product, 1, None)], in_stock=False)

        results = together(
            partial(receive_return, found(goods_return), decision=decide(keeper)),
            partial(process_order, waiting.pk, decision=decide(clerk)),
        )

        assert verdicts(results) == ["done", "done"]
        assert [r.quantity for r in Reservation.objects.filter(order=waiting)] == [1]
        assert Return.objects.get(pk=goods_return.pk).status == "received"
