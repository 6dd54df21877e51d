"""Bank statements for tests."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.utils import timezone

from erp.kernel.models import User
from finance import statement_file
from finance.models import Statement
from finance.services import statements
from finance.services.statements import StatementDraft, Taken, Use
from orders.selectors import company_day
from tests.factories import actor, decide

HEADING = "date,amount,reference,counterparty"


def csv_of(lines: Iterable[tuple[Any, str]], day: str = "2026-01-05") -> bytes:
    """Amounts and references, as a bank writes them."""
    rows = [f"{day},{amount},{reference},客户" for amount, reference in lines]
    return "\n".join([HEADING, *rows, ""]).encode()


def draft(content: bytes, *, method: str = "bank", currency: str = "CNY") -> StatementDraft:
    today = company_day(timezone.now())
    lines = statement_file.read(content, method=method, currency=currency, today=today)
    return StatementDraft("jan.csv", method, currency, lines)


def take(lines: Sequence[tuple[Any, str]], use: Use = Use.KEEP, by: User | None = None, **kwargs: Any) -> Taken:
    by = by or actor("cashier" if use == Use.REPORT else "accountant")
    return statements.take_over(draft(csv_of(lines), **kwargs), use, decision=decide(by))


def kept(amount: Decimal | int | str = 100, reference: str = "R-1") -> Statement:
    """A statement of one line."""
    return take([(amount, reference)]).statement
