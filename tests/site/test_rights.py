"""Without the right there is no button, and pressing it all the same changes nothing."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from erp.kernel.models import User
from erp.site import acts
from finance.models import Allowance, Payment, Period, Refund, Statement, WriteOff
from finance.services.refunds import approve_refund
from logistics.models import Return, Shipment
from logistics.services import drafting
from orders.models import Order
from orders.services.holds import hold_order
from tests.database import unchanged
from tests.factories import OrderFactory, ProductFactory, UserFactory, WarehouseFactory, actor, count, decide
from tests.finance.giving_up import allowance, one_line, write_off
from tests.finance.statements import take
from tests.logistics.returning import approved, requested
from tests.orders.closings import without_tracking
from tests.site.clicking import act_url, filled_in, page, sign_in

pytestmark = pytest.mark.django_db


def _shipment(**story: Any) -> Shipment:
    return Shipment.objects.get(order=OrderFactory(**story))


def _drafted() -> Shipment:
    (shipment,) = drafting.draft_shipments([OrderFactory(processing=True).pk], decision=decide(actor("keeper")))
    return shipment


def _statement(*, reported: bool) -> Statement:
    """One line, that is to be confirmed or to be reported."""
    order = OrderFactory(reported=reported)
    reference = Payment.objects.get(order=order).reference if reported else order.number
    return take([(order.total, reference)], method="alipay").statement


def _held() -> Order:
    order = OrderFactory(processing=True)
    hold_order(order.pk, decision=decide(actor("service"), reason="HO01"))
    return Order.objects.get(pk=order.pk)


def _payment() -> Payment:
    return Payment.objects.get(order=OrderFactory(reported=True))


def _refund() -> Refund:
    return Refund.objects.get(order=OrderFactory(paid=Decimal(5000)))


def _approved() -> Refund:
    return approve_refund(_refund().pk, decision=decide(UserFactory(role="accountant")))


def _period() -> Period:
    OrderFactory(paid=True)
    return Period.objects.get()


SUBJECTS: dict[str, Callable[[], Any]] = {
    "place-order": lambda: None,
    "process": lambda: OrderFactory(),
    "pack-order": lambda: OrderFactory(processing=True),
    "draft-shipment": lambda: OrderFactory(processing=True),
    "report-payment": lambda: OrderFactory(),
    "request-return": lambda: OrderFactory(completed=True),
    "complete": lambda: OrderFactory(shipped=True),
    "waive": lambda: without_tracking(),
    "close": lambda: OrderFactory(reviewed=True),
    "cancel": lambda: OrderFactory(processing=True),
    "reopen": lambda: OrderFactory(closed=True),
    "hold": lambda: OrderFactory(processing=True),
    "resume": _held,
    "copy": lambda: OrderFactory(shipped=True),
    "change": lambda: OrderFactory(),
    "close_line": lambda: OrderFactory(processing=True),
    "review-order": lambda: OrderFactory(completed=True),
    "review-finance": lambda: OrderFactory(completed=True, paid=True),
    "review-logistics": lambda: OrderFactory(completed=True),
    "pack-shipment": _drafted,
    "dispatch-shipment": lambda: _shipment(packed=True),
    "deliver-shipment": lambda: _shipment(shipped=True),
    "record-tracking-number": lambda: _shipment(shipped=True),
    "track-shipment": lambda: _shipment(shipped=True),
    "refuse-shipment": lambda: _shipment(shipped=True),
    "lose-shipment": lambda: _shipment(shipped=True),
    "cancel-shipment": lambda: _shipment(packed=True),
    "approve-return": lambda: requested(OrderFactory(completed=True), {1: 1}),
    "receive-return": lambda: approved(OrderFactory(completed=True), {1: 1}),
    "reject-return": lambda: requested(OrderFactory(completed=True), {1: 1}),
    "confirm-payment": _payment,
    "reject-payment": _payment,
    "void-payment": lambda: Payment.objects.get(order=OrderFactory(paid=True)),
    "charge-back-payment": lambda: Payment.objects.get(order=OrderFactory(paid=True)),
    "request-refund": lambda: Payment.objects.get(order=OrderFactory(paid=True)),
    "approve-refund": _refund,
    "pay-refund": _approved,
    "note-refund-failure": _approved,
    "reject-refund": _refund,
    "request-allowance": lambda: OrderFactory(delivered=True),
    "approve-allowance": lambda: allowance(one_line(), "1"),
    "reject-allowance": lambda: allowance(one_line(), "1"),
    "request-write-off": lambda: OrderFactory(delivered=True),
    "approve-write-off": lambda: write_off(one_line(), "1"),
    "reject-write-off": lambda: write_off(one_line(), "1"),
    "confirm-statement": lambda: _statement(reported=True),
    "report-statement": lambda: _statement(reported=False),
    "receive-stock": lambda: WarehouseFactory(),
    "transfer-stock": lambda: WarehouseFactory(),
    "count-stock": lambda: WarehouseFactory(),
    "approve-stocktake": lambda: count({ProductFactory(): 1}),
    "reject-stocktake": lambda: count({ProductFactory(): 1}),
    "close-period": _period,
}


def test_every_act_is_tried() -> None:
    assert set(SUBJECTS) == set(acts.all_acts())


@pytest.fixture
def onlooker() -> User:
    """Sees everything, may do nothing."""
    user: User = UserFactory(role="auditor")
    return user


def with_right(permission: str) -> User:
    user: User = UserFactory(role="auditor")
    label, codename = permission.split(".")
    user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    return user


def shown_on(client: Client, name: str, subject: Any) -> bool:
    """Whether the button is on the pages where it belongs."""
    places = ["/admin/", "/admin/orders/order/"] if subject is None else [page(subject)]
    if isinstance(subject, Shipment | Return | Payment | Refund | Allowance | WriteOff):
        places.append(page(subject.order))
    found = {f'href="{act_url(name, subject)}"' in client.get(place).content.decode() for place in places}
    assert len(found) == 1, places
    return found.pop()


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_an_act_is_offered_to_those_who_may_and_refused_to_everybody_else(name: str, onlooker: User) -> None:
    subject = SUBJECTS[name]()
    able = sign_in(with_right(acts.all_acts()[name].permission))
    unable = sign_in(onlooker)

    assert shown_on(able, name, subject)
    assert not shown_on(unable, name, subject)
    data = filled_in(able.get(act_url(name, subject)))
    with unchanged():
        asked, sent = unable.get(act_url(name, subject)), unable.post(act_url(name, subject), data)

    assert (asked.status_code, sent.status_code) == (403, 403)
    assert "lacks the permission" in sent.content.decode()


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_looking_at_an_act_changes_nothing(name: str) -> None:
    subject = SUBJECTS[name]()
    client = sign_in(with_right(acts.all_acts()[name].permission))

    with unchanged():
        assert client.get(act_url(name, subject)).status_code == 200
        assert client.head(act_url(name, subject)).status_code == 200
        assert client.put(act_url(name, subject)).status_code == 405


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_an_act_without_its_csrf_token_is_refused(name: str) -> None:
    subject = SUBJECTS[name]()
    client = sign_in(with_right(acts.all_acts()[name].permission), enforce_csrf_checks=True)

    with unchanged():
        response = client.post(act_url(name, subject), filled_in(client.get(act_url(name, subject))))

    assert response.status_code == 403
    assert "expired" in response.content.decode()


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_whoever_is_not_signed_in_is_asked_to(name: str) -> None:
    subject = SUBJECTS[name]()

    response = Client().post(act_url(name, subject))

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/?next=")


def test_a_right_taken_away_between_page_and_click_counts(closer: User) -> None:
    order = OrderFactory(reviewed=True)
    client = sign_in(closer)
    data = filled_in(client.get(act_url("close", order)))
    closer.groups.clear()

    with unchanged():
        response = client.post(act_url("close", order), data)

    assert response.status_code == 403


def test_a_deactivated_user_is_out_with_the_next_click(closer: User) -> None:
    order = OrderFactory(reviewed=True)
    client = sign_in(closer)
    User.objects.filter(pk=closer.pk).update(is_active=False)

    response = client.post(act_url("close", order))

    assert response.status_code == 302
    assert Order.objects.get(pk=order.pk).status == "completed"


def test_an_unknown_act_is_not_found(onlooker: User) -> None:
    order = OrderFactory()
    client = sign_in(onlooker)

    for address in ("/admin/acts/destroy/1/", "/admin/acts/close/", f"/admin/acts/place-order/{order.pk}/"):
        assert client.get(address).status_code == 404


def test_an_act_out_of_its_state_is_not_offered_and_refused(closer: User) -> None:
    order = OrderFactory()
    client = sign_in(closer)
    data = filled_in(client.get(act_url("close", order)))

    assert act_url("close", order) not in client.get(page(order)).content.decode()
    with unchanged():
        response = client.post(act_url("close", order), data)
    assert response.status_code == 409
    assert "possible only from: Completed" in response.content.decode()


def test_what_one_may_not_see_is_named_without_leading_there(cashier: User, service: User, auditor: User) -> None:
    order = OrderFactory(packed=True, reported=True)
    shipment, payment = Shipment.objects.get(), Payment.objects.get()

    texts = {user: sign_in(user).get(page(order)).content.decode() for user in (cashier, auditor)}
    seen_by_service = sign_in(service).get(page(payment)).content.decode()

    assert [shipment.number in text for text in texts.values()] == [True, True]
    assert [page(shipment) in text for text in texts.values()] == [False, True]
    assert payment.reported_by.name in seen_by_service
    assert page(payment.reported_by) not in seen_by_service
    assert page(payment.reported_by) in sign_in(auditor).get(page(payment)).content.decode()


def test_a_finding_leads_into_one_s_own_warehouses_only(keeper: User) -> None:
    order = OrderFactory(packed=True)
    shipment, elsewhere = Shipment.objects.get(), UserFactory(role="keeper", warehouses=[WarehouseFactory()])

    texts = [sign_in(user).get(page(order)).content.decode() for user in (keeper, elsewhere)]

    assert [page(shipment) in text for text in texts] == [True, False]
    assert all(shipment.number in text for text in texts)
