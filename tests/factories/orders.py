"""Orders, told as stories: the services place, process, ship, deliver, complete, review and close them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone

from erp.kernel.acting import Decision
from erp.kernel.money import ZERO
from finance.services import payments
from finance.services.payments import PaymentDraft
from inventory.models import Receipt, StockTake, Transfer, Warehouse
from inventory.services.counting import CountDraft, CountLine, count_stock
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine, receive_stock
from inventory.services.transferring import TransferDraft, TransferDraftLine, transfer_stock
from logistics.models import Shipment, ShipmentStatus
from logistics.services import drafting, shipping
from logistics.services.shipping import Waybill
from orders.models import Order, Product, ProductKind, Shop
from orders.services import closing, fulfilment, reviewing
from orders.services.lifecycle import Outcomes
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft, place_orders
from tests.factories.master import ProductFactory, WarehouseFactory, some_carrier, some_shop, some_warehouse
from tests.factories.people import actor, decide

STAGES = ("processing", "packed", "shipped", "delivered", "completed", "reviewed", "closed")
COST = Decimal("50")


@dataclass(slots=True)
class Story:
    """
    What is to have happened to one order.

    The stages up to the last one named are gone through; ``reviewed`` and ``closed`` need the money too.

    :param lines: (product, quantity, unit price); without them ``line_count`` products, two of each.
    :param paid: confirmed, all of it or an amount. :param reported: as ``paid``, but not confirmed yet.
    :param unpaid: says that nothing is paid, which is so unless something else is said.
    :param in_stock: goods are received before the order is processed.
    """

    shop: Shop | None = None
    lines: Sequence[tuple[Product, Decimal | int, Decimal | int | None]] = ()
    line_count: int = 2
    services_only: bool = False
    zero_value: bool = False
    customer: Mapping[str, str] = field(default_factory=lambda: {"name": "王芳"})
    external_number: str = ""
    discount: Decimal | int = ZERO
    shipping_fee: Decimal | int = ZERO
    shipping_method: str = "EXPRESS"
    shipping_address: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    at: datetime = field(default_factory=timezone.now)

    in_stock: bool = True
    warehouse: Warehouse | None = None
    processing: bool = False
    packed: bool = False
    shipped: bool = False
    delivered: bool = False
    completed: bool = False
    reviewed: bool = False
    closed: bool = False
    paid: bool | Decimal = False
    reported: bool | Decimal = False
    unpaid: bool = False

    def __post_init__(self) -> None:
        if self.reviewed or self.closed:
            assert not self.reported, "money must be confirmed before the review"
            self.paid = self.paid or True
        assert not (self.unpaid and (self.paid or self.reported)), "unpaid, and yet paid"

    @property
    def stages(self) -> tuple[str, ...]:
        last = max((no for no, stage in enumerate(STAGES, start=1) if getattr(self, stage)), default=0)
        return STAGES[:last]


class OrderFactory(factory.Factory):
    """``OrderFactory(shipped=True, paid=True)``; ``create_batch`` drives the services once for all orders."""

    class Meta:
        model = Story

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        (order,) = _tell([model_class(*args, **kwargs)])
        return order

    @classmethod
    def create_batch(cls, size: int, **kwargs: Any) -> list[Any]:
        stories = [cls.build(**kwargs) for _ in range(size)]
        return [order for start in range(0, size, 500) for order in _tell(stories[start : start + 500])]


def receive(
    quantities: Mapping[Product, Decimal | int],
    *,
    warehouse: Warehouse | None = None,
    unit_cost: Decimal = COST,
    decision: Decision | None = None,
) -> Receipt:
    """Receive goods into stock."""
    warehouse = warehouse or some_warehouse("CNY")
    lines = [ReceiptDraftLine(product.sku, Decimal(quantity), unit_cost) for product, quantity in quantities.items()]
    return receive_stock(ReceiptDraft(warehouse.code, lines), decision=decision or decide(actor("keeper")))


def count(
    quantities: Mapping[Product, Decimal | int],
    *,
    warehouse: Warehouse | None = None,
    unit_cost: Decimal | None = COST,
    decision: Decision | None = None,
) -> StockTake:
    """Count goods in stock."""
    warehouse = warehouse or some_warehouse("CNY")
    lines = [CountLine(product.sku, Decimal(quantity), unit_cost) for product, quantity in quantities.items()]
    return count_stock(CountDraft(warehouse.code, lines), decision=decision or decide(actor("keeper")))


def transfer(
    quantities: Mapping[Product, Decimal | int],
    *,
    origin: Warehouse | None = None,
    destination: Warehouse | None = None,
    reference: str = "",
    decision: Decision | None = None,
) -> Transfer:
    """Move goods to another warehouse."""
    origin = origin or some_warehouse("CNY")
    destination = destination or WarehouseFactory()
    lines = [TransferDraftLine(product.sku, Decimal(quantity)) for product, quantity in quantities.items()]
    draft = TransferDraft(origin.code, destination.code, lines, reference)
    return transfer_stock(draft, decision=decision or decide(actor("keeper")))


def _tell(stories: Sequence[Story]) -> list[Order]:
    """Stories of one call differ in their drafts; how far they go is the same for all."""
    _cast(stories)
    story = stories[0]
    placed = place_orders([_draft(story) for story in stories], decision=decide(actor("salesperson"), at=story.at))
    for result in placed:
        if result.error:
            raise result.error
    orders = [result.order for result in placed if result.order]
    _pay(story, orders)
    if story.stages and story.in_stock:
        _stock_up(stories)
    ids = [order.pk for order in orders]
    for stage in story.stages:
        _PLOT[stage](ids, story.at)
    now = Order.objects.in_bulk(ids)
    return [now[order_id] for order_id in ids]


def _cast(stories: Iterable[Story]) -> None:
    """Shop and products where a story leaves them open: the same for all."""
    products: list[Product] = []
    for story in stories:
        story.shop = story.shop or some_shop()
        if not story.lines:
            missing = story.line_count - len(products)
            products += ProductFactory.create_batch(
                max(missing, 0), service=story.services_only, currency=story.shop.currency
            )
            price = ZERO if story.zero_value else None
            story.lines = [(product, 2, price) for product in products[: story.line_count]]


def _draft(story: Story) -> OrderDraft:
    assert story.shop
    return OrderDraft(
        shop=story.shop.code,
        customer=CustomerDraft(**story.customer),
        lines=[LineDraft(product.sku, Decimal(quantity), _price(price)) for product, quantity, price in story.lines],
        external_number=story.external_number,
        discount=Decimal(story.discount),
        shipping_fee=Decimal(story.shipping_fee),
        shipping_method="" if story.services_only else story.shipping_method,
        shipping_address=story.shipping_address,
        note=story.note,
    )


def _price(price: Decimal | int | None) -> Decimal | None:
    return None if price is None else Decimal(price)


def _stock_up(stories: Iterable[Story]) -> None:
    wanted: dict[Warehouse, dict[Product, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for story in stories:
        assert story.shop
        warehouse = story.warehouse or some_warehouse(story.shop.currency)
        for product, quantity, _ in story.lines:
            if product.kind == ProductKind.STOCKED:
                wanted[warehouse][product] += Decimal(quantity)
    for warehouse, quantities in wanted.items():
        receive(quantities, warehouse=warehouse, decision=decide(actor("keeper"), at=story.at))


def _pay(story: Story, orders: Sequence[Order]) -> None:
    amount = story.paid or story.reported
    drafts = [
        PaymentDraft(order.pk, "alipay", f"REF-{order.number}", order.total if amount is True else Decimal(amount))
        for order in orders
        if amount and order.total
    ]
    if not drafts:
        return
    reported = payments.report_payments(drafts, decision=decide(actor("cashier"), at=story.at))
    if story.paid:
        payments.confirm_payments(
            [payment.pk for payment in reported], decision=decide(actor("accountant"), at=story.at)
        )


def _all_done(outcomes: Outcomes) -> None:
    assert not outcomes.refused, outcomes.refused[0].reasons


def _process(ids: Sequence[int], at: datetime) -> None:
    _all_done(fulfilment.process_orders(ids, decision=decide(actor("salesperson"), at=at)))


def _pack(ids: Sequence[int], at: datetime) -> None:
    drafting.pack_orders(ids, decision=decide(actor("keeper"), at=at))


def _ship(ids: Sequence[int], at: datetime) -> None:
    shipments = list(_shipments(ids, ShipmentStatus.PACKED))
    carrier = some_carrier().code
    waybills = {pk: Waybill(carrier=carrier, tracking_number=f"T{pk}") for pk in shipments}
    shipping.dispatch_shipments(shipments, decision=decide(actor("logistician"), at=at), waybills=waybills)


def _deliver(ids: Sequence[int], at: datetime) -> None:
    shipping.deliver_shipments(
        _shipments(ids, ShipmentStatus.DISPATCHED), decision=decide(actor("logistician"), at=at)
    )


def _complete(ids: Sequence[int], at: datetime) -> None:
    _all_done(fulfilment.complete_orders(ids, decision=decide(actor("service"), at=at)))


def _review(ids: Sequence[int], at: datetime) -> None:
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        _all_done(reviewing.review_orders(ids, block, decision=decide(actor(role), at=at)))


def _close(ids: Sequence[int], at: datetime) -> None:
    _all_done(closing.close_orders(ids, decision=decide(actor("closer"), at=at, reason="CL01")))


def _shipments(ids: Sequence[int], status: ShipmentStatus) -> Iterator[int]:
    return Shipment.objects.filter(order__in=ids, status=status).values_list("pk", flat=True).iterator()


_PLOT = dict(zip(STAGES, (_process, _pack, _ship, _deliver, _complete, _review, _close), strict=True))
