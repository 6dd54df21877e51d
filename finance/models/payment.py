"""Payments 收款单: reported, then confirmed or rejected; only confirmed money counts, until it is taken back."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import FSMModel, StatusField, transition
from erp.kernel.history import Recorded
from erp.kernel.money import ZERO
from finance import accounts
from orders.models import Order, Shop
from orders.models.closing import OfOrderQuerySet


class PaymentMethod(models.TextChoices):
    BANK = "bank", _("Bank transfer")
    ALIPAY = "alipay", _("Alipay")
    WECHAT = "wechat", _("WeChat Pay")
    CARD = "card", _("Card")
    CASH = "cash", _("Cash")


# Money that arrives on the bank account; everything else arrives in a wallet or the till.
BANKED = frozenset({PaymentMethod.BANK, PaymentMethod.CARD})


class PaymentState(models.TextChoices):
    REPORTED = "reported", pgettext_lazy("payment", "Reported")
    CONFIRMED = "confirmed", pgettext_lazy("payment", "Confirmed")
    REJECTED = "rejected", pgettext_lazy("payment", "Rejected")
    VOIDED = "voided", pgettext_lazy("payment", "Voided")
    CHARGED_BACK = "charged_back", pgettext_lazy("payment", "Charged back")


# Once confirmed and posted, whatever became of the money since.
EVER_CONFIRMED = frozenset({PaymentState.CONFIRMED, PaymentState.VOIDED, PaymentState.CHARGED_BACK})
TAKEN_BACK = frozenset({PaymentState.VOIDED, PaymentState.CHARGED_BACK})


class Payment(Recorded, FSMModel):
    """
    Money of a customer for one order, in its currency; a transfer for several orders is one payment each.

    ``fee`` is what the payment service kept: part of ``amount``, not on top. ``refunding`` and ``refunded``
    mirror its open and its paid refunds, so that the database itself refuses more than was received.
    """

    history_excludes = ("refunding", "refunded")

    number = models.CharField(_("payment number"), max_length=20, unique=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    shop = models.ForeignKey(Shop, models.PROTECT, related_name="+", verbose_name=_("shop"))
    method = models.CharField(_("method"), max_length=10, choices=PaymentMethod)
    reference = models.CharField(_("reference"), max_length=64)
    amount = FixedPointField(_("amount"))
    fee = FixedPointField(_("fee"), default=ZERO)
    received_at = models.DateTimeField(_("received"))
    status = StatusField(
        _("status"), choices=PaymentState, default=PaymentState.REPORTED, protected=True, max_length=12
    )
    reported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("reported by")
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("confirmed or rejected by"),
    )
    decided_at = models.DateTimeField(_("confirmed or rejected"), null=True, blank=True)

    taken_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("voided or charged back by"),
    )
    taken_back_at = models.DateTimeField(_("voided or charged back"), null=True, blank=True)
    refunding = FixedPointField(_("open refunds"), default=ZERO)
    refunded = FixedPointField(pgettext_lazy("amount", "refunded"), default=ZERO)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions = [
            ("report_payment", _("Can report a payment")),
            ("confirm_payment", _("Can confirm or reject a payment")),
            ("void_payment", _("Can void or charge back a payment")),
            ("review_finance", _("Can review finance information")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["shop", "method", "reference", "order"], name="finance_payment_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="finance_payment_amount"),
            models.CheckConstraint(condition=Q(fee__gte=0, fee__lte=F("amount")), name="finance_payment_fee"),
            models.CheckConstraint(condition=Q(status__in=PaymentState.values), name="finance_payment_status"),
            models.CheckConstraint(condition=Q(method__in=PaymentMethod.values), name="finance_payment_method"),
            models.CheckConstraint(
                condition=Q(status=PaymentState.REPORTED, decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(status=PaymentState.REPORTED) & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="finance_payment_decided_by",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(TAKEN_BACK), taken_back_by__isnull=False, taken_back_at__isnull=False)
                | (~Q(status__in=sorted(TAKEN_BACK)) & Q(taken_back_by__isnull=True, taken_back_at__isnull=True)),
                name="finance_payment_taken_back_by",
            ),
            models.CheckConstraint(
                condition=Q(refunding__gte=0, refunded__gte=0, refunded__lte=F("amount") - F("refunding")),
                name="finance_payment_refunds",
            ),
            models.CheckConstraint(
                condition=Q(status=PaymentState.CONFIRMED)
                | Q(status=PaymentState.CHARGED_BACK, refunding=0)
                | Q(refunding=0, refunded=0),
                name="finance_payment_refunds_of_confirmed",
            ),
        ]
        # Lines of a bank statement are found by it, in every shop.
        indexes = [models.Index(fields=["reference"], name="finance_payment_reference")]

    def __str__(self) -> str:
        return self.number

    @transition(
        field=status,
        source=PaymentState.REPORTED,
        target=PaymentState.CONFIRMED,
        permission="finance.confirm_payment",
        custom={"label": _("Confirm")},
    )
    def confirm(self, decision: Decision) -> None:
        """The money is there."""
        self.decided_by, self.decided_at = decision.by, decision.at

    @transition(
        field=status,
        source=PaymentState.REPORTED,
        target=PaymentState.REJECTED,
        permission="finance.confirm_payment",
        custom={"label": _("Reject")},
    )
    def reject(self, decision: Decision) -> None:
        """The money is not there, or was reported wrongly."""
        self.decided_by, self.decided_at = decision.by, decision.at

    @transition(
        field=status,
        source=PaymentState.CONFIRMED,
        target=PaymentState.VOIDED,
        permission="finance.void_payment",
        custom={"label": _("Void")},
    )
    def void(self, decision: Decision) -> None:
        """It was confirmed by mistake: the money never was there."""
        self.taken_back_by, self.taken_back_at = decision.by, decision.at

    @transition(
        field=status,
        source=PaymentState.CONFIRMED,
        target=PaymentState.CHARGED_BACK,
        permission="finance.void_payment",
        custom={"label": _("Charge back")},
    )
    def charge_back(self, decision: Decision) -> None:
        """The bank or service took the money back."""
        self.taken_back_by, self.taken_back_at = decision.by, decision.at

    @property
    def account(self) -> str:
        """Where the money is."""
        return accounts.BANK if self.method in BANKED else accounts.WALLETS

    @property
    def refundable(self) -> Decimal:
        """What may still be asked back of it."""
        return self.amount - self.refunded - self.refunding if self.status == PaymentState.CONFIRMED else ZERO
