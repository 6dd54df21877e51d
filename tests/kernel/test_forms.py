"""What a person types is held to what the services behind would say."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from erp.kernel.forms import MomentField, PlainTextField


@pytest.mark.parametrize("typed", ["a\x00b", "a\u202eb", "\ud800", "a\x1b[0m"], ids=ascii)
def test_characters_that_cannot_be_kept_are_refused_in_place(typed: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PlainTextField(label="Name").clean(typed)

    assert refused.value.error_list[0].code == "kernel.bad_text"


def test_a_text_is_brought_into_one_form() -> None:
    assert PlainTextField().clean("  Cafe\u0301 ") == "Café"
    assert PlainTextField(required=False).clean("") == ""


def test_a_text_is_held_to_its_length() -> None:
    with pytest.raises(ValidationError):
        PlainTextField(max_length=3).clean("abcd")


def test_a_moment_is_read_in_the_zone_of_the_reader() -> None:
    with timezone.override("Asia/Shanghai"):
        moment = MomentField().clean("2026-03-01T00:30")

    assert moment == datetime(2026, 3, 1, 0, 30, tzinfo=ZoneInfo("Asia/Shanghai"))


def test_a_moment_before_the_product_or_to_come_is_a_slip() -> None:
    tomorrow = timezone.localtime() + timedelta(days=1)
    for typed in ("0026-03-01T00:30", "1999-12-31T00:00", f"{tomorrow:%Y-%m-%dT%H:%M}"):
        with pytest.raises(ValidationError):
            MomentField().clean(typed)


def test_no_moment_is_none() -> None:
    assert MomentField(required=False).clean("") is None
