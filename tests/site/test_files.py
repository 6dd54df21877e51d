"""Files on the pages of their documents: added, downloaded, marked as wrong."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from erp.files.models import File
from erp.kernel.models import User
from finance.models import Payment
from logistics.models import Shipment
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory
from tests.files.keeping import HTML, PDF, PNG, keep, mark
from tests.site.clicking import goes_to, page, sign_in, the

pytestmark = pytest.mark.django_db


def address(document: Any) -> str:
    return f"/admin/files/{document._meta.model_name}/{document.pk}/"


def upload(client: Client, document: Any, content: bytes, name: str = "slip.pdf") -> Any:
    return client.post(address(document), {"file": SimpleUploadedFile(name, content)})


@pytest.fixture
def payment() -> Payment:
    return Payment.objects.get(order=OrderFactory(paid=True))


def test_a_slip_is_added_to_a_payment_and_found_on_its_page_and_the_orders(payment: Payment, cashier: User) -> None:
    client = sign_in(cashier)
    assert f'href="{address(payment)}"' in client.get(page(payment)).content.decode()

    response = upload(client, payment, PDF)

    assert goes_to(response, payment)
    file = the(File)
    for place in (page(payment), page(payment.order)):
        assert f'href="/admin/files/{file.pk}/"' in client.get(place).content.decode()


def test_a_download_is_never_shown_within_the_page(payment: Payment, cashier: User) -> None:
    file = keep(payment, PNG, "回单.html")

    response = sign_in(cashier).get(f"/admin/files/{file.pk}/")

    assert response.content == PNG
    assert response["Content-Disposition"].startswith("attachment; ")
    assert "%E5%9B%9E%E5%8D%95.png" in response["Content-Disposition"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Type"] == "image/png"


def test_what_it_is_not_is_told_where_it_was_chosen(payment: Payment, cashier: User) -> None:
    client = sign_in(cashier)

    with unchanged():
        response = upload(client, payment, HTML, "slip.pdf")

    assert "neither PDF nor JPEG nor PNG" in response.content.decode()


def test_a_file_is_marked_as_wrong_and_stays(payment: Payment, cashier: User) -> None:
    file = keep(payment)
    client = sign_in(cashier)

    response = client.post(f"/admin/files/{file.pk}/wrong/", {"note": "别人的回单"})

    assert goes_to(response, payment)
    text = client.get(page(payment)).content.decode()
    assert "别人的回单" in text
    assert f"/admin/files/{file.pk}/wrong/" not in text
    assert client.get(f"/admin/files/{file.pk}/").content == PDF
    with unchanged():
        again = client.post(f"/admin/files/{file.pk}/wrong/", {"note": "x"})
    assert "already" in again.content.decode()


def test_out_of_scope_and_of_a_kind_one_may_not_see_is_not_found(payment: Payment, keeper: User) -> None:
    file = keep(payment)
    stranger = UserFactory(role="cashier", shops=[ShopFactory()])
    stranger.groups.clear()
    for user in (keeper, stranger):
        client = sign_in(user)
        with unchanged():
            for place in (address(payment), f"/admin/files/{file.pk}/", f"/admin/files/{file.pk}/wrong/"):
                assert client.get(place).status_code == 404, place
            assert upload(client, payment, PDF).status_code == 404
            assert client.post(f"/admin/files/{file.pk}/wrong/", {"note": "x"}).status_code == 404


@pytest.mark.parametrize(
    "place", ["order/1", "payment/99999999999999999999", "shipment/0", f"{'0' * 8}-0000-0000-0000-{'0' * 12}"]
)
def test_what_does_not_exist_is_not_found(place: str, cashier: User) -> None:
    assert sign_in(cashier).get(f"/admin/files/{place}/").status_code == 404


def test_who_only_looks_adds_nothing(payment: Payment, auditor: User) -> None:
    file = keep(payment)
    client = sign_in(auditor)

    assert address(payment) not in client.get(page(payment)).content.decode()
    with unchanged():
        assert client.get(address(payment)).status_code == 403
        assert upload(client, payment, PDF).status_code == 403
        assert client.post(f"/admin/files/{file.pk}/wrong/", {"note": "x"}).status_code == 403
    assert client.get(f"/admin/files/{file.pk}/").status_code == 200


def test_a_damaged_file_says_so(payment: Payment, cashier: User) -> None:
    file = keep(payment)
    file.path.unlink()

    response = sign_in(cashier).get(f"/admin/files/{file.pk}/")

    assert response.status_code == 409
    assert "backup" in response.content.decode()


def test_the_keeper_keeps_pictures_with_a_shipment(keeper: User) -> None:
    shipment = Shipment.objects.get(order=OrderFactory(shipped=True))
    keeper.user_permissions.add(*_all_warehouses())

    assert goes_to(upload(sign_in(keeper), shipment, PNG, "外箱.png"), shipment)
    mark(the(File))


def _all_warehouses() -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename="all_warehouses")
