"""Writing the outbox: a row per fact, in the transaction of the fact."""

from collections.abc import Mapping, Sequence
from typing import Any

from erp.kernel.acting import current
from erp.kernel.canonical import canonical
from erp.kernel.locks import insert_last
from erp.kernel.models import OutboxEvent


def record(topic: str, subjects: Sequence[Any], payloads: Mapping[int, Mapping[str, Any]] | None = None) -> None:
    """
    Note for every subject (a document with a ``number``) that ``topic`` happened to it.

    The rows of a unit of work are inserted together, at its end.

    :param payloads: what to tell beside who and when, by primary key; values are written canonically.
    """
    decision = current()
    insert_last(
        OutboxEvent(
            topic=topic,
            subject_type=subject._meta.label_lower,
            subject_id=str(subject.pk),
            subject=subject.number,
            payload=canonical(
                {"at": decision.at, "version": getattr(subject, "version", ""), **(payloads or {}).get(subject.pk, {})}
            ),
        )
        for subject in subjects
    )
