"""What must always hold of shipments and returns."""

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.utils.translation import gettext_lazy as _

from erp.kernel.invariants import Lives, Rows, invariant
from erp.kernel.money import ZERO
from finance import accounts
from finance.models import Credit, Purpose, Voucher
from inventory.invariants import unlike_documents
from inventory.models import Move, MoveKind
from logistics.models import (
    OUT,
    UNDELIVERED,
    Inspection,
    Return,
    ReturnLine,
    ReturnStatus,
    Shipment,
    ShipmentLine,
    ShipmentStatus,
)
from logistics.models.returns import STOCKED
from logistics.models.shipment import IN_HOUSE
from orders.models import Line, Status
from orders.models.order import LineKind


@invariant("logistics.shipped_equals_documents", _("What a line says is shipped is what left on shipments."))
def shipped_equals_documents() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.id, l.shipped, COALESCE(s.quantity, 0), l.shipped_amount, COALESCE(s.amount, 0) "
            "FROM orders_line l LEFT JOIN (SELECT r.line_id, SUM(r.quantity) AS quantity, SUM(r.amount) AS amount, "
            "SUM(r.tax) AS tax FROM logistics_shipmentline r JOIN logistics_shipment h ON h.id = r.shipment_id "
            "WHERE h.status IN ('dispatched', 'delivered', 'refused', 'lost') GROUP BY r.line_id) s "
            "ON s.line_id = l.id "
            "WHERE l.shipped <> COALESCE(s.quantity, 0) OR l.shipped_amount <> COALESCE(s.amount, 0) "
            "OR l.shipped_tax <> COALESCE(s.tax, 0)"
        )
        yield from cursor.fetchall()


_SHIPMENTS = Lives(Shipment, born={"draft": ShipmentStatus.DRAFT, "pack": ShipmentStatus.PACKED})
_RETURNS = Lives(Return, born={"request": ReturnStatus.REQUESTED, "approve": ReturnStatus.APPROVED})


@invariant("logistics.status_follows_graph", _("Every change of a shipment's or return's status is declared."))
def status_follows_graph() -> Rows:
    yield from _SHIPMENTS.off_graph()
    yield from _RETURNS.off_graph()


@invariant(
    "logistics.state_changes_are_told", _("Every change of a shipment's or return's status has its outbox row.")
)
def state_changes_are_told() -> Rows:
    yield from _SHIPMENTS.untold()
    yield from _RETURNS.untold()


@invariant(
    "logistics.decisions_have_reasons",
    _("History says why shipments were refused or lost, and why returns were asked for or rejected."),
)
def decisions_have_reasons() -> Rows:
    came_back = Return.objects.filter(order=OuterRef("order"), received_at=OuterRef("undelivered_at"))
    arrived = Shipment.objects.filter(order=OuterRef("order"), delivered_at=OuterRef("rejected_at"))
    # Found to be refused when its goods came back, or let go when the customer had them: acts without a reason.
    refused = set(Shipment.objects.filter(Exists(came_back)).values_list("pk", flat=True))
    let_go = set(Return.objects.filter(Exists(arrived), calls_back=True).values_list("pk", flat=True))
    yield from _SHIPMENTS.without_reason("lose")
    yield from (row for row in _SHIPMENTS.without_reason("refuse") if row[0] not in refused)
    yield from _RETURNS.without_reason("request")
    yield from (row for row in _RETURNS.without_reason("reject") if row[0] not in let_go)
    yield from Return.objects.filter(reason="").values_list("pk", "number", "status")


@invariant(
    "logistics.closed_has_nothing_open",
    _("Every shipment of a closed order has come to its end, and so has every return from before the closing."),
)
def closed_has_nothing_open() -> Rows:
    of_closed = Q(order__status=Status.CLOSED)
    under_way = Shipment.objects.filter(of_closed, status__in=[*IN_HOUSE, ShipmentStatus.DISPATCHED])
    yield from under_way.values_list("number", "status")
    undecided = Return.objects.filter(of_closed, status__in=[ReturnStatus.REQUESTED, ReturnStatus.APPROVED])
    yield from undecided.filter(requested_at__lte=F("order__closed_at")).values_list("number", "status")


