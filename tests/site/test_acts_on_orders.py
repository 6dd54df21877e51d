"""Every button on orders does what it says, once."""

from decimal import Decimal

import pytest
from django.utils.translation import override

from erp.kernel.acting import Channel, acting
from erp.kernel.models import User, system
from finance.models import Voucher
from inventory.models import StockLevel
from logistics.models import Shipment, ShipmentStatus
from logistics.services.shipping import record_tracking_number
from orders.models import ClosingRecord, Customer, Order, Review, Status, Waiver
from tests.database import unchanged
from tests.factories import (
    CarrierFactory,
    OrderFactory,
    ProductFactory,
    ShopFactory,
    actor,
    decide,
    receive,
)
from tests.logistics.returning import approved, received
from tests.orders.closings import also_closer, set_policy, without_tracking
from tests.site.clicking import act_url, changelist, confirm, filled_in, fresh, goes_to, page, rows, sign_in, the

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]


def test_placing_an_order(salesperson: User) -> None:
    shop = ShopFactory()
    laptop, hours = ProductFactory(price=Decimal("8999")), ProductFactory(service=True, price=Decimal("300"))
    lines = [{"sku": laptop.sku, "quantity": "2", "discount": "98"}, {"sku": hours.sku, "quantity": "1.5"}]

    response = confirm(
        sign_in(salesperson),
        "place-order",
        shop=shop.code,
        customer_name="王芳",
        customer_phone="13800000000",
        discount="50",
        shipping_fee="12",
        address_city="杭州市",
        note="请放门口",
        **rows(lines),
    )

    order = the(Order)
    assert goes_to(response, order)
    assert (order.customer_name, order.note) == ("王芳", "请放门口")
    assert order.shipping_address == {"city": "杭州市"}
    assert order.total == Decimal("17998") - 98 + 450 - 50 + 12
    assert order.history.get().actor_name == salesperson.name


def test_more_lines_keeps_what_was_typed_and_places_nothing(salesperson: User) -> None:
    client = sign_in(salesperson)
    url = act_url("place-order")
    data = filled_in(client.get(url)) | {"customer_name": "王芳"} | rows([{"sku": "A", "quantity": "2"}])

    response = client.post(url, {**data, "more": "1"})

    assert response.context["form"]["customer_name"].value() == "王芳"
    assert response.context["rows"][0]["sku"].value() == "A"
    assert len(response.context["rows"].forms) == 6
    assert not Order.objects.exists()


def test_an_order_sent_twice_is_placed_once_and_the_second_click_is_told(salesperson: User) -> None:
    shop, product = ShopFactory(), ProductFactory()
    client = sign_in(salesperson)
    url = act_url("place-order")
    data = filled_in(client.get(url)) | {"shop": shop.code, "customer_name": "王芳"}
    data |= rows([{"sku": product.sku, "quantity": "1"}])

    client.post(url, data)
    response = client.post(url, data, follow=True)

    assert Order.objects.count() == Customer.objects.count() == 1
    assert "nothing was placed twice" in response.content.decode()


def test_processing(salesperson: User) -> None:
    order = OrderFactory()
    receive({line.product: line.quantity for line in order.lines.all()})

    response = confirm(sign_in(salesperson), "process", order)

    assert goes_to(response, order)
    assert fresh(order).status == Status.PROCESSING
    assert StockLevel.objects.filter(reserved__gt=0).exists()


def test_processing_without_stock_shows_what_lacks_and_offers_no_button(salesperson: User) -> None:
    order = OrderFactory()

    response = sign_in(salesperson).get(act_url("process", order))

    assert response.context["preview"].is_blocked
    assert "lacks stock" in response.content.decode()
    assert 'type="submit" class="button default"' not in response.content.decode()


def test_a_backorder_says_before_and_after_what_is_waited_for(salesperson: User) -> None:
    product = ProductFactory()
    receive({product: 1})
    order = OrderFactory(shop=ShopFactory(allows_backorder=True), lines=[(product, 3, None)])
    client = sign_in(salesperson)

    assert f"2 pcs of {product.sku} are not available" in client.get(act_url("process", order)).content.decode()
    confirm(client, "process", order)

    shown = client.get(page(order))
    assert [(line.sku, quantity) for line, quantity in shown.context["waiting"]] == [(product.sku, 2)]
    assert "Waited for" in shown.content.decode()
    receive({product: 2})
    assert client.get(page(order)).context["waiting"] == []


def test_packing_everything_reserved(keeper: User) -> None:
    order = OrderFactory(processing=True)

    response = confirm(sign_in(keeper), "pack-order", order)

    assert goes_to(response, order)
    assert the(Shipment, order=order).status == ShipmentStatus.PACKED


