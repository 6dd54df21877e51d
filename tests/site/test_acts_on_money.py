"""Every button on payments and periods does what it says, once."""

from decimal import Decimal

import pytest
from django.utils import timezone

from erp.kernel.models import User
from finance.models import Allowance, Payment, PaymentState, Period, Voucher, WriteOff
from finance.services.payments import PaymentDraft, report_payments
from logistics.models import Shipment
from tests.factories import OrderFactory, actor, decide
from tests.finance.giving_up import allowance, one_line, write_off, written_off
from tests.finance.refunding import paid
from tests.logistics.returning import approved
from tests.site.clicking import act_url, confirm, filled_in, fresh, goes_to, page, sign_in, the

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("everything_still_proves")]


def test_reporting_a_payment_fills_in_what_is_owed(cashier: User) -> None:
    order = OrderFactory(paid=Decimal("100"))

    response = confirm(sign_in(cashier), "report-payment", order, method="alipay", reference="2088-1")

    payment = the(Payment, status=PaymentState.REPORTED)
    assert goes_to(response, order)
    assert (payment.amount, payment.reference) == (order.total - 100, "2088-1")
    assert payment.reported_by == cashier


def test_confirming_a_payment(accountant: User) -> None:
    order = OrderFactory(reported=True)
    payment = the(Payment)

    response = confirm(sign_in(accountant), "confirm-payment", payment)

    assert goes_to(response, order)
    assert fresh(payment).status == PaymentState.CONFIRMED
    assert fresh(order).received == order.total


def test_whatever_takes_a_write_off_back_says_so_before(accountant: User, keeper: User) -> None:
    reported, allowed, back = (one_line(paid=Decimal(200)) for _ in range(3))
    for order in (reported, allowed, back):
        written_off(order, "26")
    (payment,) = report_payments(
        [PaymentDraft(reported.pk, "bank", "R9", Decimal(30))], decision=decide(actor("cashier"))
    )
    asked, goods_return = allowance(allowed, "10"), approved(back, {1: 1})
    client = sign_in(accountant)

    texts = [
        client.get(act_url("confirm-payment", payment)).content.decode(),
        client.get(act_url("approve-allowance", asked)).content.decode(),
        sign_in(keeper).get(act_url("receive-return", goods_return)).content.decode(),
    ]

    assert "The write-off of 26.00 CNY is taken back." in texts[0]
    assert "A refund of 4.00 CNY is requested." in texts[0]
    assert "The write-off of 10.00 CNY is taken back." in texts[1]
    assert "the write-off of 26.00 CNY is taken back before anything is paid back" in texts[2]


def test_rejecting_a_payment_with_a_note(accountant: User) -> None:
    order = OrderFactory(reported=True)
    payment = the(Payment)

    response = confirm(sign_in(accountant), "reject-payment", payment, reason="RJ01", note="银行没有这笔")

    assert goes_to(response, order)
    assert fresh(payment).status == PaymentState.REJECTED
    assert payment.history.latest("history_id").history_change_reason == "RJ01 银行没有这笔"


def test_rejecting_without_the_note_its_reason_demands(accountant: User) -> None:
    OrderFactory(reported=True)
    payment = the(Payment)

    response = confirm(sign_in(accountant), "reject-payment", payment, reason="RJ01")

    assert response.status_code == 409
    assert "needs a note" in response.content.decode()
    assert fresh(payment).status == PaymentState.REPORTED


def test_closing_a_period(accountant: User) -> None:
    long_ago = timezone.now() - timezone.timedelta(days=70)
    OrderFactory(paid=True, at=long_ago)
    period = the(Period)

    response = confirm(sign_in(accountant), "close-period", period)

    assert goes_to(response, period)
    assert fresh(period).closed_by == accountant


def test_a_period_is_not_closed_over_undecided_payments(accountant: User) -> None:
    long_ago = timezone.now() - timezone.timedelta(days=70)
    OrderFactory(paid=True, at=long_ago)
    OrderFactory(reported=True, at=long_ago)
    period = the(Period)
    client = sign_in(accountant)

    asked = client.get(act_url("close-period", period))
    response = client.post(act_url("close-period", period), filled_in(asked))

    assert asked.context["preview"].is_blocked
    assert response.status_code == 409
    assert "neither confirmed nor rejected" in response.content.decode()
    assert f'href="{page(the(Payment, status=PaymentState.REPORTED))}"' in asked.content.decode()
    assert fresh(period).closed_at is None


