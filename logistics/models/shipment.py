"""Carriers, shipments with their lines, and tracking events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import FSMModel, StatusField, transition
from erp.kernel.history import Recorded, Signed
from erp.kernel.money import ZERO, plain
from inventory.models import Warehouse
from orders.models import Line, Order, ShippingMethod, Shop

if TYPE_CHECKING:
    from erp.kernel.models import User


class Carrier(Recorded):
    """Who transports goods."""

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=60)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("carrier")
        verbose_name_plural = _("carriers")

    def __str__(self) -> str:
        return self.name


class ShipmentStatus(models.TextChoices):
    DRAFT = "draft", pgettext_lazy("shipment", "Draft")
    PACKED = "packed", pgettext_lazy("shipment", "Packed")
    DISPATCHED = "dispatched", pgettext_lazy("shipment", "Dispatched")
    DELIVERED = "delivered", pgettext_lazy("shipment", "Delivered")
    REFUSED = "refused", pgettext_lazy("shipment", "Refused")
    LOST = "lost", pgettext_lazy("shipment", "Lost")
    CANCELLED = "cancelled", pgettext_lazy("shipment", "Cancelled")


# It left and never reached the customer: what it carried comes back by a return.
UNDELIVERED = frozenset({ShipmentStatus.REFUSED, ShipmentStatus.LOST})
# Its goods have left the house.
OUT = frozenset({ShipmentStatus.DISPATCHED, ShipmentStatus.DELIVERED}) | UNDELIVERED
# Its goods are promised to it and still in the house.
IN_HOUSE = frozenset({ShipmentStatus.DRAFT, ShipmentStatus.PACKED})


class ShipmentQuerySet(models.QuerySet["Shipment"]):
    def visible_to(self, user: User) -> ShipmentQuerySet:
        """In the user's shops and warehouses; services leave no warehouse."""
        visible = self
        if not (user.is_active and user.has_perm("orders.all_shops")):
            visible = visible.filter(order__shop__in=Shop.objects.visible_to(user))
        if not (user.is_active and user.has_perm("inventory.all_warehouses")):
            own = Warehouse.objects.visible_to(user)
            visible = visible.filter(Q(warehouse__isnull=True) | Q(warehouse__in=own))
        return visible


class Shipment(Recorded, FSMModel):
    """发货单: goods of one order leaving one warehouse together. Services alone leave none, by no method."""

    number = models.CharField(_("shipment number"), max_length=20, unique=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    warehouse = models.ForeignKey(
        Warehouse, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("warehouse")
    )
    method = models.ForeignKey(
        ShippingMethod, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("shipping method")
    )
    carrier = models.ForeignKey(
        Carrier, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("carrier")
    )
    tracking_number = models.CharField(_("tracking number"), max_length=64, blank=True)
    status = StatusField(
        _("status"), choices=ShipmentStatus, default=ShipmentStatus.DRAFT, protected=True, max_length=12
    )
    packed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("packed by")
    )
    packed_at = models.DateTimeField(_("packed"), null=True, blank=True)
    dispatched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("dispatched by"),
    )
    dispatched_at = models.DateTimeField(_("dispatched"), null=True, blank=True)
    delivered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("delivery noted by"),
    )
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    undelivered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("refusal or loss noted by"),
    )
    undelivered_at = models.DateTimeField(_("refused or lost"), null=True, blank=True)

    objects = ShipmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        permissions = [
            ("pack_shipment", _("Can draft, pack and cancel shipments")),
            ("dispatch_shipment", _("Can dispatch shipments")),
            ("deliver_shipment", _("Can note tracking, delivery, refusal and loss")),
            ("review_logistics", _("Can review logistics information")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=ShipmentStatus.values), name="logistics_shipment_status"),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(OUT)) | Q(dispatched_at__isnull=False, dispatched_by__isnull=False),
                name="logistics_shipment_dispatched_by",
            ),
            models.CheckConstraint(
                condition=~Q(status=ShipmentStatus.DELIVERED) | Q(delivered_at__isnull=False),
                name="logistics_shipment_delivered_at",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(UNDELIVERED), undelivered_at__isnull=False, undelivered_by__isnull=False)
                | (~Q(status__in=sorted(UNDELIVERED)) & Q(undelivered_at=None, undelivered_by=None)),
                name="logistics_shipment_undelivered",
            ),
        ]
        indexes = [models.Index(fields=["tracking_number"], name="logistics_shipment_tracking")]

    def __str__(self) -> str:
        return self.number

    @transition(
        field=status,
        source=ShipmentStatus.DRAFT,
        target=ShipmentStatus.PACKED,
        permission="logistics.pack_shipment",
        custom={"label": _("Pack")},
    )
    def pack(self, decision: Decision) -> None:
        self.packed_by, self.packed_at = decision.by, decision.at

    @transition(
        field=status,
        source=ShipmentStatus.PACKED,
        target=ShipmentStatus.DISPATCHED,
        permission="logistics.dispatch_shipment",
        custom={"label": _("Dispatch")},
    )
    def dispatch(self, decision: Decision) -> None:
        """The goods leave the house."""
        self.dispatched_by, self.dispatched_at = decision.by, decision.at

    @transition(
        field=status,
        source=ShipmentStatus.DISPATCHED,
        target=ShipmentStatus.DELIVERED,
        permission="logistics.deliver_shipment",
        custom={"label": _("Deliver")},
    )
    def deliver(self, decision: Decision) -> None:
        """The customer has it."""
        self.delivered_by, self.delivered_at = decision.by, decision.at

    @transition(
        field=status,
        source=ShipmentStatus.DISPATCHED,
        target=ShipmentStatus.REFUSED,
        permission="logistics.deliver_shipment",
        custom={"label": _("Note as refused")},
    )
    def refuse(self, decision: Decision) -> None:
        """The customer did not take it, or the carrier sends it back."""
        self.undelivered_by, self.undelivered_at = decision.by, decision.at

    @transition(
        field=status,
        source=ShipmentStatus.DISPATCHED,
        target=ShipmentStatus.LOST,
        permission="logistics.deliver_shipment",
        custom={"label": _("Note as lost")},
    )
    def lose(self, decision: Decision) -> None:
        """The carrier does not have it any more."""
        self.undelivered_by, self.undelivered_at = decision.by, decision.at

    @transition(
        field=status,
        source=[ShipmentStatus.DRAFT, ShipmentStatus.PACKED],
        target=ShipmentStatus.CANCELLED,
        permission="logistics.pack_shipment",
        custom={"label": _("Cancel shipment")},
    )
    def cancel(self, decision: Decision) -> None:
        """Nothing left the house; the goods stay reserved for the order."""