def test_nothing_is_offered_to_be_packed_where_nothing_is_left_or_everything_is_waited_for(keeper: User) -> None:
    packed = OrderFactory(packed=True)
    waiting = OrderFactory(shop=ShopFactory(allows_backorder=True), in_stock=False, processing=True)
    client = sign_in(keeper)

    for order in (packed, waiting):
        text = client.get(page(order)).content.decode()
        for name in ("pack-order", "draft-shipment"):
            assert act_url(name, order) not in text
            assert "nothing is left to do" in client.get(act_url(name, order)).content.decode()


def test_shipping_a_part(keeper: User) -> None:
    order = OrderFactory(processing=True, line_count=2)

    response = confirm(sign_in(keeper), "draft-shipment", order, line_1="1", line_2="")

    shipment = the(Shipment, order=order)
    assert goes_to(response, order)
    assert shipment.status == ShipmentStatus.DRAFT
    assert [(row.line.no, row.quantity) for row in shipment.lines.all()] == [(1, 1)]


def test_a_partial_shipment_is_filled_in_with_what_can_still_be_shipped(keeper: User) -> None:
    order = OrderFactory(processing=True, line_count=1)
    client = sign_in(keeper)
    confirm(client, "draft-shipment", order, line_1="1")

    asked = client.get(act_url("draft-shipment", order))

    assert filled_in(asked)["line_1"] == "1"


def test_confirming_receipt_delivers_what_is_on_its_way(service: User) -> None:
    order = OrderFactory(shipped=True)

    response = confirm(sign_in(service), "complete", order)

    assert goes_to(response, order)
    assert fresh(order).status == Status.COMPLETED
    assert the(Shipment).status == ShipmentStatus.DELIVERED


@pytest.mark.parametrize(
    ("block", "role"), [("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")]
)
def test_reviewing(block: str, role: str, request: pytest.FixtureRequest) -> None:
    user = request.getfixturevalue(role)
    order = OrderFactory(completed=True, paid=True)

    response = confirm(sign_in(user), f"review-{block}", order)

    assert goes_to(response, order)
    assert (the(Review).block, the(Review).by_name, the(Review).is_bulk) == (block, user.name, False)


def test_a_block_is_offered_for_review_until_it_is_reviewed_and_again_once_something_changed(closer: User) -> None:
    order = OrderFactory(completed=True, paid=True)
    client = sign_in(closer)

    def offered() -> list[str]:
        parts = client.get(page(order)).context["checklist"]
        return [act.name for part in parts for row in part.rows for act in row.reviews]

    before = offered()
    confirm(client, "review-logistics", order)
    after = offered()
    record_tracking_number(the(Shipment).pk, "SF1", decision=decide(actor("logistician")))

    assert before == offered() == ["review-order", "review-finance", "review-logistics"]
    assert after == ["review-order", "review-finance"]


@pytest.mark.parametrize(
    ("story", "hint"),
    [({}, "Next it is processed."), ({"shipped": True}, "Next its receipt is confirmed")],
    ids=["new", "shipped"],
)
def test_an_order_that_is_not_so_far_says_what_comes_next(closer: User, story: dict[str, bool], hint: str) -> None:
    order = OrderFactory(**story)

    assert hint in sign_in(closer).get(page(order)).content.decode()


def test_a_review_shows_the_facts_in_words_and_the_persons_own_data(salesperson: User) -> None:
    order = OrderFactory(
        completed=True, customer={"name": "王芳", "phone": "13812345678"}, shipping_address={"city": "杭州市"}
    )

    text = sign_in(salesperson).get(act_url("review-order", order)).content.decode()

    assert "13812345678" in text
    assert "杭州市" in text
    assert "199.98 CNY" not in text  # a line's sum is no fact
    assert "399.96 CNY" in text


def test_a_blocked_review_says_what_blocks_it(accountant: User) -> None:
    order = OrderFactory(completed=True, unpaid=True)

    response = sign_in(accountant).get(act_url("review-finance", order))

    assert response.context["preview"].is_blocked
    assert "still owed" in response.content.decode()


def test_closing(closer: User) -> None:
    order = OrderFactory(reviewed=True)

    response = confirm(sign_in(closer), "close", order, reason="CL01", note="完结")

    order = fresh(order)
    assert goes_to(response, order)
    assert (order.status, order.closed_by) == (Status.CLOSED, closer)
    record = the(ClosingRecord)
    assert (record.reason, record.why, record.channel) == ("CL01", "CL01 完结", Channel.ADMIN)
    assert record.request_id == response["X-Request-Id"]


