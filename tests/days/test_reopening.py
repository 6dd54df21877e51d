"""Days on which a closed order is opened once more (反关闭), and closed again."""

import pytest

from finance.models import Payment
from finance.services.payments import charge_back_payment
from orders.models import ClosingRecord, Status
from orders.services.lifecycle import Refused
from orders.services.reopening import reopen_order
from tests.days.diary import Diary, fresh
from tests.ledger import booked
from tests.orders.reopenings import another

pytestmark = pytest.mark.django_db


def test_a_wrong_payment_is_put_right_by_reopening(diary: Diary) -> None:
    """
    An order of 226 paid 225.50 is closed with a tail of 0.50 by one administrator.

    The bank takes the money back; a second administrator reopens the order; the customer pays 226.04 by another way,
    of which 0.04 are within the tolerance; everything is reviewed again, and a third administrator closes it.
    """
    first, second, third = another(), another(), another()
    order = diary.place_goods(tolerance="0.50")
    diary.pay(order, "225.50", method="alipay")
    diary.send_all(order)
    diary.complete(order)
    diary.review(order)
    diary.close(order, by=first)

    diary.days_later(14)
    reopen_order(order.pk, decision=diary.decides(second, reason="RO02", note="收款有误"))
    assert fresh(order).status == Status.COMPLETED
    diary.days_later(1)
    charge_back_payment(Payment.objects.get().pk, decision=diary.by("accountant", reason="FN02"))
    with pytest.raises(Refused):
        diary.review(order)
    diary.days_later(1)
    diary.pay(order, "226.04")
    diary.review(order)
    with pytest.raises(Refused) as refused:
        diary.close(order, by=second)
    assert refused.value.blockers == ["orders.own_reopening"]
    diary.close(order, by=third)

    assert booked(order) == [
        ["payment", "Dr 1012 225.5", "Cr 2203 225.5"],
        ["dispatch", "Dr 1122 226", "Cr 6001 200", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["settlement", "Dr 2203 225.5", "Dr 6711 0.5", "Cr 1122 226"],
        ["reversal", "Cr 2203 225.5", "Cr 6711 0.5", "Dr 1122 226"],
        ["charge_back", "Dr 2203 225.5", "Cr 1012 225.5"],
        ["payment", "Dr 1002 226.04", "Cr 2203 226.04"],
        ["settlement", "Dr 2203 226.04", "Cr 1122 226", "Cr 6301 0.04"],
    ]
    records = ClosingRecord.objects.order_by("position")
    assert [(record.act, record.by) for record in records] == [("close", first), ("reopen", second), ("close", third)]
    closings = records.filter(act="close")
    assert [record.data["evidence"]["totals"]["written_off"] for record in closings] == ["0.5", "-0.04"]
    assert (fresh(order).status, fresh(order).owed) == (Status.CLOSED, 0)
