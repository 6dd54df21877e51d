"""Bank statements 银行对账单: what the bank or service says has come, line by line, kept as it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.fields import FixedPointField
from erp.kernel.history import Signed
from erp.kernel.money import plain
from finance.models.payment import Payment, PaymentMethod
from orders.models.master import currency_field, known_currency

if TYPE_CHECKING:
    from erp.kernel.models import User


class StatementQuerySet(models.QuerySet[Any]):
    """A statement tells of an account's every customer: for those who see every shop, and for who brought it."""

    def visible_to(self, user: User) -> StatementQuerySet:
        if user.is_active and user.has_perm("orders.all_shops"):
            return self
        return self.filter(by=user)


class Statement(Signed):
    """
    A file of the bank or payment service, as far as its lines were new.

    Nothing of it changes: what became of its lines stands in their matches.
    """

    append_only = True

    number = models.CharField(_("statement number"), max_length=20, unique=True)
    name = models.CharField(_("file"), max_length=100)
    method = models.CharField(_("method"), max_length=10, choices=PaymentMethod)
    currency = currency_field()
    known = models.PositiveIntegerField(
        _("lines known before"), default=0, help_text=_("Lines of the file that stand on earlier statements.")
    )

    objects = StatementQuerySet.as_manager()

    class Meta:
        verbose_name = _("bank statement")
        verbose_name_plural = _("bank statements")
        constraints = [
            known_currency("finance_statement_currency"),
            models.CheckConstraint(condition=Q(method__in=PaymentMethod.values), name="finance_statement_method"),
        ]

    def __str__(self) -> str:
        return self.number


class StatementLine(models.Model):
    """
    One line of a statement, in its currency; negative where money left.

    ``digest`` is of what the line says and which of several equal ones it is: it is read only once, from
    whatever file.
    """

    append_only = True

    statement = models.ForeignKey(Statement, models.PROTECT, related_name="lines", verbose_name=_("bank statement"))
    no = models.PositiveIntegerField(_("line"))
    date = models.DateField(_("date"))
    amount = FixedPointField(_("amount"))
    reference = models.CharField(_("reference"), max_length=200, blank=True)
    counterparty = models.CharField(_("counterparty"), max_length=200, blank=True)
    digest = models.CharField(_("digest"), max_length=64, unique=True)

    class Meta:
        verbose_name = _("statement line")
        verbose_name_plural = _("statement lines")
        constraints = [models.UniqueConstraint(fields=["statement", "no"], name="finance_statementline_no")]

    def __str__(self) -> str:
        return f"{self.no} · {plain(self.amount)}"


class StatementUse(models.TextChoices):
    """What a line of a statement was good for."""

    REPORTED = "reported", pgettext_lazy("payment", "Reported")
    CONFIRMED = "confirmed", pgettext_lazy("payment", "Confirmed")


class StatementMatch(Signed):
    """A payment that was reported or confirmed because of a line; a line for several orders has several."""

    append_only = True

    line = models.ForeignKey(StatementLine, models.PROTECT, related_name="matches", verbose_name=_("statement line"))
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="+", verbose_name=_("payment"))
    use = models.CharField(_("used for"), max_length=10, choices=StatementUse)

    class Meta:
        verbose_name = _("statement match")
        verbose_name_plural = _("statement matches")
        constraints = [
            # Money that came once confirms a payment once.
            models.UniqueConstraint(fields=["payment", "use"], name="finance_statementmatch_once"),
            models.CheckConstraint(condition=Q(use__in=StatementUse.values), name="finance_statementmatch_use"),
        ]

    def __str__(self) -> str:
        return f"{self.payment} {self.get_use_display()}"
