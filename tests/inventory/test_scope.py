"""Everybody sees the warehouses of their scope, and what lies and moves there."""

from typing import Any

import pytest

from inventory import selectors
from inventory.models import Move, Receipt, Reservation, Warehouse
from tests.factories import OrderFactory, ProductFactory, UserFactory, WarehouseFactory, receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def here() -> Any:
    warehouse = WarehouseFactory()
    OrderFactory(warehouse=warehouse, processing=True, line_count=1)
    return warehouse


@pytest.fixture
def there() -> Any:
    warehouse = WarehouseFactory()
    receive({ProductFactory(): 1}, warehouse=warehouse)
    return warehouse


def seen(user: Any) -> set[Any]:
    """Warehouses a user sees anything of."""
    rows = {row.warehouse for model in (Move, Receipt, Reservation) for row in model.objects.visible_to(user)}
    return rows | {level.warehouse for level in selectors.levels(user)} | set(selectors.warehouses(user))


def test_nobody_sees_what_is_outside_their_scope(here: Any, there: Any) -> None:
    user = UserFactory(warehouses=[here])

    assert seen(user) == {here}
    assert set(Warehouse.objects.visible_to(user)) == {here}


def test_no_warehouse_named_means_none(here: Any, there: Any) -> None:
    assert seen(UserFactory(warehouses=[])) == set()


def test_the_permission_shows_all(here: Any, there: Any) -> None:
    assert seen(UserFactory()) == {here, there}


def test_whoever_left_sees_nothing(here: Any, there: Any) -> None:
    assert seen(UserFactory(is_active=False)) == set()


def test_an_inactive_warehouse_is_offered_to_nobody() -> None:
    WarehouseFactory(is_active=False)

    assert list(selectors.warehouses(UserFactory())) == []
