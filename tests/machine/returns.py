"""What is done with goods that come back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp.kernel.money import ZERO
from logistics.models import OUT, Disposition, Return, ShipmentLine
from logistics.services import inspecting, returns
from logistics.services.inspecting import InspectedLine, InspectionDraft
from logistics.services.returns import ReturnDraft, ReturnDraftLine
from tests.machine.acts import REJECTED, Acts, act


class ReturnActs(Acts):
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
