"""Receive the goods of a file into stock."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from erp.kernel import masterdata
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.validation import column
from erp.management.csvfile import ImportCommand, Row, Table, one_currency
from erp.management.warehousefile import book_new, by_warehouse
from inventory.models import Warehouse
from inventory.services.receiving import AlreadyReceived, ReceiptDraft, ReceiptDraftLine, receive_deliveries

_Lines = Sequence[tuple[Row, ReceiptDraftLine]]


class Command(ImportCommand):
    help = (
        "Receive the goods of FILE: one receipt per warehouse, made where it is missing. The unit cost excludes tax. "
        "One bad row, and nothing is received; the same file again is recognised and changes nothing."
    )
    columns = ("sku", "warehouse", "quantity", "unit_cost", "currency")

    def load(self, table: Table, decision: Decision, **options: Any) -> str:
        lines = by_warehouse(self.drafts(table, _line))
        made = (_delivery(code, lines[code], table, decision) for code in lines)
        drafts = [draft for draft in made if draft]
        receive = partial(receive_deliveries, decision=decision)
        new = book_new(drafts, receive, AlreadyReceived, lines, table.problems)
        received = sum(len(draft.lines) for draft in new)
        return _("Stock: %(received)s lines received, %(known)s received before.") % {
            "received": received,
            "known": sum(len(draft.lines) for draft in drafts) - received,
        }


def _line(row: Row) -> ReceiptDraftLine:
    column(Warehouse, "code", row["warehouse"], required=True)
    return ReceiptDraftLine(sku=row["sku"], quantity=row.number("quantity"), unit_cost=row.number("unit_cost"))


def _delivery(code: str, lines: _Lines, table: Table, decision: Decision) -> ReceiptDraft | None:
    """What came for one warehouse, which is made where it is missing; what is wrong goes to the table's problems."""
    currency = one_currency([row for row, _line in lines], table.problems)
    if not Warehouse.objects.filter(code=code).exists():
        try:
            masterdata.add([Warehouse(code=code, name=code, currency=currency)], decision=decision)
        except DomainError as error:
            table.problems.refuse(error, [row for row, _line in lines])
            return None
    return ReceiptDraft(code, [line for _row, line in lines], table.reference, currency)
