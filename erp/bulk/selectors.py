"""Reading bulk runs: a person's own, with their results in the reader's language."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from erp.bulk.models import BulkItem, BulkRun, ItemState
from erp.kernel.models import User
from orders.sentences import tell


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in orders."""

    total: int
    done: int
    refused: int

    @property
    def told(self) -> int:
        return self.done + self.refused

    @property
    def left(self) -> int:
        return self.total - self.told


def runs(user: User) -> Any:
    """The runs somebody asked for; auditors and administrators who may see all of them see all."""
    rows = BulkRun.objects.select_related("requested_by")
    return rows if user.has_perm("bulk.view_bulkrun") else rows.filter(requested_by=user)


def progress(runs: Iterable[BulkRun]) -> Mapping[int, Progress]:
    """How far each of some runs is: one query."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    rows = BulkItem.objects.filter(run__in=[run.pk for run in runs]).order_by().values_list("run", "state")
    for run_id, state, count in rows.annotate(Count("pk")):
        counts[run_id][state] = count
    return {
        run.pk: Progress(counts[run.pk].total(), counts[run.pk][ItemState.DONE], counts[run.pk][ItemState.REFUSED])
        for run in runs
    }


def statuses(run: BulkRun) -> Mapping[str, int]:
    """The selected orders by their status now."""
    return dict(run.items.order_by().values_list("order__status").annotate(Count("pk")))


def refused(run: BulkRun, *, limit: int) -> list[BulkItem]:
    """The first refused orders, by number."""
    return list(run.items.filter(state=ItemState.REFUSED).select_related("order").order_by("order_id")[:limit])


def first_reasons(run: BulkRun) -> list[tuple[str, int]]:
    """For how many orders each code stands first among the reasons of their refusal, the most frequent first."""
    rows = run.items.filter(state=ItemState.REFUSED).order_by().values_list("refusals__0__code")
    return sorted(rows.annotate(Count("pk")), key=lambda row: (-row[1], row[0]))


def results(run: BulkRun) -> Iterator[BulkItem]:
    """Every order of a run with what became of it, in the order of their numbers."""
    return run.items.select_related("order").order_by("order_id").iterator(chunk_size=2_000)


def reasons(item: BulkItem) -> list[str]:
    """Why an order was refused, as sentences."""
    return [refusal["text"] if "text" in refusal else tell(refusal).text for refusal in item.refusals]
