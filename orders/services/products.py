"""Products taken over from files and other systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from erp.kernel import setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError, each
from erp.kernel.locks import lock, unit_of_work
from erp.kernel.money import ZERO, OutOfRange, check, minor_units, plain
from erp.kernel.transitions import permit
from erp.kernel.validation import column
from orders.models import Product, ProductKind, Unit

# What a file says of a product beside its SKU.
_FIELDS = ("name", "kind", "unit", "price", "currency", "tax_rate")


class UnknownUnit(DomainError):
    code = "orders.unknown_unit"
    message = _("“%(unit)s” is no unit. Use one of: %(units)s.")


class RepeatedSku(DomainError):
    code = "orders.repeated_sku"
    message = _("SKU %(sku)s is named more than once. Name each product once.")


class KindIsFixed(DomainError):
    code = "orders.product_kind_is_fixed"
    message = _("%(sku)s is recorded as: %(kind)s, and stays so. Add a new product for the other kind.")


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """
    What a product is to be. ``price`` per unit, tax included; ``tax_rate`` is 0.13 for 13 %.

    ``unit`` is a unit's code, or its name in any language of the product.
    """

    sku: str
    name: str
    unit: str
    price: Decimal
    currency: str
    tax_rate: Decimal
    stocked: bool = True


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the drafts."""

    added: Sequence[Product]
    changed: Sequence[Product]
    unchanged: int


def import_products(drafts: Iterable[ProductDraft], *, decision: Decision) -> Imported:
    """
    Add products, and change those whose SKU is known where they differ; all of them or none.

    :raises Forbidden: ``orders.add_product`` is missing, or ``orders.change_product`` where one differs.
    :raises DomainError: :raises SeveralRefused: drafts that are not valid; each error names its ``item``.
    """
    permit(decision.by, "orders.add_product")
    drafts = list(drafts)
    with unit_of_work(decision):
        known = {product.sku: product for product in lock(Product.objects.filter(sku__in=_skus(drafts)))}
        seen: set[str] = set()
        products = each(drafts, lambda _no, draft: _build(draft, known, seen))
        added = [product for product in products if product.sku not in known]
        changed = [product for product in products if product.sku in known and _differs(product, known[product.sku])]
        if changed:
            permit(decision.by, "orders.change_product")
        setwise.insert(added)
        setwise.update(changed, _FIELDS)
    return Imported(added, changed, len(products) - len(added) - len(changed))


def _skus(drafts: Iterable[ProductDraft]) -> set[str]:
    skus = set()
    for draft in drafts:
        # What is no SKU is refused below, with everything else that is wrong.
        with suppress(DomainError):
            skus.add(_sku(draft))
    return skus


def _sku(draft: ProductDraft) -> str:
    return column(Product, "sku", draft.sku, required=True)


def _build(draft: ProductDraft, known: Mapping[str, Product], seen: set[str]) -> Product:
    """The product as it is to be; of a known one, a copy with the new values."""
    sku = _sku(draft)
    if sku in seen:
        raise RepeatedSku(sku=sku)
    seen.add(sku)
    product = copy(known[sku]) if sku in known else Product(sku=sku)
    kind = ProductKind.STOCKED if draft.stocked else ProductKind.SERVICE
    if sku in known and product.kind != kind:
        raise KindIsFixed(sku=sku, kind=product.get_kind_display())
    minor_units(draft.currency)
    product.name = column(Product, "name", draft.name, required=True)
    product.kind = kind
    product.unit = _unit(draft.unit)
    product.price = check(draft.price, _("Price"), least=ZERO)
    product.currency = draft.currency
    product.tax_rate = check(draft.tax_rate, _("Tax rate"), least=ZERO)
    if product.tax_rate >= 1:
        raise OutOfRange(name=_("Tax rate"), value=plain(product.tax_rate), range="< 1")
    return product


def _differs(product: Product, before: Product) -> bool:
    return any(getattr(product, name) != getattr(before, name) for name in _FIELDS)


def _unit(text: str) -> str:
    try:
        return _units()[text.strip().casefold()]
    except KeyError:
        raise UnknownUnit(unit=text[:20], units=", ".join(f"{unit.value} ({unit.label})" for unit in Unit)) from None


@cache
def _units() -> Mapping[str, str]:
    """Units by their code and by their name in every language of the product."""
    units: dict[str, str] = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            units.update({str(unit.label).casefold(): unit.value for unit in Unit})
    return {**units, **{unit.value: unit.value for unit in Unit}}
