"""The order list: its worklists, why an order is not closed, and pages that cost the same for any number of orders."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from erp.kernel.admin import ListPage
from erp.site import amounts, blocking, worklists
from erp.site.models import Readiness
from orders.contract import Block, Check, steps
from orders.models import Order, PaymentStatus, ShippingStatus, Status

PARAMETERS = frozenset({worklists.PARAMETER, worklists.FINDING, amounts.FROM, amounts.TO})
COUNTED = 10_000
_SEEN = ("version", "ready", "blockers")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than anybody pages: what lies beyond is found by filters."""

    @cached_property
    def found(self) -> int:
        """Up to one more than is paged."""
        orders: Any = self.object_list
        return int(orders.order_by()[: COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self.found, COUNTED)


class _Several(int):
    """A number of rows beyond which nobody counted."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class OrderList(ListPage):
    """Pages keys first, and joins what is shown to those of one page only."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        keys = list(self.result_list.values_list("pk", flat=True))
        seen = {f"seen_{name}": F(f"readiness__{name}") for name in _SEEN}
        rows = Order.objects.select_related("shop").annotate(**seen).in_bulk(keys)
        for order in rows.values():
            order.seen = _seen(order)  # type: ignore[attr-defined]
        self.result_list = [rows[key] for key in keys if key in rows]
        if self.paginator.found > COUNTED:
            self.result_count = _Several(COUNTED)


def _seen(order: Any) -> Readiness | None:
    if order.seen_version is None:
        return None
    return Readiness(order_id=order.pk, **{name: getattr(order, f"seen_{name}") for name in _SEEN})


class WorklistFilter(admin.SimpleListFilter):
    title = _("worklist")
    parameter_name = worklists.PARAMETER
    template = "erp/in_strip.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(each.name, each.label) for each in worklists.offered(request.user) if each.name != "all"]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        worklist = worklists.BY_NAME.get(self.value() or "all")
        return queryset.filter(worklist.orders(timezone.now())) if worklist else queryset.none()


class FindingFilter(admin.SimpleListFilter):
    title = _("blocking check")
    parameter_name = worklists.FINDING

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        checks = (check for step in steps("close") for check in step.checks)
        return [(check.code, blocking.name_of(check.code)) for check in checks if _is_of_the_order(check)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        code = self.value()
        return queryset.filter(worklists.with_finding(code)) if code else queryset


def _is_of_the_order(check: Check) -> bool:
    """Not of who closes it or why."""
    return check.block != Block.DUTY and check.code != "orders.reason_does_not_fit"


def next_or_blocking(order: Any, seen: Readiness | None) -> str:
    """In a few words: what blocks a completed order, or what comes next of any other."""
    if order.held_at:
        return str(_("On hold"))
    if order.status == Status.COMPLETED:
        return _of_completed(order, seen)
    if order.status == Status.CANCELLED:
        return str(_("To be refunded")) if order.payment_status == PaymentStatus.OVERPAID else ""
    if order.cancel_requested_at:
        return str(_("To be cancelled"))
    if order.status == Status.PROCESSING and order.shipping_status == ShippingStatus.PARTLY_SHIPPED:
        return str(_("Rest to ship"))
    waiting = {Status.NEW: _("To process"), Status.PROCESSING: _("To ship"), Status.SHIPPED: _("To be signed for")}
    return str(waiting.get(order.status, ""))


def _of_completed(order: Any, seen: Readiness | None) -> str:
    if seen is None or seen.version != order.version:
        return str(_("Being checked"))
    if seen.ready:
        return str(_("Ready to close"))
    first, *others = (blocking.short(blocker) for blocker in seen.blockers)
    if not others:
        return first
    return str(_("%(first)s, one of %(count)s")) % {"first": first, "count": len(seen.blockers)}
