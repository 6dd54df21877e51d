"""How people call the keys under which facts, evidence and closing records are kept without language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

KEYS = {
    "act": _("Act"),
    "acts": _("Acts"),
    "address": _("Shipping address"),
    "advance": _("Advance received"),
    "allowances": _("Allowances"),
    "allowed": pgettext_lazy("amount", "Allowed"),
    "amount": _("Amount"),
    "application": _("Version of the product"),
    "answers": _("Record answered"),
    "at": _("When"),
    "bulk": _("Bulk"),
    "by": _("Who"),
    "captured": pgettext_lazy("amount", "Received"),
    "carrier": _("Carrier"),
    "caused_by": _("Caused by"),
    "channel": _("Channel"),
    "closed": pgettext_lazy("quantity", "Closed short"),
    "closed_short": _("Amount closed short"),
    "code": _("Check"),
    "cost": _("Cost"),
    "credit_days": _("Credit days"),
    "currency": _("Currency"),
    "customer": _("Customer"),
    "detail": _("Details"),
    "defective": _("Into a defective warehouse"),
    "digest": _("Digest"),
    "discount": _("Discount"),
    "document": _("Document"),
    "documents": _("Documents"),
    "email": _("E-mail"),
    "evidence": _("Evidence"),
    "external_number": _("External number"),
    "finance": _("Finance information"),
    "found": _("What became of it"),
    "ground": pgettext_lazy("fact", "Ground"),
    "goods": pgettext_lazy("amount", "Goods"),
    "kind": pgettext_lazy("fact", "Kind"),
    "line": pgettext_lazy("fact", "Line"),
    "lines": _("Lines"),
    "logistics": _("Logistics information"),
    "lost": pgettext_lazy("goods", "Lost"),
    "margin": _("Margin"),
    "method": pgettext_lazy("fact", "Method"),
    "moves": _("Stock moves"),
    "name": _("Name"),
    "note": _("Note"),
    "number": _("Number"),
    "order": _("Order"),
    "ordered": pgettext_lazy("amount", "Ordered"),
    "output_tax": _("Output VAT"),
    "owed": _("Owed"),
    "payable": _("Payable"),
    "payments": _("Payments"),
    "people": _("People"),
    "phone": _("Phone"),
    "placed_at": _("Placed"),
    "policy": _("Check policy"),
    "position": _("Number in the chain"),
    "purpose": _("Purpose"),
    "quantity": _("Quantity"),
    "reason": _("Reason"),
    "receivable": _("Receivable"),
    "reference": _("Reference"),
    "request": _("Request"),
    "refunded": pgettext_lazy("amount", "Refunded"),
    "refunds": _("Refunds"),
    "restocked": _("Restocked"),
    "returned": pgettext_lazy("amount", "Returned"),
    "returns": _("Returns"),
    "revenue": _("Revenue"),
    "reviews": _("Reviews"),
    "roles": _("Roles"),
    "scrapped": _("Scrapped"),
    "sequence": _("Sequence"),
    "shipments": _("Shipments"),
    "shipped": pgettext_lazy("amount", "Shipped"),
    "shipping_fee": _("Shipping fee"),
    "shop": _("Shop"),
    "sku": _("SKU"),
    "state": _("Status"),
    "taken_back": pgettext_lazy("amount", "Taken back"),
    "tax": _("Tax included"),
    "terms": _("Payment terms"),
    "tolerance": _("Tolerance"),
    "total": _("Total"),
    "totals": _("Totals"),
    "tracking_number": _("Tracking number"),
    "type": _("Type"),
    "unit_price": _("Unit price"),
    "vouchers": _("Vouchers"),
    "waivers": _("Waivers"),
    "why": _("Reason and note"),
    "write_offs": _("Write-offs"),
    "written_off": _("Written off"),
}


def in_words(content: Any, *, hide: frozenset[str] = frozenset()) -> Any:
    """A content without the keys of ``hide``, the others as people call them; salted ones end in ``#``."""
    if isinstance(content, Mapping):
        return {
            str(KEYS.get(key.rstrip("#"), key)): in_words(value, hide=hide)
            for key, value in content.items()
            if key not in hide
        }
    if isinstance(content, list):
        return [in_words(item, hide=hide) for item in content]
    return content
