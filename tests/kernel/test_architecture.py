"""Who may point at whom, and who must keep history."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import models

from erp.bulk.models import BulkItem, BulkRun
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import StatusField
from erp.kernel.history import HistoryRow, Recorded, Signed
from erp.kernel.models import Counter, OutboxEvent
from erp.reports.models import Right
from erp.site.models import Readiness, SavedView
from erp.worker.models import Worker
from finance.models import OrderBalance, Period, StatementLine, VoucherLine
from inventory.models import ReceiptLine, StockLevel, StockTakeLine, TransferLine
from logistics.models import ReturnLine, ShipmentLine

# From the ground up: foreign keys point to the same app or to one before it.
APPS = ("kernel", "orders", "finance", "inventory", "logistics", "files", "reports", "worker", "bulk", "site", "erp")

# Models whose changes leave no history row, each with what stands for it.
WITHOUT_HISTORY = {
    Counter: "its numbers are on the documents",
    OutboxEvent: "a copy of facts recorded elsewhere",
    StockLevel: "the sum of moves and reservations, which are append-only",
    OrderBalance: "the sum of voucher lines, which are append-only",
    Period: "counts its vouchers; closing stamps who and when, and its digest seals it",
    Worker: "a heartbeat",
    BulkRun: "says who asked for what and when; what it does is in the history of the orders",
    BulkItem: "what became of one order of a run",
    Readiness: "what a preview found, for lists only",
    SavedView: "a person's own bookmark",
    VoucherLine: "append-only, signed by its voucher",
    StatementLine: "append-only, signed by its statement",
    ReceiptLine: "append-only, signed by its receipt",
    TransferLine: "append-only, signed by its transfer",
    StockTakeLine: "append-only, recorded with its stock-take",
    ShipmentLine: "recorded with its shipment, which is changed whenever it is",
    ReturnLine: "recorded with its return, which is changed whenever it is",
    Right: "has no table: it carries the rights to reports",
}


def _ours() -> Iterator[type[models.Model]]:
    return (model for model in apps.get_models() if model._meta.app_label in APPS)


def _foreign_keys() -> Iterator[tuple[type[models.Model], Any]]:
    for model in _ours():
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey | models.ManyToManyField):
                yield model, field


def test_every_app_of_ours_has_its_place() -> None:
    ours = {
        config.label
        for config in apps.get_app_configs()
        if config.name.split(".")[0] in {"erp", "orders", "finance", "inventory", "logistics"}
    }
    assert ours <= set(APPS)
    assert settings.INSTALLED_APPS[0] == "erp.kernel"


def test_foreign_keys_point_downwards() -> None:
    upwards = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for model, field in _foreign_keys()
        if field.related_model._meta.app_label in APPS
        and APPS.index(field.related_model._meta.app_label) > APPS.index(model._meta.app_label)
    ]
    assert upwards == []


def test_nobody_is_reached_from_below_by_a_reverse_name() -> None:
    reachable = [
        f"{model._meta.label}.{field.name}"
        for model, field in _foreign_keys()
        if field.related_model._meta.app_label in APPS
        and field.related_model._meta.app_label != model._meta.app_label
        and not field.remote_field.hidden
    ]
    assert reachable == []


def test_what_is_pointed_at_cannot_be_deleted() -> None:
    """
    Except scopes, which end with their user, shop or warehouse, and the selection of a run nobody started; history
    copies keys without constraints.
    """
    cascading = [
        f"{model._meta.label}.{field.name}"
        for model, field in _foreign_keys()
        if isinstance(field, models.ForeignKey)
        and field.remote_field.on_delete is not models.PROTECT
        and not issubclass(model, HistoryRow)
    ]
    assert sorted(cascading) == [
        "bulk.BulkItem.run",
        "inventory.WarehouseScope.user",
        "inventory.WarehouseScope.warehouse",
        "orders.ShopScope.shop",
        "orders.ShopScope.user",
    ]


@pytest.mark.parametrize("model", list(_ours()), ids=lambda model: model.__name__)
def test_every_change_of_business_data_can_be_told(model: type[models.Model]) -> None:
    recorded = issubclass(model, Recorded | HistoryRow)
    signed = issubclass(model, Signed) and getattr(model, "append_only", False)

    assert [recorded, signed, model in WITHOUT_HISTORY].count(True) == 1


@pytest.mark.parametrize("model", [VoucherLine, StatementLine, ReceiptLine, StockTakeLine, TransferLine])
def test_lines_without_history_of_their_own_never_change(model: Any) -> None:
    assert model.append_only


@pytest.mark.django_db
def test_migrations_know_every_column() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    ("field", "path"),
    [(FixedPointField(), "erp.kernel.fields.FixedPointField"), (StatusField(), "erp.kernel.fsm.StatusField")],
    ids=["number", "status"],
)
def test_what_migrations_name_is_never_moved(field: Any, path: str) -> None:
    assert field.deconstruct()[1] == path


def test_keys_and_numbers_are_wide_enough() -> None:
    """2³¹ passes on SQLite and not on PostgreSQL."""
    narrow = [
        model._meta.label
        for model in _ours()
        if isinstance(model._meta.pk, models.AutoField) and not isinstance(model._meta.pk, models.BigAutoField)
    ]
    assert narrow == []


def test_amounts_are_exact_in_every_table() -> None:
    inexact = [
        f"{model._meta.label}.{field.name}"
        for model in _ours()
        for field in model._meta.concrete_fields
        if isinstance(field, models.DecimalField | models.FloatField)
    ]
    assert inexact == []


def test_only_the_lifecycle_is_called_status() -> None:
    others = [
        f"{model._meta.label}.{field.name}"
        for model in _ours()
        if not issubclass(model, HistoryRow)
        for field in model._meta.concrete_fields
        if field.name == "status" and not isinstance(field, StatusField)
    ]
    assert others == []


def test_no_list_is_sorted_unasked() -> None:
    """A sort in every query of a large table would be paid by who never sees it."""
    assert [model._meta.label for model in _ours() if model._meta.ordering and not issubclass(model, HistoryRow)] == []
