"""
What the clerk works from: lists of orders that wait for somebody, declared as data.

Each says whose acts take its orders on; who holds one of those permissions sees it, and who may see readiness (the
closer, the chief accountant, the auditor) oversees all of them. 已关闭 and 全部 are everybody's, and have no number:
they are archives, whose size nobody waits for. All numbers of a page come from one query over the open orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Count, F, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.errors import Text
from erp.site import blocking as blocking_words
from orders.models import OPEN, Order, PaymentStatus, ShippingStatus, Status

OVERSEE = "site.view_readiness"
PARAMETER, FINDING = "list", "finding"

_CHECKED = Q(status=Status.COMPLETED, readiness__version=F("version"))
_UNREFUNDED = Q(status=Status.CANCELLED, payment_status=PaymentStatus.OVERPAID)
_GOING_ON = Q(held_at__isnull=True, cancel_requested_at__isnull=True)
# What any counted list may hold; few of many orders.
_OPEN = Q(status__in=OPEN) | _UNREFUNDED


@dataclass(frozen=True, slots=True)
class Worklist:
    """
    :ivar within: which orders; :ivar acts: permissions of those whose work it is, empty for everybody's archives.
    :ivar is_overdue: only those completed longer ago than ``settings.OVERDUE_DAYS``.
    """

    name: str
    label: Text
    icon: str
    within: Q
    acts: Sequence[str] = ()
    is_overdue: bool = False

    def orders(self, now: datetime) -> Q:
        if self.is_overdue:
            return self.within & Q(completed_at__lt=now - timedelta(days=settings.OVERDUE_DAYS))
        return self.within

    def is_for(self, user: Any) -> bool:
        return not self.acts or user.has_perm(OVERSEE) or any(user.has_perm(act) for act in self.acts)

    @property
    def is_counted(self) -> bool:
        return bool(self.acts)

    @property
    def link(self) -> str:
        return address(self.name)


_FULFIL = ("orders.process_order", "logistics.pack_shipment", "logistics.dispatch_shipment", "orders.complete_order")
_REVIEW = ("orders.review_order", "finance.review_finance", "logistics.review_logistics")

WORKLISTS = (
    Worklist(
        "to_process",
        _("To process"),
        "inbox",
        _GOING_ON & Q(status=Status.NEW),
        ("orders.process_order", "orders.cancel_order"),
    ),
    Worklist(
        "to_ship",
        _("To ship"),
        "package_2",
        _GOING_ON & Q(status=Status.PROCESSING, shipping_status=ShippingStatus.NOT_SHIPPED),
        _FULFIL,
    ),
    Worklist(
        "partly_shipped",
        _("Partially shipped"),
        "splitscreen",
        _GOING_ON & Q(status=Status.PROCESSING) & ~Q(shipping_status=ShippingStatus.NOT_SHIPPED),
        _FULFIL,
    ),
    Worklist(
        "to_sign",
        _("To be signed for"),
        "signature",
        _GOING_ON & Q(status=Status.SHIPPED),
        ("logistics.deliver_shipment", "orders.complete_order"),
    ),
    Worklist(
        "to_be_paid",
        _("To be paid"),
        "payments",
        Q(status__in=OPEN, payment_status__in=[PaymentStatus.UNPAID, PaymentStatus.PARTLY_PAID]),
        ("finance.report_payment", "finance.confirm_payment", "orders.add_order"),
    ),
    Worklist("to_review", _("To review"), "fact_check", _CHECKED & Q(readiness__only_reviews=True), _REVIEW),
    Worklist(
        "closable", _("Ready to close"), "task_alt", _CHECKED & Q(readiness__ready=True), ("orders.close_order",)
    ),
    Worklist(
        "blocked",
        _("Blocked"),
        "block",
        _CHECKED & Q(readiness__ready=False, readiness__only_reviews=False),
        (*_REVIEW, "orders.complete_order", "finance.report_payment", "logistics.receive_return"),
    ),
    Worklist(
        "to_be_cancelled",
        _("To be cancelled"),
        "event_busy",
        Q(status__in=[Status.PROCESSING, Status.SHIPPED], cancel_requested_at__isnull=False),
        ("orders.cancel_order", "logistics.pack_shipment", "logistics.receive_return", "logistics.approve_return"),
    ),
    Worklist(
        "unrefunded",
        _("Cancelled, not refunded"),
        "currency_exchange",
        _UNREFUNDED,
        ("orders.cancel_order", "finance.request_refund", "finance.approve_refund", "finance.pay_refund"),
    ),
    Worklist(
        "on_hold",
        _("On hold"),
        "pause_circle",
        Q(status__in=OPEN, held_at__isnull=False),
        ("orders.hold_order", "orders.process_order"),
    ),
    Worklist(
        "overdue",
        _("Overdue, not closed"),
        "hourglass_bottom",
        Q(status=Status.COMPLETED),
        ("orders.close_order", *_REVIEW),
        is_overdue=True,
    ),
    Worklist("closed", pgettext_lazy("order", "Closed"), "lock", Q(status=Status.CLOSED)),
    Worklist("all", pgettext_lazy("orders", "All"), "receipt_long", Q()),
)
BY_NAME = {worklist.name: worklist for worklist in WORKLISTS}
_UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Counted:
    """A worklist as its reader sees it."""

    worklist: Worklist
    count: int | None
    is_current: bool = False


def address(name: str, **also: str) -> str:
    query = {PARAMETER: name, **also} if name != "all" else also
    return f"{reverse('admin:orders_order_changelist')}?{urlencode(query)}"


def offered(user: Any) -> list[Worklist]:
    return [worklist for worklist in WORKLISTS if worklist.is_for(user)]


def counted(request: HttpRequest) -> list[Counted]:
    """The reader's worklists with their numbers."""
    numbers = _numbers(request)
    current = request.GET.get(PARAMETER, "")
    return [
        Counted(worklist, numbers[worklist.name] if worklist.is_counted else None, worklist.name == current)
        for worklist in offered(request.user)
    ]


