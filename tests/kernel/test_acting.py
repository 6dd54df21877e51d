"""Who acts."""

from datetime import datetime
from threading import Thread

import pytest

from erp.kernel import setwise
from erp.kernel.acting import Channel, Decision, NobodyActing, acting, current, is_acting
from erp.kernel.models import User
from orders.models import Review, Shop
from tests.factories import DecisionFactory, ShopFactory, UserFactory, decide


@pytest.mark.django_db
def test_the_innermost_decision_acts_and_the_outer_one_again_afterwards() -> None:
    outer, inner = DecisionFactory(), decide(UserFactory())

    with acting(outer):
        with acting(inner):
            assert current() is inner
        assert current() is outer
    assert not is_acting()


@pytest.mark.django_db
def test_nobody_acts_any_more_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), acting(DecisionFactory()):
        raise ZeroDivisionError

    assert not is_acting()


def test_nobody_acts_by_default() -> None:
    with pytest.raises(NobodyActing):
        current()


@pytest.mark.django_db
def test_threads_start_with_nobody_acting() -> None:
    seen: list[bool] = []

    with acting(DecisionFactory()):
        thread = Thread(target=lambda: seen.append(is_acting()))
        thread.start()
        thread.join()

    assert seen == [False]


def test_a_moment_without_a_zone_is_no_moment() -> None:
    with pytest.raises(AssertionError, match="zone"):
        Decision(by=User(), at=datetime(2026, 1, 1), channel=Channel.ADMIN)


@pytest.mark.parametrize(
    ("reason", "note", "why"),
    [("CL01", "", "CL01"), ("", "late", "late"), ("CL04", "small", "CL04 small"), ("", "", "")],
)
@pytest.mark.django_db
def test_reason_and_note_say_why(reason: str, note: str, why: str) -> None:
    assert DecisionFactory(reason=reason, note=note).why == why


@pytest.mark.django_db
def test_a_signed_row_cannot_be_built_without_somebody() -> None:
    with pytest.raises(NobodyActing):
        Review()


@pytest.mark.django_db(transaction=True)
class TestNobodyActing:
    """Without a transaction around, as in a shell: the row has to go with its refused history."""

    def test_creates_nothing(self) -> None:
        with pytest.raises(NobodyActing):
            Shop.objects.create(code="X", name="店", currency="CNY")

        assert not Shop.objects.exists()

    def test_changes_nothing(self) -> None:
        shop = ShopFactory(name="before")
        shop.name = "after"
        with pytest.raises(NobodyActing):
            shop.save()

        assert Shop.objects.get().name == "before"

    def test_deletes_nothing(self) -> None:
        shop = ShopFactory()
        with pytest.raises(NobodyActing):
            shop.delete()
        with pytest.raises(NobodyActing):
            Shop.objects.filter(pk=shop.pk).delete()

        assert Shop.objects.count() == 1

    def test_writes_nothing_in_bulk(self) -> None:
        shop = ShopFactory(name="before")
        shop.name = "after"
        with pytest.raises(NobodyActing):
            setwise.update([shop], ["name"])
        with pytest.raises(NobodyActing):
            setwise.insert([Shop(code="X", name="店", currency="CNY")])

        assert Shop.objects.get().name == "before"
