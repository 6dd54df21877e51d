"""
Every paper the back office prints, each declared once.

To add one: write a template under ``erp/print/`` and a function that reads what it shows, and yield it from
``all_papers``. Address, scope, permission, PDF and the buttons are the business of the view and of
``offered``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.kernel.money import ZERO
from erp.printing import qr, records
from finance.models import Payment, Refund
from logistics.models import IN_HOUSE, OUT, Shipment, ShipmentLine
from orders.models import ClosingRecord
from orders.models.order import LineKind

SHIPMENT = ("logistics.view_shipment", "logistics.view_shipmentline", "orders.view_order")
MOST = 200


@dataclass(frozen=True, slots=True)
class Paper:
    """
    One kind of paper.

    :param permissions: all that its reader has to have: those of the pages that show the same.
    :param context: what the template shows; no query grows with the documents.
    :param fits: whether the paper is offered for a document as it stands.
    :param takes_several: whether it can be printed of several documents at once, as one.
    """

    name: str
    label: Text
    model: type[models.Model]
    template: str
    permissions: Sequence[str]
    context: Callable[[Sequence[Any], User], Mapping[str, Any]]
    fits: Callable[[Any], bool] = lambda _document: True
    takes_several: bool = False

    def is_permitted(self, user: User) -> bool:
        return user.has_perms(self.permissions)

    def url(self, *documents: Any) -> str:
        return reverse("admin:print", args=[self.name, ",".join(str(document.pk) for document in documents)])


@cache
def all_papers() -> Mapping[str, Paper]:
    """Every paper by its name."""
    return {paper.name: paper for paper in _papers()}


def _papers() -> Iterator[Paper]:
    yield Paper(
        name="shipment",
        label=_("Delivery note"),
        model=Shipment,
        template="erp/print/shipment.html",
        permissions=SHIPMENT,
        context=_shipment,
    )
    yield Paper(
        name="packing-list",
        label=_("Packing list"),
        model=Shipment,
        template="erp/print/packing.html",
        permissions=SHIPMENT,
        context=_shipment,
    )
    yield Paper(
        name="pick-list",
        label=_("Pick list"),
        model=Shipment,
        template="erp/print/picking.html",
        permissions=SHIPMENT,
        context=_picking,
        fits=lambda shipment: shipment.status in IN_HOUSE,
        takes_several=True,
    )
    yield Paper(
        name="payment",
        label=_("Receipt of payment"),
        model=Payment,
        template="erp/print/payment.html",
        permissions=("finance.view_payment", "orders.view_order"),
        context=_payment,
    )
    yield Paper(
        name="refund",
        label=_("Refund note"),
        model=Refund,
        template="erp/print/refund.html",
        permissions=("finance.view_refund", "finance.view_payment", "orders.view_order"),
        context=_refund,
    )
    yield Paper(
        name="closing-record",
        label=_("Closing record"),
        model=ClosingRecord,
        template="erp/print/record.html",
        permissions=("orders.view_closingrecord",),
        context=_record,
    )


def offered(document: Any, user: User) -> list[Paper]:
    """The papers somebody may print of a document."""
    return [
        paper
        for paper in all_papers().values()
        if isinstance(document, paper.model) and paper.fits(document) and paper.is_permitted(user)
    ]


def _shipment(shipments: Sequence[Any], user: User) -> dict[str, Any]:
    models.prefetch_related_objects(
        shipments, "order__shop", "warehouse", "method", "carrier", "packed_by", "dispatched_by"
    )
    (shipment,) = shipments
    lines = list(_lines(shipments))
    return {
        "shipment": shipment,
        "order": shipment.order,
        "lines": lines,
        # Until it leaves, nobody has decided what its part of a line is worth.
        "shows_amounts": shipment.status in OUT,
        "amount": sum((row.amount for row in lines), ZERO),
        "quantity": sum((row.quantity for row in lines if row.line.kind == LineKind.STOCKED), ZERO),
    }


def _lines(shipments: Sequence[Any]) -> Any:
    rows = ShipmentLine.objects.filter(shipment__in=shipments).select_related("line")
    return rows.order_by("shipment", "line__no")


@dataclass(slots=True)
class Pick:
    """Goods to be fetched: how much in all, and how much of it goes to which order."""

    line: Any
    quantity: Decimal = ZERO
    parts: list[tuple[Any, Decimal]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Round:
    """What one warehouse has to fetch, by SKU."""

    warehouse: Any
    picks: Sequence[Pick]


def _picking(shipments: Sequence[Any], user: User) -> dict[str, Any]:
    models.prefetch_related_objects(shipments, "order", "warehouse")
    by_id = {shipment.pk: shipment for shipment in shipments if shipment.status in IN_HOUSE}
    rows = [row for row in _lines(list(by_id.values())) if row.line.kind == LineKind.STOCKED]
    rows.sort(key=lambda row: (by_id[row.shipment_id].warehouse.code, row.line.sku, row.shipment_id))
    return {
        "rounds": [
            Round(by_id[first.shipment_id].warehouse, _picks([first, *others], by_id))
            for first, *others in _grouped(rows, lambda row: by_id[row.shipment_id].warehouse.code)
        ],
        "codes": [(shipment, qr.code(shipment.number)) for shipment in by_id.values()],
        "left_out": [shipment for shipment in shipments if shipment.pk not in by_id],
    }


def _picks(rows: Sequence[Any], by_id: Mapping[int, Any]) -> list[Pick]:
    picks = []
    for of_sku in _grouped(rows, lambda row: row.line.sku):
        pick = Pick(of_sku[0].line)
        for row in of_sku:
            pick.quantity += row.quantity
            pick.parts.append((by_id[row.shipment_id], row.quantity))
        picks.append(pick)
    return picks


def _grouped(rows: Sequence[Any], key: Callable[[Any], str]) -> Iterator[list[Any]]:
    return (list(group) for _key, group in groupby(rows, key=key))


def _payment(payments: Sequence[Any], user: User) -> dict[str, Any]:
    models.prefetch_related_objects(payments, "order__shop", "reported_by", "decided_by", "taken_back_by")
    return {"payment": payments[0], "order": payments[0].order}


def _refund(refunds: Sequence[Any], user: User) -> dict[str, Any]:
    models.prefetch_related_objects(refunds, "order__shop", "payment", "requested_by", "approved_by", "paid_by")
    return {"refund": refunds[0], "order": refunds[0].order}


def _record(closing_records: Sequence[Any], user: User) -> dict[str, Any]:
    return {"record": records.told(closing_records[0], user)}
