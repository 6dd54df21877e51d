"""What stands at the head of every printed paper."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from erp.kernel.history import Recorded


class PrintHeader(Recorded):
    """打印抬头: the company as its papers name it; one row for the installation."""

    ONLY = 1

    id = models.BigIntegerField(primary_key=True, default=ONLY, editable=False)
    company = models.CharField(_("company name"), max_length=100)
    address = models.CharField(_("address"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("print header")
        verbose_name_plural = _("print headers")
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="printing_printheader_only_one")]

    def __str__(self) -> str:
        return self.company
