"""
Closing accounting periods 会计期间结账: after their last day, in order, for ever.

``settings.PERIOD_CHECKS`` names functions ``check(period) → findings``; every blocker is shown at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from erp.kernel import invariants, outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.canonical import digest
from erp.kernel.errors import Busy, DomainError, NotFound
from erp.kernel.locks import Locks, lock, once_more_after, unit_of_work
from erp.kernel.texts import Day, Listing
from erp.kernel.transitions import permit
from finance import selectors
from finance.facts import voucher_digest
from finance.models import Payment, PaymentState, Period, ProposalState, Voucher, WriteOff
from orders.contract import Block, Check, Finding, Link
from orders.selectors import company_day

# A list longer than that is worked off from the list of its documents.
MOST_LINKS = 50

NOT_OVER = Check(
    "finance.period_not_over",
    Block.MONEY,
    passed=_("The period ended on %(last_day)s."),
    blocked=_("The period lasts until %(last_day)s."),
    hint=_("It can be closed from the day after."),
    role=_("Finance"),
)
EARLIER_OPEN = Check(
    "finance.earlier_period_open",
    Block.MONEY,
    passed=_("Every earlier period is closed."),
    blocked=_("Earlier periods are still open: %(periods)s."),
    hint=_("Close them first, oldest first."),
    role=_("Finance"),
)
UNDECIDED = Check(
    "finance.period_payments_unconfirmed",
    Block.MONEY,
    passed=_("Every payment with a value date up to %(last_day)s is confirmed or rejected."),
    blocked=_("Payments with a value date up to %(last_day)s are neither confirmed nor rejected: %(payments)s."),
    hint=_("Compare them with the bank statement, then confirm or reject them."),
    role=_("Finance"),
)
UNAPPROVED = Check(
    "finance.period_write_offs_undecided",
    Block.MONEY,
    passed=_("Every write-off requested by %(last_day)s is approved or rejected."),
    blocked=_("Write-offs requested by %(last_day)s are neither approved nor rejected: %(write_offs)s."),
    hint=_("Approve or reject them."),
    role=_("Chief accountant"),
)
BOOKS_BROKEN = Check(
    "finance.period_books_broken",
    Block.MONEY,
    passed=_("Stock and ledger prove themselves."),
    blocked=_("These rules of stock and ledger do not hold: %(rules)s."),
    hint=_("Run check_invariants and have the rows it names examined."),
    role=_("Chief accountant"),
)


class PeriodAlreadyClosed(DomainError):
    code = "finance.period_already_closed"
    message = _("The period %(period)s of %(currency)s was closed on %(at)s by %(name)s and stays closed.")


class PeriodRefused(DomainError):
    """Carries every finding about the period."""

    code = "finance.period_refused"
    message = _("The period %(period)s of %(currency)s cannot be closed: %(reasons)s")

    def __init__(self, period: Period, findings: list[Finding]) -> None:
        blockers = [finding for finding in findings if finding.is_blocker]
        super().__init__(
            period=f"{period.first_day:%Y-%m}",
            currency=period.currency,
            reasons=" ".join(finding.message for finding in blockers),
        )
        self.findings = findings


def close_period(period_id: int, *, decision: Decision) -> Period:
    """
    Close a month of one book: nothing posts into it any more, and a digest of its vouchers is kept.

    :raises Forbidden: ``finance.close_period`` is missing.
    :raises PeriodAlreadyClosed: :raises PeriodRefused: with every finding.
    """
    permit(decision.by, "finance.close_period")
    return _close(period_id, decision)


# Busy where somebody posted into the period in the moment it was locked.
@once_more_after(Busy)
def _close(period_id: int, decision: Decision) -> Period:
    # The books are proved as they are at one moment, not halfway through what others post meanwhile.
    with invariants.snapshot(writes=True), unit_of_work(decision):
        periods = lock(Period.objects.filter(pk=period_id), Locks.NUMBERS)
        if not periods:
            raise NotFound(label=Period._meta.verbose_name, ids=period_id)
        (period,) = periods
        if period.closed_at and period.closed_by:
            raise PeriodAlreadyClosed(
                period=f"{period.first_day:%Y-%m}",
                currency=period.currency,
                at=Day(company_day(period.closed_at)),
                name=period.closed_by.name,
            )
        findings = examine(period, decision.at)
        if any(finding.is_blocker for finding in findings):
            raise PeriodRefused(period, findings)
        period.closed_at, period.closed_by = decision.at, decision.by
        period.digest = content_digest(period)
        setwise.update([period], ["closed_at", "closed_by", "digest"], record=False)
        outbox.record("period.close", [period])
        return period


def examine(period: Period, at: datetime) -> list[Finding]:
    """Whether a period is over at a moment, and every finding of the configured checks about it."""
    is_over = company_day(at) > period.last_day
    configured = [finding for path in settings.PERIOD_CHECKS for finding in import_string(path)(period)]
    return [NOT_OVER.finding(None, is_over, last_day=Day(period.last_day)), *configured]


def content_digest(period: Period) -> str:
    """SHA-256 over the digests of the period's vouchers, in the order of their numbers."""
    return digest([voucher_digest(posted) for posted in selectors.posted(Voucher.objects.filter(period=period))])


def earlier_periods_closed(period: Period) -> Iterable[Finding]:
    earlier = Period.objects.filter(
        currency=period.currency, first_day__lt=period.first_day, closed_at__isnull=True
    ).order_by("first_day")
    months = {other.pk: f"{other.first_day:%Y-%m}" for other in earlier}
    links = [Link("finance.period", str(pk), month) for pk, month in months.items()]
    yield EARLIER_OPEN.finding(None, not months, links=links, periods=Listing(months.values()))


def payments_decided(period: Period) -> Iterator[Finding]:
    """The day the money came decides, not the day somebody said so: a late report is of its own month."""
    open_payments = Payment.objects.filter(
        order__currency=period.currency, status=PaymentState.REPORTED, received_at__lt=_end(period)
    ).order_by("pk")
    numbers, links = linked("finance.payment", open_payments)
    yield UNDECIDED.finding(None, not numbers, links=links, last_day=Day(period.last_day), payments=Listing(numbers))


def write_offs_decided(period: Period) -> Iterator[Finding]:
    open_write_offs = WriteOff.objects.filter(
        order__currency=period.currency, status=ProposalState.REQUESTED, requested_at__lt=_end(period)
    ).order_by("pk")
    numbers, links = linked("finance.writeoff", open_write_offs)
    yield UNAPPROVED.finding(
        None, not numbers, links=links, last_day=Day(period.last_day), write_offs=Listing(numbers)
    )


def linked(model: str, documents: Any) -> tuple[list[str], list[Link]]:
    """The numbers of documents that stop a period, and where the first of them are found."""
    rows = list(documents.values_list("pk", "number"))
    return [number for _pk, number in rows], [Link(model, str(pk), number) for pk, number in rows[:MOST_LINKS]]


def _end(period: Period) -> datetime:
    """The first moment after it, in the company's zone."""
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    return datetime.combine(period.last_day + timedelta(days=1), time.min, zone)


def books_prove(period: Period) -> Iterator[Finding]:
    """The invariants of stock and ledger, over everything: a period is not sealed over broken books."""
    rules = [rule.name for rule, _rows in invariants.broken() if rule.name.split(".")[0] in ("finance", "inventory")]
    yield BOOKS_BROKEN.finding(None, not rules, rules=Listing(rules))
