"""Warehouses, stock levels, moves, reservations, receipts, transfers and stock-takes."""

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
from orders.models import Line, Order, Product
from orders.models.master import currency_field, known_currency

if TYPE_CHECKING:
    from decimal import Decimal

    from erp.kernel.models import User


class WarehouseQuerySet(models.QuerySet["Warehouse"]):
    def visible_to(self, user: User) -> WarehouseQuerySet:
        if user.is_active and user.has_perm("inventory.all_warehouses"):
            return self
        return self.filter(pk__in=WarehouseScope.objects.filter(user=user).values("warehouse"))


class Warehouse(Recorded):
    """Where goods lie. Its currency is that of their value; orders ship from warehouses of their currency."""

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=100)
    currency = currency_field()
    is_defective = models.BooleanField(
        _("defective goods"), default=False, help_text=_("What lies here serves no order.")
    )
    is_active = models.BooleanField(_("active"), default=True)

    objects = WarehouseQuerySet.as_manager()

    class Meta:
        verbose_name = _("warehouse")
        verbose_name_plural = _("warehouses")
        permissions = [
            ("all_warehouses", _("Can see all warehouses")),
            ("receive_stock", _("Can receive stock")),
            ("transfer_stock", _("Can transfer stock")),
            ("count_stock", _("Can count stock")),
            ("view_cost", _("Can see cost and margin")),
        ]
        constraints = [known_currency("inventory_warehouse_currency")]

    def __str__(self) -> str:
        return self.name


