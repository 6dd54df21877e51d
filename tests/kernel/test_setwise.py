"""Writes for many rows at once."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F

from erp.kernel import setwise
from erp.kernel.acting import acting
from erp.kernel.errors import Changed
from erp.kernel.locks import unit_of_work
from erp.kernel.models import User
from finance.models import OrderBalance
from orders.models import Order, Product, Reason, Shop, Status
from tests.factories import DecisionFactory, OrderFactory, ProductFactory, ShopFactory, UserFactory
from tests.support import count_queries

pytestmark = pytest.mark.django_db


class TestInsert:
    @pytest.mark.parametrize("count", [1, 10, 500])
    def test_costs_one_query_for_rows_and_one_for_history(self, count: int) -> None:
        shops = [Shop(code=f"S{no}", name="店", currency="CNY") for no in range(count)]

        decision = DecisionFactory()

        with acting(decision), count_queries() as queries:
            setwise.insert(shops)

        assert len(queries) == 2
        assert Shop.objects.count() == Shop.history.filter(history_type="+").count() == count

    def test_of_nothing_is_nothing(self) -> None:
        with count_queries() as queries:
            setwise.insert([])
            setwise.delete([])
            setwise.update([], ["name"])
            setwise.save_state([], {}, [])
            setwise.add_up(OrderBalance, ["advance"], {})

        assert queries == []


class TestDelete:
    @pytest.mark.parametrize("count", [1, 10, 500])
    def test_leaves_what_the_rows_were_in_history_in_two_queries(self, count: int) -> None:
        products = ProductFactory.create_batch(count)
        decision = DecisionFactory()

        with acting(decision), count_queries() as queries:
            setwise.delete(products)

        assert len(queries) == 2
        assert not Product.objects.filter(pk__in=[product.pk for product in products]).exists()
        last = Product.history.filter(history_type="-").order_by("history_id")
        assert list(last.values_list("sku", "actor_name")) == [(p.sku, decision.by.name) for p in products]

    def test_is_refused_where_something_points_at_a_row(self) -> None:
        product = OrderFactory().lines.first().product

        def delete() -> None:
            setwise.delete([product])
            connection.check_constraints()

        with pytest.raises(IntegrityError), transaction.atomic(), acting(DecisionFactory()):
            delete()


class TestUpdate:
    @pytest.mark.parametrize("count", [1, 10, 500])
    def test_writes_each_row_its_own_values_in_two_queries(self, count: int) -> None:
        products = ProductFactory.create_batch(count)
        for no, product in enumerate(products, start=1):
            product.price = Decimal(no) / 4

        decision = DecisionFactory()

        with acting(decision), count_queries() as queries:
            setwise.update(products, ["price"])

        assert len(queries) == 2
        for product in products:
            stored = type(product).objects.get(pk=product.pk)
            assert stored.price == product.price == stored.history.order_by("-history_id")[0].price

    def test_writes_every_kind_of_column(self) -> None:
        (order,) = OrderFactory.create_batch(1)
        reason = Reason.objects.get(code="CL01")
        moment = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
        order.completed_at, order.external_number, order.shipping_address = moment, None, {"city": "上海"}
        order.credit_days, order.discount = 30, Decimal("0.01")
        order.goods_total += Decimal("0.01")
        reason.acts, reason.needs_note, reason.customer_text = ["close"], True, "'; --"

        with acting(DecisionFactory()):
            setwise.update(
                [order],
                ["completed_at", "external_number", "shipping_address", "credit_days", "discount", "goods_total"],
            )
            setwise.update([reason], ["acts", "needs_note", "customer_text"])

        for row in (order, reason):
            stored = type(row).objects.get(pk=row.pk)
            assert {f.name: getattr(stored, f.attname) for f in row._meta.concrete_fields} == {
                f.name: getattr(row, f.attname) for f in row._meta.concrete_fields
            }

    def test_leaves_no_history_of_what_history_excludes(self) -> None:
        order = OrderFactory()
        before = order.history.count()
        order.received = Decimal(1)
        setwise.update([order], ["received"], record=False)

        assert order.history.count() == before

    def test_refuses_expressions(self) -> None:
        product = ProductFactory()
        product.price = F("price") + 1

        with acting(DecisionFactory()), pytest.raises(TypeError, match="never expressions"):
            setwise.update([product], ["price"])

    def test_notices_that_a_row_is_gone(self) -> None:
        shops = ShopFactory.create_batch(2)
        with acting(DecisionFactory()):
            Shop.objects.get(pk=shops[0].pk).delete()
            with pytest.raises(Changed), transaction.atomic():
                setwise.update(shops, ["name"])

    def test_reaches_beyond_what_one_statement_can_hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shops = ShopFactory.create_batch(7)
        for no, shop in enumerate(shops):
            shop.name = f"new {no}"
        monkeypatch.setattr(connection.features, "max_query_params", 6)

        with acting(DecisionFactory()):
            setwise.update(shops, ["name"])

        assert list(Shop.objects.order_by("pk").values_list("name", flat=True)) == [f"new {no}" for no in range(7)]

    def test_never_cuts_a_text(self) -> None:
        """PostgreSQL refuses what is too long, SQLite keeps it: neither shortens it in silence."""
        shop = ShopFactory(name="before")
        shop.name = "长" * 101
        refused = False
        try:
            with acting(DecisionFactory()), transaction.atomic():
                setwise.update([shop], ["name"])
        except DataError:
            refused = True

        assert refused == (connection.vendor == "postgresql")
        assert Shop.objects.get().name == ("before" if refused else shop.name)


class TestSaveState:
    @pytest.mark.parametrize("count", [1, 10])
    def test_moves_status_and_version_and_leaves_history(self, count: int) -> None:
        orders = OrderFactory.create_batch(count)
        decision = DecisionFactory()
        for order in orders:
            order.process(decision)
            order.note = "with it"

        with acting(decision), count_queries() as queries:
            setwise.save_state(orders, dict.fromkeys((order.pk for order in orders), Status.NEW), ["note"])

        assert len(queries) == 2
        for order in Order.objects.all():
            newest = order.history.order_by("-history_id")[0]
            assert (order.status, order.version, order.note) == (Status.PROCESSING, 2, "with it")
            assert (newest.status, newest.version, newest.note) == (Status.PROCESSING, 2, "with it")

    def test_refuses_an_order_whose_status_moved_meanwhile(self) -> None:
        orders = OrderFactory.create_batch(2)
        decision = DecisionFactory()
        with acting(decision):
            meanwhile = Order.objects.get(pk=orders[0].pk)
            meanwhile.process(decision)
            meanwhile.save()
            for order in orders:
                order.process(decision)
            with pytest.raises(Changed), transaction.atomic():
                setwise.save_state(orders, dict.fromkeys((order.pk for order in orders), Status.NEW), [])

        assert [order.version for order in Order.objects.order_by("pk")] == [1, 1]

    def test_lets_the_instance_be_saved_again(self) -> None:
        order = OrderFactory()
        decision = DecisionFactory()
        with acting(decision):
            order.process(decision)
            setwise.save_state([order], {order.pk: Status.NEW}, [])
            order.note = "later"
            order.save()

        assert Order.objects.get().note == "later"


class TestHold:
    def test_returns_rows_as_they_are_with_a_new_version(self) -> None:
        first, second, other = OrderFactory.create_batch(3)
        decision = DecisionFactory()

        with count_queries() as queries, unit_of_work(decision):
            held = setwise.hold(Order.objects.filter(pk__in=[second.pk, first.pk]).order_by("-pk"))

        assert [order.pk for order in held] == [first.pk, second.pk]
        assert [order.version for order in held] == [2, 2]
        assert list(Order.objects.order_by("pk").values_list("version", flat=True)) == [2, 2, other.version]
        assert len(queries) == 1

    def test_reads_what_is_there_once_it_holds_the_lock(self) -> None:
        order = OrderFactory()
        queryset = Order.objects.filter(pk=order.pk)
        list(queryset)
        Order.objects.filter(pk=order.pk).update(note="meanwhile")

        with unit_of_work(DecisionFactory()):
            (held,) = setwise.hold(queryset)

        assert held.note == "meanwhile"
        assert held.shipping_address == order.shipping_address
        assert held.total == order.total

    def test_of_nothing_finds_nothing(self) -> None:
        with unit_of_work(DecisionFactory()):
            assert setwise.hold(Order.objects.all()) == []
            assert setwise.hold(Order.objects.filter(pk__in=[])) == []


class TestBumpVersions:
    def test_adds_one_and_leaves_no_history(self) -> None:
        orders = OrderFactory.create_batch(2)
        before = Order.history.count()
        with acting(DecisionFactory()), count_queries() as queries:
            setwise.bump_versions(orders)

        assert list(Order.objects.values_list("version", flat=True)) == [2, 2]
        assert Order.history.count() == before
        assert len(queries) == 1


class TestAddUp:
    def test_adds_to_rows_that_exist_and_makes_those_that_do_not(self) -> None:
        first, second = OrderFactory.create_batch(2)
        OrderBalance.objects.create(order=first, receivable=Decimal("1.5"), advance=Decimal(1))

        with count_queries() as queries:
            setwise.add_up(
                OrderBalance,
                ["receivable", "advance"],
                {
                    first.pk: {"receivable": Decimal("0.5"), "advance": Decimal(-1)},
                    second.pk: {"receivable": Decimal("0.1"), "advance": Decimal(0)},
                },
            )

        assert len(queries) == 1
        assert list(OrderBalance.objects.order_by("pk").values_list("receivable", "advance")) == [
            (Decimal(2), Decimal(0)),
            (Decimal("0.1"), Decimal(0)),
        ]

    def test_what_a_check_forbids_is_refused(self) -> None:
        order = OrderFactory()
        OrderBalance.objects.create(order=order, receivable=Decimal(1), advance=Decimal(0))

        with pytest.raises(IntegrityError), transaction.atomic():
            setwise.add_up(
                OrderBalance, ["receivable", "advance"], {order.pk: {"receivable": Decimal(-2), "advance": Decimal(0)}}
            )

    def test_refuses_expressions(self) -> None:
        with pytest.raises(TypeError, match="never expressions"):
            setwise.add_up(OrderBalance, ["advance"], {1: {"advance": F("advance")}})


class TestStamp:
    def test_leaves_no_history(self) -> None:
        person = UserFactory()
        before = person.history.count()
        setwise.stamp(person, last_login=datetime(2026, 1, 1, tzinfo=UTC))

        assert User.objects.get(pk=person.pk).last_login == datetime(2026, 1, 1, tzinfo=UTC)
        assert person.history.count() == before

    @pytest.mark.parametrize("values", [{"name": "x"}, {"is_superuser": True}, {"last_login": None, "name": "x"}])
    def test_writes_only_what_history_leaves_out(self, values: dict[str, Any]) -> None:
        with pytest.raises(AssertionError, match="history keeps"):
            setwise.stamp(UserFactory(), **values)
