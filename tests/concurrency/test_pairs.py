"""
Two acts at once end as they would one after the other.

Each scene is played first in one order, then in the other: those are the endings there may be. Then it is
played at once, again and again; each ending has to be one of them. So nobody meets a deadlock, a lock that
could not be had, or an exception that is no refusal.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.db.models import Count, Sum
from django.utils import timezone

from erp.kernel.money import CURRENCIES
from finance.models import OrderBalance, Payment, Period, Refund, Voucher
from finance.periods import close_period
from finance.services.payments import PaymentDraft, confirm_payment, reject_payments, report_payment
from finance.services.refunds import approve_refund, pay_refund
from inventory.models import Receipt, Reservation, StockLevel, StockTakeLine
from inventory.services.counting import approve_stock_take
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine, receive_stock
from logistics.models import Shipment
from logistics.services.drafting import draft_shipment, pack_orders
from logistics.services.shipping import (
    Waybill,
    cancel_shipment,
    deliver_shipment,
    dispatch_shipment,
    pack_shipment,
)
from orders.models import ClosingRecord, Line, LineClosing, Order, Review
from orders.services.changing import LineChange, OrderChange, change_order
from orders.services.closing import close_order
from orders.services.closing_lines import LineToClose, close_lines
from orders.services.fulfilment import complete_order, process_order
from orders.services.holds import hold_order, resume_order
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft, place_order
from orders.services.reopening import reopen_order, reopen_orders
from orders.services.reviewing import review_order, review_orders
from tests.concurrency.threads import Act, attempt, rounds, together, verdict
from tests.factories import (
    OrderFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    actor,
    decide,
    receive,
)
from tests.factories import count as count_stock_of

REOPENED = {"reason": "RO01", "note": "关错了"}
PICK_UP = Waybill(method="PICKUP")


class Scene(NamedTuple):
    """Two acts on rows nobody else touches, and what is to be seen of them afterwards."""

    one: Act
    other: Act
    seen: Callable[[], Any]


def state_of(order: Any) -> Any:
    """Everything that two acts on an order may change, without keys and numbers."""
    now = Order.objects.get(pk=order.pk)
    balance = OrderBalance.objects.filter(order=order).values_list("receivable", "advance").first()
    return (
        (now.status, now.shipping_status, now.payment_status, now.received),
        balance,
        tuple(Line.objects.filter(order=order).order_by("no").values_list("shipped", "shipped_amount")),
        tuple(Shipment.objects.filter(order=order).order_by("pk").values_list("status", flat=True)),
        tuple(Payment.objects.filter(order=order).order_by("pk").values_list("status", flat=True)),
        tuple(Voucher.objects.filter(order=order).order_by("purpose").values_list("purpose").annotate(Count("pk"))),
        Reservation.objects.filter(order=order).aggregate(open=Sum("quantity"))["open"],
        Review.objects.filter(order=order).count(),
        ClosingRecord.objects.filter(order=order).count(),
    )


def close_and_close(count: int) -> Sequence[Scene]:
    other_closer = UserFactory(role="closer")
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            partial(close_order, order.pk, decision=decide(other_closer, reason="CL01")),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, reviewed=True)
    ]


def reopen_and_reopen(count: int) -> Sequence[Scene]:
    one, other = UserFactory(role="closer"), UserFactory(role="closer")
    return [
        Scene(_reopening(order, one), _reopening(order, other), partial(state_of, order))
        for order in OrderFactory.create_batch(count, line_count=1, closed=True)
    ]


def reopen_and_close_again(count: int) -> Sequence[Scene]:
    """The closing finds the order closed, or reopened and not reviewed anew."""
    one, other = UserFactory(role="closer"), UserFactory(role="closer")
    return [
        Scene(
            _reopening(order, one),
            partial(close_order, order.pk, decision=decide(other, reason="CL01")),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, closed=True)
    ]


def close_again_and_reopen_again(count: int) -> Sequence[Scene]:
    """Of orders reopened and reviewed anew: the second reopening finds its order closed, or not yet."""
    one, other = UserFactory(role="closer"), UserFactory(role="closer")
    orders = OrderFactory.create_batch(count, line_count=1, closed=True)
    reopen_orders([order.pk for order in orders], decision=decide(one, **REOPENED))
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        review_orders([order.pk for order in orders], block, decision=decide(actor(role)))
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            _reopening(order, other),
            partial(state_of, order),
        )
        for order in orders
    ]


def reopen_and_confirm(count: int) -> Sequence[Scene]:
    """Money that came after the closing is credited by the rule, before the reversal or after it."""
    by = UserFactory(role="closer")
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, closed=True):
        draft = PaymentDraft(order.pk, "bank", "late", Decimal(50))
        late = report_payment(draft, decision=decide(actor("cashier")))
        confirm = partial(confirm_payment, late.pk, decision=decide(actor("accountant"), at=_soon()))
        scenes.append(Scene(_reopening(order, by), confirm, partial(state_of, order)))
    return scenes


def reopen_and_pay_refund(count: int) -> Sequence[Scene]:
    by, approver = UserFactory(role="closer"), UserFactory(role="accountant")
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, closed=True):
        draft = PaymentDraft(order.pk, "bank", "late", Decimal(50))
        late = report_payment(draft, decision=decide(actor("cashier")))
        confirm_payment(late.pk, decision=decide(actor("accountant")))
        refund = Refund.objects.get(order=order)
        approve_refund(refund.pk, decision=decide(approver))
        pay = partial(pay_refund, refund.pk, decision=decide(actor("cashier"), at=_soon()))
        scenes.append(Scene(_reopening(order, by), pay, partial(state_of, order)))
    return scenes


def close_and_dispatch(count: int) -> Sequence[Scene]:
    """Of the same order: closing is refused in whichever order."""
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            partial(_dispatch, order),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, packed=True, paid=True)
    ]


def close_and_dispatch_another(count: int) -> Sequence[Scene]:
    """Of the same product: both go through, past each other's stock, numbers and chain."""
    product = ProductFactory()
    reviewed = OrderFactory.create_batch(count, lines=[(product, 1, None)], reviewed=True)
    packed = OrderFactory.create_batch(count, lines=[(product, 1, None)], packed=True)
    return [
        Scene(
            partial(close_order, one.pk, decision=decide(actor("closer"), reason="CL01")),
            partial(_dispatch, other),
            partial(_states_of, one, other),
        )
        for one, other in zip(reviewed, packed, strict=True)
    ]


