"""
Final review 最终审核: somebody with a block's permission confirms its facts as shown.

A review is stale once a fact differs from what was confirmed; the finding names the facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.acting import Channel, Decision
from erp.kernel.canonical import canonical, sha256, text
from erp.kernel.errors import DomainError, Text
from erp.kernel.locks import lock, unit_of_work
from erp.kernel.texts import Change, Term
from erp.kernel.transitions import found
from orders import contract
from orders.contract import Batch, Finding
from orders.models import Order, Review, Status
from orders.services import lifecycle
from orders.services.documents import authorise
from orders.services.lifecycle import WRONG_STATE, Outcome, Outcomes, Seen
from orders.words import KEYS


class UnknownBlock(DomainError):
    code = "orders.unknown_block"
    message = _("“%(block)s” is no block of the final review. Use one of: %(blocks)s.")


class MachineReview(DomainError):
    code = "orders.machine_review"
    message = _("A review needs a person; %(name)s is a machine account.")


@dataclass(frozen=True, slots=True)
class ReviewBlock:
    """One entry of ``settings.REVIEW_BLOCKS``."""

    name: str
    label: Text
    facts: str
    permission: str
    checks: tuple[str, ...]

    def read(self, batch: Batch) -> Mapping[int, Any]:
        """Facts by order, canonical, once per batch."""
        key = f"review.{self.name}"
        if key not in batch.memo:
            facts = import_string(self.facts)(batch)
            batch.memo[key] = {order_id: canonical(values) for order_id, values in facts.items()}
        read: Mapping[int, Any] = batch.memo[key]
        return read


@cache
def _blocks() -> Mapping[str, ReviewBlock]:
    return {
        name: ReviewBlock(name, entry["label"], entry["facts"], entry["permission"], tuple(entry["checks"]))
        for name, entry in settings.REVIEW_BLOCKS.items()
    }


def blocks() -> Iterable[ReviewBlock]:
    return _blocks().values()


def label_of(name: str) -> Text:
    """What people call a block, also one that reviews of long ago name."""
    return _blocks()[name].label if name in _blocks() else name


def block_named(name: str) -> ReviewBlock:
    """:raises UnknownBlock:"""
    if name not in _blocks():
        raise UnknownBlock(block=name, blocks=", ".join(_blocks()))
    return _blocks()[name]


def review_orders(
    order_ids: Iterable[int], block: str, *, decision: Decision, seen: Mapping[int, Seen] | None = None
) -> Outcomes:
    """
    Confirm one block of completed orders; what blocks one order does not stop the others.

    :param seen: the version at which the person saw the facts of each order; another one is a finding.
    :raises Forbidden: the block's permission is missing. :raises NotFound: an order is out of scope.
    :raises MachineReview: the account is no person.
    """
    ids = list(dict.fromkeys(order_ids))
    review_block = block_named(block)
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, ids, decision.by, review_block.permission)
    if decision.by.kind == decision.by.Kind.MACHINE:
        raise MachineReview(name=decision.by.name)
    with unit_of_work(decision):
        batch = Batch(lock(scoped.filter(pk__in=ids).select_related("shop", "customer")), decision, acting=True)
        found(Order, ids, batch.orders)
        findings = [*examine(review_block, batch), *lifecycle.compare_versions(batch, seen or {})]
        blocked = {finding.order_id for finding in findings if finding.is_blocker}
        _confirm(review_block, batch.only(set(batch.ids) - blocked), is_bulk=decision.channel == Channel.BULK)
        return lifecycle.outcomes(ids, batch, findings, [], done=True)


def review_order(order_id: int, block: str, *, decision: Decision, seen: Seen | None = None) -> Outcome:
    """As :func:`review_orders` for one. :raises Refused: with every finding."""
    return review_orders([order_id], block, decision=decision, seen={order_id: seen} if seen else None).one()


def examine(block: ReviewBlock, batch: Batch) -> Iterator[Finding]:
    """What has to hold before the block of some orders can be confirmed; soft checks are the closing's business."""
    for order in batch.orders:
        is_completed = order.status == Status.COMPLETED
        yield WRONG_STATE.finding(
            order,
            is_completed,
            number=order.number,
            status=order.status_term,
            sources=Term(Status.COMPLETED, Status.COMPLETED.label),
            next=lifecycle.next_of(order),
        )
    steps = [step for step in contract.steps("close") if type(step).__module__.split(".")[0] in block.checks]
    for finding in lifecycle.examine(steps, batch):
        if not finding.is_soft:
            yield finding


class Difference(Change):
    """A change of a kept fact, named as people call it."""

    __slots__ = ()

    def __str__(self) -> str:
        fact = " ".join(_word(part) for part in self.fact.split())
        if not self.before:
            return gettext("%(fact)s added: %(value)s") % {"fact": fact, "value": self.after}
        if not self.after:
            return gettext("%(fact)s removed: %(value)s") % {"fact": fact, "value": self.before}
        return str(Change(fact, self.before, self.after))


def _word(part: str) -> str:
    """A key as people call it; a place in a list as “no. 2”."""
    return gettext("no. %(no)s") % {"no": part} if part.isdigit() else str(KEYS.get(part, part))


def differences(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Everything that differs between two canonical contents."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            name = f"{path} {key}".strip()
            if key.endswith("#"):
                if before.get(key) != after.get(key):
                    yield Difference(name.rstrip("#"), "…", "…")
            else:
                yield from differences(before.get(key, ""), after.get(key, ""), name)
    elif isinstance(before, list) and isinstance(after, list):
        for no in range(max(len(before), len(after))):
            old = before[no] if no < len(before) else ""
            new = after[no] if no < len(after) else ""
            yield from differences(old, new, f"{path} {no + 1}".strip())
    elif before != after:
        yield Difference(path, _shown(before), _shown(after))


def _shown(value: Any) -> str:
    """A fact that came or went as a whole, as a person reads it: its values, without keys."""
    if isinstance(value, str):
        return value
    return " ".join(_shown(item) for item in (value.values() if isinstance(value, dict) else value))


def _confirm(block: ReviewBlock, batch: Batch, *, is_bulk: bool) -> None:
    setwise.bump_versions(batch.orders)
    facts = {order_id: text(values) for order_id, values in block.read(batch).items()}
    Review.objects.bulk_create(
        Review(
            order=order,
            cycle=order.cycle,
            block=block.name,
            facts=facts[order.pk],
            digest=sha256(facts[order.pk]),
            is_bulk=is_bulk,
        )
        for order in batch.orders
    )
