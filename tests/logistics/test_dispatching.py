"""Dispatch is the moment goods leave: stock, revenue, cost and the order's progress in one act."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction

from erp.kernel.errors import DomainError, Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent
from finance.models import Purpose, Voucher
from inventory.models import Move, Reservation, StockLevel
from logistics.models import Shipment, ShipmentStatus
from logistics.services import shipping
from logistics.services.drafting import draft_shipment
from logistics.services.shipping import Waybill, dispatch_shipment, dispatch_shipments, pack_shipment
from orders.models import Line, Order, ShippingStatus, Status
from tests.factories import (
    CarrierFactory,
    OrderFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    actor,
    decide,
)
from tests.support import count_queries, entries, offenders, without_guards

pytestmark = pytest.mark.django_db

PICK_UP = Waybill(method="PICKUP")


def packed(**kwargs: Any) -> Any:
    """The one packed shipment of an order."""
    return Shipment.objects.get(order=OrderFactory(packed=True, **kwargs))


def dispatch(shipment: Any, waybill: Waybill = PICK_UP, **kwargs: Any) -> Shipment:
    return dispatch_shipment(shipment.pk, decision=decide(actor("logistician"), **kwargs), waybill=waybill)


def send(order: Any, quantities: dict[int, int]) -> Shipment:
    """Draft, pack and dispatch quantities by line number."""
    keeper = decide(actor("keeper"))
    exact = {no: Decimal(quantity) for no, quantity in quantities.items()}
    shipment = draft_shipment(order.pk, exact, decision=keeper)
    pack_shipment(shipment.pk, decision=keeper)
    return dispatch(shipment)


def voucher_of(shipment: Any) -> Voucher:
    return Voucher.objects.get(source_type="logistics.shipment", source_id=str(shipment.pk))


# The ledger


def test_revenue_tax_and_cost_are_posted_line_by_line() -> None:
    product = ProductFactory(tax_rate=Decimal("0.13"))
    shipment = packed(lines=[(product, 2, Decimal("113.00"))])

    dispatch(shipment)

    voucher = voucher_of(shipment)
    assert entries(voucher) == [
        ("1122", 226, 0),
        ("1405", 0, 100),
        ("2221", 0, 26),
        ("6001", 0, 200),
        ("6401", 100, 0),
    ]
    assert (voucher.purpose, voucher.order, voucher.source) == (Purpose.DISPATCH, shipment.order, shipment.number)
    assert (voucher.by, voucher.currency) == (actor("logistician"), "CNY")


def test_the_cost_is_the_value_that_left_stock() -> None:
    shipment = packed(lines=[(ProductFactory(), 2, None), (ProductFactory(), 1, None)])

    dispatch(shipment)

    costs = dict(shipment.lines.values_list("line__no", "cost"))
    assert costs == {1: 100, 2: 50}
    assert {move.source_id: -move.value for move in Move.objects.filter(kind="issue")} == {
        str(row.pk): row.cost for row in shipment.lines.all()
    }


def test_a_zero_value_order_costs_selling_expenses_and_earns_nothing() -> None:
    shipment = packed(zero_value=True, line_count=1)

    dispatch(shipment)

    assert entries(voucher_of(shipment)) == [("1405", 0, 100), ("6601", 100, 0)]


def test_a_free_line_of_a_paid_order_costs_cost_of_sales() -> None:
    paid, free = ProductFactory(tax_rate=Decimal(0)), ProductFactory()
    order = OrderFactory(lines=[(paid, 1, 10), (free, 1, 0)], processing=True)

    shipment = send(order, {2: 1})

    assert entries(voucher_of(shipment)) == [("1405", 0, 50), ("6401", 50, 0)]


def test_services_earn_and_cost_no_stock() -> None:
    service = ProductFactory(service=True, tax_rate=Decimal("0.06"))
    shipment = packed(lines=[(service, 2, 53)], services_only=True)

    dispatch(shipment, Waybill())

    assert entries(voucher_of(shipment)) == [("1122", 106, 0), ("2221", 0, 6), ("6001", 0, 100)]
    assert not Move.objects.exists()


def test_without_amount_and_cost_there_is_no_voucher() -> None:
    shipment = packed(lines=[(ProductFactory(service=True), 2, 0)], services_only=True)

    dispatch(shipment, Waybill())

    assert not Voucher.objects.filter(purpose=Purpose.DISPATCH).exists()
    assert Order.objects.get().status == Status.SHIPPED


def test_the_shipping_fee_joins_the_first_dispatch_only() -> None:
    order = OrderFactory(lines=[(ProductFactory(tax_rate=Decimal(0)), 2, 100)], shipping_fee=10, processing=True)

    first, second = send(order, {1: 1}), send(order, {1: 1})

    assert dict(first.lines.values_list("line__kind", "amount")) == {"stocked": 100, "shipping_fee": 10}
    assert list(second.lines.values_list("line__kind", "amount")) == [("stocked", 100)]
    assert entries(voucher_of(first))[0] == ("1122", 110, 0)
    assert entries(voucher_of(second))[0] == ("1122", 100, 0)


def test_of_shipments_dispatched_together_the_first_takes_the_shipping_fee() -> None:
    order = OrderFactory(lines=[(ProductFactory(), 2, 100)], shipping_fee=10, processing=True)
    keeper = decide(actor("keeper"))
    shipments = [draft_shipment(order.pk, {1: Decimal(1)}, decision=keeper) for _ in range(2)]
    ids = [pack_shipment(shipment.pk, decision=keeper).pk for shipment in shipments]

    dispatch_shipments(ids, decision=decide(actor("logistician")), waybills=dict.fromkeys(ids, PICK_UP))

    assert [shipment.lines.count() for shipment in shipments] == [2, 1]


def test_a_voucher_is_dated_the_day_of_the_act_in_the_company_s_zone() -> None:
    shipment = packed(at=datetime(2026, 3, 1, tzinfo=ZoneInfo("Asia/Shanghai")))

    dispatch(shipment, at=datetime(2026, 3, 31, 16, 30, tzinfo=ZoneInfo("UTC")))

    assert voucher_of(shipment).date == date(2026, 4, 1)


# Stock


def test_stock_falls_and_the_reservation_is_consumed() -> None:
    shipment = packed(line_count=1)

    dispatch(shipment)

    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved, level.value) == (0, 0, 0)
    assert [row.quantity for row in Reservation.objects.order_by("pk")] == [2, -2]


def test_goods_that_are_not_reserved_any_more_do_not_leave() -> None:
    shipment = packed(line_count=1)
    with without_guards(Reservation):
        Reservation.objects.all()._raw_delete("default")  # type: ignore[attr-defined]

    with pytest.raises(DomainError) as refused, transaction.atomic():
        dispatch(shipment)

    assert refused.value.code == "inventory.not_reserved"
    assert Shipment.objects.get().status == ShipmentStatus.PACKED
    assert not Voucher.objects.filter(purpose=Purpose.DISPATCH).exists()


# The order


def test_progress_grows_with_every_dispatch() -> None:
    order = OrderFactory(lines=[(ProductFactory(tax_rate=Decimal("0.13")), 3, Decimal("33.90"))], processing=True)

    send(order, {1: 2})

    line, order = Line.objects.get(), Order.objects.get()
    assert (line.shipped, line.shipped_amount, line.shipped_tax) == (2, Decimal("67.80"), Decimal("7.80"))
    assert (order.status, order.shipping_status) == (Status.PROCESSING, ShippingStatus.PARTLY_SHIPPED)


def test_the_dispatch_that_leaves_nothing_open_ships_the_order(logistician: Any) -> None:
    order = OrderFactory(processing=True, shipping_fee=10)
    send(order, {1: 2, 2: 1})
    assert Order.objects.get().status == Status.PROCESSING

    send(order, {2: 1})

    shipped = Order.objects.get()
    assert (shipped.status, shipped.shipping_status) == (Status.SHIPPED, ShippingStatus.ALL_SHIPPED)
    assert OutboxEvent.objects.get(topic="order.ship").subject == order.number
    # Carried along: signed by who dispatched, who has no permission of the kind.
    assert shipped.history.first().history_user == actor("logistician")


def test_an_order_of_goods_and_services_ships_with_the_last_of_both() -> None:
    goods, service = ProductFactory(), ProductFactory(service=True)
    order = OrderFactory(lines=[(goods, 1, None), (service, 1, None)], processing=True)

    send(order, {1: 1})
    assert Order.objects.get().shipping_status == ShippingStatus.PARTLY_SHIPPED
    send(order, {2: 1})

    assert Order.objects.get().status == Status.SHIPPED


@pytest.mark.parametrize(
    ("terms", "days"), [({"terms": "prepaid"}, 0), ({"terms": "credit", "credit_days": 30}, 30)], ids=str
)
def test_the_due_date_follows_from_the_terms(terms: dict[str, Any], days: int) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
    shipment = packed(shop=ShopFactory(**terms), at=at, paid=True)

    dispatch(shipment, at=at)

    assert Order.objects.get().due_date == date(2026, 3, 1) + timedelta(days=days)


def test_the_due_date_counts_from_the_first_dispatch() -> None:
    order = OrderFactory(processing=True, at=datetime(2026, 3, 1, 12, tzinfo=ZoneInfo("Asia/Shanghai")))
    keeper = decide(actor("keeper"))
    for no, day in ((1, 2), (2, 5)):
        shipment = draft_shipment(order.pk, {no: Decimal(2)}, decision=keeper)
        pack_shipment(shipment.pk, decision=keeper)
        dispatch(shipment, at=datetime(2026, 3, day, 12, tzinfo=ZoneInfo("Asia/Shanghai")))

    assert Order.objects.get().due_date == date(2026, 3, 2)


# The shipment


def test_a_dispatched_shipment_says_who_when_and_how_it_travels(logistician: Any) -> None:
    shipment, carrier, decision = packed(), CarrierFactory(code="SF"), decide(logistician)

    dispatch_shipment(shipment.pk, decision=decision, waybill=Waybill("SF", "SF123456", "FREIGHT"))

    sent = Shipment.objects.get()
    assert (sent.status, sent.dispatched_by, sent.dispatched_at) == (
        ShipmentStatus.DISPATCHED,
        logistician,
        decision.at,
    )
    assert (sent.carrier, sent.tracking_number) == (carrier, "SF123456")
    assert sent.method
    assert sent.method.code == "FREIGHT"
    newest = sent.history.first()
    assert (newest.status, newest.tracking_number, newest.carrier_id) == ("dispatched", "SF123456", carrier.pk)
    assert OutboxEvent.objects.get(topic="shipment.dispatch").subject == sent.number


@pytest.mark.parametrize(
    ("method", "waybill", "code"),
    [
        ("EXPRESS", Waybill(), "logistics.carrier_missing"),
        ("EXPRESS", Waybill(carrier="SF"), "logistics.tracking_number_missing"),
        ("EXPRESS", Waybill(tracking_number="1"), "logistics.carrier_missing"),
        ("EXPRESS", Waybill(carrier="SF", tracking_number="1"), None),
        ("CITY", Waybill(), "logistics.carrier_missing"),
        ("CITY", Waybill(carrier="SF"), None),
        ("PICKUP", Waybill(), None),
        ("", Waybill(carrier="SF", tracking_number="1"), "logistics.method_missing"),
        ("", Waybill(method="PICKUP"), None),
        ("EXPRESS", Waybill(method="PICKUP"), None),
    ],
    ids=str,
)
def test_the_method_says_what_has_to_be_named(method: str, waybill: Waybill, code: str | None) -> None:
    CarrierFactory(code="SF")
    shipment = packed(shipping_method=method)

    if code is None:
        assert dispatch(shipment, waybill).status == ShipmentStatus.DISPATCHED
        return
    with pytest.raises(DomainError) as refused:
        dispatch(shipment, waybill)

    assert refused.value.code == code
    assert Shipment.objects.get().status == ShipmentStatus.PACKED


@pytest.mark.parametrize(
    ("waybill", "code"),
    [
        (Waybill(carrier="NOBODY"), "logistics.unknown_carrier"),
        (Waybill(carrier="GONE"), "logistics.unknown_carrier"),
        (Waybill(method="BALLOON"), "logistics.unknown_method"),
        (Waybill(method="PICKUP", tracking_number="x" * 65), "kernel.too_long"),
        (Waybill(method="PICKUP", tracking_number="1\x002"), "kernel.bad_text"),
    ],
    ids=str,
)
def test_a_waybill_that_makes_no_sense_is_refused(waybill: Waybill, code: str) -> None:
    CarrierFactory(code="GONE", is_active=False)

    with pytest.raises(DomainError) as refused:
        dispatch(packed(), waybill)

    assert refused.value.code == code


@pytest.mark.parametrize("stage", ["draft", "shipped", "delivered", "cancelled"])
def test_only_what_is_packed_is_dispatched(stage: str) -> None:
    if stage in ("shipped", "delivered"):
        shipment = Shipment.objects.get(order=OrderFactory(**{stage: True}))
    else:
        order = OrderFactory(processing=True)
        shipment = draft_shipment(order.pk, {1: Decimal(1)}, decision=decide(actor("keeper")))
        if stage == "cancelled":
            shipping.cancel_shipment(shipment.pk, decision=decide(actor("keeper")))

    with pytest.raises(WrongState):
        dispatch(shipment)


def test_of_shipments_dispatched_together_all_leave_or_none() -> None:
    first, second = packed(), Shipment.objects.get(order=OrderFactory(shipped=True))

    with pytest.raises(WrongState):
        dispatch_shipments([first.pk, second.pk], decision=decide(actor("logistician")), waybills={first.pk: PICK_UP})

    first.refresh_from_db()
    assert first.status == ShipmentStatus.PACKED
    assert first.order.lines.filter(shipped__gt=0).count() == 0


def test_dispatching_needs_its_permission(keeper: Any) -> None:
    shipment = packed()

    with pytest.raises(Forbidden):
        dispatch_shipment(shipment.pk, decision=decide(keeper), waybill=PICK_UP)


def test_a_shipment_of_another_shop_or_warehouse_does_not_exist() -> None:
    shipment = packed()
    for only in ({"shops": [ShopFactory()]}, {"warehouses": [WarehouseFactory()]}):
        clerk = UserFactory(**only)
        clerk.user_permissions.add(Permission.objects.get(codename="dispatch_shipment"))

        with pytest.raises(NotFound):
            dispatch_shipment(shipment.pk, decision=decide(clerk), waybill=PICK_UP)


def test_a_shipment_that_would_exceed_what_was_ordered_stops_as_a_bug() -> None:
    shipment = packed(line_count=1)
    with without_guards(Line):
        Line.objects.update(shipped=Decimal(1))

    with pytest.raises(AssertionError), transaction.atomic():
        dispatch(shipment)

    assert Shipment.objects.get().status == ShipmentStatus.PACKED


def test_queries_do_not_grow_with_shipments() -> None:
    decision = decide(actor("logistician"))
    decision.by.has_perm("logistics.dispatch_shipment")
    counts = []
    for size in (1, 10, 100):
        orders = OrderFactory.create_batch(size, line_count=2, shipping_fee=10, packed=True)
        ids = list(Shipment.objects.filter(order__in=orders).values_list("pk", flat=True))
        with count_queries() as statements:
            dispatch_shipments(ids, decision=decision, waybills=dict.fromkeys(ids, PICK_UP))
        counts.append(len(statements))

    assert not Order.objects.exclude(status=Status.SHIPPED).exists()
    assert len(set(counts)) == 1
    assert offenders("logistics.cost_equals_issues") == []
