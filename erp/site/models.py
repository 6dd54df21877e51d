"""What the back office remembers beside the documents: which orders could be closed, and the lists people saved."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models import Order


class Readiness(models.Model):
    """
    What stood in the way of closing a completed order when the background work last looked.

    For lists only: nothing is ever decided by it, and closing examines every order anew.
    """

    order = models.OneToOneField(
        Order,
        models.PROTECT,
        primary_key=True,
        related_name="+",
        related_query_name="readiness",
        verbose_name=_("order"),
    )
    version = models.PositiveIntegerField(_("version of the order"))
    ready = models.BooleanField(_("can be closed"))
    only_reviews = models.BooleanField(_("lacks reviews only"))
    # "|finance.unpaid|logistics.return_open|": both databases find a code in it.
    codes = models.TextField(_("blocking checks"), default="|")
    blockers = models.JSONField(_("findings"), default=list)
    # The newest entry of the history of check policy that it knows of.
    policy = models.BigIntegerField(_("state of check policy"), default=0)
    checked_at = models.DateTimeField(_("checked"))

    class Meta:
        verbose_name = _("readiness to close")
        verbose_name_plural = _("readiness to close")

    def __str__(self) -> str:
        return f"{self.order_id} {self.codes}"


class SavedView(models.Model):
    """A list of orders somebody comes back to: the query behind a name."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=40)
    query = models.CharField(_("filter"), max_length=1000)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="site_savedview_name")]

    def __str__(self) -> str:
        return self.name