def test_reopening(closer: User) -> None:
    order = OrderFactory(closed=True)
    client = sign_in(closer)

    asked = client.get(act_url("reopen", order)).content.decode()
    response = confirm(client, "reopen", order, reason="RO01", note="关错了")

    settlement = the(Voucher, purpose="settlement")
    assert f"The settlement {settlement} is reversed" in asked
    assert "everything is reviewed anew" in asked
    order = fresh(order)
    assert goes_to(response, order)
    assert (order.status, order.cycle) == (Status.COMPLETED, 2)
    record = the(ClosingRecord, act="reopen")
    assert (record.by, record.why, record.channel) == (closer, "RO01 关错了", Channel.ADMIN)


def test_whoever_closed_an_order_is_told_that_another_has_to_reopen_it() -> None:
    order = OrderFactory(closed=True)

    response = sign_in(actor("closer")).get(act_url("reopen", order))

    assert response.context["preview"].is_blocked
    assert "may not reopen it too" in response.content.decode()


def test_only_a_closed_order_offers_to_be_reopened_and_only_to_whoever_may(closer: User, auditor: User) -> None:
    closed, completed = OrderFactory(closed=True), OrderFactory(completed=True)

    offered = [
        act_url("reopen", order) in sign_in(user).get(page(order)).content.decode()
        for user, order in ((closer, closed), (closer, completed), (auditor, closed))
    ]

    assert offered == [True, False, False]


def test_waiving_a_warning(chief_accountant: User) -> None:
    order = without_tracking()

    response = confirm(sign_in(chief_accountant), "waive", order, reason="WV01", note="客户已确认")

    assert goes_to(response, order)
    assert (the(Waiver).by, the(Waiver).why) == (chief_accountant, "WV01 客户已确认")


def test_a_conflict_of_duty_is_waived_for_the_closer_chosen(chief_accountant: User) -> None:
    order = OrderFactory(reviewed=True)
    set_policy("finance.conflict_of_duty", "warn")
    closer = also_closer("accountant")

    confirm(sign_in(chief_accountant), "waive", order, reason="WV01", note="人手不足")

    assert the(Waiver).code == "finance.conflict_of_duty"
    assert goes_to(confirm(sign_in(closer), "close", order), order)


def test_waiving_where_nothing_warns_says_so(chief_accountant: User) -> None:
    order = OrderFactory(reviewed=True)
    client = sign_in(chief_accountant)

    assert "Nothing here is a warning that you may waive." in client.get(act_url("waive", order)).content.decode()
    with unchanged():
        for warning in ("", "logistics.tracking_missing/", "logistics.tracking_missing/x"):
            response = client.post(act_url("waive", order), {"warning": warning, "reason": "WV01", "note": "x"})
            assert "warning" in response.context["form"].errors


def test_waiving_without_a_note_is_refused(chief_accountant: User) -> None:
    order, client = without_tracking(), sign_in(chief_accountant)

    with unchanged():
        response = confirm(client, "waive", order, reason="WV01", note="")

    assert response.status_code == 409
    assert "needs a note" in response.content.decode()


def test_putting_on_hold_and_resuming(service: User) -> None:
    order = OrderFactory(processing=True)
    client = sign_in(service)

    response = confirm(client, "hold", order, reason="HO02", note="地址不全", party="customer", release="on")

    order = fresh(order)
    assert goes_to(response, order)
    assert (order.held_reason, order.held_note, order.held_party) == ("HO02", "地址不全", "customer")
    assert order.held_released
    shown = client.get(page(order)).content.decode()
    assert "HO02 Address to be verified (Customer)" in shown
    assert "地址不全" in shown
    assert "What was reserved is released" in shown
    assert act_url("hold", order) not in shown

    response = confirm(client, "resume", order, note="已补全")

    assert goes_to(response, order)
    assert not fresh(order).is_on_hold
    shown = client.get(page(order)).content.decode()
    assert "What was reserved is released" not in shown
    assert "Put on hold, reservation released" in shown
    assert "已补全" in shown
    assert act_url("resume", order) not in shown


def test_a_hold_asks_about_goods_only_where_there_are_some(service: User) -> None:
    client = sign_in(service)
    product = ProductFactory(sku="A1")
    reserved = OrderFactory(lines=[(product, 3, None)], processing=True)
    waiting = OrderFactory(
        shop=ShopFactory(allows_backorder=True), lines=[(product, 1, None)], in_stock=False, processing=True
    )

    asked = {
        order: client.get(act_url("hold", order)).context["form"].fields
        for order in (reserved, waiting, OrderFactory(), OrderFactory(shipped=True))
    }

    with override("en"):
        labels = [str(fields["release"].label) if "release" in fields else "" for fields in asked.values()]
    assert labels == ["Release what is reserved: A1 × 3 pcs", "Wait for no goods meanwhile", "", ""]
    new = OrderFactory()
    assert goes_to(confirm(client, "hold", new, reason="HO01"), new)


