"""What the clerk works from: every number is that of the list behind it, for every role and scope."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from erp.kernel.models import User
from erp.site import navigation, orderlist, worklists
from erp.site.models import Readiness
from erp.worker.models import Worker
from orders.models import Order, Status
from orders.services.cancelling import cancel_order
from orders.services.holds import hold_order
from tests.factories import ROLES, OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.site.clicking import changelist, sign_in
from tests.site.test_readiness import look
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def business() -> Any:
    """Orders in every list, of a shop and of another one."""
    order = OrderFactory()
    shops = (order.shop, ShopFactory())
    for shop in shops:  # Vouchers are dated one after the other.
        OrderFactory(shop=shop, reviewed=True, at=timezone.now() - timedelta(days=9))
    for shop in shops:
        OrderFactory(shop=shop, processing=True, paid=True)
        OrderFactory(shop=shop, shipped=True, paid=Decimal(50))
        OrderFactory(shop=shop, completed=True, paid=True)
        OrderFactory(shop=shop, completed=True, paid=Decimal(50))
        OrderFactory(shop=shop, closed=True)
        held, cancelled, called_back = (
            OrderFactory(shop=shop),
            OrderFactory(shop=shop, paid=True),
            OrderFactory(shop=shop, packed=True, paid=True),
        )
        hold_order(held.pk, decision=decide(actor("service"), reason="HO01"))
        for each in (cancelled, called_back):
            cancel_order(each.pk, decision=decide(actor("service"), reason="CA01"))
    look()
    OrderFactory(shop=order.shop, completed=True)
    return order.shop


def shown(client: Any, **query: str) -> Any:
    response = client.get(changelist(Order), query)
    assert response.status_code == 200
    return response


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_number_is_that_of_its_list(role: str, business: Any) -> None:
    client = sign_in(UserFactory(role=role, shops=[business]))
    page = shown(client).content.decode()

    offered = worklists.counted(shown(client).wsgi_request)
    assert {each.worklist.name for each in offered} >= {"closed", "all"}
    for each in offered:
        rows = shown(client, list=each.worklist.name).context["cl"].result_list
        if each.count is not None:
            assert each.count == len(rows), each.worklist.name
            assert page.count(f'{each.worklist.link}"') == 2, each.worklist.name


def test_completed_orders_are_in_one_list_each_or_still_to_be_checked(business: Any, auditor: User) -> None:
    numbers = worklists.numbers(auditor, timezone.now())

    parts = [numbers[name] for name in ("to_review", "closable", "blocked", "unchecked")]
    assert parts == [2, 2, 2, 1]
    assert sum(parts) == Order.objects.filter(status=Status.COMPLETED).count()
    assert numbers["overdue"] == 2
    assert all(numbers.values()) or numbers["partly_shipped"] == 0


def test_what_blocks_is_a_list_of_its_own(business: Any, auditor: User) -> None:
    response = shown(sign_in(auditor), list="blocked")
    counted = worklists.blocking(response.wsgi_request)

    assert counted
    for each in counted:
        rows = shown(sign_in(auditor), list="blocked", finding=each.code).context["cl"].result_list
        assert len(rows) == each.count, each.code


def test_the_list_says_what_is_not_checked_and_that_nobody_checks(business: Any, auditor: User) -> None:
    client = sign_in(auditor)
    assert "run_worker" in shown(client).content.decode()

    Worker.objects.create(name="host:1", started_at=timezone.now(), seen_at=timezone.now())
    text = shown(client).content.decode()
    assert "still to be checked: 1" in text
    assert "run_worker" not in text


def test_the_list_answers_why_an_order_is_not_closed(business: Any, auditor: User) -> None:
    text = shown(sign_in(auditor)).content.decode()

    for words in ("Ready to close", "Being checked", "To be signed for", "On hold", "To be refunded"):
        assert words in text
    assert re.search(r"[\d,]+\.\d\d short, one of \d", text)


def test_an_order_that_moved_on_is_not_shown_by_what_was_found_before() -> None:
    order = OrderFactory(completed=True, paid=True)
    seen = Readiness(order=order, version=order.version - 1, ready=True)

    with_new_version = orderlist.next_or_blocking(order, seen)

    assert with_new_version == orderlist.next_or_blocking(order, None)


def test_a_page_of_the_list_is_cheap_with_everything_around_it(business: Any, auditor: User) -> None:
    client = sign_in(auditor)
    shown(client)
    for query in ({}, {"list": "blocked"}, {"finding": "finance.unpaid"}, {"q": "王"}):
        with count_queries() as statements:
            shown(client, **query)
        assert len(statements) <= 12, statements


def test_the_sidebar_marks_the_worklist_or_all_orders(auditor: User) -> None:
    client = sign_in(auditor)

    def marked(**query: str) -> list[str]:
        items = navigation.sidebar(shown(client, **query).wsgi_request)[1]["items"]
        return [str(item["title"]) for item in items if item.get("active")]

    assert marked(list="to_ship") == [str(worklists.BY_NAME["to_ship"].label)]
    assert marked(list="closed") == []


def test_nobody_counts_further_than_anybody_pages(monkeypatch: pytest.MonkeyPatch, auditor: User) -> None:
    monkeypatch.setattr(orderlist, "COUNTED", 3)
    OrderFactory.create_batch(5)

    text = shown(sign_in(auditor)).content.decode()

    assert "3+" in text
    assert "5 orders" not in text


def test_a_list_nobody_knows_is_empty(business: Any, auditor: User) -> None:
    assert not shown(sign_in(auditor), list="nothing").context["cl"].result_list