class WarehouseScope(Recorded):
    """One warehouse one user may see. No row means none; all is the permission ``inventory.all_warehouses``."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user"))
    warehouse = models.ForeignKey(Warehouse, models.CASCADE, related_name="+", verbose_name=_("warehouse"))

    class Meta:
        verbose_name = _("warehouse of a user")
        verbose_name_plural = _("warehouses of users")
        constraints = [models.UniqueConstraint(fields=["user", "warehouse"], name="inventory_warehousescope_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.warehouse}"


class OfWarehouseQuerySet(models.QuerySet[Any]):
    """What lies or moves in a warehouse: visible with it."""

    def visible_to(self, user: User) -> OfWarehouseQuerySet:
        if user.is_active and user.has_perm("inventory.all_warehouses"):
            return self
        return self.filter(warehouse__in=Warehouse.objects.visible_to(user))


class StockLevel(models.Model):
    """
    What of one product lies in one warehouse: the sum of its moves and of its open reservations.

    ``value`` in the warehouse's currency, at its minor unit.
    """

    product = models.ForeignKey(Product, models.PROTECT, related_name="+", verbose_name=_("product"))
    warehouse = models.ForeignKey(Warehouse, models.PROTECT, related_name="+", verbose_name=_("warehouse"))
    on_hand = FixedPointField(_("on hand"), default=ZERO)
    reserved = FixedPointField(_("reserved"), default=ZERO)
    value = FixedPointField(_("value"), default=ZERO)

    objects = OfWarehouseQuerySet.as_manager()

    class Meta:
        verbose_name = _("stock level")
        verbose_name_plural = _("stock levels")
        constraints = [
            models.UniqueConstraint(fields=["product", "warehouse"], name="inventory_stocklevel_once"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, reserved__lte=F("on_hand")), name="inventory_stocklevel_reserved"
            ),
            models.CheckConstraint(
                condition=Q(value__gte=0) & (Q(on_hand__gt=0) | Q(on_hand=0, value=0)),
                name="inventory_stocklevel_value",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} @ {self.warehouse}"

    @property
    def available(self) -> Decimal:
        """可用量: on hand and not promised to an order."""
        return self.on_hand - self.reserved


class MoveKind(models.TextChoices):
    RECEIPT = "receipt", _("Receipt")
    ISSUE = "issue", _("Issue")
    GAIN = "gain", _("Stock-take gain")
    LOSS = "loss", _("Stock-take loss")
    MOVED_OUT = "moved_out", _("Transfer out")
    MOVED_IN = "moved_in", _("Transfer in")
    RETURN = "return", pgettext_lazy("document", "Return")


_INWARDS = [MoveKind.RECEIPT, MoveKind.GAIN, MoveKind.MOVED_IN, MoveKind.RETURN]
_OUTWARDS = [MoveKind.ISSUE, MoveKind.LOSS, MoveKind.MOVED_OUT]


class Move(Signed):
    """
    One document line's change of one stock level, with the balance after it.

    ``quantity`` and ``value`` are negative when stock leaves. Unit cost is shown, never computed with.
    """

    append_only = True

    product = models.ForeignKey(Product, models.PROTECT, related_name="+", verbose_name=_("product"))
    warehouse = models.ForeignKey(Warehouse, models.PROTECT, related_name="+", verbose_name=_("warehouse"))
    kind = models.CharField(_("kind"), max_length=10, choices=MoveKind)
    quantity = FixedPointField(_("quantity"))
    value = FixedPointField(_("value"))
    on_hand_after = FixedPointField(_("on hand after"))
    value_after = FixedPointField(_("value after"))
    line = models.ForeignKey(
        Line, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("order line")
    )
    source_type = models.CharField(_("source type"), max_length=40)
    source_id = models.CharField(_("source id"), max_length=40)
    source = models.CharField(_("source"), max_length=40)

    objects = OfWarehouseQuerySet.as_manager()

    class Meta:
        verbose_name = _("stock move")
        verbose_name_plural = _("stock moves")
        constraints = [
            models.UniqueConstraint(fields=["source_type", "source_id"], name="inventory_move_once_per_line"),
            models.CheckConstraint(
                condition=Q(kind__in=_INWARDS, quantity__gt=0, value__gte=0)
                | Q(kind__in=_OUTWARDS, quantity__lt=0, value__lte=0),
                name="inventory_move_direction",
            ),
            models.CheckConstraint(
                condition=Q(on_hand_after__gte=0, value_after__gte=0), name="inventory_move_balance"
            ),
        ]
        indexes = [models.Index(fields=["at"], name="inventory_move_by_at")]

    def __str__(self) -> str:
        return f"{self.source} {plain(self.quantity)}"


class ReservationKind(models.TextChoices):
    RESERVE = "reserve", _("Reserve")
    CONSUME = "consume", _("Consume by dispatch")
    RELEASE = "release", _("Release")


class Reservation(Signed):
    """
    占用: one change of what is promised to an order line from one stock level.

    Append-only deltas, positive when reserved, negative when consumed or released: what is open is
    their sum, and who changed it stands on the row.
    """

    append_only = True
    triggers = (
        RefuseInsert(
            "serves_no_order",
            "NEW.kind = 'reserve' AND EXISTS "
            "(SELECT 1 FROM inventory_warehouse WHERE id = NEW.warehouse_id AND is_defective)",
        ),
    )

    line = models.ForeignKey(Line, models.PROTECT, related_name="+", verbose_name=_("order line"))
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    warehouse = models.ForeignKey(Warehouse, models.PROTECT, related_name="+", verbose_name=_("warehouse"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="+", verbose_name=_("product"))
    kind = models.CharField(_("kind"), max_length=10, choices=ReservationKind)
    quantity = FixedPointField(_("quantity"))

    objects = OfWarehouseQuerySet.as_manager()

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=ReservationKind.RESERVE, quantity__gt=0)
                | (~Q(kind=ReservationKind.RESERVE) & Q(quantity__lt=0)),
                name="inventory_reservation_direction",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line_id} {plain(self.quantity)}"


class Receipt(Signed):
    """Goods received into a warehouse, born done. Corrected by other documents only."""

    append_only = True

    number = models.CharField(_("receipt number"), max_length=20, unique=True)
    warehouse = models.ForeignKey(Warehouse, models.PROTECT, related_name="+", verbose_name=_("warehouse"))
    reference = models.CharField(_("supplier's reference"), max_length=64, blank=True)

    objects = OfWarehouseQuerySet.as_manager()

    class Meta:
        verbose_name = _("stock receipt")
        verbose_name_plural = _("stock receipts")
        # The same delivery booked twice is the commonest mistake at the gate.
        constraints = [
            models.UniqueConstraint(
                fields=["warehouse", "reference"], condition=~Q(reference=""), name="inventory_receipt_reference"
            )
        ]

    def __str__(self) -> str:
        return self.number


class ReceiptLine(models.Model):
    """``value`` = round(unit cost × quantity) in the warehouse's currency."""

    append_only = True

    receipt = models.ForeignKey(Receipt, models.PROTECT, related_name="lines", verbose_name=_("stock receipt"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="+", verbose_name=_("product"))
    quantity = FixedPointField(_("quantity"))
    unit_cost = FixedPointField(_("unit cost"))
    value = FixedPointField(_("value"))

    class Meta:
        verbose_name = _("receipt line")
        verbose_name_plural = _("receipt lines")
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, unit_cost__gte=0, value__gte=0), name="inventory_receiptline_amounts"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} {plain(self.quantity)}"


class TransferQuerySet(models.QuerySet[Any]):
    """A transfer is of both its warehouses: whoever sees one of them sees it."""

    def visible_to(self, user: User) -> TransferQuerySet:
        if user.is_active and user.has_perm("inventory.all_warehouses"):
            return self
        seen = Warehouse.objects.visible_to(user)
        return self.filter(Q(origin__in=seen) | Q(destination__in=seen))


class Transfer(Signed):
    """调拨单: goods moved from one warehouse to another of the same currency, born done."""

    append_only = True

    number = models.CharField(_("transfer number"), max_length=20, unique=True)
    origin = models.ForeignKey(Warehouse, models.PROTECT, related_name="+", verbose_name=_("from warehouse"))
    destination = models.ForeignKey(Warehouse, models.PROTECT, related_name="+", verbose_name=_("to warehouse"))
    reference = models.CharField(_("transfer slip"), max_length=64, blank=True)

    objects = TransferQuerySet.as_manager()

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        constraints = [
            models.UniqueConstraint(
                fields=["origin", "reference"], condition=~Q(reference=""), name="inventory_transfer_reference"
            ),
            models.CheckConstraint(condition=~Q(origin=F("destination")), name="inventory_transfer_elsewhere"),
        ]

    def __str__(self) -> str:
        return self.number


