"""Carriers, shipments with their lines, tracking events, and returns."""

from logistics.models.returns import (
    Disposition,
    Inspection,
    Return,
    ReturnLine,
    ReturnStatus,
)
from logistics.models.shipment import (
    IN_HOUSE,
    OUT,
    UNDELIVERED,
    Carrier,
    Shipment,
    ShipmentLine,
    ShipmentStatus,
    TrackingEvent,
    TrackingKind,
)

__all__ = [
    "IN_HOUSE",
    "OUT",
    "UNDELIVERED",
    "Carrier",
    "Disposition",
    "Inspection",
    "Return",
    "ReturnLine",
    "ReturnStatus",
    "Shipment",
    "ShipmentLine",
    "ShipmentStatus",
    "TrackingEvent",
    "TrackingKind",
]
