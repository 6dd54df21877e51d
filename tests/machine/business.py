"""
Everything people can do with orders, money and goods, each as a rule of a state machine.

A rule chooses among the documents it fits. Where there is none, something else happens, or some order is taken one
step along the straight way instead, so that orders get closed, reopened and closed again, and no turn is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any

from django.db.models import Q
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from erp.kernel.money import ZERO
from finance.models import Allowance, Payment, Period, Refund, WriteOff
from finance.models.refund import OPEN as OPEN_REFUND
from finance.periods import close_period
from finance.services import allowances, payments, refunds, write_offs
from finance.services.payments import PaymentDraft
from finance.services.refunds import RefundDraft
from finance.services.write_offs import WriteOffDraft
from inventory.models import StockTake, Warehouse
from inventory.selectors import lacking
from inventory.services import counting, receiving, transferring
from inventory.services.counting import CountDraft, CountLine
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine
from inventory.services.transferring import TransferDraft, TransferDraftLine
from logistics.models import OUT, Disposition, Return, Shipment, ShipmentLine
from logistics.services import allowing, drafting, inspecting, returns, shipping, undelivered
from logistics.services.inspecting import InspectedLine, InspectionDraft
from logistics.services.returns import ReturnDraft, ReturnDraftLine
from logistics.services.shipping import Waybill
from orders.contract import Batch
from orders.models import Line, Order, Status
from orders.models.order import FINAL, OPEN
from orders.services import (
    cancelling,
    changing,
    closing,
    closing_lines,
    copying,
    fulfilment,
    holds,
    placing,
    reopening,
    reviewing,
)
from orders.services.changing import LineChange, OrderChange
from orders.services.closing_lines import LineToClose
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft
from tests.machine.world import Life, World

REJECTED = {"reason": "RJ01", "note": "不同意"}
REVIEWERS = {"order": "salesperson", "finance": "accountant", "logistics": "logistician"}
# More orders under way at once would only make each of them happen less.
UNDER_WAY_AT_ONCE = 5


# Every kind of act, by the name of its rule.
ACTS: list[Callable[[Any], bool]] = []


def act(method: Callable[[Any], bool]) -> Callable[[Any, int], None]:
    """A rule; ``method`` says False where there is nothing to do it to."""
    ACTS.append(method)

    @wraps(method)
    def run(self: Business, pick: int) -> None:
        self.life.roll(pick)
        if not method(self) and not self.life.dice.choice(ACTS)(self):
            self.go_on()

    del run.__wrapped__  # type: ignore[attr-defined]
    return rule(pick=st.integers(0, 9999))(run)


class Business(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.life = Life(world)

    def teardown(self) -> None:
        self.life.end()

    def attempt(self, kind: str, do: Callable[[], object]) -> bool:
        self.life.attempt(kind, do)
        return True

    def decide(self, kind: str, rows: Any, role: str, do: Any, **reason: str) -> bool:
        """Somebody of the role does ``do`` to one of the documents, if there is any."""
        row = self.life.one(rows)
        return bool(row) and self.attempt(kind, lambda: do(row.pk, decision=self.life.by(role, **reason)))

    def some_order(self, *statuses: str) -> Any:
        return self.life.one(Order.objects.filter(status__in=statuses) if statuses else Order.objects.all())

    # The straight way

    @rule(pick=st.integers(0, 9999))
    def a_day_like_any_other(self, pick: int) -> None:
        """The rule that is taken where hypothesis leaves others out, and by itself in its first life."""
        self.life.roll(pick)
        if self.life.chance(30) or not self.life.dice.choice(ACTS)(self):
            self.go_on()

    @act
    def work_goes_on(self) -> bool:
        return self.go_on()

    @act
    def an_order_is_brought_to_its_end(self) -> bool:
        reopened = Order.objects.filter(status=Status.COMPLETED, cycle__gt=1)
        order = self.life.one(reopened) or self.some_order(Status.SHIPPED, Status.COMPLETED)
        return bool(order) and self.go_on_with(order)

    @act
    def a_reopened_order_is_closed_again(self) -> bool:
        reopened = self.life.one(Order.objects.filter(status=Status.COMPLETED, cycle__gt=1))
        return bool(reopened) and self.go_on_with(reopened)

    def go_on(self) -> bool:
        under_way = list(Order.objects.filter(status__in=OPEN).order_by("pk"))
        if len(under_way) < UNDER_WAY_AT_ONCE and (not under_way or self.life.chance(30)):
            return self.place()
        order = self.some_order(*FINAL) if self.life.chance(25) else None
        return self.go_on_with(order or self.life.one(under_way))

    def go_on_with(self, order: Any) -> bool:
        if order.is_on_hold:
            return self.resume(Order.objects.filter(pk=order.pk))
        return self.decide_something_of(order) or getattr(self, f"_{order.status}")(order)

    def decide_something_of(self, order: Any) -> bool:
        return (
            self.confirm(Payment.objects.filter(order=order, status="reported"))
            or self.pay_back(Refund.objects.filter(order=order, status="approved"))
            or self.approve_back(Refund.objects.filter(order=order, status="requested"))
            or self.approve_allowed(Allowance.objects.filter(order=order, status="requested"))
            or self.approve_given_up(WriteOff.objects.filter(order=order, status="requested"))
            or self.receive_goods_back(Return.objects.filter(order=order, status="approved"))
            or self.approve_goods_back(Return.objects.filter(order=order, status="requested"))
        )

    def _new(self, order: Any) -> bool:
        if order.owed > 0 and order.shop.code == "EXACT":
            return self.report(order, order.owed)
        if not order.shop.allows_backorder or self.life.chance(50):
            self.stock_up(order)
        return self.attempt("process", lambda: fulfilment.process_order(order.pk, decision=self.life.by("keeper")))

    def _processing(self, order: Any) -> bool:
        shipments = Shipment.objects.filter(order=order)
        if order.is_to_be_cancelled:
            return self.cancel_sending(shipments.filter(status="packed")) or self.hand_over(
                shipments.filter(status="dispatched")
            )
        if self.send(shipments.filter(status="packed")) or self.pack(shipments.filter(status="draft")):
            return True
        if self.waits(order) and self.life.chance(70):
            return self.stock_up(order)
        return self.attempt(
            "pack everything", lambda: drafting.pack_orders([order.pk], decision=self.life.by("keeper"))
        )

    def _shipped(self, order: Any) -> bool:
        on_their_way = Shipment.objects.filter(order=order, status="dispatched")
        if self.life.chance(50) and self.hand_over(on_their_way):
            return True
        return self.attempt("complete", lambda: fulfilment.complete_order(order.pk, decision=self.life.by("service")))

    def _completed(self, order: Any) -> bool:
        if order.owed > order.shop.tolerance:
            return self.report(order, order.owed - self.life.dice.choice([ZERO, order.shop.tolerance]))
        if -order.owed > order.shop.tolerance:
            return self.ask_back(order)
        for block in REVIEWERS:
            self.review(order, block)
        return self.close(order)

    def _closed(self, order: Any) -> bool:
        if order.owed > 0:
            return self.report(order, order.owed)
        if order.owed < 0:
            return self.ask_back(order)
        return self.reopen(order)

    def _cancelled(self, order: Any) -> bool:
        return self.place()

    # Orders

    @act
    def place_order(self) -> bool:
        return Order.objects.filter(status__in=OPEN).count() < UNDER_WAY_AT_ONCE and self.place()

    def place(self) -> bool:
        life, shop = self.life, self.life.dice.choice(self.world.shops)
        is_free = life.chance(10)
        lines = [self._line(is_free) for _ in range(life.dice.randint(1, 3))]
        draft = OrderDraft(
            shop=shop.code,
            customer=CustomerDraft(name="王芳", code="C1"),
            lines=lines,
            discount=ZERO if is_free or life.chance(60) else Decimal(life.dice.randint(1, 500)) / 100,
            shipping_fee=ZERO if is_free or life.chance(50) else Decimal(12),
            shipping_method="PICKUP",
        )
        return self.attempt("place", lambda: placing.place_order(draft, decision=life.by("salesperson")))

    def _line(self, is_free: bool) -> LineDraft:
        life, product = self.life, self.life.dice.choice(self.world.products)
        price = ZERO if is_free or life.chance(5) else None
        discount = Decimal("0.03") if price is None and life.chance(20) else ZERO
        return LineDraft(product.sku, Decimal(life.dice.randint(1, 7)), price, discount)

    @act
    def change_order(self) -> bool:
        order = self.some_order(Status.NEW, Status.NEW, Status.PROCESSING, Status.COMPLETED)
        if not order:
            return False
        decision = self.life.by("salesperson")
        return self.attempt("change", lambda: changing.change_order(order.pk, self._change(order), decision=decision))

    def _change(self, order: Any) -> OrderChange:
        dice = self.life.dice
        if order.status != Status.NEW:
            return OrderChange(internal_note=str(self.life.turn), shipping_address={"city": f"上海{self.life.turn}"})
        line = dice.choice(list(order.lines.exclude(kind="shipping_fee").order_by("no")))
        return dice.choice(
            [
                OrderChange(lines=[LineChange(line.no, quantity=Decimal(dice.randint(1, 9)))]),
                OrderChange(lines=[LineChange(line.no, remove=True)], added=[self._line(order.is_zero_value)]),
                OrderChange(discount=Decimal(dice.randint(0, 300)) / 100),
                OrderChange(shipping_fee=Decimal(dice.randint(0, 15))),
            ]
        )

    @act
    def close_line_short(self) -> bool:
        order = self.some_order(Status.NEW, Status.PROCESSING)
        if not order:
            return False
        line = self.life.one(order.lines.all())
        left = int(max(line.open_quantity, Decimal(1)))
        quantity = None if self.life.chance(30) else Decimal(self.life.dice.randint(1, left))
        decision = self.life.by("salesperson", "CL02")
        closed = [LineToClose(line.no, quantity)]
        return self.attempt("close line", lambda: closing_lines.close_lines(order.pk, closed, decision=decision))

    @act
    def cancel_order(self) -> bool:
        # Often enough for every state to be met, seldom enough for most orders to be closed.
        if self.life.chance(40):
            return False
        order = self.some_order(Status.NEW, Status.PROCESSING, Status.SHIPPED)
        if not order:
            return False
        decision = self.life.by("service", "CA01")
        before = self.world.done["cancel"]
        self.attempt("cancel", lambda: cancelling.cancel_order(order.pk, decision=decision))
        if self.world.done["cancel"] > before and Order.objects.get(pk=order.pk).is_to_be_cancelled:
            self.world.done["ask to cancel"] += 1
        return True

    @act
    def hold_order(self) -> bool:
        release = self.life.chance(50)
        return self.decide(
            "hold",
            Order.objects.filter(status__in=OPEN, held_at=None),
            "service",
            lambda pk, decision: holds.hold_order(pk, decision=decision, release=release),
            reason="HO01",
        )

    @act
    def resume_order(self) -> bool:
        return self.resume(Order.objects.exclude(held_at=None))

    def resume(self, orders: Any) -> bool:
        return self.decide("resume", orders, "service", holds.resume_order)

    @act
    def complete_order(self) -> bool:
        return self.decide("complete", Order.objects.filter(status="shipped"), "service", fulfilment.complete_order)

    @act
    def review_order(self) -> bool:
        order = self.some_order(Status.COMPLETED)
        return bool(order) and self.review(order, self.life.dice.choice(sorted(REVIEWERS)))

    def review(self, order: Any, block: str) -> bool:
        decision = self.life.by(REVIEWERS[block])
        return self.attempt("review", lambda: reviewing.review_order(order.pk, block, decision=decision))

    @act
    def close_order(self) -> bool:
        order = self.some_order(Status.COMPLETED)
        return bool(order) and self.close(order)

    def close(self, order: Any) -> bool:
        decision = self.life.by("closer", self.life.dice.choice(["CL01", "CL03", "CL03"]))
        kind = "close" if order.cycle == 1 else "close again"
        return self.attempt(kind, lambda: closing.close_order(order.pk, decision=decision))

    @act
    def reopen_order(self) -> bool:
        order = self.some_order(Status.CLOSED)
        return bool(order) and self.reopen(order)

    def reopen(self, order: Any) -> bool:
        decision = self.life.by("closer", "RO01", "关错了")
        return self.attempt("reopen", lambda: reopening.reopen_order(order.pk, decision=decision))

    @act
    def copy_order(self) -> bool:
        return self.life.chance(30) and self.decide(
            "copy",
            Order.objects.filter(lines__shipped__gt=0).distinct(),
            "salesperson",
            copying.copy_order,
            reason="EX02",
        )

    # Goods in the house

    @act
    def receive_stock(self) -> bool:
        dice = self.life.dice
        product = dice.choice(self.world.stocked)
        return self._receive({product.sku: Decimal(dice.randint(1, 9))})

    def _receive(self, quantities: dict[str, Decimal]) -> bool:
        dice = self.life.dice
        lines = [
            ReceiptDraftLine(sku, quantity, Decimal(dice.randint(0, 6000)).scaleb(-dice.choice([2, 3])))
            for sku, quantity in quantities.items()
        ]
        draft = ReceiptDraft(dice.choice(self.world.warehouses).code, lines)
        return self.attempt("receive", lambda: receiving.receive_stock(draft, decision=self.life.by("keeper")))

    def waits(self, order: Any) -> bool:
        return bool(lacking(Batch([order], self.life.by("keeper"), acting=False))[order.pk])

    def stock_up(self, order: Any) -> bool:
        wanted: dict[str, Decimal] = {}
        for line in Line.objects.filter(order=order, kind="stocked"):
            wanted[line.sku] = wanted.get(line.sku, ZERO) + line.quantity
        return bool(wanted) and self._receive(wanted)

    @act
    def transfer_stock(self) -> bool:
        dice, places = self.life.dice, [*self.world.warehouses, self.world.defective]
        origin, destination = dice.sample(places, 2)
        lines = [TransferDraftLine(dice.choice(self.world.stocked).sku, Decimal(dice.randint(1, 3)))]
        draft = TransferDraft(origin.code, destination.code, lines)
        return self.attempt("transfer", lambda: transferring.transfer_stock(draft, decision=self.life.by("keeper")))

    @act
    def count_stock(self) -> bool:
        dice, warehouse = self.life.dice, self.life.one(Warehouse.objects.all())
        lines = [
            CountLine(product.sku, Decimal(dice.randint(0, 12)), Decimal(dice.randint(0, 50)))
            for product in dice.sample(self.world.stocked, 2)
        ]
        draft = CountDraft(warehouse.code, lines)
        return self.attempt("count", lambda: counting.count_stock(draft, decision=self.life.by("keeper")))

    @act
    def approve_stock_take(self) -> bool:
        takes = StockTake.objects.filter(status="counted")
        return self.decide("approve count", takes, "chief_accountant", counting.approve_stock_take)

    @act
    def reject_stock_take(self) -> bool:
        takes = StockTake.objects.filter(status="counted")
        return self.life.chance(40) and self.decide(
            "reject count", takes, "chief_accountant", counting.reject_stock_take, **REJECTED
        )

    # Shipments

    @act
    def draft_shipment(self) -> bool:
        order = self.some_order(Status.PROCESSING)
        line = order and self.life.one(order.lines.exclude(kind="shipping_fee"))
        if not line:
            return False
        quantities = {line.no: Decimal(self.life.dice.randint(1, 3))}
        decision = self.life.by("keeper")
        return self.attempt("draft", lambda: drafting.draft_shipment(order.pk, quantities, decision=decision))

    @act
    def pack_shipment(self) -> bool:
        return self.pack(Shipment.objects.filter(status="draft"))

    def pack(self, shipments: Any) -> bool:
        return self.decide("pack", shipments, "keeper", shipping.pack_shipment)

    @act
    def cancel_shipment(self) -> bool:
        return self.cancel_sending(Shipment.objects.filter(status__in=["draft", "packed"]))

    def cancel_sending(self, shipments: Any) -> bool:
        return self.decide("cancel shipment", shipments, "keeper", shipping.cancel_shipment)

    @act
    def dispatch_shipment(self) -> bool:
        return self.send(Shipment.objects.filter(status="packed"))

    def send(self, shipments: Any) -> bool:
        waybill = Waybill(carrier=self.world.carrier, tracking_number=f"T{self.life.turn}")
        return self.decide(
            "dispatch",
            shipments,
            "logistician",
            lambda pk, decision: shipping.dispatch_shipment(pk, decision=decision, waybill=waybill),
        )

    @act
    def deliver_shipment(self) -> bool:
        return self.hand_over(Shipment.objects.filter(status="dispatched"))

    def hand_over(self, shipments: Any) -> bool:
        return self.decide("deliver", shipments, "logistician", shipping.deliver_shipment)

    @act
    def note_tracking(self) -> bool:
        kind = self.life.dice.choice(["in_transit", "signed"])
        return self.decide(
            "track",
            Shipment.objects.filter(status__in=OUT),
            "logistician",
            lambda pk, decision: shipping.note_tracking(pk, kind, decision=decision),
        )

    @act
    def refuse_shipment(self) -> bool:
        shipments = Shipment.objects.filter(status="dispatched")
        return self.decide("refuse", shipments, "logistician", undelivered.refuse_shipment, reason="RT04")

    @act
    def lose_shipment(self) -> bool:
        shipments = Shipment.objects.filter(status="dispatched")
        return self.decide("lose", shipments, "logistician", undelivered.lose_shipment, reason="RT05")

    # Goods that come back

    @act
    def request_return(self) -> bool:
        sent = ShipmentLine.objects.filter(shipment__status__in=OUT, line__kind="stocked")
        row = self.life.one(sent.select_related("shipment"))
        if not row:
            return False
        quantity = Decimal(self.life.dice.randint(1, int(row.quantity)))
        draft = ReturnDraft(row.shipment.order_id, [ReturnDraftLine(quantity, shipment_line_id=row.pk)])
        decision = self.life.by("service", "RT01")
        return self.attempt("request return", lambda: returns.request_return(draft, decision=decision))

    @act
    def approve_return(self) -> bool:
        return self.approve_goods_back(Return.objects.filter(status="requested"))

    def approve_goods_back(self, rows: Any) -> bool:
        return self.decide("approve return", rows, "logistician", returns.approve_return)

    @act
    def reject_return(self) -> bool:
        rows = Return.objects.filter(status__in=["requested", "approved"])
        return self.life.chance(60) and self.decide(
            "reject return", rows, "logistician", returns.reject_return, **REJECTED
        )

    @act
    def receive_return(self) -> bool:
        return self.receive_goods_back(Return.objects.filter(status="approved"))

    def receive_goods_back(self, rows: Any) -> bool:
        goods_return = self.life.one(rows.select_related("order"))
        if not goods_return:
            return False
        draft = InspectionDraft(
            goods_return.pk,
            [self._inspected(line) for line in inspecting.expected(goods_return)],
            warehouse=self.life.dice.choice(self.world.warehouses).code,
            defective_warehouse=self.world.defective.code,
        )
        decision = self.life.by("keeper")
        return self.attempt("receive return", lambda: inspecting.receive_return(draft, decision=decision))

    def _inspected(self, line: inspecting.Expected) -> InspectedLine:
        """Each piece becomes one thing or another; half the time all that the goods are worth is credited."""
        pieces = [self.life.dice.choice(list(Disposition)) for _ in range(int(line.row.quantity))]
        if self.life.chance(50):
            pieces = [Disposition.RESTOCKED for _ in pieces]
        quantities = {what.value: Decimal(pieces.count(what)) for what in Disposition}
        share = line.share.amount
        agreed = self.life.dice.choice([None, None, ZERO, self.life.part_of(share) if share else None])
        return InspectedLine(line.row.pk, **quantities, credit=agreed)

    # Money

    @act
    def report_payment(self) -> bool:
        order = self.some_order()
        if not order:
            return False
        owed = max(order.owed, ZERO)
        more = Decimal(self.life.dice.choice(["0", "0", "0.02", "-0.03", "30"]))
        return self.report(order, max(self.life.part_of(owed) + more, Decimal("0.01")))

    def report(self, order: Any, amount: Decimal) -> bool:
        life = self.life
        fee = min(amount, Decimal("0.60")) if life.chance(20) else ZERO
        method = life.dice.choice(["bank", "alipay"])
        draft = PaymentDraft(order.pk, method, f"R{life.turn}", amount, fee)
        return self.attempt("report", lambda: payments.report_payment(draft, decision=life.by("cashier")))

    @act
    def confirm_payment(self) -> bool:
        return self.confirm(Payment.objects.filter(status="reported"))

    def confirm(self, rows: Any) -> bool:
        return self.decide("confirm", rows, "accountant", payments.confirm_payment)

    @act
    def reject_payment(self) -> bool:
        rows = Payment.objects.filter(status="reported")
        return self.decide("reject payment", rows, "accountant", payments.reject_payment, **REJECTED)

    @act
    def void_payment(self) -> bool:
        rows = Payment.objects.filter(status="confirmed")
        return self.life.chance(70) and self.decide("void", rows, "accountant", payments.void_payment, reason="FN01")

    @act
    def charge_back_payment(self) -> bool:
        rows = Payment.objects.filter(status="confirmed")
        return self.life.chance(40) and self.decide(
            "charge back", rows, "accountant", payments.charge_back_payment, reason="FN02"
        )

    @act
    def request_refund(self) -> bool:
        order = self.life.one(order for order in Order.objects.order_by("pk") if order.owed < 0)
        return bool(order) and self.ask_back(order)

    def ask_back(self, order: Any) -> bool:
        payment = self.life.one(Payment.objects.filter(order=order, status="confirmed"))
        if not payment:
            return self.ask_to_give_up(order)
        amount = min(self.life.part_of(-order.owed), payment.amount)
        draft = RefundDraft(payment.pk, amount)
        decision = self.life.by("service", "RT06", "多付")
        return self.attempt("request refund", lambda: refunds.request_refund(draft, decision=decision))

    @act
    def approve_refund(self) -> bool:
        return self.approve_back(Refund.objects.filter(status="requested"))

    def approve_back(self, rows: Any) -> bool:
        return self.decide("approve refund", rows, "accountant", refunds.approve_refund)

    @act
    def pay_refund(self) -> bool:
        return self.pay_back(Refund.objects.filter(status="approved"))

    def pay_back(self, rows: Any) -> bool:
        return self.decide("pay refund", rows, "cashier", refunds.pay_refund)

    @act
    def fail_refund(self) -> bool:
        return self.decide(
            "fail refund",
            Refund.objects.filter(status="approved"),
            "cashier",
            lambda pk, decision: refunds.note_refund_failure(pk, "账号不符", decision=decision),
        )

    @act
    def reject_refund(self) -> bool:
        rows = Refund.objects.filter(status__in=OPEN_REFUND)
        return self.decide("reject refund", rows, "accountant", refunds.reject_refund, **REJECTED)

    @act
    def request_allowance(self) -> bool:
        row = self.life.one(ShipmentLine.objects.filter(amount__gt=0))
        if not row:
            return False
        amount, decision = self.life.part_of(row.amount), self.life.by("service", "FN05")
        return self.attempt("request allowance", lambda: allowing.request_allowance(row.pk, amount, decision=decision))

    @act
    def approve_allowance(self) -> bool:
        return self.approve_allowed(Allowance.objects.filter(status="requested"))

    def approve_allowed(self, rows: Any) -> bool:
        return self.decide("approve allowance", rows, "accountant", allowances.approve_allowance)

    @act
    def reject_allowance(self) -> bool:
        rows = Allowance.objects.filter(status="requested")
        return self.decide("reject allowance", rows, "accountant", allowances.reject_allowance, **REJECTED)

    @act
    def request_write_off(self) -> bool:
        unsettled = ~Q(status=Status.NEW)
        order = self.life.one(order for order in Order.objects.filter(unsettled).order_by("pk") if order.owed)
        return bool(order) and self.ask_to_give_up(order)

    def ask_to_give_up(self, order: Any) -> bool:
        kind = "bad_debt" if order.owed > 0 else "unclaimed"
        draft = WriteOffDraft(order.pk, kind, self.life.part_of(abs(order.owed)))
        decision = self.life.by("accountant", "FN04")
        return self.attempt(f"request {kind}", lambda: write_offs.request_write_off(draft, decision=decision))

    @act
    def approve_write_off(self) -> bool:
        return self.approve_given_up(WriteOff.objects.filter(status="requested"))

    def approve_given_up(self, rows: Any) -> bool:
        return self.decide("approve write-off", rows, "chief_accountant", write_offs.approve_write_off)

    @act
    def reject_write_off(self) -> bool:
        rows = WriteOff.objects.filter(status="requested")
        return self.decide("reject write-off", rows, "chief_accountant", write_offs.reject_write_off, **REJECTED)

    @act
    def close_accounting_period(self) -> bool:
        over = Period.objects.filter(closed_at=None, first_day__lt=self.life.now.date().replace(day=1))
        return self.decide("close period", list(over.order_by("first_day")[:1]), "accountant", close_period)
