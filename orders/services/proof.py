"""
Proving closing records years later, from the documents as they stood then, never with today's settings.

A record's digest proves its own content and its place in the chain. The checks that last (shipped,
stock, money) are computed again and compared with the snapshot, as is everything the record
testifies about documents, vouchers and moves. What was true at the moment of closing only (reviews,
duties, policy) is proved from the snapshot itself; what it says of waivers from their rows. The record of
a reopening is proved from what was reversed by it and was open then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp.kernel.acting import Decision
from erp.kernel.canonical import canonical, sha256, text
from erp.kernel.models import system
from orders import contract
from orders.contract import Batch, Level
from orders.models import Act, ClosingRecord, Order, Policy, Review, Status, Waiver
from orders.services import policing
from orders.services.reviewing import differences
from orders.services.sealing import evidence_of, waiver_said


@dataclass(frozen=True, slots=True)
class Fault:
    """Something a closing record says that is not so: where, what it says, what is found."""

    record: str
    what: str
    recorded: str
    found: str

    def __str__(self) -> str:
        return f"{self.record} {self.what}: {self.recorded} → {self.found}"


def faults(chunk: int = 200) -> Iterator[Fault]:
    """Walk the chain from its first record; yields nothing when everything is proved."""
    previous = ""
    records: list[ClosingRecord] = []
    chain = ClosingRecord.objects.order_by("position").iterator(chunk_size=chunk)
    for position, record in enumerate(chain, start=1):
        yield from _chain_faults(record, position, previous)
        previous = record.digest
        records.append(record)
        if len(records) == chunk:
            yield from _content_faults(records)
            records = []
    if records:
        yield from _content_faults(records)
    yield from _orders_without_record()


def chained(record: ClosingRecord) -> list[Fault]:
    """
    Whether one record is as it was written, by its own content and the digest of the one before it.

    What it says of documents is proved by :func:`faults` only, and what came before it by walking the chain.
    """
    before = ClosingRecord.objects.filter(position=record.position - 1).values_list("digest", flat=True).first()
    return list(_chain_faults(record, record.position, before or ""))


def _chain_faults(record: ClosingRecord, position: int, previous: str) -> Iterator[Fault]:
    if record.position != position:
        yield Fault(record.number, "position", str(record.position), str(position))
    if record.previous_digest != previous:
        yield Fault(record.number, "previous digest", record.previous_digest, previous)
    digest = sha256(record.previous_digest + record.content)
    if record.digest != digest:
        yield Fault(record.number, "digest", record.digest, digest)


@dataclass(frozen=True, slots=True)
class _Found:
    """
    What there is about the orders of some records of the same sequence, documents as they stood at the record.

    :ivar columns: what each order itself says of its closing today. :ivar history: its history row of the act.
    :ivar records: all its records, without contents. :ivar evidence: of documents. :ivar lasting: figures by code.
    """

    orders: Mapping[int, Order]
    columns: Mapping[int, Mapping[str, Any]]
    history: Mapping[int, Any]
    records: Mapping[int, Sequence[ClosingRecord]]
    evidence: Mapping[int, Any]
    lasting: Mapping[int, Mapping[str, Any]]
    reviews: Mapping[tuple[int, str, str], Review]
    waivers: Mapping[tuple[int, str, str], Waiver]


def _find(records: Sequence[ClosingRecord]) -> _Found:
    is_closing, cycle = records[0].is_closing, records[0].cycle
    ids = {record.order_id for record in records}
    orders = {order.pk: order for order in Order.objects.filter(pk__in=ids).select_related("shop", "customer")}
    columns = {order.pk: _columns(order) for order in orders.values()}
    for order in orders.values():
        # As it was when the record was written: a reopening has begun the next cycle.
        order.cycle = cycle if is_closing else cycle + 1
    # Nothing that lasts depends on who asks: any decision serves to read the batch.
    as_of = {record.order_id: record.at for record in records}
    in_order = [orders[order_id] for order_id in sorted(orders)]
    batch = Batch(in_order, Decision(by=system(), at=records[0].at), acting=False, as_of=as_of)
    return _Found(
        orders,
        columns,
        _history(ids, cycle, is_closing),
        _records(ids),
        evidence_of(batch, Act.CLOSE if is_closing else Act.REOPEN),
        _lasting(batch) if is_closing else {},
        _reviews(ids, cycle) if is_closing else {},
        _waivers(records, cycle) if is_closing else {},
    )


def _columns(order: Order) -> dict[str, Any]:
    return {
        "cycle": order.cycle,
        "closed at": order.closed_at,
        "closed by": order.closed_by_id,
        "reopened at": order.reopened_at,
    }


def _history(order_ids: Collection[int], cycle: int, is_closing: bool) -> dict[int, Any]:
    """By order, the first row of a cycle in which the order was closed, or the first of the cycle after it."""
    if is_closing:
        rows = Order.history.filter(id__in=order_ids, cycle=cycle, status=Status.CLOSED)
    else:
        rows = Order.history.filter(id__in=order_ids, cycle=cycle + 1)
    return {row.id: row for row in rows.order_by("-history_id")}


def _records(order_ids: Collection[int]) -> Mapping[int, list[ClosingRecord]]:
    records: dict[int, list[ClosingRecord]] = defaultdict(list)
    for record in ClosingRecord.objects.filter(order_id__in=order_ids).order_by("sequence").defer("content"):
        records[record.order_id].append(record)
    return records


def _content_faults(records: Sequence[ClosingRecord]) -> Iterator[Fault]:
    """Each record for its own moment: those of one sequence together, since they are of different orders."""
    alike: dict[int, list[ClosingRecord]] = defaultdict(list)
    for record in records:
        alike[record.sequence].append(record)
    for of_sequence in alike.values():
        yield from _faults_of(of_sequence)


def _faults_of(records: Sequence[ClosingRecord]) -> Iterator[Fault]:
    found = _find(records)
    for record in records:
        if record.order_id not in found.orders:
            yield Fault(record.number, "order", str(record.order_id), "—")
            continue
        try:
            yield from _record_faults(record, found)
        except (ValueError, TypeError, KeyError) as error:
            # Only what was never written by closing or reopening cannot be read.
            yield Fault(record.number, "content", "", repr(error))


def _record_faults(record: ClosingRecord, found: _Found) -> Iterator[Fault]:
    content = record.data
    said = content["evidence"]
    evidence = _as_far_as_recorded(said, canonical(found.evidence[record.order_id]))
    if not found.orders[record.order_id].customer.salt:
        said, evidence = _impersonal(said), _impersonal(evidence)
    yield from _column_faults(record, found, content)
    yield from _act_faults(record, found)
    yield from _named(record, "evidence", differences(said, evidence))
    if record.is_closing:
        yield from _snapshot_faults(record, content, found.lasting[record.order_id])
        yield from _moment_faults(record, content, found.reviews)
        yield from _waiver_faults(record, content, found.waivers)
    else:
        yield from _level_faults(record, content)
        yield from _answer_faults(record, content, found.records[record.order_id])


def _impersonal(content: Any) -> Any:
    """Without salted hashes: once a person's salt is erased, nobody can compute them again."""
    if isinstance(content, dict):
        return {key: _impersonal(value) for key, value in content.items() if not key.endswith("#")}
    return [_impersonal(item) for item in content] if isinstance(content, list) else content


