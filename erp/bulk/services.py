"""
Starting, pausing and working off bulk runs.

A run's orders are fixed when it is drafted. Pieces of them are taken under a lease, done by the service that does one,
and told afterwards; what was done before a crash is known by the run's request id, so nothing is done twice and
nothing is told wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from erp.bulk.acts import BulkAct, all_acts
from erp.bulk.models import BulkItem, BulkRun, ItemState, RunState
from erp.kernel import setwise
from erp.kernel.acting import Channel, Decision, current
from erp.kernel.canonical import dumps
from erp.kernel.errors import Busy, DomainError, NotFound
from erp.kernel.locks import lock, once_more_after, unit_of_work
from erp.kernel.transitions import permit
from erp.kernel.validation import text
from orders.models import Order
from orders.services import catalogue
from orders.services.lifecycle import Outcome

PIECE = 200
MOST = 50_000
NOTE = 500
# A piece takes a second or two; one that is taken over too early is still done once.
LEASE = timedelta(seconds=10)
FORGOTTEN = timedelta(days=1)


class NothingSelected(DomainError):
    code = "bulk.nothing_selected"
    message = _("No order is selected. Select some, or the whole view, then choose what to do.")


class TooManySelected(DomainError):
    code = "bulk.too_many"
    message = _("%(count)s orders are selected; at most %(limit)s are taken at once. Narrow the view first.")


class RunMovedOn(DomainError):
    code = "bulk.moved_on"
    message = _("This run is “%(state)s” by now. Open it again to see how far it is.")


def draft(act: str, order_ids: Iterable[int], *, decision: Decision) -> BulkRun:
    """
    Fix which orders a run is about; it waits until it is started. Orders out of scope are left out.

    :raises Forbidden: ``decision.by`` may not do the act. :raises NothingSelected: :raises TooManySelected:
    """
    permit(decision.by, all_acts()[act].permission)
    visible = Order.objects.visible_to(decision.by)
    ids = list(dict.fromkeys(order_ids))
    if len(ids) > MOST:
        raise TooManySelected(count=len(ids), limit=MOST)
    with unit_of_work(decision):
        forget(decision.at)
        run = BulkRun.objects.create(act=act, requested_by=decision.by, requested_at=decision.at)
        known: list[int] = []
        for start in range(0, len(ids), PIECE):
            part = ids[start : start + PIECE]
            known += visible.filter(pk__in=part).order_by("pk").values_list("pk", flat=True)
        if not known:
            raise NothingSelected
        BulkItem.objects.bulk_create([BulkItem(run=run, order_id=pk) for pk in known], batch_size=2_000)
        return run


def start(run_id: int, *, decision: Decision) -> BulkRun:
    """
    Let the workers begin, for the reason and with the note of ``decision``.

    :raises NotFound: not one's own run. :raises Forbidden: the act's permission is missing by now.
    :raises RunMovedOn: it was started already. :raises ReasonUnknown: :raises ReasonNeedsNote: :raises TooLong:
    """
    with unit_of_work(decision):
        run = _own(run_id, decision)
        act = all_acts()[run.act]
        permit(decision.by, act.permission)
        _require(run, RunState.DRAFT)
        if act.reasons is not None:
            catalogue.require(act.reasons, decision)
        run.state, run.requested_at = RunState.RUNNING, decision.at
        run.reason, run.note = decision.reason, text(decision.note, _("Note"), limit=NOTE)
        run.save()
        return run


def pause(run_id: int, *, decision: Decision) -> BulkRun:
    """Stop after the piece at hand. :raises NotFound: :raises RunMovedOn:"""
    return _switch(run_id, RunState.RUNNING, RunState.PAUSED, decision)


def go_on(run_id: int, *, decision: Decision) -> BulkRun:
    """Go on with what is left. :raises NotFound: :raises RunMovedOn:"""
    return _switch(run_id, RunState.PAUSED, RunState.RUNNING, decision)


def _switch(run_id: int, before: RunState, after: RunState, decision: Decision) -> BulkRun:
    with unit_of_work(decision):
        run = _own(run_id, decision)
        _require(run, before)
        run.state = after
        run.save()
        return run


def _own(run_id: int, decision: Decision) -> BulkRun:
    rows = lock(BulkRun.objects.filter(pk=run_id, requested_by=decision.by))
    if not rows:
        raise NotFound(label=BulkRun._meta.verbose_name, ids=str(run_id))
    return rows[0]


def _require(run: BulkRun, state: RunState) -> None:
    if run.state != state:
        raise RunMovedOn(state=RunState(run.state).label)


def forget(now: datetime) -> None:
    """Selections nobody started within a day."""
    forgotten = BulkRun.objects.filter(state=RunState.DRAFT, requested_at__lt=now - FORGOTTEN)
    BulkItem.objects.filter(run__in=forgotten).delete()
    forgotten.delete()


def work(now: datetime) -> bool:
    """
    A job of the worker: the next piece of the oldest run nobody is at.

    :returns: whether more waits.
    """
    run = _take(now)
    if run is None:
        return False
    items = list(run.items.filter(state=ItemState.PENDING).order_by("order_id")[:PIECE])
    if items:
        # What is told as a sentence is told to whoever asked for the run.
        with override(run.requested_by.language):
            _tell(run, items, _do(run, items, now), now)
    return True


@once_more_after(Busy)
def _take(now: datetime) -> BulkRun | None:
    """Lease the oldest run at work, and end those that have nothing left."""
    if not BulkRun.objects.filter(state=RunState.RUNNING).exists():
        # Locks nothing: it is asked every second.
        return None
    with unit_of_work(current()):
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        candidates = BulkRun.objects.filter(free, state=RunState.RUNNING).order_by("pk")
        for pk in candidates.values_list("pk", flat=True)[:5]:
            (run,) = lock(BulkRun.objects.filter(pk=pk))
            if run.state != RunState.RUNNING or run.is_leased(now):
                continue
            if not run.items.filter(state=ItemState.PENDING).exists():
                run.state, run.finished_at, run.leased_until = RunState.FINISHED, now, None
                run.save()
                continue
            run.leased_until = now + LEASE
            run.save()
            return run
    return None


def _do(run: BulkRun, items: Sequence[BulkItem], now: datetime) -> Mapping[int, Outcome]:
    """
    What became of each order that was not done before: by a worker that ended before it could tell, or just now.

    What concerns the whole run stops it: a permission that is gone, an account that is no longer active.
    """
    act = all_acts()[run.act]
    ids = [item.order_id for item in items]
    before = act.done(ids, run.request_id)
    left = [pk for pk in ids if pk not in before]
    decision = Decision(
        by=run.requested_by,
        at=now,
        channel=Channel.BULK,
        reason=run.reason,
        note=run.note,
        request_id=run.request_id,
    )
    outcomes = {pk: Outcome(pk, done=True) for pk in before}
    try:
        permit(decision.by, act.permission)
        served = _served(act, left, decision) if left else ()
        # What somebody else was at is tried again with the next piece.
        outcomes.update({each.order_id: each for each in served if not isinstance(each.error, Busy)})
    except (Busy, NotFound):
        # So is a piece of which an order went out of scope at this very moment: the next look leaves it out.
        pass
    except DomainError as error:
        _stop(run, error)
    return outcomes


def _served(act: BulkAct, ids: Sequence[int], decision: Decision) -> Iterable[Outcome]:
    """One order out of scope by now must not stop the others."""
    visible = set(Order.objects.visible_to(decision.by).filter(pk__in=ids).values_list("pk", flat=True))
    gone = [Outcome(pk, error=NotFound(label=Order._meta.verbose_name, ids=str(pk))) for pk in set(ids) - visible]
    return [*gone, *(act.run(sorted(visible), decision) if visible else ())]


def _stop(run: BulkRun, error: DomainError) -> None:
    with unit_of_work(current()):
        (held,) = lock(BulkRun.objects.filter(pk=run.pk))
        held.state, held.failure = RunState.STOPPED, str(error)
        held.save()


@once_more_after(Busy)
def _tell(run: BulkRun, items: Sequence[BulkItem], outcomes: Mapping[int, Outcome], now: datetime) -> None:
    """Write down what became of the piece, and let go of the run."""
    refused = [pk for pk, outcome in outcomes.items() if not outcome.done]
    told = [item for item in items if item.order_id in outcomes]
    with unit_of_work(current()):
        (held,) = lock(BulkRun.objects.filter(pk=run.pk))
        # Somebody else at the same piece may have done it: what the run has done is done, whoever tells.
        done_meanwhile = all_acts()[run.act].done(refused, run.request_id) if refused else set()
        for item in told:
            outcome = outcomes[item.order_id]
            is_done = outcome.done or item.order_id in done_meanwhile
            item.state = ItemState.DONE if is_done else ItemState.REFUSED
            item.refusals, item.at = [] if is_done else list(_refusals(outcome)), now
        setwise.update(told, ["state", "refusals", "at"])
        held.leased_until = None
        held.save()


def _refusals(outcome: Outcome) -> Iterable[Mapping[str, Any]]:
    if outcome.error is not None:
        yield {"code": outcome.error.code, "text": str(outcome.error)}
    for finding in outcome.blockers:
        yield json.loads(dumps(finding.snapshot()))
