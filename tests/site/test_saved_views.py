"""Everybody keeps the filters they come back to, and sees nobody else's."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from erp.kernel.models import User
from erp.site import savedviews
from erp.site.models import SavedView
from orders.models import Order
from tests.factories import OrderFactory, actor
from tests.site.clicking import changelist, sign_in

pytestmark = pytest.mark.django_db


def save(client: Client, name: str, query: str) -> Any:
    response = client.post(reverse("admin:saved_view"), {"name": name, "query": query}, follow=True)
    assert response.status_code == 200
    return response


def test_filters_are_saved_shown_and_forgotten(auditor: User) -> None:
    OrderFactory()
    client = sign_in(auditor)

    save(client, "云杉待处理", "list=to_process&q=云杉")

    view = SavedView.objects.get()
    assert view.query == "list=to_process&q=%E4%BA%91%E6%9D%89"
    page = client.get(savedviews.link(view))
    assert 'aria-current="page">云杉待处理' in page.content.decode()
    assert "云杉待处理" not in sign_in(actor("closer")).get(changelist(Order)).content.decode()

    client.post(reverse("admin:saved_view_delete", args=[view.pk]))
    assert not SavedView.objects.exists()


def test_nobody_forgets_the_view_of_another(auditor: User) -> None:
    view = SavedView.objects.create(user=auditor, name="x", query="q=1")

    response = sign_in(actor("closer")).post(reverse("admin:saved_view_delete", args=[view.pk]))

    assert response.status_code == 404
    assert SavedView.objects.exists()


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("q=1&p=3&_popup=1&e=1&_to_field=shop&all=&next=//evil.example&number__regex=(", "q=1"),
        ("status__exact=new&customer__email__startswith=a&o=-1", "status__exact=new&o=-1"),
        ("q=%3Cscript%3E%22%26x", "q=%3Cscript%3E%22%26x"),
        ("total_from=1&total_to=&q=a%00b", "total_from=1"),
    ],
)
def test_only_what_narrows_the_list_is_kept(query: str, kept: str, auditor: User) -> None:
    save(sign_in(auditor), "x", query)

    assert SavedView.objects.get().query == kept


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("x", "", "Nothing is filtered"),
        ("x", "next=//evil.example", "Nothing is filtered"),
        ("x", "q=" + "云" * 400, "too long"),
        ("x", "&".join(f"a{n}=1" for n in range(2_000)), "Nothing is filtered"),
        ("", "q=1", "required"),
        ("a\u202eb", "q=1", ""),
        ("名" * 41, "q=1", "40"),
        ("taken", "q=1", "already"),
    ],
)
def test_what_cannot_be_saved_is_said(name: str, query: str, words: str, auditor: User) -> None:
    SavedView.objects.create(user=auditor, name="taken", query="q=2")

    text = save(sign_in(auditor), name, query).content.decode()

    assert words in text
    assert SavedView.objects.count() == 1


def test_twenty_are_enough(auditor: User) -> None:
    for no in range(savedviews.MOST):
        SavedView.objects.create(user=auditor, name=str(no), query="q=1")

    assert "delete one first" in save(sign_in(auditor), "one more", "q=1").content.decode()
    assert SavedView.objects.count() == savedviews.MOST


def test_views_are_saved_by_post_with_a_token_by_those_who_see_orders(auditor: User) -> None:
    url = reverse("admin:saved_view")

    assert sign_in(auditor).get(url).status_code == 405
    assert sign_in(auditor, enforce_csrf_checks=True).post(url, {"name": "x", "query": "q=1"}).status_code == 403
    assert not SavedView.objects.exists()
