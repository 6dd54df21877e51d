"""What is done with shipments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from logistics.models import OUT, Shipment
from logistics.services import drafting, shipping, undelivered
from logistics.services.shipping import Waybill
from orders.models import Status
from tests.machine.acts import Acts, act


class ShipmentActs(Acts):
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