def test_posting_happens_once_however_often_it_is_clicked(accountant: User) -> None:
    OrderFactory(reported=True)
    payment = the(Payment)
    client = sign_in(accountant)
    data = filled_in(client.get(act_url("confirm-payment", payment)))

    first = client.post(act_url("confirm-payment", payment), data)
    second = client.post(act_url("confirm-payment", payment), data)

    assert (first.status_code, second.status_code) == (302, 409)
    assert "somebody else acted" in second.content.decode()
    assert accountant.name in second.content.decode()
    assert Voucher.objects.count() == 1


@pytest.mark.parametrize("name", ["confirm-payment", "reject-payment"])
def test_deciding_a_payment_shows_the_payment_and_what_is_owed(name: str, accountant: User) -> None:
    order = OrderFactory(reported=True)
    payment = the(Payment)

    shown = sign_in(accountant).get(act_url(name, payment)).context["about"]

    assert shown["Payment number"] == payment.number
    assert (shown["Method"], shown["Reference"]) == ("Alipay", payment.reference)
    assert shown["Amount"] == str(order.money(payment.amount))
    assert shown["Reported by"] == payment.reported_by
    assert shown["Owed"] == str(order.money(order.total))
    assert {"Received", "Reported at"} <= shown.keys()


def test_an_allowance_is_requested_and_approved(service: User, accountant: User) -> None:
    order = OrderFactory(delivered=True, paid=True)
    client = sign_in(service)

    shown = client.get(act_url("request-allowance", order)).context["form"]
    _none, (first_pk, first), *_others = shown["shipment_line"].field.choices
    response = confirm(
        client, "request-allowance", order, shipment_line=first_pk, amount="20", reason="FN05", party="carrier"
    )

    shipment, line = the(Shipment), order.lines.get(no=1)
    assert first == f"{shipment.number} · 1 {line.sku} {line.name} × 2 pcs, 199.98 CNY at most"
    assert goes_to(response, order)
    asked = the(Allowance)
    assert (asked.amount, asked.party, asked.line) == (20, "carrier", line)
    assert asked.number in client.get(page(order)).content.decode()

    client = sign_in(accountant)
    about = client.get(act_url("approve-allowance", asked)).context["about"]
    assert (about["Amount"], about["Requested by"]) == ("20.00 CNY", service)
    assert about["Reason and note"] == "FN05"
    assert goes_to(confirm(client, "approve-allowance", asked), order)
    assert fresh(asked).status == "approved"
    text = client.get(page(order)).content.decode()
    assert "Requested → Approved" in text
    assert f'href="{page(asked)}"' in text


def test_an_allowance_is_rejected(service: User, accountant: User) -> None:
    asked = allowance(OrderFactory(delivered=True), "20")

    assert goes_to(confirm(sign_in(accountant), "reject-allowance", asked, reason="RJ01", note="不同意"), asked.order)
    assert fresh(asked).status == "rejected"


def test_a_write_off_is_requested_approved_and_taken_back(accountant: User, chief_accountant: User) -> None:
    order = OrderFactory(delivered=True)
    client = sign_in(accountant)

    form = client.get(act_url("request-write-off", order)).context["form"]
    assert (form["kind"].value(), form["amount"].value()) == ("bad_debt", "399.96")
    assert goes_to(confirm(client, "request-write-off", order, reason="FN04"), order)
    asked = the(WriteOff)
    client = sign_in(chief_accountant)
    about = client.get(act_url("approve-write-off", asked)).context["about"]
    assert (about["Amount"], about["Owed"], about["Reason and note"]) == ("399.96 CNY", "399.96 CNY", "FN04")
    assert goes_to(confirm(client, "approve-write-off", asked), order)
    paid(order, "100")

    text = client.get(page(order)).content.decode()
    assert "Bad debt" in text
    assert "100.00 CNY taken back" in text
    assert "Written off <strong>299.96 CNY</strong>" in text
    assert act_url("request-write-off", order) not in sign_in(accountant).get(page(order)).content.decode()


def test_a_write_off_is_rejected(chief_accountant: User) -> None:
    asked = write_off(OrderFactory(delivered=True), "20")

    assert goes_to(
        confirm(sign_in(chief_accountant), "reject-write-off", asked, reason="RJ01", note="再催收"), asked.order
    )
    assert fresh(asked).status == "rejected"


def test_what_is_overpaid_is_offered_to_be_kept(accountant: User) -> None:
    order = OrderFactory(delivered=True)
    paid(order, "400")

    form = sign_in(accountant).get(act_url("request-write-off", order)).context["form"]

    assert (form["kind"].value(), form["amount"].value()) == ("unclaimed", "0.04")
