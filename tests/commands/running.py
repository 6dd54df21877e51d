"""Running commands as a person at a terminal does."""

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from erp.kernel.errors import DomainError


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A command that failed.

    :ivar code: of the refusal of the business behind it. :ivar lines: on standard error, before the message.
    """

    message: str
    code: str
    lines: list[str]
    printed: str

    @property
    def line_numbers(self) -> list[int]:
        """The lines of the file that are complained of."""
        return [int(re.findall(r"\d+", line)[0]) for line in self.lines]


def run(command: str, *args: str | Path) -> str:
    """What the command prints when it succeeds."""
    out = StringIO()
    call_command(command, *map(str, args), stdout=out, stderr=StringIO())
    return out.getvalue()


def refuse(command: str, *args: str | Path) -> Refusal:
    """Why the command fails, with exit status 1."""
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError) as refused:
        call_command(command, *map(str, args), stdout=out, stderr=err)
    assert refused.value.returncode == 1
    cause = refused.value.__cause__
    code = cause.code if isinstance(cause, DomainError) else ""
    return Refusal(str(refused.value), code, err.getvalue().splitlines(), out.getvalue())
