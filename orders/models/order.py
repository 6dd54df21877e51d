"""The order and its lines: rules that need the order alone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import FSMModel, StatusField, transition
from erp.kernel.history import Recorded
from erp.kernel.money import ZERO, Money, Quantity
from erp.kernel.texts import Term
from orders.models.master import (
    Customer,
    Product,
    ProductKind,
    ShippingMethod,
    Shop,
    Terms,
    Unit,
    currency_field,
    known_currency,
)
from orders.models.reason import Party

if TYPE_CHECKING:
    from erp.kernel.models import User


class Status(models.TextChoices):
    NEW = "new", pgettext_lazy("order", "New")
    PROCESSING = "processing", pgettext_lazy("order", "Processing")
    SHIPPED = "shipped", pgettext_lazy("order", "Shipped")
    COMPLETED = "completed", pgettext_lazy("order", "Completed")
    CLOSED = "closed", pgettext_lazy("order", "Closed")
    CANCELLED = "cancelled", pgettext_lazy("order", "Cancelled")


OPEN = (Status.NEW, Status.PROCESSING, Status.SHIPPED, Status.COMPLETED)
FINAL = frozenset({Status.CLOSED, Status.CANCELLED})


class ShippingStatus(models.TextChoices):
    NOT_SHIPPED = "not_shipped", _("Not shipped")
    PARTLY_SHIPPED = "partly_shipped", _("Partially shipped")
    ALL_SHIPPED = "all_shipped", _("All shipped")


class PaymentStatus(models.TextChoices):
    NOT_DUE = "not_due", _("No payment due")
    UNPAID = "unpaid", _("Unpaid")
    PARTLY_PAID = "partly_paid", _("Partially paid")
    PARTLY_REFUNDED = "partly_refunded", _("Partially refunded")
    REFUNDED = "refunded", _("Refunded")
    PAID = "paid", _("Paid")
    OVERPAID = "overpaid", _("Overpaid")


class OrderQuerySet(models.QuerySet["Order"]):
    def visible_to(self, user: User) -> OrderQuerySet:
        """Orders of the shops in the user's scope."""
        if user.is_active and user.has_perm("orders.all_shops"):
            return self
        return self.filter(shop__in=Shop.objects.visible_to(user))


