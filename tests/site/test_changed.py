"""What changed between the page and the click is shown, and asked again."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.models import User
from finance.models import Allowance, Payment, Refund, WriteOff
from finance.services import payments
from finance.services.payments import PaymentDraft
from logistics.models import Shipment, ShipmentLine
from orders.models import ClosingRecord, Order, Status
from orders.services import closing
from tests.database import unchanged
from tests.factories import OrderFactory, actor, decide
from tests.finance.refunding import reject_all
from tests.site.clicking import act_url, confirm, filled_in, sign_in

pytestmark = pytest.mark.django_db


def test_a_changed_order_is_shown_anew_and_closes_with_the_next_click(closer: User) -> None:
    order, client = OrderFactory(reviewed=True), sign_in(closer)
    url = act_url("close", order)
    data = filled_in(client.get(url))
    Order.objects.filter(pk=order.pk).update(version=order.version + 1)

    with unchanged():
        again = client.post(url, data)
    closed = client.post(url, filled_in(again))

    assert again.status_code == 409
    assert "was changed since it was shown" in again.content.decode()
    assert closed.status_code == 302
    assert Order.objects.get().status == Status.CLOSED


def test_what_happened_meanwhile_is_named_with_who_did_it(closer: User) -> None:
    order, client = OrderFactory(completed=True, paid=True), sign_in(closer)
    url = act_url("review-order", order)
    data = filled_in(client.get(url))
    cashier = actor("cashier")
    draft = PaymentDraft(order.pk, "alipay", "LATE", order.total)
    payments.report_payment(draft, decision=decide(cashier))

    with unchanged():
        response = client.post(url, data)

    text = response.content.decode()
    assert response.status_code == 409
    assert Payment.objects.get(reference="LATE").number in text
    assert cashier.name in text


def test_a_check_that_fails_meanwhile_refuses_with_its_name(closer: User) -> None:
    order, client = OrderFactory(reviewed=True), sign_in(closer)
    url = act_url("close", order)
    data = filled_in(client.get(url))
    draft = PaymentDraft(order.pk, "alipay", "LATE", order.total)
    payments.report_payment(draft, decision=decide(actor("cashier")))

    with unchanged():
        response = client.post(url, data)

    assert response.status_code == 409
    assert "neither confirmed nor rejected" in response.content.decode()


def test_the_second_of_two_closers_is_told_who_was_first(closer: User) -> None:
    order, client = OrderFactory(reviewed=True), sign_in(closer)
    url = act_url("close", order)
    data = filled_in(client.get(url))
    first = actor("closer")
    closing.close_order(order.pk, decision=decide(first, reason="CL01"))

    with unchanged():
        response = client.post(url, data)

    text = response.content.decode()
    assert response.status_code == 409
    assert "is Closed" in text
    assert first.name in text
    assert ClosingRecord.objects.count() == 1


def test_the_same_part_sent_twice_is_drafted_once(keeper: User) -> None:
    order, client = OrderFactory(processing=True, line_count=1), sign_in(keeper)
    url = act_url("draft-shipment", order)
    data = {**filled_in(client.get(url)), "line_1": "1"}

    first, second = client.post(url, data), client.post(url, data)

    assert (first.status_code, second.status_code) == (302, 409)
    assert Shipment.objects.count() == 1


def test_the_same_payment_sent_twice_is_reported_once(cashier: User) -> None:
    order, client = OrderFactory(), sign_in(cashier)
    url = act_url("report-payment", order)
    data = {**filled_in(client.get(url)), "reference": "R-1"}

    first, second = client.post(url, data), client.post(url, data)

    assert (first.status_code, second.status_code) == (302, 409)
    assert Payment.objects.count() == 1


def _only_goods(order: Order) -> dict[str, str]:
    return {"shipment_line": str(ShipmentLine.objects.filter(shipment__order=order).earliest("pk").pk)}


def test_the_same_request_about_money_sent_twice_is_made_once(service: User, accountant: User) -> None:
    """A refund, an allowance, a write-off: the second click meets another version under the lock."""
    order = OrderFactory(completed=True, paid=Decimal(1000))
    reject_all(order)
    payment = Payment.objects.get(order=order)
    requests: list[tuple[User, str, Any, dict[str, str], Any]] = [
        (service, "request-refund", payment, {"amount": "1", "reason": "RT06", "note": "多付"}, Refund),
        (service, "request-allowance", order, {"amount": "1", "reason": "RT02", **_only_goods(order)}, Allowance),
        (accountant, "request-write-off", order, {"amount": "1", "kind": "unclaimed", "reason": "FN03"}, WriteOff),
    ]
    for user, name, subject, typed, model in requests:
        client, url, before = sign_in(user), act_url(name, subject), model.objects.count()
        data = {**filled_in(client.get(url)), **typed}

        first, second = client.post(url, data), client.post(url, data)

        assert (name, first.status_code, second.status_code) == (name, 302, 409)
        assert "was changed by somebody else meanwhile" in second.content.decode()
        assert model.objects.count() == before + 1


def test_a_fresh_page_goes_through(cashier: User) -> None:
    order, client = OrderFactory(), sign_in(cashier)
    confirm(client, "report-payment", order, reference="R-1", amount="1")

    response = confirm(client, "report-payment", order, reference="R-2")

    assert response.status_code == 302
    assert sum(payment.amount for payment in Payment.objects.all()) == order.total
