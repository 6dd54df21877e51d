"""
The one path of an order's transitions, from every door.

scope → permission → lock and re-read → all findings, judged by policy → all plans → FSM → one UPDATE with history and
outbox → each step's save, in the order of ``settings.ORDER_STEPS`` → commit. One order is a batch of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel import fsm
from erp.kernel.acting import Decision, acting
from erp.kernel.errors import Busy, DomainError, NotFound
from erp.kernel.locks import lock, once_more_after, unit_of_work
from erp.kernel.texts import Listing, Term
from erp.kernel.transitions import advance
from orders import contract
from orders.contract import Batch, Block, Check, Effect, Finding, Step, effects_digest
from orders.models import Order, Status
from orders.services import policing
from orders.services.documents import authorise

BATCH_LIMIT = 500


class BatchTooLarge(DomainError):
    code = "orders.batch_too_large"
    message = _("%(count)s orders were asked for at once, at most %(limit)s are possible. Split them.")


class Refused(DomainError):
    """The one-order form of a refusal: carries every finding of the order."""

    code = "orders.refused"
    message = _("Order %(number)s: %(reasons)s")

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(number=outcome.number, reasons=" ".join(finding.message for finding in outcome.blockers))
        self.outcome = outcome

    @property
    def findings(self) -> Sequence[Finding]:
        return self.outcome.findings

    @property
    def blockers(self) -> list[str]:
        return [finding.code for finding in self.outcome.blockers]


WRONG_STATE = Check(
    "orders.wrong_state",
    Block.ORDER,
    passed=_("Order %(number)s is %(status)s."),
    blocked=_("Order %(number)s is %(status)s; this act is possible only from: %(sources)s."),
    hint=_("Where it stands: %(next)s"),
    role=_("Everybody"),
)
_NEXT = {
    Status.NEW: _("Next it is processed."),
    Status.PROCESSING: _("Next its goods are packed and dispatched, or what is left of its lines is closed."),
    Status.SHIPPED: _("Next its receipt is confirmed, once the customer has everything."),
    Status.COMPLETED: _("Next it is reviewed, then closed."),
    Status.CLOSED: _("It has ended; whoever may reopen it can."),
    Status.CANCELLED: _("It has ended; copy it or place a new order where the goods are wanted after all."),
}
CHANGED = Check(
    "orders.changed",
    Block.ORDER,
    passed=_("Order %(number)s is as it was shown."),
    blocked=_("Order %(number)s was changed since it was shown."),
    hint=_("Look at what is shown now and confirm again."),
    role=_("Everybody"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person saw when confirming: the order's version and the digest of the preview; either may be empty."""

    version: int | None = None
    digest: str = ""

    def is_version_of(self, order: Order) -> bool:
        return self.version in (None, order.version)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of one order: done with its effects, or refused with every finding or one error.

    :ivar digest: of what was planned; a confirming click sends it back.
    """

    order_id: int
    number: str = ""
    version: int = 0
    done: bool = False
    findings: tuple[Finding, ...] = ()
    effects: tuple[Effect, ...] = ()
    error: DomainError | None = None

    @property
    def blockers(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_blocker]

    @property
    def ready(self) -> bool:
        return self.error is None and not self.blockers

    @property
    def codes(self) -> list[str]:
        """Why it was refused, as stable codes."""
        return [self.error.code] if self.error else [finding.code for finding in self.blockers]

    @property
    def reasons(self) -> list[str]:
        """Why it was refused, as sentences in the reader's language."""
        return [str(self.error)] if self.error else [finding.message for finding in self.blockers]

    @property
    def digest(self) -> str:
        return effects_digest(self.version, self.effects)


@dataclass(slots=True)
class Outcomes:
    """One outcome per order asked for, in primary-key order."""

    by_id: dict[int, Outcome] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(sorted(self.by_id.values(), key=lambda outcome: outcome.order_id))

    def __len__(self) -> int:
        return len(self.by_id)

    def __getitem__(self, order_id: int) -> Outcome:
        return self.by_id[order_id]

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes({**self.by_id, **other.by_id})

    @property
    def done(self) -> list[Outcome]:
        return [outcome for outcome in self if outcome.done]

    @property
    def refused(self) -> list[Outcome]:
        return [outcome for outcome in self if not outcome.done]

    def one(self) -> Outcome:
        """
        The outcome of a batch of one, or its refusal raised.

        :raises Refused: with all findings. :raises DomainError: what a save met.
        """
        (outcome,) = self
        if outcome.error:
            raise outcome.error
        if not outcome.done:
            raise Refused(outcome)
        return outcome


