"""Shops, customers, products, shipping methods, and who may see which shop."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.fields import FixedPointField
from erp.kernel.history import Recorded
from erp.kernel.money import CURRENCIES, ZERO
from erp.kernel.texts import in_reader_language

if TYPE_CHECKING:
    from erp.kernel.models import User

CURRENCY_CHOICES = [(code, code) for code in CURRENCIES]


def currency_field() -> models.CharField[str, str]:
    return models.CharField(_("currency"), max_length=3, choices=CURRENCY_CHOICES)


def known_currency(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(condition=models.Q(currency__in=list(CURRENCIES)), name=name)


class Terms(models.TextChoices):
    PREPAID = "prepaid", _("Prepaid")
    ON_DELIVERY = "on_delivery", _("Cash on delivery")
    CREDIT = "credit", _("Credit")


class ShopQuerySet(models.QuerySet["Shop"]):
    def visible_to(self, user: User) -> ShopQuerySet:
        if user.is_active and user.has_perm("orders.all_shops"):
            return self
        return self.filter(pk__in=ShopScope.objects.filter(user=user).values("shop"))


class Shop(Recorded):
    """Where orders come from. Its currency is that of all its orders."""

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=100)
    currency = currency_field()
    terms = models.CharField(_("payment terms"), max_length=12, choices=Terms, default=Terms.PREPAID)
    credit_days = models.PositiveSmallIntegerField(_("credit days"), default=0)
    allows_backorder = models.BooleanField(
        _("allows backorder"),
        default=False,
        help_text=_("Orders may be processed before all goods are in stock; receipts then serve them oldest first."),
    )
    tolerance = FixedPointField(
        _("closing tolerance"),
        default=ZERO,
        help_text=_("A difference up to this amount is written off when an order closes."),
    )
    is_active = models.BooleanField(_("active"), default=True)

    objects = ShopQuerySet.as_manager()

    class Meta:
        verbose_name = _("shop")
        verbose_name_plural = _("shops")
        permissions = [("all_shops", _("Can see all shops"))]
        constraints = [
            known_currency("orders_shop_currency"),
            models.CheckConstraint(condition=models.Q(tolerance__gte=0), name="orders_shop_tolerance"),
            models.CheckConstraint(condition=models.Q(terms__in=Terms.values), name="orders_shop_terms"),
        ]

    def __str__(self) -> str:
        return self.name


class ShopScope(Recorded):
    """One shop one user may see. No row means none; all is the permission ``orders.all_shops``."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user"))
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="+", verbose_name=_("shop"))

    class Meta:
        verbose_name = _("shop of a user")
        verbose_name_plural = _("shops of users")
        constraints = [models.UniqueConstraint(fields=["user", "shop"], name="orders_shopscope_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.shop}"


def _salt() -> str:
    return secrets.token_hex(16)


class CustomerQuerySet(models.QuerySet["Customer"]):
    def visible_to(self, user: User) -> CustomerQuerySet:
        return self.filter(shop__in=Shop.objects.visible_to(user))


class Customer(Recorded):
    """Who buys, within one shop; pays in the shop's currency, on own terms where they are set."""

    history_excludes = ("salt",)

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="customers", verbose_name=_("shop"))
    code = models.CharField(_("code"), max_length=32, null=True, blank=True)
    name = models.CharField(_("name"), max_length=100)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    terms = models.CharField(
        _("payment terms"), max_length=12, choices=Terms, blank=True, help_text=_("Empty: those of the shop.")
    )
    credit_days = models.PositiveSmallIntegerField(_("credit days"), default=0)
    is_active = models.BooleanField(_("active"), default=True)
    # Erased with the person: then nothing kept of phone, e-mail and address can be guessed back.
    salt = models.CharField(max_length=32, default=_salt, editable=False)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [models.UniqueConstraint(fields=["shop", "code"], name="orders_customer_code_in_shop")]

    def __str__(self) -> str:
        return self.name

    @property
    def currency(self) -> str:
        return self.shop.currency


class Unit(models.TextChoices):
    PIECE = "piece", pgettext_lazy("unit", "pcs")
    DEVICE = "device", pgettext_lazy("unit", "units")
    BOX = "box", pgettext_lazy("unit", "boxes")
    SET = "set", pgettext_lazy("unit", "sets")
    KILOGRAM = "kg", pgettext_lazy("unit", "kg")
    METRE = "m", pgettext_lazy("unit", "m")
    HOUR = "hour", pgettext_lazy("unit", "hours")
    TIME = "time", pgettext_lazy("unit", "times")


# Sold and counted in whole numbers only.
WHOLE_UNITS = frozenset({Unit.PIECE, Unit.DEVICE, Unit.BOX, Unit.SET, Unit.TIME})


class ProductKind(models.TextChoices):
    STOCKED = "stocked", _("Stocked goods")
    SERVICE = "service", _("Service")


class Product(Recorded):
    """What is sold: goods kept in stock, or a service. The price includes tax."""

    sku = models.CharField(_("SKU"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=10, choices=ProductKind, default=ProductKind.STOCKED)
    unit = models.CharField(_("unit"), max_length=10, choices=Unit, default=Unit.PIECE)
    price = FixedPointField(_("price"), help_text=_("Per unit, tax included."))
    currency = currency_field()
    tax_rate = FixedPointField(_("tax rate"), default=ZERO, help_text=_("0.13 for 13 %."))
    reorder_level = FixedPointField(
        _("stock alert level"),
        default=ZERO,
        help_text=_("With less than this available in all warehouses together, stock is to be ordered. 0: no alert."),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            known_currency("orders_product_currency"),
            models.CheckConstraint(condition=models.Q(price__gte=0), name="orders_product_price"),
            models.CheckConstraint(condition=models.Q(reorder_level__gte=0), name="orders_product_reorder_level"),
            models.CheckConstraint(
                condition=models.Q(tax_rate__gte=0, tax_rate__lt=1), name="orders_product_tax_rate"
            ),
            models.CheckConstraint(condition=models.Q(kind__in=ProductKind.values), name="orders_product_kind"),
            models.CheckConstraint(condition=models.Q(unit__in=Unit.values), name="orders_product_unit"),
        ]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"


class ShippingMethod(Recorded):
    """How goods travel, and what a shipment must name before it leaves."""

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=60, blank=True)
    needs_carrier = models.BooleanField(_("needs a carrier"), default=True)
    needs_tracking = models.BooleanField(_("needs a tracking number"), default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("shipping method")
        verbose_name_plural = _("shipping methods")

    def __str__(self) -> str:
        return in_reader_language(self.name, self.name_en)
