"""Goods enter at their cost, the ledger follows."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.errors import DomainError, Forbidden
from erp.kernel.models import OutboxEvent
from finance.models import Voucher
from inventory.models import Move, MoveKind, Receipt, ReceiptLine, StockLevel
from inventory.services import goods, receiving
from inventory.services.receiving import (
    ReceiptDraft,
    ReceiptDraftLine,
    receive_deliveries,
    receive_stock,
)
from orders.models import Unit
from tests.factories import ProductFactory, UserFactory, WarehouseFactory, decide
from tests.support import count_queries, entries

pytestmark = pytest.mark.django_db


def draft(warehouse: Any, *lines: tuple[Any, str, str], **kwargs: Any) -> ReceiptDraft:
    """Lines are (product, quantity, unit cost)."""
    return ReceiptDraft(
        warehouse.code,
        [ReceiptDraftLine(product.sku, Decimal(quantity), Decimal(cost)) for product, quantity, cost in lines],
        **kwargs,
    )


def assert_nothing_happened() -> None:
    for model in (Receipt, ReceiptLine, Move, StockLevel, Voucher):
        assert not model._base_manager.exists()


def test_a_line_is_worth_its_unit_cost_times_its_quantity_rounded_half_up(keeper: Any) -> None:
    product, warehouse = ProductFactory(), WarehouseFactory()

    receipt = receive_stock(draft(warehouse, (product, "3", "0.335")), decision=decide(keeper))

    assert receipt.lines.get().value == Decimal("1.01")
    assert StockLevel.objects.get().value == Decimal("1.01")


def test_value_is_rounded_at_the_minor_unit_of_the_warehouse(keeper: Any) -> None:
    product, warehouse = ProductFactory(currency="JPY"), WarehouseFactory(currency="JPY")

    receipt = receive_stock(draft(warehouse, (product, "3", "33.5")), decision=decide(keeper))

    assert receipt.lines.get().value == 101


def test_every_line_is_a_move_with_the_balance_after_it(keeper: Any) -> None:
    first, second, warehouse = ProductFactory(), ProductFactory(), WarehouseFactory()
    receive_stock(draft(warehouse, (first, "10", "5")), decision=decide(keeper))

    receipt = receive_stock(
        draft(warehouse, (first, "2", "6"), (second, "1", "9"), (first, "3", "7")), decision=decide(keeper)
    )

    moves = Move.objects.filter(source=receipt.number).order_by("pk")
    assert [(m.product_id, m.quantity, m.value, m.on_hand_after, m.value_after) for m in moves] == [
        (first.pk, 2, 12, 12, 62),
        (second.pk, 1, 9, 1, 9),
        (first.pk, 3, 21, 15, 83),
    ]
    assert {m.kind for m in moves} == {MoveKind.RECEIPT}
    assert [m.source_id for m in moves] == [str(line.pk) for line in receipt.lines.order_by("pk")]


def test_the_level_grows_by_what_came_in(keeper: Any) -> None:
    product, warehouse = ProductFactory(), WarehouseFactory()

    for quantity, cost in (("10", "5"), ("4", "2.5")):
        receive_stock(draft(warehouse, (product, quantity, cost)), decision=decide(keeper))

    level = StockLevel.objects.get()
    assert (level.on_hand, level.reserved, level.value, level.available) == (14, 0, 60, 14)


def test_the_same_product_lies_in_each_warehouse_apart(keeper: Any) -> None:
    product, here, there = ProductFactory(), WarehouseFactory(), WarehouseFactory()

    receive_stock(draft(here, (product, "1", "5")), decision=decide(keeper))
    receive_stock(draft(there, (product, "2", "6")), decision=decide(keeper))

    levels = StockLevel.objects.values_list("warehouse", "on_hand", "value").order_by("pk")
    assert list(levels) == [(here.pk, 1, 5), (there.pk, 2, 12)]


def test_the_ledger_debits_stock_and_credits_payables_once_for_all_lines(keeper: Any) -> None:
    first, second, warehouse = ProductFactory(), ProductFactory(), WarehouseFactory(currency="EUR")

    receipt = receive_stock(draft(warehouse, (first, "10", "5"), (second, "3", "0.335")), decision=decide(keeper))

    voucher = Voucher.objects.get()
    assert entries(voucher) == [("1405", Decimal("51.01"), 0), ("2202", 0, Decimal("51.01"))]
    assert (voucher.source, voucher.source_id, voucher.currency) == (receipt.number, str(receipt.pk), "EUR")
    assert voucher.order is None


def test_goods_without_cost_come_in_without_a_voucher(keeper: Any) -> None:
    product, warehouse = ProductFactory(), WarehouseFactory()

    receive_stock(draft(warehouse, (product, "10", "0")), decision=decide(keeper))

    assert StockLevel.objects.get().on_hand == 10
    assert not Voucher.objects.exists()


def test_a_receipt_says_who_received_when_and_through_which_door(keeper: Any) -> None:
    decision = decide(keeper, request_id="r-1", channel="api")

    receive_stock(draft(WarehouseFactory(), (ProductFactory(), "1", "1")), decision=decision)

    for row in (Receipt.objects.get(), Move.objects.get()):
        assert (row.by, row.by_name, row.at) == (keeper, keeper.name, decision.at)
        assert (row.channel, row.request_id) == ("api", "r-1")


def test_receipts_are_numbered_in_a_row(keeper: Any) -> None:
    product, warehouse = ProductFactory(), WarehouseFactory()

    numbers = [receive_stock(draft(warehouse, (product, "1", "1")), decision=decide(keeper)).number for _ in range(2)]

    year = Receipt.objects.first().at.year  # type: ignore[union-attr]
    assert numbers == [f"RC-{year}-000001", f"RC-{year}-000002"]


def test_others_are_told(keeper: Any) -> None:
    receipt = receive_stock(draft(WarehouseFactory(), (ProductFactory(), "1", "1")), decision=decide(keeper))

    event = OutboxEvent.objects.get(topic="receipt.receive")
    assert event.subject == receipt.number


@pytest.mark.parametrize("again", ["DN-7", " DN-7 "])
def test_the_same_delivery_is_received_once(keeper: Any, again: str) -> None:
    product, warehouse = ProductFactory(), WarehouseFactory()
    first = receive_stock(draft(warehouse, (product, "1", "1"), reference="DN-7"), decision=decide(keeper))

    with pytest.raises(receiving.AlreadyReceived) as refused:
        receive_stock(draft(warehouse, (product, "1", "1"), reference=again), decision=decide(keeper))

    assert refused.value.params["number"] == first.number
    assert StockLevel.objects.get().on_hand == 1


def test_another_warehouse_may_receive_under_the_same_reference(keeper: Any) -> None:
    product = ProductFactory()

    for warehouse in (WarehouseFactory(), WarehouseFactory()):
        receive_stock(draft(warehouse, (product, "1", "1"), reference="DN-7"), decision=decide(keeper))

    assert Receipt.objects.filter(reference="DN-7").count() == 2


def test_deliveries_without_reference_are_all_different(keeper: Any) -> None:
    product, warehouse = ProductFactory(), WarehouseFactory()

    for _ in range(2):
        receive_stock(draft(warehouse, (product, "1", "1")), decision=decide(keeper))

    assert StockLevel.objects.get().on_hand == 2


def test_an_unknown_warehouse_is_refused(keeper: Any) -> None:
    with pytest.raises(goods.UnknownWarehouse):
        receive_stock(
            ReceiptDraft("NOWHERE", [ReceiptDraftLine("A", Decimal(1), Decimal(1))]), decision=decide(keeper)
        )


def test_an_inactive_warehouse_receives_nothing(keeper: Any) -> None:
    warehouse = WarehouseFactory(is_active=False)

    with pytest.raises(goods.UnknownWarehouse):
        receive_stock(draft(warehouse, (ProductFactory(), "1", "1")), decision=decide(keeper))

    assert_nothing_happened()


def test_a_keeper_receives_into_the_own_warehouse_only() -> None:
    own, other, product = WarehouseFactory(), WarehouseFactory(), ProductFactory()
    keeper = UserFactory(role="keeper", warehouses=[own])

    with pytest.raises(goods.UnknownWarehouse):
        receive_stock(draft(other, (product, "1", "1")), decision=decide(keeper))
    assert_nothing_happened()

    receive_stock(draft(own, (product, "1", "1")), decision=decide(keeper))
    assert StockLevel.objects.get().warehouse == own


def test_receiving_needs_its_permission(logistician: Any) -> None:
    with pytest.raises(Forbidden) as refused:
        receive_stock(draft(WarehouseFactory(), (ProductFactory(), "1", "1")), decision=decide(logistician))

    assert refused.value.params["permission"] == "inventory.receive_stock"
    assert_nothing_happened()


def test_an_empty_receipt_is_refused(keeper: Any) -> None:
    with pytest.raises(receiving.NothingReceived):
        receive_stock(draft(WarehouseFactory()), decision=decide(keeper))


def test_an_unknown_product_is_refused_with_the_whole_receipt(keeper: Any) -> None:
    known = ReceiptDraftLine(ProductFactory().sku, Decimal(1), Decimal(1))
    unknown = ReceiptDraftLine("NO-SUCH", Decimal(1), Decimal(1))

    with pytest.raises(goods.UnknownProduct) as refused:
        receive_stock(ReceiptDraft(WarehouseFactory().code, [known, unknown]), decision=decide(keeper))

    assert refused.value.params["sku"] == "NO-SUCH"
    assert_nothing_happened()


def test_services_are_not_received(keeper: Any) -> None:
    with pytest.raises(goods.NotStocked):
        receive_stock(draft(WarehouseFactory(), (ProductFactory(service=True), "1", "1")), decision=decide(keeper))


def test_pieces_come_whole(keeper: Any) -> None:
    with pytest.raises(goods.FractionOfPiece) as refused:
        receive_stock(draft(WarehouseFactory(), (ProductFactory(), "1.5", "1")), decision=decide(keeper))

    assert refused.value.params["quantity"] == "1.5"


def test_what_is_weighed_may_come_in_fractions(keeper: Any) -> None:
    product = ProductFactory(unit=Unit.KILOGRAM)

    receive_stock(draft(WarehouseFactory(), (product, "1.2345", "10")), decision=decide(keeper))

    level = StockLevel.objects.get()
    assert (level.on_hand, level.value) == (Decimal("1.2345"), Decimal("12.35"))


def test_goods_in_another_currency_are_refused(keeper: Any) -> None:
    warehouse = WarehouseFactory(currency="CNY")

    with pytest.raises(goods.CurrencyMismatch) as refused:
        receive_stock(draft(warehouse, (ProductFactory(), "1", "1"), currency="USD"), decision=decide(keeper))

    assert refused.value.params["expected"] == "CNY"
    assert_nothing_happened()


def test_naming_the_currency_of_the_warehouse_is_fine(keeper: Any) -> None:
    receive_stock(
        draft(WarehouseFactory(currency="USD"), (ProductFactory(), "1", "1"), currency="USD"), decision=decide(keeper)
    )

    assert Voucher.objects.get().currency == "USD"


@pytest.mark.parametrize(
    ("quantity", "cost", "code"),
    [
        ("0", "1", "kernel.out_of_range"),
        ("-1", "1", "kernel.out_of_range"),
        ("NaN", "1", "kernel.not_a_number"),
        ("Infinity", "1", "kernel.not_a_number"),
        ("1.00001", "1", "kernel.too_many_decimals"),
        ("1000000000000", "1", "kernel.out_of_range"),
        ("1", "-0.01", "kernel.out_of_range"),
        ("1", "NaN", "kernel.not_a_number"),
        ("1", "0.00001", "kernel.too_many_decimals"),
        ("1", "1000000000000", "kernel.out_of_range"),
        ("99999999999", "99999999999", "kernel.out_of_range"),
    ],
)
def test_numbers_outside_their_range_are_refused(keeper: Any, quantity: str, cost: str, code: str) -> None:
    product = ProductFactory(unit=Unit.KILOGRAM)

    with pytest.raises(DomainError) as refused:
        receive_stock(draft(WarehouseFactory(), (product, quantity, cost)), decision=decide(keeper))

    assert refused.value.code == code
    assert_nothing_happened()


def test_a_reference_that_does_not_fit_is_refused(keeper: Any) -> None:
    with pytest.raises(DomainError) as refused:
        receive_stock(
            draft(WarehouseFactory(), (ProductFactory(), "1", "1"), reference="x" * 65), decision=decide(keeper)
        )

    assert refused.value.code == "kernel.too_long"
    assert_nothing_happened()


def test_queries_do_not_grow_with_lines(keeper: Any) -> None:
    warehouse, decision = WarehouseFactory(), decide(keeper)
    counts = []
    for size in (1, 2, 100):
        products = ProductFactory.create_batch(size)
        with count_queries() as statements:
            receive_stock(draft(warehouse, *((product, "1", "1") for product in products)), decision=decision)
        counts.append(len(statements))

    # The first one also reads the actor's permissions.
    assert counts[0] >= counts[1] == counts[2]


def test_deliveries_into_several_warehouses_come_in_together_or_not_at_all(keeper: Any) -> None:
    product, first, second = ProductFactory(), WarehouseFactory(), WarehouseFactory()
    good, bad = draft(first, (product, "2", "5")), draft(second, (product, "0", "5"))

    with pytest.raises(goods.WarehousesRefused) as refused:
        receive_deliveries([good, bad], decision=decide(keeper))

    assert {place: error.code for place, error in refused.value.errors.items()} == {1: "kernel.out_of_range"}
    assert refused.value.code == "inventory.warehouses_refused"
    assert_nothing_happened()

    receive_deliveries([good, draft(second, (product, "3", "4"))], decision=decide(keeper))

    levels = StockLevel.objects.values_list("warehouse", "on_hand", "value")
    assert set(levels) == {(first.pk, Decimal(2), Decimal(10)), (second.pk, Decimal(3), Decimal(12))}
    assert Voucher.objects.count() == 2
