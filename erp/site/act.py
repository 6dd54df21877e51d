"""What an act of the back office is: declared once, offered as a button, confirmed on one page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.urls import reverse

from erp.kernel.acting import Decision
from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.site.forms import ActForm, RowForm
from orders.contract import Finding
from orders.models import Act as Catalogue
from orders.models import Order
from orders.services.lifecycle import Seen

Facts = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A confirmed act, with everything its service needs."""

    subject: Any
    data: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    decision: Decision
    seen: Seen


@dataclass(frozen=True, slots=True)
class Done:
    """What to tell the person, and which object to show next."""

    message: Text
    target: models.Model


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What the page shows before the act.

    :ivar facts: what a review confirms. :ivar digest: of the planned effects, sent back by the confirming click.
    """

    findings: Sequence[Finding] = ()
    effects: Sequence[str] = ()
    facts: Mapping[str, Any] | None = None
    digest: str = ""

    @property
    def is_blocked(self) -> bool:
        return any(finding.is_blocker for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Act:
    """
    One act a person can do by mouse.

    :param model: what it is done to; none for an act that begins from nothing.
    :param states: the statuses of the object it is offered in; empty: always.
    :param run: calls exactly one service.
    :param preview: what the service would find and do.
    :param about: the facts of the object the page shows.
    :param consequence: what happens, where no preview says it.
    :param compares: the service itself compares what the person saw, under its lock.
    :param reasons: the part of the catalogue a reason is chosen from.
    :param fits: what else must be so of the object for the act to be offered.
    :param after_closing: also offered once the order is closed or cancelled.
    :param detail: what of the typed data and rows the preview needs, as the decision's detail; such a page can be
        looked at again before it is confirmed.
    :param rows_of: the rows the page begins with, for one reader; None: it has no rows.
    """

    name: str
    label: Text
    permission: str
    run: Callable[[Call], Done]
    model: type[models.Model] | None = None
    states: frozenset[str] = frozenset()
    form: type[ActForm] = ActForm
    row_form: type[RowForm] | None = None
    preview: Callable[[Any, Decision], Preview] | None = None
    about: Callable[[Any, Decision], Facts] | None = None
    consequence: Text = ""
    compares: bool = False
    reasons: Catalogue | None = None
    fits: Callable[[Any], bool] = lambda _subject: True
    after_closing: bool = False
    detail: Callable[[Any, Mapping[str, Any], Sequence[Mapping[str, Any]]], Mapping[str, Any]] | None = None
    rows_of: Callable[[Any, User], Sequence[Mapping[str, Any]] | None] = lambda _subject, _user: ()

    def is_offered(self, subject: Any, user: User) -> bool:
        """Whether the button is there: the right object, in the right state, for somebody who may."""
        if self.model is not None and not isinstance(subject, self.model):
            return False
        return user.has_perm(self.permission) and self.is_timely(subject)

    def is_timely(self, subject: Any) -> bool:
        """Whether the object still is as the act needs it."""
        order = order_of(subject)
        if order is not None and order.is_final and not self.after_closing:
            return False
        return (not self.states or state_of(subject) in self.states) and self.fits(subject)

    def url(self, subject: Any = None) -> str:
        args = [self.name] if self.model is None else [self.name, str(subject.pk)]
        return reverse("admin:act", args=args)


def state_of(subject: Any) -> str:
    """A document's status; of a period, whether it is open."""
    if hasattr(subject, "status"):
        return str(subject.status)
    return "closed" if getattr(subject, "closed_at", None) else "open"


def order_of(subject: Any) -> Order | None:
    """The order a document belongs to."""
    order = subject if isinstance(subject, Order) else getattr(subject, "order", None)
    return order if isinstance(order, Order) else None
