"""Who acts in a web request."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from erp.kernel.acting import Channel, Decision, current, is_acting
from erp.kernel.middleware import ActingMiddleware
from erp.kernel.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def _request(user: object) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user  # type: ignore[assignment]
    return request


def _noting(seen: list[Decision | None]) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        seen.append(current() if is_acting() else None)
        return HttpResponse()

    return view


def test_the_signed_in_person_acts_through_the_back_office() -> None:
    person = UserFactory()
    seen: list[Decision | None] = []
    request = _request(person)
    response = ActingMiddleware(_noting(seen))(request)

    (decision,) = seen
    assert decision is not None
    assert (decision.by, decision.channel) == (person, Channel.ADMIN)
    assert decision.request_id == response["X-Request-Id"] == request.request_id  # type: ignore[attr-defined]
    assert not is_acting()


def test_every_request_has_its_own_number() -> None:
    request = _request(AnonymousUser())
    middleware = ActingMiddleware(_noting([]))

    assert middleware(request)["X-Request-Id"] != middleware(request)["X-Request-Id"]


def test_without_a_session_nobody_acts() -> None:
    seen: list[Decision | None] = []
    ActingMiddleware(_noting(seen))(_request(AnonymousUser()))

    assert seen == [None]


def test_nobody_acts_any_more_after_a_view_that_failed() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ActingMiddleware(view)(_request(UserFactory()))

    assert not is_acting()


def test_the_user_of_a_session_is_a_real_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lazy one would carry its query into somebody's transaction, and into the columns of rows."""
    person = UserFactory()
    seen: list[Decision] = []
    monkeypatch.setattr("erp.kernel.middleware.acting", lambda decision: _note(seen, decision))
    client.force_login(person)
    client.get("/")

    assert [type(decision.by) for decision in seen] == [User]
    assert seen[0].by == person


def _note(seen: list[Decision], decision: Decision) -> nullcontext[Decision]:
    seen.append(decision)
    return nullcontext(decision)