def _as_far_as_recorded(said: Any, found: Any) -> Any:
    """Without what the product, or an app added since, testifies only today; every document stays."""
    if isinstance(said, dict) and isinstance(found, dict):
        return {key: _as_far_as_recorded(said[key], value) for key, value in found.items() if key in said}
    if isinstance(said, list) and isinstance(found, list):
        recorded = [_as_far_as_recorded(*pair) for pair in zip(said, found, strict=False)]
        return recorded + found[len(recorded) :]
    return found


def _column_faults(record: ClosingRecord, found: _Found, content: dict[str, Any]) -> Iterator[Fault]:
    """The record's columns and, of the order's newest record, the order itself say what the hashed content says."""
    columns = {
        "act": record.act,
        "position": record.position,
        "sequence": record.sequence,
        "number": found.orders[record.order_id].number,
        "at": record.at,
        "by id": record.by_id,
        "by name": record.by_name,
        "channel": record.channel,
        "request": record.request_id,
        "reason": record.reason,
        "why": record.why,
    }
    said = {
        **{name: content[name] for name in columns if name in content},
        "why": f"{content['reason']} {content['note']}".strip(),
        "by id": content["by"]["id"],
        "by name": content["by"]["name"],
    }
    records = found.records[record.order_id]
    if records[-1].pk == record.pk:
        columns |= found.columns[record.order_id]
        said |= canonical(_standing(record, records))
    yield from _named(record, "column", differences(said, canonical(columns)))


