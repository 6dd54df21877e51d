"""Values shown in the reader's language."""

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone, translation

from erp.kernel.texts import Change, Day, Listing, Moment, Term, in_reader_language


@pytest.mark.parametrize(("language", "shown"), [("zh-hans", "快递"), ("en", "Courier"), ("en-gb", "Courier")])
def test_names_in_both_languages_are_shown_in_the_readers(language: str, shown: str) -> None:
    with translation.override(language):
        assert in_reader_language("快递", "Courier") == shown
        assert in_reader_language("快递", "") == "快递"


def test_a_term_is_kept_as_its_key_and_shown_as_its_word() -> None:
    term = Term("new", translation.gettext_lazy("Yes"))

    with translation.override("en"):
        assert (term.key, str(term)) == ("new", "Yes")
    with translation.override("zh-hans"):
        assert (term.key, str(term)) == ("new", "是")


def test_a_moment_is_shown_in_the_readers_zone() -> None:
    moment = Moment(datetime(2026, 2, 28, 16, 30, tzinfo=UTC))

    with timezone.override("Asia/Shanghai"):
        assert "00:30" in str(moment)
    with timezone.override("UTC"):
        assert "16:30" in str(moment)


def test_a_day_has_no_zone() -> None:
    with timezone.override("America/Los_Angeles"):
        assert str(Day(date(2026, 3, 1))).startswith("2026")


def test_of_many_values_the_first_few_are_shown() -> None:
    with translation.override("en"):
        assert str(Listing(["a", "b"])) == "a, b"
        assert str(Listing(range(5))) == "0, 1, 2, 3, 4"
        assert str(Listing(range(7))) == "0, 1, 2, 3, 4, … (7)"
        assert str(Listing()) == ""


def test_a_change_shows_both_sides() -> None:
    assert str(Change("phone", "1", "2")) == "phone 1 → 2"
