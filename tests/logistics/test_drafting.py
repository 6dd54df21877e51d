"""Drafting says what leaves which warehouse together."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from erp.kernel.errors import Changed, DomainError, Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from logistics.models import Shipment, ShipmentStatus
from logistics.services import drafting
from logistics.services.drafting import draft_shipment, draft_shipments, open_lines
from orders.models import Order, Unit
from tests.factories import (
    OrderFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    decide,
    receive,
)
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def draft(order: Any, quantities: Mapping[int, object], by: Any, **kwargs: Any) -> Shipment:
    """Quantities by line number."""
    exact = {no: Decimal(str(quantity)) for no, quantity in quantities.items()}
    return draft_shipment(order.pk, exact, decision=decide(by), **kwargs)


def content(shipment: Shipment) -> dict[int, Decimal]:
    """Quantities by line number."""
    return dict(shipment.lines.values_list("line__no", "quantity"))


@pytest.fixture
def split() -> Any:
    """5 of one product, of which 3 are reserved here and 2 there."""
    product, here, there = ProductFactory(), WarehouseFactory(), WarehouseFactory()
    receive({product: 3}, warehouse=here)
    receive({product: 4}, warehouse=there)
    order = OrderFactory(lines=[(product, 5, None)], in_stock=False, processing=True)
    return order, here, there


def test_everything_reserved_in_one_warehouse_is_one_draft(keeper: Any) -> None:
    order = OrderFactory(processing=True)

    (shipment,) = draft_shipments([order.pk], decision=decide(keeper))

    assert content(shipment) == {1: 2, 2: 2}
    assert (shipment.order, shipment.status) == (order, ShipmentStatus.DRAFT)
    assert shipment.method == order.shipping_method


def test_every_warehouse_sends_its_own_shipment(split: Any, keeper: Any) -> None:
    order, here, there = split

    shipments = draft_shipments([order.pk], decision=decide(keeper))

    assert {shipment.warehouse: content(shipment) for shipment in shipments} == {here: {1: 3}, there: {1: 2}}


def test_many_orders_are_drafted_in_one_act_and_numbered_in_a_row(keeper: Any) -> None:
    orders = OrderFactory.create_batch(3, processing=True)

    shipments = draft_shipments([order.pk for order in orders], decision=decide(keeper))

    year = orders[0].placed_at.year
    assert [shipment.number for shipment in shipments] == [f"SH-{year}-00000{no}" for no in (1, 2, 3)]
    assert [shipment.order for shipment in shipments] == orders


def test_services_join_the_first_shipment_and_the_shipping_fee_none(keeper: Any) -> None:
    goods, service, here, there = (
        ProductFactory(),
        ProductFactory(service=True),
        WarehouseFactory(),
        WarehouseFactory(),
    )
    receive({goods: 1}, warehouse=here)
    receive({goods: 1}, warehouse=there)
    lines = [(service, 3, None), (goods, 2, None)]
    order = OrderFactory(lines=lines, shipping_fee=10, in_stock=False, processing=True)

    first, second = draft_shipments([order.pk], decision=decide(keeper))

    assert (content(first), content(second)) == ({1: 3, 2: 1}, {2: 1})


def test_services_alone_leave_no_warehouse_by_no_method(keeper: Any) -> None:
    order = OrderFactory(services_only=True, processing=True)

    (shipment,) = draft_shipments([order.pk], decision=decide(keeper))

    assert (shipment.warehouse, shipment.method) == (None, None)
    assert content(shipment) == {1: 2, 2: 2}


def test_what_waits_for_goods_is_left_out(keeper: Any) -> None:
    there, absent = ProductFactory(), ProductFactory()
    receive({there: 1})
    shop = ShopFactory(allows_backorder=True)
    order = OrderFactory(shop=shop, lines=[(there, 2, None), (absent, 1, None)], in_stock=False, processing=True)

    (shipment,) = draft_shipments([order.pk], decision=decide(keeper))

    assert content(shipment) == {1: 1}


def test_what_is_on_a_shipment_is_not_drafted_again(keeper: Any) -> None:
    order = OrderFactory(processing=True)
    draft(order, {1: 1}, keeper)

    (rest,) = draft_shipments([order.pk], decision=decide(keeper))

    assert content(rest) == {1: 1, 2: 2}


def test_services_on_a_shipment_are_not_drafted_again(keeper: Any) -> None:
    order = OrderFactory(services_only=True, processing=True)
    draft(order, {1: 1}, keeper)

    (rest,) = draft_shipments([order.pk], decision=decide(keeper))

    assert content(rest) == {1: 1, 2: 2}


def test_with_nothing_left_to_ship_the_whole_act_is_refused(keeper: Any) -> None:
    done, other = OrderFactory(packed=True), OrderFactory(processing=True)

    with pytest.raises(drafting.NothingToShip) as refused:
        draft_shipments([other.pk, done.pk], decision=decide(keeper))

    assert refused.value.params["number"] == done.number
    assert not Shipment.objects.filter(order=other).exists()


def test_chosen_quantities_of_chosen_lines(keeper: Any) -> None:
    order = OrderFactory(processing=True)

    shipment = draft(order, {2: 1}, keeper)

    assert content(shipment) == {2: 1}
    assert shipment.warehouse is not None


def test_the_warehouse_may_be_left_out_where_one_has_everything(keeper: Any) -> None:
    order = OrderFactory(processing=True, warehouse=WarehouseFactory(code="ONLY"))

    shipment = draft(order, {1: 1, 2: 1}, keeper)

    assert shipment.warehouse
    assert shipment.warehouse.code == "ONLY"


def test_the_warehouse_is_named_where_several_have_some(split: Any, keeper: Any) -> None:
    order, _here, there = split

    with pytest.raises(drafting.WarehouseNotNamed):
        draft(order, {1: 1}, keeper)

    assert draft(order, {1: 1}, keeper, warehouse_id=there.pk).warehouse == there


def test_chosen_services_leave_no_warehouse_even_if_one_is_named(keeper: Any) -> None:
    order = OrderFactory(services_only=True, processing=True)

    assert draft(order, {1: 1}, keeper, warehouse_id=WarehouseFactory().pk).warehouse is None


def test_services_may_go_along_with_goods(keeper: Any) -> None:
    goods, service = ProductFactory(), ProductFactory(service=True)
    order = OrderFactory(lines=[(goods, 2, None), (service, 2, None)], processing=True)

    shipment = draft(order, {1: 1, 2: 1}, keeper)

    assert content(shipment) == {1: 1, 2: 1}
    assert shipment.warehouse is not None


def test_more_than_is_reserved_there_is_refused_with_both_figures(split: Any, keeper: Any) -> None:
    order, _here, there = split
    draft(order, {1: 1}, keeper, warehouse_id=there.pk)

    with pytest.raises(drafting.MoreThanOpen) as refused:
        draft(order, {1: 2}, keeper, warehouse_id=there.pk)

    assert (refused.value.params["wanted"].value, refused.value.params["open"].value) == (2, 1)
    assert refused.value.params["sku"] == order.lines.get().sku


def test_more_services_than_ordered_are_refused(keeper: Any) -> None:
    order = OrderFactory(services_only=True, processing=True)
    draft(order, {1: 1}, keeper)

    with pytest.raises(drafting.MoreThanOpen):
        draft(order, {1: 2}, keeper)


@pytest.mark.parametrize("no", [3, 4, 0])
def test_a_line_that_is_not_there_or_is_the_shipping_fee_is_refused(keeper: Any, no: int) -> None:
    order = OrderFactory(processing=True, shipping_fee=10)

    with pytest.raises(drafting.UnknownLine):
        draft(order, {1: 1, no: 1}, keeper)


def test_choosing_nothing_is_refused(keeper: Any) -> None:
    with pytest.raises(drafting.NothingToShip):
        draft(OrderFactory(processing=True), {}, keeper)


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0", "kernel.out_of_range"),
        ("-1", "kernel.out_of_range"),
        ("NaN", "kernel.not_a_number"),
        ("0.00001", "kernel.too_many_decimals"),
        ("0.5", "logistics.fraction_of_piece"),
    ],
)
def test_a_quantity_that_cannot_be_sent_is_refused(keeper: Any, quantity: str, code: str) -> None:
    order = OrderFactory(processing=True)

    with pytest.raises(DomainError) as refused:
        draft(order, {1: quantity}, keeper)

    assert refused.value.code == code
    assert not Shipment.objects.exists()


def test_what_is_weighed_may_leave_in_fractions(keeper: Any) -> None:
    order = OrderFactory(lines=[(ProductFactory(unit=Unit.KILOGRAM), 2, None)], processing=True)

    assert content(draft(order, {1: "0.5"}, keeper)) == {1: Decimal("0.5")}


@pytest.mark.parametrize("stage", ["new", "shipped", "completed"])
def test_shipments_are_drafted_only_in_processing(keeper: Any, stage: str) -> None:
    order = OrderFactory(**({} if stage == "new" else {stage: True}))

    for act in (lambda: draft_shipments([order.pk], decision=decide(keeper)), lambda: draft(order, {1: 1}, keeper)):
        with pytest.raises(drafting.NotProcessing):
            act()


def test_a_closed_order_is_read_only(keeper: Any) -> None:
    with pytest.raises(DomainError) as refused:
        draft_shipments([OrderFactory(closed=True).pk], decision=decide(keeper))

    assert refused.value.code == "orders.is_final"


def test_drafting_needs_its_permission(cashier: Any) -> None:
    order = OrderFactory(processing=True)

    with pytest.raises(Forbidden):
        draft_shipments([order.pk], decision=decide(cashier))
    with pytest.raises(Forbidden):
        draft(order, {1: 1}, cashier)


@pytest.mark.parametrize("role", ["keeper", "auditor"])
def test_an_order_of_another_shop_does_not_exist(role: str) -> None:
    order = OrderFactory(processing=True)
    stranger = UserFactory(shops=[ShopFactory()])
    if role == "keeper":
        stranger.user_permissions.add(Permission.objects.get(codename="pack_shipment"))

    with pytest.raises(NotFound):
        draft_shipments([order.pk], decision=decide(stranger))


def test_a_keeper_drafts_only_what_lies_in_the_own_warehouse(split: Any) -> None:
    order, here, there = split
    own_keeper = UserFactory(role="keeper", warehouses=[here])

    with pytest.raises(drafting.MoreThanOpen):
        draft(order, {1: 1}, own_keeper, warehouse_id=there.pk)
    (shipment,) = draft_shipments([order.pk], decision=decide(own_keeper))

    assert (shipment.warehouse, content(shipment)) == (here, {1: 3})


def test_drafting_gives_the_order_a_new_version(keeper: Any) -> None:
    order = OrderFactory(processing=True)

    draft(order, {1: 1}, keeper)

    assert Order.objects.get(pk=order.pk).version == order.version + 1


def test_the_same_form_sent_twice_drafts_once(keeper: Any) -> None:
    order = OrderFactory(processing=True)
    draft(order, {1: 1}, keeper, version=order.version)

    with pytest.raises(Changed):
        draft(order, {1: 1}, keeper, version=order.version)

    assert Shipment.objects.count() == 1


def test_a_draft_has_history_and_is_told(keeper: Any) -> None:
    shipment = draft(OrderFactory(processing=True), {1: 1}, keeper)

    assert [row.history_user for row in shipment.history.all()] == [keeper]
    assert OutboxEvent.objects.get(topic="shipment.draft").subject == shipment.number


def test_what_can_still_be_sent_is_listed_by_line_and_warehouse(split: Any, keeper: Any) -> None:
    order, here, there = split
    draft(order, {1: 2}, keeper, warehouse_id=there.pk)

    (row,) = open_lines(order, keeper)

    assert (row.line.no, row.quantities) == (1, {here.pk: 3})


def test_services_left_to_perform_are_listed_under_no_warehouse(keeper: Any) -> None:
    order = OrderFactory(services_only=True, processing=True, shipping_fee=10)
    draft(order, {1: 1, 2: 2}, keeper)

    (row,) = open_lines(order, keeper)

    assert (row.line.no, row.quantities) == (1, {None: 1})


def test_queries_do_not_grow_with_orders_lines_or_warehouses(keeper: Any) -> None:
    decision = decide(keeper)
    decision.by.has_perm("logistics.pack_shipment")
    counts = []
    for size, line_count in ((1, 1), (10, 3), (50, 2)):
        orders = OrderFactory.create_batch(size, line_count=line_count, processing=True)
        with count_queries() as statements:
            draft_shipments([order.pk for order in orders], decision=decision)
        counts.append(len(statements))

    assert len(set(counts)) == 1
