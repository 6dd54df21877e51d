"""
The canonical form of a content: JSON of strings only, sorted keys, moments in UTC with microseconds.

Digests are SHA-256 over it, so that the same facts give the same digest on every database and for ever.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from erp.kernel.money import Money, Quantity, plain
from erp.kernel.texts import Day, Moment, Term

_Form = Callable[[Any], Any]


class _Forms(dict[type, _Form]):
    def __missing__(self, kind: type) -> _Form:
        """Of a subclass, such as an enumeration: that of its first known base, kept for the next one."""
        for base, form in self.items():
            if issubclass(kind, base):
                self[kind] = form
                return form
        raise TypeError(f"{kind.__name__} has no canonical form")


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): _FORMS[type(item)](item) for key, item in value.items()}


def _sequence(value: Sequence[Any]) -> list[Any]:
    return [_FORMS[type(item)](item) for item in value]


_FORMS = _Forms(
    {
        str: str,
        type(None): lambda value: "",
        bool: lambda value: "true" if value else "false",
        int: str,
        UUID: str,
        Decimal: plain,
        Money: lambda value: f"{plain(value.amount)} {value.currency}",
        Quantity: lambda value: plain(value.value),
        Term: lambda value: str(value.key),
        datetime: lambda value: value.astimezone(UTC).isoformat(timespec="microseconds"),
        date: lambda value: value.isoformat(),
        Moment: lambda value: canonical(value.at),
        Day: lambda value: canonical(value.day),
        Mapping: _mapping,
        list: _sequence,
        tuple: _sequence,
    }
)


def canonical(value: Any) -> Any:
    """
    Turn a value into nested dicts and lists of strings; ``None`` becomes the empty string.

    :raises TypeError: for floats, sets and whatever else has no canonical form.
    """
    return _FORMS[type(value)](value)


def dumps(value: Any) -> str:
    return text(canonical(value))


def text(content: Any) -> str:
    """The one text of a content that is canonical already."""
    return _JSON.encode(content)


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def digest(value: Any) -> str:
    return sha256(dumps(value))


def salted(value: str, salt: str) -> str:
    """A person's datum as a digest nobody can invert once the salt is erased; empty stays empty."""
    return sha256(f"{salt}:{value}") if value else ""