def close_and_report_payment(count: int) -> Sequence[Scene]:
    return [
        Scene(
            partial(close_order, order.pk, decision=decide(actor("closer"), reason="CL01")),
            partial(
                report_payment,
                PaymentDraft(order.pk, "alipay", f"MORE-{order.pk}", Decimal(1)),
                decision=decide(actor("cashier")),
            ),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, reviewed=True)
    ]


def process_and_process(count: int) -> Sequence[Scene]:
    """Two orders after the last piece."""
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        receive({product: 1})
        one, other = OrderFactory.create_batch(2, lines=[(product, 1, None)])
        scenes.append(Scene(partial(_process, one), partial(_process, other), partial(_states_of, one, other)))
    return scenes


def process_and_receive(count: int) -> Sequence[Scene]:
    """Whoever comes first, the order that may wait has its goods in the end."""
    shop = ShopFactory(allows_backorder=True)
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        order = OrderFactory(shop=shop, lines=[(product, 2, None)])
        scenes.append(
            Scene(
                partial(_process, order),
                partial(receive, {product: 3}, decision=decide(actor("keeper"))),
                partial(_state_with_stock, order, product),
            )
        )
    return scenes


def dispatch_and_receive(count: int) -> Sequence[Scene]:
    """The value that leaves is a share of what is there: before, or after the goods of another price."""
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        order = OrderFactory(lines=[(product, 2, None)], packed=True)
        scenes.append(
            Scene(
                partial(_dispatch, order),
                partial(receive, {product: 3}, unit_cost=Decimal("7.77"), decision=decide(actor("keeper"))),
                partial(_state_with_stock, order, product),
            )
        )
    return scenes


