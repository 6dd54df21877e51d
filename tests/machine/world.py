"""A small company: two shops, three warehouses, four products, and the people of every role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from hypothesis import note

from erp.kernel import invariants
from erp.kernel.acting import Decision
from erp.kernel.errors import Busy, DomainError, Forbidden, NotFound, RefusedByDatabase
from erp.kernel.models import OutboxEvent, User
from finance.models import Voucher
from inventory.models import Move, Reservation, Warehouse
from orders.models import Order, Product, Shop, Terms
from orders.services import proof
from tests.factories import (
    ROLES,
    CarrierFactory,
    CustomerFactory,
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    decide,
)

# A refusal of these kinds would be a fault of the product or of the test, never one of the business.
FAULTS = (RefusedByDatabase, Busy, Forbidden, NotFound)
PEOPLE_OF_A_ROLE = 3


@dataclass
class World:
    """
    Master data, made once for many lives.

    :ivar done: how often each kind of act succeeded; :ivar refused: how often it was refused, with the code.
    """

    people: dict[str, list[User]]
    shops: list[Shop]
    products: list[Product]
    warehouses: list[Warehouse]
    defective: Warehouse
    carrier: str
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def make(cls) -> World:
        """One shop is paid in advance and to the cent; the other waits for goods, and for money with a tolerance."""
        shops = [
            ShopFactory(code="EXACT", terms=Terms.PREPAID),
            ShopFactory(code="KIND", allows_backorder=True, tolerance=Decimal("0.05")),
        ]
        for shop in shops:
            CustomerFactory(shop=shop, code="C1")
        return cls(
            people={role: [UserFactory(role=role) for _ in range(PEOPLE_OF_A_ROLE)] for role in ROLES},
            shops=shops,
            products=[
                ProductFactory(sku="PHONE", price=Decimal("99.99"), tax_rate=Decimal("0.13")),
                ProductFactory(sku="BOOK", price=Decimal("33.33"), tax_rate=Decimal("0.09")),
                ProductFactory(sku="SCREW", price=Decimal("0.05"), tax_rate=Decimal("0.06")),
                ProductFactory(sku="HOUR", price=Decimal("150"), tax_rate=Decimal("0.06"), service=True),
            ],
            warehouses=[WarehouseFactory(code="MAIN"), WarehouseFactory(code="SIDE")],
            defective=WarehouseFactory(code="BAD", is_defective=True),
            carrier=CarrierFactory().code,
        )

    @property
    def stocked(self) -> list[Product]:
        return self.products[:-1]


class Life:
    """One history of the world, of which nothing is left at its end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = datetime(2026, 1, 5, tzinfo=UTC)
        self.turn = 0
        self.dice = Random(0)
        self._open: AbstractContextManager[None] = transaction.atomic()
        self._open.__enter__()

    def end(self) -> None:
        try:
            connection.check_constraints()
        finally:
            transaction.set_rollback(True)
            self._open.__exit__(None, None, None)

    def roll(self, pick: int) -> None:
        """A new turn, some hours later: who acts on what, and how much, follows from ``pick``."""
        self.turn += 1
        self.now += timedelta(hours=9)
        self.dice = Random(f"{pick} {self.turn}")

    def by(self, role: str, reason: str = "", note: str = "") -> Decision:
        self.now += timedelta(seconds=1)
        return decide(self.dice.choice(self.world.people[role]), at=self.now, reason=reason, note=note)

    def one(self, rows: Iterable[Any]) -> Any:
        """Any of them, or None."""
        rows = list(rows.order_by("pk") if hasattr(rows, "order_by") else rows)
        return self.dice.choice(rows) if rows else None

    def chance(self, percent: int) -> bool:
        return self.dice.randrange(100) < percent

    def part_of(self, amount: Decimal) -> Decimal:
        """All of an amount, or some of it, at least a cent."""
        cents = int(amount * 100)
        return amount if cents < 2 or self.chance(50) else Decimal(self.dice.randint(1, cents)) / 100

    def attempt(self, kind: str, act: Callable[[], object]) -> bool:
        """
        Do it, and hold every rule to what there is then; a refusal is fine, as long as it changes nothing.

        :returns: whether it was done.
        """
        before = _footprint()
        try:
            act()
        except FAULTS:
            raise
        except DomainError as refusal:
            assert _footprint() == before, f"{kind} was refused and yet did something"
            note(f"{self.turn}: {kind} refused: {refusal}")
            self.world.refused[kind, refusal.code] += 1
            return False
        note(f"{self.turn}: {kind}")
        self.world.done[kind] += 1
        assert [(rule.name, rows) for rule, rows in invariants.broken()] == []
        if kind in ("close", "close again", "reopen"):
            assert list(map(str, proof.faults())) == []
        return True


def _footprint() -> list[Any]:
    """What every act leaves a trace in."""
    newest = (model.objects.aggregate(Max("pk")) for model in (Move, Reservation, OutboxEvent))
    versions = Order.objects.order_by("pk").values_list("pk", "version")
    return [Voucher.objects.count(), *newest, *versions]
