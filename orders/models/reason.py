"""The catalogue of reasons: why an order was closed, and whose side the cause was on."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.history import Recorded
from erp.kernel.texts import in_reader_language


class Act(models.TextChoices):
    """Acts that are given a reason from the catalogue."""

    CLOSE = "close", _("Close")
    CANCEL = "cancel", _("Cancel")
    CLOSE_LINE = "close_line", _("Close line")
    REOPEN = "reopen", _("Reopen")
    RETURN = "return", _("Return")
    ALLOWANCE = "allowance", _("Allowance")
    REFUND = "refund", _("Refund")
    HOLD = "hold", _("Hold")
    VOID = "void", _("Void")
    WRITE_OFF = "write_off", _("Write off")
    WAIVE = "waive", _("Waive a check")
    REJECT = "reject", _("Reject")
    COPY = "copy", _("Copy as a new order")


class Party(models.TextChoices):
    CUSTOMER = "customer", _("Customer")
    SELLER = "seller", _("Seller")
    CARRIER = "carrier", pgettext_lazy("party", "Carrier")
    SYSTEM = "system", _("System")


class Reason(Recorded):
    code = models.CharField(_("code"), max_length=12, unique=True)
    name = models.CharField(_("name"), max_length=100)
    name_en = models.CharField(_("English name"), max_length=100, blank=True)
    acts = models.JSONField(_("applies to"), default=list)
    party = models.CharField(_("party"), max_length=10, choices=Party, default=Party.CUSTOMER)
    needs_note = models.BooleanField(_("needs a note"), default=False)
    suggests_refund = models.BooleanField(_("suggests a refund"), default=False)
    suggests_restock = models.BooleanField(_("suggests restocking"), default=False)
    lost_sale = models.BooleanField(_("counts as a lost sale"), default=False)
    for_rules = models.BooleanField(
        _("for automatic rules only"), default=False, help_text=_("Only machine accounts give it; people never do.")
    )
    customer_text = models.CharField(_("text for the customer"), max_length=200, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("reason")
        verbose_name_plural = _("reasons")
        constraints = [models.CheckConstraint(condition=models.Q(party__in=Party.values), name="orders_reason_party")]

    def __str__(self) -> str:
        return f"{self.code} {in_reader_language(self.name, self.name_en)}"