def _standing(record: ClosingRecord, records: Sequence[ClosingRecord]) -> dict[str, Any]:
    """How its order stands after the act of a record, in the words of :func:`_columns`."""
    if not record.is_closing:
        return {"cycle": record.cycle + 1, "closed at": None, "closed by": None, "reopened at": record.at}
    before = _before(record, records)
    reopened_at = before.at if before else None
    return {"cycle": record.cycle, "closed at": record.at, "closed by": record.by_id, "reopened at": reopened_at}


def _before(record: ClosingRecord, records: Sequence[ClosingRecord]) -> ClosingRecord | None:
    """The record of its order that came before."""
    return next((other for other in records if other.sequence == record.sequence - 1), None)


def _act_faults(record: ClosingRecord, found: _Found) -> Iterator[Fault]:
    """The order's history tells of the act, and nobody both closed and reopened the order."""
    records = found.records[record.order_id]
    row = found.history.get(record.order_id)
    if row is None:
        yield Fault(record.number, "history", str(record.at), "—")
    else:
        told = {**_standing(record, records), "by": record.by_id}
        kept = {**_columns(row), "by": row.history_user_id}
        yield from _named(record, "history", differences(canonical(told), canonical(kept)))
    for other in records:
        if other.sequence < record.sequence and other.act != record.act and other.by_id == record.by_id:
            yield Fault(record.number, f"duty {record.act}", other.number, record.by_name)


def _level_faults(record: ClosingRecord, content: dict[str, Any]) -> Iterator[Fault]:
    for finding in content["findings"]:
        if finding["level"] not in (Level.PASSED, Level.WAIVED):
            yield Fault(record.number, f"finding {finding['code']}", finding["level"], Level.PASSED)


def _answer_faults(
    record: ClosingRecord, content: dict[str, Any], records: Sequence[ClosingRecord]
) -> Iterator[Fault]:
    """A reopening names the closing it undoes."""
    answered = _before(record, records)
    found = {"position": answered.position, "digest": answered.digest} if answered else ""
    yield from _named(record, "answers", differences(content["answers"], canonical(found)))


def _snapshot_faults(record: ClosingRecord, content: dict[str, Any], lasting: Mapping[str, Any]) -> Iterator[Fault]:
    """
    The figures of what lasts, computed again, equal the snapshot; and the snapshot holds all of
    them, but neither blocker nor warning.

    The figures, not the verdict: what was within the tolerance then may be beyond that of today.
    """
    yield from _level_faults(record, content)
    snapshot = {finding["code"]: finding["params"] for finding in content["findings"]}
    for code in sorted(contract.proof_codes() - snapshot.keys()):
        yield Fault(record.number, f"finding {code}", "", Level.PASSED)
    for code, figures in lasting.items():
        said = snapshot.get(code)
        if said is not None:
            yield from _named(record, f"finding {code}", differences(said, _as_far_as_recorded(said, figures)))