class Order(Recorded, FSMModel):
    """
    A customer's order. Amounts are in ``currency``, tax included; see ``services.placing`` for rounding.

    ``status`` is moved by ``services.lifecycle`` only. Shipping and payment are separate axes, derived
    from documents and written, like every progress column, by ``services.progress`` only.
    """

    history_excludes = (
        "shipping_status",
        "payment_status",
        "payable",
        "received",
        "refunded",
        "written_off",
        "due_date",
        "touched_at",
    )

    number = models.CharField(_("order number"), max_length=20, unique=True)
    shop = models.ForeignKey(Shop, models.PROTECT, related_name="+", verbose_name=_("shop"))
    external_number = models.CharField(_("external number"), max_length=64, null=True, blank=True)
    # What was sent to place the order: the same again is the same order, something else is refused.
    placed_digest = models.CharField(max_length=64, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+", verbose_name=_("customer"))
    customer_name = models.CharField(_("customer name"), max_length=100)
    customer_phone = models.CharField(_("phone"), max_length=40, blank=True)
    customer_email = models.CharField(_("e-mail"), max_length=254, blank=True)
    shipping_address = models.JSONField(_("shipping address"), default=dict, blank=True)
    shipping_method = models.ForeignKey(
        ShippingMethod, models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("shipping method")
    )
    copied_from = models.ForeignKey(
        "self", models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("copied from")
    )
    copy_reason = models.CharField(_("reason of the copy"), max_length=12, blank=True)
    currency = currency_field()
    terms = models.CharField(_("payment terms"), max_length=12, choices=Terms)
    credit_days = models.PositiveSmallIntegerField(_("credit days"), default=0)
    note = models.CharField(_("buyer's note"), max_length=500, blank=True)
    internal_note = models.CharField(_("internal note"), max_length=500, blank=True)
    placed_at = models.DateTimeField(_("placed"))

    goods_total = FixedPointField(_("goods"), help_text=_("After line discounts, before the order discount."))
    discount = FixedPointField(_("order discount"), default=ZERO)
    shipping_fee = FixedPointField(_("shipping fee"), default=ZERO)
    tax = FixedPointField(_("tax included"))
    total = FixedPointField(_("total"))

    status = StatusField(_("status"), choices=Status, default=Status.NEW, protected=True, max_length=12)
    version = models.PositiveIntegerField(_("version"), default=1)
    # By the clock of whoever wrote it last: closing is not dated before what it rests on.
    touched_at = models.DateTimeField(_("last written"), null=True, editable=False)
    cycle = models.PositiveSmallIntegerField(_("closing cycle"), default=1, editable=False)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("closed by")
    )
    # Stays when the order is closed again.
    reopened_at = models.DateTimeField(_("last reopened"), null=True, blank=True, editable=False)

    # 取消: who wanted it and why; while goods are under way it is a request, carried out once they are back.
    cancel_requested_at = models.DateTimeField(_("cancellation requested"), null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("cancellation requested by"),
    )
    cancel_reason = models.CharField(_("reason of the cancellation"), max_length=12, blank=True)
    cancel_note = models.TextField(_("note of the cancellation"), blank=True)
    cancel_party = models.CharField(_("party of the cancellation"), max_length=10, choices=Party, blank=True)
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("cancelled by"),
    )

    # 挂起: beside the status, which stays what it is.
    held_at = models.DateTimeField(_("on hold since"), null=True, blank=True)
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("held by")
    )
    held_reason = models.CharField(_("reason of the hold"), max_length=12, blank=True)
    held_note = models.TextField(_("note of the hold"), blank=True)
    held_party = models.CharField(_("party of the hold"), max_length=10, choices=Party, blank=True)
    held_released = models.BooleanField(
        _("reservation released"), default=False, help_text=_("Receipts serve the order again once it is resumed.")
    )

    shipping_status = models.CharField(
        _("shipping status"), max_length=16, choices=ShippingStatus, default=ShippingStatus.NOT_SHIPPED
    )
    payment_status = models.CharField(
        _("payment status"), max_length=16, choices=PaymentStatus, default=PaymentStatus.UNPAID
    )
    payable = FixedPointField(
        _("payable"), help_text=_("Total less what was closed short, credited for returns, and allowed.")
    )
    received = FixedPointField(pgettext_lazy("amount", "received"), default=ZERO, help_text=_("Confirmed payments."))
    refunded = FixedPointField(pgettext_lazy("amount", "refunded"), default=ZERO, help_text=_("Paid refunds."))
    written_off = FixedPointField(
        pgettext_lazy("amount", "written off"),
        default=ZERO,
        help_text=_("Bad debt and tails short, less money kept and tails over."),
    )
    due_date = models.DateField(_("due"), null=True, blank=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = [
            ("process_order", _("Can process an order")),
            ("complete_order", _("Can complete an order")),
            ("close_order", _("Can close an order")),
            ("reopen_order", _("Can reopen a closed order")),
            ("review_order", _("Can review order information")),
            ("hold_order", _("Can put an order on hold and resume it")),
            ("cancel_order", _("Can cancel an order")),
            ("close_line", _("Can close lines of an order short")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["shop", "external_number"], name="orders_order_external_number"),
            models.CheckConstraint(condition=models.Q(status__in=Status.values), name="orders_order_status"),
            models.CheckConstraint(
                condition=models.Q(status=Status.CLOSED, closed_at__isnull=False, closed_by__isnull=False)
                | (~models.Q(status=Status.CLOSED) & models.Q(closed_at__isnull=True, closed_by__isnull=True)),
                name="orders_order_closed_has_closer",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status=Status.CANCELLED,
                    cancelled_at__isnull=False,
                    cancelled_by__isnull=False,
                    cancel_requested_at__isnull=False,
                )
                | (
                    ~models.Q(status=Status.CANCELLED) & models.Q(cancelled_at__isnull=True, cancelled_by__isnull=True)
                ),
                name="orders_order_cancelled_has_canceller",
            ),
            models.CheckConstraint(
                condition=(
                    models.Q(cancel_requested_at__isnull=False, cancel_requested_by__isnull=False)
                    & models.Q(cancel_party__in=Party.values)
                    & models.Q(status__in=[Status.PROCESSING, Status.SHIPPED, Status.CANCELLED])
                    & ~models.Q(cancel_reason="")
                )
                | models.Q(
                    cancel_requested_at__isnull=True,
                    cancel_requested_by__isnull=True,
                    cancel_reason="",
                    cancel_note="",
                    cancel_party="",
                ),
                name="orders_order_cancel_request",
            ),
            models.CheckConstraint(
                condition=models.Q(cycle=1, reopened_at__isnull=True)
                | models.Q(cycle__gt=1, reopened_at__isnull=False),
                name="orders_order_reopened",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at__isnull=True)
                | models.Q(reopened_at__isnull=True)
                | models.Q(closed_at__gt=models.F("reopened_at")),
                name="orders_order_closed_after_reopened",
            ),
            models.CheckConstraint(
                condition=(
                    models.Q(held_at__isnull=False, held_by__isnull=False, held_party__in=Party.values)
                    & ~models.Q(held_reason="")
                    & ~models.Q(status__in=sorted(FINAL))
                )
                | models.Q(
                    held_at__isnull=True,
                    held_by__isnull=True,
                    held_reason="",
                    held_note="",
                    held_party="",
                    held_released=False,
                ),
                name="orders_order_hold",
            ),
            models.CheckConstraint(
                condition=models.Q(total__gte=0, tax__gte=0, discount__gte=0, shipping_fee__gte=0, goods_total__gte=0),
                name="orders_order_amounts",
            ),
            models.CheckConstraint(
                condition=models.Q(total=models.F("goods_total") - models.F("discount") + models.F("shipping_fee")),
                name="orders_order_total_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(payable__gte=0, payable__lte=models.F("total")), name="orders_order_payable"
            ),
            models.CheckConstraint(condition=models.Q(received__gte=0), name="orders_order_received"),
            models.CheckConstraint(condition=models.Q(refunded__gte=0), name="orders_order_refunded"),
            models.CheckConstraint(
                condition=models.Q(copied_from__isnull=True, copy_reason="")
                | (models.Q(copied_from__isnull=False, total=0) & ~models.Q(copy_reason="")),
                name="orders_order_copy",
            ),
            known_currency("orders_order_currency"),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="orders_order_by_status"),
            models.Index(fields=["placed_at"], name="orders_order_by_placed"),
            models.Index(fields=["closed_at"], name="orders_order_by_closed"),
            models.Index(fields=["total"], name="orders_order_by_total"),
            models.Index(fields=["payment_status", "-id"], name="orders_order_by_payment"),
            models.Index(fields=["shipping_status", "-id"], name="orders_order_by_shipping"),
            # Few orders are on hold or to be cancelled: those are found without looking at the others.
            models.Index(fields=["held_at"], condition=models.Q(held_at__isnull=False), name="orders_order_on_hold"),
            models.Index(
                fields=["cancelled_at"],
                condition=models.Q(cancelled_at__isnull=False),
                name="orders_order_by_cancelled",
            ),
            models.Index(
                fields=["cancel_requested_at"],
                condition=models.Q(cancel_requested_at__isnull=False),
                name="orders_order_to_be_cancelled",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(
        field=status,
        source=Status.NEW,
        target=Status.PROCESSING,
        permission="orders.process_order",
        custom={"label": _("Process")},
    )
    def process(self, decision: Decision) -> None:
        """Reserve the goods; what that means elsewhere belongs to the steps."""

    @transition(field=status, source=Status.PROCESSING, target=Status.SHIPPED, custom={"label": _("Ship")})
    def ship(self, decision: Decision) -> None:
        """Carried along by the dispatch that leaves nothing open."""

    @transition(
        field=status,
        source=Status.SHIPPED,
        target=Status.COMPLETED,
        permission="orders.complete_order",
        custom={"label": _("Confirm receipt")},
    )
    def complete(self, decision: Decision) -> None:
        """The customer has everything, which ends a request to cancel."""
        self.completed_at = decision.at
        self._end_cancel_request()

    @transition(
        field=status,
        source=Status.COMPLETED,
        target=Status.CLOSED,
        permission="orders.close_order",
        custom={"label": _("Close order")},
    )
    def close(self, decision: Decision) -> None:
        """Stamp who closed the order and when; effects elsewhere belong to the steps."""
        self.closed_by, self.closed_at = decision.by, decision.at

    @transition(
        field=status,
        source=[Status.NEW, Status.PROCESSING, Status.SHIPPED],
        target=Status.CANCELLED,
        permission="orders.cancel_order",
        custom={"label": _("Cancel order")},
    )
    def cancel(self, decision: Decision) -> None:
        """Stamp who cancelled the order, when and why; a request keeps who asked for it. A hold ends with it."""
        if not self.is_to_be_cancelled:
            self._ask_to_cancel(decision)
        self.cancelled_by, self.cancelled_at = decision.by, decision.at
        self._end_hold()

    @transition(
        field=status,
        source=[Status.PROCESSING, Status.SHIPPED],
        target=None,
        permission="orders.cancel_order",
        custom={"label": _("Request cancellation")},
    )
    def request_cancel(self, decision: Decision) -> None:
        """取消中: stamp who wants it and why; it is carried out once nothing is packed or on its way any more."""
        self._ask_to_cancel(decision)

    @transition(
        field=status,
        source=[Status.PROCESSING, Status.SHIPPED],
        target=None,
        custom={"label": _("End the cancellation request")},
    )
    def end_cancel_request(self, decision: Decision) -> None:
        """Carried along by the delivery that makes it impossible; history keeps the request."""
        self._end_cancel_request()

    def _end_cancel_request(self) -> None:
        self.cancel_requested_by = self.cancel_requested_at = None
        self.cancel_reason = self.cancel_note = self.cancel_party = ""

    def _ask_to_cancel(self, decision: Decision) -> None:
        self.cancel_requested_by, self.cancel_requested_at = decision.by, decision.at
        self.cancel_reason, self.cancel_note = decision.reason, decision.note
        self.cancel_party = decision.detail["party"]

    @transition(
        field=status,
        source=Status.CLOSED,
        target=Status.COMPLETED,
        permission="orders.reopen_order",
        custom={"label": _("Reopen order")},
    )
    def reopen(self, decision: Decision) -> None:
        """A new cycle begins; closing records and history keep who had closed the order and when."""
        self.closed_by = self.closed_at = None
        self.reopened_at, self.cycle = decision.at, self.cycle + 1

    @transition(
        field=status, source=OPEN, target=None, permission="orders.hold_order", custom={"label": _("Put on hold")}
    )
    def hold(self, decision: Decision) -> None:
        """Stamp who stopped the order, when and why; its status stays."""
        self.held_by, self.held_at = decision.by, decision.at
        self.held_reason, self.held_note = decision.reason, decision.note
        self.held_party, self.held_released = decision.detail["party"], decision.detail["release"]

    @transition(field=status, source=OPEN, target=None, permission="orders.hold_order", custom={"label": _("Resume")})
    def resume(self, decision: Decision) -> None:
        """The order goes on where it stopped; history keeps the hold."""
        self._end_hold()

    def _end_hold(self) -> None:
        self.held_by = self.held_at = None
        self.held_reason = self.held_note = self.held_party = ""
        self.held_released = False

    @transition(
        field=status,
        source=[Status.NEW, Status.PROCESSING],
        target=None,
        permission="orders.close_line",
        custom={"label": _("Close lines")},
    )
    def close_line(self, decision: Decision) -> None:
        """What is left of some lines is abandoned; the steps say what falls with it."""

    @transition(
        field=status, source=OPEN, target=None, permission="orders.change_order", custom={"label": _("Change order")}
    )
    def change(self, decision: Decision) -> None:
        """The step that knows the change has set the columns, which are written with it."""

    @property
    def is_final(self) -> bool:
        """Closed or cancelled: what is still posted for it follows the rule, so that nothing needs applying."""
        return self.status in FINAL

    @property
    def is_to_be_cancelled(self) -> bool:
        return self.cancel_requested_at is not None

    @property
    def cancel_why(self) -> str:
        """Reason and note of the cancellation."""
        return f"{self.cancel_reason} {self.cancel_note}".strip()

    @property
    def is_on_hold(self) -> bool:
        return self.held_at is not None

    @property
    def held_why(self) -> str:
        """Reason and note of the hold."""
        return f"{self.held_reason} {self.held_note}".strip()

    @property
    def sealed_at(self) -> datetime | None:
        """The moment of its newest closing record: nothing written of the order after it may be dated before."""
        return self.closed_at or self.reopened_at

    @property
    def owed(self) -> Decimal:
        """Positive, the customer owes it; negative, it is to be paid back."""
        return self.payable - (self.received - self.refunded) - self.written_off

    @property
    def is_zero_value(self) -> bool:
        """Its total was 0 when placed: its cost is a selling expense."""
        return not self.total

    def money(self, amount: Decimal) -> Money:
        """An amount of this order's currency, to show."""
        return Money(amount, self.currency)

    @property
    def status_term(self) -> Term:
        """The status: kept as its value, shown by its name."""
        return Term(self.status, Status(self.status).label)


class LineKind(models.TextChoices):
    STOCKED = "stocked", _("Stocked goods")
    SERVICE = "service", _("Service")
    SHIPPING_FEE = "shipping_fee", _("Shipping fee")


class Line(Recorded):
    """
    One product of an order, with what it was called and cost when placed.

    ``amount`` = round(quantity × unit price) − discount − order discount, ``tax`` is within it.
    Progress is what dispatches took so far, what was closed short, what came back and was put in stock again.
    """

    history_excludes = (
        *("shipped", "shipped_amount", "shipped_tax"),
        *("closed", "closed_amount", "closed_tax"),
        *("returned", "restocked"),
    )

    order = models.ForeignKey(Order, models.PROTECT, related_name="lines", verbose_name=_("order"))
    no = models.PositiveIntegerField(_("line"))
    product = models.ForeignKey(Product, models.PROTECT, related_name="+", verbose_name=_("product"))
    kind = models.CharField(_("kind"), max_length=12, choices=LineKind)
    sku = models.CharField(_("SKU"), max_length=64)
    name = models.CharField(_("name"), max_length=200)
    unit = models.CharField(_("unit"), max_length=10, choices=Unit)
    quantity = FixedPointField(_("quantity"))
    unit_price = FixedPointField(_("unit price"))
    discount = FixedPointField(_("discount"), default=ZERO)
    order_discount = FixedPointField(_("share of the order discount"), default=ZERO)
    amount = FixedPointField(_("amount"))
    tax_rate = FixedPointField(_("tax rate"))
    tax = FixedPointField(_("tax included"))
    shipped = FixedPointField(_("shipped"), default=ZERO)
    shipped_amount = FixedPointField(_("amount shipped"), default=ZERO)
    shipped_tax = FixedPointField(_("tax shipped"), default=ZERO)
    closed = FixedPointField(_("closed short"), default=ZERO)
    closed_amount = FixedPointField(_("amount closed short"), default=ZERO)
    closed_tax = FixedPointField(_("tax closed short"), default=ZERO)
    returned = FixedPointField(pgettext_lazy("quantity", "returned"), default=ZERO)
    restocked = FixedPointField(_("restocked"), default=ZERO)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        constraints = [
            models.UniqueConstraint(fields=["order", "no"], name="orders_line_no"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="orders_line_quantity"),
            models.CheckConstraint(
                condition=models.Q(unit_price__gte=0, discount__gte=0, order_discount__gte=0, amount__gte=0),
                name="orders_line_amounts",
            ),
            models.CheckConstraint(
                condition=models.Q(tax__gte=0, tax__lte=models.F("amount"), tax_rate__gte=0, tax_rate__lt=1),
                name="orders_line_tax",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    shipped__gte=0, closed__gte=0, shipped__lte=models.F("quantity") - models.F("closed")
                ),
                name="orders_line_shipped",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    shipped_amount__gte=0,
                    closed_amount__gte=0,
                    shipped_amount__lte=models.F("amount") - models.F("closed_amount"),
                ),
                name="orders_line_shipped_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    shipped_tax__gte=0,
                    closed_tax__gte=0,
                    shipped_tax__lte=models.F("shipped_amount"),
                    closed_tax__lte=models.F("closed_amount"),
                ),
                name="orders_line_shipped_tax",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    restocked__gte=0, restocked__lte=models.F("returned"), returned__lte=models.F("shipped")
                ),
                name="orders_line_returned",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=LineKind.values), name="orders_line_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.no} {self.sku}"

    @property
    def is_stocked(self) -> bool:
        return self.kind == LineKind.STOCKED

    @property
    def is_shipping_fee(self) -> bool:
        return self.kind == LineKind.SHIPPING_FEE

    @property
    def open_quantity(self) -> Decimal:
        """Ordered, neither shipped nor closed short."""
        return self.quantity - self.closed - self.shipped

    @property
    def taken(self) -> tuple[Decimal, Decimal, Decimal]:
        """Quantity, amount and tax of it that are shipped or closed short: parts are taken on top of these."""
        return (
            self.shipped + self.closed,
            self.shipped_amount + self.closed_amount,
            self.shipped_tax + self.closed_tax,
        )

    @property
    def open_amount(self) -> Decimal:
        """What of its amount is neither shipped nor closed short."""
        return self.amount - self.closed_amount - self.shipped_amount

    def count(self, value: Decimal) -> Quantity:
        """A quantity of this line's unit, to show."""
        return Quantity(value, Unit(self.unit).label)

    @staticmethod
    def kind_of(product: Product) -> str:
        return LineKind.STOCKED if product.kind == ProductKind.STOCKED else LineKind.SERVICE
