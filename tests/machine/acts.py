"""
What all acts of the state machine share.

An act chooses among the documents it fits. Where there is none, something else happens, or some order is taken one
step along the straight way instead, so that orders get closed, reopened and closed again, and no turn is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from orders.models import Order
from tests.machine.world import Life, World

REJECTED = {"reason": "RJ01", "note": "不同意"}
REVIEWERS = {"order": "salesperson", "finance": "accountant", "logistics": "logistician"}
# More orders under way at once would only make each of them happen less.
UNDER_WAY_AT_ONCE = 5


def act(method: Callable[[Any], bool]) -> Callable[[Any, int], None]:
    """A rule; ``method`` says False where there is nothing to do it to."""

    @wraps(method)
    def run(self: Acts, pick: int) -> None:
        self.life.roll(pick)
        if not method(self):
            self.do_something()

    del run.__wrapped__  # type: ignore[attr-defined]
    made = rule(pick=st.integers(0, 9999))(run)
    made.act = method
    return made


class Acts(RuleBasedStateMachine):
    """One life of the world; parts of it are what people do with one kind of document."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.life = Life(world)

    def teardown(self) -> None:
        self.life.end()

    @cached_property
    def all_acts(self) -> list[Callable[[Any], bool]]:
        """Every kind of act, in the order of the parts and of their definition."""
        members = [member for part in type(self).__bases__ for member in vars(part).values()]
        return [member.act for member in members if hasattr(member, "act")]

    def do_something(self) -> None:
        if not self.life.dice.choice(self.all_acts)(self):
            self.go_on()

    def go_on(self) -> bool:
        raise NotImplementedError

    def attempt(self, kind: str, do: Callable[[], object]) -> bool:
        self.life.attempt(kind, do)
        return True

    def decide(self, kind: str, rows: Any, role: str, do: Any, **reason: str) -> bool:
        """Somebody of the role does ``do`` to one of the documents, if there is any."""
        row = self.life.one(rows)
        return bool(row) and self.attempt(kind, lambda: do(row.pk, decision=self.life.by(role, **reason)))

    def some_order(self, *statuses: str) -> Any:
        return self.life.one(Order.objects.filter(status__in=statuses) if statuses else Order.objects.all())
