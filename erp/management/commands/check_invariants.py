"""Prove that what must always hold does hold."""

from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from erp.kernel import invariants
from erp.management.base import Command as BaseCommand

_SHOWN = 20


class Command(BaseCommand):
    help = "Check every rule that must always hold. Exit status 1 when one is broken; its rows are listed."

    def handle(self, *args: Any, **options: Any) -> None:
        with invariants.snapshot():
            broken = [rule.name for rule in invariants.registered() if not self._holds(rule)]
        if broken:
            raise CommandError(
                ngettext("%(count)s rule is broken: %(rules)s.", "%(count)s rules are broken: %(rules)s.", len(broken))
                % {"count": len(broken), "rules": ", ".join(broken)}
            )
        self.stdout.write(_("All %(count)s rules hold.") % {"count": len(invariants.registered())})

    def _holds(self, rule: invariants.Invariant) -> bool:
        rows = list(rule.offenders())
        self.stdout.write(f"{'✗' if rows else '✓'} {rule.name}  {rule.title}")
        for row in rows[:_SHOWN]:
            values = row if isinstance(row, tuple) else (row,)
            self.stdout.write("    " + "  ".join(map(str, values)))
        if rows:
            self.stdout.write("    " + _("%(count)s rows in all") % {"count": len(rows)})
        return not rows
