"""What logistics shows in the final review, and what it testifies in the closing record."""

from collections.abc import Iterator, Mapping
from typing import Any

from erp.kernel.canonical import digest
from logistics import selectors
from logistics.models import Return, Shipment, ShipmentStatus
from logistics.selectors import Inspected, Returned
from orders.contract import Batch, duty

# The check that keeps whoever sent goods off or received them back from closing the order.
AGAINST_CLOSING = "logistics.conflict_of_duty"


def review(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """
    Each shipment that was not cancelled: method, carrier, tracking number, lines, final state; and each return:
    lines, what became of them, state; by order.
    """
    shipments, returns = selectors.shipments_of(batch), selectors.returns_of(batch)
    return {
        order_id: {
            "shipments": [
                {
                    "number": shipment.number,
                    "method": shipment.method_code,
                    "carrier": shipment.carrier_code,
                    "tracking_number": shipment.tracking_number,
                    "lines": [{"sku": row.sku, "quantity": row.quantity} for row in shipment.loaded],
                    "state": shipment.status,
                }
                for shipment in shipments.get(order_id, ())
                if shipment.status != ShipmentStatus.CANCELLED
            ],
            "returns": [
                {
                    "number": each.number,
                    "lines": [
                        {
                            "sku": row.sku,
                            "quantity": row.quantity,
                            "found": {found.disposition: found.quantity for found in row.inspected},
                        }
                        for row in each.brought
                    ],
                    "state": each.status,
                }
                for each in returns.get(order_id, ())
            ],
        }
        for order_id in batch.ids
    }


def evidence(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """Every shipment, return and inspection with its digest, and who handled it, by order."""
    shipments, returns = selectors.shipments_of(batch), selectors.returns_of(batch)
    return {
        order_id: {
            "documents": [
                *(_document("shipment", each, _content(each)) for each in shipments.get(order_id, ())),
                *(_document("return", each, _content_of_return(each)) for each in returns.get(order_id, ())),
            ],
            "inspections": [
                _inspection(each, row, found)
                for each in returns.get(order_id, ())
                for row in each.brought
                for found in row.inspected
            ],
            "acts": [
                *(act for shipment in shipments.get(order_id, ()) for act in _acts(shipment)),
                *(act for each in returns.get(order_id, ()) for act in _acts_on(each)),
            ],
        }
        for order_id in batch.ids
    }


def reopening_evidence(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """The returns that were open when an order was reopened, by order."""
    returns = selectors.returns_of(batch)
    return {
        order_id: {
            "documents": [
                _document("return", each, _content_of_return(each))
                for each in returns.get(order_id, ())
                if each.is_open
            ]
        }
        for order_id in batch.ids
    }


def _document(kind: str, document: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "number": document.number, "state": document.status, "sha256": digest(content)}


def _content(shipment: Any) -> dict[str, Any]:
    content = {
        "number": shipment.number,
        "warehouse": shipment.warehouse_id,
        "method": shipment.method_id,
        "carrier": shipment.carrier_id,
        "tracking_number": shipment.tracking_number,
        "state": shipment.status,
        "packed": [shipment.packed_by_id, shipment.packed_at],
        "dispatched": [shipment.dispatched_by_id, shipment.dispatched_at],
        "delivered": [shipment.delivered_by_id, shipment.delivered_at],
        "lines": [[row.line_no, row.quantity, row.amount, row.tax, row.cost] for row in shipment.loaded],
    }
    if shipment.undelivered_by_id is not None:
        content["undelivered"] = [shipment.undelivered_by_id, shipment.undelivered_at]
    return content


def _content_of_return(each: Any) -> dict[str, Any]:
    return {
        "number": each.number,
        "shipment": each.shipment_id,
        "reason": each.reason,
        "party": each.party,
        "state": each.status,
        "requested": [each.requested_by_id, each.requested_at],
        "approved": [each.approved_by_id, each.approved_at],
        "received": [each.received_by_id, each.received_at],
        "rejected": [each.rejected_by_id, each.rejected_at],
        "lines": [
            [row.line_no, row.shipment_line_id, row.quantity, row.share, row.credit, list(map(_found, row.inspected))]
            for row in each.brought
        ],
    }


def _found(found: Inspected) -> list[Any]:
    return [found.disposition, found.warehouse_id, found.quantity, found.cost]


def _inspection(goods_return: Return, row: Returned, found: Inspected) -> dict[str, Any]:
    content = {"found": _found(found), "by": [found.by_id, found.by_name], "at": found.at}
    return {"document": goods_return.number, "line": row.line_no, "sha256": digest(content)}


def _acts(shipment: Shipment) -> Iterator[dict[str, Any]]:
    people = {
        "pack_shipment": (shipment.packed_by_id, ""),
        "dispatch_shipment": (shipment.dispatched_by_id, AGAINST_CLOSING),
        "deliver_shipment": (shipment.delivered_by_id, ""),
        f"{shipment.status}_shipment": (shipment.undelivered_by_id, ""),
    }
    for act, (by, against) in people.items():
        if by is not None:
            yield duty(act, shipment.number, by, against=against)


def _acts_on(each: Return) -> Iterator[dict[str, Any]]:
    people = {
        "request_return": (each.requested_by_id, ""),
        "approve_return": (each.approved_by_id, ""),
        "receive_return": (each.received_by_id, AGAINST_CLOSING),
        "reject_return": (each.rejected_by_id, ""),
    }
    for act, (by, against) in people.items():
        if by is not None:
            yield duty(act, each.number, by, against=against)
