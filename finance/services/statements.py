"""
Bank statements: kept as they are read, and what they prove is reported by one person and confirmed by another.

A line is taken over only once, from whatever file: the same file again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError, NotFound, RefusedByDatabase
from erp.kernel.locks import unit_of_work
from erp.kernel.models import User
from erp.kernel.numbering import numbers
from erp.kernel.transitions import permit
from erp.kernel.validation import column
from finance import matching
from finance.matching import Examined, Verdict
from finance.models import Payment, Statement, StatementLine, StatementMatch, StatementUse
from finance.services import payments
from finance.statement_file import BankLine
from orders.selectors import company_day


class StatementChanged(DomainError):
    code = "finance.statement_changed"
    message = _("Payments of this statement were reported or confirmed meanwhile. Look at what is shown now.")


class NothingToConfirm(DomainError):
    code = "finance.statement_nothing_to_confirm"
    message = _("No line of this statement fits payments you could confirm. Cashiers report what is missing first.")


class NothingToReport(DomainError):
    code = "finance.statement_nothing_to_report"
    message = _("No line of this statement names an order for which a payment is missing.")


class AllReportedByYourself(DomainError):
    code = "finance.statement_reported_by_yourself"
    message = _(
        "%(name)s reported every payment that fits this statement and may not confirm them too. Somebody else of "
        "finance has to."
    )


class Use(models.TextChoices):
    """What is done with a statement beside keeping it."""

    KEEP = "keep", _("Keep the statement only")
    CONFIRM = "confirm", _("Confirm what fits")
    REPORT = "report", _("Report what is missing")


RIGHTS = {Use.CONFIRM: "finance.confirm_payment", Use.REPORT: "finance.report_payment"}


@dataclass(frozen=True, slots=True)
class StatementDraft:
    """A file that was read. :ivar name: its name, to be recognised by."""

    name: str
    method: str
    currency: str
    lines: Sequence[BankLine]


@dataclass(frozen=True, slots=True)
class Taken:
    """
    What became of a file.

    :ivar statement: the new one, or the latest that knows its lines. :ivar new: how many lines were new.
    :ivar known: how many were not. :ivar payments: confirmed or reported now.
    """

    statement: Statement
    new: int
    known: int
    payments: Sequence[Payment]


def may_use(user: User, use: Use) -> bool:
    """Whoever confirms or reports payments may also just keep a statement."""
    wanted = [RIGHTS[use]] if use in RIGHTS else list(RIGHTS.values())
    return any(user.has_perm(right) for right in wanted)


def take_over(draft: StatementDraft, use: Use, *, decision: Decision, seen: str = "") -> Taken:
    """
    Keep what is new of a statement, and confirm or report what its new lines prove, in one transaction.

    :param seen: the fingerprint of what the person was shown; empty: nothing was.
    :raises Forbidden: the permission to confirm or report payments is missing.
    :raises StatementChanged: it would not be done what was shown. :raises DomainError: of the payments' services.
    """
    _permit(use, decision)
    try:
        return _take_over(draft, use, decision, seen)
    except RefusedByDatabase:
        # In the same moment somebody took over these lines: now they are there to see.
        return _take_over(draft, use, decision, seen)


def use_statement(statement_id: int, use: Use, *, decision: Decision) -> Taken:
    """
    Confirm or report what a kept statement proves by now.

    :raises NotFound: not in the actor's scope. :raises Forbidden: the permission is missing.
    :raises NothingToConfirm: :raises AllReportedByYourself: :raises NothingToReport:
    """
    statement = Statement.objects.visible_to(decision.by).filter(pk=statement_id).first()
    if statement is None:
        raise NotFound(label=Statement._meta.verbose_name, ids=str(statement_id))
    _permit(use, decision)
    with unit_of_work(decision):
        examined = matching.examine_statement(statement, decision.by)
        used = _use(examined, statement, use, decision)
        if not used:
            raise _nothing(examined, use, decision)
        return Taken(statement, 0, len(examined), used)


def _permit(use: Use, decision: Decision) -> None:
    if not may_use(decision.by, use):
        permit(decision.by, RIGHTS.get(use, RIGHTS[Use.REPORT]))


def _take_over(draft: StatementDraft, use: Use, decision: Decision, seen: str) -> Taken:
    with unit_of_work(decision):
        examined = matching.examine(draft.lines, method=draft.method, currency=draft.currency, user=decision.by)
        new = [each for each in examined if each.known is None]
        known = [each.known for each in examined if each.known is not None]
        if not new:
            return Taken(max(known, key=lambda statement: statement.pk), 0, len(known), [])
        if seen and seen != matching.fingerprint(examined):
            raise StatementChanged
        statement = _keep(draft, new, len(known), decision)
        return Taken(statement, len(new), len(known), _use(new, statement, use, decision))


def _keep(draft: StatementDraft, new: Sequence[Examined], known: int, decision: Decision) -> Statement:
    (number,) = numbers("BS", company_day(decision.at).year, 1)
    statement: Statement = Statement(
        number=number,
        name=column(Statement, "name", draft.name),
        method=draft.method,
        currency=draft.currency,
        known=known,
    )
    Statement.objects.bulk_create([statement])
    StatementLine.objects.bulk_create(
        StatementLine(
            statement=statement,
            no=each.line.no,
            date=each.line.date,
            amount=each.line.amount,
            reference=each.line.reference,
            counterparty=each.line.counterparty,
            digest=each.line.digest,
        )
        for each in new
    )
    return statement


def _use(examined: Sequence[Examined], statement: Statement, use: Use, decision: Decision) -> list[Payment]:
    match use:
        case Use.CONFIRM:
            return _confirm(examined, statement, decision)
        case Use.REPORT:
            return _report(examined, statement, decision)
    return []


def _confirm(examined: Sequence[Examined], statement: Statement, decision: Decision) -> list[Payment]:
    """Never what the same person reported: two pairs of eyes see money in."""
    lines = {
        payment.pk: each
        for each in examined
        if each.verdict == Verdict.MATCHED and not each.own
        for payment in each.reported
    }
    confirmed = payments.confirm_payments(lines, decision=decision) if lines else []
    _match(statement, StatementUse.CONFIRMED, [(lines[payment.pk], payment) for payment in confirmed])
    return confirmed


def _report(examined: Sequence[Examined], statement: Statement, decision: Decision) -> list[Payment]:
    proposed = [each for each in examined if each.verdict == Verdict.PROPOSED]
    drafts = [
        payments.PaymentDraft(
            order_id=each.order.pk,
            method=statement.method,
            reference=each.reference,
            amount=each.line.amount,
            currency=statement.currency,
            received_at=_received(each.line.date),
        )
        for each in proposed
        if each.order
    ]
    reported = payments.report_payments(drafts, decision=decision) if drafts else []
    _match(statement, StatementUse.REPORTED, list(zip(proposed, reported, strict=True)))
    return reported


def _match(statement: Statement, use: StatementUse, matched: Sequence[tuple[Examined, Payment]]) -> None:
    rows = dict(StatementLine.objects.filter(statement=statement).values_list("digest", "pk")) if matched else {}
    StatementMatch.objects.bulk_create(
        StatementMatch(line_id=rows[each.line.digest], payment=payment, use=use) for each, payment in matched
    )


def _received(day: date) -> datetime:
    """A statement knows the day only: its beginning, which has passed wherever the day has begun."""
    return datetime.combine(day, time.min, ZoneInfo(settings.COMPANY_TIME_ZONE))


def _nothing(examined: Sequence[Examined], use: Use, decision: Decision) -> DomainError:
    if use == Use.REPORT:
        return NothingToReport()
    own = any(each.verdict == Verdict.MATCHED and each.own for each in examined)
    return AllReportedByYourself(name=decision.by.name) if own else NothingToConfirm()
