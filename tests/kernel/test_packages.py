"""
What packages do wrong and we work around.

Each of these fails when upstream changes: then the workaround can go.
"""

import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import RequestFactory
from import_export.formats.base_formats import CSV
from simple_history.admin import SimpleHistoryAdmin

from erp.kernel.acting import acting
from erp.kernel.importing import ModelResource
from logistics.models import Carrier
from orders.models import Order, Status
from tests.factories import CarrierFactory, DecisionFactory, OrderFactory, UserFactory, decide


def test_only_one_of_the_two_fsm_packages_is_installed() -> None:
    """Both write the folder ``django_fsm``: with both, the last one installed wins, file by file."""
    (owner,) = metadata.packages_distributions()["django_fsm"]

    assert owner in {"django-fsm", "django-fsm-2"}


def test_the_fsm_package_takes_its_leave_at_every_import() -> None:
    """Settings and the test run ignore exactly this warning."""
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", "import django_fsm"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "The 'django-fsm' package has been integrated" in run.stderr


@pytest.mark.django_db
def test_the_fsm_package_does_not_enforce_permissions_when_a_transition_is_called() -> None:
    """That is why services check ``permission_of`` themselves."""
    order = OrderFactory()
    order.process(decide(UserFactory()))

    assert order.status == Status.PROCESSING
    assert Order.objects.get(pk=order.pk).status == Status.NEW


class _CarrierAdmin(SimpleHistoryAdmin):
    fields = ["name"]

    def response_change(self, request: Any, obj: Any) -> HttpResponse:
        return HttpResponse("saved")


@pytest.mark.django_db
def test_the_history_package_lets_a_viewer_write_an_old_version_back(settings: Any) -> None:
    """Hiding the button is all its setting does; pages of ours refuse everything but GET there."""
    settings.SIMPLE_HISTORY_REVERT_DISABLED = True
    carrier = CarrierFactory(name="now")
    viewer = UserFactory()
    viewer.user_permissions.add(Permission.objects.get(codename="view_carrier"))
    request = RequestFactory().post("/", {"name": "then"})
    request.user = viewer
    page = _CarrierAdmin(Carrier, admin.AdminSite())
    with acting(decide(viewer)):
        response = page.history_form_view(request, str(carrier.pk), str(carrier.history.get().history_id))

    assert response.content == b"saved"
    assert Carrier.objects.get(pk=carrier.pk).name == "then"


class _CarrierResource(ModelResource):
    class Meta:
        model = Carrier
        fields = ["name"]


@pytest.mark.django_db
@pytest.mark.parametrize("formula", ["+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1"], ids=repr)
def test_the_import_export_package_lets_formulas_through_into_csv(formula: str, settings: Any) -> None:
    """Its own escaping strips one leading = and nothing else, and its files bear no mark for Excel to read Chinese."""
    settings.IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True
    CarrierFactory(name=formula)
    exported = CSV().export_data(_CarrierResource().export(Carrier.objects.all()))

    assert f"{formula}" in exported.replace('"', "")
    assert not exported.startswith("\ufeff")


class _OrderResource(ModelResource):
    class Meta:
        model = Order
        import_id_fields = ["number"]
        fields = ["number", "status"]


@pytest.mark.django_db
def test_a_status_cannot_be_imported() -> None:
    order = OrderFactory()
    dataset = _OrderResource().export(Order.objects.all())
    dataset.append([order.number, "closed"])
    with acting(DecisionFactory()):
        result = _OrderResource().import_data(dataset)

    assert result.has_errors()
    assert Order.objects.get(pk=order.pk).status == Status.NEW
