import pytest
from django.contrib.auth.models import Group, Permission

from erp.kernel.models import User, system
from erp.site.roles import ROLES, SYSTEM_TASKS
from tests.commands.running import run

pytestmark = pytest.mark.django_db


def test_absent_roles_and_permissions_come_back() -> None:
    Group.objects.get(name="客服").delete()
    Group.objects.get(name="出纳").permissions.clear()

    run("bootstrap_roles")

    assert Group.objects.filter(name__in=ROLES).count() == len(ROLES)
    assert Permission.objects.filter(group__name="出纳", codename="report_payment").exists()


def test_what_an_installation_added_to_a_role_stays() -> None:
    extra = Permission.objects.get(codename="close_order")
    Group.objects.get(name="客服").permissions.add(extra)

    run("bootstrap_roles")

    assert Group.objects.get(name="客服").permissions.filter(pk=extra.pk).exists()


def test_whoever_decides_allowances_sees_them() -> None:
    for role in ("客服", "财务"):
        assert Group.objects.get(name=role).permissions.filter(codename="view_allowance").exists()


def test_the_matrix_shows_who_may_do_what() -> None:
    printed = run("bootstrap_roles", "--print").splitlines()

    letter = next(line.split()[0] for line in printed if line.endswith("系统管理员"))
    heading = next(line for line in printed if line.split() and line.split()[0] == "A" and len(line.split()) > 2)
    row = next(line for line in printed if line.startswith("orders.close_order"))
    assert dict(zip(heading.split(), row.split()[1:], strict=True)) == {
        name: "●" if name == letter else "·" for name in heading.split()
    }


def test_the_machine_account_takes_over_files_and_decides_nothing() -> None:
    account = system()

    assert account.kind == User.Kind.MACHINE
    assert not account.is_superuser
    assert account.has_perms(["orders.add_order", "orders.add_product", "inventory.receive_stock"])
    assert not any(
        account.has_perm(code)
        for code in ("orders.close_order", "orders.review_order", "finance.confirm_payment", "kernel.add_user")
    )
    assert [group.name for group in account.groups.all()] == [SYSTEM_TASKS]
