"""What the benchmarks share: a database of their own, the people, an order's way, and measuring it."""
# ruff: noqa: E402  (models can be imported only once Django is set up)

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

import django

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "erp.settings")
django.setup()

from django.contrib.auth.models import Group
from django.db import connection

from erp.kernel import setwise
from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import User, system
from finance.services import payments
from finance.services.payments import PaymentDraft
from inventory.models import Warehouse, WarehouseScope
from inventory.services import receiving
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine
from logistics.models import Carrier
from logistics.services import drafting, shipping
from logistics.services.shipping import Waybill
from orders.models import Product, Shop, ShopScope
from orders.services import closing, fulfilment, placing, reviewing
from orders.services.lifecycle import Outcomes
from orders.services.placing import OrderDraft

SHOP, WAREHOUSE, CARRIER, METHOD = "BENCH", "MAIN", "SF", "EXPRESS"

Clock = Callable[[], datetime]
People = Callable[[str], User]


@contextmanager
def fresh_database() -> Iterator[None]:
    """A database beside the one DATABASE_URL names, made by the migrations and gone in the end."""
    named = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"{named}_{Path(sys.argv[0]).stem}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(named, verbosity=0)


def disconnect() -> None:
    """Before a fork: a connection is of one process."""
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()


def prepare(products: Sequence[Product], stock: Iterable[ReceiptDraftLine], clock: Clock, **shop: Any) -> People:
    """
    Master data and stock for one shop and one warehouse, and a user per role, named like it.

    :param shop: columns of the shop; its currency is also the warehouse's.
    :returns: the user of a role, the same instance each time, as within one request.
    """
    with acting(Decision(by=system(), at=clock(), channel=Channel.COMMAND)):
        users = {role.name: User.objects.create(username=role.name, name=role.name) for role in Group.objects.all()}
        for role in Group.objects.all():
            users[role.name].groups.add(role)
        sells = Shop.objects.create(code=SHOP, name="Benchmark", **shop)
        keeps = Warehouse.objects.create(code=WAREHOUSE, name="Main", currency=sells.currency)
        Carrier.objects.create(code=CARRIER, name="顺丰")
        setwise.insert([ShopScope(user=users[role], shop=sells) for role in ("业务员", "客服")])
        setwise.insert([WarehouseScope(user=users["仓管员"], warehouse=keeps)])
        setwise.insert(products)
    receiving.receive_stock(
        ReceiptDraft(WAREHOUSE, list(stock)),
        decision=Decision(by=users["仓管员"], at=clock(), channel=Channel.COMMAND),
    )
    return users.__getitem__


class Journey:
    """Some orders on their way through the services, every act by whose job it is."""

    STEPS = (
        "place",
        "process",
        "pack",
        "dispatch",
        "complete",
        "report",
        "confirm",
        "review_order",
        "review_finance",
        "review_logistics",
        "close",
    )

    def __init__(self, people: People, drafts: Sequence[OrderDraft], clock: Clock) -> None:
        self.people = people
        self.drafts = drafts
        self.clock = clock
        self.totals: dict[int, Decimal] = {}
        self.externals: dict[int, str] = {}
        self.shipments: list[int] = []
        self.payments: list[int] = []
        self.refused: dict[str, str] = {}
        self.reason = "CL01"

    @property
    def ids(self) -> list[int]:
        return list(self.totals)

    def place(self) -> None:
        placed = placing.place_orders(self.drafts, decision=self.decide("业务员"))
        for draft, result in zip(self.drafts, placed, strict=True):
            if result.order is None:
                self.refused[draft.external_number] = result.error.code if result.error else ""
            else:
                self.totals[result.order.pk] = result.order.total
                self.externals[result.order.pk] = draft.external_number

    def process(self) -> None:
        self.keep(fulfilment.process_orders(self.ids, decision=self.decide("业务员")))

    def pack(self) -> None:
        packed = drafting.pack_orders(self.ids, decision=self.decide("仓管员"))
        self.shipments = [shipment.pk for shipment in packed]

    def dispatch(self) -> None:
        waybills = {pk: Waybill(carrier=CARRIER, tracking_number=f"T{pk}") for pk in self.shipments}
        shipping.dispatch_shipments(self.shipments, decision=self.decide("物流"), waybills=waybills)

    def complete(self) -> None:
        self.keep(fulfilment.complete_orders(self.ids, decision=self.decide("客服")))

    def report(self) -> None:
        drafts = [PaymentDraft(pk, "bank", self.externals[pk], total) for pk, total in self.totals.items()]
        reported = payments.report_payments(drafts, decision=self.decide("出纳"))
        self.payments = [payment.pk for payment in reported]

    def confirm(self) -> None:
        payments.confirm_payments(self.payments, decision=self.decide("财务"))

    def review_order(self) -> None:
        self.keep(reviewing.review_orders(self.ids, "order", decision=self.decide("业务员")))

    def review_finance(self) -> None:
        self.keep(reviewing.review_orders(self.ids, "finance", decision=self.decide("财务")))

    def review_logistics(self) -> None:
        self.keep(reviewing.review_orders(self.ids, "logistics", decision=self.decide("物流")))

    def close(self) -> None:
        self.keep(closing.close_orders(self.ids, decision=self.decide("系统管理员", self.reason)))

    def decide(self, role: str, reason: str = "") -> Decision:
        channel = Channel.BULK if len(self.drafts) > 1 else Channel.ADMIN
        return Decision(by=self.people(role), at=self.clock(), channel=channel, reason=reason)

    def keep(self, outcomes: Outcomes) -> None:
        """Orders that were refused go no further."""
        for outcome in outcomes.refused:
            self.refused[self.externals[outcome.order_id]] = ", ".join(outcome.codes)
            del self.totals[outcome.order_id]

    def only(self, order_id: int) -> "Journey":
        """One of these orders, from here on alone."""
        return self.part({order_id})

    def part(self, order_ids: set[int]) -> "Journey":
        """Some of these orders, from here on by themselves."""
        part = Journey(self.people, self.drafts[: len(order_ids)], self.clock)
        part.totals = {pk: total for pk, total in self.totals.items() if pk in order_ids}
        part.externals = {pk: number for pk, number in self.externals.items() if pk in order_ids}
        return part

    def go(self, steps: Sequence[str] = STEPS) -> dict[str, "Sample"]:
        return {step: measure(getattr(self, step)) for step in steps}


@dataclass(frozen=True, slots=True)
class Sample:
    """
    What one act took.

    :ivar queries: statements sent, without those of transactions and savepoints.
    """

    queries: int
    seconds: float


def measure(act: Callable[[], Any]) -> Sample:
    queries = 0

    def count(execute: Any, sql: str, params: Any, many: bool, context: Mapping[str, Any]) -> Any:
        nonlocal queries
        queries += not sql.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        started = perf_counter()
        act()
        return Sample(queries, perf_counter() - started)
