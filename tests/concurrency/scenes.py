"""
Two acts at once end as they would one after the other.

The first two scenes of a kind are played in one order and in the other: those are the endings there may be. All
the others are played at once; each ending has to be one of them. So nobody meets a deadlock, a lock that could not
be had, or an exception that is no refusal.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Count, Sum
from django.utils import timezone

from finance.models import OrderBalance, Payment, Refund, Voucher
from inventory.models import Reservation, StockLevel
from logistics.models import Return, Shipment
from logistics.services.drafting import draft_shipment
from logistics.services.shipping import Waybill, dispatch_shipment, pack_shipments
from orders.models import ClosingRecord, Line, LineClosing, Order, Review
from orders.services.cancelling import cancel_order
from orders.services.closing_lines import LineToClose, close_lines
from orders.services.fulfilment import process_order
from orders.services.reopening import reopen_order
from tests.concurrency.threads import Act, attempt, in_rounds, verdict
from tests.factories import actor, decide

REOPENED = {"reason": "RO01", "note": "关错了"}


class Scene(NamedTuple):
    """Two acts on rows no other scene touches, and what is to be seen of them afterwards."""

    one: Act
    other: Act
    seen: Callable[[], Any]


def play(scenes: Sequence[Scene]) -> set[tuple[str, str]]:
    """
    The first two scenes one act after the other, in either order; the rest at once, each to end as one of these did.

    :returns: what the two were told, ``done`` or why not, in either order.
    """
    forward, backward, *rest = scenes
    first, second = attempt(forward.one), attempt(forward.other)
    endings = [_ending(forward, first, second)]
    second, first = attempt(backward.other), attempt(backward.one)
    endings.append(_ending(backward, first, second))

    results = in_rounds([(scene.one, scene.other) for scene in rest])
    for scene, result in zip(rest, results, strict=True):
        assert _ending(scene, *result) in endings
    return {(one, other) for one, other, _seen in endings}


def _ending(scene: Scene, first: Any, second: Any) -> Any:
    return verdict(first), verdict(second), scene.seen()


def state_of(order: Any) -> Any:
    """Everything that two acts on an order may change, without keys and numbers."""
    now = Order.objects.get(pk=order.pk)
    balance = OrderBalance.objects.filter(order=order).values_list("receivable", "advance").first()
    return (
        (now.status, now.shipping_status, now.payment_status, now.is_on_hold, now.is_to_be_cancelled),
        (now.payable, now.received, now.refunded, now.written_off, balance),
        tuple(Line.objects.filter(order=order).order_by("no").values_list("shipped", "shipped_amount")),
        tuple(LineClosing.objects.filter(order=order).values_list("quantity", "amount", "tax")),
        tuple(Shipment.objects.filter(order=order).order_by("pk").values_list("status", flat=True)),
        tuple(Return.objects.filter(order=order).order_by("pk").values_list("status", flat=True)),
        tuple(Payment.objects.filter(order=order).order_by("pk").values_list("status", "refunding")),
        tuple(Refund.objects.filter(order=order).order_by("pk").values_list("amount", "ground", "status")),
        tuple(Voucher.objects.filter(order=order).order_by("purpose").values_list("purpose").annotate(Count("pk"))),
        Reservation.objects.filter(order=order).aggregate(open=Sum("quantity"))["open"],
        Review.objects.filter(order=order).count(),
        ClosingRecord.objects.filter(order=order).count(),
    )


def states_of(one: Any, other: Any) -> Any:
    return state_of(one), state_of(other)


def state_with_stock(order: Any, product: Any) -> Any:
    return state_of(order), stock_of(product)


def stock_of(product: Any) -> Any:
    return tuple(StockLevel.objects.filter(product=product).values_list("on_hand", "reserved", "value"))


def soon() -> datetime:
    """Later than whatever else is decided: of two acts on a closed order, either may then come first."""
    return timezone.now() + timedelta(minutes=1)


def pack_some(orders: Sequence[Any], quantity: int) -> None:
    """Of the first line of each."""
    keeper = decide(actor("keeper"))
    drafts = [draft_shipment(order.pk, {1: Decimal(quantity)}, decision=keeper) for order in orders]
    pack_shipments([draft.pk for draft in drafts], decision=keeper)


def processing(order: Any) -> Act:
    return partial(process_order, order.pk, decision=decide(actor("salesperson")))


def dispatching(order: Any) -> Act:
    return on_shipment(dispatch_shipment, order, "logistician", waybill=Waybill(method="PICKUP"))


def on_shipment(act: Callable[..., Any], order: Any, role: str, **kwargs: Any) -> Act:
    """:param order: with one shipment."""
    return partial(act, Shipment.objects.get(order=order).pk, decision=decide(actor(role)), **kwargs)


def closing_line(order: Any) -> Act:
    """All that is left of its first line."""
    decision = decide(actor("salesperson"), reason="CL02")
    return partial(close_lines, order.pk, [LineToClose(1)], decision=decision)


def cancelling(order: Any) -> Act:
    return partial(cancel_order, order.pk, decision=decide(actor("service"), reason="CA01"))


def reopening(order: Any, by: Any, **decision: Any) -> Act:
    return partial(reopen_order, order.pk, decision=decide(by, **REOPENED, **decision))
