"""Every report there is, in the order the sidebar shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from erp.reports.closing import CLOSED, REASONS
from erp.reports.ledger import RECEIPTS, TRIAL_BALANCE, VOUCHERS
from erp.reports.orders import EXECUTION, OVERDUE
from erp.reports.receivables import AGEING, STATEMENT
from erp.reports.report import Report
from erp.reports.sales import MARGIN, SALES
from erp.reports.stock import MOVEMENTS, ON_HAND

if TYPE_CHECKING:
    from erp.kernel.models import User

REPORTS: Mapping[str, Report] = {
    report.name: report
    for report in (
        SALES,
        MARGIN,
        AGEING,
        STATEMENT,
        RECEIPTS,
        TRIAL_BALANCE,
        VOUCHERS,
        MOVEMENTS,
        ON_HAND,
        EXECUTION,
        OVERDUE,
        CLOSED,
        REASONS,
    )
}


def offered(user: User) -> list[Report]:
    """The reports a person may see."""
    return [report for report in REPORTS.values() if report.is_open_to(user)]
