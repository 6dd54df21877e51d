"""How each act of the demo is done: by the service its staff uses, for all orders it is alike for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from erp.kernel.acting import Decision
from erp.kernel.money import round_money
from erp.management.demo.catalogue import B2B, CURRENCY, DEFECTIVE, TMALL, WEB
from erp.management.demo.plans import Act, Do, Plan, address
from finance.models import (
    Allowance,
    Payment,
    PaymentMethod,
    PaymentState,
    ProposalState,
    Refund,
    RefundState,
    WriteOff,
)
from finance.services import allowances, payments, refunds, write_offs
from logistics import selectors as logistics_selectors
from logistics.models import Return, ReturnLine, ReturnStatus, Shipment, ShipmentLine, ShipmentStatus, TrackingKind
from logistics.services import allowing, drafting, inspecting, returns, shipping, undelivered
from logistics.services.shipping import Waybill
from orders.models import Order
from orders.services import (
    cancelling,
    changing,
    closing,
    closing_lines,
    copying,
    fulfilment,
    holds,
    reopening,
    reviewing,
    waiving,
)
from orders.services.lifecycle import Outcomes, Refused
from orders.services.placing import place_orders

_CARRIERS = {TMALL: "SF", WEB: "SF", B2B: "DEPPON"}
_METHODS = {TMALL: PaymentMethod.ALIPAY, WEB: PaymentMethod.WECHAT, B2B: PaymentMethod.BANK}

Perform = Callable[[Do, Sequence[Plan], Decision], None]


def perform(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    """Do one act to some orders."""
    _HOW[do.act](do, plans, decision)


def _place(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    placed = place_orders([plan.draft() for plan in plans], decision=decision)
    for plan, result in zip(plans, placed, strict=True):
        if result.error:
            raise result.error
        assert result.order
        plan.order_id = result.order.pk


def _change(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    for plan in plans:
        if do.how == "quantity":
            change = changing.OrderChange(lines=[changing.LineChange(1, quantity=Decimal(3))])
        else:
            new = {**address(plan.buyer), "line1": f"{plan.buyer.street},门卫代收"}
            change = changing.OrderChange(shipping_address=new, internal_note="客户来电改地址")
        changing.change_order(plan.order_id, change, decision=decision)


def _report(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    orders = _orders(plans)
    drafts = [
        payments.PaymentDraft(
            plan.order_id,
            _METHODS[plan.situation.shop],
            reference=_reference(plan, do),
            amount=round_money(orders[plan.order_id].total * Decimal(do.part) - Decimal(do.less), CURRENCY),
        )
        for plan in plans
    ]
    payments.report_payments(drafts, decision=decision)


def _reference(plan: Plan, do: Do) -> str:
    """``how`` says which of several payments of an order."""
    which = f"-{do.how}" if do.how else ""
    return f"{_METHODS[plan.situation.shop].upper()}-{plan.external_number}{which}"


def _take_back(service: Callable[..., Any], do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    references = [_reference(plan, do) for plan in plans]
    found = _of(Payment, plans, PaymentState.CONFIRMED).filter(reference__in=references)
    assert found, f"nothing to {do.act.name}"
    service([payment.pk for payment in found], decision=decision)


def _shipments_by(service: Callable[..., Any], _do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    service(_ids(plans), decision=decision)


def _pack_part(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    """The first line alone."""
    shipments = [
        drafting.draft_shipment(plan.order_id, {1: Decimal(plan.basket[0][1])}, decision=decision) for plan in plans
    ]
    shipping.pack_shipments([shipment.pk for shipment in shipments], decision=decision)


def _dispatch(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    by_order = {plan.order_id: plan for plan in plans}
    waybills = {}
    for shipment in _of(Shipment, plans, ShipmentStatus.PACKED):
        situation = by_order[shipment.order_id].situation
        carrier = _CARRIERS[situation.shop]
        waybill = Waybill(carrier, tracking_number=f"{carrier}{1_000_000_000 + shipment.pk * 7919}")
        waybills[shipment.pk] = Waybill("SHAN") if situation.method == "CITY" else waybill
        if shipment.warehouse_id is None:
            waybills[shipment.pk] = Waybill()
    shipping.dispatch_shipments(waybills, decision=decision, waybills=waybills)


def _track(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    signs = do.act == Act.SIGN
    cities = {plan.order_id: plan.buyer.city for plan in plans}
    for shipment in _of(Shipment, plans, ShipmentStatus.DISPATCHED).select_related("warehouse"):
        shipping.note_tracking(
            shipment.pk,
            TrackingKind.SIGNED if signs else TrackingKind.COLLECTED,
            decision=decision,
            place=cities[shipment.order_id] if signs else shipment.warehouse.name,
            text="本人签收" if signs else "",
        )


def _hold(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    _all_done(holds.hold_orders(_ids(plans), release=do.how == "release", decision=decision))


def _close_lines(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    """What is left of the last line."""
    for plan in plans:
        line, _left = logistics_selectors.left_to_ship(Order.objects.get(pk=plan.order_id))[-1]
        closing_lines.close_lines(plan.order_id, [closing_lines.LineToClose(line.no)], decision=decision)


def _request_return(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    """One unit of the first line."""
    for plan in plans:
        lines = [returns.ReturnDraftLine(Decimal(1), no=1)]
        returns.request_return(returns.ReturnDraft(plan.order_id, lines), decision=decision)


def _receive_return(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    drafts = []
    for goods_return in _of(Return, plans, ReturnStatus.APPROVED):
        rows = ReturnLine.objects.filter(goods_return=goods_return).order_by("pk")
        # ``how`` is the one thing that becomes of all of it.
        lines = [inspecting.InspectedLine(row.pk, **{do.how: row.quantity}) for row in rows]
        drafts.append(inspecting.InspectionDraft(goods_return.pk, lines, "SH", DEFECTIVE))
    inspecting.receive_returns(drafts, decision=decision)


def _request_allowance(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    """On the first line of the first shipment."""
    for plan in plans:
        row = ShipmentLine.objects.filter(shipment__order=plan.order_id).order_by("pk")[0]
        allowing.request_allowance(row.pk, round_money(row.amount * Decimal(do.part), CURRENCY), decision=decision)


def _request_write_off(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    for order in _orders(plans).values():
        write_offs.request_write_off(write_offs.WriteOffDraft(order.pk, do.how, abs(order.owed)), decision=decision)


def _request_refund(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    for order in _orders(plans).values():
        payment = Payment.objects.filter(order=order, status=PaymentState.CONFIRMED).latest("pk")
        refunds.request_refund(refunds.RefundDraft(payment.pk, -order.owed), decision=decision)


def _fail_refund(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    for refund in _of(Refund, plans, RefundState.APPROVED):
        refunds.note_refund_failure(refund.pk, "收款账户已注销,银行退回", decision=decision)


def _waive(do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    for plan in plans:
        waiving.waive(plan.order_id, do.how, decision=decision)


def _copy(_do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    for plan in plans:
        plan.order_id = copying.copy_order(plan.order_id, decision=decision).pk


def _orders_by(service: Callable[..., Outcomes], _do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    _all_done(service(_ids(plans), decision=decision))


def _review(block: str, _do: Do, plans: Sequence[Plan], decision: Decision) -> None:
    _all_done(reviewing.review_orders(_ids(plans), block, decision=decision))


def _documents_by(
    service: Callable[..., Any], model: Any, status: str, do: Do, plans: Sequence[Plan], decision: Decision
) -> None:
    found = [document.pk for document in _of(model, plans, status)]
    assert found, f"nothing to {do.act.name}"
    service(found, decision=decision)


_REPORTED, _APPROVED = PaymentState.REPORTED, RefundState.APPROVED
_HOW: dict[Act, Perform] = {
    Act.PLACE: _place,
    Act.CHANGE: _change,
    Act.REPORT: _report,
    Act.PROCESS: partial(_orders_by, fulfilment.process_orders),
    Act.CONFIRM: partial(_documents_by, payments.confirm_payments, Payment, _REPORTED),
    Act.REJECT: partial(_documents_by, payments.reject_payments, Payment, _REPORTED),
    Act.DRAFT: partial(_shipments_by, drafting.draft_shipments),
    Act.PACK: partial(_shipments_by, drafting.pack_orders),
    Act.PACK_PART: _pack_part,
    Act.UNPACK: partial(_documents_by, shipping.cancel_shipments, Shipment, ShipmentStatus.PACKED),
    Act.DISPATCH: _dispatch,
    Act.COLLECT: _track,
    Act.SIGN: _track,
    Act.DELIVER: partial(_documents_by, shipping.deliver_shipments, Shipment, ShipmentStatus.DISPATCHED),
    Act.REFUSE: partial(_documents_by, undelivered.refuse_shipments, Shipment, ShipmentStatus.DISPATCHED),
    Act.LOSE: partial(_documents_by, undelivered.lose_shipments, Shipment, ShipmentStatus.DISPATCHED),
    Act.HOLD: _hold,
    Act.RESUME: partial(_orders_by, holds.resume_orders),
    Act.CLOSE_LINES: _close_lines,
    Act.COMPLETE: partial(_orders_by, fulfilment.complete_orders),
    Act.CANCEL: partial(_orders_by, cancelling.cancel_orders),
    Act.REQUEST_RETURN: _request_return,
    Act.APPROVE_RETURN: partial(_documents_by, returns.approve_returns, Return, ReturnStatus.REQUESTED),
    Act.REJECT_RETURN: partial(_documents_by, returns.reject_returns, Return, ReturnStatus.REQUESTED),
    Act.RECEIVE_RETURN: _receive_return,
    Act.REQUEST_ALLOWANCE: _request_allowance,
    Act.APPROVE_ALLOWANCE: partial(_documents_by, allowances.approve_allowances, Allowance, ProposalState.REQUESTED),
    Act.REJECT_ALLOWANCE: partial(_documents_by, allowances.reject_allowances, Allowance, ProposalState.REQUESTED),
    Act.VOID: partial(_take_back, payments.void_payments),
    Act.CHARGE_BACK: partial(_take_back, payments.charge_back_payments),
    Act.REQUEST_WRITE_OFF: _request_write_off,
    Act.APPROVE_WRITE_OFF: partial(_documents_by, write_offs.approve_write_offs, WriteOff, ProposalState.REQUESTED),
    Act.REJECT_WRITE_OFF: partial(_documents_by, write_offs.reject_write_offs, WriteOff, ProposalState.REQUESTED),
    Act.REQUEST_REFUND: _request_refund,
    Act.APPROVE_REFUND: partial(_documents_by, refunds.approve_refunds, Refund, RefundState.REQUESTED),
    Act.REJECT_REFUND: partial(_documents_by, refunds.reject_refunds, Refund, RefundState.REQUESTED),
    Act.FAIL_REFUND: _fail_refund,
    Act.PAY_REFUND: partial(_documents_by, refunds.pay_refunds, Refund, _APPROVED),
    Act.REVIEW_ORDER: partial(_review, "order"),
    Act.REVIEW_FINANCE: partial(_review, "finance"),
    Act.REVIEW_LOGISTICS: partial(_review, "logistics"),
    Act.WAIVE: _waive,
    Act.CLOSE: partial(_orders_by, closing.close_orders),
    Act.REOPEN: partial(_orders_by, reopening.reopen_orders),
    Act.COPY: _copy,
}


def _ids(plans: Iterable[Plan]) -> list[int]:
    return [plan.order_id for plan in plans]


def _orders(plans: Iterable[Plan]) -> dict[int, Order]:
    return Order.objects.in_bulk(_ids(plans))


def _of(model: Any, plans: Iterable[Plan], status: str) -> Any:
    """Documents of these orders in one state, by primary key."""
    return model.objects.filter(order__in=_ids(plans), status=status).order_by("pk")


def _all_done(outcomes: Outcomes) -> None:
    """The demo's own people make no mistakes: what is refused here is a fault of the demo."""
    for outcome in outcomes.refused:
        raise outcome.error or Refused(outcome)
