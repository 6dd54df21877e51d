"""Values as people read them: amounts with their currency, structures as lists and tables."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from erp.kernel.money import Money, plain, round_money


def price(value: Decimal, currency: str) -> str:
    """As an amount; a price below the minor unit keeps its decimals: ``0.0345 CNY``."""
    money = Money(value, currency)
    exact = round_money(value, currency) == value
    return str(money) if exact else f"{plain(value)} {currency}"


def parsed(content: Any) -> Any:
    """A structure kept as JSON, or as text that is JSON."""
    return json.loads(content) if isinstance(content, str) else content


def structure(value: Any) -> SafeString:
    """Nested content as lists and tables."""
    if isinstance(value, Mapping):
        items = [(key, structure(item)) for key, item in value.items()]
        return format_html('<dl class="structure">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", items))
    if isinstance(value, list):
        return _table(value) if _is_table(value) else _list(value)
    return format_html("{}", "" if value is None else value)


def _is_table(rows: Sequence[Any]) -> bool:
    """Rows of the same keys."""
    return bool(rows) and all(isinstance(row, Mapping) and row.keys() == rows[0].keys() for row in rows)


def _table(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    head = format_html_join("", '<th scope="col">{}</th>', ((name,) for name in rows[0]))
    cells = [[(structure(row[name]),) for name in rows[0]] for row in rows]
    body = format_html_join("", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", row),) for row in cells))
    return format_html('<table class="structure"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, body)


def _list(items: Sequence[Any]) -> SafeString:
    entries = format_html_join("", "<li>{}</li>", ((structure(item),) for item in items))
    return format_html('<ol class="structure">{}</ol>', entries)
