"""Changing orders and closing their lines by mouse."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel import invariants
from erp.kernel.models import User
from finance.models import Refund
from logistics.services.drafting import draft_shipment, pack_orders
from logistics.services.shipping import Waybill, dispatch_shipment, pack_shipment
from orders.models import Line, LineClosing, Order, Status
from tests.database import unchanged
from tests.factories import OrderFactory, ProductFactory, actor, decide
from tests.site.clicking import act_url, confirm, filled_in, page, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []


def fresh(order: Any) -> Any:
    return Order.objects.get(pk=order.pk)


def half_sent(**story: Any) -> Any:
    """Two of three are sent."""
    order = OrderFactory(lines=[(ProductFactory(), 3, Decimal("10"))], processing=True, **story)
    shipment = draft_shipment(order.pk, {1: Decimal(2)}, decision=decide(actor("keeper")))
    pack_shipment(shipment.pk, decision=decide(actor("keeper")))
    dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=Waybill(method="PICKUP"))
    return order


def test_what_is_left_is_filled_in_and_the_page_says_what_will_happen(salesperson: User) -> None:
    order = half_sent(paid=True)

    asked = sign_in(salesperson).get(act_url("close_line", order))

    assert filled_in(asked)["line_1"] == "1"
    text = asked.content.decode()
    assert "10.00 CNY less are payable" in text
    assert "A refund of 10.00 CNY is requested." in text
    assert "the order is shipped" in text


def test_closing_lines(salesperson: User) -> None:
    order = half_sent(paid=True)
    client = sign_in(salesperson)

    response = confirm(client, "close_line", order, reason="CA02", party="carrier")

    assert response["Location"] == page(order)
    closing = LineClosing.objects.get()
    assert (closing.quantity, closing.reason, closing.party, closing.by) == (1, "CA02", "carrier", salesperson)
    assert fresh(order).status == Status.SHIPPED
    assert Refund.objects.get().amount == 10
    shown = client.get(page(order))
    whats = [str(entry.what) for entry in shown.context["timeline"]]
    assert f"Line 1: 1 pcs of {closing.line.sku} closed short" in whats
    assert act_url("close_line", order) not in shown.content.decode()


def test_before_anything_is_sent_nothing_is_filled_in_and_nothing_is_closed_without_saying_what(
    salesperson: User,
) -> None:
    order = OrderFactory(processing=True)
    client = sign_in(salesperson)

    with unchanged():
        response = confirm(client, "close_line", order, reason="CL02")

    assert response.status_code == 409
    assert "No line was named" in response.content.decode()
    assert confirm(client, "close_line", order, reason="CL02", line_1="1").status_code == 302
    assert LineClosing.objects.get().quantity == 1


def test_another_look_shows_what_would_happen_and_keeps_what_was_typed(salesperson: User) -> None:
    order = OrderFactory(processing=True, line_count=1)
    client = sign_in(salesperson)
    url = act_url("close_line", order)

    with unchanged():
        good = client.post(url, {**filled_in(client.get(url)), "line_1": "1", "look": "1"})
        bad = client.post(url, {**filled_in(client.get(url)), "line_1": "2", "look": "1"})
        odd = client.post(url, {**filled_in(client.get(url)), "line_1": "0.5", "look": "1"})

    assert "99.99 CNY less are payable" in good.content.decode()
    assert filled_in(good)["line_1"] == "1"
    assert not good.context["form"].errors
    assert "Cancel the order instead" in bad.content.decode()
    assert filled_in(bad)["line_1"] == "2"
    assert "is no whole number" in odd.content.decode()


def test_closing_lines_is_not_offered_where_everything_is_on_shipments(salesperson: User, keeper: User) -> None:
    order = OrderFactory(processing=True)
    pack_orders([order.pk], decision=decide(keeper))

    assert act_url("close_line", order) not in sign_in(salesperson).get(page(order)).content.decode()


def test_changing_a_new_order(salesperson: User) -> None:
    order = OrderFactory(line_count=2, shipping_address={"city": "杭州市", "line2": "2号楼"}, note="请放门口")
    product = ProductFactory(price=Decimal("5"))
    first, _second = Line.objects.filter(order=order).order_by("no")
    client = sign_in(salesperson)

    response = confirm(
        client,
        "change",
        order,
        customer_phone="139",
        address_city="上海市",
        buyer_note="放前台",
        discount="9.99",
        note="客户来电",
        **{"rows-0-quantity": "3", "rows-1-remove": "on", "rows-2-sku": product.sku, "rows-2-quantity": "4"},
    )

    assert response["Location"] == page(order), response.context["problems"]
    now = fresh(order)
    assert (now.customer_name, now.customer_phone, now.note) == ("王芳", "139", "放前台")
    assert now.shipping_address == {"city": "上海市", "line2": "2号楼"}
    assert now.total == Decimal("299.97") + 20 - Decimal("9.99")
    assert list(Line.objects.filter(order=order).order_by("no").values_list("no", "sku", "quantity")) == [
        (1, first.sku, 3),
        (3, product.sku, 4),
    ]
    (entry, _placed) = client.get(page(order)).context["timeline"]
    assert (entry.by, entry.why) == (salesperson.name, "客户来电")
    for said in ("Phone: — → 139", "Buyer's note: 请放门口 → 放前台"):
        assert said in str(entry.what)


def test_the_timeline_tells_of_lines_from_what_to_what(salesperson: User) -> None:
    order = OrderFactory(line_count=1)
    client = sign_in(salesperson)

    confirm(client, "change", order, **{"rows-0-quantity": "1"})

    (entry, _placed) = client.get(page(order)).context["timeline"]
    assert "2 × 99.99, 199.98 CNY → 1 × 99.99, 99.99 CNY" in str(entry.what)


def test_a_change_shows_what_it_would_do_first(salesperson: User) -> None:
    order = OrderFactory(line_count=1, paid=True)
    client = sign_in(salesperson)
    url = act_url("change", order)
    data = {**filled_in(client.get(url)), "rows-0-quantity": "1", "look": "1"}

    with unchanged():
        looked = client.post(url, data)

    text = looked.content.decode()
    assert "2 × 99.99, 199.98 CNY → 1 × 99.99, 99.99 CNY" in text
    assert "A refund of 99.99 CNY is requested." in text


def test_a_change_confirmed_as_it_is_changes_nothing_and_says_so(salesperson: User) -> None:
    order = OrderFactory(shipping_address={"city": "杭州市", "line2": "2号楼"}, shipping_fee=12)

    client = sign_in(salesperson)

    with unchanged():
        response = confirm(client, "change", order)

    assert response.status_code == 409
    assert "nothing was changed" in response.content.decode()


@pytest.mark.parametrize(
    ("stage", "there"), [("processing", True), ("packed", False), ("shipped", False), ("completed", False)]
)
def test_only_what_can_still_be_changed_is_asked_for(salesperson: User, stage: str, there: bool) -> None:
    order = OrderFactory(**{stage: True})
    client = sign_in(salesperson)

    asked = client.get(act_url("change", order))

    fields = set(asked.context["form"].fields)
    assert ("address_city" in fields, "shipping_method" in fields) == (there, there)
    assert {"internal_note", "note"} <= fields
    assert "discount" not in fields
    assert asked.context["rows"] is None
    assert confirm(client, "change", order, internal_note="已联系").status_code == 302
    assert fresh(order).internal_note == "已联系"


def test_what_cannot_be_placed_cannot_be_changed_so(salesperson: User) -> None:
    order = OrderFactory(line_count=1)

    client = sign_in(salesperson)

    with unchanged():
        response = confirm(client, "change", order, **{"rows-1-sku": "NOWHERE", "rows-1-quantity": "1"})

    assert response.status_code == 409
    assert "NOWHERE" in response.content.decode()
