"""People and machines."""

from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from erp.kernel.acting import Channel, acting, is_acting
from erp.kernel.apps import _create_system_user, _stamp_last_login
from erp.kernel.models import User, system
from tests.factories import UserFactory, decide
from tests.factories.people import PASSWORD
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def test_signing_in_is_no_change_of_the_account(client: Client) -> None:
    person = UserFactory()
    before = person.history.count()

    assert client.login(username=person.username, password=PASSWORD)
    assert User.objects.get(pk=person.pk).last_login is not None
    assert person.history.count() == before


def test_only_one_receiver_stamps_the_last_login() -> None:
    """Django's own one saves the account, in nobody's name."""
    assert [receiver() for _key, receiver, _is_async in user_logged_in.receivers] == [_stamp_last_login]


def test_a_password_is_rehashed_at_sign_in_in_the_name_of_the_person(client: Client, settings: Any) -> None:
    person = UserFactory()
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]

    assert client.login(username=person.username, password=PASSWORD)
    stored = User.objects.get(pk=person.pk)
    assert stored.password.startswith("pbkdf2_")
    assert stored.history.order_by("-history_id")[0].history_user == person


def test_the_first_administrator_acts_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, username="root", name="管理员", verbosity=0)

    row = User.history.get(username="root")
    assert (row.history_user.username, row.actor_name, row.channel) == ("root", "管理员", Channel.COMMAND)
    assert authenticate(username="root", password=PASSWORD) == row.history_user
    assert not is_acting()


def test_whoever_is_made_by_somebody_is_made_in_their_name() -> None:
    maker = UserFactory()
    with acting(decide(maker)):
        made = User.objects.create(username="made", name="新人")

    assert made.history.get().history_user == maker


def test_the_product_itself_is_a_machine_that_cannot_sign_in() -> None:
    machine = system()

    assert machine.kind == User.Kind.MACHINE
    assert not machine.has_usable_password()
    assert not machine.is_staff
    assert not machine.is_superuser
    assert machine.history.get().history_user == machine


def test_the_product_is_made_once() -> None:
    _create_system_user()

    assert User.objects.filter(username=system().username).count() == 1


def test_first_data_waits_for_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """``migrate`` of a single app sends the same signal."""
    monkeypatch.setattr(connection.introspection, "table_names", list)
    with count_queries() as queries:
        _create_system_user()

    assert queries == []


def test_everybody_has_a_name() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(name="")


def test_one_display_name_serves_everywhere() -> None:
    person = UserFactory(name="李雷")

    assert str(person) == person.get_full_name() == person.get_short_name() == "李雷"
