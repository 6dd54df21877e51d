"""As ``test_tampering``, of an order to which everything happened that need not happen."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db.models import F
from django.utils import timezone

from erp.files.models import File, WrongFile
from erp.kernel.fields import fixed
from erp.kernel.history import HistoryRow
from finance.models import (
    Allowance,
    Credit,
    Refund,
    Statement,
    StatementLine,
    StatementMatch,
    TakenBack,
    Voucher,
    VoucherLine,
    WriteOff,
)
from inventory.models import Move, Receipt, ReceiptLine, Reservation, StockTakeLine, Transfer, TransferLine, Warehouse
from logistics.models import Inspection, Return, ReturnLine, TrackingEvent
from orders.models import ClosingRecord, LineClosing, Order, Review, Waiver
from orders.services import proof
from tests.audit.tampering import rewrite, superuser
from tests.days.diary import Diary
from tests.factories import OrderFactory, WarehouseFactory, actor

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _closed(db: None) -> None:
    """
    Of four ordered and paid in part one is closed short and three are sent.

    What is missing is written off; some of it is paid after all. One comes back, which takes back the rest of the
    write-off and is refunded; of the price of the others a part is given back. Another order is there beside it.
    """
    diary = Diary()
    order = diary.place_goods("4")
    diary.pay(order, "300")
    diary.process(order)
    diary.close_line(order, 1, "1")
    diary.send(diary.pack_all(order))
    diary.days_later(1)
    diary.complete(order)
    diary.write_off(order, "39")
    diary.days_later(1)
    diary.pay(order, "9")
    diary.take_back(diary.ask_back(order, "1"))
    diary.pay_back(order)
    diary.allow(order, "22.60")
    diary.pay_back(order)
    diary.finish(order, "CL03")
    OrderFactory()
    WarehouseFactory()
    actor("auditor")


def first(model: Any) -> Any:
    return model.objects.filter(pk=model.objects.earliest("pk").pk)


def change(model: Any, **values: Any) -> Callable[[], object]:
    return lambda: first(model).update(**values)


def delete(model: Any) -> Callable[[], object]:
    return lambda: model.objects.all()._raw_delete("default")


def by_the_auditor(model: Any, column: str) -> Callable[[], object]:
    return lambda: first(model).update(**{column: actor("auditor")})


def of_another_order(model: Any) -> Callable[[], object]:
    return lambda: first(model).update(order=Order.objects.latest("pk"))


def twice(model: Any, **values: Any) -> Callable[[], object]:
    def add() -> None:
        row = first(model).get()
        row.pk = None
        for name, value in values.items():
            setattr(row, name, value)
        model.objects.bulk_create([row])

    return add


def signed(model: Any) -> dict[str, Callable[[], object]]:
    """Who wrote a row that is never written again, and when."""
    return {
        "who": by_the_auditor(model, "by"),
        "name": change(model, by_name="别人"),
        "moment": change(model, at=timezone.now() - 9 * DAY),
    }


def proposed(model: Any) -> dict[str, Callable[[], object]]:
    return {
        "amount": change(model, amount=1),
        "state": change(model, status="requested", approved_by=None, approved_at=None),
        "who requested": by_the_auditor(model, "requested_by"),
        "when requested": change(model, requested_at=F("requested_at") - DAY),
        "who approved": by_the_auditor(model, "approved_by"),
        "when approved": change(model, approved_at=F("approved_at") - DAY),
        "number": change(model, number="X-1"),
        "order": of_another_order(model),
        "gone": delete(model),
    }


TAMPERINGS: dict[Any, dict[str, Callable[[], object]]] = {
    LineClosing: {
        **signed(LineClosing),
        "quantity": change(LineClosing, quantity=2),
        "amount": change(LineClosing, amount=112),
        "tax": change(LineClosing, tax=12),
        "reason": change(LineClosing, reason="CL02"),
        "party": change(LineClosing, party="customer"),
        "gone": delete(LineClosing),
        "twice": twice(LineClosing),
    },
    TakenBack: {
        **signed(TakenBack),
        "amount": change(TakenBack, amount=1),
        "order": of_another_order(TakenBack),
        "gone": delete(TakenBack),
        "twice": twice(TakenBack),
    },
    Credit: {
        **signed(Credit),
        "amount": change(Credit, amount=F("amount") - fixed(1)),
        "tax": change(Credit, tax=0),
        "ground": change(Credit, ground="cancel"),
        "part": change(Credit, part="0"),
        "source": change(Credit, source="X1"),
        "order": of_another_order(Credit),
        "gone": delete(Credit),
        "twice": twice(Credit, source_id="0"),
    },
    Inspection: {
        **signed(Inspection),
        "quantity": change(Inspection, quantity=2),
        "disposition": change(Inspection, disposition="scrapped", warehouse=None),
        "warehouse": lambda: first(Inspection).update(warehouse=Warehouse.objects.latest("pk")),
        "cost": change(Inspection, cost=1),
        "gone": delete(Inspection),
        "twice": twice(Inspection, disposition="lost", warehouse=None),
    },
    ReturnLine: {
        "quantity": change(ReturnLine, quantity=2),
        "share": change(ReturnLine, share=114),
        "credit": change(ReturnLine, credit=1),
        "gone": delete(ReturnLine),
    },
    Return: {
        "number": change(Return, number="X-1"),
        "reason": change(Return, reason="RT01"),
        "party": change(Return, party="customer"),
        "state": change(Return, status="approved", received_by=None, received_at=None),
        "who received": by_the_auditor(Return, "received_by"),
        "when received": change(Return, received_at=F("received_at") - DAY),
        "who approved": by_the_auditor(Return, "approved_by"),
        "order": of_another_order(Return),
        "gone": delete(Return),
    },
    Refund: {
        **proposed(Refund),
        "ground": change(Refund, ground="overpayment"),
        "party": change(Refund, party="carrier"),
        "who paid": by_the_auditor(Refund, "paid_by"),
        "who received the goods": by_the_auditor(Refund, "goods_received_by"),
    },
    Allowance: {
        **proposed(Allowance),
        "party": change(Allowance, party="carrier"),
        "part": change(Allowance, part="0"),
    },
    WriteOff: {**proposed(WriteOff), "kind": change(WriteOff, kind="unclaimed", taken_back=0)},
}


@pytest.mark.parametrize("model", TAMPERINGS, ids=lambda model: model.__name__)
def test_it_is_found(model: Any) -> None:
    unseen = []
    for what, tamper in TAMPERINGS[model].items():
        assert list(proof.faults()) == []
        with superuser(*TAMPERINGS):
            tamper()
            if not list(proof.faults()):
                unseen.append(what)

    assert unseen == []


def test_a_record_from_before_credits_and_inspections_were_testified_is_proved() -> None:
    with superuser(ClosingRecord):
        evidence = ClosingRecord.objects.get().data["evidence"]
        assert evidence.pop("credits")
        assert evidence.pop("inspections")
        rewrite(1, evidence=evidence)

        assert list(proof.faults()) == []


# Of these, ``test_tampering`` has cases.
TAMPERED_ELSEWHERE = {ClosingRecord, Review, Waiver, Voucher, VoucherLine, Move}
# No closing record says anything of them: what carriers and banks report, what was promised, stock of no order,
# and files, whose content is compared with its digest whenever it is given out.
NOT_TESTIFIED = {
    *(TrackingEvent, Reservation, Receipt, ReceiptLine, Transfer, TransferLine, StockTakeLine),
    *(Statement, StatementLine, StatementMatch, File, WrongFile),
}


def test_everything_kept_for_ever_is_tampered_with() -> None:
    kept = {model for model in apps.get_models() if getattr(model, "append_only", False)}
    histories = {model for model in kept if issubclass(model, HistoryRow)}

    assert kept - histories == (TAMPERINGS.keys() & kept) | TAMPERED_ELSEWHERE | NOT_TESTIFIED
