"""Goods are asked back, approved or rejected; a refused or lost shipment asks for its own."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.errors import Changed, DomainError, Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent
from finance.models import Refund, Voucher
from logistics.models import Inspection, Return, ReturnLine, ReturnStatus, Shipment, ShipmentLine, ShipmentStatus
from logistics.services import returns
from logistics.services.drafting import FractionOfPiece
from logistics.services.returns import (
    CannotBeRejected,
    MoreThanLeft,
    NothingToReturn,
    NotReturnable,
    ReturnDraft,
    ReturnDraftLine,
    ReturnUndecided,
    approve_return,
    reject_return,
    request_return,
)
from logistics.services.shipping import deliver_shipment
from logistics.services.undelivered import lose_shipments, refuse_shipment, refuse_shipments
from orders.models import Order
from orders.services.catalogue import ReasonDoesNotApply, ReasonUnknown, UnknownParty
from orders.services.fulfilment import complete_order
from orders.services.lifecycle import Refused
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide
from tests.logistics.returning import (
    LOST,
    REASON,
    REFUSED,
    REJECTED,
    approved,
    received,
    requested,
    shipment_of,
)
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def by_line(goods_return: Any) -> list[tuple[int, Decimal]]:
    rows = ReturnLine.objects.filter(goods_return=goods_return).order_by("pk")
    return list(rows.values_list("shipment_line__line__no", "quantity"))


def test_a_return_says_who_asked_for_it_why_and_for_which_goods(service: Any) -> None:
    order = OrderFactory(delivered=True)
    version = Order.objects.get().version
    decision = decide(service, reason="RT02")

    goods_return = request_return(ReturnDraft(order.pk, [ReturnDraftLine(Decimal(1), no=2)]), decision=decision)

    kept = Return.objects.get()
    assert kept.number.startswith("RT-")
    assert (kept.status, kept.reason, kept.party) == ("requested", "RT02", "seller")
    assert (kept.requested_by, kept.requested_at, kept.approved_by) == (service, decision.at, None)
    assert by_line(goods_return) == [(2, 1)]
    assert OutboxEvent.objects.get(topic="return.request").subject == kept.number
    assert Order.objects.get().version == version + 1
    assert kept.history.get().history_user == service


def test_the_oldest_shipment_comes_back_first() -> None:
    product = ProductFactory()
    order = OrderFactory(lines=[(product, 3, None)], processing=True)
    first, second = (sent(order, quantity) for quantity in (1, 2))

    goods_return = requested(order, {1: 2})

    rows = ReturnLine.objects.filter(goods_return=goods_return).order_by("pk")
    assert list(rows.values_list("shipment_line__shipment", "quantity")) == [(first.pk, 1), (second.pk, 1)]


def sent(order: Any, quantity: int) -> Shipment:
    from logistics.services.drafting import draft_shipment
    from logistics.services.shipping import Waybill, dispatch_shipment, pack_shipment

    shipment = draft_shipment(order.pk, {1: Decimal(quantity)}, decision=decide(actor("keeper")))
    pack_shipment(shipment.pk, decision=decide(actor("keeper")))
    return dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=Waybill(method="PICKUP"))


def test_goods_may_be_named_by_the_shipment_that_carried_them(service: Any) -> None:
    order = OrderFactory(lines=[(ProductFactory(), 3, None)], processing=True)
    sent(order, 1)
    row = ShipmentLine.objects.get(shipment=sent(order, 2))
    draft = ReturnDraft(order.pk, [ReturnDraftLine(Decimal(2), shipment_line_id=row.pk)])

    goods_return = request_return(draft, decision=decide(service, **REASON))

    assert ReturnLine.objects.get(goods_return=goods_return).shipment_line == row


@pytest.mark.parametrize(
    ("quantities", "error"),
    [
        ({}, NothingToReturn),
        ({9: 1}, NotReturnable),
        ({1: 3}, MoreThanLeft),
        ({1: "0.5"}, FractionOfPiece),
        ({1: 0}, DomainError),
        ({1: -1}, DomainError),
    ],
)
def test_only_goods_that_left_the_house_come_back(quantities: Any, error: type[DomainError]) -> None:
    order = OrderFactory(delivered=True, line_count=1, shipping_fee=10)

    with pytest.raises(error):
        requested(order, quantities)

    assert not Return.objects.exists()


def test_what_is_in_the_house_does_not_come_back() -> None:
    with pytest.raises(NotReturnable):
        requested(OrderFactory(packed=True), {1: 1})


def test_services_and_the_shipping_fee_do_not_come_back() -> None:
    order = OrderFactory(delivered=True, services_only=True)

    with pytest.raises(NotReturnable):
        requested(order, {1: 1})


@pytest.mark.parametrize("decide_it", ["requested", "approved", "received"])
def test_what_is_on_a_return_already_is_not_asked_back_again(decide_it: str) -> None:
    order = OrderFactory(delivered=True, line_count=1)
    goods_return = requested(order, {1: 1}) if decide_it == "requested" else approved(order, {1: 1})
    if decide_it == "received":
        received(goods_return)

    with pytest.raises(MoreThanLeft) as refused:
        requested(order, {1: 2})

    assert refused.value.params["left"].value == 1


def test_what_was_rejected_may_be_asked_back_again(logistician: Any) -> None:
    order = OrderFactory(delivered=True, line_count=1)
    reject_return(approved(order, {1: 2}).pk, decision=decide(logistician, **REJECTED))

    assert by_line(requested(order, {1: 2})) == [(1, 2)]


@pytest.mark.parametrize(
    ("said", "error"), [({"reason": ""}, ReasonUnknown), ({"reason": "CL01"}, ReasonDoesNotApply)]
)
def test_a_return_needs_a_reason_of_the_catalogue(said: Any, error: type[DomainError]) -> None:
    with pytest.raises(error):
        requested(OrderFactory(delivered=True), {1: 1}, **said)


def test_whose_side_the_cause_was_on_may_be_said(service: Any) -> None:
    order = OrderFactory(delivered=True)
    lines = [ReturnDraftLine(Decimal(1), no=1)]

    with pytest.raises(UnknownParty):
        request_return(ReturnDraft(order.pk, lines, party="nobody"), decision=decide(service, **REASON))
    request_return(ReturnDraft(order.pk, lines, party="carrier"), decision=decide(service, **REASON))

    assert Return.objects.get().party == "carrier"


def test_the_same_form_sent_twice_asks_once(service: Any) -> None:
    order = OrderFactory(delivered=True)
    draft = ReturnDraft(order.pk, [ReturnDraftLine(Decimal(1), no=1)])
    request_return(draft, decision=decide(service, **REASON), version=order.version)

    with pytest.raises(Changed):
        request_return(draft, decision=decide(service, **REASON), version=order.version)

    assert Return.objects.count() == 1


def test_asking_and_deciding_need_their_permissions(keeper: Any, service: Any) -> None:
    order = OrderFactory(delivered=True)
    draft = ReturnDraft(order.pk, [ReturnDraftLine(Decimal(1), no=1)])
    goods_return = requested(order, {1: 1})

    with pytest.raises(Forbidden):
        request_return(draft, decision=decide(keeper, **REASON))
    with pytest.raises(Forbidden):
        approve_return(goods_return.pk, decision=decide(service))
    with pytest.raises(Forbidden):
        reject_return(goods_return.pk, decision=decide(service, **REJECTED))


def test_orders_and_returns_of_another_shop_do_not_exist() -> None:
    order = OrderFactory(delivered=True)
    goods_return = requested(order, {1: 1})
    stranger = UserFactory(shops=[ShopFactory()])

    with pytest.raises(NotFound):
        request_return(ReturnDraft(order.pk, []), decision=decide(stranger, **REASON))
    with pytest.raises(NotFound):
        approve_return(goods_return.pk, decision=decide(stranger))
    assert list(Return.objects.visible_to(stranger)) == []


def test_a_return_is_approved_once(logistician: Any) -> None:
    goods_return, decision = requested(OrderFactory(delivered=True), {1: 1}), decide(logistician)

    approve_return(goods_return.pk, decision=decision)
    with pytest.raises(WrongState):
        approve_return(goods_return.pk, decision=decision)

    kept = Return.objects.get()
    assert (kept.approved_by, kept.approved_at) == (logistician, decision.at)
    assert OutboxEvent.objects.filter(topic="return.approve").count() == 1


@pytest.mark.parametrize("state", ["requested", "approved"])
def test_a_return_whose_goods_never_come_is_rejected(logistician: Any, state: str) -> None:
    order = OrderFactory(delivered=True)
    goods_return = {"requested": requested, "approved": approved}[state](order, {1: 1})

    reject_return(goods_return.pk, decision=decide(logistician, **REJECTED))
    with pytest.raises(WrongState):
        reject_return(goods_return.pk, decision=decide(logistician, **REJECTED))

    assert Return.objects.get().status == ReturnStatus.REJECTED
    assert Return.objects.get().rejected_by == logistician


def test_rejecting_needs_a_word(logistician: Any) -> None:
    goods_return = requested(OrderFactory(delivered=True), {1: 1})

    with pytest.raises(DomainError) as refused:
        reject_return(goods_return.pk, decision=decide(logistician, reason="RJ01"))

    assert refused.value.code == "orders.reason_needs_note"


def test_a_refused_shipment_asks_for_its_goods_and_leaves_the_fee(logistician: Any) -> None:
    order, decision = OrderFactory(shipped=True, shipping_fee=10), decide(logistician, **REFUSED)
    shipment = shipment_of(order)

    refuse_shipment(shipment.pk, decision=decision)

    shipment = shipment_of(order)
    assert (shipment.status, shipment.undelivered_by, shipment.undelivered_at) == (
        ShipmentStatus.REFUSED,
        logistician,
        decision.at,
    )
    kept = Return.objects.get()
    assert (kept.status, kept.shipment, kept.reason) == ("approved", shipment, "RT04")
    assert by_line(kept) == [(1, 2), (2, 2)]
    assert not Voucher.objects.filter(purpose="return").exists()
    assert set(OutboxEvent.objects.filter(subject=kept.number).values_list("topic", flat=True)) == {"return.approve"}


def test_lost_shipments_are_received_at_once_with_their_fee(logistician: Any) -> None:
    orders = OrderFactory.create_batch(2, shipped=True, paid=True, shipping_fee=10)
    ids = [shipment_of(order).pk for order in orders]

    lose_shipments(ids, decision=decide(logistician, **LOST))

    assert set(Return.objects.values_list("status", "party", "received_by")) == {
        ("received", "carrier", logistician.pk)
    }
    assert set(Inspection.objects.values_list("disposition", "warehouse")) == {("lost", None)}
    for order in orders:
        assert Order.objects.get(pk=order.pk).payable == 0
        assert sum(refund.amount for refund in Refund.objects.filter(order=order)) == order.total


@pytest.mark.parametrize("stage", ["packed", "delivered"])
@pytest.mark.parametrize("act", [refuse_shipments, lose_shipments], ids=["refuse", "lose"])
def test_only_what_is_on_its_way_is_refused_or_lost(logistician: Any, act: Any, stage: str) -> None:
    good, bad = OrderFactory(shipped=True), OrderFactory(**{stage: True})

    with pytest.raises(WrongState):
        act([shipment_of(good).pk, shipment_of(bad).pk], decision=decide(logistician, **REFUSED))

    assert shipment_of(good).status == ShipmentStatus.DISPATCHED
    assert not Return.objects.exists()


def test_what_is_refused_is_not_delivered_any_more(logistician: Any) -> None:
    shipment = shipment_of(OrderFactory(shipped=True))
    refuse_shipment(shipment.pk, decision=decide(logistician, **REFUSED))

    with pytest.raises(WrongState):
        deliver_shipment(shipment.pk, decision=decide(logistician))
    with pytest.raises(WrongState):
        refuse_shipment(shipment.pk, decision=decide(logistician, **REFUSED))


def test_refusal_needs_a_reason_and_the_permission_of_delivering(logistician: Any, keeper: Any) -> None:
    shipment = shipment_of(OrderFactory(shipped=True))

    with pytest.raises(ReasonUnknown):
        refuse_shipment(shipment.pk, decision=decide(logistician))
    with pytest.raises(Forbidden):
        refuse_shipment(shipment.pk, decision=decide(keeper, **REFUSED))
    with pytest.raises(NotFound):
        refuse_shipment(shipment.pk, decision=decide(UserFactory(shops=[ShopFactory()]), **REFUSED))


def test_a_shipment_of_services_alone_brings_nothing_back(logistician: Any) -> None:
    shipment = shipment_of(OrderFactory(shipped=True, services_only=True))

    with pytest.raises(NothingToReturn):
        refuse_shipment(shipment.pk, decision=decide(logistician, **REFUSED))


def test_a_return_that_is_asked_for_is_decided_before_its_shipment_is_refused(logistician: Any) -> None:
    order = OrderFactory(shipped=True, line_count=1)
    goods_return = requested(order, {1: 1})
    refusal = decide(logistician, **REFUSED)

    with pytest.raises(ReturnUndecided):
        refuse_shipment(shipment_of(order).pk, decision=refusal)
    approve_return(goods_return.pk, decision=decide(logistician))
    refuse_shipment(shipment_of(order).pk, decision=refusal)

    assert [by_line(each) for each in Return.objects.order_by("pk")] == [[(1, 1)], [(1, 1)]]


def test_the_return_of_an_undelivered_shipment_is_never_rejected(logistician: Any) -> None:
    order = OrderFactory(shipped=True, line_count=1)
    before = approved(order, {1: 1})
    refuse_shipment(shipment_of(order).pk, decision=decide(logistician, **REFUSED))

    for goods_return in Return.objects.all():
        with pytest.raises(CannotBeRejected):
            reject_return(goods_return.pk, decision=decide(logistician, **REJECTED))

    assert Return.objects.get(pk=before.pk).status == ReturnStatus.APPROVED


def test_an_order_completes_once_what_was_refused_is_back(logistician: Any, service: Any) -> None:
    order = OrderFactory(shipped=True)
    refuse_shipment(shipment_of(order).pk, decision=decide(logistician, **REFUSED))

    with pytest.raises(Refused) as refused:
        complete_order(order.pk, decision=decide(service))
    assert refused.value.blockers == ["logistics.shipment_open"]

    received(Return.objects.get())
    complete_order(order.pk, decision=decide(service))

    assert shipment_of(order).status == ShipmentStatus.REFUSED


def test_what_can_come_back_is_listed_by_line() -> None:
    order = OrderFactory(delivered=True, shipping_fee=10)
    requested(order, {1: 1})

    assert {line.no: quantity for line, quantity in returns.returnable(order).items()} == {1: 1, 2: 2}


@pytest.mark.parametrize("act", ["refuse", "lose", "approve"])
def test_queries_do_not_grow_with_orders(act: str, logistician: Any) -> None:
    logistician.has_perm("orders.view_order")
    decision = decide(logistician, **REFUSED)
    acts = {"refuse": refuse_shipments, "lose": lose_shipments, "approve": returns.approve_returns}
    counts = []
    for size in (1, 10):
        orders = OrderFactory.create_batch(size, shipped=True, paid=True)
        ids = [shipment_of(order).pk for order in orders]
        if act == "approve":
            ids = [requested(order, {1: 1}).pk for order in orders]
        with count_queries() as statements:
            acts[act](ids, decision=decision)
        counts.append(len(statements))

    assert counts[0] == counts[1]
