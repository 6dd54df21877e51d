"""Who works in the demo company, and what they may see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from erp.kernel import masterdata
from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import User
from inventory.models import Warehouse, WarehouseScope
from orders.models import Shop, ShopScope

PASSWORD = "erp-demo-2026"


@dataclass(frozen=True, slots=True)
class Person:
    """``shops`` and ``warehouses`` are the codes of what they see, where their roles do not let them see all."""

    username: str
    name: str
    roles: Sequence[str]
    shops: Sequence[str] = ()
    warehouses: Sequence[str] = ()
    kind: str = User.Kind.PERSON


ADMINISTRATOR = Person("gaoming", "高明", ("系统管理员",))
SALES = Person("sunli", "孙丽", ("业务员",), shops=("TMALL", "WEB", "B2B"))
KEY_ACCOUNTS = Person("zhoujie", "周杰", ("业务员",), shops=("B2B",))
SERVICE = Person("wumin", "吴敏", ("客服",), shops=("TMALL", "WEB", "B2B"))
KEEPER = Person("zhaoqiang", "赵强", ("仓管员",), warehouses=("SH", "SZ", "CP"))
LOGISTICS = Person("qianfeng", "钱峰", ("物流",))
ACCOUNTANT = Person("lijing", "李静", ("财务",))
# Who confirms money does not approve that it goes back.
SECOND_ACCOUNTANT = Person("helin", "何琳", ("财务",))
CASHIER = Person("wangfang", "王芳", ("出纳",))
CHIEF = Person("chenguohua", "陈国华", ("财务主管",))
AUDITOR = Person("zhengyi", "郑毅", ("审计员",))
# Helps out everywhere, and therefore may not close everything.
DIRECTOR = Person("liujianguo", "刘建国", ("系统管理员", "财务主管", "财务", "物流"))
WEB_SHOP = Person("guanwang", "官网商城", ("外部商城",), shops=("WEB",), kind=User.Kind.MACHINE)

STAFF = [
    *(ADMINISTRATOR, DIRECTOR, SALES, KEY_ACCOUNTS, SERVICE, KEEPER, LOGISTICS),
    *(ACCOUNTANT, SECOND_ACCOUNTANT, CASHIER, CHIEF, AUDITOR),
]


def hire(at: datetime) -> dict[str, User]:
    """The accounts of staff and shop, by username. The administrator, as the first one, makes all the others."""
    # One hash for all: the password is no secret, and hashing is slow on purpose.
    password = make_password(PASSWORD)
    administrator = _account(ADMINISTRATOR, at, password)
    with acting(Decision(by=administrator, at=at, channel=Channel.COMMAND)):
        administrator.save()
    _give_roles(administrator, ADMINISTRATOR)
    others = [person for person in (*STAFF, WEB_SHOP) if person is not ADMINISTRATOR]
    users = [_account(person, at, password) for person in others]
    masterdata.add(users, decision=Decision(by=administrator, at=at))
    for person, user in zip(others, users, strict=True):
        _give_roles(user, person)
    return {user.username: user for user in (administrator, *users)}


def give_scopes(users: dict[str, User], *, decision: Decision) -> None:
    """Let everybody see their shops and warehouses."""
    masterdata.add(list(_shop_scopes(users)), decision=decision)
    masterdata.add(list(_warehouse_scopes(users)), decision=decision)


def _account(person: Person, at: datetime, password: str) -> User:
    is_person = person.kind == User.Kind.PERSON
    return User(
        username=person.username,
        name=person.name,
        kind=person.kind,
        is_staff=is_person,
        date_joined=at,
        password=password if is_person else make_password(None),
    )


def _give_roles(user: User, person: Person) -> None:
    user.groups.add(*Group.objects.filter(name__in=person.roles))


def _shop_scopes(users: dict[str, User]) -> Iterator[ShopScope]:
    shops = {shop.code: shop for shop in Shop.objects.all()}
    for person in (*STAFF, WEB_SHOP):
        yield from (ShopScope(user=users[person.username], shop=shops[code]) for code in person.shops)


def _warehouse_scopes(users: dict[str, User]) -> Iterator[WarehouseScope]:
    warehouses = {warehouse.code: warehouse for warehouse in Warehouse.objects.all()}
    for person in STAFF:
        yield from (
            WarehouseScope(user=users[person.username], warehouse=warehouses[code]) for code in person.warehouses
        )
