"""Final reviews and the closing record: append-only, signed, digested."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import lookups
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from erp.kernel.history import Signed
from orders.models.master import Shop
from orders.models.order import Order
from orders.models.reason import Act

if TYPE_CHECKING:
    from erp.kernel.models import User


# What a closing record proves.
_ACTS = [(act.value, act.label) for act in (Act.CLOSE, Act.REOPEN)]


class OfOrderQuerySet(models.QuerySet[Any]):
    """Documents of orders: visible with their order."""

    def visible_to(self, user: User) -> OfOrderQuerySet:
        if user.is_active and user.has_perm("orders.all_shops"):
            return self
        return self.filter(order__shop__in=Shop.objects.visible_to(user))


class Review(Signed):
    """
    Somebody confirmed one block of an order's information as shown; the newest per block counts.

    It holds for the cycle it was made in: an order that was reopened is reviewed anew. ``facts`` keeps the
    values shown (phone, e-mail and address as salted hashes), ``digest`` their SHA-256.
    """

    append_only = True

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    cycle = models.PositiveSmallIntegerField(_("closing cycle"), default=1)
    block = models.CharField(_("block"), max_length=20)
    facts = models.TextField(_("facts"))
    digest = models.CharField(_("digest"), max_length=64)
    is_bulk = models.BooleanField(_("bulk"), default=False)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        constraints = [models.CheckConstraint(condition=models.Q(cycle__gte=1), name="orders_review_cycle")]
        indexes = [models.Index(fields=["order", "block", "-id"], name="orders_review_newest")]

    def __str__(self) -> str:
        return f"{self.order} {self.block}"


class ClosingRecord(Signed):
    """
    结案单: the unchangeable proof of one closing or reopening.

    Those of an order alternate: the first, third … closed it, the second, fourth … reopened it.

    ``position`` is its gapless place in the chain. ``content`` is canonical JSON; ``digest`` is the
    SHA-256 over the previous record's digest and ``content``. ``at`` is the moment of the act and
    hashed with the content; ``recorded_at`` is the database's clock, beside it and not hashed.
    """

    append_only = True

    position = models.PositiveBigIntegerField(_("number"), unique=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    sequence = models.PositiveSmallIntegerField(_("sequence"), help_text=_("Odd: closed; even: reopened."))
    act = models.CharField(_("act"), max_length=10, choices=_ACTS, default=Act.CLOSE)
    reason = models.CharField(_("reason code"), max_length=12)
    content = models.TextField(_("content"))
    previous_digest = models.CharField(_("digest before"), max_length=64, blank=True)
    digest = models.CharField(_("digest"), max_length=64, unique=True)
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now())

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("closing record")
        verbose_name_plural = _("closing records")
        constraints = [
            models.UniqueConstraint(fields=["order", "sequence"], name="orders_closingrecord_sequence"),
            models.CheckConstraint(
                condition=models.Q(position__gte=1, sequence__gte=1), name="orders_closingrecord_from_one"
            ),
            models.CheckConstraint(
                condition=models.Q(lookups.Exact(models.F("sequence") % 2, 1), act=Act.CLOSE)
                | models.Q(lookups.Exact(models.F("sequence") % 2, 0), act=Act.REOPEN),
                name="orders_closingrecord_alternates",
            ),
        ]
        indexes = [models.Index(fields=["at"], name="orders_closingrecord_by_at")]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return f"CR-{self.position:06d}"

    @property
    def is_closing(self) -> bool:
        """By its sequence, which the act has to agree with."""
        return self.sequence % 2 == 1

    @property
    def cycle(self) -> int:
        """The cycle it closed or, reopening, ended."""
        return (self.sequence + 1) // 2

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.content)
        return data
