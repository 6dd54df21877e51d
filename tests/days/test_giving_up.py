"""Days on which money is given up, and what becomes of it when it is paid after all."""

from decimal import Decimal

import pytest

from finance.models import OrderBalance, Refund, TakenBack, WriteOff
from orders.models import ClosingRecord, PaymentStatus, Status
from tests.days.diary import Diary, fresh
from tests.factories import actor
from tests.ledger import booked

pytestmark = pytest.mark.django_db


def test_a_tail_is_written_off(diary: Diary) -> None:
    """The bank kept 0.30 on the way; the shop lets such tails go."""
    order = diary.place_goods("1", tolerance="0.50")
    diary.send_all(order)
    diary.complete(order)
    diary.pay(order, "112.70")
    diary.finish(order)

    assert booked(order)[1:] == [
        ["payment", "Dr 1002 112.7", "Cr 2203 112.7"],
        ["settlement", "Dr 2203 112.7", "Dr 6711 0.3", "Cr 1122 113"],
    ]
    assert ClosingRecord.objects.get().data["evidence"]["totals"]["written_off"] == "0.3"


def test_a_tail_over_is_kept(diary: Diary) -> None:
    order = diary.place_goods(tolerance="0.50")
    diary.pay(order, "226.30")
    diary.send_all(order)
    diary.complete(order)
    diary.finish(order)

    assert not Refund.objects.exists()
    assert booked(order)[-1] == ["settlement", "Dr 2203 226.3", "Cr 1122 226", "Cr 6301 0.3"]
    assert fresh(order).written_off == Decimal("-0.3")


def test_a_tail_beyond_the_tolerance_is_written_off_by_two_people(diary: Diary) -> None:
    """The shop's tolerance is nothing; what is missing is given up by finance and its chief."""
    order = diary.sold("2", paid="225")
    diary.complete(order)

    diary.write_off(order, "1", reason="FN03")
    assert (fresh(order).written_off, fresh(order).payment_status) == (1, PaymentStatus.PAID)
    diary.finish(order, "CL04", "尾差")

    assert booked(order)[2:] == [
        ["write_off", "Dr 1231 1", "Cr 1122 1", "Dr 6702 1", "Cr 1231 1"],
        ["settlement", "Dr 2203 225", "Cr 1122 225"],
    ]


def test_bad_debt_is_paid_after_all(diary: Diary) -> None:
    """
    A customer who cannot be found any more pays weeks later, in two parts, more than he owed.

    What was written off is taken back as far as it is paid; only what is too much goes back to him.
    """
    order = diary.sold("2")
    diary.complete(order)
    diary.days_later(30)
    diary.write_off(order, "226")
    diary.finish(order, "CL04", "客户失联")
    balance = OrderBalance.objects.get(order=order)
    assert (balance.receivable, balance.advance) == (0, 0)

    diary.days_later(30)
    diary.pay(order, "100")
    assert (fresh(order).written_off, fresh(order).owed) == (126, 0)
    diary.days_later(7)
    diary.pay(order, "150")
    diary.pay_back(order)

    assert booked(order) == [
        ["dispatch", "Dr 1122 226", "Cr 6001 200", "Cr 2221 26", "Dr 6401 120", "Cr 1405 120"],
        ["write_off", "Dr 1231 226", "Cr 1122 226", "Dr 6702 226", "Cr 1231 226"],
        ["payment", "Dr 1002 100", "Cr 2203 100"],
        ["taken_back", "Dr 2203 100", "Cr 1231 100", "Dr 1231 100", "Cr 6702 100"],
        ["payment", "Dr 1002 150", "Cr 2203 150"],
        ["taken_back", "Dr 2203 126", "Cr 1231 126", "Dr 1231 126", "Cr 6702 126"],
        ["refund", "Dr 2203 24", "Cr 1002 24"],
    ]
    debt = WriteOff.objects.get()
    assert debt.taken_back == 226
    rows = TakenBack.objects.order_by("pk").values_list("write_off", "amount", "by_name")
    assert list(rows) == [(debt.pk, 100, actor("accountant").name), (debt.pk, 126, actor("accountant").name)]
    assert (fresh(order).status, fresh(order).written_off, fresh(order).owed) == (Status.CLOSED, 0, 0)
