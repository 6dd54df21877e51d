"""
The lifecycle contract: how apps take part in an order's transitions without being called by name.

``settings.ORDER_STEPS`` names, per transition, the ordered steps. A step checks (reads), plans
(reads; decides everything) and saves (writes set-wise; decides nothing), always for a batch of
orders: one order is a batch of one. Findings and effects hold values, never text; texts are
rendered from them in the reader's language.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.db import models
from django.utils.module_loading import autodiscover_modules, import_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.canonical import digest, dumps
from erp.kernel.errors import Text
from erp.kernel.locks import Locks, lock
from orders.models import Order, Policy

Row = TypeVar("Row", bound=models.Model)


class Level(models.TextChoices):
    PASSED = "passed", _("Passed")
    WARNING = "warning", _("Warning")
    BLOCKER = "blocker", _("Blocked")
    WAIVED = "waived", _("Waived")

    @property
    def mark(self) -> str:
        return {Level.PASSED: "✓", Level.BLOCKER: "✗"}.get(self, "!")

    @property
    def is_exception(self) -> bool:
        """Shown with its word beside the mark, since neither ✓ nor ✗ says it."""
        return self in (Level.WARNING, Level.WAIVED)


class Block(models.TextChoices):
    """The blocks of the closing checklist, in the order they are shown."""

    ORDER = "order", _("Order")
    GOODS = "goods", _("Shipping")
    MONEY = "money", _("Payment")
    RETURNS = "returns", pgettext_lazy("check", "Returns")
    REFUNDS = "refunds", pgettext_lazy("check", "Refunds")
    STOCK = "stock", _("Stock")
    REVIEW = "review", _("Final review")
    DUTY = "duty", _("Separation of duties")


_checks: dict[str, Check] = {}
_OR_WAIVE = _("Or the chief accountant lets it pass with a waiver.")


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing a step finds out about each order, with its texts.

    :param code: ``app.snake_case``, stable for ever.
    :param passed: sentence when it holds; :param blocked: when it does not, with both figures.
    :param hint: what to do; :param role: whose job that is.
    :param lasting: provable years later from the documents, as against true at the moment of closing.
    :param soft: what it means that it fails, where check policy says nothing else; None: it always blocks,
        because the proof rests on it. A soft check gives at most one finding an order.
    """

    code: str
    block: Block
    passed: Text
    blocked: Text
    hint: Text
    role: Text
    lasting: bool = False
    soft: Policy | None = None

    def __post_init__(self) -> None:
        assert self.code not in _checks, f"{self.code} is declared twice"
        _checks[self.code] = self

    def finding(
        self,
        order: Order | None,
        ok: bool,
        *,
        links: Sequence[Link] = (),
        people: Iterable[int] = (),
        **params: Any,
    ) -> Finding:
        """One that fails blocks, until policy has judged it. :param people: who caused it."""
        order_id = order.pk if order else None
        level = Level.PASSED if ok else Level.BLOCKER
        return Finding(order_id, self.code, level, params, tuple(links), tuple(people))


@dataclass(frozen=True, slots=True)
class Link:
    """A document a finding is about: model label and key; interfaces turn it into an address."""

    model: str
    pk: str
    number: str


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one check found about one order (or, without ``order_id``, about a period).

    ``params`` hold values (Money, Quantity, str, …), never ids.

    :ivar people: ids of who caused it, who may not waive it.
    """

    order_id: int | None
    code: str
    level: Level
    params: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    people: tuple[int, ...] = ()

    @property
    def definition(self) -> Check:
        return _checks[self.code]

    @property
    def is_blocker(self) -> bool:
        """Whether it stops the order: a warning does too, until it is waived."""
        return self.level in (Level.BLOCKER, Level.WARNING)

    @property
    def is_soft(self) -> bool:
        return self.definition.soft is not None

    @property
    def message(self) -> str:
        text = self.definition.passed if self.level == Level.PASSED else self.definition.blocked
        return str(text) % self.params

    @property
    def hint(self) -> str:
        hint = str(self.definition.hint) % self.params if self.is_blocker else ""
        return f"{hint} {_OR_WAIVE}" if self.level == Level.WARNING else hint

    @property
    def figures(self) -> str:
        """Canonical text of what it says; a waiver holds for exactly these."""
        return dumps(self.params)

    @property
    def role(self) -> str:
        return str(self.definition.role)

    @property
    def block(self) -> Block:
        return self.definition.block

    def snapshot(self) -> dict[str, Any]:
        """What the closing record keeps of it."""
        return {"code": self.code, "level": self.level.value, "params": self.params}


@dataclass(frozen=True, slots=True)
class Effect:
    """Something a transition will do to one order: values only."""

    order_id: int

    def describe(self) -> str:
        """One sentence for the preview, in the reader's language."""
        raise TypeError(f"{type(self).__name__} does not describe itself")

    def values(self) -> dict[str, Any]:
        return {"effect": type(self).__name__, **{f.name: getattr(self, f.name) for f in fields(self)}}