def run(
    name: str, order_ids: Iterable[int], decision: Decision, *, seen: Mapping[int, Seen] | None = None
) -> Outcomes:
    """
    Take orders through a transition; each wholly or not at all.

    :param seen: what the person saw of each order; a difference is a finding, not an act.
    :raises Forbidden: the transition's permission is missing. :raises BatchTooLarge: more than 500 orders.
    :raises Busy: locked by others, twice.
    """
    ids = list(dict.fromkeys(order_ids))
    if len(ids) > BATCH_LIMIT:
        raise BatchTooLarge(count=len(ids), limit=BATCH_LIMIT)
    authorise(Order.objects.visible_to(decision.by), ids, decision.by, fsm.permission_of(Order, name))
    return _attempt(name, ids, decision, seen or {})


def preview(name: str, order_ids: Iterable[int], decision: Decision) -> Outcomes:
    """What :func:`run` would find and do now: reads only, takes no lock, needs no permission but scope."""
    ids = list(dict.fromkeys(order_ids))
    batch = Batch(list(_orders(ids, decision)), decision, acting=False)
    # Plans hold rows that are not saved, which say who wrote them.
    with acting(decision):
        findings, effects = _examine(name, batch, {})
    planned = [effect for _, planned in effects for effect in planned]
    return outcomes(ids, batch, findings, planned, done=False)


def carry(
    name: str,
    orders: Sequence[Order],
    decision: Decision,
    *,
    also: Sequence[str] = (),
    memo: dict[str, Any] | None = None,
) -> set[int]:
    """
    Take locked orders through a transition carried along by another act, under that act's permission.

    Orders for which it does not hold stay as they are. For transitions without a permission of their own, and for
    cancelling what somebody with the right has asked to cancel.

    :param also: columns the act changed that are to be written with the transition.
    :param memo: what the act has read already, by the keys of :meth:`Batch.read`.
    :returns: the orders that went along.
    """
    is_asked_for = name == "cancel" and all(order.is_to_be_cancelled for order in orders)
    assert is_asked_for or not fsm.permission_of(Order, name), f"{name} is an act of its own"
    eligible = [order for order in orders if fsm.can_proceed(getattr(order, name))]
    batch = Batch(sorted(eligible, key=lambda order: order.pk), decision, acting=True, memo=memo)
    findings, effects = _examine(name, batch, {})
    carried = _without_blockers(batch, findings)
    _save(name, batch.only(carried), effects, also=also)
    return carried


def compare_versions(batch: Batch, seen: Mapping[int, Seen]) -> Iterator[Finding]:
    """Whether each order is as somebody saw it, for acts that plan no effects."""
    for order in batch.orders:
        if order.pk in seen:
            yield CHANGED.finding(order, seen[order.pk].is_version_of(order), number=order.number)


def examine(steps: Iterable[Step], batch: Batch) -> list[Finding]:
    """
    Every finding of some steps, before policy; what an earlier order takes is gone for a later one, and an order that
    something before has blocked takes nothing.
    """
    findings = []
    for step in steps:
        found = list(step.check(batch))
        batch.blocked.update(finding.order_id for finding in found if finding.is_blocker and not finding.is_soft)
        findings += found
    return findings


def outcomes(
    ids: Sequence[int], batch: Batch, findings: Iterable[Finding], effects: Iterable[Effect], *, done: bool
) -> Outcomes:
    """One outcome per id; those without blockers are ``done`` where the act is being done."""
    found_of: dict[int | None, list[Finding]] = {order_id: [] for order_id in ids}
    for finding in findings:
        found_of[finding.order_id].append(finding)
    effects_of: dict[int, list[Effect]] = {order_id: [] for order_id in ids}
    for effect in effects:
        effects_of[effect.order_id].append(effect)
    result = Outcomes()
    for order_id in ids:
        order = batch.by_id.get(order_id)
        if order is None:
            error = NotFound(label=Order._meta.verbose_name, ids=order_id)
            result.by_id[order_id] = Outcome(order_id, error=error)
            continue
        blocked = any(finding.is_blocker for finding in found_of[order_id])
        result.by_id[order_id] = Outcome(
            order_id,
            number=order.number,
            version=order.version,
            done=done and not blocked,
            findings=tuple(found_of[order_id]),
            effects=tuple(effects_of[order_id]),
        )
    return result


