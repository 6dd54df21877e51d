"""Who is at work."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from erp.worker.models import Worker

# Several heartbeats: a piece of work may take its time.
SILENCE = timedelta(seconds=30)


def alive(now: datetime) -> Sequence[int]:
    """The workers heard of within the last half minute, in the order in which they share the jobs."""
    return list(Worker.objects.filter(seen_at__gte=now - SILENCE).order_by("pk").values_list("pk", flat=True))


def is_alive(now: datetime) -> bool:
    """Whether anybody works in the background."""
    return Worker.objects.filter(seen_at__gte=now - SILENCE).exists()
