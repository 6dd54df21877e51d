"""检查策略: what it means that a soft check fails is set by shop and amount; what is hard stays hard."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.translation import override

from orders import contract
from orders.contract import Level
from orders.models import CheckPolicy, ClosingRecord, Order, Status
from orders.services import lifecycle, proof
from orders.services.lifecycle import Refused
from orders.services.reviewing import review_order
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, actor, decide
from tests.orders.closings import also_closer, blockers, close, set_policy, without_tracking
from tests.support import count_queries

pytestmark = pytest.mark.django_db

CODE = "logistics.tracking_missing"


def level(order: Any) -> str:
    """At which level the missing tracking number stands in the checklist."""
    outcome = lifecycle.preview("close", [order.pk], decide(actor("closer")))[order.pk]
    return next((finding.level.value for finding in outcome.findings if finding.code == CODE), "left out")


def test_soft_are_the_conflicts_of_duty_and_what_may_be_an_exception() -> None:
    soft = {check.code: check.soft.value for check in contract.all_checks() if check.soft}

    assert soft == {
        "orders.conflict_of_duty": "block",
        "finance.conflict_of_duty": "block",
        "logistics.conflict_of_duty": "block",
        "logistics.tracking_missing": "warn",
    }


def test_a_shipment_without_the_tracking_number_it_needs_is_a_warning_and_stops_closing() -> None:
    order = without_tracking()
    actor("closer")

    with unchanged(), pytest.raises(Refused) as refused:
        close(order)

    (finding,) = refused.value.outcome.blockers
    assert (finding.code, finding.level) == (CODE, Level.WARNING)
    with override("en"):
        assert finding.message.startswith(
            f"Order {order.number}: shipments without the tracking number they need: SH-"
        )
        assert finding.hint.endswith("Or the chief accountant lets it pass with a waiver.")


def test_a_shipment_by_a_method_without_tracking_lacks_nothing() -> None:
    assert level(OrderFactory(reviewed=True, shipping_method="PICKUP")) == "passed"
    assert level(OrderFactory(reviewed=True, services_only=True)) == "passed"


@pytest.mark.parametrize(("policy", "found"), [("block", "blocker"), ("warn", "warning"), ("ignore", "left out")])
def test_policy_decides_what_a_failed_check_means(policy: str, found: str) -> None:
    order = without_tracking()
    set_policy(CODE, policy)

    assert level(order) == found


def test_the_shops_own_policy_comes_before_that_of_every_shop() -> None:
    order = without_tracking()
    set_policy(CODE, "ignore")
    set_policy(CODE, "warn", shop=ShopFactory())
    set_policy(CODE, "block", shop=order.shop)
    set_policy("finance.conflict_of_duty", "ignore", shop=order.shop)

    assert level(order) == "blocker"


@pytest.mark.parametrize(
    ("above", "found"), [("399.95", "left out"), ("399.96", "left out"), ("399.97", "blocker"), ("0", "left out")]
)
def test_of_a_shops_policies_the_highest_amount_the_total_reaches_counts(above: str, found: str) -> None:
    order = without_tracking()
    assert order.total == Decimal("399.96")
    if above != "0":
        set_policy(CODE, "block", shop=order.shop)
    set_policy(CODE, "ignore", shop=order.shop, above=Decimal(above))
    set_policy(CODE, "warn", shop=order.shop, above=Decimal(1000))

    assert level(order) == found


def test_an_ignored_conflict_of_duty_lets_its_person_close_and_the_record_proves_it() -> None:
    order = OrderFactory(reviewed=True)
    closer = also_closer("accountant")
    assert blockers(order, closer) == ["finance.conflict_of_duty"]
    set_policy("finance.conflict_of_duty", "ignore", shop=order.shop)

    close(order, closer)

    content = ClosingRecord.objects.get().data
    assert content["policy"] == {"finance.conflict_of_duty": "ignore"}
    assert "finance.conflict_of_duty" not in {finding["code"] for finding in content["findings"]}
    assert list(proof.faults()) == []


def test_a_policy_changed_later_changes_no_proof() -> None:
    order = OrderFactory(reviewed=True)
    policy = set_policy("finance.conflict_of_duty", "ignore")
    close(order, also_closer("accountant"))
    CheckPolicy.objects.filter(pk=policy.pk).update(level="block")

    assert list(proof.faults()) == []


def test_no_policy_touches_what_is_hard() -> None:
    order = OrderFactory(completed=True)
    for check in contract.all_checks():
        set_policy(check.code, "ignore")

    assert set(blockers(order)) == {"finance.unpaid", "orders.review_missing"}


def test_a_soft_check_that_blocks_does_not_hinder_a_review() -> None:
    order = without_tracking()
    set_policy(CODE, "block")

    assert review_order(order.pk, "logistics", decision=decide(actor("logistician"))).done


def test_policy_is_read_only_where_a_soft_check_failed_and_once_for_all_orders() -> None:
    orders = [without_tracking() for _ in range(3)]
    fine = OrderFactory.create_batch(3, reviewed=True)
    decision = decide(actor("closer"), reason="CL01")

    def read(chosen: list[Any]) -> list[str]:
        with count_queries() as statements:
            lifecycle.preview("close", [order.pk for order in chosen], decision)
        return [sql for sql in statements if "orders_checkpolicy" in sql or "orders_waiver" in sql]

    assert read(fine) == []
    assert len(read(orders[:1])) == len(read(orders)) == 2


def test_what_blocks_one_order_by_policy_lets_the_others_close() -> None:
    strict, free = without_tracking(), without_tracking(shop=ShopFactory())
    set_policy(CODE, "ignore", shop=free.shop)

    outcomes = lifecycle.run("close", [strict.pk, free.pk], decide(actor("closer"), reason="CL01"))

    assert [outcome.order_id for outcome in outcomes.done] == [free.pk]
    assert Order.objects.get(pk=strict.pk).status == Status.COMPLETED


@pytest.mark.parametrize("in_shop", [True, False], ids=["shop", "every shop"])
def test_a_check_has_one_policy_for_the_same_orders(in_shop: bool) -> None:
    where = {"shop": ShopFactory()} if in_shop else {}
    set_policy(CODE, "warn", **where)

    with pytest.raises(IntegrityError), transaction.atomic():
        set_policy(CODE, "ignore", **where)


def test_policies_have_a_history_of_who_set_them() -> None:
    policy = set_policy(CODE, "warn")

    assert policy.history.get().actor_name == actor("closer").name
