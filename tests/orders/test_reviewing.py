"""最终审核: who may confirm which block of an order, and when."""

import json
from typing import Any

import pytest

from erp.kernel.acting import Channel
from erp.kernel.canonical import sha256
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import User
from logistics.models import Shipment, ShipmentLine, ShipmentStatus
from orders.models import Line, Order, Review
from orders.services.lifecycle import Refused, Seen
from orders.services.reviewing import MachineReview, UnknownBlock, review_order, review_orders
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.support import count_queries

pytestmark = pytest.mark.django_db

REVIEWERS = {"order": "salesperson", "finance": "accountant", "logistics": "logistician"}


@pytest.mark.parametrize(("block", "role"), REVIEWERS.items())
def test_a_review_keeps_who_confirmed_which_facts(block: str, role: str) -> None:
    order = OrderFactory(completed=True, paid=True)
    reviewer = UserFactory(role=role)
    decision = decide(reviewer, note="已核对")

    review_order(order.pk, block, decision=decision)

    review = Review.objects.get()
    assert (review.order, review.block, review.by, review.at) == (order, block, reviewer, decision.at)
    assert (review.by_name, review.channel, review.why) == (reviewer.name, Channel.ADMIN, "已核对")
    assert review.digest == sha256(review.facts)
    assert not review.is_bulk


def test_the_orders_facts_are_what_was_ordered_with_personal_data_as_hashes() -> None:
    customer = {"name": "王芳", "phone": "13800000000", "email": "wang@example.com"}
    order = OrderFactory(completed=True, customer=customer, external_number="TB-1", line_count=1)

    review_order(order.pk, "order", decision=decide(actor("salesperson")))

    facts = json.loads(Review.objects.get().facts)
    line = Line.objects.get()
    assert {key: facts[key] for key in ("number", "external_number", "customer", "total")} == {
        "number": order.number,
        "external_number": "TB-1",
        "customer": "王芳",
        "total": "199.98 CNY",
    }
    assert facts["lines"] == [
        {
            "sku": line.sku,
            "name": line.name,
            "quantity": "2",
            "closed": "0",
            "unit_price": "99.99",
            "discount": "0",
            "tax": "23.01",
        }
    ]
    assert len(facts["phone#"]) == len(facts["email#"]) == 64
    assert facts["address#"] == ""
    assert "13800000000" not in Review.objects.get().facts


def test_finances_facts_are_terms_payments_and_what_is_owed() -> None:
    order = OrderFactory(completed=True, paid=True, line_count=1)

    review_order(order.pk, "finance", decision=decide(actor("accountant")))

    assert json.loads(Review.objects.get().facts) == {
        "terms": "on_delivery",
        "payments": [
            {
                "method": "alipay",
                "reference": f"REF-{order.number}",
                "amount": "199.98 CNY",
                "state": "confirmed",
            }
        ],
        "refunds": [],
        "allowances": [],
        "write_offs": [],
        "payable": "199.98 CNY",
        "owed": "0 CNY",
    }


def test_logistics_facts_are_the_shipments_as_they_ended() -> None:
    order = OrderFactory(completed=True, paid=True, line_count=1)

    review_order(order.pk, "logistics", decision=decide(actor("logistician")))

    shipment, line = Shipment.objects.get(), Line.objects.get()
    assert json.loads(Review.objects.get().facts) == {
        "shipments": [
            {
                "number": shipment.number,
                "method": "EXPRESS",
                "carrier": "SOME",
                "tracking_number": f"T{shipment.pk}",
                "lines": [{"sku": line.sku, "quantity": "2"}],
                "state": "delivered",
            }
        ],
        "returns": [],
    }


@pytest.mark.parametrize(
    ("block", "role"), [("order", "accountant"), ("finance", "logistician"), ("logistics", "salesperson")]
)
def test_each_block_has_its_own_permission(block: str, role: str) -> None:
    order = OrderFactory(completed=True, paid=True)

    with unchanged(), pytest.raises(Forbidden) as refused:
        review_order(order.pk, block, decision=decide(actor(role)))

    assert refused.value.params["permission"].startswith(f"{'orders' if block == 'order' else block}.review_")


def test_the_system_administrator_may_review_every_block(closer: Any) -> None:
    order = OrderFactory(completed=True, paid=True)

    for block in REVIEWERS:
        review_order(order.pk, block, decision=decide(closer))

    assert Review.objects.count() == 3


def test_an_order_out_of_scope_is_not_found() -> None:
    order = OrderFactory(completed=True)
    reviewer = UserFactory(role="salesperson", shops=[ShopFactory()])

    with unchanged(), pytest.raises(NotFound):
        review_order(order.pk, "order", decision=decide(reviewer))


def test_a_machine_does_not_review() -> None:
    order = OrderFactory(completed=True)
    robot = UserFactory(role="salesperson", kind=User.Kind.MACHINE)

    with unchanged(), pytest.raises(MachineReview):
        review_order(order.pk, "order", decision=decide(robot))


def test_there_is_no_other_block(closer: Any) -> None:
    order = OrderFactory(completed=True)

    with unchanged(), pytest.raises(UnknownBlock) as refused:
        review_order(order.pk, "legal", decision=decide(closer))

    assert refused.value.params == {"block": "legal", "blocks": "order, finance, logistics"}


