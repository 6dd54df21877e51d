"""Acts at the same time: real threads, each with a connection of its own."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connection, connections

from erp.kernel.errors import DomainError
from orders.services.lifecycle import Refused

Act = Callable[[], Any]
# Nobody waits longer than this; a test that would is stuck.
PATIENCE = 60


def rounds(on_postgresql: int = 20) -> int:
    """SQLite lets one writer in at a time: half as many rounds say as much there."""
    return on_postgresql if connection.vendor == "postgresql" else on_postgresql // 2


def attempt(act: Act) -> Any:
    """What the act returns, or the refusal it meets; whatever else it meets is a fault."""
    try:
        return act()
    except DomainError as refusal:
        return refusal


def together(*acts: Act) -> list[Any]:
    """As :func:`in_rounds` for one round."""
    (results,) = in_rounds([acts])
    return results


def in_rounds(rounds: Sequence[Sequence[Act]]) -> list[list[Any]]:
    """
    Run the acts of a round each in a thread of its own, all begun at the same moment; then those of the next.

    Threads and their connections last through all rounds, as those of a server do.

    :returns: by round, what each act returned, or the refusal it met, in their order.
    :raises BaseExceptionGroup: of whatever else was raised: nobody is to meet anything but a refusal.
    """
    width = len(rounds[0])
    barrier = threading.Barrier(width)
    results: list[list[Any]] = [[None] * width for _ in rounds]
    failures: list[BaseException] = []

    def run(no: int) -> None:
        try:
            for acts, result in zip(rounds, results, strict=True):
                barrier.wait(PATIENCE)
                result[no] = attempt(acts[no])
        except BaseException as failure:
            failures.append(failure)
            barrier.abort()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(no,), daemon=True) for no in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE + 2 * len(rounds))
    assert not any(thread.is_alive() for thread in threads), "an act is stuck"
    if failures:
        raise BaseExceptionGroup("acts failed", failures)
    return results


def verdict(result: Any) -> str:
    """``done``, or the codes of why not."""
    if isinstance(result, Refused):
        return " ".join(result.blockers)
    return result.code if isinstance(result, DomainError) else "done"


def verdicts(results: Iterable[Any]) -> list[str]:
    return sorted(verdict(result) for result in results)
