"""挂起 and 恢复: a problem stops an order where it stands, until somebody lets it go on."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import override

from erp.kernel import invariants
from erp.kernel.acting import acting
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.locks import lock
from erp.kernel.models import OutboxEvent
from finance.models import Payment
from finance.services.payments import PaymentDraft, confirm_payment, report_payment
from inventory.models import Reservation, ReservationKind, StockLevel
from inventory.services import serving
from logistics.models import Shipment, ShipmentStatus
from logistics.services import drafting, shipping
from orders.models import Order, Status
from orders.services import lifecycle, proof
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, ReasonUnknown, UnknownParty
from orders.services.closing import close_order
from orders.services.documents import OrderIsOnHold
from orders.services.fulfilment import complete_order, process_order
from orders.services.holds import hold_order, hold_orders, resume_order, resume_orders
from orders.services.lifecycle import Refused, Seen
from orders.services.reviewing import review_order
from tests.database import unchanged
from tests.factories import OrderFactory, ProductFactory, ShopFactory, UserFactory, actor, decide, receive
from tests.support import count_queries

pytestmark = pytest.mark.django_db

STAGES = ["new", "processing", "packed", "shipped", "completed", "reviewed"]


@pytest.fixture(autouse=True)
def _everything_still_proves() -> Any:
    yield
    assert list(invariants.broken()) == []


def at(stage: str, **story: Any) -> Any:
    return OrderFactory(**({} if stage == "new" else {stage: True}), **story)


def fresh(order: Any) -> Any:
    return Order.objects.get(pk=order.pk)


def hold(order: Any, **kwargs: Any) -> Any:
    hold_order(order.pk, decision=decide(actor("service"), reason="HO01"), **kwargs)
    return fresh(order)


def resume(order: Any) -> Any:
    resume_order(order.pk, decision=decide(actor("service")))
    return fresh(order)


def reserved(order: Any) -> list[Decimal]:
    return list(Reservation.objects.filter(order=order).order_by("pk").values_list("quantity", flat=True))


@pytest.mark.parametrize("stage", STAGES)
def test_any_open_order_is_put_on_hold_and_keeps_its_status(service: Any, stage: str) -> None:
    order = at(stage)
    decision = decide(service, reason="HO02", note="电话打不通")

    hold_order(order.pk, decision=decision)

    now = fresh(order)
    assert (now.status, now.version) == (order.status, order.version + 1)
    assert (now.held_by, now.held_at, now.held_reason, now.held_note) == (service, decision.at, "HO02", "电话打不通")
    row = now.history.latest("history_id")
    assert (row.held_by_id, row.actor_name, row.history_change_reason) == (service.pk, service.name, "HO02 电话打不通")
    assert OutboxEvent.objects.get(topic="order.hold").subject == order.number


def test_a_closed_order_is_past_being_held(service: Any) -> None:
    order = OrderFactory(closed=True)

    with unchanged(), pytest.raises(Refused) as refused:
        hold_order(order.pk, decision=decide(service, reason="HO01"))

    assert refused.value.blockers == ["orders.wrong_state"]


def test_an_order_is_put_on_hold_once(service: Any) -> None:
    order = hold(OrderFactory())

    with unchanged(), pytest.raises(Refused) as refused, override("en"):
        hold_order(order.pk, decision=decide(service, reason="HO02"))

    assert refused.value.blockers == ["orders.on_hold"]
    assert f"put on hold by {actor('service').name}" in str(refused.value)


def test_a_resumed_order_is_as_before_and_history_keeps_the_hold(service: Any) -> None:
    order = hold(OrderFactory(), party="carrier")

    resume_order(order.pk, decision=decide(service, note="地址已核实"))

    now = fresh(order)
    assert (now.held_at, now.held_by, now.held_reason, now.held_note, now.held_party) == (None, None, "", "", "")
    assert now.version == order.version + 1
    resumed, held, _placed = now.history.order_by("-history_id")
    assert (resumed.history_change_reason, held.held_reason, held.held_party) == ("地址已核实", "HO01", "carrier")
    assert OutboxEvent.objects.get(topic="order.resume").subject == order.number


def test_an_order_that_is_not_on_hold_is_not_resumed(service: Any) -> None:
    order = OrderFactory()

    with unchanged(), pytest.raises(Refused) as refused:
        resume_order(order.pk, decision=decide(service))

    assert refused.value.blockers == ["orders.not_on_hold"]


@pytest.mark.parametrize(
    ("stage", "act"),
    [
        ("new", partial(process_order, decision=None)),
        ("delivered", partial(complete_order, decision=None)),
        ("reviewed", partial(close_order, decision=None)),
    ],
    ids=["process", "complete", "close"],
)
def test_no_transition_leads_on_from_a_hold(stage: str, act: Callable[..., Any]) -> None:
    order = hold(at(stage))
    superuser = UserFactory(is_superuser=True)

    with unchanged(), pytest.raises(Refused) as refused:
        act(order.pk, decision=decide(superuser, reason="CL01"))

    assert "orders.on_hold" in refused.value.blockers


def test_nothing_is_drafted_packed_or_dispatched(keeper: Any, logistician: Any) -> None:
    reserved_order, packed_order = OrderFactory(processing=True), OrderFactory(packed=True)
    (draft,) = drafting.draft_shipments([OrderFactory(processing=True).pk], decision=decide(keeper))
    packed = Shipment.objects.get(order=packed_order)
    for order in (reserved_order, packed_order, draft.order):
        hold(order)

    with unchanged():
        with pytest.raises(OrderIsOnHold):
            drafting.draft_shipment(reserved_order.pk, {1: Decimal(1)}, decision=decide(keeper))
        with pytest.raises(OrderIsOnHold):
            drafting.pack_orders([reserved_order.pk], decision=decide(keeper))
        with pytest.raises(OrderIsOnHold):
            shipping.pack_shipment(draft.pk, decision=decide(keeper))
        with pytest.raises(OrderIsOnHold) as refused:
            shipping.dispatch_shipment(packed.pk, decision=decide(logistician))

    assert refused.value.params == {"number": packed_order.number, "why": "HO01"}


def test_money_deliveries_and_taking_back_a_shipment_go_on(
    cashier: Any, accountant: Any, logistician: Any, keeper: Any
) -> None:
    shipped, packed = hold(OrderFactory(shipped=True)), hold(OrderFactory(packed=True))

    draft = PaymentDraft(shipped.pk, "alipay", "R-1", shipped.total)
    payment = report_payment(draft, decision=decide(cashier))
    confirm_payment(payment.pk, decision=decide(accountant))
    shipping.deliver_shipment(Shipment.objects.get(order=shipped).pk, decision=decide(logistician))
    shipping.cancel_shipment(Shipment.objects.get(order=packed).pk, decision=decide(keeper))

    assert Payment.objects.get().status == "confirmed"
    assert [s.status for s in Shipment.objects.order_by("pk")] == [ShipmentStatus.DELIVERED, ShipmentStatus.CANCELLED]


def test_the_reason_decides_whose_side_the_cause_is_on_unless_somebody_says_otherwise() -> None:
    by_reason, said = OrderFactory(), OrderFactory()

    hold_order(by_reason.pk, decision=decide(actor("service"), reason="HO03"))
    hold_order(said.pk, party="carrier", decision=decide(actor("service"), reason="HO03"))

    assert (fresh(by_reason).held_party, fresh(said).held_party) == ("seller", "carrier")


def test_a_hold_needs_a_fitting_reason_and_a_known_party(service: Any) -> None:
    order = OrderFactory()

    with unchanged():
        for reason, error in (("", ReasonUnknown), ("CL01", ReasonDoesNotApply), ("CA99", ReasonNeedsNote)):
            with pytest.raises(error):
                hold_order(order.pk, decision=decide(service, reason=reason))
        with pytest.raises(UnknownParty):
            hold_order(order.pk, party="weather", decision=decide(service, reason="HO01"))


def test_holding_needs_its_permission_and_an_order_in_scope(salesperson: Any) -> None:
    order = OrderFactory()
    held = hold(OrderFactory())
    stranger = UserFactory(role="service", shops=[ShopFactory()])

    with unchanged():
        with pytest.raises(Forbidden):
            hold_order(order.pk, decision=decide(salesperson, reason="HO01"))
        with pytest.raises(Forbidden):
            resume_order(held.pk, decision=decide(salesperson))
        with pytest.raises(NotFound):
            hold_order(order.pk, decision=decide(stranger, reason="HO01"))


def test_what_was_shown_is_compared(service: Any) -> None:
    order = OrderFactory(processing=True)

    with unchanged(), pytest.raises(Refused) as refused:
        hold_order(order.pk, decision=decide(service, reason="HO01"), seen=Seen(order.version - 1))

    assert refused.value.blockers == ["orders.changed"]


class TestReservation:
    def test_is_kept_unless_the_decision_frees_it(self) -> None:
        order = hold(OrderFactory(processing=True, line_count=1))

        assert reserved(order) == [2]
        assert reserved(resume(order)) == [2]

    def test_is_freed_by_signed_rows_and_taken_again(self, service: Any) -> None:
        order = OrderFactory(processing=True, line_count=1)

        outcome = hold_order(order.pk, release=True, decision=decide(service, reason="HO01"))

        (effect,) = outcome.effects
        assert (effect.quantity, fresh(order).held_released) == (2, True)
        with override("en"):
            assert effect.describe() == f"The reservation of 2 {effect.sku} is released."
        assert StockLevel.objects.get().available == 2
        row = Reservation.objects.latest("pk")
        assert (row.kind, row.quantity, row.by) == (ReservationKind.RELEASE, -2, service)
        order = resume(order)
        assert (order.held_released, reserved(order)) == (False, [2, -2, 2])

    def test_of_a_new_order_is_nothing_and_stays_nothing(self) -> None:
        order = resume(hold(OrderFactory(line_count=1), release=True))

        assert reserved(order) == []

    def test_what_was_shipped_is_not_reserved_again(self) -> None:
        product = ProductFactory()
        order = OrderFactory(lines=[(product, 3, None)], processing=True)
        keeper, logistician = decide(actor("keeper")), decide(actor("logistician"))
        shipment = drafting.draft_shipment(order.pk, {1: Decimal(1)}, decision=keeper)
        shipping.pack_shipment(shipment.pk, decision=keeper)
        shipping.dispatch_shipment(shipment.pk, decision=logistician, waybill=shipping.Waybill(method="PICKUP"))

        resume(hold(order, release=True))

        assert reserved(order) == [3, -1, -2, 2]

    def test_goods_on_a_shipment_are_not_freed_from_under_it(self, service: Any) -> None:
        order = OrderFactory(packed=True)

        with unchanged(), pytest.raises(Refused) as refused:
            hold_order(order.pk, release=True, decision=decide(service, reason="HO01"))

        assert refused.value.blockers == ["logistics.goods_on_shipment"]
        (finding,) = refused.value.outcome.blockers
        assert [link.number for link in finding.links] == [Shipment.objects.get().number]

    def test_goods_that_others_took_meanwhile_keep_the_order_on_hold(self, service: Any) -> None:
        product = ProductFactory()
        order = hold(OrderFactory(lines=[(product, 2, None)], processing=True), release=True)
        OrderFactory(lines=[(product, 1, None)], in_stock=False, processing=True)

        with unchanged(), pytest.raises(Refused) as refused:
            resume_order(order.pk, decision=decide(service))

        assert refused.value.blockers == ["inventory.not_enough_stock"]
        receive({product: 1})
        assert reserved(resume(order)) == [2, -2, 2]

    def test_in_a_shop_that_allows_backorder_the_order_waits_for_what_lacks(self) -> None:
        product, shop = ProductFactory(), ShopFactory(allows_backorder=True)
        order = hold(OrderFactory(shop=shop, lines=[(product, 2, None)], processing=True), release=True)
        OrderFactory(lines=[(product, 1, None)], in_stock=False, processing=True)

        resume(order)
        receive({product: 5})

        assert reserved(order) == [2, -2, 1, 1]

    def test_receipts_pass_by_an_order_that_freed_its_goods_until_it_is_resumed(self) -> None:
        product, shop = ProductFactory(), ShopFactory(allows_backorder=True)
        first, second = OrderFactory.create_batch(
            2, shop=shop, lines=[(product, 2, None)], in_stock=False, processing=True
        )
        hold(first, release=True)

        receive({product: 3})

        assert (reserved(first), reserved(second)) == ([], [2])
        assert reserved(resume(first)) == [1]

    def test_an_order_that_keeps_its_goods_keeps_its_place_among_those_that_wait(self) -> None:
        product, shop = ProductFactory(), ShopFactory(allows_backorder=True)
        first, second = OrderFactory.create_batch(
            2, shop=shop, lines=[(product, 2, None)], in_stock=False, processing=True
        )
        hold(first)

        receive({product: 3})

        assert (reserved(first), reserved(second)) == ([2], [1])


def test_a_closing_after_a_hold_is_proved(closer: Any) -> None:
    order = OrderFactory(completed=True, paid=True)
    resume(hold(order))
    for block, role in (("order", "salesperson"), ("finance", "accountant"), ("logistics", "logistician")):
        review_order(order.pk, block, decision=decide(actor(role)))

    close_order(order.pk, decision=decide(closer, reason="CL01"))

    assert list(proof.faults()) == []


def test_a_hold_makes_no_review_stale(closer: Any) -> None:
    order = resume(hold(OrderFactory(reviewed=True)))

    close_order(order.pk, decision=decide(closer, reason="CL01"))

    assert fresh(order).status == Status.CLOSED


class TestServing:
    """What a hold frees goes to the lines of others that wait, in the same transaction."""

    @pytest.fixture
    def product(self) -> Any:
        return ProductFactory()

    @pytest.fixture
    def shop(self) -> Any:
        return ShopFactory(allows_backorder=True)

    def holds_goods(self, product: Any, quantity: int, **story: Any) -> Any:
        return OrderFactory(lines=[(product, quantity, None)], processing=True, **story)

    def waits(self, shop: Any, product: Any, quantity: int, days_ago: int = 0) -> Any:
        at = timezone.now() - timedelta(days=days_ago)
        return OrderFactory(shop=shop, lines=[(product, quantity, None)], in_stock=False, processing=True, at=at)

    def test_the_oldest_order_gets_the_goods_first(self, shop: Any, product: Any, service: Any) -> None:
        order = self.holds_goods(product, 5)
        newest, oldest = self.waits(shop, product, 4, days_ago=1), self.waits(shop, product, 4, days_ago=2)

        hold(order, release=True)

        assert (reserved(oldest), reserved(newest)) == ([4], [1])
        assert Reservation.objects.get(order=oldest).by == actor("service")
        assert fresh(oldest).version == oldest.version + 1

    def test_what_nobody_waits_for_is_available(self, shop: Any, product: Any) -> None:
        order = self.holds_goods(product, 5)
        waiting = self.waits(shop, product, 2)

        hold(order, release=True)

        assert (reserved(waiting), StockLevel.objects.get().available) == ([2], 3)

    def test_goods_that_stay_reserved_serve_nobody(self, shop: Any, product: Any) -> None:
        order = self.holds_goods(product, 5)
        waiting = self.waits(shop, product, 2)

        hold(order)

        assert (reserved(order), reserved(waiting)) == ([5], [])

    def test_orders_held_together_do_not_serve_each_other(self, shop: Any, product: Any) -> None:
        full = self.holds_goods(product, 2)
        part = self.waits(shop, product, 2)
        waiting = self.waits(shop, product, 1)

        hold_orders([full.pk, part.pk], release=True, decision=decide(actor("service"), reason="HO01"))

        assert (reserved(full), reserved(part), reserved(waiting)) == ([2, -2], [], [1])

    def test_goods_of_an_inactive_warehouse_serve_nobody(self, shop: Any, product: Any) -> None:
        order = self.holds_goods(product, 2)
        waiting = self.waits(shop, product, 2)
        warehouse = StockLevel.objects.get().warehouse
        warehouse.is_active = False
        with acting(decide(actor("closer"))):
            warehouse.save()

        hold(order, release=True)

        assert reserved(waiting) == []

    def test_the_order_and_those_that_wait_are_locked_in_one_order(
        self, shop: Any, product: Any, monkeypatch: Any
    ) -> None:
        waiting = self.waits(shop, product, 2)
        order = self.waits(shop, product, 2, days_ago=1)
        receive({product: 2})
        newer = self.waits(shop, product, 2)
        locked: list[list[int]] = []

        def noted(queryset: Any, *rank: Any) -> list[Any]:
            rows = lock(queryset, *rank)
            locked.append([row.pk for row in rows])
            return rows

        monkeypatch.setattr(lifecycle, "lock", noted)
        monkeypatch.setattr(serving, "lock", noted)
        hold(order, release=True)

        # What comes later is locked already.
        assert locked[0] == [waiting.pk, order.pk, newer.pk]
        assert all(set(later) <= set(locked[0]) for later in locked)

    def test_queries_do_not_grow_with_those_that_wait(self, shop: Any) -> None:
        service = actor("service")
        service.has_perm("orders.all_shops")
        counts = []
        for size in (1, 20):
            product = ProductFactory()
            orders = [self.holds_goods(product, 1) for _ in range(size)]
            waiting = [self.waits(shop, product, 1) for _ in range(size)]
            with count_queries() as statements:
                hold_orders([o.pk for o in orders], release=True, decision=decide(service, reason="HO01"))
            counts.append(len(statements))
            assert [reserved(order) for order in waiting] == [[1]] * size

        assert counts[0] == counts[1]


@pytest.mark.parametrize("release", [False, True])
def test_thirty_orders_cost_as_much_as_one(release: bool) -> None:
    orders = OrderFactory.create_batch(31, processing=True)
    service = actor("service")
    service.has_perm("orders.all_shops")
    decision = decide(service, reason="HO01")
    counts = []
    for chosen in (orders[:1], orders[1:]):
        ids = [order.pk for order in chosen]
        with count_queries() as holding:
            assert not hold_orders(ids, release=release, decision=decision).refused
        with count_queries() as resuming:
            assert not resume_orders(ids, decision=decision).refused
        counts.append((len(holding), len(resuming)))

    assert counts[0] == counts[1]
    assert max(counts[0]) <= (18 if release else 12)


@pytest.mark.parametrize(
    "columns",
    [
        {"held_reason": "HO01"},
        {"held_released": True},
        {"held_note": "?"},
        {"held_at": "2026-01-01T00:00Z", "held_reason": "HO01", "held_party": "seller"},
    ],
    ids=lambda columns: "+".join(columns),
)
def test_half_a_hold_is_refused_by_the_database(columns: dict[str, Any]) -> None:
    order = OrderFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**columns)