@pytest.mark.parametrize("stage", ["new", "processing", "shipped", "delivered", "closed"])
def test_only_a_completed_order_is_reviewed(closer: Any, stage: str) -> None:
    order = OrderFactory(**({} if stage == "new" else {stage: True}))

    with unchanged(), pytest.raises(Refused) as refused:
        review_order(order.pk, "order", decision=decide(closer))

    assert refused.value.blockers == ["orders.wrong_state"]


@pytest.mark.parametrize(
    ("paid", "codes"),
    [
        ({"unpaid": True}, ["finance.unpaid"]),
        ({"reported": True}, ["finance.unpaid", "finance.payment_unconfirmed"]),
    ],
    ids=["unpaid", "reported"],
)
def test_finance_confirms_only_what_is_settled(accountant: Any, paid: dict[str, bool], codes: list[str]) -> None:
    order = OrderFactory(completed=True, **paid)

    with unchanged(), pytest.raises(Refused) as refused:
        review_order(order.pk, "finance", decision=decide(accountant))

    assert refused.value.blockers == codes


def test_logistics_confirms_only_what_is_delivered(logistician: Any) -> None:
    order = OrderFactory(completed=True)
    # No service brings an order so far: the second wall is tried here.
    Shipment.objects.filter(order=order).update(status=ShipmentStatus.DISPATCHED)

    with pytest.raises(Refused) as refused:
        review_order(order.pk, "logistics", decision=decide(logistician))

    assert refused.value.blockers == ["logistics.shipment_open"]


def test_logistics_confirms_only_what_is_shipped_and_left_stock(logistician: Any) -> None:
    order = OrderFactory(completed=True)
    ShipmentLine.objects.filter(shipment__order=order).update(quantity=1)
    Line.objects.filter(order=order, no=1).update(shipped=1)

    with pytest.raises(Refused) as refused:
        review_order(order.pk, "logistics", decision=decide(logistician))

    assert refused.value.blockers == ["logistics.not_shipped", "inventory.stock_not_adjusted"]


def test_what_other_blocks_lack_does_not_matter(salesperson: Any, logistician: Any) -> None:
    order = OrderFactory(completed=True, unpaid=True)

    review_order(order.pk, "order", decision=decide(salesperson))
    review_order(order.pk, "logistics", decision=decide(logistician))

    assert Review.objects.count() == 2


def test_who_confirmed_the_payment_may_review_it_too() -> None:
    order = OrderFactory(completed=True, paid=True)

    review_order(order.pk, "finance", decision=decide(actor("accountant")))

    assert Review.objects.get().by == actor("accountant")


def test_a_bulk_review_is_marked_as_such_and_what_blocks_one_does_not_stop_the_others(accountant: Any) -> None:
    paid, unpaid, also_paid = (OrderFactory(completed=True, **how) for how in ({"paid": True}, {}, {"paid": True}))

    outcomes = review_orders(
        [paid.pk, unpaid.pk, also_paid.pk], "finance", decision=decide(accountant, channel=Channel.BULK)
    )

    assert [outcome.order_id for outcome in outcomes.done] == [paid.pk, also_paid.pk]
    assert outcomes[unpaid.pk].codes == ["finance.unpaid"]
    assert set(Review.objects.values_list("order", "is_bulk")) == {(paid.pk, True), (also_paid.pk, True)}


def test_a_closed_order_among_others_is_refused_alone(closer: Any) -> None:
    closed, completed = OrderFactory(closed=True), OrderFactory(completed=True)
    version = closed.version

    outcomes = review_orders([closed.pk, completed.pk], "order", decision=decide(closer))

    assert [outcome.order_id for outcome in outcomes.done] == [completed.pk]
    assert outcomes[closed.pk].codes == ["orders.wrong_state"]
    assert Order.objects.get(pk=closed.pk).version == version


def test_a_review_grows_the_version_of_its_order(salesperson: Any) -> None:
    order = OrderFactory(completed=True)

    review_order(order.pk, "order", decision=decide(salesperson))

    assert Order.objects.get(pk=order.pk).version == order.version + 1


@pytest.mark.parametrize("block", REVIEWERS)
def test_thirty_orders_take_as_many_queries_as_one(closer: Any, block: str) -> None:
    orders = OrderFactory.create_batch(31, completed=True, paid=True)
    closer.has_perm("orders.all_shops")

    counts = []
    for chosen in (orders[:1], orders[1:]):
        with count_queries() as queries:
            review_orders([order.pk for order in chosen], block, decision=decide(closer))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_facts_that_changed_since_they_were_shown_are_not_confirmed(accountant: Any) -> None:
    order = OrderFactory(completed=True, paid=True)

    with pytest.raises(Refused) as refused:
        review_order(order.pk, "finance", decision=decide(accountant), seen=Seen(order.version - 1))

    assert refused.value.blockers == ["orders.changed"]
    assert not Review.objects.exists()
    review_order(order.pk, "finance", decision=decide(accountant), seen=Seen(order.version))
