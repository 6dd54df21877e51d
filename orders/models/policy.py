"""How strict the soft checks of closing are, and the exceptions that were granted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from erp.kernel.fields import FixedPointField
from erp.kernel.history import Recorded, Signed
from erp.kernel.money import ZERO
from orders.models.closing import OfOrderQuerySet
from orders.models.master import Shop
from orders.models.order import Order

if TYPE_CHECKING:
    from erp.kernel.models import User


class Policy(models.TextChoices):
    """What a soft check that does not hold means."""

    BLOCK = "block", _("Block")
    WARN = "warn", _("Warn")
    IGNORE = "ignore", _("Ignore")


class CheckPolicyQuerySet(models.QuerySet["CheckPolicy"]):
    def visible_to(self, user: User) -> CheckPolicyQuerySet:
        """Those of the user's shops, and what holds for every shop."""
        if user.is_active and user.has_perm("orders.all_shops"):
            return self
        return self.filter(Q(shop__isnull=True) | Q(shop__in=Shop.objects.visible_to(user)))


class CheckPolicy(Recorded):
    """
    How strict one soft check is, in one shop or, without one, in every shop.

    Of those that apply to an order, one of its shop comes before one of every shop, then the highest
    ``above`` its total reaches; where none applies, the check's own default holds.
    """

    code = models.CharField(_("check"), max_length=60)
    shop = models.ForeignKey(
        Shop,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("shop"),
        help_text=_("Empty: every shop."),
    )
    above = FixedPointField(
        _("from this total"),
        default=ZERO,
        help_text=_("In the shop's currency: holds for orders of at least this total. 0: for all."),
    )
    level = models.CharField(_("if it fails"), max_length=10, choices=Policy)

    objects = CheckPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("check policy")
        verbose_name_plural = _("check policies")
        constraints = [
            models.UniqueConstraint(fields=["code", "shop", "above"], name="orders_checkpolicy_in_shop"),
            models.UniqueConstraint(
                fields=["code"], condition=Q(shop__isnull=True), name="orders_checkpolicy_of_every_shop"
            ),
            models.CheckConstraint(
                condition=Q(above=0) | Q(above__gt=0, shop__isnull=False),
                name="orders_checkpolicy_amount_has_currency",
                violation_error_message=_("An amount has a shop's currency: choose the shop, or leave it at 0."),
            ),
            models.CheckConstraint(condition=Q(level__in=Policy.values), name="orders_checkpolicy_level"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.get_level_display()}"


class Waiver(Signed):
    """
    豁免: somebody let one warning of one order pass, for exactly the figures it showed.

    ``figures`` is the canonical text of the finding's figures, ``digest`` its SHA-256: with other figures
    the waiver holds no more, nor in another cycle: who closes the order again asks anew.
    """

    append_only = True

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    cycle = models.PositiveSmallIntegerField(_("closing cycle"), default=1)
    code = models.CharField(_("check"), max_length=60)
    figures = models.TextField(_("figures"))
    digest = models.CharField(_("digest"), max_length=64)

    objects: Any = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("waiver")
        verbose_name_plural = _("waivers")
        permissions = [("waive_check", _("Can waive checks"))]
        constraints = [
            models.UniqueConstraint(fields=["order", "cycle", "code", "digest"], name="orders_waiver_once"),
            models.CheckConstraint(condition=Q(cycle__gte=1), name="orders_waiver_cycle"),
            models.CheckConstraint(condition=~Q(why=""), name="orders_waiver_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.order} {self.code}"
