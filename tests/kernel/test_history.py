"""Who changed what, when, why and through which door; never to be changed itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.db.models import ProtectedError

from erp.kernel import setwise
from erp.kernel.acting import Channel, acting
from erp.kernel.models import User
from finance.models import Payment, Voucher, VoucherLine
from inventory.models import Move, Receipt, Reservation
from orders.models import ClosingRecord, Order, Review, Shop
from tests.factories import OrderFactory, ShopFactory, UserFactory, decide

pytestmark = pytest.mark.django_db


def _newest(row: Any) -> Any:
    return row.history.order_by("-history_id").first()


def test_every_change_leaves_a_signed_row() -> None:
    person = UserFactory(name="李雷")
    decision = decide(person, channel=Channel.API, request_id="r-1", reason="CL01", note="as agreed")
    shop = ShopFactory(name="before")
    key = shop.pk
    with acting(decision):
        shop.name = "after"
        shop.save()
        shop.delete()

    rows = list(Shop.history.filter(id=key).order_by("history_id"))
    assert [(row.history_type, row.name) for row in rows] == [("+", "before"), ("~", "after"), ("-", "after")]
    assert {
        (row.history_user, row.actor_name, row.channel, row.request_id, row.history_change_reason, row.history_date)
        for row in rows[1:]
    } == {(person, "李雷", "api", "r-1", "CL01 as agreed", decision.at)}


def test_a_renamed_person_keeps_the_old_name_in_history() -> None:
    person = UserFactory(name="before")
    with acting(decide(person)):
        shop = Shop.objects.create(code="X", name="店", currency="CNY")
        person.name = "after"
        person.save()

    assert _newest(shop).actor_name == "before"


def test_bulk_writes_leave_the_same_history_as_single_ones() -> None:
    single, bulk = ({"code": code, "name": "before", "currency": "CNY"} for code in ("single", "bulk"))
    with acting(decide(UserFactory(), channel=Channel.BULK, request_id="r-2", reason="CL01")):
        by_save = Shop.objects.create(**single)
        (by_set,) = setwise.insert([Shop(**bulk)])
        for shop in (by_save, by_set):
            shop.name = "after"
        by_save.save()
        setwise.update([by_set], ["name"])

    own = ("history_id", "id", "code")
    histories = [
        [
            {name: value for name, value in row.items() if name not in own}
            for row in shop.history.order_by("history_id").values()
        ]
        for shop in (by_save, by_set)
    ]
    assert len(histories[0]) == 2
    assert histories[0] == histories[1]


def test_deleting_a_queryset_leaves_history_too() -> None:
    shop = ShopFactory()
    with acting(decide(UserFactory())):
        Shop.objects.filter(pk=shop.pk).delete()

    assert Shop.history.filter(id=shop.pk, history_type="-").count() == 1


def test_progress_stays_out_of_history() -> None:
    columns = {field.name for field in Order.history.model._meta.fields}

    assert columns.isdisjoint(Order.history_excludes)
    assert {"status", "total", "version"} <= columns


def test_a_password_stays_out_of_history() -> None:
    assert "password" not in {field.name for field in User.history.model._meta.fields}


def test_who_has_acted_cannot_be_deleted() -> None:
    person = UserFactory()
    with acting(decide(person)):
        Shop.objects.create(code="X", name="店", currency="CNY")
        with pytest.raises(ProtectedError):
            person.delete()


def test_history_points_at_people_that_exist() -> None:
    (person,) = (field for field in Shop.history.model._meta.fields if field.name == "history_user")

    assert person.db_constraint
    assert not person.null
    assert person.remote_field.on_delete is models.PROTECT


def _append_only() -> Iterator[type[models.Model]]:
    return (model for model in apps.get_models() if getattr(model, "append_only", False))


def _tamperings(model: type[models.Model]) -> Iterator[str]:
    table, key = model._meta.db_table, model._meta.pk.column
    yield f"UPDATE {table} SET {key} = {key}"
    yield f"DELETE FROM {table}"
    if connection.vendor == "postgresql":
        yield f"TRUNCATE {table} CASCADE"
    else:
        yield f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"


def _execute(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_rows_that_must_never_change_cannot_be_changed_in_any_way() -> None:
    OrderFactory(closed=True)
    filled = {model for model in _append_only() if model._base_manager.exists()}

    assert filled >= {Voucher, VoucherLine, Move, Reservation, Receipt, Review, ClosingRecord}
    assert filled >= {model.history.model for model in (User, Shop, Order, Payment)}
    connection.check_constraints()
    for model in filled:
        before = list(model._base_manager.order_by("pk").values())
        for tampering in _tamperings(model):
            with pytest.raises(IntegrityError, match="refused by the database"):
                _execute(tampering)
        assert list(model._base_manager.order_by("pk").values()) == before


def test_the_orm_cannot_change_them_either() -> None:
    shop = ShopFactory()
    row = _newest(shop)

    for change in (row.save, row.delete, Shop.history.all().delete, lambda: Shop.history.update(name="x")):
        with pytest.raises(IntegrityError, match="refused by the database"), transaction.atomic():
            change()
