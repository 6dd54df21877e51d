"""Texts people, files and shops supply: the same verdict on every database."""

from datetime import UTC, datetime, timedelta

import pytest

from erp.kernel import validation
from erp.kernel.validation import BadText, InTheFuture, Missing, TooLong, WithoutZone, column, passed, text
from orders.models import Order, Shop


@pytest.mark.parametrize(
    "value",
    [
        "\x00", "a\x00b", "\x01", "\x1b[31m", "\x7f", "\x85", "\ud800", "a\udfff", "\u202e", "\u202a", "\u2066",
        "\u2069", "\x0b", "\x0c",
    ],
    ids=ascii,
)  # fmt: skip
def test_characters_that_cannot_be_kept_or_reorder_text_are_refused(value: str) -> None:
    with pytest.raises(BadText) as refused:
        text(f"before {value} after", "Name", limit=100)

    assert refused.value.params["character"].startswith("U+")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("value", [1, 1.5, True, b"x", [], {}], ids=repr)
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(BadText):
        text(value, "Name", limit=100)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("  blanks  ", "blanks"),
        ("line\nbreak\tand tab\r\n", "line\nbreak\tand tab"),
        ("e\u0301", "é"),
        ("\u3000全角\u3000", "全角"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("王芳", "王芳"),
        (None, ""),
        ("", ""),
    ],
    ids=ascii,
)
def test_everything_else_is_kept_in_one_form(value: object, stored: str) -> None:
    assert text(value, "Name", limit=100) == stored


def test_twins_of_two_normal_forms_become_the_same_text() -> None:
    assert text("Café", "Name", limit=100) == text("Cafe\u0301", "Name", limit=100)


def test_length_is_counted_as_stored() -> None:
    assert text(" " * 10 + "长" * 5 + " ", "Name", limit=5) == "长" * 5
    assert text("e\u0301" * 5, "Name", limit=5) == "é" * 5
    with pytest.raises(TooLong) as refused:
        text("长" * 6, "Name", limit=5)

    assert (refused.value.params["length"], refused.value.params["limit"]) == (6, 5)


@pytest.mark.parametrize("value", ["", "   ", None, "\u3000"])
def test_a_required_text_cannot_be_blank(value: str | None) -> None:
    with pytest.raises(Missing):
        text(value, "Name", limit=5, required=True)


def test_a_column_brings_its_own_name_and_length() -> None:
    assert column(Shop, "name", "店" * 100) == "店" * 100
    with pytest.raises(TooLong) as refused:
        column(Shop, "name", "店" * 101)

    assert refused.value.params["limit"] == 100
    assert refused.value.params["name"] == Shop._meta.get_field("name").verbose_name


def test_the_length_of_every_column_is_known_to_validation() -> None:
    """A text without a limit would be refused by neither database."""
    unlimited = [field.name for field in Order._meta.get_fields() if getattr(field, "max_length", 0) is None]

    assert not {"number", "note", "internal_note", "customer_name"} & set(unlimited)
    assert validation.column(Order, "note", "x" * 500) == "x" * 500


def test_what_happened_has_passed_give_or_take_ten_minutes_of_another_clock() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert passed(now + timedelta(minutes=10), now, "When") == now + timedelta(minutes=10)
    with pytest.raises(InTheFuture) as refused:
        passed(now + timedelta(minutes=11), now, "When")

    assert refused.value.code == "kernel.in_the_future"


def test_a_moment_says_in_which_zone() -> None:
    with pytest.raises(WithoutZone) as refused:
        passed(datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC), "When")

    assert refused.value.code == "kernel.moment_without_zone"
