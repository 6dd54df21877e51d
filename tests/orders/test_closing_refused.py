"""An order that is not settled stays open, and whoever wants to close it learns everything that is missing."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils.translation import override

from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import User
from erp.kernel.texts import Change
from erp.kernel.validation import BadText
from finance.models import Payment, Refund, VoucherLine
from finance.services.payments import PaymentDraft, confirm_payment, reject_payment, report_payment
from finance.services.refunds import reject_refund
from inventory.models import Move
from logistics.models import Shipment, ShipmentLine, ShipmentStatus
from orders.models import Act, ClosingRecord, Order, Reason, Review, Status
from orders.services import catalogue, lifecycle
from orders.services.catalogue import ReasonDoesNotApply, ReasonForRules, ReasonNeedsNote, ReasonUnknown
from orders.services.closing import close_order
from orders.services.lifecycle import Refused, Seen
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.orders.closings import also_closer, blockers, close, review_as_it_is
from tests.support import without_guards

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _closer(db: None) -> None:
    """There before the test looks at what changes."""
    actor("closer")


def pay(order: Any, amount: str, *, confirm: bool = True) -> Payment:
    draft = PaymentDraft(order.pk, "bank", f"EXTRA-{amount}", Decimal(amount))
    payment = report_payment(draft, decision=decide(actor("cashier")))
    return confirm_payment(payment.pk, decision=decide(actor("accountant"))) if confirm else payment


def lose_goods(order: Any) -> None:
    ShipmentLine.objects.filter(shipment__order=order, line__no=1).update(quantity=1)


def call_back(order: Any) -> None:
    Shipment.objects.filter(order=order).update(status=ShipmentStatus.DISPATCHED)


def overpay(order: Any) -> None:
    """And reject the refund that was asked back at once."""
    pay(order, "0.01")
    refund = Refund.objects.get(order=order)
    reject_refund(refund.pk, decision=decide(actor("accountant"), reason="RJ01", note="另行处理"))


def falsify_a_move(order: Any) -> None:
    with without_guards(Move):
        Move.objects.filter(line__order=order, line__no=1).update(quantity=-1)


def falsify_the_ledger(order: Any) -> None:
    lines = VoucherLine.objects.filter(voucher__order=order, voucher__purpose="dispatch")
    with without_guards(VoucherLine):
        lines.filter(account="1122").update(debit=500)
        lines.filter(account="6001").update(credit=500 - lines.get(account="2221").credit)


ALONE: list[tuple[str, dict[str, Any], Callable[[Any], object]]] = [
    ("logistics.not_shipped", {"paid": True}, lose_goods),
    ("logistics.shipment_open", {"paid": True}, call_back),
    ("inventory.stock_not_adjusted", {"paid": True}, falsify_a_move),
    ("finance.unpaid", {"paid": Decimal(100)}, lambda order: None),
    ("finance.overpaid", {"paid": True}, overpay),
    ("finance.payment_unconfirmed", {"paid": True}, lambda order: pay(order, "0.01", confirm=False)),
    ("finance.books_disagree", {"paid": True}, falsify_the_ledger),
]


@pytest.mark.parametrize(("code", "story", "spoil"), ALONE, ids=[code for code, *_ in ALONE])
def test_each_finding_alone_keeps_an_order_open(code: str, story: dict[str, Any], spoil: Any) -> None:
    order = OrderFactory(completed=True, **story)
    spoil(order)
    review_as_it_is(order)

    with unchanged():
        assert blockers(order) == [code]


def test_without_its_three_reviews_an_order_stays_open() -> None:
    order = OrderFactory(completed=True, paid=True)

    with unchanged(), pytest.raises(Refused) as refused:
        close(order)

    assert refused.value.blockers == ["orders.review_missing"] * 3
    labels = [finding.params["label"].key for finding in refused.value.outcome.blockers]
    assert labels == ["order", "finance", "logistics"]


@pytest.mark.parametrize("block", ["order", "finance", "logistics"])
def test_each_review_alone_is_missed(block: str) -> None:
    order = OrderFactory(reviewed=True)
    with without_guards(Review):
        Review.objects.filter(block=block).delete()

    assert blockers(order) == ["orders.review_missing"]


def test_a_stale_review_keeps_an_order_open() -> None:
    order = OrderFactory(reviewed=True)
    Order.objects.filter(pk=order.pk).update(customer_name="李雷")

    with unchanged(), pytest.raises(Refused) as refused:
        close(order)

    (finding,) = (finding for finding in refused.value.findings if finding.is_blocker)
    assert finding.code == "orders.review_stale"
    assert list(finding.params["changes"]) == [Change("customer", "王芳", "李雷")]


@pytest.mark.parametrize(
    ("role", "code"), [("accountant", "finance.conflict_of_duty"), ("logistician", "logistics.conflict_of_duty")]
)
@pytest.mark.parametrize("is_superuser", [False, True], ids=["user", "superuser"])
def test_who_confirmed_the_money_or_sent_the_goods_does_not_close(role: str, code: str, is_superuser: bool) -> None:
    order = OrderFactory(reviewed=True)
    user = also_closer(role)
    User.objects.filter(pk=user.pk).update(is_superuser=is_superuser)

    with unchanged():
        assert blockers(order, User.objects.get(pk=user.pk)) == [code]


@pytest.mark.parametrize("role", ["salesperson", "service", "keeper", "cashier"])
def test_who_did_anything_else_may_close(role: str) -> None:
    order = OrderFactory(reviewed=True)

    close(order, also_closer(role))

    assert Order.objects.get(pk=order.pk).status == Status.CLOSED


def test_who_rejected_a_payment_may_close() -> None:
    order = OrderFactory(completed=True, paid=True)
    wrong = pay(order, "5", confirm=False)
    closer = also_closer("chief_accountant")
    closer.groups.add(actor("accountant").groups.get())
    reject_payment(wrong.pk, decision=decide(User.objects.get(pk=closer.pk), reason="RJ01", note="查无此款"))
    review_as_it_is(order)

    close(order, User.objects.get(pk=closer.pk))


def test_everything_that_is_missing_is_told_at_once_with_both_figures_and_changes_nothing() -> None:
    order = OrderFactory(completed=True, paid=Decimal(100))
    payment = pay(order, "20", confirm=False)
    for spoil in (lose_goods, call_back, falsify_the_ledger, falsify_a_move):
        spoil(order)
    shipment = Shipment.objects.get()
    closer = also_closer("logistician")
    closer.groups.add(actor("accountant").groups.get())
    Payment.objects.filter(status="confirmed").update(decided_by=closer)

    with unchanged(), pytest.raises(Refused) as refused:
        close(order, closer)

    found = {finding.code: finding for finding in refused.value.outcome.blockers}
    assert set(found) == {
        "orders.review_missing",
        "logistics.not_shipped",
        "logistics.shipment_open",
        "logistics.conflict_of_duty",
        "inventory.stock_not_adjusted",
        "finance.unpaid",
        "finance.payment_unconfirmed",
        "finance.books_disagree",
        "finance.conflict_of_duty",
    }
    figures = {code: {key: str(value) for key, value in finding.params.items()} for code, finding in found.items()}
    assert figures["finance.unpaid"] == {
        "number": order.number,
        "payable": "399.96 CNY",
        "captured": "100.00 CNY",
        "owed": "299.96 CNY",
        "written_off": "0.00 CNY",
    }
    assert figures["finance.payment_unconfirmed"]["pending"] == "20.00 CNY"
    assert figures["finance.payment_unconfirmed"]["payments"] == payment.number
    assert figures["finance.books_disagree"] == {
        "number": order.number,
        "owed": "299.96 CNY",
        "booked": "400.00 CNY",
    }
    assert figures["logistics.shipment_open"]["shipments"] == shipment.number
    quantities = found["logistics.not_shipped"].params
    assert (quantities["ordered"].value, quantities["shipped"].value) == (4, 3)
    quantities = found["inventory.stock_not_adjusted"].params
    assert (quantities["shipped"].value, quantities["moved"].value) == (4, 3)


def test_a_refusal_says_in_words_what_is_wrong_what_to_do_and_whose_job_it_is() -> None:
    order = OrderFactory(completed=True, paid=Decimal(100))
    review_as_it_is(order)

    with override("en"):
        with pytest.raises(Refused) as refused:
            close(order)

        (finding,) = refused.value.outcome.blockers
        assert finding.message == (
            f"Order {order.number}: payable 399.96 CNY, received 100.00 CNY, written off 0.00 CNY, "
            "still owed 299.96 CNY."
        )
        assert str(refused.value) == f"Order {order.number}: {finding.message}"
        assert finding.hint == (
            "The cashier reports the payment, then finance confirms it; what will not be paid is written off."
        )
        assert finding.role == "Cashier, then finance"


def test_findings_that_hold_are_told_too() -> None:
    order = OrderFactory(reviewed=True)

    outcome = lifecycle.preview("close", [order.pk], decide(actor("closer")))[order.pk]

    assert outcome.ready
    codes = [finding.code for finding in outcome.findings]
    assert codes.count("orders.review_missing") == codes.count("orders.review_stale") == 3
    assert {code for code in codes if not code.startswith("orders.review")} == {
        "orders.wrong_state",
        "orders.on_hold",
        "orders.reason_does_not_fit",
        "orders.dated_before_record",
        "logistics.not_shipped",
        "logistics.shipment_open",
        "logistics.return_open",
        "logistics.tracking_missing",
        "logistics.conflict_of_duty",
        "inventory.stock_not_adjusted",
        "finance.unpaid",
        "finance.overpaid",
        "finance.payment_unconfirmed",
        "finance.refund_open",
        "finance.allowance_open",
        "finance.write_off_open",
        "finance.books_disagree",
        "finance.conflict_of_duty",
    }
    with override("en"):
        messages = [finding.message for finding in outcome.findings]
        assert "Payable 399.96 CNY, received 399.96 CNY, written off 0.00 CNY, still owed 0.00 CNY." in messages
        assert all("%(" not in message for message in messages)
        assert not any(finding.hint for finding in outcome.findings)


@pytest.mark.parametrize("stage", ["new", "processing", "packed", "shipped", "delivered"])
def test_an_order_that_is_not_completed_stays_open_and_learns_what_else_is_missing(stage: str) -> None:
    order = OrderFactory(**({} if stage == "new" else {stage: True}))

    with unchanged():
        codes = blockers(order)

    assert codes[0] == "orders.wrong_state"
    assert {"finance.unpaid", "orders.review_missing"} <= set(codes) or stage in ("new", "processing", "packed")
    assert codes.count("orders.review_missing") == 3


@pytest.mark.parametrize(
    ("reason", "note", "refusal"),
    [
        ("", "", ReasonUnknown),
        ("XX99", "", ReasonUnknown),
        ("CL02", "", ReasonUnknown),
        ("CL05", "", ReasonForRules),
        ("CA01", "客户不要了", ReasonDoesNotApply),
        ("CL04", "", ReasonNeedsNote),
        ("CL04", "  ", ReasonNeedsNote),
    ],
)
def test_an_order_is_closed_for_a_reason_that_fits(reason: str, note: str, refusal: type[Exception]) -> None:
    order = OrderFactory(reviewed=True)
    Reason.objects.filter(code="CL02").update(is_active=False)

    with unchanged(), pytest.raises(refusal):
        close(order, reason=reason, note=note)


def test_the_reasons_offered_for_closing_are_the_active_ones_that_fit() -> None:
    Reason.objects.filter(code="CL02").update(is_active=False)

    assert [reason.code for reason in catalogue.choices(Act.CLOSE)] == ["CL01", "CL03", "CL04", "CA99"]
    assert "CA03" not in [reason.code for reason in catalogue.choices(Act.CANCEL)]


def test_another_version_than_the_one_shown_is_shown_again_first(closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    decision = decide(closer, reason="CL01")

    with unchanged(), pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decision, seen=Seen(version=order.version - 1))

    assert refused.value.blockers == ["orders.changed"]


def test_other_effects_than_those_shown_are_shown_again_first(closer: Any) -> None:
    shop = ShopFactory(tolerance=Decimal(1))
    order = OrderFactory(shop=shop, lines=[], completed=True, paid=Decimal("399.50"))
    review_as_it_is(order)
    decision = decide(closer, reason="CL01")
    shown = lifecycle.preview("close", [order.pk], decision)[order.pk]
    assert shown.ready

    with unchanged(), pytest.raises(Refused) as refused:
        close_order(order.pk, decision=decision, seen=Seen(shown.version, "0" * 64))

    assert refused.value.blockers == ["orders.changed"]
    close_order(order.pk, decision=decision, seen=Seen(shown.version, shown.digest))
    assert ClosingRecord.objects.filter(order=order).exists()


def test_what_is_not_yours_is_not_found_and_what_you_may_not_do_is_forbidden() -> None:
    order = OrderFactory(reviewed=True)
    without_scope = UserFactory(role="closer", shops=[])
    without_scope.groups.set([])
    without_right = actor("salesperson")

    with unchanged():
        with pytest.raises(NotFound):
            close(order, without_scope)
        with pytest.raises(Forbidden) as forbidden:
            close(order, without_right)

    assert forbidden.value.params["permission"] == "orders.close_order"


def test_with_the_right_an_order_of_another_shop_is_not_found() -> None:
    order = OrderFactory(reviewed=True)
    user = UserFactory(shops=[ShopFactory()])
    user.user_permissions.add(Permission.objects.get(codename="close_order"))

    with unchanged(), pytest.raises(NotFound):
        close(order, user)


def test_an_inactive_user_closes_nothing() -> None:
    order = OrderFactory(reviewed=True)
    user = UserFactory(role="closer", is_active=False)

    with unchanged(), pytest.raises((Forbidden, NotFound)):
        close(order, user)


@pytest.mark.parametrize("note", ["a\x00b", "a\ud800b", "a\u202eb", "\x1b[31m"], ids=ascii)
def test_a_note_that_cannot_be_kept_is_refused(note: str) -> None:
    order = OrderFactory(reviewed=True)

    with unchanged(), pytest.raises(BadText):
        close(order, note=note)