def effects_digest(version: int, effects: Iterable[Effect]) -> str:
    """What a preview promised: the confirming click sends it back, and a difference is shown again."""
    return digest({"version": version, "effects": [effect.values() for effect in effects]})


def duty(act: str, document: str, by: int, *, against: str = "") -> dict[str, Any]:
    """
    An act of duty, as closing records keep it.

    :param against: the check that keeps whoever did it from closing the order.
    """
    said = {"act": act, "document": document, "by": by}
    return {**said, "against": against} if against else said


class Batch:
    """
    The orders of one run, in primary-key order, locked when acting.

    :ivar acting: False in a preview, which reads the same rows without locks or transaction.
    :ivar as_of: by order, the moment as whose documents count; empty: as they are now. For proofs only.
    :ivar blocked: orders of which a step, or their status, has found that they go no further; for steps that give
        out what there is not enough of.
    :ivar memo: what steps computed once for the batch, shared by check, plan and save.
    """

    def __init__(
        self,
        orders: Sequence[Order],
        decision: Decision,
        *,
        acting: bool,
        memo: dict[str, Any] | None = None,
        as_of: Mapping[int, datetime] | None = None,
    ) -> None:
        assert not (acting and as_of), "nobody acts in the past"
        self.orders = orders
        self.decision = decision
        self.acting = acting
        self.memo = {} if memo is None else memo
        self.as_of = as_of or {}
        self.blocked: set[int | None] = set()
        self.ids = [order.pk for order in orders]
        self.by_id = {order.pk: order for order in orders}

    def only(self, order_ids: set[int]) -> Batch:
        """The part of the batch that goes on; what was read is shared."""
        kept = [order for order in self.orders if order.pk in order_ids]
        return Batch(kept, self.decision, acting=self.acting, memo=self.memo, as_of=self.as_of)

    def read(self, key: str, queryset: Callable[[], models.QuerySet[Row]], *, rank: Locks | None = None) -> list[Row]:
        """One query a batch, built only then; locked, at ``rank``, only when acting."""
        if key not in self.memo:
            locked = self.acting and rank is not None
            self.memo[key] = lock(queryset(), rank) if locked and rank is not None else list(queryset())
        rows: list[Row] = self.memo[key]
        return rows

    def grouped(self, key: str, queryset: Callable[[], Any], by: str = "order_id") -> Mapping[int, list[Row]]:
        """Rows of one query a batch, by order."""
        grouped_key = f"{key}:grouped"
        if grouped_key not in self.memo:
            groups: dict[int, list[Row]] = defaultdict(list)
            for row in self.read(key, queryset):
                groups[getattr(row, by)].append(row)
            self.memo[grouped_key] = groups
        groups_of_rows: Mapping[int, list[Row]] = self.memo[grouped_key]
        return groups_of_rows


class Step:
    """
    One app's part in one transition. Override what the step has to say.

    :cvar checks: what :meth:`check` reports; every order gets a finding for each that applies.
    :cvar locks: the highest lock the step takes.
    """

    checks: ClassVar[tuple[Check, ...]] = ()
    locks: ClassVar[Locks] = Locks.NOTHING

    def check(self, batch: Batch) -> Iterable[Finding]:
        """What holds of each order, also of those in another state: they learn everything that is missing."""
        return ()

    def plan(self, batch: Batch) -> Iterable[Effect]:
        return ()

    def beside(self, order_ids: Sequence[int], decision: Decision) -> Iterable[int]:
        """Orders that :meth:`save` may write to beside those of the batch: locked with them, in one order."""
        return ()

    def stamp(self, batch: Batch, effects: Sequence[Any]) -> Iterable[str]:
        """Set columns of the orders themselves, to be written with the transition, as one history row; their names."""
        return ()

    def save(self, batch: Batch, effects: Sequence[Any]) -> None:
        return None

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        """What the closing record keeps of this app's documents, by order; recomputed by every audit."""
        return {}


@cache
def _steps(transition: str) -> tuple[Step, ...]:
    return tuple(import_string(path)() for path in settings.ORDER_STEPS.get(transition, ()))


def steps(transition: str) -> tuple[Step, ...]:
    """The configured steps of a transition, in order."""
    return _steps(transition)


def all_checks() -> Iterator[Check]:
    # A check is known once the module that declares it is loaded, which a new process has not done yet.
    autodiscover_modules("steps")
    yield from _checks.values()


def proof_codes() -> frozenset[str]:
    """What every closing has to prove: the lasting checks of all apps, whatever settings say."""
    return frozenset(check.code for check in all_checks() if check.lasting)


def check_of(code: str) -> Check:
    """A check by its code, also one a closing record of long ago names."""
    return next(check for check in all_checks() if check.code == code)
