"""What the order's own block of the final review shows, and what the closing record keeps of it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import prefetch_related_objects

from erp.kernel.canonical import digest, dumps, salted
from orders import selectors
from orders.contract import Batch, duty
from orders.models import LineClosing, Order


def review(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """Number, external number, customer, address, lines and total, by order; personal data as salted hashes."""
    lines = selectors.lines(batch)
    prefetch_related_objects(batch.orders, "customer")
    return {
        order.pk: {
            "number": order.number,
            "external_number": order.external_number,
            "customer": order.customer_name,
            **_hashed(order),
            "lines": [
                {
                    "sku": line.sku,
                    "name": line.name,
                    "quantity": line.quantity,
                    "closed": line.short,
                    "unit_price": line.unit_price,
                    "discount": line.discount + line.order_discount,
                    "tax": line.tax,
                }
                for line in lines[order.pk]
            ],
            "total": order.money(order.total),
        }
        for order in batch.orders
    }


def _hashed(order: Order) -> dict[str, str]:
    salt = order.customer.salt
    address = dumps(order.shipping_address) if order.shipping_address else ""
    return {
        "phone#": salted(order.customer_phone, salt),
        "email#": salted(order.customer_email, salt),
        "address#": salted(address, salt),
    }


def evidence(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """The order as placed, what of it shipped and was closed short, and who closed lines, by order."""
    lines = selectors.lines(batch)
    closings = selectors.line_closings(batch)
    shown = review(batch)
    return {
        order.pk: {
            "order": {
                **shown[order.pk],
                "shop": order.shop.code,
                "placed_at": order.placed_at,
                "terms": order.terms,
                "credit_days": order.credit_days,
                "currency": order.currency,
            },
            "totals": {
                "goods": order.goods_total,
                "discount": order.discount,
                "shipping_fee": order.shipping_fee,
                "tax": order.tax,
                "ordered": order.total,
                "shipped": sum(line.shipped_amount for line in lines[order.pk]),
                "closed_short": sum(line.short_amount for line in lines[order.pk]),
            },
            "documents": [_closing(order, closing) for closing in closings.get(order.pk, ())],
            "acts": [_act(order, closing) for closing in closings.get(order.pk, ())],
        }
        for order in batch.orders
    }


def _name(order: Order, closing: LineClosing) -> str:
    """Line closings have no number of their own."""
    return f"{order.number}/{closing.line.no}"


def _act(order: Order, closing: LineClosing) -> dict[str, Any]:
    assert closing.by_id is not None
    return duty("close_line", _name(order, closing), closing.by_id)


def _closing(order: Order, closing: LineClosing) -> dict[str, Any]:
    content = {
        "line": closing.line.no,
        "quantity": closing.quantity,
        "amount": closing.amount,
        "tax": closing.tax,
        "reason": closing.reason,
        "party": closing.party,
        "by": [closing.by_id, closing.by_name],
        "at": closing.at,
    }
    return {"type": "line_closing", "number": _name(order, closing), "sha256": digest(content)}
