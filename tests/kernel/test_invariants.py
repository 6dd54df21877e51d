"""What must always hold."""

import pytest
from django.db import connection

from erp.kernel import invariants, setwise
from erp.kernel.acting import acting
from orders.models import Order, Product, Shop
from tests.factories import DecisionFactory, OrderFactory, ProductFactory, ShopFactory
from tests.support import count_queries, offenders

pytestmark = pytest.mark.django_db

COMPLETE = "kernel.history_is_complete"


def test_rules_have_unique_names_of_their_apps_and_a_title() -> None:
    rules = invariants.registered()

    assert {rule.name.split(".")[0] for rule in rules} == {"kernel", "orders", "finance", "inventory", "logistics"}
    assert [rule.name for rule in rules] == sorted({rule.name for rule in rules})
    assert all(str(rule.title) for rule in rules)
    with pytest.raises(AssertionError, match="registered twice"):
        invariants.invariant(rules[0].name, "again")(list)


def test_a_broken_rule_is_named_with_its_rows() -> None:
    order = OrderFactory(completed=True)
    Order.objects.filter(pk=order.pk).update(status="shipped")

    broken = {rule.name: rows for rule, rows in invariants.broken()}

    assert broken[COMPLETE] == [("orders.Order", order.pk)]


@pytest.mark.django_db(transaction=True)
def test_all_rules_see_one_moment_and_write_nothing() -> None:
    with invariants.snapshot(), connection.cursor() as cursor:
        assert connection.in_atomic_block
        if connection.vendor == "postgresql":
            cursor.execute("SHOW transaction_isolation")
            assert cursor.fetchone() == ("repeatable read",)
            cursor.execute("SHOW transaction_read_only")
            assert cursor.fetchone() == ("on",)
        assert list(invariants.broken()) == []


class TestCompleteHistory:
    def test_misses_nothing_of_what_is_written_rightly(self) -> None:
        OrderFactory(shipped=True, paid=True)
        shop = ShopFactory()
        with acting(DecisionFactory()):
            shop.name = "after"
            shop.save()
            setwise.update([shop], ["name"])

        assert offenders(COMPLETE) == []

    def test_finds_a_row_changed_past_it(self) -> None:
        product = ProductFactory()
        Product.objects.filter(pk=product.pk).update(name="silently")

        assert offenders(COMPLETE) == [("orders.Product", product.pk)]

    def test_finds_a_row_inserted_past_it(self) -> None:
        (shop,) = Shop.objects.bulk_create([Shop(code="X", name="店", currency="CNY")])

        assert offenders(COMPLETE) == [("orders.Shop", shop.pk)]

    def test_finds_values_set_to_nothing(self) -> None:
        order = OrderFactory(external_number="E-1")
        Order.objects.filter(pk=order.pk).update(external_number=None)

        assert offenders(COMPLETE) == [("orders.Order", order.pk)]

    def test_finds_history_that_was_told_what_the_table_was_not(self) -> None:
        """``save(update_fields=…)`` copies every value in memory into history."""
        product = ProductFactory()
        product.name, product.unit = "written", "box"
        with acting(DecisionFactory()):
            product.save(update_fields=["name"])

        assert offenders(COMPLETE) == [("orders.Product", product.pk)]

    def test_costs_as_many_queries_for_many_rows(self) -> None:
        ProductFactory()
        with count_queries() as one:
            offenders(COMPLETE)
        ProductFactory.create_batch(20)
        with count_queries() as many:
            offenders(COMPLETE)

        assert len(one) == len(many)
