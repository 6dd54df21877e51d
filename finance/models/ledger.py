"""The ledger: vouchers born posted, periods that count them, and each order's two balances."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.fields import FixedPointField
from erp.kernel.history import Recorded, Signed
from erp.kernel.money import ZERO, plain
from erp.kernel.texts import in_reader_language
from erp.kernel.triggers import RefuseInsert
from orders.models import Order, Shop
from orders.models.master import currency_field, known_currency

if TYPE_CHECKING:
    from erp.kernel.models import User


class Account(Recorded):
    """An account of the chart; the product posts to those named in ``finance.accounts``."""

    code = models.CharField(_("code"), max_length=10, primary_key=True)
    name = models.CharField(_("name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return f"{self.code} {in_reader_language(self.name, self.name_en)}"


class Period(models.Model):
    """
    A month of one book (currency); its row is the counter of its vouchers' gapless numbers.

    Opens by itself with the first voucher; once closed, nothing posts into it any more.
    """

    currency = currency_field()
    first_day = models.DateField(_("month"))
    next_number = models.PositiveIntegerField(_("next voucher number"), default=1)
    last_date = models.DateField(_("newest voucher date"))
    closed_at = models.DateTimeField(pgettext_lazy("accounting period", "closed"), null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("accounting period", "closed by"),
    )
    digest = models.CharField(_("digest"), max_length=64, blank=True, db_default="")

    class Meta:
        verbose_name = _("accounting period")
        verbose_name_plural = _("accounting periods")
        permissions = [("close_period", _("Can close an accounting period"))]
        constraints = [
            models.UniqueConstraint(fields=["currency", "first_day"], name="finance_period_month_of_book"),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_by__isnull=True, digest="")
                | (Q(closed_at__isnull=False, closed_by__isnull=False) & ~Q(digest="")),
                name="finance_period_closed_has_closer",
            ),
            models.CheckConstraint(condition=Q(last_date__gte=F("first_day")), name="finance_period_last_date"),
            known_currency("finance_period_currency"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return f"{self.currency} {self.first_day:%Y-%m}"

    @property
    def last_day(self) -> date:
        return (self.first_day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


class Purpose(models.TextChoices):
    PAYMENT = "payment", _("Payment confirmed")
    VOID = "void", _("Payment voided")
    CHARGE_BACK = "charge_back", _("Payment charged back")
    REFUND = "refund", _("Refund paid")
    DISPATCH = "dispatch", pgettext_lazy("voucher", "Dispatch")
    RETURN = "return", _("Return received")
    ALLOWANCE = "allowance", _("Allowance approved")
    CANCEL = "cancel", _("Order cancelled")
    WRITE_OFF = "write_off", _("Write-off approved")
    TAKEN_BACK = "taken_back", _("Write-off taken back")
    RECEIPT = "receipt", _("Stock receipt")
    STOCK_TAKE = "stock_take", _("Stock-take approved")
    SETTLEMENT = "settlement", _("Closing settlement")
    REVERSAL = "reversal", _("Closing reversed")


class VoucherQuerySet(models.QuerySet["Voucher"]):
    def visible_to(self, user: User) -> VoucherQuerySet:
        """Vouchers of visible orders; those of no order belong to whoever sees all shops."""
        if user.is_active and user.has_perm("orders.all_shops"):
            return self
        return self.filter(order__shop__in=Shop.objects.visible_to(user))


class Voucher(Signed):
    """
    A balanced entry of one document for one purpose, born posted. Corrected by reversal only.

    ``source_type`` and ``source_id`` name the document: that of a closing is the order and its cycle.
    The key is made in Python, so that lines go in first and the trigger sees them.
    """

    append_only = True
    triggers = (
        RefuseInsert(
            "balanced",
            "(SELECT COUNT(*) < 2 OR COALESCE(SUM(debit), 0) <> COALESCE(SUM(credit), 0) "
            "FROM finance_voucherline WHERE voucher_id = NEW.id)",
        ),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    period = models.ForeignKey(Period, models.PROTECT, related_name="+", verbose_name=_("accounting period"))
    number = models.PositiveIntegerField(_("number"))
    date = models.DateField(_("date"))
    currency = currency_field()
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose)
    source_type = models.CharField(_("source type"), max_length=40)
    source_id = models.CharField(_("source id"), max_length=40)
    source = models.CharField(_("source"), max_length=40)
    order = models.ForeignKey(Order, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("order"))

    objects = VoucherQuerySet.as_manager()

    # Lines of a voucher just posted; those of one read from the database are ``lines``.
    posted: list[VoucherLine]

    class Meta:
        verbose_name = _("voucher")
        verbose_name_plural = _("vouchers")
        constraints = [
            models.UniqueConstraint(fields=["period", "number"], name="finance_voucher_number"),
            models.UniqueConstraint(
                fields=["source_type", "source_id", "purpose"], name="finance_voucher_source_purpose"
            ),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="finance_voucher_purpose"),
            known_currency("finance_voucher_currency"),
        ]
        indexes = [models.Index(fields=["date"], name="finance_voucher_date")]

    def __str__(self) -> str:
        return f"{self.currency}-{self.date:%Y%m}-{self.number:06d}"


class VoucherLine(models.Model):
    """One side of one account; amounts in the voucher's currency, exactly one of them above zero."""

    append_only = True
    triggers = (RefuseInsert("before_voucher", "EXISTS (SELECT 1 FROM finance_voucher WHERE id = NEW.voucher_id)"),)

    voucher = models.ForeignKey(Voucher, models.PROTECT, related_name="lines", verbose_name=_("voucher"))
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", verbose_name=_("account"))
    debit = FixedPointField(_("debit"), default=ZERO)
    credit = FixedPointField(_("credit"), default=ZERO)

    class Meta:
        verbose_name = _("voucher line")
        verbose_name_plural = _("voucher lines")
        constraints = [
            models.CheckConstraint(
                condition=Q(debit__gt=0, credit=0) | Q(debit=0, credit__gt=0), name="finance_voucherline_one_side"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {plain(self.debit)} {plain(self.credit)}"


class OrderBalance(models.Model):
    """
    An order's receivable (1122) and advance (2203) by vouchers, kept so that the database itself
    refuses either to become negative. Written with the vouchers, under the order's lock.
    """

    order = models.OneToOneField(Order, models.PROTECT, related_name="+", primary_key=True, verbose_name=_("order"))
    receivable = FixedPointField(_("receivable"), default=ZERO)
    advance = FixedPointField(_("advance received"), default=ZERO)

    class Meta:
        verbose_name = _("order balance")
        verbose_name_plural = _("order balances")
        constraints = [
            models.CheckConstraint(
                condition=Q(receivable__gte=0, advance__gte=0), name="finance_orderbalance_never_negative"
            ),
        ]
        # Few orders have a balance: those are found without looking at the others.
        indexes = [
            models.Index(
                fields=["order"], condition=Q(receivable__gt=0) | Q(advance__gt=0), name="finance_orderbalance_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {plain(self.receivable)} / {plain(self.advance)}"
