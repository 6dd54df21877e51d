"""Returns 退货单: requested, approved, received and inspected line by line, or rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from erp.kernel.triggers import RefuseInsert
from inventory.models import Warehouse
from logistics.models.shipment import Shipment, ShipmentLine
from orders.models import Order
from orders.models.closing import OfOrderQuerySet
from orders.models.reason import Party

if TYPE_CHECKING:
    from erp.kernel.models import User


class ReturnStatus(models.TextChoices):
    REQUESTED = "requested", pgettext_lazy("return", "Requested")
    APPROVED = "approved", pgettext_lazy("return", "Approved")
    RECEIVED = "received", pgettext_lazy("return", "Received")
    REJECTED = "rejected", pgettext_lazy("return", "Rejected")


def _person(label: Any, **kwargs: Any) -> Any:
    return models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=label, **kwargs)


def _signed(act: str) -> Q:
    return Q(**{f"{act}_by__isnull": False, f"{act}_at__isnull": False})


def _not_signed(act: str) -> Q:
    return Q(**{f"{act}_by": None, f"{act}_at": None})


_APPROVED, _RECEIVED, _REJECTED = _signed("approved"), _signed("received"), _signed("rejected")
_NOT_APPROVED, _NOT_RECEIVED, _NOT_REJECTED = (_not_signed(act) for act in ("approved", "received", "rejected"))


class Return(Recorded, FSMModel):
    """
    Goods of one order that come back, or were lost on their way.

    ``shipment`` is the refused or lost one that raised it by itself.
    """

    number = models.CharField(_("return number"), max_length=20, unique=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    shipment = models.ForeignKey(
        Shipment, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("refused or lost shipment")
    )
    calls_back = models.BooleanField(
        _("called back"), default=False, help_text=_("Raised by the request to cancel an order under way.")
    )
    reason = models.CharField(_("reason code"), max_length=12)
    party = models.CharField(_("party"), max_length=10, choices=Party)
    status = StatusField(
        _("status"), choices=ReturnStatus, default=ReturnStatus.REQUESTED, protected=True, max_length=12
    )
    requested_by = _person(_("requested by"))
    requested_at = models.DateTimeField(_("requested"))
    approved_by = _person(_("approved by"), null=True, blank=True)
    approved_at = models.DateTimeField(pgettext_lazy("moment", "approved"), null=True, blank=True)
    received_by = _person(_("received by"), null=True, blank=True)
    received_at = models.DateTimeField(pgettext_lazy("moment", "received"), null=True, blank=True)
    rejected_by = _person(_("rejected by"), null=True, blank=True)
    rejected_at = models.DateTimeField(pgettext_lazy("moment", "rejected"), null=True, blank=True)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = pgettext_lazy("document", "return")
        verbose_name_plural = pgettext_lazy("document", "returns")
        permissions = [
            ("request_return", _("Can request a return")),
            ("approve_return", _("Can approve or reject a return")),
            ("receive_return", _("Can receive and inspect a return")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment"], condition=Q(shipment__isnull=False), name="logistics_return_shipment"
            ),
            models.CheckConstraint(condition=Q(status__in=ReturnStatus.values), name="logistics_return_status"),
            models.CheckConstraint(condition=Q(party__in=Party.values), name="logistics_return_party"),
            models.CheckConstraint(
                condition=(Q(status=ReturnStatus.REQUESTED) & _NOT_APPROVED & _NOT_RECEIVED & _NOT_REJECTED)
                | (Q(status=ReturnStatus.APPROVED) & _APPROVED & _NOT_RECEIVED & _NOT_REJECTED)
                | (Q(status=ReturnStatus.RECEIVED) & _APPROVED & _RECEIVED & _NOT_REJECTED)
                | (Q(status=ReturnStatus.REJECTED) & (_APPROVED | _NOT_APPROVED) & _NOT_RECEIVED & _REJECTED),
                name="logistics_return_signed",
            ),
            models.CheckConstraint(
                condition=~Q(status=ReturnStatus.REJECTED) | Q(shipment__isnull=True),
                name="logistics_return_of_shipment_is_received",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(
        field=status,
        source=ReturnStatus.REQUESTED,
        target=ReturnStatus.APPROVED,
        permission="logistics.approve_return",
        custom={"label": _("Approve")},
    )
    def approve(self, decision: Decision) -> None:
        """The goods may come."""
        self.approved_by, self.approved_at = decision.by, decision.at

    @transition(
        field=status,
        source=ReturnStatus.APPROVED,
        target=ReturnStatus.RECEIVED,
        permission="logistics.receive_return",
        custom={"label": _("Receive")},
    )
    def receive(self, decision: Decision) -> None:
        """They are here and inspected, or known to be lost."""
        self.received_by, self.received_at = decision.by, decision.at

    @transition(
        field=status,
        source=[ReturnStatus.REQUESTED, ReturnStatus.APPROVED],
        target=ReturnStatus.REJECTED,
        permission="logistics.approve_return",
        custom={"label": _("Reject")},
    )
    def reject(self, decision: Decision) -> None:
        """They are not taken back, or never came."""
        self.rejected_by, self.rejected_at = decision.by, decision.at

    @property
    def is_open(self) -> bool:
        return self.status in (ReturnStatus.REQUESTED, ReturnStatus.APPROVED)


class ReturnLine(models.Model):
    """
    How much of what one shipment carried of a line comes back; signed and recorded with its return.

    Once received, in the order's currency: ``share``, what of the shipment line's amount these goods are worth,
    and ``credit``, what of it was agreed to be credited.
    """

    triggers = (
        RefuseInsert(
            "of_the_orders_shipments",
            "NOT EXISTS (SELECT 1 FROM logistics_shipmentline l JOIN logistics_shipment s ON s.id = l.shipment_id "
            "JOIN logistics_return r ON r.order_id = s.order_id WHERE l.id = NEW.shipment_line_id "
            "AND r.id = NEW.goods_return_id AND s.dispatched_at IS NOT NULL)",
        ),
        RefuseInsert(
            "within_shipped",
            "(SELECT quantity FROM logistics_shipmentline WHERE id = NEW.shipment_line_id) < NEW.quantity + "
            "(SELECT COALESCE(SUM(l.quantity), 0) FROM logistics_returnline l JOIN logistics_return r "
            "ON r.id = l.goods_return_id WHERE l.shipment_line_id = NEW.shipment_line_id AND r.status <> 'rejected')",
        ),
    )

    goods_return = models.ForeignKey(
        Return, models.PROTECT, related_name="lines", verbose_name=pgettext_lazy("document", "return")
    )
    shipment_line = models.ForeignKey(ShipmentLine, models.PROTECT, related_name="+", verbose_name=_("shipment line"))
    quantity = FixedPointField(_("quantity"))
    share = FixedPointField(_("share of the amount"), null=True, blank=True)  # type: ignore[misc]
    credit = FixedPointField(_("agreed credit"), null=True, blank=True)  # type: ignore[misc]

    class Meta:
        verbose_name = _("return line")
        verbose_name_plural = _("return lines")
        constraints = [
            models.UniqueConstraint(fields=["goods_return", "shipment_line"], name="logistics_returnline_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="logistics_returnline_quantity"),
            models.CheckConstraint(
                condition=Q(share=None, credit=None)
                | Q(share__isnull=False, credit__isnull=False, credit__gte=0, credit__lte=F("share")),
                name="logistics_returnline_credit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shipment_line} × {plain(self.quantity)}"


class Disposition(models.TextChoices):
    """What becomes of goods that came back."""

    RESTOCKED = "restocked", _("Restocked")
    DEFECTIVE = "defective", _("Into a defective warehouse")
    SCRAPPED = "scrapped", _("Scrapped")
    LOST = "lost", pgettext_lazy("goods", "Lost")


# They enter stock again.
STOCKED = frozenset({Disposition.RESTOCKED, Disposition.DEFECTIVE})


class OfReturnQuerySet(models.QuerySet["Inspection"]):
    def visible_to(self, user: User) -> OfReturnQuerySet:
        return self.filter(line__goods_return__in=Return.objects.visible_to(user))


class Inspection(Signed):
    """
    What was found of a return line: how much of it goes where. Together as much as the line.

    ``cost``, in the order's currency, is its part of what the goods cost when they were dispatched.
    """

    append_only = True
    triggers = (
        RefuseInsert(
            "within_the_line",
            "(SELECT quantity FROM logistics_returnline WHERE id = NEW.line_id) < NEW.quantity + "
            "(SELECT COALESCE(SUM(quantity), 0) FROM logistics_inspection WHERE line_id = NEW.line_id)",
        ),
        RefuseInsert(
            "of_a_received_return",
            "NOT EXISTS (SELECT 1 FROM logistics_returnline l JOIN logistics_return r ON r.id = l.goods_return_id "
            "WHERE l.id = NEW.line_id AND r.status = 'received')",
        ),
        RefuseInsert(
            "in_a_fitting_warehouse",
            "EXISTS (SELECT 1 FROM inventory_warehouse WHERE id = NEW.warehouse_id "
            "AND is_defective <> (NEW.disposition = 'defective'))",
        ),
    )

    line = models.ForeignKey(ReturnLine, models.PROTECT, related_name="inspections", verbose_name=_("return line"))
    disposition = models.CharField(_("disposition"), max_length=10, choices=Disposition)
    warehouse = models.ForeignKey(
        Warehouse, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("warehouse")
    )
    quantity = FixedPointField(_("quantity"))
    cost = FixedPointField(_("cost"), default=ZERO)

    objects = OfReturnQuerySet.as_manager()

    class Meta:
        verbose_name = _("inspection")
        verbose_name_plural = _("inspections")
        constraints = [
            models.UniqueConstraint(fields=["line", "disposition"], name="logistics_inspection_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0, cost__gte=0), name="logistics_inspection_amounts"),
            models.CheckConstraint(
                condition=Q(disposition__in=sorted(STOCKED), warehouse__isnull=False)
                | Q(disposition__in=[Disposition.SCRAPPED, Disposition.LOST], warehouse__isnull=True),
                name="logistics_inspection_warehouse",
            ),
        ]
        indexes = [models.Index(fields=["at"], name="logistics_inspection_by_at")]

    def __str__(self) -> str:
        return f"{self.get_disposition_display()} {plain(self.quantity)}"
