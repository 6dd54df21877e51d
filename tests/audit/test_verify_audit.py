"""``manage.py verify_audit``: proves what is there, and by an earlier export what is there no more."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override

from finance.models import Voucher
from logistics.models import TrackingEvent
from orders.models import ClosingRecord, Order, Review
from tests.audit.tampering import rechain, rewrite, superuser
from tests.commands.running import refuse, run
from tests.factories import OrderFactory
from tests.orders.closings import close

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _english() -> Any:
    with override("en"):
        yield


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """The state after two closings."""
    OrderFactory.create_batch(2, closed=True)
    path = tmp_path / "audit.json"
    run("verify_audit", "--export", path)
    return path


def test_what_is_whole_is_proved() -> None:
    OrderFactory.create_batch(2, closed=True)

    printed = run("verify_audit")

    assert "2 closing records proved." in printed
    assert f"finance.voucher {Voucher.objects.count()}" in printed


def test_nothing_closed_is_proved_too() -> None:
    assert "0 closing records proved." in run("verify_audit")


def test_what_is_not_so_is_told_line_by_line_with_a_failing_exit() -> None:
    OrderFactory(closed=True)
    number = Order.objects.get().number
    Order.objects.update(customer_name="李雷")

    refused = refuse("verify_audit")

    assert refused.lines == ["CR-000001 evidence: order customer: 王芳 → 李雷"]
    assert refused.message == "1 faults found."
    assert number not in refused.printed


def test_an_export_holds_the_head_of_the_chain_and_how_much_there_is(export: Path) -> None:
    head = ClosingRecord.objects.order_by("-position")[0]

    state = json.loads(export.read_text())

    assert (state["position"], state["digest"]) == (2, head.digest)
    counts = state["counts"]
    assert (counts["orders.closingrecord"], counts["orders.review"]) == (2, 6)
    assert counts["finance.voucher"] == Voucher.objects.count()
    assert counts["orders.historicalorder"] == Order.history.count()


def test_an_export_of_nothing_is_possible(tmp_path: Path) -> None:
    run("verify_audit", "--export", tmp_path / "audit.json")

    assert "proved" in run("verify_audit", "--against", tmp_path / "audit.json")


def test_a_chain_that_grew_is_still_the_chain(export: Path) -> None:
    close(OrderFactory(reviewed=True))

    assert "3 closing records proved." in run("verify_audit", "--against", export)


def cut_off_the_last_closing() -> None:
    """Everything closing wrote goes, and the order stands as before."""
    ClosingRecord.objects.filter(position=2)._raw_delete("default")
    order = Order.objects.order_by("-pk")[0]
    Voucher.objects.filter(order=order, purpose="settlement")._raw_delete("default")
    Order.objects.filter(pk=order.pk).update(status="completed", closed_at=None, closed_by=None)


def test_a_tail_cut_off_clean_is_found_by_an_earlier_export_only(export: Path) -> None:
    with superuser(ClosingRecord, Order, Voucher):
        cut_off_the_last_closing()

        assert "1 closing records proved." in run("verify_audit")
        refused = refuse("verify_audit", "--against", export)

    digest = ClosingRecord.objects.get(position=2).digest
    assert refused.lines[0] == f"CR-000002 digest: {digest} → no such record"
    assert "orders.closingrecord: 2 → 1" in refused.lines
    assert any(line.startswith("finance.voucher: ") for line in refused.lines)


def test_a_chain_forged_from_end_to_end_is_found_by_an_earlier_export_only(export: Path) -> None:
    with superuser(ClosingRecord):
        rewrite(2, application="9.9")
        assert "2 closing records proved." in run("verify_audit")

        refused = refuse("verify_audit", "--against", export)

    assert refused.message == "1 faults found."
    assert refused.lines[0].startswith("CR-000002 digest: ")


@pytest.mark.parametrize("model", [TrackingEvent, Review], ids=lambda model: model.__name__)
def test_whatever_became_fewer_is_found(tmp_path: Path, model: Any) -> None:
    OrderFactory(reviewed=True)
    path = tmp_path / "audit.json"
    run("verify_audit", "--export", path)
    state = json.loads(path.read_text())
    state["counts"][model._meta.label_lower] += 1
    path.write_text(json.dumps(state))

    refused = refuse("verify_audit", "--against", path)

    count = model.objects.count()
    assert refused.lines == [f"{model._meta.label_lower}: {count + 1} → {count}"]


@pytest.mark.parametrize(
    "content",
    ["", "…", "[]", "{}", "7", '{"position": "x", "digest": "", "counts": {}}', '{"position": 1, "digest": ""}'],
)
def test_a_file_that_is_no_export_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "audit.json"
    path.write_text(content)

    refused = refuse("verify_audit", "--against", path)

    assert refused.message.startswith(f"{path} is no file written by --export: ")


def test_counts_that_are_no_numbers_are_no_export_either(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_text('{"position": 0, "digest": "", "counts": {"orders.review": "many"}}')

    assert refuse("verify_audit", "--against", path).message.startswith(f"{path} is no file written by --export: ")


def test_a_file_of_other_bytes_is_no_export(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_bytes(b"\xff\xfe\x00")

    assert "is no file written by --export" in refuse("verify_audit", "--against", path).message


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "No such file" in refuse("verify_audit", "--against", tmp_path / "none.json").message


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    refused = refuse("verify_audit", "--export", tmp_path / "none" / "audit.json")

    assert refused.message.startswith(f"{tmp_path / 'none' / 'audit.json'} cannot be written: ")


def test_the_first_hundred_faults_are_told() -> None:
    OrderFactory.create_batch(101, closed=True)
    Order.objects.update(customer_name="李雷")

    refused = refuse("verify_audit")

    assert (len(refused.lines), refused.message) == (100, "101 faults found.")


def test_rechaining_what_is_whole_changes_nothing(export: Path) -> None:
    with superuser(ClosingRecord):
        rechain()
        assert "proved" in run("verify_audit", "--against", export)