def test_a_hold_that_would_take_packed_goods_says_what_stops_it(service: User) -> None:
    order = OrderFactory(packed=True)

    response = confirm(sign_in(service), "hold", order, reason="HO01", release="on")

    assert response.status_code == 409
    assert the(Shipment).number in response.content.decode()
    assert not fresh(order).is_on_hold


def test_what_a_hold_stops_says_who_resumes_it(service: User, logistician: User, closer: User) -> None:
    order = OrderFactory(packed=True)
    confirm(sign_in(service), "hold", order, reason="HO01")
    carrier = CarrierFactory()

    sent = confirm(
        sign_in(logistician), "dispatch-shipment", the(Shipment), carrier=carrier.code, tracking_number="SF1"
    )
    checklist = sign_in(closer).get(page(order)).content.decode()

    assert sent.status_code == 409
    assert "Customer service has to resume it first" in sent.content.decode()
    assert f"was put on hold by {service.name}" in checklist
    assert the(Shipment).status == ShipmentStatus.PACKED


def test_the_list_shows_what_is_on_hold(service: User) -> None:
    held, other = OrderFactory(), OrderFactory()
    client = sign_in(service)
    confirm(client, "hold", held, reason="HO04")

    everything, at_rest, on_hold = (
        client.get(changelist(Order), {"held_at__isempty": value} if value else {}).content.decode()
        for value in ("", "1", "0")
    )

    assert (held.number in everything, other.number in everything) == (True, True)
    assert (held.number in at_rest, other.number in at_rest) == (False, True)
    assert (held.number in on_hold, other.number in on_hold) == (True, False)
    assert "Not on hold" in everything


def test_copying_an_order_of_which_goods_are_sent_once_more(salesperson: User) -> None:
    order = OrderFactory(closed=True)
    client = sign_in(salesperson)

    response = confirm(client, "copy", order, reason="EX02", line_1="1", line_2="")

    copy = the(Order, copied_from=order)
    assert goes_to(response, copy)
    assert [line.quantity for line in copy.lines.all()] == [1]
    assert f'<a href="{page(order)}">{order.number}</a> · EX02 Reshipment' in client.get(page(copy)).content.decode()
    assert f'<a href="{page(copy)}">{copy.number}</a> EX02' in client.get(page(order)).content.decode()


def test_a_copy_asks_for_a_method_where_the_first_one_is_not_used_any_more(salesperson: User) -> None:
    order = OrderFactory(shipped=True)
    order.shipping_method.is_active = False
    with acting(decide(system())):
        order.shipping_method.save()
    client = sign_in(salesperson)

    unchosen = confirm(client, "copy", order, reason="EX01")
    response = confirm(client, "copy", order, reason="EX01", shipping_method="CITY")

    assert unchosen.context["form"].errors.keys() == {"shipping_method"}
    copy = the(Order, copied_from=order)
    assert goes_to(response, copy)
    assert copy.shipping_method.code == "CITY"


def test_nothing_is_copied_of_an_order_that_has_shipped_nothing(salesperson: User) -> None:
    order = OrderFactory(packed=True)

    assert act_url("copy", order) not in sign_in(salesperson).get(page(order)).content.decode()


@pytest.mark.parametrize(("name", "stage"), [("cancel", "processing"), ("hold", "processing"), ("copy", "shipped")])
def test_no_reason_is_chosen_before_somebody_chooses_one(
    service: User, salesperson: User, name: str, stage: str
) -> None:
    order = OrderFactory(**{stage: True})
    client = sign_in(salesperson if name == "copy" else service)

    reason = client.get(act_url(name, order)).context["form"]["reason"]
    with unchanged():
        response = confirm(client, name, order)

    assert reason.field.choices[0][0] == ""
    assert reason.value() is None
    assert response.context["form"].errors.keys() == {"reason"}
    assert "CA03" not in [code for code, _label in reason.field.choices]


def test_only_an_order_that_ended_as_it_was_placed_is_closed_as_normal_unless_somebody_says_why(closer: User) -> None:
    normal, less = OrderFactory(reviewed=True), OrderFactory(completed=True, line_count=1)
    received(approved(less, {1: 1}))
    client = sign_in(closer)

    chosen = [client.get(act_url("close", order)).context["form"]["reason"].value() for order in (normal, less)]

    assert chosen == ["CL01", None]
