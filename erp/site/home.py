"""The first page: what this person has to do now, and how the business goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.reports.selectors.dashboard import FIGURES
from erp.reports.shown import figure
from erp.site import worklists
from orders.selectors import company_day


@dataclass(frozen=True, slots=True)
class Queue:
    """
    Documents that wait for whoever holds a permission.

    :ivar page: where they are decided together, if not in their list.
    """

    label: Text
    permission: str
    model: str
    status: str
    page: str = ""

    def waiting(self, request: HttpRequest) -> int:
        """As many as the list behind the number shows this reader."""
        documents = admin.site.get_model_admin(apps.get_model(self.model)).get_queryset(request)
        return int(documents.filter(status=self.status).count())

    @property
    def link(self) -> str:
        if self.page:
            return reverse(f"admin:{self.page}")
        name = self.model.lower().replace(".", "_")
        return f"{reverse(f'admin:{name}_changelist')}?status__exact={self.status}"


QUEUES = (
    Queue(_("Payments to confirm"), "finance.confirm_payment", "finance.Payment", "reported"),
    Queue(_("Refunds to approve"), "finance.approve_refund", "finance.Refund", "requested", page="refunds"),
    Queue(_("Refunds to pay"), "finance.pay_refund", "finance.Refund", "approved"),
    Queue(_("Allowances to decide"), "finance.approve_allowance", "finance.Allowance", "requested"),
    Queue(_("Write-offs to decide"), "finance.approve_write_off", "finance.WriteOff", "requested"),
    Queue(_("Returns to approve"), "logistics.approve_return", "logistics.Return", "requested"),
    Queue(_("Returns to receive"), "logistics.receive_return", "logistics.Return", "approved"),
    Queue(_("Shipments to pack"), "logistics.pack_shipment", "logistics.Shipment", "draft"),
    Queue(_("Shipments to dispatch"), "logistics.dispatch_shipment", "logistics.Shipment", "packed"),
    Queue(_("Stock-takes to decide"), "inventory.approve_stocktake", "inventory.StockTake", "counted"),
)


@dataclass(frozen=True, slots=True)
class Task:
    """A number to work down, and where."""

    label: Text
    count: int
    link: str


def context(request: HttpRequest) -> Mapping[str, Any]:
    """Tasks first, then figures; both only of what the reader may see."""
    user: Any = request.user
    if not user.has_perm("orders.view_order"):
        return {"tasks": _documents(request)}
    now = timezone.now()
    return {
        "tasks": [*_documents(request), *_orders(request)],
        "blockers": worklists.top_blockers(user, now),
        "figures": [(label, figure(read(user, company_day(now)), request)) for label, read in FIGURES],
        "at": now,
    }


def _documents(request: HttpRequest) -> Sequence[Task]:
    own = (queue for queue in QUEUES if request.user.has_perm(queue.permission))
    return [task for task in (Task(queue.label, queue.waiting(request), queue.link) for queue in own) if task.count]


def _orders(request: HttpRequest) -> Sequence[Task]:
    return [
        Task(each.worklist.label, each.count, each.worklist.link) for each in worklists.counted(request) if each.count
    ]
