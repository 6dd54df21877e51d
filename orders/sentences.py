"""Findings as closing records and waivers keep them, told in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from erp.kernel.shown import price
from erp.kernel.texts import Listing, Moment
from orders.contract import Block, Level, check_of
from orders.services import reviewing

_AMOUNT = re.compile(r"(-?[0-9.]+) ([A-Z]{3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Told:
    """A finding of then: its place in the checklist, its level, and its sentence."""

    block: Block
    level: Level
    text: str

    def __str__(self) -> str:
        word = f"{self.level.label}: " if self.level.is_exception else ""
        return f"{self.level.mark} {word}{self.text}"


def tell(finding: Mapping[str, Any]) -> Told:
    """:param finding: its code, level and params, as :meth:`orders.contract.Finding.snapshot` keeps them."""
    check = check_of(finding["code"])
    level = Level(finding["level"])
    text = check.passed if level == Level.PASSED else check.blocked
    params = {name: _shown(name, value) for name, value in finding["params"].items()}
    return Told(check.block, level, str(text) % params)


def _shown(name: str, value: Any) -> Any:
    """A value as it was shown; it is kept without language."""
    if isinstance(value, list):
        return Listing(_shown("", item) for item in value)
    if name == "at" and value:
        return Moment(datetime.fromisoformat(value))
    if name == "label":
        return reviewing.label_of(value)
    amount = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    return price(Decimal(amount[1]), amount[2]) if amount else value
