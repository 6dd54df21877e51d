"""
The loop that works off ``settings.WORKER_JOBS``.

A job is called with the moment and does one bounded piece of work in the name of the machine account; it says whether
more waits. Workers share the jobs by their place among those alive. While one comes or goes, two may do a piece at the
same time, so a job locks what must not be done twice.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from django.utils.module_loading import import_string

from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import system
from erp.worker import selectors
from erp.worker.models import Worker

Job = Callable[[datetime], bool]

HEARTBEAT = timedelta(seconds=5)
RETRY = timedelta(seconds=30)
FORGOTTEN = timedelta(days=1)
IDLE = 1.0

logger = logging.getLogger(__name__)


def jobs() -> Mapping[str, Job]:
    """The configured jobs by their paths. :raises ImportError: there is none of that name."""
    return {path: import_string(path) for path in settings.WORKER_JOBS}


def work_once(jobs: Mapping[str, Job]) -> list[str]:
    """Work until nothing waits. :returns: the jobs that failed, which are not tried again."""
    failed: list[str] = []
    waiting = list(jobs)
    while waiting:
        waiting = [name for name in waiting if _piece(name, jobs[name], timezone.now(), failed)]
    return failed


class Loop:
    """One process at work until it is told to stop, or its parent is gone."""

    def __init__(self, jobs: Mapping[str, Job], *, parent: int | None = None) -> None:
        self.jobs = jobs
        self.parent = parent
        self.stopping = Event()
        self.rest_until: dict[str, datetime] = {}
        self.row: Worker | None = None
        self.colleagues: Sequence[int] = ()

    def stop(self, *args: object) -> None:
        """The piece at hand is finished; also a signal's handler."""
        self.stopping.set()

    def run(self) -> None:
        while not self._ends():
            if not self._tick():
                self.stopping.wait(IDLE)
        _guarded("leave", self._leave)

    def _ends(self) -> bool:
        return self.stopping.is_set() or (self.parent is not None and os.getppid() != self.parent)

    def _tick(self) -> bool:
        """One piece of every job of ours. :returns: whether more waits."""
        if not _guarded("heartbeat", self._heartbeat):
            # A database that was restarted is met again by a new connection only.
            close_old_connections()
            return False
        more = [self._work(name) for name in self._own() if not self._ends()]
        return any(more)

    def _heartbeat(self) -> None:
        now = timezone.now()
        if self.row is None:
            Worker.objects.filter(seen_at__lt=now - FORGOTTEN).delete()
            name = f"{socket.gethostname()}:{os.getpid()}"[:100]
            self.row = Worker.objects.create(name=name, started_at=now, seen_at=now)
        elif now - self.row.seen_at < HEARTBEAT:
            return
        else:
            self.row.seen_at = now
            self.row.save()
        self.colleagues = selectors.alive(now)

    def _leave(self) -> None:
        if self.row is not None:
            self.row.delete()

    def _own(self) -> list[str]:
        """Every n-th job, beginning at our place among the n workers alive."""
        assert self.row is not None, "nobody works before being heard of"
        return list(self.jobs)[self.colleagues.index(self.row.pk) :: len(self.colleagues)]

    def _work(self, name: str) -> bool:
        now = timezone.now()
        if now < self.rest_until.get(name, now):
            return False
        failed: list[str] = []
        more = _piece(name, self.jobs[name], now, failed)
        if failed:
            self.rest_until[name] = now + RETRY
        return more


def _piece(name: str, job: Job, now: datetime, failed: list[str]) -> bool:
    """One piece of work. :returns: whether more waits; not, where it failed."""
    more = False

    def work() -> None:
        nonlocal more
        with acting(Decision(by=system(), at=now, channel=Channel.JOB)):
            more = job(now)

    if not _guarded(name, work):
        failed.append(name)
    return more


def _guarded(name: str, work: Callable[[], None]) -> bool:
    """The one place that catches everything: whatever fails here must not keep the other jobs from being done."""
    try:
        work()
    except Exception:
        logger.exception("%s failed and is tried again later", name)
        return False
    return True
