"""The administrator keeps users; nobody raises their own rights or reaches above themselves."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from erp.kernel.models import User
from tests.database import unchanged
from tests.factories import UserFactory
from tests.factories.people import PASSWORD
from tests.site.clicking import page, sign_in

pytestmark = pytest.mark.django_db

ADD = "/admin/kernel/user/add/"


def form(user: User, **changes: Any) -> dict[str, Any]:
    data = {
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "language": user.language,
        "kind": user.kind,
        "groups": [group.pk for group in user.groups.all()],
    }
    return {**data, **({"is_active": "on"} if user.is_active else {}), **changes}


def test_a_new_user_is_given_a_role_and_signs_in(closer: User) -> None:
    role = Group.objects.get(name="财务")
    data = {
        "username": "li",
        "name": "李会计",
        "employee_number": "0042",
        "language": "zh-hans",
        "kind": "person",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "groups": [role.pk],
    }

    response = sign_in(closer).post(ADD, data)

    assert response.status_code == 302
    user = User.objects.get(username="li")
    assert (user.name, user.employee_number, list(user.groups.all())) == ("李会计", "0042", [role])
    assert user.history.get().actor_name == closer.name
    assert (user.is_superuser, user.is_staff) == (False, False)
    signed_in = Client().post(
        "/admin/login/", {"username": "li", "password": PASSWORD, "next": "/admin/"}, follow=True
    )
    assert signed_in.context["user"] == user


def test_a_user_without_employee_number_leaves_it_empty_for_others(closer: User) -> None:
    client = sign_in(closer)
    for user in UserFactory.create_batch(2):
        assert client.post(page(user), form(user, employee_number="")).status_code == 302
        assert User.objects.get(pk=user.pk).employee_number is None


def test_superuser_and_single_permissions_cannot_be_given(closer: User) -> None:
    user = UserFactory()
    everything = [permission.pk for permission in Permission.objects.all()]

    sign_in(closer).post(
        page(user), form(user, is_superuser="on", is_staff="on", user_permissions=everything, name="新名")
    )

    user = User.objects.get(pk=user.pk)
    assert user.name == "新名"
    assert not user.is_superuser
    assert user.user_permissions.count() <= 2  # its scope, as made


def test_nobody_changes_their_own_roles(closer: User) -> None:
    role = Group.objects.get(name="财务")

    sign_in(closer).post(page(closer), form(closer, groups=[role.pk], kind="machine", is_active=""))

    user = User.objects.get(pk=closer.pk)
    assert [group.name for group in user.groups.all()] == ["系统管理员"]
    assert user.is_active
    assert user.kind == User.Kind.PERSON


def test_a_superuser_is_out_of_the_administrators_reach(closer: User) -> None:
    above = UserFactory(is_superuser=True)
    client = sign_in(closer)
    password = {"password1": "another one entirely", "password2": "another one entirely", "usable_password": "true"}

    with unchanged():
        assert client.post(page(above), form(above, is_active="")).status_code == 403
        assert client.post(f"/admin/kernel/user/{above.pk}/password/", password).status_code == 403


def test_the_administrator_gives_a_new_password(closer: User) -> None:
    user = UserFactory()
    password = {"password1": "another one entirely", "password2": "another one entirely", "usable_password": "true"}

    sign_in(closer).post(f"/admin/kernel/user/{user.pk}/password/", password)

    user = User.objects.get(pk=user.pk)
    assert user.check_password("another one entirely")
    assert user.history.latest("history_id").actor_name == closer.name


def test_one_s_own_password_is_changed_by_who_knows_the_old_one(closer: User) -> None:
    password = {"password1": "another one entirely", "password2": "another one entirely", "usable_password": "true"}
    client = sign_in(closer)

    with unchanged():
        assert client.post(f"/admin/kernel/user/{closer.pk}/password/", password).status_code == 403
    client.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": "another one entirely", "new_password2": "another one entirely"},
    )

    assert User.objects.get(pk=closer.pk).check_password("another one entirely")


def test_nobody_widens_a_role_they_have() -> None:
    user = UserFactory(role="closer")
    user.user_permissions.add(Permission.objects.get(codename="change_group"))
    own, other = Group.objects.get(name="系统管理员"), Group.objects.get(name="客服")
    client = sign_in(user)

    assert client.post(page(own), {"name": own.name}).status_code == 403
    assert client.post(page(other), {"name": other.name, "permissions": []}).status_code == 302


def test_no_user_is_deleted() -> None:
    user = UserFactory(is_superuser=True)
    client = sign_in(user)

    assert client.post(page(UserFactory(), "delete"), {"post": "yes"}).status_code == 403
    assert client.post(page(Group.objects.get(name="客服"), "delete"), {"post": "yes"}).status_code == 403


def test_machines_do_not_sign_in() -> None:
    machine = UserFactory(kind=User.Kind.MACHINE)

    refused = Client().post("/admin/login/", {"username": machine.username, "password": PASSWORD})

    assert refused.context["form"].errors
    assert sign_in(machine).get("/admin/orders/order/").status_code == 302


def test_other_roles_keep_no_users(accountant: User) -> None:
    user = UserFactory()
    client = sign_in(accountant)

    with unchanged():
        for address in (ADD, page(user), f"/admin/kernel/user/{user.pk}/password/"):
            assert client.post(address, form(user)).status_code == 403
