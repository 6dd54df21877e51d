"""The first page, the sidebar and the language: what a person meets before any work."""

from collections import Counter
from decimal import Decimal

import pytest
from django.contrib import admin
from django.test import Client

from erp.kernel.models import User
from erp.site import navigation
from finance.models import Payment
from finance.services import payments
from finance.services.payments import PaymentDraft
from tests.factories import ROLES, OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.site.clicking import sign_in
from tests.site.test_readiness import look

pytestmark = pytest.mark.django_db
HOME, LANGUAGE = "/admin/", "/admin/language/"


def report(order: object, reference: str) -> Payment:
    draft = PaymentDraft(order.pk, "bank", reference, Decimal(10))  # type: ignore[attr-defined]
    return payments.report_payment(draft, decision=decide(actor("cashier")))


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_task_leads_to_as_much_as_it_says(role: str) -> None:
    """Within scope only: the same documents lie in a shop that is not the reader's."""
    shops = ShopFactory(), ShopFactory()
    for no, shop in enumerate(shops):
        OrderFactory(shop=shop, packed=True, paid=True)
        OrderFactory(shop=shop, completed=True, paid=100)
        report(OrderFactory(shop=shop), f"R-{no}")
    look()
    client = sign_in(UserFactory(role=role, shops=[shops[0]]))

    tasks = client.get(HOME).context["tasks"]

    lists = {task.link: client.get(task.link).context for task in tasks}
    assert {task.link: task.count for task in tasks} == {
        link: context["cl"].result_count for link, context in lists.items()
    }


def test_a_number_that_is_nobodys_business_is_not_shown(accountant: User, cashier: User) -> None:
    report(OrderFactory(), "R-1")

    links = {
        user.pk: [task.link for task in sign_in(user).get(HOME).context["tasks"]] for user in (accountant, cashier)
    }

    to_confirm = "/admin/finance/payment/?status__exact=reported"
    assert to_confirm in links[accountant.pk]
    assert to_confirm not in links[cashier.pk]


def test_what_blocks_and_how_business_goes_stand_beside_it(auditor: User) -> None:
    OrderFactory(completed=True, paid=100)
    OrderFactory(closed=True)
    look()

    response = sign_in(auditor).get(HOME)

    assert {each.code: each.count for each in response.context["blockers"]} == {
        "finance.unpaid": 1,
        "orders.review_missing": 1,
    }
    drawn = [figure for _title, figure in response.context["figures"]]
    assert all(figure["chart"] and figure["rows"] for figure in drawn)


def test_whoever_has_no_role_learns_whom_to_ask() -> None:
    text = sign_in(UserFactory()).get(HOME).content.decode()

    assert "Ask the system administrator" in text
    assert "/admin/password_change/" in text


def test_every_list_has_its_one_place_in_the_sidebar() -> None:
    placed = [label for module in navigation.MODULES for label in module.lists] + sorted(navigation.WITHIN)

    assert [label for label, times in Counter(placed).items() if times > 1] == []
    assert set(placed) == {model._meta.label for model in admin.site._registry}


class TestLanguage:
    def test_a_person_reads_on_in_another_one(self) -> None:
        user = UserFactory(role="auditor")
        client = sign_in(user)

        response = client.post(
            LANGUAGE, {"language": "zh-hans"}, headers={"referer": "http://testserver/admin/orders/"}
        )

        assert response["Location"] == "http://testserver/admin/orders/"
        assert User.objects.get(pk=user.pk).language == "zh-hans"
        assert "今天要做" in client.get(HOME).content.decode()
        assert user.history.latest("history_id").actor_name == user.name

    def test_one_that_is_not_offered_is_refused(self) -> None:
        user = UserFactory(role="auditor")

        assert sign_in(user).post(LANGUAGE, {"language": "tlh"}).status_code == 400
        assert User.objects.get(pk=user.pk).language == user.language

    def test_the_way_back_stays_inside(self) -> None:
        client = sign_in(UserFactory(role="auditor"))

        response = client.post(LANGUAGE, {"language": "en"}, headers={"referer": "https://elsewhere.example/admin/"})

        assert response["Location"] == HOME

    def test_reading_changes_nothing(self) -> None:
        assert sign_in(UserFactory(role="auditor")).get(LANGUAGE).status_code == 405
        assert Client().post(LANGUAGE, {"language": "en"}).status_code == 302
