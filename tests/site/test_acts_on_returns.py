"""Every button on goods that come back does what it says, once."""

import pytest
from django.utils.translation import override

from erp.kernel.models import User
from finance.models import Refund
from inventory.models import StockLevel
from logistics.models import Return, Shipment
from tests.factories import OrderFactory, WarehouseFactory
from tests.logistics.returning import approved, requested
from tests.site.clicking import act_url, confirm, fresh, goes_to, page, sign_in, the

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]


def test_goods_come_back_by_mouse(service: User, logistician: User, keeper: User) -> None:
    order = OrderFactory(completed=True, paid=True, line_count=1)
    (line,) = order.lines.all()
    bad = WarehouseFactory(is_defective=True)

    response = confirm(sign_in(service), "request-return", order, reason="RT02", line_1="2")

    assert goes_to(response, order)
    goods_return = the(Return)
    assert sign_in(logistician).get(act_url("approve-return", goods_return)).context["about"]["Status"] == "Requested"
    assert goes_to(confirm(sign_in(logistician), "approve-return", goods_return), order)
    (row,) = goods_return.lines.all()
    response = confirm(
        sign_in(keeper),
        "receive-return",
        goods_return,
        **{f"restocked_{row.pk}": "1", f"defective_{row.pk}": "1", f"credit_{row.pk}": "150"},
    )
    assert goes_to(response, order)
    line.refresh_from_db()
    assert (line.returned, line.restocked) == (2, 2)
    assert the(StockLevel, warehouse=bad).on_hand == 1
    assert the(Refund).amount == 150
    shown = sign_in(service).get(page(order)).content.decode()
    assert goods_return.number in shown
    assert "<span>After sale</span> In process" in shown


def test_the_goods_are_asked_for_first_then_the_reason_and_whose_side_it_is_on(service: User) -> None:
    order = OrderFactory(completed=True, line_count=1)

    response = sign_in(service).get(act_url("request-return", order))

    assert list(response.context["form"].fields) == ["line_1", "reason", "party", "note"]
    assert response.context["form"].fields["reason"].choices[-1][0] == "CA99"


def test_the_page_of_a_return_says_what_it_is_worth(keeper: User) -> None:
    order = OrderFactory(completed=True, line_count=1)
    goods_return = approved(order, {1: 1})

    response = sign_in(keeper).get(act_url("receive-return", goods_return))

    assert "Empty: all of 99.99 CNY." in response.content.decode()
    assert response.context["about"]["Return number"] == goods_return.number
    with override("en"):
        assert str(response.context["about"]["Lines"][0]["Quantity"]) == "1 pcs"


@pytest.mark.parametrize(("name", "status"), [("refuse-shipment", "refused"), ("lose-shipment", "lost")])
def test_a_shipment_that_does_not_reach_the_customer(name: str, status: str, logistician: User) -> None:
    order = OrderFactory(shipped=True)

    response = confirm(sign_in(logistician), name, the(Shipment), reason="RT04", party="carrier")

    assert goes_to(response, order)
    assert the(Shipment).status == status
    assert the(Return).party == "carrier"
    assert act_url("reject-return", the(Return)) not in sign_in(logistician).get(page(order)).content.decode()


def test_rejecting_a_return(logistician: User) -> None:
    order = OrderFactory(completed=True)
    goods_return = requested(order, {1: 1})

    response = confirm(sign_in(logistician), "reject-return", goods_return, reason="RJ01", note="已使用")

    assert goes_to(response, order)
    assert fresh(goods_return).status == "rejected"
    assert "<span>After sale</span> Done" in sign_in(logistician).get(page(order)).content.decode()
