"""What the product's commands share: who acts, refusals as exit status, tables and progress on a terminal."""

import unicodedata
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _

from erp.kernel.acting import Channel, Decision
from erp.kernel.errors import DomainError
from erp.kernel.models import SYSTEM, User

Item = TypeVar("Item")
_BAR = 30


class Command(BaseCommand):
    """A refusal of the business ends the command with its sentence and exit status 1."""

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except (OperationalError, ProgrammingError) as error:
            if not _unapplied():
                raise
            raise CommandError(_("The database lacks tables or columns. Run “manage.py migrate” first.")) from error

    def progress(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        """The items, with a bar on a terminal's standard error while they are worked on."""
        return progress(self.stderr, items, label)


def _unapplied() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def add_user_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--user", metavar="NAME", default=SYSTEM, help=_("act as this account instead of “system”"))


def decision_of(options: dict[str, Any]) -> Decision:
    """What the account named by ``--user`` decides now. :raises CommandError: there is no such active account."""
    user = User.objects.filter(username=options["user"], is_active=True).first()
    if user is None:
        raise CommandError(_("There is no active account “%(name)s”.") % {"name": options["user"]})
    return Decision(by=user, at=timezone.now(), channel=Channel.COMMAND)


def progress(stream: OutputWrapper, items: Sequence[Item], label: str) -> Iterator[Item]:
    shown = stream.isatty() and len(items) > 1
    for no, item in enumerate(items, start=1):
        yield item
        # A hundred steps are smooth enough; a line of output per row would be slower than the row.
        if shown and (no == len(items) or no % max(1, len(items) // 100) == 0):
            done = no * _BAR // len(items)
            bar = "█" * done + "░" * (_BAR - done)
            end = "\n" if no == len(items) else ""
            stream.write(f"\r{label} {bar} {no} / {len(items)}", style_func=str, ending=end)


def width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def table(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines with aligned columns."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
