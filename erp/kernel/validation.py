"""Texts and moments a person, a file or a shop supplied: the same verdict on every database."""

import unicodedata
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import DomainError
from erp.kernel.texts import Moment

# Line breaks and tabs are writing; everything else below space, and what reorders text, is not.
_ALLOWED_CONTROLS = {"\n", "\r", "\t"}
# How far the clocks of shops and carriers may go ahead of ours.
_AHEAD = timedelta(minutes=10)
_REORDERING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class BadText(DomainError):
    code = "kernel.bad_text"
    message = _("%(name)s contains a character that cannot be stored (%(character)s). Remove it.")


class TooLong(DomainError):
    code = "kernel.too_long"
    message = _("%(name)s has %(length)s characters, at most %(limit)s are possible. Shorten it.")


class Missing(DomainError):
    code = "kernel.missing"
    message = _("%(name)s is missing. Fill it in.")


class WithoutZone(DomainError):
    code = "kernel.moment_without_zone"
    message = _("%(name)s: %(moment)s does not say in which time zone. Add the offset, such as +08:00.")


class InTheFuture(DomainError):
    code = "kernel.in_the_future"
    message = _("%(name)s: %(moment)s has not come yet. Give a moment that has passed.")


def text(value: object, name: object, *, limit: int, required: bool = False) -> str:
    """
    A text fit to be stored: no control or reordering characters, NFC, no blanks around, ≤ ``limit``.

    :raises BadText: NUL, lone surrogates, control or bidirectional override characters, no string at all.
    :raises TooLong: longer than the column. :raises Missing: empty though ``required``.
    """
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise BadText(name=name, character=type(value).__name__)
    for character in value:
        category = unicodedata.category(character)
        if (category in {"Cc", "Cs"} and character not in _ALLOWED_CONTROLS) or character in _REORDERING:
            raise BadText(name=name, character=f"U+{ord(character):04X}")
    value = unicodedata.normalize("NFC", value).strip()
    if len(value) > limit:
        raise TooLong(name=name, length=len(value), limit=limit)
    if required and not value:
        raise Missing(name=name)
    return value


def column(model: type[models.Model], field: str, value: object, *, required: bool = False) -> str:
    """:func:`text` with the name and the length of a model's column."""
    described: Any = model._meta.get_field(field)
    return text(value, described.verbose_name, limit=described.max_length or 10_000, required=required)


def passed(moment: datetime, now: datetime, name: object) -> datetime:
    """
    A moment at which something is said to have happened.

    :raises WithoutZone: :raises InTheFuture: more than ten minutes after ``now``.
    """
    if moment.tzinfo is None:
        raise WithoutZone(name=name, moment=moment.isoformat())
    if moment > now + _AHEAD:
        raise InTheFuture(name=name, moment=Moment(moment))
    return moment
