"""Everything people can do with orders, money and goods, each as a rule of a state machine."""

from tests.machine.money import MoneyActs
from tests.machine.orders import OrderActs
from tests.machine.returns import ReturnActs
from tests.machine.shipments import ShipmentActs
from tests.machine.stock import StockActs
from tests.machine.straight_way import StraightWay


class Business(StraightWay, OrderActs, StockActs, ShipmentActs, ReturnActs, MoneyActs):
    """What one part needs of another it calls by name: each is of this whole."""
