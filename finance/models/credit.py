"""What was credited of what dispatches recognised."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.fields import FixedPointField
from erp.kernel.history import Signed
from erp.kernel.money import plain
from orders.models import Line, Order
from orders.models.closing import OfOrderQuerySet


class CreditGround(models.TextChoices):
    RETURN = "return", _("Goods returned")
    ALLOWANCE = "allowance", _("Allowance")
    CANCEL = "cancel", _("Order cancelled")


class Credit(Signed):
    """
    Revenue taken back: what the customer need not pay, or gets back, of goods that were dispatched.

    Pushed down by whoever owns the fact, whose document ``source_type`` and ``source_id`` name. ``part`` is the
    key of what was recognised, in the words of the app that dispatched it: credits of a part never exceed it.
    It is empty where a cancelled order gives back all that is left of a line.
    ``amount`` in the order's currency, ``tax`` within it.
    """

    append_only = True

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    line = models.ForeignKey(Line, models.PROTECT, related_name="+", verbose_name=_("order line"))
    part = models.CharField(_("part dispatched"), max_length=40, blank=True)
    ground = models.CharField(_("ground"), max_length=10, choices=CreditGround)
    amount = FixedPointField(_("amount"))
    tax = FixedPointField(_("tax included"))
    source_type = models.CharField(_("source type"), max_length=40)
    source_id = models.CharField(_("source id"), max_length=40)
    source = models.CharField(_("source"), max_length=40)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = pgettext_lazy("document", "credit")
        verbose_name_plural = pgettext_lazy("document", "credits")
        constraints = [
            models.UniqueConstraint(fields=["source_type", "source_id"], name="finance_credit_once_per_source"),
            models.CheckConstraint(
                condition=Q(amount__gt=0, tax__gte=0, tax__lte=F("amount")), name="finance_credit_amounts"
            ),
            models.CheckConstraint(condition=Q(ground__in=CreditGround.values), name="finance_credit_ground"),
        ]
        indexes = [models.Index(fields=["at"], name="finance_credit_by_at")]

    def __str__(self) -> str:
        return f"{self.source} {plain(self.amount)}"
