"""Steps of an app that does not exist, as ``ORDER_STEPS`` would name them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from django.db import IntegrityError

from erp.kernel.errors import DomainError
from erp.kernel.locks import Locks
from orders import contract
from orders.contract import Batch, Effect, Finding, Step


class LimitExceeded(DomainError):
    code = "credit.limit_exceeded_meanwhile"
    message = "The credit limit was exceeded in this moment."


class NeedsCredit(Step):
    """Blocks the orders of one customer, by a check its app has declared."""

    CODE = "credit.limit_exceeded"
    BLOCKED = "赖账"

    def check(self, batch: Batch) -> Iterator[Finding]:
        check = contract.check_of(self.CODE)
        for order in batch.orders:
            yield check.finding(order, order.customer_name != self.BLOCKED, name=order.customer_name)


class Failing(Step):
    """Fails while saving certain orders, after everything else was written."""

    locks = Locks.CHAIN
    orders: ClassVar[set[int]] = set()
    error: ClassVar[Exception]
    saved: ClassVar[list[list[int]]] = []

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            yield Effect(order.pk)

    def save(self, batch: Batch, effects: Sequence[Effect]) -> None:
        self.saved.append([effect.order_id for effect in effects])
        if self.orders & {effect.order_id for effect in effects}:
            raise self.error


ERRORS = [LimitExceeded(), IntegrityError("a constraint of the credit app")]


class Testifies(Step):
    """Adds to the evidence of every order, and to sections other apps fill too."""

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        return {order_id: {"credit": {"limit": 5}, "totals": {"credit": 5}} for order_id in batch.ids}


class LocksStock(Step):
    locks = Locks.STOCK


class LocksChain(Step):
    locks = Locks.CHAIN


class WrongChecks(Step):
    checks = ("credit.limit_exceeded",)  # type: ignore[assignment]
