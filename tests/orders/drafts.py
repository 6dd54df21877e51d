"""Drafts of orders, as a form or a shop would send them."""

from decimal import Decimal
from typing import Any

from orders.services.placing import CustomerDraft, LineDraft, OrderDraft


def line(product: Any, quantity: str = "1", price: str | None = None, discount: str = "0") -> LineDraft:
    return LineDraft(product.sku, Decimal(quantity), None if price is None else Decimal(price), Decimal(discount))


def draft(shop: Any, *lines: LineDraft, **kwargs: Any) -> OrderDraft:
    return OrderDraft(**{"shop": shop.code, "customer": CustomerDraft("王芳"), "lines": lines, **kwargs})
