"""What is done with orders themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp.kernel.money import ZERO
from orders.models import Order, Status
from orders.models.order import OPEN
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
from tests.machine.acts import REVIEWERS, UNDER_WAY_AT_ONCE, Acts, act


class OrderActs(Acts):
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
