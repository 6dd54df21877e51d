"""CSV files whose rows are lines of documents, one document for each warehouse, booked all at once or not at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from erp.kernel.errors import DomainError
from erp.management.csvfile import Problems, Row
from inventory.services.counting import CountDraft
from inventory.services.goods import WarehousesRefused
from inventory.services.receiving import ReceiptDraft

Line = TypeVar("Line")
Draft = TypeVar("Draft", CountDraft, ReceiptDraft)


def by_warehouse(rows: Iterable[tuple[Row, Line]]) -> Mapping[str, list[tuple[Row, Line]]]:
    """Rows and what they mean by the code of their warehouse, in the order of the codes."""
    groups: dict[str, list[tuple[Row, Line]]] = {}
    for row, line in rows:
        groups.setdefault(row["warehouse"], []).append((row, line))
    return dict(sorted(groups.items()))


def book_new(
    drafts: Sequence[Draft],
    service: Callable[[Sequence[Draft]], object],
    known: type[DomainError],
    lines: Mapping[str, Sequence[tuple[Row, object]]],
    problems: Problems,
) -> Sequence[Draft]:
    """
    Book what is new: all of it or, where something is refused, none; that goes to the file's problems.

    :param known: how the service refuses what was booked before.
    :param lines: the rows of each warehouse.
    :returns: what is booked now.
    """
    if not drafts:
        return []
    try:
        service(drafts)
    except WarehousesRefused as refused:
        wrong = {place: error for place, error in refused.errors.items() if not isinstance(error, known)}
        for place, error in wrong.items():
            problems.refuse(error, [row for row, _line in lines[drafts[place].warehouse]])
        new = [draft for place, draft in enumerate(drafts) if place not in refused.errors]
        return [] if wrong or not new else book_new(new, service, known, lines, problems)
    return drafts