def _attempt(name: str, ids: Sequence[int], decision: Decision, seen: Mapping[int, Seen]) -> Outcomes:
    try:
        return _as_one(name, ids, decision, seen)
    except Busy:
        raise
    except DomainError as error:
        if len(ids) == 1:
            return Outcomes({ids[0]: Outcome(ids[0], error=error)})
    # Somewhere in the batch is an order that cannot be saved: the others must not suffer for it.
    half = len(ids) // 2
    return _part(name, ids[:half], decision, seen) + _part(name, ids[half:], decision, seen)


def _part(name: str, ids: Sequence[int], decision: Decision, seen: Mapping[int, Seen]) -> Outcomes:
    """One half of a batch that was split: what the other half has done stays done, so its being busy is an outcome."""
    try:
        return _attempt(name, ids, decision, seen)
    except Busy as busy:
        return Outcomes({order_id: Outcome(order_id, error=busy) for order_id in ids})


@once_more_after(Busy)
def _as_one(name: str, ids: Sequence[int], decision: Decision, seen: Mapping[int, Seen]) -> Outcomes:
    with unit_of_work(decision):
        return _act(name, ids, decision, seen)


def _act(name: str, ids: Sequence[int], decision: Decision, seen: Mapping[int, Seen]) -> Outcomes:
    beside = {order_id for step in contract.steps(name) for order_id in step.beside(ids, decision)}
    if beside:
        lock(Order.objects.filter(pk__in=beside.union(ids)))
    batch = Batch(lock(_orders(ids, decision)), decision, acting=True)
    findings, effects = _examine(name, batch, seen)
    ready = batch.only(_without_blockers(batch, findings))
    planned = [effect for _, planned in effects for effect in planned]
    result = outcomes(ids, batch, findings, planned, done=True)
    _save(name, ready, effects)
    return result


def _orders(ids: Sequence[int], decision: Decision) -> Any:
    return Order.objects.visible_to(decision.by).filter(pk__in=ids).select_related("shop", "customer").order_by("pk")


_Planned = list[tuple[Step, list[Effect]]]


def _examine(name: str, batch: Batch, seen: Mapping[int, Seen]) -> tuple[list[Finding], _Planned]:
    """All findings of the batch, and all plans of the orders that nothing blocks."""
    findings = _states(name, batch)
    steps = contract.steps(name)
    batch.blocked.update(finding.order_id for finding in findings if finding.is_blocker)
    batch.memo["findings"] = policing.judge(batch, examine(steps, batch))
    findings += batch.memo["findings"]
    ready = batch.only(_without_blockers(batch, findings))
    effects = [(step, list(step.plan(ready))) for step in steps]
    if seen:
        findings += _compare(ready, effects, seen)
        unchanged = _without_blockers(ready, findings)
        effects = [(step, [e for e in planned if e.order_id in unchanged]) for step, planned in effects]
    return findings, effects


def _save(name: str, ready: Batch, effects: _Planned, *, also: Sequence[str] = ()) -> None:
    if not ready.orders:
        return
    stamped = [column for step, planned in effects for column in step.stamp(ready, planned)]
    advance(ready.orders, name, also=[*also, *stamped])
    for step, planned in effects:
        step.save(ready, planned)


def _states(name: str, batch: Batch) -> list[Finding]:
    sources = Listing(Term(source, Status(source).label) for source in fsm.sources(Order, name))
    return [
        WRONG_STATE.finding(
            order,
            fsm.can_proceed(getattr(order, name)),
            number=order.number,
            status=order.status_term,
            sources=sources,
            next=next_of(order),
        )
        for order in batch.orders
    ]


def next_of(order: Order) -> Term:
    return Term(order.status, _NEXT[Status(order.status)])


def _compare(batch: Batch, effects: _Planned, seen: Mapping[int, Seen]) -> Iterator[Finding]:
    planned: dict[int, list[Effect]] = {order_id: [] for order_id in batch.ids}
    for _step, of_step in effects:
        for effect in of_step:
            planned[effect.order_id].append(effect)
    for order in batch.orders:
        shown = seen.get(order.pk, Seen())
        same_effects = shown.digest in ("", effects_digest(order.version, planned[order.pk]))
        yield CHANGED.finding(order, shown.is_version_of(order) and same_effects, number=order.number)


def _without_blockers(batch: Batch, findings: Iterable[Finding]) -> set[int]:
    return set(batch.ids) - {finding.order_id for finding in findings if finding.is_blocker}
