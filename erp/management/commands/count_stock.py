"""Note what was counted, as a file says."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from erp.kernel.acting import Decision
from erp.kernel.validation import column
from erp.management.csvfile import ImportCommand, Row, Table, one_currency
from erp.management.warehousefile import book_new, by_warehouse
from inventory.models import Warehouse
from inventory.services.counting import AlreadyCounted, CountDraft, CountLine, count_warehouses

_Lines = Sequence[tuple[Row, CountLine]]


class Command(ImportCommand):
    help = (
        "Note the counted quantities of FILE: one stock-take per warehouse, which another person has to approve. "
        "The unit cost, tax excluded, is needed only for goods of which none is on hand. "
        "One bad row, and nothing is noted; the same file again is recognised and changes nothing."
    )
    columns = ("sku", "warehouse", "quantity", "currency")
    optional = ("unit_cost",)

    def load(self, table: Table, decision: Decision, **options: Any) -> str:
        lines = by_warehouse(self.drafts(table, _line))
        drafts = [_sheet(code, lines[code], table) for code in lines]
        new = book_new(drafts, partial(count_warehouses, decision=decision), AlreadyCounted, lines, table.problems)
        counted = sum(len(draft.lines) for draft in new)
        return _("Stock-takes: %(counted)s lines noted, %(known)s noted before.") % {
            "counted": counted,
            "known": sum(len(draft.lines) for draft in drafts) - counted,
        }


def _line(row: Row) -> CountLine:
    column(Warehouse, "code", row["warehouse"], required=True)
    cost = row.number("unit_cost") if row["unit_cost"] else None
    return CountLine(sku=row["sku"], quantity=row.number("quantity"), unit_cost=cost)


def _sheet(code: str, lines: _Lines, table: Table) -> CountDraft:
    """What was counted in one warehouse; where its rows disagree, that goes to the table's problems."""
    currency = one_currency([row for row, _line in lines], table.problems)
    return CountDraft(code, [line for _row, line in lines], table.reference, currency)
