"""盘点: somebody counts, another person approves, and then stock and ledger follow the difference."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.errors import DomainError, Forbidden, NotFound, SeveralRefused, WrongState
from erp.kernel.models import OutboxEvent
from finance.models import Period, Voucher
from finance.periods import PeriodRefused, close_period
from finance.services.posting import PeriodClosed
from inventory.models import Move, MoveKind, Reservation, StockLevel, StockTake, StockTakeLine
from inventory.services import counting, goods
from inventory.services.counting import (
    CountDraft,
    CountLine,
    approve_stock_take,
    approve_stock_takes,
    count_stock,
    count_warehouses,
    reject_stock_take,
)
from logistics.models import Shipment
from logistics.services.shipping import Waybill, dispatch_shipment
from orders.models import Unit
from tests.database import unchanged
from tests.factories import (
    OrderFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    actor,
    decide,
    receive,
)
from tests.ledger import sides
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def warehouse() -> Any:
    return WarehouseFactory()


@pytest.fixture
def product() -> Any:
    return ProductFactory()


def draft(warehouse: Any, *lines: tuple[Any, ...], **kwargs: Any) -> CountDraft:
    """Lines are (product, quantity) or (product, quantity, unit cost)."""
    return CountDraft(
        warehouse.code, [CountLine(line[0].sku, *(Decimal(number) for number in line[1:])) for line in lines], **kwargs
    )


def count(warehouse: Any, *lines: tuple[Any, ...], **kwargs: Any) -> StockTake:
    return count_stock(draft(warehouse, *lines, **kwargs), decision=decide(actor("keeper")))


def approve(take: StockTake) -> StockTake:
    return approve_stock_take(take.pk, decision=decide(actor("chief_accountant")))


def stock(product: Any) -> tuple[Decimal, Decimal, Decimal]:
    level = StockLevel.objects.get(product=product)
    return level.on_hand, level.reserved, level.value


class TestCounting:
    def test_a_count_keeps_what_was_found_and_what_the_books_said(self, warehouse: Any, product: Any) -> None:
        receive({product: 10}, warehouse=warehouse)

        take = count(warehouse, (product, "7"), reference="P-1")

        line = take.lines.get()
        assert (line.counted, line.on_hand, line.difference) == (7, 10, -3)
        assert (take.status, take.counted_by, take.reference) == ("counted", actor("keeper"), "P-1")
        assert take.history.get().actor_name == actor("keeper").name
        assert OutboxEvent.objects.get(topic="stocktake.count").subject == take.number

    def test_stock_and_ledger_stay_as_they_are(self, warehouse: Any, product: Any) -> None:
        receive({product: 10}, warehouse=warehouse)

        count(warehouse, (product, "7"))

        assert stock(product) == (10, 0, 500)
        assert Voucher.objects.count() == Move.objects.count() == 1

    def test_stock_takes_are_numbered_in_a_row(self, warehouse: Any) -> None:
        takes = [count(warehouse, (ProductFactory(), "1", "1")) for _ in range(2)]

        year = takes[0].counted_at.year
        assert [take.number for take in takes] == [f"ST-{year}-000001", f"ST-{year}-000002"]

    def test_counting_needs_its_permission(self, warehouse: Any, product: Any, chief_accountant: Any) -> None:
        with unchanged(), pytest.raises(Forbidden) as refused:
            count_stock(draft(warehouse, (product, "1", "1")), decision=decide(chief_accountant))

        assert refused.value.params["permission"] == "inventory.count_stock"

    def test_a_keeper_counts_the_own_warehouse_only(self, product: Any) -> None:
        own, other = WarehouseFactory(), WarehouseFactory()
        keeper = UserFactory(role="keeper", warehouses=[own])

        with unchanged(), pytest.raises(goods.UnknownWarehouse):
            count_stock(draft(other, (product, "1", "1")), decision=decide(keeper))

        count_stock(draft(own, (product, "1", "1")), decision=decide(keeper))

    def test_nothing_counted_is_refused(self, warehouse: Any) -> None:
        with pytest.raises(counting.NothingCounted):
            count(warehouse)

    def test_a_product_is_counted_on_one_line(self, warehouse: Any, product: Any) -> None:
        with pytest.raises(counting.CountedTwice) as refused:
            count(warehouse, (product, "1", "1"), (product, "2", "1"))

        assert (refused.value.item, refused.value.params["line"]) == (2, 1)
        assert not StockTake.objects.exists()

    @pytest.mark.parametrize("again", ["P-1", " P-1 "])
    def test_a_count_sheet_is_booked_once(self, warehouse: Any, product: Any, again: str) -> None:
        first = count(warehouse, (product, "0"), reference="P-1")
        reject_stock_take(first.pk, decision=decide(actor("chief_accountant"), reason="RJ01", note="重盘"))

        with pytest.raises(counting.AlreadyCounted) as refused:
            count(warehouse, (product, "0"), reference=again)

        assert refused.value.params["number"] == first.number

    def test_a_product_is_in_one_undecided_stock_take_of_a_warehouse(self, warehouse: Any, product: Any) -> None:
        """Or one loss would be booked twice."""
        receive({product: 10}, warehouse=warehouse)
        first = count(warehouse, (product, "7"))

        with pytest.raises(counting.CountOpen) as refused:
            count(warehouse, (product, "7"))

        assert refused.value.params["number"] == first.number
        count(WarehouseFactory(), (product, "1", "1"))
        approve(first)
        assert count(warehouse, (product, "7")).lines.get().difference == 0

    def test_what_nobody_has_is_counted_with_its_cost(self, warehouse: Any, product: Any) -> None:
        with pytest.raises(counting.CostMissing):
            count(warehouse, (product, "3"))

        assert count(warehouse, (product, "3", "9.99")).lines.get().unit_cost == Decimal("9.99")

    def test_every_wrong_line_is_named(self, warehouse: Any, product: Any) -> None:
        with pytest.raises(SeveralRefused) as refused:
            count(warehouse, (product, "1.5", "1"), (product.__class__(sku="NO-SUCH"), "1"), (product, "1", "1"))

        assert [error.code for error in refused.value.errors] == [
            "inventory.unknown_product",
            "inventory.counted_twice",
        ]

    @pytest.mark.parametrize(
        ("quantity", "cost", "code"),
        [
            ("-1", "1", "kernel.out_of_range"),
            ("NaN", "1", "kernel.not_a_number"),
            ("1.00001", "1", "kernel.too_many_decimals"),
            ("1000000000000", "1", "kernel.out_of_range"),
            ("1", "-1", "kernel.out_of_range"),
            ("99999999999", "99999999999", "kernel.out_of_range"),
        ],
    )
    def test_numbers_outside_their_range_are_refused(
        self, warehouse: Any, quantity: str, cost: str, code: str
    ) -> None:
        product = ProductFactory(unit=Unit.KILOGRAM)

        with pytest.raises(DomainError) as refused:
            count(warehouse, (product, quantity, cost))

        assert refused.value.code == code

    def test_pieces_are_counted_whole_and_services_not_at_all(self, warehouse: Any, product: Any) -> None:
        with pytest.raises(goods.FractionOfPiece):
            count(warehouse, (product, "1.5", "1"))
        with pytest.raises(goods.NotStocked):
            count(warehouse, (ProductFactory(service=True), "1", "1"))

    def test_another_currency_than_the_warehouse_has_is_refused(self, warehouse: Any, product: Any) -> None:
        with pytest.raises(goods.CurrencyMismatch):
            count(warehouse, (product, "1", "1"), currency="USD")

    def test_queries_do_not_grow_with_lines(self, warehouse: Any, keeper: Any) -> None:
        counts = []
        for size in (1, 2, 100):
            products = ProductFactory.create_batch(size)
            with count_queries() as statements:
                count_stock(draft(warehouse, *((product, "1", "1") for product in products)), decision=decide(keeper))
            counts.append(len(statements))

        assert counts[0] >= counts[1] == counts[2]

    def test_several_warehouses_are_counted_together_or_not_at_all(self, product: Any, keeper: Any) -> None:
        first, second = WarehouseFactory(), WarehouseFactory()
        receive({product: 10}, warehouse=first)
        good, bad = draft(first, (product, "7")), draft(second, (product, "3"))

        with unchanged(), pytest.raises(goods.WarehousesRefused) as refused:
            count_warehouses([good, bad], decision=decide(keeper))
        assert {place: error.code for place, error in refused.value.errors.items()} == {1: "inventory.cost_missing"}

        takes = count_warehouses([good, draft(second, (product, "3", "9"))], decision=decide(keeper))

        lines = StockTakeLine.objects.order_by("pk").values_list("take", "counted", "on_hand")
        assert list(lines) == [(takes[0].pk, 7, 10), (takes[1].pk, 3, 0)]


class TestApproving:
    def test_a_loss_leaves_at_its_share_of_the_value(self, warehouse: Any, product: Any) -> None:
        receive({product: 3}, warehouse=warehouse, unit_cost=Decimal("0.335"))
        take = approve(count(warehouse, (product, "1")))

        # 1.01 × 2 ÷ 3
        assert stock(product) == (1, 0, Decimal("0.34"))
        move = Move.objects.get(source=take.number)
        assert (move.kind, move.quantity, move.value) == (MoveKind.LOSS, -2, Decimal("-0.67"))
        assert (move.on_hand_after, move.value_after) == (1, Decimal("0.34"))
        assert move.by == actor("chief_accountant")

    def test_the_last_unit_takes_the_rest(self, warehouse: Any, product: Any) -> None:
        receive({product: 3}, warehouse=warehouse, unit_cost=Decimal("0.335"))

        approve(count(warehouse, (product, "0")))

        assert stock(product) == (0, 0, 0)

    def test_a_gain_enters_at_the_average(self, warehouse: Any, product: Any) -> None:
        receive({product: 3}, warehouse=warehouse, unit_cost=Decimal("0.335"))
        take = approve(count(warehouse, (product, "10", "99")))

        # 1.01 × 7 ÷ 3; the unit cost given counts only where nothing is on hand.
        assert stock(product) == (10, 0, Decimal("3.37"))
        move = Move.objects.get(source=take.number)
        assert (move.kind, move.quantity, move.value) == (MoveKind.GAIN, 7, Decimal("2.36"))

    def test_a_gain_where_nothing_is_on_hand_enters_at_its_unit_cost(self, warehouse: Any, product: Any) -> None:
        approve(count(warehouse, (product, "3", "0.335")))

        assert stock(product) == (3, 0, Decimal("1.01"))

    def test_a_gain_whose_average_was_sold_meanwhile_needs_its_cost(self, product: Any) -> None:
        order = OrderFactory(lines=[(product, 2, None)], packed=True)
        warehouse = StockLevel.objects.get().warehouse
        take = count(warehouse, (product, "3"))
        _dispatch(order)

        with pytest.raises(counting.CostMissing):
            approve(take)

    def test_the_ledger_goes_through_stock_differences(self, warehouse: Any) -> None:
        lost, found = ProductFactory(), ProductFactory()
        receive({lost: 10, found: 10}, warehouse=warehouse)
        take = approve(count(warehouse, (lost, "7"), (found, "12")))

        voucher = Voucher.objects.get(source=take.number)
        assert sides(voucher) == [
            "Dr 1901 150",
            "Cr 1405 150",
            "Dr 6602 150",
            "Cr 1901 150",
            "Dr 1405 100",
            "Cr 1901 100",
            "Dr 1901 100",
            "Cr 6602 100",
        ]
        assert (voucher.source_type, voucher.source_id, voucher.order) == ("inventory.stocktake", str(take.pk), None)

    def test_what_agrees_moves_nothing_and_posts_nothing(self, warehouse: Any, product: Any) -> None:
        receive({product: 10}, warehouse=warehouse)
        take = approve(count(warehouse, (product, "10")))

        assert take.status == "approved"
        assert Move.objects.count() == Voucher.objects.count() == 1

    def test_the_approval_has_its_name_its_history_and_its_event(self, warehouse: Any, product: Any) -> None:
        take = approve(count(warehouse, (product, "0")))

        assert (take.decided_by, take.history.count()) == (actor("chief_accountant"), 2)
        assert OutboxEvent.objects.get(topic="stocktake.approve").subject == take.number

    def test_what_came_and_went_since_the_count_is_no_difference(self, product: Any) -> None:
        order = OrderFactory(lines=[(product, 2, None)], packed=True)
        warehouse = StockLevel.objects.get().warehouse
        receive({product: 8}, warehouse=warehouse)
        take = count(warehouse, (product, "9"))
        _dispatch(order)
        receive({product: 5}, warehouse=warehouse)

        approve(take)

        assert stock(product) == (12, 0, 600)

    def test_whoever_counted_does_not_approve(self, warehouse: Any, product: Any) -> None:
        both = UserFactory(role="keeper", is_superuser=True)
        take = count_stock(draft(warehouse, (product, "0")), decision=decide(both))

        with unchanged(), pytest.raises(counting.CountedByYourself) as refused:
            approve_stock_take(take.pk, decision=decide(both))

        assert refused.value.params["number"] == take.number

    def test_approving_needs_its_permission(self, warehouse: Any, product: Any, accountant: Any) -> None:
        take = count(warehouse, (product, "0"))

        with unchanged(), pytest.raises(Forbidden):
            approve_stock_take(take.pk, decision=decide(accountant))

    def test_a_stock_take_out_of_scope_is_not_found(self, warehouse: Any, product: Any) -> None:
        take = count(warehouse, (product, "0"))
        stranger = UserFactory(role="keeper", warehouses=[WarehouseFactory()])

        with unchanged(), pytest.raises(NotFound):
            approve_stock_take(take.pk, decision=decide(stranger))
        with unchanged(), pytest.raises(NotFound):
            reject_stock_take(take.pk, decision=decide(stranger, reason="RJ01", note="x"))

    def test_a_stock_take_is_approved_once(self, warehouse: Any, product: Any) -> None:
        take = approve(count(warehouse, (product, "3", "1")))

        with unchanged(), pytest.raises(WrongState):
            approve(take)

    def test_a_loss_never_cuts_into_what_is_promised(self, product: Any) -> None:
        order = OrderFactory(lines=[(product, 2, None)], processing=True)
        warehouse = StockLevel.objects.get().warehouse
        receive({product: 1}, warehouse=warehouse)
        take = count(warehouse, (product, "1"))
        actor("chief_accountant")

        with unchanged(), pytest.raises(counting.LossIsPromised) as refused:
            approve(take)

        told = str(refused.value)
        assert order.number in told
        assert [refused.value.params[name].value for name in ("loss", "on_hand", "reserved")] == [2, 3, 2]

    def test_all_losses_that_cannot_be_are_named(self) -> None:
        OrderFactory(processing=True, line_count=2)
        levels = StockLevel.objects.select_related("product", "warehouse")
        take = count(levels[0].warehouse, *((level.product, "0") for level in levels))

        with pytest.raises(SeveralRefused) as refused:
            approve(take)

        assert [error.code for error in refused.value.errors] == ["inventory.loss_is_promised"] * 2

    def test_what_was_found_serves_who_waits_the_oldest_first(self, product: Any) -> None:
        shop = ShopFactory(allows_backorder=True)
        first, second = (
            OrderFactory(shop=shop, lines=[(product, 2, None)], in_stock=False, processing=True) for _ in range(2)
        )
        warehouse = WarehouseFactory()

        approve(count(warehouse, (product, "3", "1")))

        assert stock(product) == (3, 3, 3)
        reserved = Reservation.objects.order_by("pk").values_list("order", "warehouse", "quantity")
        assert list(reserved) == [(first.pk, warehouse.pk, 2), (second.pk, warehouse.pk, 1)]

    def test_several_are_approved_together_or_not_at_all(self, product: Any) -> None:
        OrderFactory(lines=[(product, 2, None)], processing=True)
        here, there = StockLevel.objects.get().warehouse, WarehouseFactory(currency="USD")
        wrong, right = count(here, (product, "0")), count(there, (ProductFactory(), "5", "2"))
        chief = actor("chief_accountant")

        with unchanged(), pytest.raises(counting.LossIsPromised):
            approve_stock_takes([right.pk, wrong.pk], decision=decide(chief))

        other = count(here, (ProductFactory(), "1", "1"))
        approve_stock_takes([right.pk, other.pk], decision=decide(chief))
        vouchers = Voucher.objects.filter(purpose="stock_take").order_by("currency")
        assert list(vouchers.values_list("currency", "source")) == [("CNY", other.number), ("USD", right.number)]

    def test_queries_grow_neither_with_lines_nor_with_stock_takes(self, chief_accountant: Any) -> None:
        counts = []
        for takes, lines in ((1, 1), (2, 1), (10, 30)):
            ids = [
                count(WarehouseFactory(), *((product, "1", "1") for product in ProductFactory.create_batch(lines))).pk
                for _ in range(takes)
            ]
            with count_queries() as statements:
                approve_stock_takes(ids, decision=decide(chief_accountant))
            counts.append(len(statements))

        assert counts[0] >= counts[1] == counts[2]


class TestRejecting:
    def test_whoever_counted_may_withdraw_the_count(self, warehouse: Any, product: Any) -> None:
        """Nothing is booked by it: only approving takes a second person."""
        both = UserFactory(role="keeper", is_superuser=True)
        take = count_stock(draft(warehouse, (product, "0")), decision=decide(both))

        rejected = reject_stock_take(take.pk, decision=decide(both, reason="RJ01", note="数错了"))

        assert (rejected.status, rejected.counted_by, rejected.decided_by) == ("rejected", both, both)

    def test_nothing_is_booked(self, warehouse: Any, product: Any) -> None:
        receive({product: 10}, warehouse=warehouse)
        take = count(warehouse, (product, "7"))

        rejected = reject_stock_take(take.pk, decision=decide(actor("chief_accountant"), reason="RJ01", note="数错了"))

        assert (rejected.status, stock(product)) == ("rejected", (10, 0, 500))
        assert rejected.history.latest("history_id").history_change_reason == "RJ01 数错了"

    def test_it_needs_a_reason_with_a_note(self, warehouse: Any, product: Any, chief_accountant: Any) -> None:
        take = count(warehouse, (product, "0"))

        for decision in (decide(chief_accountant), decide(chief_accountant, reason="RJ01")):
            with unchanged(), pytest.raises(DomainError):
                reject_stock_take(take.pk, decision=decision)

    def test_it_needs_its_permission(self, warehouse: Any, product: Any) -> None:
        take = count(warehouse, (product, "0"))

        with unchanged(), pytest.raises(Forbidden):
            reject_stock_take(take.pk, decision=decide(actor("keeper"), reason="RJ01", note="x"))


class TestPeriods:
    JANUARY = datetime(2026, 1, 20, 4, tzinfo=UTC)
    FEBRUARY = datetime(2026, 2, 5, 4, tzinfo=UTC)

    @pytest.fixture
    def take(self, warehouse: Any, product: Any) -> StockTake:
        receive({product: 10}, warehouse=warehouse, decision=decide(actor("keeper"), at=self.JANUARY))
        return count_stock(draft(warehouse, (product, "7")), decision=decide(actor("keeper"), at=self.JANUARY))

    def test_a_period_is_not_closed_over_an_undecided_stock_take(self, take: StockTake) -> None:
        accountant, period = actor("accountant"), Period.objects.get()

        with unchanged(), pytest.raises(PeriodRefused) as refused:
            close_period(period.pk, decision=decide(accountant, at=self.FEBRUARY))

        (blocker,) = (finding for finding in refused.value.findings if finding.is_blocker)
        assert blocker.code == "inventory.period_stock_takes_undecided"
        assert take.number in blocker.message

    def test_one_counted_later_or_in_another_book_does_not_block_it(self, take: StockTake) -> None:
        approve_stock_take(take.pk, decision=decide(actor("chief_accountant"), at=self.JANUARY))
        count(WarehouseFactory(), (ProductFactory(), "1", "1"))
        count_stock(
            draft(WarehouseFactory(currency="USD"), (ProductFactory(), "1", "1")),
            decision=decide(actor("keeper"), at=self.JANUARY),
        )

        period = close_period(Period.objects.get().pk, decision=decide(actor("accountant"), at=self.FEBRUARY))

        assert period.closed_at

    def test_nothing_is_approved_into_a_closed_period(self, warehouse: Any, take: StockTake) -> None:
        chief = actor("chief_accountant")
        approve_stock_take(take.pk, decision=decide(chief, at=self.JANUARY))
        close_period(Period.objects.get().pk, decision=decide(actor("accountant"), at=self.FEBRUARY))
        late = count(warehouse, (ProductFactory(), "1", "1"))

        with unchanged(), pytest.raises(PeriodClosed):
            approve_stock_take(late.pk, decision=decide(chief, at=self.JANUARY))


def test_lines_of_a_count_are_kept_in_the_order_they_were_given(warehouse: Any) -> None:
    products = ProductFactory.create_batch(3)

    take = count(warehouse, *((product, "0") for product in reversed(products)))

    lines = StockTakeLine.objects.filter(take=take).order_by("pk")
    assert [line.product for line in lines] == products[::-1]


def _dispatch(order: Any) -> None:
    shipment = Shipment.objects.get(order=order)
    dispatch_shipment(shipment.pk, decision=decide(actor("logistician")), waybill=Waybill(method="PICKUP"))
