"""
Every act of the back office, in the order its buttons are shown.

To add one: write what it runs (one service call) and yield it from the module of its subject. Page,
permission, preview, reasons and double clicks are the business of ``erp.site.views``.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from erp.kernel.models import User
from erp.site.act import Act
from erp.site.acts import money, orders, shipments, stock
from erp.site.acts.orders import review_name
from orders.services import reviewing

__all__ = ["all_acts", "offered", "review_name"]


@cache
def all_acts() -> Mapping[str, Act]:
    """Every act by its name."""
    listed = [
        *orders.on_orders(),
        *orders.reviews(),
        *shipments.on_shipments(),
        *shipments.on_returns(),
        *money.on_payments(),
        *money.on_refunds(),
        *money.on_proposals(),
        *money.on_statements(),
        *stock.on_stock(),
        *money.on_periods(),
    ]
    return {act.name: act for act in listed}


def offered(subject: Any, user: User) -> list[Act]:
    """The acts somebody may do to an object as it stands; those of a review have their place in the checklist."""
    reviews = {review_name(block.name) for block in reviewing.blocks()}
    return [
        act
        for act in all_acts().values()
        if act.model is not None and act.name not in reviews and act.is_offered(subject, user)
    ]
