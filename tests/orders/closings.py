"""What tests of closing share: who closes and waives, policy, and reviews of whatever is there."""

from typing import Any

from django.contrib.auth.models import Group

from erp.kernel.acting import acting
from erp.kernel.canonical import sha256, text
from erp.kernel.models import User
from logistics.models import Shipment
from logistics.services.shipping import Waybill, dispatch_shipments
from orders.contract import Batch
from orders.models import CheckPolicy, Order, Review, ShippingMethod, Waiver
from orders.services import reviewing, waiving
from orders.services.closing import close_order
from orders.services.fulfilment import complete_order
from orders.services.lifecycle import Outcome, Refused
from tests.factories import ROLES, CarrierFactory, OrderFactory, actor, decide


def close(order: Any, by: User | None = None, **kwargs: Any) -> Outcome:
    return close_order(order.pk, decision=decide(by or actor("closer"), **{"reason": "CL01", **kwargs}))


def blockers(order: Any, by: User | None = None) -> list[str]:
    """Why this order cannot be closed."""
    try:
        close(order, by)
    except Refused as refused:
        return refused.blockers
    return []


def review_as_it_is(order: Any) -> None:
    """Reviews of the facts as they are now, past the checks a review itself is held to."""
    decision = decide(actor("closer"))
    batch = Batch(list(Order.objects.filter(pk=order.pk)), decision, acting=False)
    with acting(decision):
        for block in reviewing.blocks():
            facts = text(block.read(batch)[order.pk])
            Review.objects.create(order=order, block=block.name, facts=facts, digest=sha256(facts))


def without_tracking(*, shipped_by: User | None = None, **story: Any) -> Any:
    """A reviewed order that left without a tracking number, by a method that has come to need one."""
    _city_needs_tracking(False)
    order = OrderFactory(packed=True, paid=True, shipping_method="CITY", **story)
    ids = list(Shipment.objects.filter(order=order).values_list("pk", flat=True))
    waybills = {pk: Waybill(carrier=CarrierFactory().code) for pk in ids}
    dispatch_shipments(ids, decision=decide(shipped_by or actor("logistician")), waybills=waybills)
    complete_order(order.pk, decision=decide(actor("service")))
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        reviewing.review_order(order.pk, block, decision=decide(actor(role)))
    _city_needs_tracking(True)
    return Order.objects.get(pk=order.pk)


def _city_needs_tracking(needs: bool) -> None:
    with acting(decide(actor("closer"))):
        method = ShippingMethod.objects.get(code="CITY")
        method.needs_tracking = needs
        method.save()


def set_policy(code: str, level: str, **values: Any) -> CheckPolicy:
    with acting(decide(actor("closer"))):
        return CheckPolicy.objects.create(code=code, level=level, **values)


def waive(order: Any, code: str, by: User | None = None, *, closer: User | None = None, **kwargs: Any) -> Waiver:
    decision = decide(by or actor("chief_accountant"), **{"reason": "WV01", "note": "客户已确认", **kwargs})
    return waiving.waive(order.pk, code, decision=decision, closer_id=closer.pk if closer else None)


def also_closer(role: str) -> User:
    """The one who acts in this role everywhere, and may close orders too."""
    user = actor(role)
    user.groups.add(Group.objects.get(name=ROLES["closer"]))
    return user
