"""
Refusals: one base class, one stable code each.

A subclass sits in the module that raises it and declares ``code`` and ``message``. The code is
``app.snake_case`` and is never reused; the message is a lazy sentence with ``%(name)s``
placeholders that says what is wrong, what to do and whose job that is.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import PermissionDenied
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise
Item = TypeVar("Item")
Built = TypeVar("Built")


class DomainError(Exception):
    """
    A rule of the business refuses what was asked; nothing has been changed.

    :ivar item: which of several items of one call is refused, from 1.
    """

    code: ClassVar[str]
    message: ClassVar[Text]
    item: int | None = None

    def __init__(self, **params: Any) -> None:
        super().__init__(self.code)
        self.params = params

    def __str__(self) -> str:
        return str(self.message) % self.params


class SeveralRefused(DomainError):
    """Several items of one call are refused, each for its own reason."""

    code = "kernel.several_refused"
    message = _("%(count)s entries are refused. %(reasons)s")

    def __init__(self, errors: Sequence[DomainError]) -> None:
        super().__init__(count=len(errors), reasons=" ".join(str(error) for error in errors[:20]))
        self.errors = errors


def each(items: Iterable[Item], build: Callable[[int, Item], Built]) -> list[Built]:
    """
    Build every item, numbered from 1, and learn of all that are refused, not only of the first.

    :raises DomainError: the refusal of the only refused item. :raises SeveralRefused: of several.
    """
    built: list[Built] = []
    errors: list[DomainError] = []
    for no, item in enumerate(items, start=1):
        try:
            built.append(build(no, item))
        except DomainError as error:
            error.item = no
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else SeveralRefused(errors)
    return built


def refusals(error: DomainError) -> Sequence[DomainError]:
    """What :func:`each` found, one by one."""
    return error.errors if isinstance(error, SeveralRefused) else [error]


class NotFound(DomainError):
    code = "kernel.not_found"
    message = _(
        "%(label)s %(ids)s does not exist, or is outside your scope. Check the number, or ask the "
        "system administrator for access."
    )


class Forbidden(DomainError, PermissionDenied):
    code = "kernel.forbidden"
    message = _("%(name)s lacks the permission “%(right)s”. Ask the system administrator for a role that has it.")


class Changed(DomainError):
    code = "kernel.changed"
    message = _("%(label)s %(number)s was changed by somebody else meanwhile. Open it again and repeat the act.")


class Busy(DomainError):
    code = "kernel.busy"
    message = _("Somebody else is working on the same rows right now. Nothing was changed; try again in a moment.")


class RefusedByDatabase(DomainError):
    """The second wall: a constraint or trigger refused what no service had refused before."""

    code = "kernel.refused_by_database"
    message = _("A rule of the database refused the change (%(rule)s). Nothing was changed; tell the administrator.")


class WrongState(DomainError):
    code = "kernel.wrong_state"
    message = _(
        "%(label)s %(number)s is %(status)s; “%(act)s” is possible only from: %(sources)s. "
        "Open it again to see what has happened to it."
    )
