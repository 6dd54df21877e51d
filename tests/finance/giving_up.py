"""Allowances and write-offs of orders, asked for and decided by whoever may."""

from decimal import Decimal
from typing import Any

from erp.kernel import setwise
from erp.kernel.locks import unit_of_work
from finance.models import Allowance, WriteOff
from finance.services.allowances import approve_allowance
from finance.services.write_offs import WriteOffDraft, approve_write_off, request_write_off
from logistics.models import ShipmentLine
from logistics.services.allowing import request_allowance
from orders.services import closing, reviewing
from tests.factories import OrderFactory, ProductFactory, actor, decide

ALLOWED, PROTECTED = {"reason": "RT02"}, {"reason": "FN05"}
BAD_DEBT, TAIL = {"reason": "FN04"}, {"reason": "FN03"}
REJECTED = {"reason": "RJ01", "note": "不同意"}


def row_of(order: Any) -> ShipmentLine:
    """The first line that was dispatched of an order."""
    return ShipmentLine.objects.filter(shipment__order=order).order_by("line__no")[0]


def allowance(order: Any, amount: str, **reason: Any) -> Allowance:
    decision = decide(actor("service"), **(reason or ALLOWED))
    return request_allowance(row_of(order).pk, Decimal(amount), decision=decision)


def enlarged(asked: Allowance, amount: str) -> Allowance:
    """As if it had been asked for while more was left of the part than is now."""
    asked.amount = Decimal(amount)
    with unit_of_work(decide(actor("service"))):
        setwise.update([asked], ["amount"])
    return asked


def allowed(order: Any, amount: str) -> Allowance:
    """Requested and approved."""
    return approve_allowance(allowance(order, amount).pk, decision=decide(actor("accountant")))


def write_off(order: Any, amount: str, kind: str = "bad_debt", **reason: Any) -> WriteOff:
    draft = WriteOffDraft(order.pk, kind, Decimal(amount))
    return request_write_off(draft, decision=decide(actor("accountant"), **(reason or BAD_DEBT)))


def written_off(order: Any, amount: str, kind: str = "bad_debt") -> WriteOff:
    """Requested and approved."""
    return approve_write_off(write_off(order, amount, kind).pk, decision=decide(actor("chief_accountant")))


def review_and_close(order: Any, **reason: Any) -> None:
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        reviewing.review_order(order.pk, block, decision=decide(actor(role)))
    closing.close_order(order.pk, decision=decide(actor("closer"), **(reason or {"reason": "CL01"})))


def one_line(**story: Any) -> Any:
    """A completed order over 226, of which 26 are tax."""
    return OrderFactory(**{"lines": [(ProductFactory(price=Decimal(113)), 2, None)], "completed": True, **story})
