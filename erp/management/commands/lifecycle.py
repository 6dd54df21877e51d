"""Show the lifecycle of an order as it is configured."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from erp.kernel import fsm
from erp.management.base import Command as BaseCommand
from erp.management.base import table
from orders import contract
from orders.models import OPEN, Order, Status


class Command(BaseCommand):
    help = "Show every transition of an order: from where to where, its permission, its steps with checks and locks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--format", choices=["table", "mermaid"], default="table", help="a table, or a Mermaid state diagram"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        lines = _mermaid() if options["format"] == "mermaid" else _table()
        for line in lines:
            self.stdout.write(line)


def _edges() -> list[tuple[str, str, str]]:
    """(transition, source, target) in the order of the statuses; what keeps the status comes last."""
    order = list(Status.values)
    return sorted(
        fsm.edges(Order),
        key=lambda edge: (edge[1] == edge[2], order.index(edge[1]), order.index(edge[2]), edge[0]),
    )


def _mermaid() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {Order._meta.get_field('status').default}"
    # What keeps the status would only draw loops.
    moves = [(name, source, target) for name, source, target in _edges() if source != target]
    yield from (f"    {source} --> {target}: {name}" for name, source, target in moves)
    yield from (f"    {status} --> [*]" for status in Status.values if status not in OPEN)


def _table() -> Iterator[str]:
    rows: list[list[str]] = [[_("transition"), _("from → to"), _("permission"), _("step"), _("locks"), _("codes")]]
    for name in dict.fromkeys(name for name, _source, _target in _edges()):
        ways = ", ".join(f"{source} → {target}" for edge, source, target in _edges() if edge == name)
        permission = fsm.permission_of(Order, name) or _("that of the act that carries it")
        head = [name, ways, permission]
        paths = settings.ORDER_STEPS.get(name, [])
        for path, step in zip(paths, contract.steps(name), strict=True):
            codes = [_code(check) for check in step.checks]
            rows.append([*head, path, step.locks.name, codes[0] if codes else ""])
            rows += [["", "", "", "", "", code] for code in codes[1:]]
            head = ["", "", ""]
        if not paths:
            rows.append([*head, "", "", ""])
    yield from table(rows)


def _code(check: contract.Check) -> str:
    return _("%(code)s (soft)") % {"code": check.code} if check.soft else check.code