@invariant(
    "logistics.dispatches_moved",
    _(
        "Each stocked line of a shipment that left has one move of its quantity and cost; services and what did not "
        "leave have none."
    ),
)
def dispatches_moved() -> Rows:
    columns = ("line_id", "line__product_id", "shipment__warehouse_id", "quantity", "cost")
    rows = ShipmentLine.objects.values_list("pk", "shipment__status", "line__kind", *columns)
    yield from unlike_documents(
        "logistics.shipmentline",
        _MOVED,
        (
            (pk, (MoveKind.ISSUE, *place, -quantity, -cost) if status in OUT and kind == LineKind.STOCKED else None)
            for pk, status, kind, *place, quantity, cost in rows.iterator(chunk_size=5000)
        ),
    )


_MOVED = ("kind", "line_id", "product_id", "warehouse_id", "quantity", "value")
_SOURCES = {
    MoveKind.RECEIPT: "inventory.receiptline",
    MoveKind.GAIN: "inventory.stocktakeline",
    MoveKind.LOSS: "inventory.stocktakeline",
    MoveKind.MOVED_OUT: "inventory.transferline",
    MoveKind.MOVED_IN: "inventory.transferline",
    MoveKind.ISSUE: "logistics.shipmentline",
    MoveKind.RETURN: "logistics.inspection",
}


@invariant("logistics.moves_have_documents", _("Every stock move is of a line of a document of its kind."))
def moves_have_documents() -> Rows:
    known = Q()
    for kind, source_type in _SOURCES.items():
        known |= Q(kind=kind, source_type=source_type)
    yield from Move.objects.exclude(known).values_list("pk", "kind", "source_type", "source_id")


@invariant(
    "logistics.cost_equals_issues",
    _("An order's cost in the ledger is the value of its issues less what its returned goods had cost."),
)
def cost_equals_issues() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.number, COALESCE(m.value, 0) - COALESCE(i.cost, 0), COALESCE(v.cost, 0), COALESCE(v.selling, 0) "
            "FROM orders_order o "
            "LEFT JOIN (SELECT l.order_id, -SUM(m.value) AS value FROM inventory_move m "
            "JOIN orders_line l ON l.id = m.line_id WHERE m.kind = 'issue' GROUP BY l.order_id) m "
            "ON m.order_id = o.id "
            "LEFT JOIN (SELECT r.order_id, SUM(i.cost) AS cost FROM logistics_inspection i "
            "JOIN logistics_returnline l ON l.id = i.line_id JOIN logistics_return r ON r.id = l.goods_return_id "
            "GROUP BY r.order_id) i ON i.order_id = o.id "
            "LEFT JOIN (SELECT v.order_id, "
            "SUM(CASE WHEN l.account_id = %s THEN l.debit - l.credit ELSE 0 END) AS cost, "
            "SUM(CASE WHEN l.account_id = %s THEN l.debit - l.credit ELSE 0 END) AS selling "
            "FROM finance_voucherline l JOIN finance_voucher v ON v.id = l.voucher_id WHERE l.account_id IN (%s, %s) "
            "GROUP BY v.order_id) v ON v.order_id = o.id "
            "WHERE COALESCE(m.value, 0) - COALESCE(i.cost, 0) <> "
            "CASE WHEN o.total = 0 THEN COALESCE(v.selling, 0) ELSE COALESCE(v.cost, 0) END "
            "OR CASE WHEN o.total = 0 THEN COALESCE(v.cost, 0) ELSE COALESCE(v.selling, 0) END <> 0",
            [accounts.COST_OF_SALES, accounts.SELLING] * 2,
        )
        yield from cursor.fetchall()


