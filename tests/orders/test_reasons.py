"""Reasons that automatic rules give are not given by people, and no others are given for them."""

from typing import Any

import pytest

from erp.kernel.models import User
from orders.models import Act, Order, Status
from orders.services import catalogue
from orders.services.cancelling import cancel_order
from orders.services.catalogue import ReasonForRules
from tests.database import unchanged
from tests.factories import OrderFactory, UserFactory, decide

pytestmark = pytest.mark.django_db


def test_a_rule_cancels_what_nobody_paid_and_a_person_says_why_he_does_it(service: Any) -> None:
    order, rule = OrderFactory(), UserFactory(role="service", kind=User.Kind.MACHINE)

    with unchanged(), pytest.raises(ReasonForRules, match="CA03"):
        cancel_order(order.pk, decision=decide(service, reason="CA03"))
    cancel_order(order.pk, decision=decide(rule, reason="CA03"))

    order = Order.objects.get(pk=order.pk)
    assert (order.status, order.cancel_reason, order.cancel_party) == (Status.CANCELLED, "CA03", "system")


@pytest.mark.parametrize(("act", "code"), [(Act.CANCEL, "CA03"), (Act.CLOSE, "CL05")])
def test_reasons_of_rules_are_not_offered_to_people(act: Act, code: str) -> None:
    assert code not in [reason.code for reason in catalogue.choices(act)]
