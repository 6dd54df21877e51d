"""
Rows for tests. Master data is made directly; documents are made by the services that write them, so
that ledger, stock and history are always true.
"""

from tests.factories.master import (
    CarrierFactory,
    CustomerFactory,
    ProductFactory,
    ShopFactory,
    WarehouseFactory,
)
from tests.factories.orders import OrderFactory, count, receive, transfer
from tests.factories.people import ROLES, DecisionFactory, UserFactory, actor, decide

__all__ = [
    "ROLES",
    "CarrierFactory",
    "CustomerFactory",
    "DecisionFactory",
    "OrderFactory",
    "ProductFactory",
    "ShopFactory",
    "UserFactory",
    "WarehouseFactory",
    "actor",
    "count",
    "decide",
    "receive",
    "transfer",
]