def dispatch_and_approve_a_loss(count: int) -> Sequence[Scene]:
    """Two pieces leave for the order and one is missing: whoever is first, both go through."""
    products = ProductFactory.create_batch(count)
    receive(dict.fromkeys(products, 1))
    chief, scenes = actor("chief_accountant"), []
    for product in products:
        order = OrderFactory(lines=[(product, 2, None)], packed=True)
        take = count_stock_of({product: 2})
        scenes.append(
            Scene(
                partial(_dispatch, order),
                partial(approve_stock_take, take.pk, decision=decide(chief)),
                partial(_state_with_stock, order, product),
            )
        )
    return scenes


def approve_and_approve(count: int) -> Sequence[Scene]:
    """The same stock-take: it is booked once."""
    chief, scenes = actor("chief_accountant"), []
    for product in ProductFactory.create_batch(count):
        approve = partial(approve_stock_take, count_stock_of({product: 3}).pk, decision=decide(chief))
        scenes.append(Scene(approve, approve, partial(_stock_of, product)))
    return scenes


def count_and_count(count: int) -> Sequence[Scene]:
    """The same product in the same warehouse: only one is undecided."""
    warehouse = WarehouseFactory()
    return [
        Scene(
            partial(count_stock_of, {product: 3}, warehouse=warehouse),
            partial(count_stock_of, {product: 3}, warehouse=warehouse),
            partial(_counts_of, product),
        )
        for product in ProductFactory.create_batch(count)
    ]


def process_and_approve_a_gain(count: int) -> Sequence[Scene]:
    """An order begins to wait in the moment its goods are found: it gets them either way."""
    shop = ShopFactory(allows_backorder=True)
    chief, scenes = actor("chief_accountant"), []
    for product in ProductFactory.create_batch(count):
        order = OrderFactory(shop=shop, lines=[(product, 2, None)])
        take = count_stock_of({product: 3})
        scenes.append(
            Scene(
                partial(_process, order),
                partial(approve_stock_take, take.pk, decision=decide(chief)),
                partial(_state_with_stock, order, product),
            )
        )
    return scenes


def dispatch_and_dispatch(count: int) -> Sequence[Scene]:
    return [
        Scene(partial(_dispatch, order), partial(_dispatch, order), partial(state_of, order))
        for order in OrderFactory.create_batch(count, line_count=1, packed=True)
    ]


