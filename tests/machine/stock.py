"""What is done with goods in the house."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp.kernel.money import ZERO
from inventory.models import StockTake, Warehouse
from inventory.selectors import lacking
from inventory.services import counting, receiving, transferring
from inventory.services.counting import CountDraft, CountLine
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine
from inventory.services.transferring import TransferDraft, TransferDraftLine
from orders.contract import Batch
from orders.models import Line
from tests.machine.acts import REJECTED, Acts, act


class StockActs(Acts):
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
