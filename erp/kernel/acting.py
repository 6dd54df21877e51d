"""
Who acts, when, why and through which door: one :class:`Decision` in one context variable.

Every service receives a decision and narrows the context to it; history rows and append-only
rows take their signature columns from it, in single and in bulk writes alike. Nobody acting is
an error, never a silent gap. Threads start with nobody acting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from erp.kernel.validation import text

if TYPE_CHECKING:
    from erp.kernel.models import User


WHY_LIMIT = 2000


class Channel(models.TextChoices):
    ADMIN = "admin", _("Back office")
    BULK = "bulk", _("Bulk run")
    API = "api", _("API")
    COMMAND = "command", _("Command line")
    JOB = "job", _("Scheduled job")


@dataclass(frozen=True, slots=True)
class Decision:
    """
    One act of one person or machine.

    :param by: who acts.
    :param at: when, timezone-aware; services never ask the clock themselves.
    :param reason: code from the catalogue of reasons, where it has reasons for the act.
    :param detail: what only this act needs, such as whether to tell the customer.
    :raises BadText: :raises TooLong: reason and note cannot be kept.
    """

    by: User
    at: datetime
    channel: Channel = Channel.ADMIN
    reason: str = ""
    note: str = ""
    request_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.at.tzinfo is not None, "a decision is taken at a moment with a zone"
        # It is kept in every history row: what cannot be stored is refused before anything is.
        text(self.why, _("Note"), limit=WHY_LIMIT)

    @property
    def why(self) -> str:
        return f"{self.reason} {self.note}".strip()


class NobodyActing(RuntimeError):
    """A row that must say who wrote it was written with nobody acting: a bug, not a refusal."""


_current: ContextVar[Decision | None] = ContextVar("acting", default=None)


@contextmanager
def acting(decision: Decision) -> Iterator[Decision]:
    """Everything written inside is written in the name of ``decision``."""
    token = _current.set(decision)
    try:
        yield decision
    finally:
        _current.reset(token)


def is_acting() -> bool:
    return _current.get() is not None


def current() -> Decision:
    """:raises NobodyActing: outside of :func:`acting`."""
    decision = _current.get()
    if decision is None:
        raise NobodyActing("wrap the write in erp.kernel.acting.acting(decision)")
    return decision


# Defaults of signature columns. Named functions, because migrations refer to them.
def current_user_id() -> int:
    return current().by.pk


def current_name() -> str:
    return current().by.name


def current_channel() -> str:
    return current().channel


def current_request_id() -> str:
    return current().request_id


def current_reason() -> str:
    return current().why


def current_moment() -> datetime:
    return current().at
