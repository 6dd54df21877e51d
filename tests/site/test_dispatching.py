"""Dispatch by scanning: every step has the cursor where the next scan belongs, without a mouse or a script."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from erp.kernel.models import User
from logistics.models import Shipment, ShipmentStatus
from logistics.services import drafting
from tests.database import unchanged
from tests.factories import CarrierFactory, OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.site.clicking import fresh, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]

PAGE = "/admin/dispatch/"


def packed(**story: Any) -> Shipment:
    return Shipment.objects.get(order=OrderFactory(packed=True, **story))


def scan(client: Client, number: str) -> str:
    response = client.get(PAGE, {"number": number})
    assert response.status_code == 200
    return response.content.decode()


def cursor(text: str) -> str:
    """The only place the cursor is put."""
    (tag,) = re.findall(r"<(?:input|button|select)[^>]*\bautofocus\b[^>]*>", text)
    named = re.search(r'name="(\w+)"', tag)
    return named.group(1) if named else "button"


def send(client: Client, shipment: Shipment, **data: str) -> Any:
    return client.post(
        PAGE, {"shipment": shipment.pk, "method": shipment.method.code if shipment.method else "", **data}
    )


def test_scan_scan_enter(logistician: User) -> None:
    carrier, shipment = CarrierFactory(), packed()
    client = sign_in(logistician)
    assert cursor(client.get(PAGE).content.decode()) == "number"

    text = scan(client, shipment.number)
    assert cursor(text) == "tracking_number"
    for line in shipment.order.lines.all():
        assert line.sku in text
    done = send(client, shipment, carrier=carrier.code, tracking_number="SF1001")

    assert (done.status_code, done["Location"]) == (302, PAGE)
    told = client.get(PAGE).content.decode()
    assert f"Shipment {shipment.number} is dispatched: order {shipment.order.number}, SF1001." in told
    assert cursor(told) == "number"
    sent = fresh(shipment)
    assert (sent.status, sent.tracking_number, sent.dispatched_by) == ("dispatched", "SF1001", logistician)


def test_the_next_shipment_goes_by_the_same_carrier(logistician: User) -> None:
    CarrierFactory()
    carrier, first, second = CarrierFactory(), packed(), packed()
    client = sign_in(logistician)
    send(client, first, carrier=carrier.code, tracking_number="SF1")

    response = client.get(PAGE, {"number": second.number})

    assert response.context["form"]["carrier"].value() == carrier.code


def test_where_nobody_chose_a_carrier_the_cursor_asks_for_it_first(logistician: User) -> None:
    CarrierFactory.create_batch(2)

    assert cursor(scan(sign_in(logistician), packed().number)) == "carrier"


@pytest.mark.parametrize("by", ["number", "external_number"])
def test_an_order_is_as_good_as_its_shipment(by: str, logistician: User) -> None:
    shipment = packed(external_number="tm-88")

    text = scan(sign_in(logistician), getattr(shipment.order, by))

    assert shipment.number in text
    assert cursor(text) == "tracking_number"


def test_typed_in_small_letters_it_is_found_too(logistician: User) -> None:
    assert cursor(scan(sign_in(logistician), packed().number.lower())) == "tracking_number"


def test_a_wrong_number_says_so_and_keeps_the_cursor(logistician: User) -> None:
    text = scan(sign_in(logistician), "<b>NO-1</b>")

    assert "“&lt;b&gt;NO-1&lt;/b&gt;” is no number of a shipment or order here." in text
    assert cursor(text) == "number"
    assert 'value="' not in re.search(r'<input id="id_number"[^>]*>', text)[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("story", "said"),
    [
        ({"shipped": True}, "is Dispatched already"),
        ({"processing": True}, "has no shipment yet. The keeper packs it first"),
    ],
)
def test_what_cannot_be_dispatched_says_what_comes_first(story: Any, said: str, logistician: User) -> None:
    text = scan(sign_in(logistician), OrderFactory(**story).number)

    assert said in text
    assert cursor(text) == "number"


def test_without_its_tracking_number_nothing_leaves_and_the_cursor_stays(logistician: User) -> None:
    carrier, shipment = CarrierFactory(), packed()
    client = sign_in(logistician)

    with unchanged():
        response = send(client, shipment, carrier=carrier.code)

    assert response.status_code == 409
    assert cursor(response.content.decode()) == "tracking_number"


def test_the_shipments_own_number_is_no_tracking_number(logistician: User) -> None:
    carrier, shipment = CarrierFactory(), packed()
    client = sign_in(logistician)

    with unchanged():
        response = send(client, shipment, carrier=carrier.code, tracking_number=shipment.number)

    assert "Scan that of the waybill" in response.content.decode()


def test_enter_twice_dispatches_once(logistician: User) -> None:
    carrier, shipment = CarrierFactory(), packed()
    client = sign_in(logistician)
    send(client, shipment, carrier=carrier.code, tracking_number="SF1")

    with unchanged():
        again = send(client, shipment, carrier=carrier.code, tracking_number="SF1")

    assert again.status_code == 409
    assert "already" in again.content.decode()


def test_the_keeper_packs_what_is_drafted_and_logistics_is_told_to_wait(keeper: User, logistician: User) -> None:
    shipment = drafted()
    keeper.user_permissions.add(Permission.objects.get(codename="all_warehouses"))
    waiting = scan(sign_in(logistician), shipment.number)
    assert "is not packed yet. The keeper packs it first" in waiting
    client = sign_in(keeper)
    assert cursor(scan(client, shipment.number)) == "button"

    done = send(client, shipment)

    assert done.status_code == 302
    assert fresh(shipment).status == ShipmentStatus.PACKED
    assert "Logistics dispatches it" in scan(client, shipment.number)
    with unchanged():
        assert send(client, shipment, tracking_number="SF1").status_code == 403


def test_shipments_out_of_scope_are_no_numbers_here(logistician: User) -> None:
    shipment = packed()
    theirs = UserFactory(shops=[ShopFactory()])
    theirs.user_permissions.add(Permission.objects.get(codename="dispatch_shipment"))
    client = sign_in(theirs)

    assert "is no number" in scan(client, shipment.number)
    with unchanged():
        assert send(client, shipment, tracking_number="SF1").status_code == 404


@pytest.mark.parametrize("number", ["x\x00", "\u202e", "9" * 65])
def test_what_no_scanner_sends_is_refused_in_words(number: str, logistician: User) -> None:
    assert cursor(scan(sign_in(logistician), number)) == "number"


@pytest.mark.parametrize("role", ["cashier", "accountant", "auditor", "service"])
def test_it_is_for_those_who_pack_or_dispatch(role: str) -> None:
    client = sign_in(actor(role))

    assert client.get(PAGE).status_code == 403
    assert f'href="{PAGE}"' not in client.get("/admin/").content.decode()


def drafted() -> Shipment:
    (shipment,) = drafting.draft_shipments([OrderFactory(processing=True).pk], decision=decide(actor("keeper")))
    return shipment
