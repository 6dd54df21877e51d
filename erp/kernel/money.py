"""
Amounts and quantities: rounding, parts of a whole, display.

Every amount is a ``Decimal`` in one currency, rounded half up at the currency's minor unit
(ISO 4217), once, in the function named by the caller's docstring. Quantities have at most four
decimals. Intermediate results are exact: products are computed with enough digits for both factors.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import DomainError

PLACES = 4
LIMIT = Decimal(10) ** 12
ZERO = Decimal(0)

# ISO 4217: currencies by the decimals of their minor unit.
_BY_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
        "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR "
        "IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN "
        "NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
        "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
CURRENCIES: dict[str, int] = dict(
    sorted((code, places) for places, codes in _BY_PLACES.items() for code in codes.split())
)


class NotANumber(DomainError):
    code = "kernel.not_a_number"
    message = _("“%(value)s” is not a number for %(name)s. Write digits with a point, such as 1234.50.")


class TooManyDecimals(DomainError):
    code = "kernel.too_many_decimals"
    message = _("%(name)s %(value)s has more than %(places)s decimals. Round it first.")


class OutOfRange(DomainError):
    code = "kernel.out_of_range"
    message = _("%(name)s %(value)s must be %(range)s. Correct it.")


class UnknownCurrency(DomainError):
    code = "kernel.unknown_currency"
    message = _("“%(currency)s” is not a currency of ISO 4217. Use a code such as CNY.")


_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)


def parse(text: object, name: object) -> Decimal:
    """
    Read a number a person or a machine supplied: plain digits, a point, perhaps a minus.

    :raises NotANumber: exponent, NaN, infinity, −0, thousands separators, full-width digits, floats.
    """
    if isinstance(text, int | Decimal) and not isinstance(text, bool):
        text = f"{text:f}" if isinstance(text, Decimal) else str(text)
    if not isinstance(text, str) or not _NUMBER.fullmatch(text.strip(" ")):
        raise NotANumber(value=str(text)[:40], name=name)
    number = Decimal(text.strip(" "))
    if not number and number.is_signed():
        raise NotANumber(value=text, name=name)
    return number


def check(value: Any, name: object, *, places: int = PLACES, least: Decimal | None = None) -> Decimal:
    """
    Hold a number to the range of the product: |value| < 10¹², at most ``places`` decimals, ≥ ``least``.

    :raises NotANumber: no Decimal, or not finite.
    :raises OutOfRange: too large, or below ``least``.
    :raises TooManyDecimals: more decimals than the unit or currency has.
    """
    if not isinstance(value, Decimal) or not value.is_finite():
        raise NotANumber(value=str(value)[:40], name=name)
    if abs(value) >= LIMIT:
        raise OutOfRange(name=name, value=f"{value:.6g}", range="< 10¹²")
    if value != value.quantize(Decimal(1).scaleb(-places), ROUND_DOWN):
        raise TooManyDecimals(name=name, value=plain(value), places=places)
    if least is not None and value < least:
        raise OutOfRange(name=name, value=plain(value), range=f"≥ {plain(least)}")
    return value


def check_positive(value: Any, name: object, *, places: int = PLACES) -> Decimal:
    """As :func:`check`, and above zero."""
    number = check(value, name, places=places)
    if number <= 0:
        raise OutOfRange(name=name, value=plain(number), range="> 0")
    return number


def minor_units(currency: str) -> int:
    """:raises UnknownCurrency: not a code of ISO 4217."""
    try:
        return CURRENCIES[currency]
    except KeyError:
        raise UnknownCurrency(currency=str(currency)[:10]) from None


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Half up (away from zero at the half) at the currency's minor unit."""
    with localcontext(prec=60):
        return amount.quantize(Decimal(1).scaleb(-minor_units(currency)), ROUND_HALF_UP)


def times(price: Decimal, quantity: Decimal, currency: str) -> Decimal:
    """Price × quantity, rounded here."""
    with localcontext(prec=60):
        return round_money(price * quantity, currency)


def tax_within(total: Decimal, rate: Decimal, currency: str) -> Decimal:
    """The tax inside a tax-inclusive total: total × rate ÷ (1 + rate), rounded here. ``rate`` is 0.13 for 13 %."""
    with localcontext(prec=60):
        return round_money(total * rate / (1 + rate), currency)


def part(whole: Decimal, cumulative: Decimal, of: Decimal, taken: Decimal, currency: str) -> Decimal:
    """
    What the next part of a line is worth: round(whole × cumulative ÷ of) − taken, rounded here.

    Whoever takes part of a line goes through this function, so any split in any order sums to the line.

    :param cumulative: the quantity (or money) taken once this part is taken, of ``of`` in all.
    :param taken: what earlier parts were worth.
    """
    assert 0 <= cumulative <= of, (cumulative, of)
    assert of > 0, of
    with localcontext(prec=60):
        return round_money(whole * cumulative / of, currency) - taken


def at_average(value: Decimal, of: Decimal, quantity: Decimal, currency: str) -> Decimal:
    """What more of the same is worth: value × quantity ÷ of, rounded here. ``quantity`` may exceed ``of``."""
    assert of > 0, of
    with localcontext(prec=60):
        return round_money(value * quantity / of, currency)


def share(total: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """
    Split ``total`` over ``weights`` in minor units by largest remainder; ties go to the earlier weight.

    The shares sum to ``total``, and none exceeds its weight while ``total`` ≤ Σ ``weights``.
    """
    whole = sum(weights, ZERO)
    if not whole:
        assert not total, "nothing to share over"
        return [ZERO for _ in weights]
    unit = Decimal(1).scaleb(-minor_units(currency))
    with localcontext(prec=60):
        exact = [total * weight / whole for weight in weights]
        floor = [value.quantize(unit, ROUND_DOWN) for value in exact]
        missing = int((total - sum(floor, ZERO)) / unit)
    by_remainder = sorted(range(len(weights)), key=lambda i: (floor[i] - exact[i], i))
    for i in by_remainder[:missing]:
        floor[i] += unit
    return floor


def plain(value: Decimal) -> str:
    """Digits without exponent and without trailing zeros: 12, 0.5, −3.25."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


class Money(NamedTuple):
    """An amount to show: ``str`` gives ``8,999.00 CNY``."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount:,.{minor_units(self.currency)}f} {self.currency}"


class Quantity(NamedTuple):
    """A quantity to show: ``str`` gives ``3 台``, without needless decimals."""

    value: Decimal
    unit: object = ""

    def __str__(self) -> str:
        return f"{plain(self.value)} {self.unit}".rstrip()
