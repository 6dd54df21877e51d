"""Make the roles, and show what each may do."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.utils.translation import gettext as _

from erp.management.base import Command as BaseCommand
from erp.management.base import table
from erp.site import roles


class Command(BaseCommand):
    help = (
        "Make the roles that are absent and add permissions that present ones lack. Takes nothing away, "
        "so it can be run again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--print", action="store_true", help="show which role holds which permission")

    def handle(self, *args: Any, **options: Any) -> None:
        roles.create()
        if options["print"]:
            for line in _matrix():
                self.stdout.write(line)
        count = Group.objects.filter(name__in=roles.ROLES).count()
        self.stdout.write(_("%(count)s roles are in place.") % {"count": count})


def _matrix() -> Iterator[str]:
    """Permissions down, roles across under a letter each, as they stand in the database."""
    names = list(roles.ROLES)
    letters = [chr(ord("A") + no) for no in range(len(names))]
    yield from (f"{letter} {name}" for letter, name in zip(letters, names, strict=True))
    yield ""
    held = {name: _permissions(name) for name in names}
    rows = [["", *letters]]
    for code in sorted(set().union(*held.values())):
        rows.append([code, *("●" if code in held[name] else "·" for name in names)])
    yield from table(rows)


def _permissions(role: str) -> set[str]:
    permissions = Permission.objects.filter(group__name=role).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in permissions}
