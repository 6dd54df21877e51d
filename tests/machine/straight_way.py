"""The straight way, along which some order is taken one step where there is nothing else to do."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from erp.kernel.money import ZERO
from finance.models import Allowance, Payment, Refund, WriteOff
from logistics.models import Return, Shipment
from logistics.services import drafting
from orders.models import Order, Status
from orders.models.order import FINAL, OPEN
from orders.services import fulfilment
from tests.machine.acts import REVIEWERS, UNDER_WAY_AT_ONCE, Acts, act


class StraightWay(Acts):
    @rule(pick=st.integers(0, 9999))
    def a_day_like_any_other(self, pick: int) -> None:
        """The rule that is taken where hypothesis leaves others out, and by itself in its first life."""
        self.life.roll(pick)
        if self.life.chance(30):
            self.go_on()
        else:
            self.do_something()

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
