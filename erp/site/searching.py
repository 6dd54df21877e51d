"""
Orders found by what people have in hand: a number, a name, a phone, a product, a parcel.

Never OR over a join, which reads every order: each kind is a small lookup of its own, and the union of their keys
narrows the reader's list in the same query.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from logistics.models import Shipment
from orders.models import Line, Order, Product

HELP = _(
    "Number, phone, SKU or tracking number: from the beginning. Customer or product: two Chinese characters or three"
    " letters from anywhere in the name; fewer only from its beginning."
)
# No column that is searched holds more.
_LONGEST = 200
_CJK = range(0x3400, 0xA000)


def matching(orders: Any, text: str, user: Any) -> Any:
    """Those of ``orders`` that ``text`` may mean, in one query with whatever else narrows them."""
    text = text.strip()
    if not text:
        return orders
    if len(text) > _LONGEST or "\0" in text:
        return orders.none()
    named = "icontains" if _is_telling(text) else "istartswith"
    products = [Product.objects.filter(sku__istartswith=text), Product.objects.filter(**{f"name__{named}": text})]
    shipments = Shipment.objects.visible_to(user).filter(tracking_number__istartswith=text)
    keys = [
        Order.objects.filter(number__startswith=text.upper()).values("pk"),
        Order.objects.filter(external_number__istartswith=text).values("pk"),
        Order.objects.filter(customer_phone__istartswith=text).values("pk"),
        Order.objects.filter(**{f"customer_name__{named}": text}).values("pk"),
        *(Line.objects.filter(product__in=found.values("pk")).values("order_id") for found in products),
        shipments.order_by().values("order_id"),
    ]
    return orders.filter(pk__in=keys[0].union(*keys[1:]))


def exactly(orders: Any, text: str) -> Any:
    """The only one of ``orders`` whose number, or external number, is ``text``; or None."""
    text = text.strip()
    if not text or len(text) > _LONGEST or "\0" in text:
        return None
    numbered = Order.objects.filter(number=text.upper()).values("pk")
    external = Order.objects.filter(external_number__iexact=text).values("pk")
    found = list(orders.filter(pk__in=numbered.union(external)).values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None


def _is_telling(text: str) -> bool:
    """Whether so much of a name finds few enough others that hold it."""
    return len(text) >= 3 or (len(text) == 2 and all(ord(letter) in _CJK for letter in text))
