"""What tests of bulk runs share: runs by the services, and the worker's pieces."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from erp.bulk import services
from erp.bulk.models import BulkRun
from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import User, system
from tests.factories import decide


def ids(orders: Sequence[Any]) -> list[int]:
    return [order.pk for order in orders]


def started(act: str, orders: Sequence[Any], by: User, **kwargs: Any) -> BulkRun:
    run = services.draft(act, ids(orders), decision=decide(by))
    reason = {"reason": "CL01"} if act == "close" else {}
    return services.start(run.pk, decision=decide(by, **{**reason, **kwargs}))


def work(now: datetime | None = None) -> bool:
    now = now or timezone.now()
    with acting(Decision(by=system(), at=now, channel=Channel.JOB)):
        return services.work(now)


def work_all() -> None:
    while work():
        pass


def results(run: BulkRun) -> dict[int, tuple[str, list[str]]]:
    """What became of each order: its state, and the codes of why not."""
    rows = run.items.order_by("order_id").values_list("order_id", "state", "refusals")
    return {order_id: (state, [each["code"] for each in refusals]) for order_id, state, refusals in rows}


def fresh(run: BulkRun) -> BulkRun:
    return BulkRun.objects.get(pk=run.pk)
