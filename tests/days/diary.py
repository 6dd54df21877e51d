"""What people do on the days told here, in the words of their work."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from erp.kernel.acting import Decision
from erp.kernel.models import User
from finance.models import Refund
from finance.services.allowances import approve_allowance
from finance.services.payments import PaymentDraft, confirm_payment, report_payment
from finance.services.refunds import approve_refund, pay_refund
from finance.services.write_offs import WriteOffDraft, approve_write_off, request_write_off
from inventory.models import StockLevel
from logistics.models import Return, Shipment, ShipmentLine
from logistics.services.allowing import request_allowance
from logistics.services.drafting import draft_shipment, pack_orders
from logistics.services.inspecting import receive_return
from logistics.services.returns import ReturnDraft, ReturnDraftLine, approve_return, request_return
from logistics.services.shipping import Waybill, deliver_shipment, dispatch_shipment, pack_shipment
from orders.models import Order
from orders.services.cancelling import cancel_order
from orders.services.closing import close_order
from orders.services.closing_lines import LineToClose, close_lines
from orders.services.fulfilment import complete_order, process_order
from orders.services.placing import place_order
from orders.services.reviewing import review_order
from tests.factories import CarrierFactory, ProductFactory, ShopFactory, UserFactory, actor, decide, receive
from tests.factories.master import some_warehouse
from tests.logistics.returning import REASON, found
from tests.orders.drafts import draft, line

TAX = Decimal("0.13")
MONDAY = datetime(2026, 1, 5, 2, tzinfo=UTC)


class Diary:
    """One order's days: who does what, on which day."""

    def __init__(self) -> None:
        self.now = MONDAY
        self.carrier = CarrierFactory().code

    def by(self, role: str, **kwargs: Any) -> Decision:
        return self.decides(actor(role), **kwargs)

    def decides(self, person: User, **kwargs: Any) -> Decision:
        """Where it matters who of a role it is."""
        return decide(person, at=self.now, **kwargs)

    def days_later(self, days: int) -> None:
        self.now += timedelta(days=days)

    # Sales

    def place(self, *args: Any, **kwargs: Any) -> Order:
        placed = place_order(draft(*args, **kwargs), decision=self.by("salesperson"))
        assert placed.order
        return placed.order

    def place_goods(self, quantity: str = "2", tolerance: str = "0", **kwargs: Any) -> Order:
        """Goods of 113 each, of which 13 are tax, that cost 60 and are in stock."""
        product = ProductFactory(price=Decimal(113), tax_rate=TAX)
        self.receive("60", {product: int(quantity)})
        shop = ShopFactory(tolerance=Decimal(tolerance))
        return self.place(shop, line(product, quantity), shipping_method="EXPRESS", **kwargs)

    def process(self, order: Order) -> None:
        process_order(order.pk, decision=self.by("salesperson"))

    def close_line(self, order: Order, no: int, quantity: str = "", reason: str = "CA12") -> None:
        closed = LineToClose(no, Decimal(quantity) if quantity else None)
        close_lines(order.pk, [closed], decision=self.by("salesperson", reason=reason))

    def complete(self, order: Order) -> None:
        complete_order(order.pk, decision=self.by("service"))

    def cancel(self, order: Order) -> Order:
        cancel_order(order.pk, decision=self.by("service", reason="CA01"))
        return fresh(order)

    # Warehouse and logistics

    def receive(self, cost: str, goods: dict[Any, int]) -> None:
        receive(goods, unit_cost=Decimal(cost), decision=self.by("keeper"))

    def pack_all(self, order: Order) -> Shipment:
        (shipment,) = pack_orders([order.pk], decision=self.by("keeper"))
        return shipment

    def pack(self, order: Order, quantities: dict[int, int]) -> Shipment:
        chosen = {no: Decimal(quantity) for no, quantity in quantities.items()}
        shipment = draft_shipment(order.pk, chosen, decision=self.by("keeper"))
        return pack_shipment(shipment.pk, decision=self.by("keeper"))

    def send(self, shipment: Shipment) -> None:
        waybill = Waybill(self.carrier, f"SF{shipment.pk}")
        dispatch_shipment(shipment.pk, decision=self.by("logistician"), waybill=waybill)

    def send_all(self, order: Order) -> None:
        self.process(order)
        self.send(self.pack_all(order))
        self.days_later(1)

    def arrive(self, shipment: Shipment) -> None:
        deliver_shipment(shipment.pk, decision=self.by("logistician"))

    def sold(self, quantity: str = "2", paid: str = "", **kwargs: Any) -> Order:
        """Goods of 113 each, of which 13 are tax, that cost 60, on their way to the customer."""
        order = self.place_goods(quantity, **kwargs)
        if paid:
            self.pay(order, paid)
        self.send_all(order)
        return order

    def ask_back(self, order: Order, quantity: str) -> Return:
        """Customer service notes it, logistics agrees."""
        asked = request_return(
            ReturnDraft(order.pk, [ReturnDraftLine(Decimal(quantity), no=1)]), decision=self.by("service", **REASON)
        )
        return approve_return(asked.pk, decision=self.by("logistician"))

    def take_back(self, goods_return: Return, what: str = "restocked", **credits: Any) -> None:
        receive_return(found(goods_return, what, **credits), decision=self.by("keeper"))

    # Money

    def pay(self, order: Order, amount: str, method: str = "bank", fee: str = "0") -> None:
        reference = f"{method}-{amount}-{self.now:%m%d}"
        payment_draft = PaymentDraft(order.pk, method, reference, Decimal(amount), Decimal(fee))
        payment = report_payment(payment_draft, decision=self.by("cashier"))
        confirm_payment(payment.pk, decision=self.by("accountant"))

    def pay_back(self, order: Order) -> None:
        """Whoever of finance has asked for a refund, by confirming too much money, does not approve it."""
        for refund in Refund.objects.filter(order=order, status="requested").order_by("pk"):
            asked = refund.requested_by == actor("accountant")
            approver = UserFactory(role="accountant") if asked else actor("accountant")
            approve_refund(refund.pk, decision=self.decides(approver))
            pay_refund(refund.pk, decision=self.by("cashier"))

    def allow(self, order: Order, amount: str, reason: str = "RT02") -> None:
        """Customer service asks for a lower price of what was sent first, finance agrees."""
        row = ShipmentLine.objects.filter(shipment__order=order).order_by("pk")[0]
        asked = request_allowance(row.pk, Decimal(amount), decision=self.by("service", reason=reason))
        approve_allowance(asked.pk, decision=self.by("accountant"))

    def write_off(self, order: Order, amount: str, kind: str = "bad_debt", reason: str = "FN04") -> None:
        """Finance asks for it, its chief agrees."""
        asked = request_write_off(
            WriteOffDraft(order.pk, kind, Decimal(amount)), decision=self.by("accountant", reason=reason)
        )
        approve_write_off(asked.pk, decision=self.by("chief_accountant"))

    # The end

    def review(self, order: Order) -> None:
        for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
            review_order(order.pk, block, decision=self.by(role))

    def close(self, order: Order, reason: str = "CL01", note: str = "", by: User | None = None) -> None:
        close_order(order.pk, decision=self.decides(by or actor("closer"), reason=reason, note=note))

    def finish(self, order: Order, reason: str = "CL01", note: str = "") -> None:
        self.review(order)
        self.close(order, reason, note)


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def shipment_of(order: Order) -> Shipment:
    return Shipment.objects.get(order=order)


def on_hand(order: Order) -> Decimal:
    level = StockLevel.objects.get(product__in=order.lines.values("product"), warehouse=some_warehouse("CNY"))
    return level.on_hand