class TransferLine(models.Model):
    """``value`` = round(value × quantity ÷ on hand) of the origin, in the currency of both warehouses."""

    append_only = True

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="lines", verbose_name=_("transfer"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="+", verbose_name=_("product"))
    quantity = FixedPointField(_("quantity"))
    value = FixedPointField(_("value"))

    class Meta:
        verbose_name = _("transfer line")
        verbose_name_plural = _("transfer lines")
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0, value__gte=0), name="inventory_transferline_amounts")
        ]

    def __str__(self) -> str:
        return f"{self.product} {plain(self.quantity)}"


class StockTakeStatus(models.TextChoices):
    COUNTED = "counted", pgettext_lazy("stock-take", "Counted")
    APPROVED = "approved", pgettext_lazy("stock-take", "Approved")
    REJECTED = "rejected", pgettext_lazy("stock-take", "Rejected")


class StockTake(Recorded, FSMModel):
    """
    盘点: what was found in a warehouse, of the products named. Stock changes once another person approves it.

    Its lines keep what the books said at that moment; the difference to it is what is booked, whatever
    was received or dispatched before the approval.
    """

    number = models.CharField(_("stock-take number"), max_length=20, unique=True)
    warehouse = models.ForeignKey(Warehouse, models.PROTECT, related_name="+", verbose_name=_("warehouse"))
    reference = models.CharField(_("count sheet"), max_length=64, blank=True)
    status = StatusField(
        _("status"), choices=StockTakeStatus, default=StockTakeStatus.COUNTED, protected=True, max_length=12
    )
    counted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("counted by")
    )
    counted_at = models.DateTimeField(_("counted"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("approved or rejected by"),
    )
    decided_at = models.DateTimeField(_("approved or rejected"), null=True, blank=True)

    objects = OfWarehouseQuerySet.as_manager()

    class Meta:
        verbose_name = _("stock-take")
        verbose_name_plural = _("stock-takes")
        permissions = [("approve_stocktake", _("Can approve or reject a stock-take"))]
        constraints = [
            models.UniqueConstraint(
                fields=["warehouse", "reference"], condition=~Q(reference=""), name="inventory_stocktake_reference"
            ),
            models.CheckConstraint(condition=Q(status__in=StockTakeStatus.values), name="inventory_stocktake_status"),
            models.CheckConstraint(
                condition=Q(status=StockTakeStatus.COUNTED, decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(status=StockTakeStatus.COUNTED) & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="inventory_stocktake_decided_by",
            ),
            models.CheckConstraint(
                condition=~Q(status=StockTakeStatus.APPROVED) | ~Q(decided_by=F("counted_by")),
                name="inventory_stocktake_two_persons",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(
        field=status,
        source=StockTakeStatus.COUNTED,
        target=StockTakeStatus.APPROVED,
        permission="inventory.approve_stocktake",
        custom={"label": _("Approve")},
    )
    def approve(self, decision: Decision) -> None:
        """The differences are booked."""
        self.decided_by, self.decided_at = decision.by, decision.at

    @transition(
        field=status,
        source=StockTakeStatus.COUNTED,
        target=StockTakeStatus.REJECTED,
        permission="inventory.approve_stocktake",
        custom={"label": _("Reject")},
    )
    def reject(self, decision: Decision) -> None:
        """Nothing is booked: it has to be counted again."""
        self.decided_by, self.decided_at = decision.by, decision.at


class StockTakeLine(models.Model):
    """
    One product as found, and as it stood in the books in the same moment.

    ``unit_cost`` in the warehouse's currency is used only for a gain where nothing is on hand.
    """

    append_only = True

    take = models.ForeignKey(StockTake, models.PROTECT, related_name="lines", verbose_name=_("stock-take"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="+", verbose_name=_("product"))
    counted = FixedPointField(_("counted quantity"))
    on_hand = FixedPointField(_("in the books"))
    unit_cost = FixedPointField(_("unit cost"), null=True, blank=True)  # type: ignore[misc]

    class Meta:
        verbose_name = _("stock-take line")
        verbose_name_plural = _("stock-take lines")
        constraints = [
            models.UniqueConstraint(fields=["take", "product"], name="inventory_stocktakeline_once"),
            models.CheckConstraint(
                condition=Q(counted__gte=0, on_hand__gte=0) & (Q(unit_cost__isnull=True) | Q(unit_cost__gte=0)),
                name="inventory_stocktakeline_amounts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} {plain(self.counted)}"

    @property
    def difference(self) -> Decimal:
        """Positive: more was found than the books say (盘盈); negative: less (盘亏)."""
        return self.counted - self.on_hand


__all__ = [
    "Move",
    "MoveKind",
    "Receipt",
    "ReceiptLine",
    "Reservation",
    "ReservationKind",
    "StockLevel",
    "StockTake",
    "StockTakeLine",
    "StockTakeStatus",
    "Transfer",
    "TransferLine",
    "Warehouse",
    "WarehouseScope",
]
