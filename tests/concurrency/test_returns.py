"""Goods that come back while somebody closes the order, or somebody else receives them."""

from decimal import Decimal
from functools import partial

from finance.models import Voucher
from inventory.models import Move
from logistics.models import Return
from logistics.services.inspecting import receive_return
from logistics.services.returns import ReturnDraft, ReturnDraftLine, request_return
from orders.models import Order, Status
from orders.services.closing import close_order
from tests.concurrency.threads import rounds, together, verdict, verdicts
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide
from tests.logistics.returning import REASON, approved, found


def test_a_return_is_asked_for_before_the_order_closes_or_after() -> None:
    """One that is there first stops the closing; one that comes later belongs to the closed order."""
    service, closer = actor("service"), actor("closer")
    for _ in range(rounds(6)):
        order = OrderFactory(reviewed=True)
        lines = [ReturnDraftLine(Decimal(1), no=1)]

        asked, closed = together(
            partial(request_return, ReturnDraft(order.pk, lines), decision=decide(service, **REASON)),
            partial(close_order, order.pk, decision=decide(closer, reason="CL01")),
        )

        is_closed = Order.objects.get(pk=order.pk).status == Status.CLOSED
        if not is_closed:
            assert (verdict(asked), "logistics.return_open" in verdict(closed)) == ("done", True)
        else:
            # Whoever decided before the closing was recorded has to decide again.
            assert (verdict(asked) in ("done", "orders.before_closing"), verdict(closed)) == (True, "done")


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
