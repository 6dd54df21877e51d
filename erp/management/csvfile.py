"""
CSV files people import: read whole and checked whole, before anything is written.

UTF-8, with or without the mark spreadsheets put at the start. Every cell is held to the texts the
product can store; every bad row is reported by its line, not only the first.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from django.core.management.base import CommandError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from erp.kernel import validation
from erp.kernel.acting import Decision
from erp.kernel.errors import Busy, DomainError, Forbidden, RefusedByDatabase, refusals
from erp.kernel.money import parse
from erp.management.base import Command, add_user_argument, decision_of

Draft = TypeVar("Draft")
_SHOWN = 50
# Nothing in the file could mend these.
_NOT_OF_A_ROW = (Forbidden, Busy, RefusedByDatabase)
_CELL_LIMIT = 10_000


class WrongCellCount(DomainError):
    code = "erp.wrong_cell_count"
    message = gettext_lazy("The row has %(cells)s cells, the heading has %(columns)s. Correct the row.")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells by column, and the line of the file it starts on."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> Decimal:
        """:raises NotANumber: anything but plain digits, a point, perhaps a minus."""
        return parse(self.cells[column], column)


@dataclass(slots=True)
class Problems:
    """What is wrong, by line."""

    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: object) -> None:
        self.found.append((line, str(reason)))

    def refuse(self, error: DomainError, rows: Sequence[Row]) -> None:
        """Note a service's refusal at the rows it is about; without an item it is about the first and all others."""
        if isinstance(error, _NOT_OF_A_ROW):
            raise error
        for refusal in refusals(error):
            self.add(rows[(refusal.item or 1) - 1].line, refusal)

    def report(self) -> str:
        lines = [
            _("line %(line)s: %(reason)s") % {"line": line, "reason": reason}
            for line, reason in sorted(self.found)[:_SHOWN]
        ]
        if len(self.found) > _SHOWN:
            lines.append(_("… and %(count)s more") % {"count": len(self.found) - _SHOWN})
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Table:
    """
    A file's rows.

    :ivar digest: SHA-256 of the file as it is: the same file is recognised by it.
    """

    rows: Sequence[Row]
    problems: Problems
    digest: str

    @property
    def reference(self) -> str:
        """What documents booked from the file are known by."""
        return f"SHA256:{self.digest[:48]}"


class ImportCommand(Command):
    """
    A command that takes over a CSV file, wholly or not at all.

    :cvar columns: the file's columns, in any order, none more and none less.
    :cvar optional: columns the file may have beside them; where it has not, their cells are empty.
    """

    columns: ClassVar[tuple[str, ...]]
    optional: ClassVar[tuple[str, ...]] = ()
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            metavar="FILE",
            help=_("CSV, UTF-8, with the columns %(columns)s") % {"columns": _list(self.columns, self.optional)},
        )
        add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        table = read(options["file"], self.columns, self.optional)
        with transaction.atomic():
            summary = self.load(table, decision_of(options), **options)
            if table.problems.found:
                self._refuse(table.problems)
        self.stdout.write(summary)

    def load(self, table: Table, decision: Decision, **options: Any) -> str:
        """
        Write what the table says, inside the transaction; what is wrong goes to its problems.

        :returns: the summary, for when nothing was wrong.
        """
        raise TypeError(f"{type(self).__name__} does not say what to do with the file")

    def drafts(self, table: Table, build: Callable[[Row], Draft]) -> Iterator[tuple[Row, Draft]]:
        """What every row means; a row that means nothing is a problem of the table."""
        for row in self.progress(table.rows, _("Checking rows")):
            try:
                yield row, build(row)
            except DomainError as error:
                table.problems.add(row.line, error)

    def _refuse(self, problems: Problems) -> None:
        self.stderr.write(problems.report())
        count = len({line for line, _reason in problems.found})
        text = ngettext(
            "%(count)s row is bad; nothing was imported.", "%(count)s rows are bad; nothing was imported.", count
        )
        raise CommandError(text % {"count": count})


def one_currency(rows: Sequence[Row], problems: Problems) -> str:
    """A warehouse keeps its value in one currency."""
    first = rows[0]
    for row in rows:
        if row["currency"] != first["currency"]:
            reason = _("Warehouse %(warehouse)s has %(currency)s here, but %(expected)s on line %(line)s.")
            problems.add(
                row.line,
                reason
                % {
                    "warehouse": row["warehouse"],
                    "currency": row["currency"],
                    "expected": first["currency"],
                    "line": first.line,
                },
            )
    return first["currency"]


def read(path: str, columns: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """:raises CommandError: there is no such file, it is not UTF-8, or its heading has other columns."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CommandError(
            _("%(file)s cannot be read: %(error)s") % {"file": path, "error": error.strerror}
        ) from error
    problems = Problems()
    records = _records(_decode(content, path), problems)
    _line, heading = next(records, (0, []))
    names = [cell.strip() for cell in heading]
    _check_heading(names, columns, optional, path)
    absent = dict.fromkeys(set(optional) - set(names), "")
    rows = []
    for line, cells in records:
        try:
            rows.append(Row(line, _cells(names, cells) | absent))
        except DomainError as error:
            problems.add(line, error)
    return Table(rows, problems, hashlib.sha256(content).hexdigest())


def _decode(content: bytes, path: str) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CommandError(_("%(file)s is UTF-16. Save it as “CSV UTF-8” and try again.") % {"file": path})
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CommandError(
            _(
                "%(file)s is not UTF-8: byte %(byte)s on line %(line)s does not belong there, as when a "
                "spreadsheet saved it in GB18030. Save it as “CSV UTF-8” and try again."
            )
            % {"file": path, "byte": f"0x{content[error.start]:02X}", "line": line}
        ) from error


def _records(content: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """The line each record starts on, and its cells; empty lines are left out."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        reason = _("This is no CSV (%(error)s), so nothing after it was read.") % {"error": error}
        problems.add(line, reason)


def _list(columns: Sequence[str], optional: Sequence[str]) -> str:
    return ", ".join([*columns, *(f"[{name}]" for name in optional)])


def _check_heading(names: Sequence[str], columns: Sequence[str], optional: Sequence[str], path: str) -> None:
    faults = {
        _("missing columns: %(names)s"): [name for name in columns if name not in names],
        _("unknown columns: %(names)s"): [name[:40] for name in names if name not in (*columns, *optional)],
        _("repeated columns: %(names)s"): sorted({name for name in (*columns, *optional) if names.count(name) > 1}),
    }
    found = [fault % {"names": ", ".join(wrong)} for fault, wrong in faults.items() if wrong]
    if found:
        raise CommandError(
            _("%(file)s has the wrong columns (%(faults)s). It needs: %(columns)s.")
            % {"file": path, "faults": "; ".join(found), "columns": _list(columns, optional)}
        )


def _cells(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(names):
        raise WrongCellCount(cells=len(cells), columns=len(names))
    return {name: validation.text(cell, name, limit=_CELL_LIMIT) for name, cell in zip(names, cells, strict=True)}