def dispatch_and_cancel(count: int) -> Sequence[Scene]:
    return [
        Scene(
            partial(_dispatch, order),
            partial(cancel_shipment, Shipment.objects.get(order=order).pk, decision=decide(actor("keeper"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, packed=True)
    ]


def hold_and_dispatch(count: int) -> Sequence[Scene]:
    """Of the same order: goods that have left are not called back, and none leave after the hold."""
    return [
        Scene(
            partial(hold_order, order.pk, decision=decide(actor("service"), reason="HO01")),
            partial(_dispatch, order),
            partial(_held_state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, packed=True)
    ]


def close_line_and_dispatch(count: int) -> Sequence[Scene]:
    """What is on the shipment leaves, what is not is closed; whichever comes last ships the order."""
    orders = OrderFactory.create_batch(count, lines=[(ProductFactory(), 3, None)], processing=True, paid=True)
    for order in orders:
        _pack_some(order, 2)
    return [
        Scene(partial(_close_line, order), partial(_dispatch, order), partial(_closed_state_of, order))
        for order in orders
    ]


def close_line_and_pack(count: int) -> Sequence[Scene]:
    """Either the goods are closed, or they are packed."""
    orders = OrderFactory.create_batch(count, lines=[(ProductFactory(), 3, None)], processing=True)
    for order in orders:
        _pack_some(order, 2)
        _dispatch(order)
    return [
        Scene(
            partial(_close_line, order),
            partial(pack_orders, [order.pk], decision=decide(actor("keeper"))),
            partial(_closed_state_of, order),
        )
        for order in orders
    ]


def close_line_and_receive(count: int) -> Sequence[Scene]:
    """Goods freed here and goods that come in serve the same order that waits."""
    shop = ShopFactory(allows_backorder=True)
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        holder = OrderFactory(lines=[(product, 3, None)], processing=True)
        waiting = OrderFactory(shop=shop, lines=[(product, 4, None)], in_stock=False, processing=True)
        lines = [LineToClose(1, Decimal(2))]
        scenes.append(
            Scene(
                partial(close_lines, holder.pk, lines, decision=decide(actor("salesperson"), reason="CL02")),
                partial(receive, {product: 2}, decision=decide(actor("keeper"))),
                partial(_states_of, holder, waiting),
            )
        )
    return scenes


def change_and_process(count: int) -> Sequence[Scene]:
    """A change is made before the goods are reserved, or not at all."""
    return [
        Scene(
            partial(
                change_order,
                order.pk,
                OrderChange(lines=[LineChange(1, quantity=Decimal(1))]),
                decision=decide(actor("salesperson")),
            ),
            partial(_process, order),
            partial(state_of, order),
        )
        for order in _placed_and_in_stock(count)
    ]


def change_and_pack(count: int) -> Sequence[Scene]:
    """The goods go to the new address, or the change comes too late."""
    return [
        Scene(
            partial(
                change_order,
                order.pk,
                OrderChange(shipping_address={"city": "上海市"}),
                decision=decide(actor("salesperson")),
            ),
            partial(pack_orders, [order.pk], decision=decide(actor("keeper"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, processing=True)
    ]


def release_and_process_another(count: int) -> Sequence[Scene]:
    """Goods a hold releases may be taken by an order that is processed, but never twice."""
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        one = OrderFactory(lines=[(product, 1, None)], processing=True)
        other = OrderFactory(lines=[(product, 1, None)])
        scenes.append(
            Scene(
                partial(hold_order, one.pk, release=True, decision=decide(actor("service"), reason="HO01")),
                partial(_process, other),
                partial(_states_of, one, other),
            )
        )
    return scenes


def resume_and_receive(count: int) -> Sequence[Scene]:
    """Whoever comes first, a resumed order that may wait has its goods in the end."""
    shop = ShopFactory(allows_backorder=True)
    scenes = []
    for _ in range(count):
        product = ProductFactory()
        order = OrderFactory(shop=shop, lines=[(product, 2, None)], in_stock=False, processing=True)
        hold_order(order.pk, release=True, decision=decide(actor("service"), reason="HO01"))
        scenes.append(
            Scene(
                partial(resume_order, order.pk, decision=decide(actor("service"))),
                partial(receive, {product: 3}, decision=decide(actor("keeper"))),
                partial(_state_with_stock, order, product),
            )
        )
    return scenes


def pack_and_pack(count: int) -> Sequence[Scene]:
    keeper = decide(actor("keeper"))
    return [
        Scene(
            partial(pack_orders, [order.pk], decision=keeper),
            partial(pack_orders, [order.pk], decision=keeper),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, processing=True)
    ]


def complete_and_deliver(count: int) -> Sequence[Scene]:
    return [
        Scene(
            partial(complete_order, order.pk, decision=decide(actor("service"))),
            partial(deliver_shipment, Shipment.objects.get(order=order).pk, decision=decide(actor("logistician"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, shipped=True)
    ]


def review_and_confirm(count: int) -> Sequence[Scene]:
    """Finance is reviewed only once the money is confirmed."""
    return [
        Scene(
            partial(review_order, order.pk, "finance", decision=decide(actor("accountant"))),
            partial(confirm_payment, Payment.objects.get(order=order).pk, decision=decide(actor("accountant"))),
            partial(state_of, order),
        )
        for order in OrderFactory.create_batch(count, line_count=1, completed=True, reported=True)
    ]


def confirm_and_confirm(count: int) -> Sequence[Scene]:
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, reported=True):
        confirm = partial(confirm_payment, Payment.objects.get(order=order).pk, decision=decide(actor("accountant")))
        scenes.append(Scene(confirm, confirm, partial(state_of, order)))
    return scenes


def confirm_and_reject(count: int) -> Sequence[Scene]:
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, reported=True):
        payment = Payment.objects.get(order=order).pk
        why = decide(actor("accountant"), reason="RJ01", note="未到账")
        scenes.append(
            Scene(
                partial(confirm_payment, payment, decision=decide(actor("accountant"))),
                partial(reject_payments, [payment], decision=why),
                partial(state_of, order),
            )
        )
    return scenes


def report_and_report(count: int) -> Sequence[Scene]:
    """The same money told twice is one payment."""
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1):
        draft = PaymentDraft(order.pk, "alipay", f"REF-{order.pk}", order.total)
        report = partial(report_payment, draft, decision=decide(actor("cashier")))
        scenes.append(Scene(report, report, partial(state_of, order)))
    return scenes


def place_and_place(count: int) -> Sequence[Scene]:
    """The same order sent twice is one order."""
    shop, product = ShopFactory(), ProductFactory()
    scenes = []
    for no in range(count):
        place = _placing(shop, product, f"SAME-{no}", 1)
        scenes.append(Scene(place, place, partial(_placed, f"SAME-{no}")))
    return scenes


def place_and_place_another(count: int) -> Sequence[Scene]:
    """Two orders under one number: one is refused."""
    shop, product = ShopFactory(), ProductFactory()
    scenes = []
    for no in range(count):
        one, other = (_placing(shop, product, f"OTHER-{no}", quantity) for quantity in (1, 2))
        scenes.append(Scene(one, other, partial(_placed, f"OTHER-{no}")))
    return scenes


def place_and_place_for_a_new_customer(count: int) -> Sequence[Scene]:
    """Two first orders of one customer: both are placed, and the customer is made once."""
    shop, product = ShopFactory(), ProductFactory()
    scenes = []
    for no in range(count):
        one, other = (_placing(shop, product, f"NEW-{no}-{way}", 1, customer=f"C{no}") for way in (1, 2))
        scenes.append(Scene(one, other, partial(_customers_of, f"NEW-{no}-")))
    return scenes


def receive_and_receive_a_new_product(count: int) -> Sequence[Scene]:
    scenes = []
    for _ in range(count):
        product, warehouse = ProductFactory(), WarehouseFactory()
        acts = [
            partial(receive, {product: quantity}, warehouse=warehouse, decision=decide(actor("keeper")))
            for quantity in (2, 3)
        ]
        scenes.append(Scene(*acts, partial(_stock_of, product)))
    return scenes


def receive_and_receive_the_same_delivery(count: int) -> Sequence[Scene]:
    scenes = []
    for no in range(count):
        product, warehouse = ProductFactory(), WarehouseFactory()
        draft = ReceiptDraft(warehouse.code, [ReceiptDraftLine(product.sku, Decimal(2), Decimal(5))], f"DN-{no}")
        act = partial(receive_stock, draft, decision=decide(actor("keeper")))
        scenes.append(Scene(act, act, partial(_received, f"DN-{no}")))
    return scenes


def post_and_close_period(count: int) -> Sequence[Scene]:
    """Last month of a book per scene: a receipt dated its last day comes in before it is closed, or not at all."""
    last_month = timezone.now().astimezone(UTC).replace(day=1, hour=2) - timedelta(days=1)
    scenes = []
    for currency in list(CURRENCIES)[:count]:
        product, warehouse = ProductFactory(currency=currency), WarehouseFactory(currency=currency)
        bring_in = partial(receive, {product: 1}, warehouse=warehouse, decision=decide(actor("keeper"), at=last_month))
        bring_in()
        period = Period.objects.get(currency=currency)
        close = partial(close_period, period.pk, decision=decide(actor("accountant")))
        scenes.append(Scene(bring_in, close, partial(_period_and_stock, period, product)))
    return scenes


@pytest.mark.parametrize(
    "scenes",
    [
        close_and_close,
        reopen_and_reopen,
        reopen_and_close_again,
        close_again_and_reopen_again,
        reopen_and_confirm,
        reopen_and_pay_refund,
        close_and_dispatch,
        close_and_dispatch_another,
        close_and_report_payment,
        process_and_process,
        process_and_receive,
        dispatch_and_receive,
        dispatch_and_approve_a_loss,
        process_and_approve_a_gain,
        approve_and_approve,
        count_and_count,
        dispatch_and_dispatch,
        dispatch_and_cancel,
        hold_and_dispatch,
        close_line_and_dispatch,
        close_line_and_pack,
        close_line_and_receive,
        change_and_process,
        change_and_pack,
        release_and_process_another,
        resume_and_receive,
        pack_and_pack,
        complete_and_deliver,
        review_and_confirm,
        confirm_and_confirm,
        confirm_and_reject,
        report_and_report,
        place_and_place,
        place_and_place_another,
        place_and_place_for_a_new_customer,
        receive_and_receive_a_new_product,
        receive_and_receive_the_same_delivery,
        post_and_close_period,
    ],
    ids=lambda scenes: scenes.__name__,
)
def test_two_acts_at_once_end_as_one_after_the_other(scenes: Callable[[int], Sequence[Scene]]) -> None:
    forward, backward, *rest = scenes(rounds() + 2)
    first, second = attempt(forward.one), attempt(forward.other)
    endings = {_ending(forward, first, second)}
    second, first = attempt(backward.other), attempt(backward.one)
    endings.add(_ending(backward, first, second))

    for scene in rest:
        assert _ending(scene, *together(scene.one, scene.other)) in endings


def _ending(scene: Scene, first: Any, second: Any) -> Any:
    return verdict(first), verdict(second), scene.seen()


def _reopening(order: Any, by: Any) -> Act:
    return partial(reopen_order, order.pk, decision=decide(by, **REOPENED))


def _soon() -> Any:
    """Later than whatever else is decided here: of a payment and a reopening, either may come first."""
    return timezone.now() + timedelta(minutes=1)


def _dispatch(order: Any) -> Any:
    shipment = Shipment.objects.get(order=order)
    return dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=PICK_UP)


def _pack_some(order: Any, quantity: int) -> None:
    keeper = decide(actor("keeper"))
    pack_shipment(draft_shipment(order.pk, {1: Decimal(quantity)}, decision=keeper).pk, decision=keeper)


def _close_line(order: Any) -> Any:
    return close_lines(order.pk, [LineToClose(1)], decision=decide(actor("salesperson"), reason="CL02"))


def _closed_state_of(order: Any) -> Any:
    refunds = tuple(Refund.objects.filter(order=order).values_list("amount", "ground"))
    return state_of(order), Order.objects.get(pk=order.pk).payable, refunds, _closed(order)


def _closed(order: Any) -> Any:
    return tuple(LineClosing.objects.filter(order=order).values_list("quantity", "amount", "tax"))


def _placed_and_in_stock(count: int) -> Any:
    product = ProductFactory()
    receive({product: 2 * count})
    return OrderFactory.create_batch(count, lines=[(product, 2, None)])


def _process(order: Any) -> Any:
    return process_order(order.pk, decision=decide(actor("salesperson")))


def _placing(shop: Any, product: Any, number: str, quantity: int, customer: str = "") -> Act:
    draft = OrderDraft(
        shop.code,
        CustomerDraft("王芳", code=customer),
        [LineDraft(product.sku, Decimal(quantity))],
        external_number=number,
        placed_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    return partial(place_order, draft, decision=decide(actor("salesperson")))


def _placed(number: str) -> Any:
    return tuple(Line.objects.filter(order__external_number=number).values_list("quantity", flat=True))


def _customers_of(prefix: str) -> Any:
    orders = Order.objects.filter(external_number__startswith=prefix)
    return orders.count(), orders.values("customer").distinct().count()


def _held_state_of(order: Any) -> Any:
    return state_of(order), Order.objects.get(pk=order.pk).is_on_hold


def _states_of(one: Any, other: Any) -> Any:
    return state_of(one), state_of(other)


def _state_with_stock(order: Any, product: Any) -> Any:
    return state_of(order), _stock_of(product)


def _stock_of(product: Any) -> Any:
    return tuple(StockLevel.objects.filter(product=product).values_list("on_hand", "reserved", "value"))


def _counts_of(product: Any) -> Any:
    return StockTakeLine.objects.filter(product=product).count()


def _received(reference: str) -> Any:
    return Receipt.objects.filter(reference=reference).count()


def _period_and_stock(period: Any, product: Any) -> Any:
    period.refresh_from_db()
    return period.closed_at is not None, period.next_number, _stock_of(product)
