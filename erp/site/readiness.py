"""
Which completed orders can be closed, worked out in the background for lists to count and filter by.

What depends on who closes (conflicts of duty) is left out: it is found when somebody does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F, Max, Q, QuerySet

from erp.kernel import setwise
from erp.kernel.acting import current
from erp.kernel.canonical import dumps
from erp.site.models import Readiness
from orders.contract import Block, Finding
from orders.models import CheckPolicy, Order, Status
from orders.selectors import company_day
from orders.services import lifecycle
from orders.services.lifecycle import Outcome

BATCH = 200
REVIEWS = frozenset({"orders.review_missing", "orders.review_stale"})


def refresh(now: datetime) -> bool:
    """
    A job of the worker: look at the next completed orders that nobody has looked at as they are now.

    :returns: whether more wait.
    """
    gone = list(Readiness.objects.exclude(order__status=Status.COMPLETED).order_by("pk")[:BATCH])
    setwise.delete(gone)
    policy = newest_policy()
    ids = list(_outdated(now, policy).values_list("pk", flat=True)[:BATCH])
    if ids:
        outcomes = lifecycle.preview("close", ids, current())
        _write([_row(outcome, policy, now) for outcome in outcomes if outcome.error is None])
    return BATCH in (len(gone), len(ids))


def newest_policy() -> int:
    """The state of check policy: the newest entry of its history."""
    history: Any = CheckPolicy.history
    return int(history.aggregate(newest=Max("history_id"))["newest"] or 0)


def _outdated(now: datetime, policy: int) -> QuerySet[Order]:
    """Completed orders without a row that tells of them as they are, on this day, by today's policy."""
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    today = datetime.combine(company_day(now), time.min, zone)
    outdated = (
        Q(readiness=None)
        | ~Q(readiness__version=F("version"))
        | Q(readiness__checked_at__lt=today)
        | ~Q(readiness__policy=policy)
    )
    completed = Order.objects.visible_to(current().by).filter(status=Status.COMPLETED)
    return completed.filter(outdated).order_by("pk")


def _row(outcome: Outcome, policy: int, now: datetime) -> Readiness:
    blockers = _worst_first(finding for finding in outcome.blockers if finding.block != Block.DUTY)
    codes = {finding.code for finding in blockers}
    return Readiness(
        order_id=outcome.order_id,
        version=outcome.version,
        ready=not blockers,
        only_reviews=bool(codes) and codes <= REVIEWS,
        codes=f"|{'|'.join(sorted(codes))}|" if codes else "|",
        blockers=[{"code": finding.code, "params": json.loads(dumps(finding.params))} for finding in blockers],
        policy=policy,
        checked_at=now,
    )


def _worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """What is shown first is what has to be done first: reviews come once everything else is done."""
    return sorted(findings, key=lambda finding: finding.code in REVIEWS)


def _write(rows: Sequence[Readiness]) -> None:
    """Another worker may have written the same ones: the last one wins, and both know the order's version."""
    written = [field.name for field in Readiness._meta.concrete_fields if not field.primary_key]
    Readiness.objects.bulk_create(rows, update_conflicts=True, unique_fields=["order"], update_fields=written)
