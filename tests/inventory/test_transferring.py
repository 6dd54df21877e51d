"""调拨: goods go to another warehouse of the same currency and take their value along."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.errors import DomainError, Forbidden, SeveralRefused
from erp.kernel.models import OutboxEvent
from finance.models import Voucher
from inventory.models import Move, MoveKind, Reservation, StockLevel, Transfer
from inventory.services import goods, transferring
from inventory.services.transferring import TransferDraft, TransferDraftLine, transfer_stock
from orders.models import Order, Unit
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
    transfer,
)
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []


@pytest.fixture
def here() -> Any:
    return WarehouseFactory()


@pytest.fixture
def there() -> Any:
    return WarehouseFactory()


@pytest.fixture
def product() -> Any:
    return ProductFactory()


def draft(here: Any, there: Any, *lines: tuple[Any, str], **kwargs: Any) -> TransferDraft:
    """Lines are (product, quantity)."""
    drafts = [TransferDraftLine(product.sku, Decimal(quantity)) for product, quantity in lines]
    return TransferDraft(here.code, there.code, drafts, **kwargs)


def stock(product: Any, warehouse: Any) -> tuple[Decimal, Decimal, Decimal]:
    level = StockLevel.objects.get(product=product, warehouse=warehouse)
    return level.on_hand, level.reserved, level.value


def test_goods_take_their_share_of_the_value_along(here: Any, there: Any, product: Any) -> None:
    receive({product: 3}, warehouse=here, unit_cost=Decimal("0.335"))

    moved = transfer({product: 2}, origin=here, destination=there)

    # 1.01 × 2 ÷ 3
    assert moved.lines.get().value == Decimal("0.67")
    assert stock(product, here) == (1, 0, Decimal("0.34"))
    assert stock(product, there) == (2, 0, Decimal("0.67"))


def test_the_last_unit_takes_the_rest(here: Any, there: Any, product: Any) -> None:
    receive({product: 3}, warehouse=here, unit_cost=Decimal("0.335"))
    transfer({product: 2}, origin=here, destination=there)

    transfer({product: 1}, origin=here, destination=there)

    assert stock(product, here) == (0, 0, 0)
    assert stock(product, there) == (3, 0, Decimal("1.01"))


def test_value_is_rounded_at_the_minor_unit_of_the_warehouses(product: Any) -> None:
    here, there = WarehouseFactory(currency="JPY"), WarehouseFactory(currency="JPY")
    receive({product: 3}, warehouse=here, unit_cost=Decimal("33.5"))

    assert transfer({product: 1}, origin=here, destination=there).lines.get().value == 34


def test_every_line_is_a_move_out_and_a_move_in_with_the_balances_after_them(
    here: Any, there: Any, product: Any, keeper: Any
) -> None:
    receive({product: 10}, warehouse=here)

    moved = transfer_stock(draft(here, there, (product, "4"), (product, "1")), decision=decide(keeper))

    rows = Move.objects.filter(source=moved.number).order_by("pk")
    assert [(m.kind, m.warehouse_id, m.quantity, m.value, m.on_hand_after, m.value_after) for m in rows] == [
        (MoveKind.MOVED_OUT, here.pk, -4, -200, 6, 300),
        (MoveKind.MOVED_IN, there.pk, 4, 200, 4, 200),
        (MoveKind.MOVED_OUT, here.pk, -1, -50, 5, 250),
        (MoveKind.MOVED_IN, there.pk, 1, 50, 5, 250),
    ]
    lines = [line.pk for line in moved.lines.order_by("pk")]
    assert [m.source_id for m in rows] == [f"{line}/{end}" for line in lines for end in ("out", "in")]
    assert {m.by for m in rows} == {keeper}


def test_nothing_is_posted(here: Any, there: Any, product: Any) -> None:
    receive({product: 10}, warehouse=here)

    transfer({product: 4}, origin=here, destination=there)

    assert Voucher.objects.count() == 1


def test_a_transfer_says_who_moved_what_when_and_others_are_told(
    here: Any, there: Any, product: Any, keeper: Any
) -> None:
    receive({product: 10}, warehouse=here)
    decision = decide(keeper, request_id="r-1", channel="api")

    moved = transfer({product: 4}, origin=here, destination=there, decision=decision)

    row = Transfer.objects.get()
    assert (row.number, row.origin, row.destination) == (f"TR-{row.at.year}-000001", here, there)
    assert (row.by, row.by_name, row.at, row.channel, row.request_id) == (
        keeper,
        keeper.name,
        decision.at,
        "api",
        "r-1",
    )
    assert OutboxEvent.objects.get(topic="transfer.transfer").subject == moved.number


def test_what_is_promised_stays(here: Any, there: Any, product: Any) -> None:
    OrderFactory(lines=[(product, 3, None)], warehouse=here, processing=True)
    receive({product: 2}, warehouse=here)

    with unchanged(), pytest.raises(transferring.NotAvailable) as refused:
        transfer({product: 3}, origin=here, destination=there)

    figures = [refused.value.params[name].value for name in ("quantity", "on_hand", "reserved", "available")]
    assert figures == [3, 5, 3, 2]
    transfer({product: 2}, origin=here, destination=there)
    assert stock(product, here) == (3, 3, 150)


def test_lines_of_one_product_leave_together_what_is_there_and_no_more(
    here: Any, there: Any, product: Any, keeper: Any
) -> None:
    receive({product: 3}, warehouse=here)

    with unchanged(), pytest.raises(transferring.NotAvailable) as refused:
        transfer_stock(draft(here, there, (product, "2"), (product, "2")), decision=decide(keeper))

    assert refused.value.item == 2


def test_all_lines_that_cannot_leave_are_named(here: Any, there: Any, product: Any, keeper: Any) -> None:
    receive({product: 3}, warehouse=here)
    lines = [(ProductFactory(), "1"), (product, "3"), (ProductFactory(), "2")]

    with unchanged(), pytest.raises(SeveralRefused) as refused:
        transfer_stock(draft(here, there, *lines), decision=decide(keeper))

    assert [(error.item, error.code) for error in refused.value.errors] == [
        (1, "inventory.not_available"),
        (3, "inventory.not_available"),
    ]


def test_all_lines_that_mean_nothing_are_named(here: Any, there: Any, product: Any, keeper: Any) -> None:
    receive({product: 3}, warehouse=here)
    lines = [(product, "1.5"), (product.__class__(sku="NO-SUCH"), "1"), (ProductFactory(service=True), "1")]

    with unchanged(), pytest.raises(SeveralRefused) as refused:
        transfer_stock(draft(here, there, *lines), decision=decide(keeper))

    assert [error.code for error in refused.value.errors] == [
        "inventory.fraction_of_piece",
        "inventory.unknown_product",
        "inventory.not_stocked",
    ]


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "1.00001", "1000000000000"])
def test_numbers_outside_their_range_are_refused(here: Any, there: Any, quantity: str, keeper: Any) -> None:
    product = ProductFactory(unit=Unit.KILOGRAM)
    receive({product: 3}, warehouse=here)

    with unchanged(), pytest.raises(DomainError) as refused:
        transfer_stock(draft(here, there, (product, quantity)), decision=decide(keeper))

    assert refused.value.code.startswith("kernel.")


def test_a_level_too_large_to_be_kept_is_refused(here: Any, there: Any, product: Any) -> None:
    receive({product: 999_999_999_999}, warehouse=there, unit_cost=Decimal(0))
    receive({product: 1}, warehouse=here)

    with unchanged(), pytest.raises(DomainError) as refused:
        transfer({product: 1}, origin=here, destination=there)

    assert refused.value.code == "kernel.out_of_range"


def test_an_empty_transfer_is_refused(here: Any, there: Any, keeper: Any) -> None:
    with unchanged(), pytest.raises(transferring.NothingTransferred):
        transfer_stock(draft(here, there), decision=decide(keeper))


def test_goods_are_not_moved_to_where_they_are(here: Any, product: Any) -> None:
    receive({product: 3}, warehouse=here)
    actor("keeper")

    with unchanged(), pytest.raises(transferring.SameWarehouse):
        transfer({product: 1}, origin=here, destination=here)


def test_goods_are_not_moved_into_another_currency(here: Any, product: Any) -> None:
    receive({product: 3}, warehouse=here)
    abroad = WarehouseFactory(currency="USD")

    with unchanged(), pytest.raises(goods.CurrencyMismatch) as refused:
        transfer({product: 1}, origin=here, destination=abroad)

    assert (refused.value.params["currency"], refused.value.params["expected"]) == ("CNY", "USD")


def test_both_warehouses_have_to_be_in_scope_and_active(here: Any, there: Any, product: Any) -> None:
    receive({product: 3}, warehouse=here)
    closed = WarehouseFactory(is_active=False)
    keepers = [UserFactory(role="keeper", warehouses=[end]) for end in (here, there)]

    for keeper in keepers:
        with unchanged(), pytest.raises(goods.UnknownWarehouse):
            transfer({product: 1}, origin=here, destination=there, decision=decide(keeper))
    with unchanged(), pytest.raises(goods.UnknownWarehouse):
        transfer({product: 1}, origin=here, destination=closed)

    both = UserFactory(role="keeper", warehouses=[here, there])
    transfer({product: 1}, origin=here, destination=there, decision=decide(both))
    assert [Transfer.objects.visible_to(keeper).count() for keeper in [*keepers, both]] == [1, 1, 1]


def test_transferring_needs_its_permission(here: Any, there: Any, product: Any, logistician: Any) -> None:
    receive({product: 3}, warehouse=here)

    with unchanged(), pytest.raises(Forbidden) as refused:
        transfer({product: 1}, origin=here, destination=there, decision=decide(logistician))

    assert refused.value.params["permission"] == "inventory.transfer_stock"


@pytest.mark.parametrize("again", ["T-7", " T-7 "])
def test_a_transfer_slip_of_a_warehouse_is_booked_once(here: Any, there: Any, product: Any, again: str) -> None:
    receive({product: 3}, warehouse=here)
    first = transfer({product: 1}, origin=here, destination=there, reference="T-7")

    with unchanged(), pytest.raises(transferring.AlreadyTransferred) as refused:
        transfer({product: 1}, origin=here, destination=there, reference=again)

    assert refused.value.params["number"] == first.number
    transfer({product: 1}, origin=there, destination=here, reference="T-7")


def test_goods_that_arrive_serve_who_waits_the_oldest_first(here: Any, there: Any, product: Any) -> None:
    """Goods of a warehouse that served nobody while it was inactive."""
    receive({product: 3}, warehouse=here)
    set_active(here, False)
    shop, now = ShopFactory(allows_backorder=True), timezone.now()
    newer, older = (
        OrderFactory(
            shop=shop, lines=[(product, 2, None)], in_stock=False, processing=True, at=now - timedelta(days=days)
        )
        for days in (1, 2)
    )
    set_active(here, True)

    transfer({product: 3}, origin=here, destination=there)

    reserved = Reservation.objects.order_by("pk").values_list("order", "warehouse", "quantity")
    assert list(reserved) == [(older.pk, there.pk, 2), (newer.pk, there.pk, 1)]
    assert Order.objects.get(pk=older.pk).version == older.version + 1


def set_active(warehouse: Any, active: bool) -> None:
    warehouse.is_active = active
    with acting(decide(actor("closer"))):
        warehouse.save()


def test_queries_do_not_grow_with_lines(here: Any, there: Any, keeper: Any) -> None:
    decision, counts = decide(keeper), []
    for size in (1, 2, 100):
        products = ProductFactory.create_batch(size)
        receive(dict.fromkeys(products, 2), warehouse=here)
        with count_queries() as statements:
            transfer(dict.fromkeys(products, 1), origin=here, destination=there, decision=decision)
        counts.append(len(statements))

    assert counts[0] >= counts[1] == counts[2]
