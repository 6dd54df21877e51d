"""What closing records say, and how they are chained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.canonical import dumps, sha256
from erp.kernel.errors import DomainError
from erp.kernel.locks import Locks
from erp.kernel.models import User
from erp.kernel.numbering import draw
from erp.kernel.version import VERSION
from orders import contract, selectors
from orders.contract import Batch, Finding
from orders.models import Act, ClosingRecord, Order, Waiver
from orders.services import policing

CHAIN = "closing-record"


class ProofIncomplete(DomainError):
    code = "orders.proof_incomplete"
    message = _(
        "Order %(number)s cannot be closed: checks on which the proof rests were not made: %(codes)s. "
        "The system administrator has to put them back into the settings."
    )


def append(batch: Batch, act: Act, contents: Mapping[int, Mapping[str, Any]]) -> None:
    """Chain one record for each order, with its place and number in its content."""
    positions = draw(CHAIN, len(batch.orders), rank=Locks.CHAIN)
    previous = ClosingRecord.objects.filter(position=positions.start - 1).values_list("digest", flat=True).first()
    assert previous or positions.start == 1, "the chain has lost its tail"
    digest = previous or ""
    records = []
    for order, position in zip(batch.orders, positions, strict=True):
        # Reopening has begun the next cycle already.
        sequence = 2 * order.cycle - (1 if act == Act.CLOSE else 2)
        content = dumps({**contents[order.pk], "position": position, "sequence": sequence})
        record = ClosingRecord(
            position=position,
            order=order,
            sequence=sequence,
            act=act,
            reason=batch.decision.reason,
            content=content,
            previous_digest=digest,
            digest=sha256(digest + content),
        )
        digest = record.digest
        records.append(record)
    ClosingRecord.objects.bulk_create(records)


def reopening_contents(batch: Batch) -> dict[int, dict[str, Any]]:
    """What the record of a reopening says, by order, before its place in the chain is known."""
    # As every audit reads it: what is dated later was written while this act waited for the order.
    then = Batch(batch.orders, batch.decision, acting=False, as_of=dict.fromkeys(batch.ids, batch.decision.at))
    evidence = evidence_of(then, "reopen")
    answered = selectors.records_of(batch, Act.CLOSE)
    findings = _findings(batch)
    _names, roles = _people({}, batch.decision.by.pk, set())
    return {
        order.pk: {
            **_decided(batch.decision, Act.REOPEN, order, roles),
            "findings": [finding.snapshot() for finding in findings[order.pk]],
            "answers": {"position": answered[order.pk][-1].position, "digest": answered[order.pk][-1].digest},
            "evidence": evidence[order.pk],
        }
        for order in batch.orders
    }


def _decided(decision: Decision, act: Act, order: Order, roles: set[str]) -> dict[str, Any]:
    """Who did what to which order, when, why and through which door."""
    return {
        "act": act,
        "number": order.number,
        "at": decision.at,
        "by": {"id": decision.by.pk, "name": decision.by.name, "roles": sorted(roles)},
        "channel": decision.channel,
        "request": decision.request_id,
        "reason": decision.reason,
        "note": decision.note,
        "detail": decision.detail,
        "application": VERSION,
    }


def closing_contents(batch: Batch) -> dict[int, dict[str, Any]]:
    """What a closing record says, by order, before its place in the chain is known."""
    decision = batch.decision
    evidence = evidence_of(batch)
    waivers = {order.pk: policing.waived(batch, order.pk) for order in batch.orders}
    caused = {person for warnings in waivers.values() for each in warnings for person in each.finding.people}
    people, roles = _people(evidence, decision.by.pk, caused)
    findings = _snapshots(batch)
    return {
        order.pk: {
            **_decided(decision, Act.CLOSE, order, roles),
            "tolerance": order.money(order.shop.tolerance),
            "findings": findings[order.pk],
            "policy": policing.applied(batch, order.pk),
            "waivers": [_waiver_content(warning, people) for warning in waivers[order.pk]],
            "evidence": evidence[order.pk],
            "people": {act["by"]: people[act["by"]] for act in evidence[order.pk].get("acts", ())},
        }
        for order in batch.orders
    }


def _snapshots(batch: Batch) -> Mapping[int, list[dict[str, Any]]]:
    """
    The checklist of each order.

    :raises ProofIncomplete: settings leave out a step on which the proof rests.
    """
    demanded = contract.proof_codes()
    findings = _findings(batch)
    for order in batch.orders:
        missing = demanded - {finding.code for finding in findings[order.pk]}
        if missing:
            raise ProofIncomplete(number=order.number, codes=", ".join(sorted(missing)))
    return {order.pk: [finding.snapshot() for finding in findings[order.pk]] for order in batch.orders}


def _findings(batch: Batch) -> Mapping[int, list[Finding]]:
    """What the transition has found about each order."""
    findings: dict[int, list[Finding]] = {order_id: [] for order_id in batch.ids}
    for finding in batch.memo["findings"]:
        if finding.order_id in findings:
            findings[finding.order_id].append(finding)
    return findings


def _waiver_content(warning: policing.Waived, people: Mapping[int, str]) -> dict[str, Any]:
    """Both persons: who caused the warning, and who let it pass."""
    caused = [{"id": person, "name": people[person]} for person in warning.finding.people]
    return {**waiver_said(warning.waiver), "caused_by": caused}


def waiver_said(waiver: Waiver) -> dict[str, Any]:
    """What a closing record says of a waiver, as its row says it at any time."""
    return {
        "code": waiver.code,
        "digest": waiver.digest,
        "by": {"id": waiver.by_id, "name": waiver.by_name},
        "at": waiver.at,
        "why": waiver.why,
    }


def _people(
    evidence: Mapping[int, Mapping[str, Any]], closer: int, others: set[int]
) -> tuple[dict[int, str], set[str]]:
    """
    Names of everybody who acted, of the closer and the others, and the closer's roles, in one query.

    Copied, because a later change of name must not change what was recorded.
    """
    ids = {act["by"] for sections in evidence.values() for act in sections.get("acts", ())}
    rows = User.objects.filter(pk__in=ids | others | {closer}).values_list("pk", "name", "groups__name")
    people, roles = {}, set()
    for pk, name, role in rows:
        people[pk] = name
        if pk == closer and role:
            roles.add(role)
    return people, roles


def evidence_of(batch: Batch, transition: str = "close") -> dict[int, dict[str, Any]]:
    """What every step of a transition testifies about its documents, merged by order."""
    merged: dict[int, dict[str, Any]] = {order_id: {} for order_id in batch.ids}
    for step in contract.steps(transition):
        for order_id, sections in step.evidence(batch).items():
            for section, value in sections.items():
                _merge(merged[order_id], section, value)
    return merged


def _merge(sections: dict[str, Any], section: str, value: Any) -> None:
    """Several apps add to the same section: lists are joined, mappings united."""
    if section not in sections:
        sections[section] = value
    elif isinstance(value, Mapping):
        sections[section] = {**sections[section], **value}
    else:
        sections[section] = [*sections[section], *value]
