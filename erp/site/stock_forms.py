"""What a person fills in about goods in a warehouse: receipts, transfers and counts, line by line."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from erp.kernel.fields import FixedPointFormField
from erp.site.forms import ActForm, RowForm, column
from inventory import selectors as inventory_selectors
from inventory.models import Receipt, StockTake, Transfer
from orders.models import Product, ProductKind

_SUGGESTED = 300
SEES_STOCK = "inventory.view_stocklevel"


class ReceiptForm(ActForm):
    reference = column(
        Receipt, "reference", required=True, help_text=_("A warehouse receives each delivery note only once.")
    )


class ReceiptLineForm(RowForm):
    sku = column(Product, "sku", required=True, widget=forms.TextInput(attrs={"list": "products"}))
    quantity = FixedPointFormField(label=_("Quantity"))
    unit_cost = FixedPointFormField(label=_("Unit cost"), help_text=_("Tax excluded."))


class TransferForm(ActForm):
    destination = forms.ChoiceField(label=_("To warehouse"))
    reference = column(
        Transfer, "reference", required=True, help_text=_("A warehouse sends each transfer slip only once.")
    )

    def prepare(self) -> None:
        others = inventory_selectors.warehouses(self.user).filter(currency=self.subject.currency)
        others = others.exclude(pk=self.subject.pk).order_by("code")
        self.fields["reference"].initial = f"TS-{timezone.localdate():%Y%m%d}-{secrets.token_hex(4).upper()}"
        self._choose("destination", [(other.code, f"{other.name} ({other.code})") for other in others])


class TransferLineForm(RowForm):
    sku = column(Product, "sku", required=True, widget=forms.TextInput(attrs={"list": "products"}))
    quantity = FixedPointFormField(label=_("Quantity"))


class CountForm(ActForm):
    reference = column(StockTake, "reference", help_text=_("A warehouse books each count sheet only once."))


def _shown(label: Any) -> forms.CharField:
    """Something to read among what is typed: no key goes there, and nobody listens to what it sends."""
    widget = forms.TextInput(attrs={"readonly": True, "tabindex": "-1", "class": "shown"})
    return forms.CharField(label=label, required=False, widget=widget)


class CountLineForm(RowForm):
    """
    A product that should lie there, or one that somebody found. The former, left empty, was not counted.

    What the books say stands beside it for those who may see stock.
    """

    sku = column(Product, "sku", required=True, widget=forms.TextInput(attrs={"list": "products"}))
    name = _shown(_("Product"))
    book = _shown(_("In the books"))
    quantity = FixedPointFormField(label=_("Counted quantity"), required=False)
    unit_cost = FixedPointFormField(
        label=_("Unit cost"), required=False, help_text=_("Only for goods of which none is on hand; tax excluded.")
    )

    def prepare(self) -> None:
        if not self.user.has_perm(SEES_STOCK):
            del self.fields["book"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors or data.get("quantity") is not None:
            return data
        if data.get("name") and data.get("unit_cost") is None:
            return {}
        self.add_error("quantity", _("Say how much was counted; nothing found is 0."))
        return data


def suggested_products(form: type[RowForm]) -> list[Product]:
    """The first products, to be completed while typing; any other SKU can be typed or scanned."""
    products = Product.objects.filter(is_active=True).order_by("sku")
    if form in (ReceiptLineForm, TransferLineForm, CountLineForm):
        products = products.filter(kind=ProductKind.STOCKED)
    return list(products[:_SUGGESTED])
