"""Waivers 豁免: a second person lets a warning pass, for one order, one check and its figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.canonical import sha256
from erp.kernel.errors import DomainError, NotFound
from erp.kernel.models import User
from erp.kernel.transitions import found
from orders import contract
from orders.contract import Batch, Finding, Level
from orders.models import Act, Order, Waiver
from orders.services import catalogue, lifecycle, policing
from orders.services.documents import authorise, holding

PERMISSION = "orders.waive_check"


class MachineWaiver(DomainError):
    code = "orders.machine_waiver"
    message = _("A waiver needs a person; %(name)s is a machine account.")


class NothingToWaive(DomainError):
    code = "orders.nothing_to_waive"
    message = _(
        "“%(code)s” is no warning of order %(number)s now. Only a warning can be waived, never what blocks; "
        "open the order to see what stops it."
    )


class WaivesOwn(DomainError):
    code = "orders.waives_own"
    message = _(
        "%(name)s caused this warning of order %(number)s, or is to close the order, and may not waive it. "
        "Ask somebody else who may."
    )


class Waivable(NamedTuple):
    """A warning, and who is to close the order, where only their closing raises it."""

    finding: Finding
    closer: User | None


def waive(order_id: int, code: str, *, decision: Decision, closer_id: int | None = None) -> Waiver:
    """
    Let one warning of an order pass.

    :param closer_id: who is to close the order, for a warning that depends on it, such as a conflict of duty.
    :raises Forbidden: ``decision.by`` lacks ``orders.waive_check``. :raises NotFound: the order is out of scope.
    :raises MachineWaiver: the account is no person. :raises OrderIsFinal: the order is closed.
    :raises NothingToWaive: the check holds, blocks, or is waived already. :raises WaivesOwn: the person
        caused the warning, or is the closer named.
    """
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, [order_id], decision.by, PERMISSION)
    catalogue.require(Act.WAIVE, decision)
    if decision.by.kind == decision.by.Kind.MACHINE:
        raise MachineWaiver(name=decision.by.name)
    with holding(scoped.filter(pk=order_id), decision) as held:
        found(Order, [order_id], list(held.values()))
        order = held[order_id]
        closer = decision.by if closer_id is None else _closer(closer_id)
        finding = next((each for each in _warnings(order, closer, decision, {}) if each.code == code), None)
        if finding is None:
            raise NothingToWaive(code=code, number=order.number)
        if decision.by.pk in (*finding.people, closer_id):
            raise WaivesOwn(name=decision.by.name, number=order.number)
        figures = finding.figures
        return Waiver.objects.create(
            order=order, cycle=order.cycle, code=code, figures=figures, digest=sha256(figures)
        )


def waivable(order: Order, decision: Decision) -> Iterator[Waivable]:
    """The warnings of an order that ``decision.by`` may waive, whoever closes it; reads only."""
    memo: dict[str, Any] = {}
    seen = set()
    for closer in [None, *_closers()]:
        for finding in _warnings(order, closer or decision.by, decision, memo):
            key = (finding.code, finding.figures)
            if key not in seen and decision.by.pk not in finding.people:
                seen.add(key)
                yield Waivable(finding, closer)


def _warnings(order: Order, closer: User, decision: Decision, memo: dict[str, Any]) -> list[Finding]:
    batch = Batch([order], replace(decision, by=closer), acting=False, memo=memo)
    memo.pop("waived", None)
    findings = policing.judge(batch, lifecycle.examine(contract.steps("close"), batch))
    return [finding for finding in findings if finding.level == Level.WARNING]


def _closers() -> Any:
    users: Any = User.objects
    return users.with_perm("orders.close_order").filter(kind=User.Kind.PERSON).order_by("pk")


def _closer(closer_id: int) -> User:
    """:raises NotFound: nobody who may close orders."""
    closer: User | None = _closers().filter(pk=closer_id).first()
    if closer is None:
        raise NotFound(label=_("Closer"), ids=closer_id)
    return closer
