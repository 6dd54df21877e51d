"""What a person names when goods are booked: a warehouse in their scope, stocked goods, a quantity of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import DomainError
from erp.kernel.models import User
from erp.kernel.money import plain
from inventory import selectors
from inventory.models import Warehouse
from orders.models import Product, ProductKind, Unit
from orders.models.master import WHOLE_UNITS

Built = TypeVar("Built")


class WarehousesRefused(DomainError):
    """
    Of several drafts, each for a warehouse of its own, some are refused.

    :ivar errors: why, by the place of the draft among them.
    """

    code = "inventory.warehouses_refused"
    message = _("It is refused for %(count)s warehouses. %(reasons)s")

    def __init__(self, errors: Mapping[int, DomainError]) -> None:
        super().__init__(count=len(errors), reasons=" ".join(str(error) for error in errors.values()))
        self.errors = errors


class UnknownWarehouse(DomainError):
    code = "inventory.unknown_warehouse"
    message = _("Warehouse “%(warehouse)s” does not exist, is inactive, or is outside your scope. Check its code.")


class UnknownProduct(DomainError):
    code = "inventory.unknown_product"
    message = _("Product “%(sku)s” does not exist. Check the SKU or add the product.")


class NotStocked(DomainError):
    code = "inventory.not_stocked"
    message = _("%(sku)s is a service; only goods lie in a warehouse. Remove the line.")


class FractionOfPiece(DomainError):
    code = "inventory.fraction_of_piece"
    message = _("%(quantity)s %(unit)s of %(sku)s is no whole number. Correct the quantity.")


class CurrencyMismatch(DomainError):
    code = "inventory.currency_mismatch"
    message = _(
        "The value given is in %(currency)s, but warehouse %(warehouse)s keeps its value in %(expected)s. "
        "Name a warehouse of %(currency)s."
    )


def warehouse(code: str, currency: str, user: User) -> Warehouse:
    """
    :param currency: what the person thinks it keeps its value in; empty: whatever it is.
    :raises UnknownWarehouse: also out of scope. :raises CurrencyMismatch:
    """
    found = selectors.warehouses(user).filter(code=code).first()
    if found is None:
        raise UnknownWarehouse(warehouse=str(code)[:32])
    if currency and currency != found.currency:
        raise CurrencyMismatch(currency=currency, warehouse=found, expected=found.currency)
    assert isinstance(found, Warehouse)
    return found


def each_warehouse(drafts: Sequence[Any], build: Callable[[Any], Built]) -> list[Built]:
    """What the drafts mean, each for a warehouse of its own. :raises WarehousesRefused: with every reason."""
    assert len({draft.warehouse for draft in drafts}) == len(drafts), "one draft for each warehouse"
    built = []
    errors: dict[int, DomainError] = {}
    for place, draft in enumerate(drafts):
        try:
            built.append(build(draft))
        except DomainError as error:
            errors[place] = error
    if errors:
        raise WarehousesRefused(errors)
    return built


def products(skus: Iterable[str]) -> Mapping[str, Product]:
    """By SKU, in one query; unknown ones are left out."""
    return {product.sku: product for product in Product.objects.filter(sku__in=set(skus))}


def stocked(product: Product | None, sku: str) -> Product:
    """:raises UnknownProduct: :raises NotStocked:"""
    if product is None:
        raise UnknownProduct(sku=str(sku)[:64])
    if product.kind != ProductKind.STOCKED:
        raise NotStocked(sku=product.sku)
    return product


def whole(quantity: Decimal, product: Product) -> Decimal:
    """:raises FractionOfPiece: the product comes in pieces only."""
    if product.unit in WHOLE_UNITS and quantity != quantity.to_integral_value():
        raise FractionOfPiece(quantity=plain(quantity), unit=Unit(product.unit).label, sku=product.sku)
    return quantity
