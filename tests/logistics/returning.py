"""Goods that come back, as the people of customer service, logistics and warehouse see to it."""

from decimal import Decimal
from typing import Any

from logistics.models import Return, Shipment
from logistics.services.inspecting import InspectedLine, InspectionDraft, receive_return
from logistics.services.returns import ReturnDraft, ReturnDraftLine, approve_return, request_return
from tests.factories import actor, decide
from tests.factories.master import WarehouseFactory, some_warehouse

REASON = {"reason": "RT02"}
REFUSED = {"reason": "RT04"}
LOST = {"reason": "RT05"}
REJECTED = {"reason": "RJ01", "note": "不退"}


def requested(order: Any, quantities: dict[int, Any], **kwargs: Any) -> Return:
    """A return asked for by line number."""
    lines = [ReturnDraftLine(Decimal(quantity), no=no) for no, quantity in quantities.items()]
    decision = decide(actor("service"), **{**REASON, **kwargs})
    return request_return(ReturnDraft(order.pk, lines), decision=decision)


def approved(order: Any, quantities: dict[int, Any], **kwargs: Any) -> Return:
    at = {"at": kwargs["at"]} if "at" in kwargs else {}
    return approve_return(requested(order, quantities, **kwargs).pk, decision=decide(actor("logistician"), **at))


def defective_warehouse(currency: str = "CNY") -> Any:
    from inventory.models import Warehouse

    code = f"BAD-{currency}"
    return Warehouse.objects.filter(code=code).first() or WarehouseFactory(
        code=code, currency=currency, is_defective=True
    )


def found(goods_return: Any, what: str = "restocked", **credits: Any) -> InspectionDraft:
    """All of every line becomes one thing. :param credits: agreed credits, as ``line_1=…``."""
    lines = [
        InspectedLine(row.pk, **{what: row.quantity}, credit=_credit(row, credits))
        for row in goods_return.lines.select_related("shipment_line__line").order_by("pk")
    ]
    currency = goods_return.order.currency
    return InspectionDraft(
        goods_return.pk,
        lines,
        warehouse=some_warehouse(currency).code,
        defective_warehouse=defective_warehouse(currency).code,
    )


def _credit(row: Any, credits: dict[str, Any]) -> Decimal | None:
    agreed = credits.get(f"line_{row.shipment_line.line.no}")
    return None if agreed is None else Decimal(agreed)


def received(goods_return: Any, what: str = "restocked", *, by: Any = None, **credits: Any) -> Return:
    return receive_return(found(goods_return, what, **credits), decision=decide(by or actor("keeper")))


def shipment_of(order: Any) -> Shipment:
    return Shipment.objects.get(order=order)
