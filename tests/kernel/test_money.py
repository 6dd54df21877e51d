"""Rounding, parts of a whole, and what is a number."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp.kernel import money
from erp.kernel.money import ZERO, Money, Quantity, part, round_money, share, tax_within, times

_CENT = {"JPY": Decimal(1), "CNY": Decimal("0.01"), "KWD": Decimal("0.001")}
currencies = st.sampled_from(sorted(_CENT))


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "CNY", "0.01"),
        ("0.0049999", "CNY", "0.00"),
        ("2.675", "CNY", "2.68"),
        ("2.665", "CNY", "2.67"),
        ("-0.005", "CNY", "-0.01"),
        ("-2.675", "CNY", "-2.68"),
        ("0.5", "JPY", "1"),
        ("1.5", "JPY", "2"),
        ("2.5", "JPY", "3"),
        ("0.0005", "KWD", "0.001"),
        ("0.00005", "UYW", "0.0001"),
        ("999999999999.995", "CNY", "1000000000000.00"),
    ],
)
def test_money_is_rounded_half_up(amount: str, currency: str, rounded: str) -> None:
    result = round_money(Decimal(amount), currency)

    assert str(result) == rounded


@pytest.mark.parametrize(
    ("price", "quantity", "amount"),
    [
        ("99.99", "3", "299.97"),
        ("0.333", "3", "1.00"),
        ("1.005", "1", "1.01"),
        ("123456789012.3456", "1.0001", "123469134691.25"),
    ],
)
def test_price_times_quantity_is_rounded_once(price: str, quantity: str, amount: str) -> None:
    assert times(Decimal(price), Decimal(quantity), "CNY") == Decimal(amount)


@pytest.mark.parametrize(
    ("total", "rate", "tax"),
    [
        ("113", "0.13", "13"),
        ("100", "0.13", "11.50"),
        ("0.01", "0.13", "0"),
        ("99.99", "0", "0"),
        ("1.06", "0.06", "0.06"),
    ],
)
def test_tax_is_taken_out_of_the_total(total: str, rate: str, tax: str) -> None:
    assert tax_within(Decimal(total), Decimal(rate), "CNY") == Decimal(tax)


@st.composite
def _splits(draw: Any) -> tuple[Decimal, list[Decimal], str]:
    """The worth of a line and the quantities it leaves in, in any order."""
    currency = draw(currencies)
    worth = draw(st.integers(0, 10**9)) * _CENT[currency]
    parts = draw(st.lists(st.integers(1, 10**7), min_size=1, max_size=12))
    return worth, [Decimal(n).scaleb(-4) for n in parts], currency


@given(_splits())
def test_any_split_in_any_order_sums_to_the_line(split: tuple[Decimal, list[Decimal], str]) -> None:
    worth, quantities, currency = split
    whole = sum(quantities, ZERO)
    taken, cumulative = ZERO, ZERO
    for quantity in quantities:
        cumulative += quantity
        worth_of_part = part(worth, cumulative, whole, taken, currency)
        assert worth_of_part >= 0
        assert worth_of_part == round_money(worth_of_part, currency)
        taken += worth_of_part

    assert taken == worth


@pytest.mark.parametrize(("cumulative", "of"), [("3", "2"), ("-1", "2"), ("0", "0")])
def test_more_than_all_cannot_be_taken(cumulative: str, of: str) -> None:
    with pytest.raises(AssertionError):
        part(Decimal(10), Decimal(cumulative), Decimal(of), ZERO, "CNY")


@st.composite
def _discounts(draw: Any) -> tuple[Decimal, list[Decimal], str]:
    """A discount, and lines that together are worth as much or more."""
    currency = draw(currencies)
    weights = draw(st.lists(st.integers(0, 10**8), min_size=1, max_size=12))
    total = draw(st.integers(0, sum(weights)))
    return total * _CENT[currency], [weight * _CENT[currency] for weight in weights], currency


@given(_discounts())
def test_shares_sum_to_the_total_and_none_exceeds_its_weight(discount: tuple[Decimal, list[Decimal], str]) -> None:
    total, weights, currency = discount
    shares = share(total, weights, currency)

    assert sum(shares, ZERO) == total
    for part_of_total, weight in zip(shares, weights, strict=True):
        assert 0 <= part_of_total <= weight
        assert part_of_total == round_money(part_of_total, currency)


def test_the_largest_remainder_gets_the_last_cent_and_ties_go_to_the_earlier_line() -> None:
    assert share(Decimal("0.01"), [Decimal(1), Decimal(2)], "CNY") == [ZERO, Decimal("0.01")]
    assert share(Decimal("0.01"), [Decimal(1), Decimal(1)], "CNY") == [Decimal("0.01"), ZERO]
    assert share(Decimal(100), [Decimal(1), Decimal(1), Decimal(1)], "JPY") == [Decimal(34), Decimal(33), Decimal(33)]


def test_nothing_is_shared_over_nothing() -> None:
    assert share(ZERO, [ZERO, ZERO], "CNY") == [ZERO, ZERO]
    with pytest.raises(AssertionError):
        share(Decimal(1), [ZERO], "CNY")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234.50", "1234.5"),
        (" 7 ", "7"),
        ("-3", "-3"),
        ("007", "7"),
        (12, "12"),
        (Decimal("2.50"), "2.5"),
        ("0", "0"),
    ],
)
def test_plain_digits_are_a_number(text: object, number: str) -> None:
    assert money.parse(text, "amount") == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".5", "5.", "1e3", "1E3", "NaN", "nan", "Infinity", "-inf", "-0", "-0.00", "+1", "--1", "1,000.00",
        "1_000", "0x10", "１２", "٣", "1 2", "1\n", "\x00", "\u202e1", "9" * 31, "9" * 5000, 1.5, True, None, [], b"1",
        Decimal("NaN"), Decimal("-0"), Decimal("Infinity"),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_everything_else_is_none(text: object) -> None:
    with pytest.raises(money.NotANumber) as refused:
        money.parse(text, "amount")

    assert "amount" in str(refused.value)


@pytest.mark.parametrize(
    ("value", "options", "error"),
    [
        ("1000000000000", {}, money.OutOfRange),
        ("-1000000000000", {}, money.OutOfRange),
        ("1E+400", {}, money.OutOfRange),
        ("0.00001", {}, money.TooManyDecimals),
        ("0.001", {"places": 2}, money.TooManyDecimals),
        ("0.5", {"places": 0}, money.TooManyDecimals),
        ("-0.01", {"least": ZERO}, money.OutOfRange),
        ("NaN", {}, money.NotANumber),
        ("sNaN", {}, money.NotANumber),
        ("-Infinity", {}, money.NotANumber),
    ],
)
def test_numbers_are_held_to_the_range_of_the_product(value: str, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"."):
        money.check(Decimal(value), "amount", **options)


def test_the_largest_number_is_within_the_range() -> None:
    assert money.check(Decimal("999999999999.9999"), "amount") == Decimal("999999999999.9999")


def test_positive_is_more_than_nothing() -> None:
    assert money.check_positive(Decimal("0.01"), "amount") == Decimal("0.01")
    with pytest.raises(money.OutOfRange):
        money.check_positive(ZERO, "amount")


@pytest.mark.parametrize("currency", ["", "cny", "RMB", "XXX", "人民币", None])
def test_unknown_currencies_are_refused(currency: Any) -> None:
    with pytest.raises(money.UnknownCurrency):
        money.minor_units(currency)


@pytest.mark.parametrize(
    ("value", "text"),
    [("12.0000", "12"), ("0.5000", "0.5"), ("-3.25", "-3.25"), ("1E+3", "1000"), ("-0.00", "0"), ("100", "100")],
)
def test_numbers_are_shown_plainly(value: str, text: str) -> None:
    assert money.plain(Decimal(value)) == text


def test_amounts_and_quantities_show_their_unit() -> None:
    assert str(Money(Decimal("8999"), "CNY")) == "8,999.00 CNY"
    assert str(Money(Decimal("8999"), "JPY")) == "8,999 JPY"
    assert str(Quantity(Decimal("3.0000"), "台")) == "3 台"
    assert str(Quantity(Decimal("0.5"))) == "0.5"


@pytest.mark.parametrize("value", ["1", 1.5, 1, None, True, []], ids=repr)
def test_only_exact_numbers_are_numbers(value: Any) -> None:
    with pytest.raises(money.NotANumber) as refused:
        money.check(value, "amount")

    assert refused.value.params["name"] == "amount"
