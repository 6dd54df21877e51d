"""Background work: every job gets its turn, none stops another, and whoever works is heard of."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from erp.kernel.acting import Channel, current
from erp.kernel.models import system
from erp.worker import loop, selectors
from erp.worker.loop import Loop
from erp.worker.models import Worker
from tests.commands.running import refuse, run

pytestmark = pytest.mark.django_db

done: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


def three_pieces(now: datetime) -> bool:
    done.append(f"{current().by.username} {current().channel}")
    return len(done) < 3


def failing(now: datetime) -> bool:
    raise ValueError("no luck")


HERE = "tests.worker.test_loop"


def counting(name: str, pieces: int, then: Callable[[], None]) -> Callable[[datetime], bool]:
    def job(now: datetime) -> bool:
        done.append(name)
        if len(done) >= pieces:
            then()
        return True

    return job


def test_once_works_until_nothing_waits(settings: Any) -> None:
    settings.WORKER_JOBS = [f"{HERE}.three_pieces"]

    run("run_worker", "--once")

    assert done == [f"{system().username} {Channel.JOB}"] * 3
    assert not Worker.objects.exists()


def test_a_job_that_fails_is_named_and_the_others_are_done(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.WORKER_JOBS = [f"{HERE}.failing", f"{HERE}.three_pieces"]

    refusal = refuse("run_worker", "--once")

    assert f"{HERE}.failing" in refusal.message
    assert len(done) == 3
    assert "no luck" in caplog.text


def test_a_job_that_fails_rests_while_the_others_go_on() -> None:
    tried = []

    def unlucky(now: datetime) -> bool:
        tried.append(now)
        raise ValueError

    worker = Loop({})
    worker.jobs = {"unlucky": unlucky, "diligent": counting("diligent", 4, worker.stop)}
    worker.run()

    assert done == ["diligent"] * 4
    assert len(tried) == 1
    worker.rest_until["unlucky"] -= loop.RETRY
    worker._work("unlucky")
    assert len(tried) == 2


def test_stopping_finishes_the_piece_at_hand_and_takes_the_row_along() -> None:
    worker = Loop({})

    def watched() -> None:
        assert selectors.is_alive(timezone.now())
        worker.stop()

    worker.jobs = {"first": counting("first", 1, watched), "second": counting("second", 1, watched)}
    worker.run()

    assert done == ["first"]
    assert not selectors.is_alive(timezone.now())


def test_it_ends_with_the_process_that_started_it() -> None:
    worker = Loop({"never": counting("never", 1, lambda: None)}, parent=1)

    worker.run()

    assert done == []


def test_workers_share_the_jobs() -> None:
    jobs = {name: counting(name, 100, lambda: None) for name in "abc"}
    first, second = Loop(jobs), Loop(jobs)
    for worker in (first, second):
        worker._heartbeat()
    first.colleagues = selectors.alive(timezone.now())

    assert (first._own(), second._own()) == (["a", "c"], ["b"])

    first._leave()
    second.colleagues = selectors.alive(timezone.now())
    assert second._own() == ["a", "b", "c"]


def test_heartbeats_are_written_every_few_seconds_only() -> None:
    worker = Loop({})
    worker._heartbeat()
    assert worker.row
    seen = worker.row.seen_at

    worker._heartbeat()
    assert worker.row.seen_at == seen

    worker.row.seen_at -= loop.HEARTBEAT
    worker._heartbeat()
    assert worker.row.seen_at >= seen


def test_whoever_is_silent_is_not_alive_and_at_last_forgotten() -> None:
    now = timezone.now()
    Worker.objects.create(name="host:1", started_at=now - timedelta(days=3), seen_at=now - timedelta(days=2))
    silent = Worker.objects.create(name="host:2", started_at=now, seen_at=now - timedelta(seconds=31))

    assert not selectors.is_alive(now)

    worker = Loop({})
    worker._heartbeat()
    assert worker.row
    assert selectors.alive(now) == [worker.row.pk]
    assert set(Worker.objects.values_list("pk", flat=True)) == {silent.pk, worker.row.pk}


def test_an_unknown_job_is_named_at_the_start(settings: Any) -> None:
    settings.WORKER_JOBS = ["erp.worker.nothing"]

    with pytest.raises(ImportError, match="nothing"):
        run("run_worker", "--once")
