"""A return is received: each line is inspected, credited, and put where it belongs."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from hypothesis import given
from hypothesis import strategies as st

from erp.kernel import invariants
from erp.kernel.errors import DomainError, Forbidden, NotFound, WrongState
from erp.kernel.locks import unit_of_work
from erp.kernel.models import OutboxEvent
from erp.kernel.money import minor_units
from finance.models import Credit, CreditGround, Refund, Voucher
from finance.services import crediting
from finance.services.crediting import Credited, Crediting, Part
from finance.services.refunds import ReceiverApproves, approve_refund
from inventory.models import Move, Reservation, StockLevel
from inventory.services.goods import CurrencyMismatch, UnknownWarehouse
from logistics import selectors
from logistics.models import Inspection, Return, ReturnLine
from logistics.services.drafting import FractionOfPiece
from logistics.services.inspecting import (
    CreditExceedsShare,
    InspectedLine,
    InspectionDiffers,
    InspectionDraft,
    Shares,
    WarehouseDoesNotFit,
    WarehouseMissing,
    receive_return,
    receive_returns,
)
from orders.models import Order, Status
from orders.services.closing import close_order
from orders.services.documents import BeforeClosing
from orders.services.fulfilment import process_order
from orders.services.lifecycle import Refused
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, WarehouseFactory, actor, decide
from tests.factories.master import some_warehouse
from tests.finance.refunding import settle
from tests.logistics.returning import approved, defective_warehouse, found, received, requested
from tests.orders.closings import also_closer
from tests.support import count_queries, offenders

pytestmark = pytest.mark.django_db


def only_line(order: Any) -> Any:
    return order.lines.get(no=1)


def draft(goods_return: Any, **said: Any) -> InspectionDraft:
    """One line, inspected as told. Warehouses are named unless told otherwise."""
    warehouses = {"warehouse": some_warehouse("CNY").code, "defective_warehouse": defective_warehouse().code}
    places = {name: said.pop(name, code) for name, code in warehouses.items()}
    row = goods_return.lines.get()
    return InspectionDraft(goods_return.pk, [InspectedLine(row.pk, **said)], **places)


def test_each_piece_goes_where_it_belongs_at_what_it_cost(keeper: Any) -> None:
    order = OrderFactory(lines=[(ProductFactory(), 4, None)], completed=True, paid=True)
    goods_return, one = approved(order, {1: 4}), Decimal(1)
    decision = decide(keeper)

    receive_return(
        draft(goods_return, restocked=one, defective=one, scrapped=one, lost=one),
        decision=decision,
    )

    kept = Return.objects.get()
    assert (kept.status, kept.received_by, kept.received_at) == ("received", keeper, decision.at)
    rows = Inspection.objects.order_by("pk").values_list("disposition", "quantity", "cost", "warehouse__code")
    assert list(rows) == [
        ("restocked", 1, 50, "SOME-CNY"),
        ("defective", 1, 50, "BAD-CNY"),
        ("scrapped", 1, 50, None),
        ("lost", 1, 50, None),
    ]
    moves = Move.objects.filter(kind="return").order_by("pk")
    assert [(move.warehouse.code, move.quantity, move.value, move.source) for move in moves] == [
        ("SOME-CNY", 1, 50, kept.number),
        ("BAD-CNY", 1, 50, kept.number),
    ]
    line = only_line(order)
    assert (line.shipped, line.returned, line.restocked) == (4, 4, 2)
    assert OutboxEvent.objects.get(topic="return.receive").subject == kept.number
    assert list(invariants.broken()) == []


def test_all_of_the_share_is_credited_unless_less_was_agreed() -> None:
    order = OrderFactory(completed=True, line_count=2)

    received(approved(order, {1: 1, 2: 1}), line_2="0")

    assert list(ReturnLine.objects.order_by("pk").values_list("share", "credit")) == [
        (Decimal("99.99"), Decimal("99.99")),
        (Decimal("99.99"), 0),
    ]
    assert [credit.amount for credit in Credit.objects.all()] == [Decimal("99.99")]
    assert Order.objects.get().payable == order.total - Decimal("99.99")


def test_what_an_allowance_took_and_earlier_returns_were_worth_is_not_credited_again() -> None:
    order = OrderFactory(completed=True, line_count=1)
    received(approved(order, {1: 1}), line_1="10")
    line = only_line(order)
    row = ReturnLine.objects.get().shipment_line
    part = Part(str(row.pk), line, row.amount, row.tax)
    with unit_of_work(decide(actor("accountant"))):
        allowed = Crediting(part, Decimal(20), CreditGround.ALLOWANCE, "tests.paper", "1", "AL-1")
        crediting.give({order.pk: order}, [Credited([order]).take(order, allowed)])

    goods_return = approved(order, {1: 1})
    with pytest.raises(CreditExceedsShare) as refused:
        received(goods_return, line_1="80")
    received(goods_return)

    assert refused.value.params["share"] == order.money(Decimal("79.99"))
    assert [r.credit for r in ReturnLine.objects.order_by("pk")] == [10, Decimal("79.99")]


@given(split=st.permutations([1, 1, 2, 3]), amount=st.integers(0, 5000), allowance=st.integers(0, 5000))
def test_shares_of_any_split_sum_to_what_allowances_left(split: list[int], amount: int, allowance: int) -> None:
    whole = Decimal(amount) / 100
    allowed = min(Decimal(allowance) / 100, whole)
    row: Any = ReturnLine(shipment_line_id=1)
    shares = Shares([], [row])
    shares.credited._allowed["1"] = allowed
    from logistics.models import ShipmentLine
    from orders.models import Line

    line = Line(pk=1, no=1)
    row.shipment_line = ShipmentLine(pk=1, line=line, quantity=Decimal(7), amount=whole, tax=Decimal(0))

    taken = []
    for quantity in split:
        row.quantity = Decimal(quantity)
        taken.append(shares.take(row, "CNY"))

    assert sum(taken) == whole - allowed
    assert all(share >= 0 and share == round(share, minor_units("CNY")) for share in taken)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"restocked": Decimal(1)},
        {"restocked": Decimal(2), "lost": Decimal(1)},
    ],
)
def test_every_piece_is_inspected(said: Any, keeper: Any) -> None:
    goods_return = approved(OrderFactory(completed=True, line_count=1), {1: 2})

    with pytest.raises(InspectionDiffers):
        receive_return(draft(goods_return, **said), decision=decide(keeper))

    assert Return.objects.get().status == "approved"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"restocked": Decimal("0.5"), "lost": Decimal("1.5")}, FractionOfPiece),
        ({"restocked": Decimal(3), "lost": Decimal(-1)}, DomainError),
        ({"restocked": Decimal(2), "warehouse": ""}, WarehouseMissing),
        ({"defective": Decimal(2), "defective_warehouse": ""}, WarehouseMissing),
        ({"restocked": Decimal(2), "warehouse": "NOWHERE"}, UnknownWarehouse),
        ({"restocked": Decimal(2), "warehouse": "BAD-CNY"}, WarehouseDoesNotFit),
        ({"defective": Decimal(2), "defective_warehouse": "SOME-CNY"}, WarehouseDoesNotFit),
        ({"restocked": Decimal(2), "credit": Decimal("-1")}, DomainError),
        ({"restocked": Decimal(2), "credit": Decimal("0.001")}, DomainError),
        ({"restocked": Decimal(2), "credit": Decimal("199.99")}, CreditExceedsShare),
    ],
)
def test_an_inspection_that_cannot_be_is_refused_and_changes_nothing(
    said: Any, error: type[DomainError], keeper: Any
) -> None:
    goods_return = approved(OrderFactory(completed=True, line_count=1), {1: 2})

    with pytest.raises(error):
        receive_return(draft(goods_return, **said), decision=decide(keeper))

    assert not Inspection.objects.exists()
    assert not Voucher.objects.filter(purpose="return").exists()


def test_goods_enter_no_warehouse_of_another_currency(keeper: Any) -> None:
    goods_return = approved(OrderFactory(completed=True, line_count=1), {1: 2})
    dollars = WarehouseFactory(currency="USD")

    with pytest.raises(CurrencyMismatch):
        receive_return(draft(goods_return, restocked=Decimal(2), warehouse=dollars.code), decision=decide(keeper))


def test_goods_enter_no_warehouse_out_of_scope() -> None:
    goods_return = approved(OrderFactory(completed=True, line_count=1), {1: 2})
    elsewhere = UserFactory(role="keeper", warehouses=[WarehouseFactory()])

    with pytest.raises(UnknownWarehouse):
        receive_return(draft(goods_return, restocked=Decimal(2)), decision=decide(elsewhere))


def test_a_line_of_another_return_is_not_inspected_with_this_one(keeper: Any) -> None:
    goods_return, other = (approved(OrderFactory(completed=True, line_count=1), {1: 1}) for _ in range(2))
    lines = [InspectedLine(each.lines.get().pk, lost=Decimal(1)) for each in (goods_return, other)]

    with pytest.raises(NotFound):
        receive_return(InspectionDraft(goods_return.pk, lines), decision=decide(keeper))


def test_a_return_is_received_once_and_only_when_approved(keeper: Any) -> None:
    order = OrderFactory(completed=True, line_count=1)
    early, goods_return = requested(order, {1: 1}), approved(order, {1: 1})
    received(goods_return)

    for each in (early, goods_return):
        with pytest.raises(WrongState):
            received(each)

    assert Voucher.objects.filter(purpose="return").count() == 1


def test_receiving_needs_its_permission(logistician: Any) -> None:
    goods_return = approved(OrderFactory(completed=True), {1: 1})

    with pytest.raises(Forbidden):
        received(goods_return, by=logistician)
    with pytest.raises(NotFound):
        received(goods_return, by=UserFactory(shops=[ShopFactory()]))


def test_what_comes_back_of_a_closed_order_is_dated_after_its_closing() -> None:
    order = OrderFactory(closed=True)

    with pytest.raises(BeforeClosing):
        requested(order, {1: 1}, at=order.closed_at - timedelta(seconds=1))

    received(approved(order, {1: 1}))
    assert Order.objects.get().status == Status.CLOSED


def test_whoever_received_the_goods_does_not_approve_their_refund(service: Any) -> None:
    order = OrderFactory(completed=True, paid=True, line_count=1)
    keeper = actor("keeper")
    keeper.user_permissions.add(Permission.objects.get(codename="approve_refund"))
    received(approved(order, {1: 1}))
    refund = Refund.objects.get()
    assert (refund.ground, refund.party, refund.requested_by) == ("return", "seller", actor("service"))

    with pytest.raises(ReceiverApproves):
        approve_refund(refund.pk, decision=decide(keeper))

    approve_refund(refund.pk, decision=decide(actor("accountant")))


def test_whoever_received_a_return_may_not_close_the_order() -> None:
    keeper = also_closer("keeper")
    order = OrderFactory(completed=True, line_count=1)
    goods_return = approved(order, {1: 2})
    received(goods_return)

    with pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(keeper, reason="CL03"))

    conflict = next(f for f in refused.value.findings if f.code == "logistics.conflict_of_duty")
    assert list(conflict.params["shipments"]) == [goods_return.number]
    assert conflict.is_blocker


def test_what_can_be_sold_serves_who_waits_and_defective_goods_serve_nobody() -> None:
    product = ProductFactory()
    order = OrderFactory(lines=[(product, 2, None)], completed=True)
    shop = ShopFactory(allows_backorder=True)
    waiting = OrderFactory(shop=shop, lines=[(product, 2, None)], in_stock=False, processing=True)

    received(approved(order, {1: 1}), "defective")
    assert not Reservation.objects.filter(order=waiting).exists()
    received(approved(order, {1: 1}))

    assert [(r.quantity, r.warehouse.code) for r in Reservation.objects.filter(order=waiting)] == [(1, "SOME-CNY")]
    assert offenders("inventory.defective_serves_nobody") == []


def test_an_order_is_not_processed_with_defective_goods() -> None:
    product = ProductFactory()
    received(approved(OrderFactory(lines=[(product, 2, None)], completed=True), {1: 2}), "defective")
    order = OrderFactory(lines=[(product, 1, None)], in_stock=False)

    with pytest.raises(Refused) as refused:
        process_order(order.pk, decision=decide(actor("salesperson")))

    assert refused.value.blockers == ["inventory.not_enough_stock"]
    assert StockLevel.objects.get(product=product, warehouse=defective_warehouse()).on_hand == 2


def test_a_return_without_amount_or_cost_posts_nothing() -> None:
    from tests.factories import receive

    product = ProductFactory()
    receive({product: 1}, unit_cost=Decimal(0))
    order = OrderFactory(lines=[(product, 1, 0)], in_stock=False, completed=True)

    received(approved(order, {1: 1}))

    assert not Voucher.objects.filter(purpose="return").exists()
    assert list(invariants.broken()) == []


def test_after_sale_is_done_once_the_money_is_back() -> None:
    order = OrderFactory(completed=True, paid=True, line_count=1)
    assert after_sale(order) == "none"

    goods_return = requested(order, {1: 1})
    assert after_sale(order) == "open"
    from logistics.services.returns import approve_return

    approve_return(goods_return.pk, decision=decide(actor("logistician")))
    received(goods_return)
    assert (after_sale(order), is_settled(goods_return)) == ("open", False)
    settle(Refund.objects.get())

    assert (after_sale(order), is_settled(goods_return)) == ("done", True)


def after_sale(order: Any) -> str:
    from orders.contract import Batch

    batch = Batch([order], decide(actor("service")), acting=False)
    return selectors.after_sale(batch)[order.pk]


def is_settled(goods_return: Any) -> bool:
    return selectors.is_settled(Return.objects.get(pk=goods_return.pk), Refund.objects.all())


def test_queries_do_not_grow_with_returns_or_lines(keeper: Any) -> None:
    keeper.has_perm("orders.view_order")
    counts = []
    for size, lines in ((1, 1), (1, 20), (10, 2)):
        orders = OrderFactory.create_batch(size, completed=True, paid=True, line_count=lines)
        wanted = dict.fromkeys(range(1, lines + 1), 1)
        drafts = [found(approved(order, wanted)) for order in orders]
        with count_queries() as statements:
            receive_returns(drafts, decision=decide(keeper))
        counts.append(len(statements))

    assert len(set(counts)) == 1