def _moment_faults(
    record: ClosingRecord, content: dict[str, Any], reviews: Mapping[tuple[int, str, str], Review]
) -> Iterator[Fault]:
    evidence = content["evidence"]
    for block, said in evidence["reviews"].items():
        review = reviews.get((record.order_id, block, said["digest"]))
        if review is None or sha256(review.facts) != said["digest"] or review.at > record.at:
            yield Fault(record.number, f"review {block}", said["digest"], "" if review is None else review.digest)
    for act in evidence.get("acts", []):
        if act["by"] == content["by"]["id"] and _is_forbidden(act.get("against"), content):
            yield Fault(record.number, f"duty {act['act']}", act["document"], content["people"][act["by"]])


def _is_forbidden(code: str | None, content: dict[str, Any]) -> bool:
    """Whether the closer may not have done what this check is against, by policy and waivers as they were recorded."""
    is_waived = any(each["code"] == code and each["level"] == Level.WAIVED for each in content["findings"])
    return code is not None and not is_waived and _policy(content, code) != Policy.IGNORE


def _policy(content: dict[str, Any], code: str) -> str:
    """The policy a record says was applied to a check; those written before there was policy say none."""
    return str(content.get("policy", {}).get(code, Policy.BLOCK))


def _waiver_faults(
    record: ClosingRecord, content: dict[str, Any], waivers: Mapping[tuple[int, str, str], Waiver]
) -> Iterator[Fault]:
    """What was waived was a warning by policy, and has its waiver: for its figures, before, by somebody else."""
    said = {(waiver["code"], waiver["digest"]): waiver for waiver in content.get("waivers", [])}
    for finding in content["findings"]:
        if finding["level"] != Level.WAIVED:
            continue
        code, digest = finding["code"], sha256(text(finding["params"]))
        if _policy(content, code) != Policy.WARN:
            yield Fault(record.number, f"policy {code}", _policy(content, code), Policy.WARN)
        waiver = waivers.get((record.order_id, code, digest))
        if waiver is None or sha256(waiver.figures) != digest or waiver.at > record.at:
            yield Fault(record.number, f"waiver {code}", digest, "" if waiver is None else str(waiver.at))
            continue
        kept = {name: value for name, value in said.get((code, digest), {}).items() if name != "caused_by"}
        yield from _named(record, f"waiver {code}", differences(kept, canonical(waiver_said(waiver))))
        if str(waiver.by_id) == content["by"]["id"] and _is_forbidden(policing.CONFLICT.code, content):
            yield Fault(record.number, "duty waive_check", code, waiver.by_name)


def _lasting(batch: Batch) -> dict[int, dict[str, Any]]:
    """Figures of the checks that last, by order and code, canonical."""
    result: dict[int, dict[str, Any]] = {order_id: {} for order_id in batch.ids}
    for step in contract.steps("close"):
        if any(check.lasting for check in step.checks):
            for finding in step.check(batch):
                if finding.definition.lasting and finding.order_id is not None:
                    result[finding.order_id][finding.code] = canonical(finding.params)
    return result


def _reviews(order_ids: Collection[int], cycle: int) -> dict[tuple[int, str, str], Review]:
    reviews = Review.objects.filter(order_id__in=order_ids, cycle=cycle)
    return {(review.order_id, review.block, review.digest): review for review in reviews}


def _waivers(records: Sequence[ClosingRecord], cycle: int) -> dict[tuple[int, str, str], Waiver]:
    """Read only where a record says that something was waived."""
    order_ids = {record.order_id for record in records if Level.WAIVED in record.content}
    waivers = Waiver.objects.filter(order_id__in=order_ids, cycle=cycle) if order_ids else ()
    return {(waiver.order_id, waiver.code, waiver.digest): waiver for waiver in waivers}


def _named(record: ClosingRecord, what: str, changes: Any) -> Iterator[Fault]:
    for change in changes:
        yield Fault(record.number, f"{what}: {change.fact}", change.before, change.after)


def _orders_without_record() -> Iterator[Fault]:
    closed = Order.objects.filter(status=Status.CLOSED).exclude(pk__in=ClosingRecord.objects.values("order"))
    for number in closed.values_list("number", flat=True):
        yield Fault("—", f"order {number}", "closed", "no closing record")
