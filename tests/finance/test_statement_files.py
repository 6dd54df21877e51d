"""Files of banks are read as banks write them, and refused with every bad line."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.errors import DomainError, SeveralRefused
from finance import statement_file
from finance.statement_file import (
    BadStatementLine,
    BankLine,
    DateToCome,
    NoDate,
    StatementColumns,
    StatementEmpty,
    StatementTooLarge,
    StatementUnreadable,
)
from tests.finance.statements import HEADING

TODAY = date(2026, 1, 31)


def read(content: str | bytes, **kwargs: Any) -> list[BankLine]:
    content = content.encode() if isinstance(content, str) else content
    return statement_file.read(content, **{"method": "bank", "currency": "CNY", "today": TODAY, **kwargs})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_file_in_every_usual_encoding(encoding: str) -> None:
    (line,) = read(f'{HEADING}\n2026-01-05,"1,234.50",货款,云杉公司\n'.encode(encoding))

    assert (line.no, line.date, line.amount) == (2, date(2026, 1, 5), Decimal("1234.50"))
    assert (line.reference, line.counterparty) == ("货款", "云杉公司")


def test_a_banks_own_headings_in_any_order_with_columns_of_no_concern() -> None:
    (line,) = read("币种,对方户名,交易金额,摘要,交易日期\nCNY,云杉,8,货款,2026/1/5 10:03:22\n")

    assert (line.date, line.amount, line.counterparty) == (date(2026, 1, 5), 8, "云杉")


@pytest.mark.parametrize("day", ["2026-01-05", "2026/1/5", "2026.01.05", "20260105", "2026-01-05T10:00:00"])
def test_dates_as_banks_write_them(day: str) -> None:
    assert read(f"{HEADING}\n{day},8,r,c\n")[0].date == date(2026, 1, 5)


def test_equal_lines_have_digests_of_their_own_and_the_same_ones_every_time() -> None:
    content = f"{HEADING}\n2026-01-05,8,r,c\n2026-01-05,8,r,c\n2026-01-06,8,r,c\n"

    digests = [line.digest for line in read(content)]

    assert len(set(digests)) == 3
    assert [line.digest for line in read(content)] == digests
    assert not {line.digest for line in read(content, method="alipay")} & set(digests)


def test_every_bad_line_is_named() -> None:
    rows = ["yesterday,8,r,c", "2026-02-30,8,r,c", "2026-01-05,eight,r,c", "2026-01-05,1.234,r,c", "2026-02-01,8,r,c"]

    with pytest.raises(SeveralRefused) as refused:
        read("\n".join([HEADING, "2026-01-05,8,r,c", *rows]))

    assert [error.params["line"] for error in refused.value.errors] == [3, 4, 5, 6, 7]
    assert all(isinstance(error, BadStatementLine) for error in refused.value.errors)
    said = [str(error) for error in refused.value.errors]
    assert str(NoDate(value="yesterday")) in said[0]
    assert str(DateToCome(date="02/01/2026"))[-8:] in said[4]


@pytest.mark.parametrize("cell", ["r\x00", "r\u202e", "r" * 201])
def test_what_cannot_be_kept_is_refused(cell: str) -> None:
    with pytest.raises(BadStatementLine):
        read(f"{HEADING}\n2026-01-05,8,{cell},c\n")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", StatementEmpty),
        (f"{HEADING}\n\n", StatementEmpty),
        ("date,amount,reference\n2026-01-05,8,r\n", StatementColumns),
        (f"{HEADING},amount\n2026-01-05,8,r,c,9\n", StatementColumns),
        (f'{HEADING}\n2026-01-05,8,"r,c\n', StatementUnreadable),
        (b"\xff\xff\xff\xff", StatementUnreadable),
        (HEADING.encode() + b"\n" + b"2026-01-05,8,r,c\n" * 10_001, StatementTooLarge),
        (b" " * (10 * 1024 * 1024 + 1), StatementTooLarge),
    ],
)
def test_a_file_that_is_no_statement(content: Any, error: type[DomainError]) -> None:
    with pytest.raises(error):
        read(content)


def test_ten_thousand_lines_are_read() -> None:
    assert len(read(HEADING.encode() + b"\n" + b"2026-01-05,8,r,c\n" * 10_000)) == 10_000
