import pytest

from erp.kernel import masterdata
from erp.kernel.errors import Forbidden
from erp.kernel.models import User
from orders.models import Shop
from tests.factories import ShopFactory, decide

pytestmark = pytest.mark.django_db


def shop(code: str = "WEB", currency: str = "CNY") -> Shop:
    return Shop(code=code, name=code, currency=currency)


def test_rows_are_added_with_their_history(closer: User) -> None:
    masterdata.add([shop("A"), shop("B")], decision=decide(closer))

    assert list(Shop.history.order_by("code").values_list("code", "history_user")) == [
        ("A", closer.pk),
        ("B", closer.pk),
    ]


@pytest.mark.parametrize("bad", [shop(code=""), shop(currency="XXX"), shop(code="TAKEN"), shop(code="C" * 33)])
def test_a_row_that_is_not_valid_refuses_all(closer: User, bad: Shop) -> None:
    ShopFactory(code="TAKEN")

    with pytest.raises(masterdata.BadMasterData):
        masterdata.add([shop("A"), bad], decision=decide(closer))

    assert Shop.objects.count() == 1


def test_every_fault_of_a_row_is_named(closer: User) -> None:
    with pytest.raises(masterdata.BadMasterData) as refused:
        masterdata.add([Shop(currency="XXX")], decision=decide(closer))

    names = [str(Shop._meta.get_field(name).verbose_name) for name in ("code", "name", "currency")]
    assert all(name in str(refused.value) for name in names)


def test_adding_needs_the_models_own_permission(salesperson: User) -> None:
    with pytest.raises(Forbidden):
        masterdata.add([shop()], decision=decide(salesperson))
