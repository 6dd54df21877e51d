"""The administrator closes an order by mouse, at a desk and on a phone."""

import re
from typing import Any

import pytest

from orders.models import ClosingRecord, Order, Status
from tests.factories import OrderFactory
from tests.factories.people import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _sign_in(page: Any, live_server: Any, user: Any) -> None:
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")


@pytest.mark.parametrize("width", [1280, 390])
def test_an_order_closes_through_the_dialog(page: Any, live_server: Any, closer: Any, width: int) -> None:
    order = OrderFactory(reviewed=True)
    page.set_viewport_size({"width": width, "height": 900})
    _sign_in(page, live_server, closer)

    page.goto(f"{live_server.url}/admin/orders/order/{order.pk}/change/")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name=re.compile("^关闭订单")).click()
    page.select_option("select[name=reason]", "CL01")
    page.get_by_role("button", name="关闭订单").click()

    page.wait_for_url(re.compile(rf"/order/{order.pk}/change/"))
    assert "已关闭" in page.inner_text("main, #content")
    assert Order.objects.get(pk=order.pk).status == Status.CLOSED
    assert ClosingRecord.objects.filter(order=order).count() == 1


def test_a_blocked_order_says_every_reason_at_once(page: Any, live_server: Any, closer: Any) -> None:
    order = OrderFactory(completed=True, unpaid=True)
    _sign_in(page, live_server, closer)

    page.goto(f"{live_server.url}/admin/orders/order/{order.pk}/change/")

    shown = page.inner_text("main, #content")
    assert "尚差" in shown
    assert shown.count("尚未审核") == 3
