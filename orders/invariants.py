"""What must always hold of orders, their history and closing records."""

from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from erp.kernel.canonical import sha256
from erp.kernel.fields import fixed
from erp.kernel.invariants import Lives, Rows, invariant
from erp.kernel.models import OutboxEvent
from orders.models import Act, ClosingRecord, Line, LineClosing, Order, Status
from orders.services.progress import payment_status, shipping_status

_LIVES = Lives(Order, born={"place": Status.NEW})


@invariant("orders.status_follows_graph", _("Every change of status in history is an edge of the lifecycle."))
def status_follows_graph() -> Rows:
    yield from _LIVES.off_graph()


@invariant("orders.status_is_newest_history", _("An order's status is that of its newest history row."))
def status_is_newest_history() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.number, o.status, h.status FROM orders_order o LEFT JOIN orders_historicalorder h "
            "ON h.history_id = (SELECT MAX(history_id) FROM orders_historicalorder WHERE id = o.id) "
            "WHERE h.status IS NULL OR h.status <> o.status"
        )
        yield from cursor.fetchall()


@invariant("orders.history_is_signed", _("Every history row names who wrote it."))
def history_is_signed() -> Rows:
    for model in (Order, Line):
        yield from model.history.filter(Q(actor_name="") | Q(channel="")).values_list("history_id", "actor_name")


@invariant("orders.closing_has_reason", _("History says why an order was closed."))
def closing_has_reason() -> Rows:
    yield from Order.history.filter(status=Status.CLOSED, history_change_reason="").values_list("number")


@invariant("orders.closed_has_odd_record", _("An order is closed exactly when its newest closing record is odd."))
def closed_has_odd_record() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.number, o.status, MAX(r.sequence) FROM orders_order o "
            "LEFT JOIN orders_closingrecord r ON r.order_id = o.id GROUP BY o.id, o.number, o.status "
            "HAVING (o.status = 'closed') <> (COALESCE(MAX(r.sequence), 0) % 2 = 1)"
        )
        yield from cursor.fetchall()


@invariant(
    "orders.records_alternate",
    _("An order's closing records alternate, one after the other, and its cycle is the one they lead to."),
)
def records_alternate() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT order_id, sequence, act FROM (SELECT order_id, sequence, act, ROW_NUMBER() OVER "
            "(PARTITION BY order_id ORDER BY position) AS no FROM orders_closingrecord) AS numbered "
            "WHERE sequence <> no OR act <> CASE WHEN no % 2 = 1 THEN 'close' ELSE 'reopen' END"
        )
        yield from cursor.fetchall()
        cursor.execute(
            "SELECT o.number, o.cycle, COUNT(r.id) FROM orders_order o "
            "LEFT JOIN orders_closingrecord r ON r.order_id = o.id AND r.act = 'reopen' "
            "GROUP BY o.id, o.number, o.cycle HAVING o.cycle <> COUNT(r.id) + 1"
        )
        yield from cursor.fetchall()


@invariant("orders.reopening_has_reason", _("History says why an order was reopened."))
def reopening_has_reason() -> Rows:
    reopened = Order.history.filter(reopened_at=F("history_date"))
    yield from reopened.filter(history_change_reason="").values_list("number")


@invariant("orders.cancelling_has_reason", _("History says why an order was cancelled, or asked to be."))
def cancelling_has_reason() -> Rows:
    # The act that carries a request out has reasons of its own; both may be of the same moment.
    asked = Order.history.filter(cancel_requested_at=F("history_date"), history_user=F("cancel_requested_by"))
    yield from asked.filter(Q(cancel_reason="") | Q(history_change_reason="")).values_list("number")
    yield from Order.history.filter(status=Status.CANCELLED, cancel_reason="").values_list("number")


@invariant("orders.line_closing_has_reason", _("Every line closed short says why."))
def line_closing_has_reason() -> Rows:
    yield from LineClosing.objects.filter(Q(reason="") | Q(why="")).values_list("order__number")


@invariant("orders.closer_is_not_reopener", _("Nobody both closed and reopened the same order."))
def closer_is_not_reopener() -> Rows:
    own = ClosingRecord.objects.filter(order=OuterRef("order"), by=OuterRef("by"), act=Act.CLOSE)
    yield from ClosingRecord.objects.filter(Exists(own), act=Act.REOPEN).values_list("order__number", "by_name")


