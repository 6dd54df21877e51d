"""
Closes an order in a process of its own that is killed in the middle.

Run by ``test_crash``: reads numbers from standard input, forks for each of them, and kills the fork, as a
power cut would, when it reaches the failpoint of that number. Failpoints stand before every statement,
before COMMIT and after it. Answers each number with the exit code of the fork.
"""

import os
import signal
import sys
from datetime import datetime
from typing import Any

import django


def main(database: str, order_id: int, user_id: int, at: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "erp.settings")
    django.setup()
    for fatal in map(int, sys.stdin):
        fork = os.fork()
        if not fork:
            close(database, order_id, user_id, datetime.fromisoformat(at), fatal)
            os._exit(0)
        _pid, status = os.waitpid(fork, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def close(database: str, order_id: int, user_id: int, at: datetime, fatal: int) -> None:
    from django.db import connection

    from erp.kernel.acting import Decision
    from erp.kernel.models import User
    from orders.services.closing import close_order

    reached = 0

    def reach() -> None:
        nonlocal reached
        reached += 1
        if reached == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def execute_past_failpoint(execute: Any, *args: Any) -> Any:
        reach()
        return execute(*args)

    commit = connection._commit

    def commit_between_failpoints() -> None:
        reach()
        commit()
        reach()

    connection.settings_dict["NAME"] = database
    connection._commit = commit_between_failpoints
    with connection.execute_wrapper(execute_past_failpoint):
        close_order(order_id, decision=Decision(by=User.objects.get(pk=user_id), at=at, reason="CL01"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
