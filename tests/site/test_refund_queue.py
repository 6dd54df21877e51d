"""The queue of refunds: decided in place, one or several, with every reason for what is refused."""

from typing import Any

import pytest
from django.test import Client

from erp.kernel.acting import acting
from erp.kernel.models import User
from finance.models import Refund, RefundState
from finance.services.payments import void_payment
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.finance.refunding import overpaid, requested
from tests.site.clicking import fresh, page, sign_in
from tests.support import count_queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]

PAGE = "/admin/refunds/"


def waiting(amount: str = "100.04", **story: Any) -> Refund:
    _order, (payment,) = overpaid("500", **story)
    return requested(payment, amount)


def send(client: Client, *refunds: Refund, **data: Any) -> Any:
    return client.post(PAGE, {"refund": [refund.pk for refund in refunds], "approve": "1", **data})


def test_it_says_what_is_asked_for_why_by_whom_and_what_the_order_owes(accountant: User) -> None:
    refund = waiting()

    text = sign_in(accountant).get(PAGE).content.decode()

    shown = ("Overpayment", refund.requested_by.name, "100.04 CNY", "-100.04 CNY")
    for part in (*shown, page(refund), page(refund.order)):
        assert part in text, part


def test_several_are_approved_at_once(accountant: User) -> None:
    refunds = [waiting(), waiting()]

    response = send(sign_in(accountant), *refunds)

    assert (response.status_code, response["Location"]) == (302, PAGE)
    assert {fresh(refund).status for refund in refunds} == {RefundState.APPROVED}
    assert "No refund waits" in sign_in(accountant).get(PAGE).content.decode()


def test_one_is_approved_by_its_own_button(accountant: User) -> None:
    first, second = waiting(), waiting()

    sign_in(accountant).post(PAGE, {"one": first.pk, "refund": [second.pk]})

    assert (fresh(first).status, fresh(second).status) == (RefundState.APPROVED, RefundState.REQUESTED)


def test_what_cannot_be_approved_is_named_with_every_reason_and_the_others_are(accountant: User) -> None:
    good, twice, own = waiting(), waiting(), waiting()
    client = sign_in(accountant)
    send(client, twice)
    _requested_and_received_by(own, accountant)

    response = send(client, good, twice, own)

    assert response.status_code == 409
    assert fresh(good).status == RefundState.APPROVED
    assert fresh(own).status == RefundState.REQUESTED
    refused = {refund.number: reasons for refund, reasons in response.context["refused"]}
    assert set(refused) == {twice.number, own.number}
    assert len(refused[own.number]) == 2
    assert "is Approved" in refused[twice.number][0]
    assert response.context["rows"][0].is_own


def _requested_and_received_by(refund: Refund, user: User) -> None:
    """As if somebody had asked for it and received its goods, which no service lets happen at once."""
    refund = fresh(refund)
    refund.requested_by = refund.goods_received_by = user
    with acting(decide(user)):
        refund.save()


def test_several_are_rejected_with_one_reason(accountant: User) -> None:
    refunds = [waiting(), waiting()]
    client = sign_in(accountant)

    with unchanged():
        asked = send(client, *refunds, reject="1", reason="RJ01")
    assert "needs a note" in asked.content.decode()
    response = send(client, *refunds, reject="1", reason="RJ01", note="不退")

    assert response.status_code == 302
    assert {fresh(refund).status for refund in refunds} == {RefundState.REJECTED}
    assert refunds[0].history.latest("history_id").history_change_reason == "RJ01 不退"


def test_nothing_marked_does_nothing(accountant: User) -> None:
    waiting()
    client = sign_in(accountant)

    with unchanged():
        response = send(client)

    assert response.status_code == 400
    assert "Nothing is marked" in response.content.decode()


def test_what_is_gone_meanwhile_is_told(accountant: User) -> None:
    refund = waiting()
    client = sign_in(accountant)
    void_payment(refund.payment_id, decision=decide(actor("accountant"), reason="FN01"))

    response = send(client, refund)

    assert response.status_code == 409
    assert "is Rejected" in response.content.decode()


def test_refunds_of_other_shops_are_not_there(accountant: User) -> None:
    refund = waiting()
    theirs = UserFactory(shops=[ShopFactory()])
    theirs.user_permissions.add(*_right())
    client = sign_in(theirs)

    assert client.get(PAGE).context["rows"] == []
    with unchanged():
        assert send(client, refund).status_code == 404


def _right() -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename="approve_refund")


@pytest.mark.parametrize("role", ["cashier", "service", "auditor", "chief_accountant"])
def test_it_is_for_those_who_approve(role: str) -> None:
    refund = waiting()
    client = sign_in(actor(role))

    with unchanged():
        assert client.get(PAGE).status_code == 403
        assert send(client, refund).status_code == 403


def test_queries_do_not_grow_with_refunds(accountant: User) -> None:
    def queries() -> int:
        client = sign_in(accountant)
        with count_queries() as statements:
            client.get(PAGE)
        return len(statements)

    waiting()
    queries()
    few = queries()
    waiting()
    OrderFactory()

    assert queries() == few
