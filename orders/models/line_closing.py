"""What of order lines was closed short."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from erp.kernel.fields import FixedPointField
from erp.kernel.history import Signed
from erp.kernel.money import plain
from orders.models.closing import OfOrderQuerySet
from orders.models.order import Line, Order
from orders.models.reason import Party


class LineClosing(Signed):
    """行关闭: what of a line will not be shipped, by whom and why; its share of amount and tax falls with it."""

    append_only = True

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    line = models.ForeignKey(Line, models.PROTECT, related_name="closings", verbose_name=_("order line"))
    quantity = FixedPointField(_("quantity"))
    amount = FixedPointField(_("amount"))
    tax = FixedPointField(_("tax included"))
    reason = models.CharField(_("reason"), max_length=12)
    party = models.CharField(_("party"), max_length=10, choices=Party)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("line closed short")
        verbose_name_plural = _("lines closed short")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0, amount__gte=0, tax__gte=0, tax__lte=models.F("amount")),
                name="orders_lineclosing_amounts",
            ),
            models.CheckConstraint(condition=models.Q(party__in=Party.values), name="orders_lineclosing_party"),
            models.CheckConstraint(condition=~models.Q(reason=""), name="orders_lineclosing_reason"),
        ]
        indexes = [models.Index(fields=["at"], name="orders_lineclosing_by_at")]

    def __str__(self) -> str:
        return f"{self.line} × {plain(self.quantity)}"
