"""Master data, orders, reviews, check policy, waivers and closing records."""

from orders.models.closing import ClosingRecord, Review
from orders.models.line_closing import LineClosing
from orders.models.master import (
    Customer,
    Product,
    ProductKind,
    ShippingMethod,
    Shop,
    ShopScope,
    Terms,
    Unit,
)
from orders.models.order import FINAL, OPEN, Line, Order, PaymentStatus, ShippingStatus, Status
from orders.models.policy import CheckPolicy, Policy, Waiver
from orders.models.reason import Act, Party, Reason

__all__ = [
    "FINAL",
    "OPEN",
    "Act",
    "CheckPolicy",
    "ClosingRecord",
    "Customer",
    "Line",
    "LineClosing",
    "Order",
    "Party",
    "PaymentStatus",
    "Policy",
    "Product",
    "ProductKind",
    "Reason",
    "Review",
    "ShippingMethod",
    "ShippingStatus",
    "Shop",
    "ShopScope",
    "Status",
    "Terms",
    "Unit",
    "Waiver",
]
