"""变更: what of an order can still be different, and what follows from it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import OutboxEvent
from erp.kernel.money import OutOfRange
from erp.kernel.validation import BadText, Missing
from finance.models import Refund
from inventory.models import Reservation
from logistics.models import Shipment
from logistics.services.drafting import draft_shipments, pack_orders
from orders.models import Line, Order, PaymentStatus, Status
from orders.services.changing import CopyIsFree, LineChange, LinesClosedShort, OrderChange, change_order
from orders.services.closing_lines import LineToClose, NamedTwice, UnknownLine, close_lines
from orders.services.copying import copy_order
from orders.services.fulfilment import process_order
from orders.services.holds import hold_order
from orders.services.lifecycle import Outcome, Refused, Seen
from orders.services.placing import (
    BadAddress,
    DiscountTooLarge,
    FractionOfPiece,
    LineDraft,
    NoLines,
    PriceMissing,
    TooManyLines,
    UnknownProduct,
    UnknownShippingMethod,
    place_order,
)
from tests.database import unchanged
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide, receive
from tests.finance.refunding import reject_all
from tests.orders.drafts import draft, line
from tests.support import count_queries

pytestmark = pytest.mark.django_db

TAX = Decimal("0.13")


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Iterator[None]:
    yield
    assert list(invariants.broken()) == []


def fresh(order: Any) -> Any:
    return Order.objects.get(pk=order.pk)


def change(order: Any, *, seen: Seen | None = None, note: str = "", **kwargs: Any) -> Outcome:
    return change_order(order.pk, OrderChange(**kwargs), decision=decide(actor("salesperson"), note=note), seen=seen)


def lines_of(order: Any) -> list[tuple[Any, ...]]:
    columns = ("no", "sku", "quantity", "unit_price", "discount", "order_discount", "amount", "tax")
    return list(Line.objects.filter(order=order).order_by("no").values_list(*columns))


def told(outcome: Outcome) -> list[str]:
    with override("en"):
        return [effect.describe() for effect in outcome.effects]


def test_a_new_order_changes_throughout(salesperson: Any) -> None:
    order = OrderFactory(shipping_address={"city": "杭州市"}, note="请放门口")

    outcome = change(
        order,
        note="客户来电",
        customer_name="李雷",
        customer_phone="13900000000",
        customer_email="li@example.com",
        shipping_address={"city": "上海市", "line1": "南京路1号"},
        shipping_method="FREIGHT",
        internal_note="老客户",
    )

    now = fresh(order)
    assert (now.customer_name, now.customer_phone, now.customer_email) == ("李雷", "13900000000", "li@example.com")
    assert (now.shipping_address, now.shipping_method.code) == ({"city": "上海市", "line1": "南京路1号"}, "FREIGHT")
    assert (now.note, now.internal_note, now.version) == ("请放门口", "老客户", order.version + 1)
    assert "Customer name: 王芳 → 李雷" in told(outcome)
    changed, placed = now.history.order_by("-history_id")
    assert (placed.customer_name, changed.customer_name) == ("王芳", "李雷")
    assert (changed.actor_name, changed.history_change_reason) == (actor("salesperson").name, "客户来电")
    assert OutboxEvent.objects.get(topic="order.change").subject == order.number


def test_the_buyers_note_is_changed_while_the_order_is_new() -> None:
    order, processing = OrderFactory(note="急"), OrderFactory(processing=True)

    change_order(order.pk, OrderChange(note="不急"), decision=decide(actor("salesperson")))

    assert fresh(order).note == "不急"
    with unchanged(), pytest.raises(Refused) as refused:
        change_order(processing.pk, OrderChange(note="不急"), decision=decide(actor("salesperson")))
    assert refused.value.blockers == ["orders.change_too_late"]


def test_lines_are_priced_as_if_they_had_been_placed_so() -> None:
    shop = ShopFactory()
    first, second, third = ProductFactory.create_batch(3, tax_rate=TAX)
    placed = place_order(
        draft(shop, line(first, "3", "33.33"), line(second, "1", "50"), shipping_fee=Decimal(12)),
        decision=decide(actor("salesperson")),
    ).order
    assert placed

    change(
        placed,
        lines=[
            LineChange(1, quantity=Decimal(5), discount=Decimal("6.65")),
            LineChange(2, unit_price=Decimal("49.99")),
        ],
        added=[LineDraft(third.sku, Decimal(2))],
        discount=Decimal(20),
        shipping_fee=Decimal(8),
    )

    anew = place_order(
        draft(
            shop,
            line(first, "5", "33.33", "6.65"),
            line(second, "1", "49.99"),
            line(third, "2"),
            discount=Decimal(20),
            shipping_fee=Decimal(8),
        ),
        decision=decide(actor("salesperson")),
    ).order
    by_sku = {row[1]: row[2:] for row in lines_of(placed)}
    assert by_sku == {row[1]: row[2:] for row in lines_of(anew)}
    amounts = ("goods_total", "discount", "shipping_fee", "tax", "total", "payable", "payment_status")
    assert [getattr(fresh(placed), name) for name in amounts] == [getattr(fresh(anew), name) for name in amounts]


def test_kept_lines_keep_number_name_and_tax_rate() -> None:
    product = ProductFactory(tax_rate=TAX, price=Decimal("11.30"))
    order = OrderFactory(lines=[(product, 1, None)])
    name, product.name, product.tax_rate, product.is_active = product.name, "新名", Decimal(0), False
    with acting(decide(actor("closer"))):
        product.save()

    change(order, lines=[LineChange(1, quantity=Decimal(2))])

    row = Line.objects.get(order=order)
    assert (row.no, row.name, row.amount, row.tax) == (1, name, Decimal("22.60"), Decimal("2.60"))


def test_a_removed_line_is_gone_and_its_history_says_what_it_was() -> None:
    order = OrderFactory(line_count=2)
    gone = Line.objects.get(order=order, no=1)

    outcome = change(order, note="不要了", lines=[LineChange(1, remove=True)])

    assert list(Line.objects.filter(order=order).values_list("no", flat=True)) == [2]
    row = Line.history.filter(id=gone.pk).latest("history_id")
    assert (row.history_type, row.quantity, row.actor_name) == ("-", 2, actor("salesperson").name)
    assert row.history_change_reason == "不要了"
    assert f"Line 1 {gone.sku} is removed: 2 × 99.99, 199.98 CNY" in told(outcome)


def test_added_lines_get_the_next_number_and_are_reserved_with_the_others(salesperson: Any) -> None:
    order, product = OrderFactory(line_count=1, shipping_fee=12), ProductFactory()
    receive({Line.objects.get(order=order, no=1).product: 2, product: 3})

    outcome = change(order, added=[LineDraft(product.sku, Decimal(3))])
    process_order(order.pk, decision=decide(salesperson))

    assert [row[0] for row in lines_of(order)] == [1, 2, 3]
    assert f"Line 3 {product.sku} is added: 3 × 99.99, 299.97 CNY" in told(outcome)
    assert [row.quantity for row in Reservation.objects.order_by("pk")] == [2, 3]


def test_a_shipping_fee_comes_changes_and_goes() -> None:
    order = OrderFactory(line_count=1)

    for fee, skus in ((12, 2), (8, 2), (0, 1)):
        change(order, shipping_fee=Decimal(fee))
        assert (fresh(order).shipping_fee, len(lines_of(order))) == (fee, skus)

    assert fresh(order).total == order.total


def test_what_is_overpaid_by_then_is_asked_back() -> None:
    order = OrderFactory(line_count=1, paid=True)

    outcome = change(order, lines=[LineChange(1, quantity=Decimal(1))])

    refund = Refund.objects.get()
    assert (refund.amount, refund.ground, refund.requested_by) == (
        Decimal("99.99"),
        "overpayment",
        actor("salesperson"),
    )
    assert (fresh(order).payable, fresh(order).payment_status) == (Decimal("99.99"), PaymentStatus.OVERPAID)
    assert "A refund of 99.99 CNY is requested." in told(outcome)


def test_what_somebody_refused_to_pay_back_is_not_asked_again_by_a_note() -> None:
    order = OrderFactory(line_count=1, paid=Decimal(500))
    reject_all(order)

    change(order, internal_note="!")

    assert [refund.status for refund in Refund.objects.all()] == ["rejected"]


def test_a_dearer_order_is_owed() -> None:
    order = OrderFactory(line_count=1, paid=True)

    change(order, lines=[LineChange(1, quantity=Decimal(3))])

    assert (fresh(order).payable, fresh(order).payment_status) == (Decimal("299.97"), PaymentStatus.PARTLY_PAID)
    assert not Refund.objects.exists()


def test_placing_the_same_again_still_finds_the_changed_order(salesperson: Any) -> None:
    product, shop = ProductFactory(), ShopFactory()
    sent = draft(shop, line(product, "2"), external_number="TB-1")
    order = place_order(sent, decision=decide(salesperson)).order
    change(order, lines=[LineChange(1, quantity=Decimal(3))])

    again = place_order(sent, decision=decide(salesperson))

    assert (again.order, again.created) == (order, False)


def test_in_processing_where_and_how_it_goes_is_changed_until_something_is_packed(keeper: Any) -> None:
    order = OrderFactory(processing=True)
    (drafted,) = draft_shipments([order.pk], decision=decide(keeper))

    outcome = change(order, shipping_address={"city": "上海市"}, customer_phone="139", shipping_method="PICKUP")

    assert (fresh(order).shipping_address, fresh(order).customer_phone) == ({"city": "上海市"}, "139")
    assert Shipment.objects.get().method.code == "PICKUP"
    assert f"Shipment {drafted.number} goes by the new method too." in told(outcome)


def test_once_something_is_packed_only_the_internal_note_is_changed(keeper: Any) -> None:
    order = OrderFactory(processing=True)
    (packed,) = pack_orders([order.pk], decision=decide(keeper))

    with unchanged(), pytest.raises(Refused) as refused:
        change(order, shipping_address={"city": "上海市"})

    assert refused.value.blockers == ["logistics.packed_already"]
    assert [link.number for link in refused.value.outcome.blockers[0].links] == [packed.number]
    change(order, internal_note="已打包")
    assert fresh(order).internal_note == "已打包"


@pytest.mark.parametrize(
    "asked",
    [
        {"lines": [LineChange(1, quantity=Decimal(9))]},
        {"added": [LineDraft("SKU", Decimal(1))]},
        {"discount": Decimal(1)},
        {"shipping_fee": Decimal(1)},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_prices_and_lines_in_processing_stay(asked: dict[str, Any]) -> None:
    order = OrderFactory(processing=True)

    with unchanged(), pytest.raises(Refused) as refused:
        change(order, **asked)

    assert refused.value.blockers == ["orders.change_too_late"]


@pytest.mark.parametrize("stage", ["shipped", "completed"])
def test_later_only_the_internal_note_is_changed(stage: str) -> None:
    order = OrderFactory(**{stage: True})

    change(order, internal_note="已催收")

    assert fresh(order).internal_note == "已催收"
    with unchanged(), pytest.raises(Refused) as refused, override("en"):
        change(order, customer_phone="139")
    assert refused.value.blockers == ["orders.change_too_late"]
    assert "cannot be changed any more: Phone" in str(refused.value)


def test_a_closed_order_stays_as_it_is() -> None:
    order = OrderFactory(closed=True)

    with unchanged(), pytest.raises(Refused) as refused:
        change(order, internal_note="!")

    assert "orders.wrong_state" in refused.value.blockers


def test_on_hold_an_address_is_still_corrected() -> None:
    order = OrderFactory(processing=True)
    hold_order(order.pk, decision=decide(actor("service"), reason="HO02"))

    change(order, shipping_address={"city": "上海市"})

    assert fresh(order).is_on_hold


def test_the_same_again_changes_nothing_and_says_so() -> None:
    order = OrderFactory(shipping_address={"city": "杭州市"}, line_count=1)

    with unchanged(), pytest.raises(Refused) as refused:
        change(
            order,
            customer_name="王芳",
            shipping_address={"city": "杭州市", "line1": ""},
            shipping_method="EXPRESS",
            discount=Decimal(0),
            lines=[LineChange(1, quantity=Decimal(2), unit_price=Decimal("99.99"))],
        )

    assert refused.value.blockers == ["orders.nothing_changed"]


def test_whoever_saw_another_version_changes_nothing() -> None:
    order = OrderFactory()
    seen = Seen(order.version)
    change(order, internal_note="1", seen=seen)

    with unchanged(), pytest.raises(Refused) as refused:
        change(order, internal_note="2", seen=seen)

    assert refused.value.blockers == ["orders.changed"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"customer_name": " "}, Missing),
        ({"internal_note": "\x00"}, BadText),
        ({"shipping_address": {"planet": "Mars"}}, BadAddress),
        ({"shipping_method": "TELEPORT"}, UnknownShippingMethod),
        ({"lines": [LineChange(9, remove=True)]}, UnknownLine),
        ({"lines": [LineChange(1), LineChange(1)]}, NamedTwice),
        ({"lines": [LineChange(1, remove=True)]}, NoLines),
        ({"lines": [LineChange(1, quantity=Decimal("1.5"))]}, FractionOfPiece),
        ({"lines": [LineChange(1, quantity=Decimal(0))]}, OutOfRange),
        ({"lines": [LineChange(1, discount=Decimal(500))]}, DiscountTooLarge),
        ({"discount": Decimal(500)}, DiscountTooLarge),
        ({"discount": Decimal(-1)}, OutOfRange),
        ({"added": [LineDraft("NOWHERE", Decimal(1))]}, UnknownProduct),
        ({"added": [LineDraft("SHIPPING", Decimal(1))]}, UnknownProduct),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else next(iter(value)),
)
def test_what_placing_would_refuse_is_refused(asked: dict[str, Any], error: type[Exception]) -> None:
    order = OrderFactory(line_count=1)

    with unchanged(), pytest.raises(error):
        change(order, **asked)


def test_what_is_added_needs_a_price_in_the_orders_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    order, foreign = OrderFactory(line_count=1), ProductFactory(currency="USD")

    with unchanged():
        with pytest.raises(PriceMissing):
            change(order, added=[LineDraft(foreign.sku, Decimal(1))])
        monkeypatch.setattr("orders.services.placing.LINES_LIMIT", 1)
        with pytest.raises(TooManyLines):
            change(order, added=[LineDraft(foreign.sku, Decimal(1), Decimal(1))])


def test_lines_of_which_something_is_closed_short_stay() -> None:
    order = OrderFactory()
    by = decide(actor("salesperson"), reason="CL02")
    close_lines(order.pk, [LineToClose(1, Decimal(1))], decision=by)

    with unchanged(), pytest.raises(LinesClosedShort):
        change(order, discount=Decimal(1))

    change(order, customer_phone="139")
    assert fresh(order).customer_phone == "139"


def test_a_copy_at_price_0_is_given_no_price() -> None:
    origin = OrderFactory(shipped=True, line_count=1)
    copy = copy_order(origin.pk, decision=decide(actor("salesperson"), reason="EX02"))

    with unchanged(), pytest.raises(CopyIsFree):
        change(copy, lines=[LineChange(1, unit_price=Decimal(1))])

    change(copy, lines=[LineChange(1, quantity=Decimal(1))])
    assert fresh(copy).total == 0


def test_changing_needs_its_permission_and_an_order_in_scope(service: Any) -> None:
    order = OrderFactory()
    stranger = UserFactory(role="salesperson", shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(Forbidden):
            change_order(order.pk, OrderChange(internal_note="!"), decision=decide(service))
        with pytest.raises(NotFound):
            change_order(order.pk, OrderChange(internal_note="!"), decision=decide(stranger))


def test_lines_cost_no_more_queries_than_one() -> None:
    counts = []
    user = actor("salesperson")
    user.has_perm("orders.all_shops")
    for count in (2, 31):
        order = OrderFactory(line_count=count, paid=True)
        more = [LineDraft(product.sku, Decimal(1)) for product in ProductFactory.create_batch(count)]
        lines = [
            LineChange(1, remove=True),
            *(LineChange(no, quantity=Decimal(1)) for no in range(2, count + 1)),
        ]
        decision = decide(user)
        with count_queries() as statements:
            change_order(order.pk, OrderChange(lines=lines, added=more), decision=decision)
        counts.append(len(statements))

    assert counts[0] == counts[1]
    assert counts[0] <= 30


def test_the_status_stays() -> None:
    order = OrderFactory(processing=True)

    change(order, internal_note="!")

    assert fresh(order).status == Status.PROCESSING
