"""No table: what is read belongs to other apps. The model carries the right to each report."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Right(models.Model):
    class Meta:
        managed = False
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        default_permissions = ()
        permissions = [
            ("view_sales", _("Can see the sales report")),
            ("view_margin", _("Can see the gross margin report")),
            ("view_ageing", _("Can see the ageing of receivables")),
            ("view_statement", _("Can see customer statements")),
            ("view_receipts", _("Can see the receipts and refunds report")),
            ("view_trial_balance", _("Can see the trial balance")),
            ("view_voucher_list", _("Can see the voucher list")),
            ("view_movements", _("Can see the stock movement summary")),
            ("view_on_hand", _("Can see stock on hand and stock alerts")),
            ("view_execution", _("Can see the order execution report")),
            ("view_closed_orders", _("Can see the closed orders report")),
            ("view_closing_reasons", _("Can see the closing-reason analysis")),
            ("view_overdue", _("Can see the open overdue orders")),
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)
