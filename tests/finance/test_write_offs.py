"""Write-offs: bad debt, tails, money nobody claims; and what of them is taken back once it is paid after all."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from erp.kernel import invariants
from erp.kernel.errors import Changed, Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent
from erp.kernel.money import OutOfRange
from finance.models import OrderBalance, Payment, ProposalState, Refund, RefundState, TakenBack, WriteOff
from finance.services.payments import charge_back_payment, confirm_payments
from finance.services.write_offs import (
    MoreThanReceivable,
    MoreThanUnclaimed,
    RequesterApprovesWriteOff,
    UnknownKind,
    WriteOffDraft,
    approve_write_off,
    approve_write_offs,
    reject_write_off,
    request_write_off,
)
from orders.models import Order
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote
from orders.services.closing import close_order
from orders.services.lifecycle import Refused
from orders.services.proof import faults
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.finance.giving_up import (
    BAD_DEBT,
    REJECTED,
    allowed,
    one_line,
    review_and_close,
    write_off,
    written_off,
)
from tests.finance.refunding import paid, settle
from tests.ledger import booked
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves(db: None) -> Any:
    for role in ("service", "accountant", "chief_accountant", "cashier", "closer"):
        actor(role)
    yield
    assert list(invariants.broken()) == []
    assert list(faults()) == []


def fresh(order: Any) -> Order:
    return Order.objects.get(pk=order.pk)


def balance(order: Any) -> tuple[Decimal, Decimal]:
    row = OrderBalance.objects.get(order=order)
    return row.receivable, row.advance


def test_a_request_changes_nothing_yet() -> None:
    order = one_line(paid=Decimal(200))

    asked = write_off(order, "26")

    assert asked.number.startswith("WO-")
    assert (asked.requested_by, asked.status) == (actor("accountant"), ProposalState.REQUESTED)
    assert fresh(order).written_off == 0
    assert OutboxEvent.objects.get(subject=asked.number).topic == "writeoff.request"


def test_bad_debt_paid_before_closing_is_taken_back_too() -> None:
    order = one_line()
    written_off(order, "226")

    paid(order, "50")

    assert booked(order)[-2:] == [
        ["payment", "Dr 1002 50", "Cr 2203 50"],
        ["taken_back", "Dr 2203 50", "Cr 1231 50", "Dr 1231 50", "Cr 6702 50"],
    ]
    assert (fresh(order).written_off, fresh(order).owed) == (176, 0)
    assert not Refund.objects.exists()


def test_a_tail_that_is_paid_after_closing_is_taken_back_and_the_rest_refunded() -> None:
    order = one_line(paid=Decimal("225.50"), shop=ShopFactory(tolerance=Decimal(1)))
    review_and_close(order)

    paid(order, "0.70")

    assert booked(order)[-3:] == [
        ["settlement", "Dr 2203 225.5", "Dr 6711 0.5", "Cr 1122 226"],
        ["payment", "Dr 1002 0.7", "Cr 2203 0.7"],
        ["taken_back", "Dr 2203 0.5", "Cr 6711 0.5"],
    ]
    row = TakenBack.objects.get()
    assert (row.write_off, row.settlement.purpose, row.amount) == (None, "settlement", Decimal("0.5"))
    assert Refund.objects.get().amount == Decimal("0.2")
    paid(order, "1")
    assert TakenBack.objects.count() == 1


def test_the_newest_bad_debt_is_taken_back_first_and_a_tail_last() -> None:
    order = one_line(paid=Decimal(200), shop=ShopFactory(tolerance=Decimal(1)))
    older, newer = written_off(order, "15"), written_off(order, "10")
    review_and_close(order, reason="CL04", note="尾差")

    paid(order, "25.4")

    assert list(TakenBack.objects.order_by("pk").values_list("write_off", "amount")) == [
        (newer.pk, 10),
        (older.pk, 15),
        (None, Decimal("0.4")),
    ]


def test_an_allowance_takes_bad_debt_back_before_anything_is_refunded() -> None:
    order = one_line(paid=Decimal(200))
    written_off(order, "26")

    allowed(order, "40")

    assert booked(order)[-2:] == [
        ["allowance", "Dr 6001 35.4", "Dr 2221 4.6", "Cr 1122 40"],
        ["taken_back", "Dr 2203 26", "Cr 1231 26", "Dr 1231 26", "Cr 6702 26"],
    ]
    assert Refund.objects.get().amount == 14
    assert fresh(order).written_off == 0


def test_money_nobody_claims_is_kept_and_its_refund_rejected() -> None:
    order = one_line()
    paid(order, "250")
    refund = Refund.objects.get()

    written_off(order, "24", "unclaimed")

    assert booked(order)[-1] == ["write_off", "Dr 2203 24", "Cr 6301 24"]
    assert Refund.objects.get(pk=refund.pk).status == RefundState.REJECTED
    assert Payment.objects.get().refunding == 0
    assert (fresh(order).written_off, fresh(order).owed) == (-24, 0)
    review_and_close(order, reason="CL04", note="无法退还")
    assert booked(order)[-1] == ["settlement", "Dr 2203 226", "Cr 1122 226"]


def test_what_a_rejected_refund_asked_for_beyond_what_is_kept_is_asked_back_again() -> None:
    order = one_line(closed=True)
    allowed(order, "100")
    first = Refund.objects.get()

    written_off(order, "30", "unclaimed")

    assert Refund.objects.get(pk=first.pk).status == RefundState.REJECTED
    again = Refund.objects.get(status=RefundState.REQUESTED)
    assert (again.amount, again.ground, again.requested_by) == (70, first.ground, first.requested_by)
    settle(again)
    assert balance(order) == (0, 0)


def test_a_refund_that_still_fits_stays() -> None:
    order = one_line(closed=True)
    allowed(order, "100")
    paid(order, "20")
    older, newer = Refund.objects.order_by("pk")

    written_off(order, "20", "unclaimed")

    assert Refund.objects.get(pk=older.pk).status == RefundState.REQUESTED
    assert Refund.objects.get(pk=newer.pk).status == RefundState.REJECTED
    assert Refund.objects.count() == 2


def test_kept_money_that_is_charged_back_is_owed() -> None:
    order = one_line()
    (payment,) = paid(order, "250")
    written_off(order, "24", "unclaimed")

    charge_back_payment(payment.pk, decision=decide(actor("accountant"), reason="FN02"))

    assert (fresh(order).owed, balance(order)) == (250, (250, 0))
    written_off(order, "250")
    assert (fresh(order).written_off, fresh(order).owed) == (226, 0)
    paid(order, "250")
    assert fresh(order).written_off == -24


def test_no_more_is_written_off_than_is_owed_with_its_figures() -> None:
    order = one_line(paid=Decimal(200))
    write_off(order, "20")

    with unchanged(), pytest.raises(MoreThanReceivable) as refused:
        write_off(order, "6.01")

    figures = {name: str(refused.value.params[name]) for name in ("owed", "receivable", "requested", "left")}
    assert figures == {"owed": "26.00 CNY", "receivable": "226.00 CNY", "requested": "20.00 CNY", "left": "6.00 CNY"}
    assert write_off(order, "6").amount == 6


def test_what_was_not_dispatched_is_no_debt() -> None:
    order = OrderFactory()

    with unchanged(), pytest.raises(MoreThanReceivable) as refused:
        write_off(order, "1")

    assert str(refused.value.params["receivable"]) == "0.00 CNY"


def test_no_more_is_kept_than_is_overpaid_with_its_figures() -> None:
    order = one_line()
    paid(order, "250")
    write_off(order, "20", "unclaimed")

    with unchanged(), pytest.raises(MoreThanUnclaimed) as refused:
        write_off(order, "4.01", "unclaimed")

    assert str(refused.value.params["left"]) == "4.00 CNY"


def test_approval_looks_again_at_what_is_owed() -> None:
    order = one_line(paid=Decimal(200))
    asked = write_off(order, "26")
    paid(order, "1")

    with unchanged(), pytest.raises(MoreThanReceivable):
        approve_write_off(asked.pk, decision=decide(actor("chief_accountant")))


def test_two_approved_together_are_held_to_what_is_owed_together() -> None:
    order = one_line(paid=Decimal(200))
    asked = [write_off(order, "16"), write_off(order, "10")]
    paid(order, "1")

    with unchanged(), pytest.raises(MoreThanReceivable):
        approve_write_offs([each.pk for each in asked], decision=decide(actor("chief_accountant")))

    assert approve_write_off(asked[0].pk, decision=decide(actor("chief_accountant"))).is_approved


@pytest.mark.parametrize(
    ("values", "reason", "refusal"),
    [
        ({"amount": Decimal(0)}, BAD_DEBT, OutOfRange),
        ({"kind": "pity"}, BAD_DEBT, UnknownKind),
        ({}, {"reason": "CA99"}, ReasonNeedsNote),
        ({}, {"reason": "CL04"}, ReasonDoesNotApply),
    ],
    ids=["nothing", "kind", "note", "reason"],
)
def test_a_request_is_in_the_words_of_the_catalogue(values: Any, reason: Any, refusal: type[Exception]) -> None:
    draft = {"order_id": one_line().pk, "kind": "bad_debt", "amount": Decimal(1), **values}

    with unchanged(), pytest.raises(refusal):
        request_write_off(WriteOffDraft(**draft), decision=decide(actor("accountant"), **reason))


def test_the_same_form_sent_twice_asks_once() -> None:
    order = one_line()
    draft, decision = WriteOffDraft(order.pk, "bad_debt", Decimal(1)), decide(actor("accountant"), **BAD_DEBT)
    request_write_off(draft, decision=decision, version=order.version)

    with unchanged(), pytest.raises(Changed):
        request_write_off(draft, decision=decision, version=order.version)


def test_nobody_approves_what_he_requested() -> None:
    asked = write_off(one_line(), "1")
    actor("accountant").groups.add(actor("chief_accountant").groups.get())

    with unchanged(), pytest.raises(RequesterApprovesWriteOff):
        approve_write_off(asked.pk, decision=decide(actor("accountant")))


def test_a_rejected_write_off_posts_nothing_and_can_be_asked_for_again() -> None:
    order = one_line()
    asked = write_off(order, "226")

    reject_write_off(asked.pk, decision=decide(actor("chief_accountant"), **REJECTED))

    assert WriteOff.objects.get(pk=asked.pk).rejected_by == actor("chief_accountant")
    assert len(booked(order)) == 1
    assert write_off(order, "226").is_open


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_a_decision_is_final(act: str) -> None:
    done = written_off(one_line(), "1")
    acts: dict[str, Any] = {"approve": approve_write_off, "reject": reject_write_off}

    with unchanged(), pytest.raises(WrongState):
        acts[act](done.pk, decision=decide(actor("chief_accountant"), **REJECTED))


def test_each_act_needs_its_permission_and_an_order_in_scope() -> None:
    order = one_line()
    asked = write_off(order, "1")
    stranger = UserFactory(shops=[ShopFactory()])
    draft = WriteOffDraft(order.pk, "bad_debt", Decimal(1))

    with unchanged():
        with pytest.raises(Forbidden):
            request_write_off(draft, decision=decide(actor("cashier"), **BAD_DEBT))
        with pytest.raises(NotFound):
            request_write_off(draft, decision=decide(stranger, **BAD_DEBT))
        with pytest.raises(Forbidden):
            approve_write_off(asked.pk, decision=decide(actor("accountant")))
        with pytest.raises(Forbidden):
            reject_write_off(asked.pk, decision=decide(actor("accountant"), **REJECTED))
        with pytest.raises(NotFound):
            approve_write_off(asked.pk, decision=decide(stranger))
        with pytest.raises(ReasonNeedsNote):
            reject_write_off(asked.pk, decision=decide(actor("chief_accountant"), reason="RJ01"))


def test_an_open_write_off_stands_in_the_way_of_closing() -> None:
    order = one_line(paid=Decimal(225))
    write_off(order, "1")

    with unchanged(), pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(actor("closer"), reason="CL04", note="尾差"))

    assert {"finance.write_off_open", "finance.unpaid"} <= set(refused.value.blockers)


@pytest.mark.parametrize("role", ["accountant", "chief_accountant"])
def test_neither_who_requested_nor_who_approved_it_closes_the_order(role: str) -> None:
    order = one_line()
    written_off(order, "226")
    actor(role).groups.add(actor("closer").groups.get())

    with unchanged(), pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(actor(role), reason="CL04", note="坏账"))

    assert "finance.conflict_of_duty" in refused.value.blockers


def test_forty_approvals_take_as_many_queries_as_one_and_so_do_late_payments() -> None:
    orders = OrderFactory.create_batch(42, delivered=True, reported=Decimal(400))
    asked = [write_off(order, "399.96").pk for order in orders]
    approve_write_offs(asked[:1], decision=decide(actor("chief_accountant")))

    counts = []
    for chosen in (asked[1:2], asked[2:]):
        with count_queries() as queries:
            approve_write_offs(chosen, decision=decide(actor("chief_accountant")))
        counts.append(len(queries))
    late = list(Payment.objects.order_by("pk").values_list("pk", flat=True))
    confirm_payments(late[:1], decision=decide(actor("accountant")))
    for chosen in (late[1:2], late[2:]):
        with count_queries() as queries:
            confirm_payments(chosen, decision=decide(actor("accountant")))
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[2] == counts[3]
    assert TakenBack.objects.count() == len(orders)


REFUSED: list[dict[str, Any]] = [
    {"amount": 0},
    {"kind": "pity"},
    {"status": "lost"},
    {"status": "requested"},
    {"approved_by": None},
    {"approved_at": None},
    {"requested_by": F("approved_by")},
    {"rejected_by": F("approved_by")},
    {"taken_back": 227},
    {"taken_back": -1},
    {"kind": "unclaimed"},
]


@pytest.mark.parametrize("values", REFUSED, ids=map(str, REFUSED))
def test_the_database_refuses_of_a_bad_debt_partly_taken_back(values: dict[str, Any]) -> None:
    order = one_line()
    written_off(order, "226")
    paid(order, "1")

    with pytest.raises(IntegrityError), transaction.atomic():
        WriteOff.objects.update(**values)


@pytest.mark.parametrize("values", [{"amount": 0}, {"write_off": None}], ids=["amount", "of nothing"])
def test_the_database_refuses_of_what_is_taken_back(values: dict[str, Any]) -> None:
    order = one_line()
    written_off(order, "226")
    paid(order, "1")
    row = TakenBack.objects.get()
    row.pk = None
    for name, value in values.items():
        setattr(row, name, value)

    with pytest.raises(IntegrityError), transaction.atomic():
        TakenBack.objects.bulk_create([row])
