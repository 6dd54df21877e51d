"""The facts of a review in the reader's words: they are kept as keys and values, without language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.safestring import SafeString

from erp.kernel.shown import price, structure
from finance.models import Ground, PaymentMethod, PaymentState, ProposalState, RefundState, WriteOffKind
from logistics.models import ReturnStatus, ShipmentStatus
from orders.models import Order, Terms
from orders.words import KEYS

_AMOUNT = re.compile(r"(-?[0-9.]+) ([A-Z]{3})", re.ASCII)
_PRICES = {"lines.unit_price", "lines.discount", "lines.tax"}
_WORDS = {
    "terms": dict(Terms.choices),
    "payments.method": dict(PaymentMethod.choices),
    "payments.state": dict(PaymentState.choices),
    "refunds.ground": dict(Ground.choices),
    "refunds.state": dict(RefundState.choices),
    "allowances.state": dict(ProposalState.choices),
    "write_offs.kind": dict(WriteOffKind.choices),
    "write_offs.state": dict(ProposalState.choices),
    "shipments.state": dict(ShipmentStatus.choices),
    "returns.state": dict(ReturnStatus.choices),
}


def shown(facts: Mapping[str, Any], order: Order) -> SafeString:
    """
    What a reviewer compares and confirms.

    Personal data stands in the facts as salted hashes: here it is read from the order itself.
    """
    personal = {
        "phone#": order.customer_phone,
        "email#": order.customer_email,
        "address#": " ".join(order.shipping_address.values()),
    }
    return structure(_in_words({key: personal.get(key, value) for key, value in facts.items()}, order.currency))


def _in_words(value: Any, currency: str, path: str = "") -> Any:
    if isinstance(value, Mapping):
        return {
            str(KEYS.get(key.rstrip("#"), key)): _in_words(item, currency, f"{path}.{key}".lstrip("."))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_in_words(item, currency, path) for item in value]
    if path in _PRICES:
        return price(Decimal(value), currency)
    amount = _AMOUNT.fullmatch(value)
    return price(Decimal(amount[1]), amount[2]) if amount else str(_WORDS.get(path, {}).get(value, value))
