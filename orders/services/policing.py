"""
Check policy: what it means that a soft check fails, and which warnings were waived.

Policies and waivers are read only where a soft check failed, one query a batch each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from erp.kernel.canonical import sha256
from erp.kernel.texts import Listing
from orders.contract import Batch, Block, Check, Finding, Level
from orders.models import CheckPolicy, Order, Policy, Waiver

CONFLICT = Check(
    "orders.conflict_of_duty",
    Block.DUTY,
    passed=_("%(name)s waived no check of this order."),
    blocked=_("%(name)s waived a check of order %(number)s (%(checks)s) and may not close it too."),
    hint=_("Somebody else has to close the order."),
    role=_("System administrator"),
    soft=Policy.BLOCK,
)


class Waived(NamedTuple):
    """A warning, and what lets it pass."""

    finding: Finding
    waiver: Waiver


def judge(batch: Batch, findings: list[Finding]) -> list[Finding]:
    """
    The findings at the level policy gives them; what it ignores is left out.

    The closing record is told of both: :func:`applied` and :func:`waived`.
    """
    if not any(_fails(finding) for finding in findings):
        return findings
    judged = list(_judged(batch, findings))
    return judged + list(_judged(batch, list(_conflicts(batch))))


def applied(batch: Batch, order_id: int) -> Mapping[str, Policy]:
    """Policy by code, for the soft checks of an order that failed."""
    levels: Mapping[str, Policy] = batch.memo.get("policy", {}).get(order_id, {})
    return levels


def waived(batch: Batch, order_id: int) -> Sequence[Waived]:
    """The warnings of an order that were waived."""
    warnings: Sequence[Waived] = batch.memo.get("waived", {}).get(order_id, ())
    return warnings


def _fails(finding: Finding) -> bool:
    return finding.is_blocker and finding.is_soft and finding.order_id is not None


def _judged(batch: Batch, findings: Sequence[Finding]) -> Iterator[Finding]:
    for finding in findings:
        if not _fails(finding):
            yield finding
            continue
        order = batch.by_id[finding.order_id or 0]
        policy = _policy(batch, order, finding)
        batch.memo.setdefault("policy", {}).setdefault(order.pk, {})[finding.code] = policy
        if policy == Policy.BLOCK:
            yield finding
        elif policy == Policy.WARN:
            yield _warning(batch, order, finding)


def _policy(batch: Batch, order: Order, finding: Finding) -> Policy:
    applying = [
        policy
        for policy in _policies(batch)
        if policy.code == finding.code and policy.shop_id in (None, order.shop_id) and policy.above <= order.total
    ]
    if applying:
        return Policy(max(applying, key=lambda policy: (policy.shop_id is not None, policy.above)).level)
    default = finding.definition.soft
    assert default, f"{finding.code} is hard"
    return default


def _policies(batch: Batch) -> list[CheckPolicy]:
    shops = {order.shop_id for order in batch.orders}
    return batch.read(
        "orders.policies", lambda: CheckPolicy.objects.filter(Q(shop__isnull=True) | Q(shop__in=shops)).order_by("pk")
    )


def _warning(batch: Batch, order: Order, finding: Finding) -> Finding:
    waivers: Mapping[int, list[Waiver]] = batch.grouped(
        "orders.waivers", lambda: Waiver.objects.filter(order__in=batch.ids).order_by("pk")
    )
    digest = sha256(finding.figures)
    for waiver in waivers.get(order.pk, ()):
        same = (waiver.cycle, waiver.code, waiver.digest) == (order.cycle, finding.code, digest)
        if same and waiver.by_id not in finding.people:
            passed = replace(finding, level=Level.WAIVED)
            batch.memo.setdefault("waived", {}).setdefault(order.pk, []).append(Waived(passed, waiver))
            return passed
    return replace(finding, level=Level.WARNING)


def _conflicts(batch: Batch) -> Iterator[Finding]:
    """Whoever let something pass that this closing rests on does not close."""
    closer = batch.decision.by
    for order in batch.orders:
        warnings = waived(batch, order.pk)
        if warnings:
            own = [warning.finding.code for warning in warnings if warning.waiver.by_id == closer.pk]
            yield CONFLICT.finding(
                order, not own, people=[closer.pk], number=order.number, name=closer.name, checks=Listing(own)
            )
