"""The one form of a content, and its digest."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from erp.kernel.canonical import canonical, digest, dumps, salted, sha256
from erp.kernel.money import Money, Quantity
from erp.kernel.texts import Day, Moment, Term
from orders.models import Status

MOMENT = datetime(2026, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=8)))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        ("王芳", "王芳"),
        (Status.NEW, "new"),
        (Decimal("12.5000"), "12.5"),
        (Decimal("-0.00"), "0"),
        (Money(Decimal("12.50"), "CNY"), "12.5 CNY"),
        (Quantity(Decimal("3.0000"), "台"), "3"),
        (Term("new", "新订单"), "new"),
        (Term(Status.NEW, "新订单"), "new"),
        (MOMENT, "2026-03-01T00:30:00.000000+00:00"),
        (Moment(MOMENT), "2026-03-01T00:30:00.000000+00:00"),
        (date(2026, 3, 1), "2026-03-01"),
        (Day(date(2026, 3, 1)), "2026-03-01"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"b": 1, 2: None}, {"b": "1", "2": ""}),
        ([1, (2, [3])], ["1", ["2", ["3"]]]),
    ],
    ids=repr,
)
def test_values_become_strings(value: Any, form: Any) -> None:
    assert canonical(value) == form
    assert canonical(form) == form


@pytest.mark.parametrize("value", [1.5, b"x", object], ids=repr)
def test_what_has_no_exact_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="canonical"):
        canonical({"deep": [value]})


def test_the_same_facts_give_the_same_text() -> None:
    one = dumps({"b": Decimal("1.50"), "a": MOMENT, "名": None})
    other = dumps({"名": "", "a": MOMENT.astimezone(UTC), "b": Decimal("1.5")})

    assert one == other == '{"a":"2026-03-01T00:30:00.000000+00:00","b":"1.5","名":""}'


def test_a_digest_stays_the_same_for_ever() -> None:
    """Closing records keep these: a change here would make every one of them look forged."""
    assert digest({"a": 1, "名": [True, None]}) == sha256('{"a":"1","名":["true",""]}')
    assert sha256("结案") == "9869a9f9373ee717e13303e688d980975f6894e766a6bf6b4dbdbf65d02b698a"
    assert (
        digest({"number": "SO-2026-000001", "total": Decimal("8999.00")})
        == "58a4c6ac90750fb551c41fcca280fdc2a5cbe632a6964cb6c89ab12841c1ab69"
    )


def test_a_salted_datum_says_nothing_but_equality() -> None:
    assert salted("13800000000", "s") == salted("13800000000", "s")
    assert salted("13800000000", "s") != salted("13800000000", "t")
    assert "13800000000" not in salted("13800000000", "s")
    assert salted("", "s") == ""