@invariant("orders.closing_chain_is_whole", _("Closing records form one gapless chain of digests."))
def closing_chain_is_whole() -> Rows:
    previous = ""
    records = ClosingRecord.objects.order_by("position").iterator(chunk_size=500)
    for position, record in enumerate(records, start=1):
        whole = record.position == position and record.previous_digest == previous
        if not whole or record.digest != sha256(previous + record.content):
            yield record.number, record.position, record.digest
        previous = record.digest


@invariant("orders.totals_add_up", _("An order's amounts are the sums of its lines."))
def totals_add_up() -> Rows:
    yield from (
        Order.objects.annotate(
            lines_total=Coalesce(Sum("lines__amount"), fixed(0)), lines_tax=Coalesce(Sum("lines__tax"), fixed(0))
        )
        .exclude(lines_total=F("total"), lines_tax=F("tax"))
        .values_list("number", "total", "lines_total")
    )


@invariant("orders.closed_short_equals_closings", _("What is closed short of a line is what its line closings say."))
def closed_short_equals_closings() -> Rows:
    columns = ("closed", "closed_amount", "closed_tax")
    sums = LineClosing.objects.values_list("line").annotate(Sum("quantity"), Sum("amount"), Sum("tax"))
    closings = {line_id: tuple(of_line) for line_id, *of_line in sums}
    touched = Line.objects.filter(Q(pk__in=closings) | Q(closed__gt=0) | Q(closed_amount__gt=0))
    for line_id, *progress in touched.values_list("pk", *columns):
        if tuple(progress) != closings.get(line_id, (0, 0, 0)):
            yield line_id, *progress


@invariant("orders.progress_status", _("Shipping and payment status follow from exact figures."))
def progress_status() -> Rows:
    orders = Order.objects.prefetch_related("lines").order_by("pk")
    for order in orders.iterator(chunk_size=1000):
        shipping = shipping_status(order.lines.all())
        if (order.shipping_status, order.payment_status) != (shipping, payment_status(order)):
            yield order.number, order.shipping_status, order.payment_status


@invariant("orders.hold_has_reason", _("History says why an order was put on hold."))
def hold_has_reason() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number FROM (SELECT number, held_at, held_reason, history_change_reason, "
            "LAG(held_at) OVER (PARTITION BY id ORDER BY history_id) AS held_before FROM orders_historicalorder) "
            "AS steps WHERE held_at IS NOT NULL AND held_before IS NULL "
            "AND (held_reason = '' OR history_change_reason = '')"
        )
        yield from cursor.fetchall()


@invariant("orders.held_stays", _("An order on hold keeps its status, unless it is cancelled."))
def held_stays() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, before, status FROM (SELECT number, status, "
            "LAG(status) OVER w AS before, LAG(held_at) OVER w AS held_before FROM orders_historicalorder "
            "WINDOW w AS (PARTITION BY id ORDER BY history_id)) AS steps "
            "WHERE held_before IS NOT NULL AND before <> status AND status <> 'cancelled'"
        )
        yield from cursor.fetchall()


@invariant(
    "orders.state_changes_are_told",
    _("Every change of an order's status, hold, resumption and cancellation request has its outbox row."),
)
def state_changes_are_told() -> Rows:
    yield from _LIVES.untold()
    told: dict[str, int] = dict(
        OutboxEvent.objects.filter(subject_type="orders.order", topic__in=[f"order.{name}" for name in _BESIDE_STATUS])
        .values_list("subject_id")
        .annotate(Count("pk"))
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, SUM(CASE WHEN before = status AND ((held_before IS NULL) <> (held_at IS NULL) "
            "OR (asked_before IS NULL) <> (cancel_requested_at IS NULL)) THEN 1 ELSE 0 END) FROM "
            "(SELECT id, status, held_at, cancel_requested_at, LAG(status) OVER w AS before, "
            "LAG(held_at) OVER w AS held_before, LAG(cancel_requested_at) OVER w AS asked_before "
            "FROM orders_historicalorder WINDOW w AS (PARTITION BY id ORDER BY history_id)) AS steps GROUP BY id"
        )
        changes: list[tuple[Any, int]] = cursor.fetchall()
    yield from (
        (order_id, count, told.get(str(order_id), 0))
        for order_id, count in changes
        if count != told.get(str(order_id), 0)
    )


# Acts that leave the status as it is, and are told all the same.
_BESIDE_STATUS = ("hold", "resume", "request_cancel", "end_cancel_request")
