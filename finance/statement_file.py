"""
Files of a bank or payment service: read whole and checked whole, before anything is made of them.

UTF-8, with or without the mark spreadsheets put at the start, or GB18030, as banks in China write it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel.canonical import digest
from erp.kernel.errors import DomainError, SeveralRefused
from erp.kernel.money import check, minor_units, parse
from erp.kernel.texts import Day, Listing
from erp.kernel.validation import column
from finance.models import StatementLine

MOST_BYTES, MOST_LINES = 10 * 1024 * 1024, 10_000

# What a column may be called: our own word, and those of banks' exports.
HEADINGS: Mapping[str, Sequence[str]] = {
    "date": ("date", "日期", "交易日期", "交易时间", "入账日期", "记账日期"),
    "amount": ("amount", "金额", "交易金额", "收入金额", "贷方发生额"),
    "reference": ("reference", "备注", "摘要", "附言", "流水号", "交易流水号", "参考号", "用途"),
    "counterparty": ("counterparty", "对方", "对方户名", "对方名称", "付款人", "付款人名称"),
}

_SEPARATED = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", re.ASCII)
_DATE = re.compile(r"([0-9]{4})(?:[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})|([0-9]{2})([0-9]{2}))(?:[ T].*)?", re.ASCII)


class StatementTooLarge(DomainError):
    code = "finance.statement_too_large"
    message = _(
        "The file has more than %(limit)s. Ask the bank for a shorter time, and bring one file after the other."
    )


class StatementUnreadable(DomainError):
    code = "finance.statement_unreadable"
    message = _("The file is no CSV (%(reason)s). Save it as CSV, in UTF-8 or GB18030.")


class StatementColumns(DomainError):
    code = "finance.statement_columns"
    message = _("The first line has to name every column once: %(columns)s. Missing or named twice: %(wrong)s.")


class StatementEmpty(DomainError):
    code = "finance.statement_empty"
    message = _("The file has no line below its heading. Ask the bank for another time.")


class BadStatementLine(DomainError):
    code = "finance.statement_line_bad"
    message = _("Line %(line)s: %(reason)s")


class NoDate(DomainError):
    code = "finance.statement_no_date"
    message = _("“%(value)s” is no date. Write it as 2026-11-24.")


class DateToCome(DomainError):
    code = "finance.statement_date_to_come"
    message = _("%(date)s has not come yet. A statement tells what has happened.")


@dataclass(frozen=True, slots=True)
class BankLine:
    """
    One line: ``amount`` in the statement's currency, negative where money left.

    :ivar no: where it stands in the file. :ivar digest: of what it says, and which of several equal ones it is.
    """

    no: int
    date: date
    amount: Decimal
    reference: str
    counterparty: str
    digest: str = ""


def read(content: bytes, *, method: str, currency: str, today: date) -> list[BankLine]:
    """
    The lines of a file; all that are bad are named, and then none is given.

    :param today: the company's day, after which nothing can have happened.
    :raises StatementTooLarge: :raises StatementUnreadable: :raises StatementColumns: :raises StatementEmpty:
    :raises BadStatementLine: of the only bad line. :raises SeveralRefused: of several.
    """
    if len(content) > MOST_BYTES:
        raise StatementTooLarge(limit=f"{MOST_BYTES // 1024 // 1024} MB")
    records = list(_records(_decoded(content)))
    if not records:
        raise StatementEmpty
    (_no, heading), *rows = records
    places = _places(heading)
    if not rows:
        raise StatementEmpty
    lines, bad = [], []
    for no, cells in rows:
        try:
            lines.append(_line(no, {name: cells[i] if i < len(cells) else "" for name, i in places.items()}, currency))
            if lines[-1].date > today:
                raise DateToCome(date=Day(lines[-1].date))
        except DomainError as error:
            bad.append(BadStatementLine(line=no, reason=str(error)))
    if bad:
        raise bad[0] if len(bad) == 1 else SeveralRefused(bad)
    return signed(lines, method=method, currency=currency)


def signed(lines: Iterable[BankLine], *, method: str, currency: str) -> list[BankLine]:
    """The same lines with their digests: equal ones of one file are told apart by how many came before."""
    before: Counter[tuple[str, ...]] = Counter()
    result = []
    for line in lines:
        said = (method, currency, line.date.isoformat(), f"{line.amount:f}", line.reference, line.counterparty)
        result.append(replace(line, digest=digest([*said, str(before[said])])))
        before[said] += 1
    return result


def _decoded(content: bytes) -> str:
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("gb18030")
    except UnicodeDecodeError as error:
        raise StatementUnreadable(reason=f"0x{content[error.start]:02X}") from error


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """The line each record starts on, and its cells; empty lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line, count = 1, 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                count += 1
                yield line, cells
            if count > MOST_LINES + 1:
                raise StatementTooLarge(limit=_("%(count)s lines") % {"count": MOST_LINES})
            line = reader.line_num + 1
    except csv.Error as error:
        raise StatementUnreadable(reason=str(error)) from error


def _places(heading: Sequence[str]) -> Mapping[str, int]:
    """Where each column is; columns of no concern are passed over."""
    names = [name.strip().lower() for name in heading]
    found = {column: [i for i, name in enumerate(names) if name in words] for column, words in HEADINGS.items()}
    wrong = [column for column, places in found.items() if len(places) != 1]
    if wrong:
        raise StatementColumns(columns=Listing(HEADINGS), wrong=Listing(wrong))
    return {column: places[0] for column, places in found.items()}


def _line(no: int, cells: Mapping[str, str], currency: str) -> BankLine:
    amount = cells["amount"].strip()
    if _SEPARATED.fullmatch(amount):
        amount = amount.replace(",", "")
    return BankLine(
        no,
        _date(cells["date"].strip()),
        check(parse(amount, _("Amount")), _("Amount"), places=minor_units(currency)),
        column(StatementLine, "reference", cells["reference"]),
        column(StatementLine, "counterparty", cells["counterparty"]),
    )


def _date(text: str) -> date:
    match = _DATE.fullmatch(text)
    if match:
        year, *parts = (int(part) for part in match.groups() if part)
        try:
            return date(year, *parts)
        except ValueError:
            pass
    raise NoDate(value=text[:40])