def unchecked(request: HttpRequest) -> int:
    """How many completed orders in the reader's scope nobody has looked at as they are now."""
    return _numbers(request)[_UNCHECKED]


def _numbers(request: HttpRequest) -> Mapping[str, int]:
    """One query for sidebar and strip, asked once a page."""
    if not hasattr(request, "worklist_numbers"):
        request.worklist_numbers = numbers(request.user, timezone.now())  # type: ignore[attr-defined]
    known: Mapping[str, int] = request.worklist_numbers  # type: ignore[attr-defined]
    return known


def numbers(user: Any, now: datetime) -> Mapping[str, int]:
    counts = {worklist.name: Count("pk", filter=worklist.orders(now)) for worklist in WORKLISTS if worklist.is_counted}
    completed = Count("pk", filter=Q(status=Status.COMPLETED))
    checked = Count("pk", filter=_CHECKED)
    known: dict[str, int] = (
        Order.objects.visible_to(user).filter(_OPEN).aggregate(**counts, completed=completed, checked=checked)
    )
    return {**known, _UNCHECKED: known["completed"] - known["checked"]}


def findings(user: Any, now: datetime) -> Sequence[tuple[str, int]]:
    """The checks that block the orders of 阻塞, most frequent first: one query, a row for each combination."""
    blocked = Order.objects.visible_to(user).filter(BY_NAME["blocked"].orders(now))
    combinations: Iterable[tuple[str, int]] = blocked.values_list("readiness__codes").annotate(Count("pk"))
    counts: Counter[str] = Counter()
    for codes, count in combinations:
        counts.update(dict.fromkeys(codes.strip("|").split("|"), count))
    return counts.most_common()


@dataclass(frozen=True, slots=True)
class Blocking:
    """A check that blocks some orders of 阻塞."""

    code: str
    count: int
    is_current: bool = False

    @property
    def label(self) -> str:
        return blocking_words.name_of(self.code)

    @property
    def link(self) -> str:
        return address("blocked", **{FINDING: self.code})


def blocking(request: HttpRequest) -> list[Blocking]:
    """What blocks the orders of 阻塞, where its reader looks at them."""
    if request.GET.get(PARAMETER) != "blocked":
        return []
    chosen = request.GET.get(FINDING)
    return [Blocking(code, count, code == chosen) for code, count in findings(request.user, timezone.now())]


def top_blockers(user: Any, now: datetime, *, most: int = 8) -> list[Blocking]:
    """What blocks most of the completed orders in the reader's scope."""
    return [Blocking(code, count) for code, count in findings(user, now)[:most]]


def with_finding(code: str) -> Q:
    """Completed orders that one check keeps from being closed."""
    return _CHECKED & Q(readiness__codes__contains=f"|{code}|")