class ShipmentLine(models.Model):
    """
    How much of an order line a shipment carries; signed and recorded with its shipment.

    ``amount``, ``tax`` (order's currency) and ``cost`` (warehouse's, the same) are what dispatching
    recognised; empty until then.
    """

    shipment = models.ForeignKey(Shipment, models.PROTECT, related_name="lines", verbose_name=_("shipment"))
    line = models.ForeignKey(Line, models.PROTECT, related_name="+", verbose_name=_("order line"))
    quantity = FixedPointField(_("quantity"))
    amount = FixedPointField(_("amount"), default=ZERO)
    tax = FixedPointField(_("tax included"), default=ZERO)
    cost = FixedPointField(_("cost"), default=ZERO)

    class Meta:
        verbose_name = _("shipment line")
        verbose_name_plural = _("shipment lines")
        constraints = [
            models.UniqueConstraint(fields=["shipment", "line"], name="logistics_shipmentline_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="logistics_shipmentline_quantity"),
            models.CheckConstraint(
                condition=Q(amount__gte=0, tax__gte=0, tax__lte=F("amount"), cost__gte=0),
                name="logistics_shipmentline_amounts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} × {plain(self.quantity)}"


class TrackingKind(models.TextChoices):
    COLLECTED = "collected", _("Collected")
    IN_TRANSIT = "in_transit", _("In transit")
    OUT_FOR_DELIVERY = "out_for_delivery", _("Out for delivery")
    SIGNED = "signed", _("Signed")
    PROBLEM = "problem", _("Problem")
    RETURNED = "returned", pgettext_lazy("tracking", "Returning")
    REFUSED = "refused_by_recipient", pgettext_lazy("tracking", "Refused")


class OfShipmentQuerySet(models.QuerySet["TrackingEvent"]):
    def visible_to(self, user: User) -> OfShipmentQuerySet:
        return self.filter(shipment__in=Shipment.objects.visible_to(user))


class TrackingEvent(Signed):
    """What the carrier reported; ``happened_at`` by the carrier's clock."""

    append_only = True

    shipment = models.ForeignKey(Shipment, models.PROTECT, related_name="+", verbose_name=_("shipment"))
    kind = models.CharField(_("event"), max_length=20, choices=TrackingKind)
    happened_at = models.DateTimeField(_("happened"))
    place = models.CharField(_("place"), max_length=100, blank=True)
    text = models.CharField(_("carrier's text"), max_length=200, blank=True)

    objects = OfShipmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("tracking event")
        verbose_name_plural = _("tracking events")
        constraints = [
            # The carrier's report read twice is one event.
            models.UniqueConstraint(
                fields=["shipment", "kind", "happened_at", "place", "text"], name="logistics_tracking_once"
            ),
            models.CheckConstraint(condition=Q(kind__in=TrackingKind.values), name="logistics_tracking_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.place}".strip()
