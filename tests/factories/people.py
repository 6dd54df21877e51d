"""Users and what they decide."""

from collections.abc import Iterable
from typing import Any

import factory
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import User, system
from inventory.models import Warehouse, WarehouseScope
from orders.models import Shop, ShopScope

ROLES = {
    "salesperson": "业务员",
    "service": "客服",
    "keeper": "仓管员",
    "logistician": "物流",
    "accountant": "财务",
    "cashier": "出纳",
    "chief_accountant": "财务主管",
    "closer": "系统管理员",
    "auditor": "审计员",
}
PASSWORD = "correct horse battery staple"


class RecordedFactory(factory.django.DjangoModelFactory):
    """Rows with history: the product itself makes them."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        with acting(decide(system())):
            return super()._create(model_class, *args, **kwargs)


class UserFactory(RecordedFactory):
    """
    A person, with ``role`` one of :data:`ROLES`.

    Sees every shop and warehouse, unless ``shops`` or ``warehouses`` name the only ones.
    """

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    name = factory.Sequence(lambda n: f"职员{n}")
    password = factory.django.Password(PASSWORD)
    is_staff = True

    @factory.post_generation
    def role(self, create: bool, role: str | None, **kwargs: Any) -> None:
        if role:
            self.groups.add(Group.objects.get(name=ROLES[role]))  # type: ignore[attr-defined]

    @factory.post_generation
    def shops(self, create: bool, shops: Iterable[Shop] | None, **kwargs: Any) -> None:
        _scope(self, "orders.all_shops", ShopScope, "shop", shops)

    @factory.post_generation
    def warehouses(self, create: bool, warehouses: Iterable[Warehouse] | None, **kwargs: Any) -> None:
        _scope(self, "inventory.all_warehouses", WarehouseScope, "warehouse", warehouses)


class DecisionFactory(factory.Factory):
    class Meta:
        model = Decision

    by = factory.LazyFunction(system)
    at = factory.LazyFunction(timezone.now)
    channel = Channel.ADMIN


def decide(by: User, **kwargs: Any) -> Decision:
    """What ``by`` decides now."""
    decision: Decision = DecisionFactory(by=by, **kwargs)
    return decision


def actor(role: str) -> User:
    """The one user of this role who acts where a test does not care who: other roles are other people."""
    username = f"some-{role}"
    return User.objects.filter(username=username).first() or UserFactory(username=username, role=role)


def _scope(user: Any, everything: str, model: Any, name: str, only: Iterable[Any] | None) -> None:
    if only is None:
        label, codename = everything.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
        return
    with acting(decide(system())):
        for row in only:
            model.objects.create(user=user, **{name: row})
