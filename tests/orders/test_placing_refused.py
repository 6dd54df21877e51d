"""What cannot be placed is refused under a stable code, and leaves nothing behind."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from erp.kernel.errors import DomainError, Forbidden, refusals
from orders.models import Customer, Order, ShippingMethod, Unit
from orders.services import placing
from orders.services.placing import CustomerDraft, LineDraft, place_order
from tests.database import unchanged
from tests.factories import CustomerFactory, ProductFactory, ShopFactory, UserFactory, decide
from tests.orders.drafts import draft, line

pytestmark = pytest.mark.django_db

# What no text may hold on either database: NUL, half a character, something that reorders the rest.
HOSTILE = ["\x00", "\ud800", "\u202e", "\x1b[31m"]


def refusal(user: Any, order_draft: Any) -> DomainError:
    """Why this draft is refused; nothing of it stays."""
    with unchanged(), pytest.raises(DomainError) as refused:
        place_order(order_draft, decision=decide(user))
    return refused.value


def code(user: Any, order_draft: Any) -> str:
    return refusal(user, order_draft).code


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("0", "kernel.out_of_range"),
        ("-1", "kernel.out_of_range"),
        ("1.00001", "kernel.too_many_decimals"),
        ("NaN", "kernel.not_a_number"),
        ("sNaN", "kernel.not_a_number"),
        ("Infinity", "kernel.not_a_number"),
        ("1E+12", "kernel.out_of_range"),
        ("1E-400", "kernel.too_many_decimals"),
    ],
)
def test_a_quantity_is_a_positive_number_of_at_most_four_decimals(
    salesperson: Any, quantity: str, expected: str
) -> None:
    product = ProductFactory(unit=Unit.KILOGRAM)

    assert code(salesperson, draft(ShopFactory(), line(product, quantity))) == expected


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("-0.01", "kernel.out_of_range"),
        ("1.00001", "kernel.too_many_decimals"),
        ("NaN", "kernel.not_a_number"),
        ("-Infinity", "kernel.not_a_number"),
        ("999999999999.99", "kernel.out_of_range"),
    ],
)
def test_a_price_is_a_number_from_zero_whose_product_has_its_place(
    salesperson: Any, price: str, expected: str
) -> None:
    assert code(salesperson, draft(ShopFactory(), line(ProductFactory(), "2", price))) == expected


@pytest.mark.parametrize("field", ["discount", "shipping_fee"])
@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("-0.01", "kernel.out_of_range"),
        ("0.001", "kernel.too_many_decimals"),
        ("NaN", "kernel.not_a_number"),
    ],
)
def test_an_amount_is_a_number_from_zero_in_the_currencys_minor_unit(
    salesperson: Any, field: str, amount: str, expected: str
) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()), **{field: Decimal(amount)})

    assert code(salesperson, order_draft) == expected


def test_a_line_discount_is_held_to_the_same(salesperson: Any) -> None:
    order_draft = draft(ShopFactory(currency="JPY"), line(ProductFactory(currency="JPY"), discount="0.5"))

    assert code(salesperson, order_draft) == "kernel.too_many_decimals"


@pytest.mark.parametrize("unit", [Unit.PIECE, Unit.DEVICE, Unit.BOX, Unit.SET, Unit.TIME])
def test_nobody_sells_a_fraction_of_a_piece(salesperson: Any, unit: str) -> None:
    product = ProductFactory(unit=unit, sku="P1")

    error = refusal(salesperson, draft(ShopFactory(), line(product, "1.5")))

    assert error.code == "orders.fraction_of_piece"
    assert (error.params["line"], error.params["quantity"], error.params["sku"]) == (1, "1.5", "P1")


def test_a_discount_is_at_most_what_it_is_taken_from(salesperson: Any) -> None:
    product = ProductFactory(price=Decimal(100))
    shop = ShopFactory()

    of_line = refusal(salesperson, draft(shop, line(product, discount="100.01")))
    of_order = refusal(salesperson, draft(shop, line(product), discount=Decimal("100.01"), shipping_fee=Decimal(10)))

    for error in (of_line, of_order):
        with override("en"):
            assert error.code == "orders.discount_too_large"
            assert "100.01 CNY is more than the 100.00 CNY" in str(error)


def test_an_order_has_lines(salesperson: Any) -> None:
    assert code(salesperson, draft(ShopFactory())) == "orders.no_lines"


def test_an_order_has_at_most_ten_thousand_lines(salesperson: Any) -> None:
    error = refusal(salesperson, draft(ShopFactory(), *[line(ProductFactory())] * 10_001))

    assert (error.code, error.params) == ("orders.too_many_lines", {"count": 10_001, "limit": 10_000})


def test_the_last_line_that_is_possible_is_placed(salesperson: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(placing, "LINES_LIMIT", 3)
    product, shop = ProductFactory(), ShopFactory()

    assert code(salesperson, draft(shop, *[line(product)] * 4)) == "orders.too_many_lines"
    assert place_order(draft(shop, *[line(product)] * 3), decision=decide(salesperson)).created


def test_an_unknown_product_is_named_with_its_line(salesperson: Any, system: Any) -> None:
    product = ProductFactory()
    shop = ShopFactory()
    gone = ProductFactory(sku="GONE", is_active=False)

    error = refusal(salesperson, draft(shop, line(product), line(gone)))

    assert (error.code, error.params) == ("orders.unknown_product", {"line": 2, "sku": "GONE"})
    assert code(salesperson, draft(shop, LineDraft("NEVER", Decimal(1)))) == "orders.unknown_product"


def test_the_shipping_fee_cannot_be_ordered_as_a_product(salesperson: Any) -> None:
    order_draft = draft(ShopFactory(), LineDraft("SHIPPING", Decimal(1)), shipping_fee=Decimal(5))

    assert code(salesperson, order_draft) == "orders.unknown_product"


def test_every_wrong_line_is_told_at_once(salesperson: Any) -> None:
    product = ProductFactory()

    error = refusal(salesperson, draft(ShopFactory(), line(product, "0"), line(product), line(product, "1.5")))

    assert [(each.item, each.code) for each in refusals(error)] == [
        (1, "kernel.out_of_range"),
        (3, "orders.fraction_of_piece"),
    ]


def test_a_shop_that_is_unknown_or_closed_takes_no_order(salesperson: Any) -> None:
    product = ProductFactory()

    assert code(salesperson, draft(ShopFactory(is_active=False), line(product))) == "orders.unknown_shop"
    assert code(salesperson, draft(ShopFactory.build(code="NONE"), line(product))) == "orders.unknown_shop"


def test_a_shop_out_of_scope_is_unknown(system: Any) -> None:
    own, foreign = ShopFactory(), ShopFactory(code="FOREIGN")
    user = UserFactory(role="salesperson", shops=[own])
    product = ProductFactory()

    error = refusal(user, draft(foreign, line(product)))

    assert (error.code, error.params) == ("orders.unknown_shop", {"shop": "FOREIGN"})
    assert place_order(draft(own, line(product)), decision=decide(user)).created


def test_an_unknown_shipping_method_is_refused(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()
    ShippingMethod.objects.filter(code="CITY").update(is_active=False)

    for method in ("TELEPORT", "CITY"):
        assert (
            code(salesperson, draft(shop, line(product), shipping_method=method)) == "orders.unknown_shipping_method"
        )


def test_an_order_is_in_the_currency_of_its_shop(salesperson: Any) -> None:
    shop, product = ShopFactory(currency="CNY"), ProductFactory()

    error = refusal(salesperson, draft(shop, line(product), currency="USD"))

    assert (error.code, error.params["currency"], error.params["expected"]) == (
        "orders.currency_mismatch",
        "USD",
        "CNY",
    )
    assert code(salesperson, draft(shop, line(product), currency="ZZZ")) == "kernel.unknown_currency"
    assert place_order(draft(shop, line(product), currency="CNY"), decision=decide(salesperson)).created


def test_a_price_in_another_currency_has_to_be_named(salesperson: Any) -> None:
    order_draft = draft(ShopFactory(currency="USD"), line(ProductFactory(currency="CNY")))

    assert code(salesperson, order_draft) == "orders.price_missing"


@pytest.mark.parametrize("bad", HOSTILE, ids=ascii)
@pytest.mark.parametrize("field", ["code", "name", "phone", "email"])
def test_the_customers_texts_are_fit_to_be_stored(salesperson: Any, field: str, bad: str) -> None:
    customer = replace(CustomerDraft("王芳"), **{field: f"a{bad}b"})

    assert code(salesperson, draft(ShopFactory(), line(ProductFactory()), customer=customer)) == "kernel.bad_text"


@pytest.mark.parametrize("bad", HOSTILE, ids=ascii)
@pytest.mark.parametrize(
    "changes",
    [
        lambda text: {"note": text},
        lambda text: {"external_number": text},
        lambda text: {"shipping_address": {"city": text}},
    ],
    ids=["note", "external number", "address"],
)
def test_the_orders_texts_are_fit_to_be_stored(salesperson: Any, changes: Any, bad: str) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()), **changes(f"a{bad}b"))

    assert code(salesperson, order_draft) == "kernel.bad_text"


@pytest.mark.parametrize("bad", HOSTILE, ids=ascii)
def test_what_cannot_be_stored_is_not_even_looked_for(salesperson: Any, bad: str) -> None:
    shop, product = ShopFactory(), ProductFactory()

    assert code(salesperson, draft(ShopFactory.build(code=bad), line(product))) == "kernel.bad_text"
    assert code(salesperson, draft(shop, LineDraft(bad, Decimal(1)))) == "kernel.bad_text"
    assert code(salesperson, draft(shop, line(product), shipping_method=bad)) == "kernel.bad_text"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"customer": CustomerDraft("")}, "kernel.missing"),
        ({"customer": CustomerDraft("  ")}, "kernel.missing"),
        ({"customer": CustomerDraft("名" * 101)}, "kernel.too_long"),
        ({"external_number": "9" * 65}, "kernel.too_long"),
        ({"note": "多" * 501}, "kernel.too_long"),
        ({"shipping_address": {"city": "市" * 201}}, "kernel.too_long"),
        ({"shipping_address": {"planet": "Mars"}}, "orders.bad_address"),
    ],
    ids=str,
)
def test_texts_are_present_and_fit_their_columns(salesperson: Any, changes: dict[str, Any], expected: str) -> None:
    assert code(salesperson, draft(ShopFactory(), line(ProductFactory()), **changes)) == expected


def test_placing_needs_its_permission(keeper: Any) -> None:
    order_draft = draft(ShopFactory(), line(ProductFactory()))

    with unchanged(), pytest.raises(Forbidden) as refused:
        place_order(order_draft, decision=decide(keeper))

    assert refused.value.params["permission"] == "orders.add_order"


def test_a_refused_order_leaves_no_customer(salesperson: Any) -> None:
    refusal(salesperson, draft(ShopFactory(), line(ProductFactory()), discount=Decimal(10**9)))

    assert not Customer.objects.exists()
    assert not Order.objects.exists()


def test_an_inactive_customer_orders_nothing(salesperson: Any) -> None:
    customer = CustomerFactory(code="C-OLD", is_active=False)

    refused = draft(customer.shop, line(ProductFactory()), customer=CustomerDraft(name="王芳", code="C-OLD"))

    assert code(salesperson, refused) == "orders.customer_inactive"
