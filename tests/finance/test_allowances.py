"""Allowances: the customer keeps the goods and pays less; one person asks, another approves."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from erp.kernel import invariants
from erp.kernel.errors import Changed, Forbidden, NotFound, WrongState
from erp.kernel.models import OutboxEvent
from erp.kernel.money import OutOfRange
from finance.models import Allowance, Credit, CreditGround, ProposalState, Refund
from finance.services.allowances import (
    AllowanceDraft,
    AllowanceExceedsPart,
    RequesterApprovesAllowance,
    approve_allowance,
    approve_allowances,
    reject_allowance,
)
from finance.services.allowances import request_allowance as request_of_part
from finance.services.crediting import CreditExceedsPart
from logistics.models import ShipmentLine
from logistics.services.allowing import NotDispatched, part_of, request_allowance
from orders.models import Order, PaymentStatus
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, UnknownParty
from orders.services.closing import close_order
from orders.services.lifecycle import Refused
from orders.services.proof import faults
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.finance.giving_up import (
    ALLOWED,
    PROTECTED,
    REJECTED,
    allowance,
    allowed,
    enlarged,
    one_line,
    row_of,
)
from tests.finance.refunding import settle
from tests.ledger import booked
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_still_proves(db: None) -> Any:
    for role in ("service", "accountant", "cashier", "closer"):
        actor(role)
    yield
    assert list(invariants.broken()) == []
    assert list(faults()) == []


def test_a_request_says_what_was_charged_and_changes_nothing_yet() -> None:
    order = one_line()

    asked = allowance(order, "20", **PROTECTED)

    row = row_of(order)
    assert asked.number.startswith("AL-")
    assert (asked.line_id, asked.part, asked.source) == (row.line_id, str(row.pk), row.shipment.number)
    assert (asked.part_amount, asked.part_tax, asked.party) == (226, 26, "seller")
    assert (asked.requested_by, asked.status) == (actor("service"), ProposalState.REQUESTED)
    assert Order.objects.get(pk=order.pk).payable == 226
    assert len(booked(order)) == 1
    assert OutboxEvent.objects.get(subject=asked.number).topic == "allowance.request"


def test_an_unpaid_customer_owes_less_line_by_line() -> None:
    order = one_line()

    done = allowed(order, "22.60")

    assert (done.status, done.approved_by) == (ProposalState.APPROVED, actor("accountant"))
    assert booked(order)[1:] == [["allowance", "Dr 6001 20", "Dr 2221 2.6", "Cr 1122 22.6"]]
    assert Order.objects.get(pk=order.pk).payable == Decimal("203.40")
    credit = Credit.objects.get()
    assert (credit.ground, credit.part, credit.source) == (CreditGround.ALLOWANCE, done.part, done.number)
    assert not Refund.objects.exists()


def test_the_whole_of_an_order_is_allowed() -> None:
    order = one_line(paid=True)

    allowed(order, "226")
    settle(Refund.objects.get())

    assert Order.objects.get(pk=order.pk).payment_status == PaymentStatus.REFUNDED


def test_after_closing_it_is_refunded_and_the_proof_stands() -> None:
    order = one_line(closed=True)

    allowed(order, "22.60")
    settle(Refund.objects.get())

    assert booked(order)[-2:] == [
        ["allowance", "Dr 6001 20", "Dr 2221 2.6", "Cr 2203 22.6"],
        ["refund", "Dr 2203 22.6", "Cr 1012 22.6"],
    ]


def test_more_than_is_neither_credited_nor_requested_is_refused_with_its_figures() -> None:
    order = one_line()
    allowed(order, "100")
    allowance(order, "60")

    with unchanged(), pytest.raises(AllowanceExceedsPart) as refused:
        allowance(order, "66.01")

    figures = {name: str(refused.value.params[name]) for name in ("amount", "credited", "requested", "left")}
    assert figures == {
        "amount": "226.00 CNY",
        "credited": "100.00 CNY",
        "requested": "60.00 CNY",
        "left": "66.00 CNY",
    }
    assert allowance(order, "66").amount == 66


def test_what_was_rejected_can_be_asked_for_again() -> None:
    order = one_line()
    asked = allowance(order, "226")

    reject_allowance(asked.pk, decision=decide(actor("accountant"), **REJECTED))

    assert Allowance.objects.get(pk=asked.pk).rejected_by == actor("accountant")
    assert len(booked(order)) == 1
    assert allowance(order, "226").status == ProposalState.REQUESTED


def test_approval_looks_again_at_what_is_left() -> None:
    order = one_line()
    first, second = (allowance(order, "113") for _ in range(2))
    enlarged(second, "114")

    with unchanged(), pytest.raises(CreditExceedsPart):
        approve_allowances([first.pk, second.pk], decision=decide(actor("accountant")))


def test_nothing_is_allowed_on_what_was_not_dispatched() -> None:
    order = OrderFactory(packed=True)

    with unchanged(), pytest.raises(NotDispatched):
        allowance(order, "1")


@pytest.mark.parametrize(
    ("values", "reason", "refusal"),
    [
        ({"amount": Decimal(0)}, ALLOWED, OutOfRange),
        ({"party": "nobody"}, ALLOWED, UnknownParty),
        ({}, {"reason": "RT06"}, ReasonNeedsNote),
        ({}, {"reason": "CL01"}, ReasonDoesNotApply),
    ],
    ids=["nothing", "party", "note", "reason"],
)
def test_a_request_is_in_the_words_of_the_catalogue(values: Any, reason: Any, refusal: type[Exception]) -> None:
    row = row_of(one_line())

    with unchanged(), pytest.raises(refusal):
        request_allowance(row.pk, **{"amount": Decimal(1), **values}, decision=decide(actor("service"), **reason))


def test_the_same_form_sent_twice_asks_once() -> None:
    order = one_line()
    row, decision = row_of(order), decide(actor("service"), **ALLOWED)
    request_allowance(row.pk, Decimal(1), decision=decision, version=order.version)

    with unchanged(), pytest.raises(Changed):
        request_allowance(row.pk, Decimal(1), decision=decision, version=order.version)


def test_nobody_approves_what_he_requested() -> None:
    asked = allowance(one_line(), "1")
    actor("service").groups.add(actor("accountant").groups.get())

    with unchanged(), pytest.raises(RequesterApprovesAllowance):
        approve_allowance(asked.pk, decision=decide(actor("service")))


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_a_decision_is_final(act: str) -> None:
    done = allowed(one_line(), "1")
    acts: dict[str, Any] = {"approve": approve_allowance, "reject": reject_allowance}

    with unchanged(), pytest.raises(WrongState):
        acts[act](done.pk, decision=decide(actor("accountant"), **REJECTED))


def test_each_act_needs_its_permission_and_an_order_in_scope() -> None:
    order = one_line()
    asked = allowance(order, "1")
    row = row_of(order)
    stranger = UserFactory(shops=[ShopFactory()], role="service")
    draft = AllowanceDraft(part_of(row), row.shipment.number, Decimal(1))

    with unchanged():
        with pytest.raises(Forbidden):
            request_allowance(row.pk, Decimal(1), decision=decide(actor("accountant"), **ALLOWED))
        with pytest.raises(NotFound):
            request_allowance(row.pk, Decimal(1), decision=decide(stranger, **ALLOWED))
        with pytest.raises(NotFound):
            request_of_part(draft, decision=decide(stranger, **ALLOWED))
        with pytest.raises(Forbidden):
            approve_allowance(asked.pk, decision=decide(actor("service")))
        with pytest.raises(Forbidden):
            reject_allowance(asked.pk, decision=decide(actor("cashier"), **REJECTED))
        with pytest.raises(NotFound):
            approve_allowance(asked.pk, decision=decide(stranger))
        with pytest.raises(ReasonNeedsNote):
            reject_allowance(asked.pk, decision=decide(actor("accountant"), reason="RJ01"))


def test_an_open_allowance_stands_in_the_way_of_closing() -> None:
    order = one_line(paid=True)
    allowance(order, "1")

    with unchanged(), pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(actor("closer"), reason="CL01"))

    assert "finance.allowance_open" in refused.value.blockers


def test_whoever_approved_it_does_not_close_the_order() -> None:
    order = one_line()
    allowed(order, "1")
    actor("accountant").groups.add(actor("closer").groups.get())

    with unchanged(), pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(actor("accountant"), reason="CL01"))

    assert "finance.conflict_of_duty" in refused.value.blockers


def test_a_review_is_stale_once_an_allowance_is_asked_for() -> None:
    order = one_line(reviewed=True)
    allowance(order, "1")

    with pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decide(actor("closer"), reason="CL01"))

    assert set(refused.value.blockers) == {"finance.allowance_open", "orders.review_stale"}


def test_forty_approvals_take_as_many_queries_as_one() -> None:
    orders = OrderFactory.create_batch(42, delivered=True, paid=True)
    rows = ShipmentLine.objects.filter(line__no=1).order_by("pk").values_list("pk", flat=True)
    asked = [request_allowance(pk, Decimal(1), decision=decide(actor("service"), **ALLOWED)).pk for pk in rows]
    approve_allowances(asked[:1], decision=decide(actor("accountant")))

    counts = []
    for chosen in (asked[1:2], asked[2:]):
        with count_queries() as queries:
            approve_allowances(chosen, decision=decide(actor("accountant")))
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert Refund.objects.count() == len(orders)


REFUSED: list[dict[str, Any]] = [
    {"amount": 0},
    {"amount": 227},
    {"part_tax": -1},
    {"part_tax": 227},
    {"party": "nobody"},
    {"status": "lost"},
    {"status": "requested"},
    {"approved_by": None},
    {"approved_at": None},
    {"requested_by": F("approved_by")},
    {"rejected_by": F("approved_by")},
]


@pytest.mark.parametrize("values", REFUSED, ids=map(str, REFUSED))
def test_the_database_refuses_of_an_approved_allowance(values: dict[str, Any]) -> None:
    allowed(one_line(), "1")

    with pytest.raises(IntegrityError), transaction.atomic():
        Allowance.objects.update(**values)


def test_an_allowance_is_of_a_line_of_its_order() -> None:
    asked = allowance(one_line(), "1")
    asked.pk, asked.number, asked.order = None, "AL-2000-000001", OrderFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        Allowance.objects.bulk_create([asked])