@invariant(
    "logistics.returned_equals_returns",
    _("What a line says came back and was restocked is what received returns brought, and no more than was shipped."),
)
def returned_equals_returns() -> Rows:
    received = ReturnLine.objects.filter(goods_return__status=ReturnStatus.RECEIVED)
    returned = dict(received.values_list("shipment_line__line").annotate(Sum("quantity")))
    stocked = Inspection.objects.filter(disposition__in=STOCKED)
    restocked = dict(stocked.values_list("line__shipment_line__line").annotate(Sum("quantity")))
    touched = Q(pk__in=returned) | Q(pk__in=restocked) | Q(returned__gt=0) | Q(restocked__gt=0)
    for line_id, *progress, shipped in Line.objects.filter(touched).values_list(
        "pk", "returned", "restocked", "shipped"
    ):
        documents = [returned.get(line_id, ZERO), restocked.get(line_id, ZERO)]
        if progress != documents or documents[0] > shipped:
            yield line_id, *progress, *documents, shipped


@invariant(
    "logistics.returns_within_shipments", _("No more of a shipment's line is on returns than the shipment carried.")
)
def returns_within_shipments() -> Rows:
    asked = ReturnLine.objects.exclude(goods_return__status=ReturnStatus.REJECTED)
    sums = asked.values_list("shipment_line", "shipment_line__quantity").annotate(total=Sum("quantity"))
    yield from sums.filter(total__gt=F("shipment_line__quantity"))


@invariant(
    "logistics.received_is_inspected",
    _("Every line of a received return is inspected in full and has its share and credit; no other line has any."),
)
def received_is_inspected() -> Rows:
    found = dict(Inspection.objects.values_list("line").annotate(Sum("quantity")))
    columns = ("pk", "goods_return__status", "quantity", "share", "credit")
    credits = dict(
        Credit.objects.filter(source_type="logistics.returnline").values_list("source_id").annotate(Sum("amount"))
    )
    for line_id, status, quantity, share, credit in ReturnLine.objects.values_list(*columns).iterator():
        expected = quantity if status == ReturnStatus.RECEIVED else ZERO
        is_received = share is not None and credit is not None
        credited = credits.pop(str(line_id), ZERO)
        if (found.get(line_id, ZERO), is_received) != (expected, bool(expected)) or (credit or ZERO) != credited:
            yield line_id, status, quantity, found.get(line_id, ZERO), credit, credited
    yield from credits.items()


@invariant(
    "logistics.restocked_moved",
    _("What a return put into stock has one move of its quantity and cost; scrapped and lost goods have none."),
)
def restocked_moved() -> Rows:
    line = "line__shipment_line__line"
    rows = Inspection.objects.values_list(
        "pk", "disposition", line, f"{line}__product_id", "warehouse_id", "quantity", "cost"
    )
    yield from unlike_documents(
        "logistics.inspection",
        _MOVED,
        (
            (pk, (MoveKind.RETURN, *move) if disposition in STOCKED else None)
            for pk, disposition, *move in rows.iterator(chunk_size=5000)
        ),
    )


@invariant(
    "logistics.received_returns_post",
    _("A received return has one voucher if it brought an amount or a cost; no other return has any."),
)
def received_returns_post() -> Rows:
    posted = set(
        Voucher.objects.filter(source_type="logistics.return", purpose=Purpose.RETURN).values_list(
            "source_id", flat=True
        )
    )
    costs = dict(Inspection.objects.values_list("line__goods_return").annotate(Sum("cost")))
    credits = dict(ReturnLine.objects.filter(credit__gt=0).values_list("goods_return").annotate(Sum("credit")))
    for pk, number, status in Return.objects.values_list("pk", "number", "status").iterator():
        worth = costs.get(pk, ZERO) + credits.get(pk, ZERO) if status == ReturnStatus.RECEIVED else ZERO
        if (str(pk) in posted) != bool(worth):
            yield number, status, worth


@invariant("logistics.undelivered_comes_back", _("All goods of a refused or lost shipment are on returns."))
def undelivered_comes_back() -> Rows:
    asked = dict(
        ReturnLine.objects.exclude(goods_return__status=ReturnStatus.REJECTED)
        .values_list("shipment_line")
        .annotate(Sum("quantity"))
    )
    rows = ShipmentLine.objects.filter(shipment__status__in=UNDELIVERED, line__kind=LineKind.STOCKED)
    for pk, number, quantity in rows.values_list("pk", "shipment__number", "quantity"):
        if asked.get(pk, ZERO) != quantity:
            yield number, quantity, asked.get(pk, ZERO)
