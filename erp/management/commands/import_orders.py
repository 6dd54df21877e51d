"""Take over orders from a file."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from erp.kernel import masterdata
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.validation import Missing
from erp.management.csvfile import ImportCommand, Problems, Row, Table
from orders.models import Shop
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft, place_orders

# What every line of one order says alike.
_OF_ORDER = ("placed_at", "currency", "customer_code", "customer_name", "country")
_CHUNK = 200


class NotAMoment(DomainError):
    code = "erp.not_a_moment"
    message = gettext_lazy("“%(value)s” is no moment for %(name)s. Write it as 2026-11-02 10:03.")


class LinesDisagree(DomainError):
    code = "erp.lines_disagree"
    message = gettext_lazy(
        "%(name)s is “%(value)s” here, but “%(expected)s” on line %(line)s of the same order. Make them equal."
    )


@dataclass(slots=True)
class _Order:
    """The rows of one order, and what they mean."""

    head: Row
    placed_at: datetime
    rows: list[Row] = field(default_factory=list)
    lines: list[LineDraft] = field(default_factory=list)

    def add(self, row: Row, line: LineDraft, problems: Problems) -> None:
        for name in _OF_ORDER:
            if row[name] != self.head[name]:
                problems.add(
                    row.line,
                    LinesDisagree(name=name, value=row[name], expected=self.head[name], line=self.head.line),
                )
        self.rows.append(row)
        self.lines.append(line)

    def draft(self) -> OrderDraft:
        return OrderDraft(
            shop=self.head["shop"],
            external_number=self.head["external_id"],
            currency=self.head["currency"],
            placed_at=self.placed_at,
            customer=CustomerDraft(name=self.head["customer_name"], code=self.head["customer_code"]),
            shipping_address={"country": self.head["country"]},
            lines=self.lines,
        )


class Command(ImportCommand):
    help = (
        "Place the orders of FILE, which has a row per order line. Times without an offset are the company's; "
        "without a unit price the product's counts. One bad row, and nothing is imported; orders placed before "
        "stay as they are."
    )
    columns = (
        *("shop", "external_id", "placed_at", "currency", "customer_code", "customer_name", "country"),
        *("sku", "quantity", "unit_price"),
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--create-shop", action="store_true", help=_("make shops that do not exist yet"))

    def load(self, table: Table, decision: Decision, **options: Any) -> str:
        orders: dict[tuple[str, str], _Order] = {}
        for row, (placed_at, line) in self.drafts(table, _line):
            order = orders.setdefault(_key(row), _Order(row, placed_at))
            order.add(row, line, table.problems)
        # What an order with a bad row would be is not known: its other rows are not looked at any further.
        bad = {line for line, _reason in table.problems.found}
        broken = {_key(row) for row in table.rows if row.line in bad}
        whole = [order for key, order in orders.items() if key not in broken]
        if options["create_shop"]:
            _create_shops(whole, table.problems, decision)
        created = self._place(whole, table.problems, decision)
        return _("Orders: %(placed)s placed, %(known)s placed before.") % {
            "placed": created,
            "known": len(whole) - created,
        }

    def _place(self, orders: Sequence[_Order], problems: Problems, decision: Decision) -> int:
        """:returns: how many orders are new."""
        created = 0
        starts = range(0, len(orders), _CHUNK)
        for start in self.progress(starts, _("Placing orders")):
            chunk = orders[start : start + _CHUNK]
            placed = place_orders([order.draft() for order in chunk], decision=decision)
            for order, result in zip(chunk, placed, strict=True):
                created += result.created
                if result.error:
                    problems.refuse(result.error, order.rows)
        return created


def _key(row: Row) -> tuple[str, str]:
    return row["shop"], row["external_id"]


def _line(row: Row) -> tuple[datetime, LineDraft]:
    for column in ("shop", "external_id"):
        if not row[column]:
            raise Missing(name=column)
    price = row.number("unit_price") if row["unit_price"] else None
    return _moment(row, "placed_at"), LineDraft(sku=row["sku"], quantity=row.number("quantity"), unit_price=price)


def _moment(row: Row, column: str) -> datetime:
    try:
        moment = datetime.fromisoformat(row[column])
    except ValueError:
        raise NotAMoment(value=row[column][:40], name=column) from None
    # The first and last days of the calendar have no counterpart in other zones.
    if not 1970 <= moment.year <= 9998:
        raise NotAMoment(value=row[column][:40], name=column)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(settings.COMPANY_TIME_ZONE))
    return moment.astimezone(UTC)


def _create_shops(orders: Sequence[_Order], problems: Problems, decision: Decision) -> None:
    wanted = {order.head["shop"]: order.head for order in reversed(orders)}
    present = set(Shop.objects.filter(code__in=wanted).values_list("code", flat=True))
    for code in sorted(wanted.keys() - present):
        try:
            masterdata.add([Shop(code=code, name=code, currency=wanted[code]["currency"])], decision=decision)
        except DomainError as error:
            problems.refuse(error, [wanted[code]])
