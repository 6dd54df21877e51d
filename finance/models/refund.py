"""Refunds 退款单: requested, approved, paid by three different people, or rejected."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import FSMModel, StatusField, transition
from erp.kernel.history import Recorded
from erp.kernel.triggers import RefuseInsert
from finance.models.payment import Payment
from orders.models import Order
from orders.models.closing import OfOrderQuerySet
from orders.models.reason import Party


class RefundState(models.TextChoices):
    REQUESTED = "requested", pgettext_lazy("refund", "Requested")
    APPROVED = "approved", pgettext_lazy("refund", "Approved")
    PAID = "paid", pgettext_lazy("refund", "Paid")
    REJECTED = "rejected", pgettext_lazy("refund", "Rejected")


OPEN = frozenset({RefundState.REQUESTED, RefundState.APPROVED})


class Ground(models.TextChoices):
    """Why money is owed to the customer; each caps what may be asked back."""

    OVERPAYMENT = "overpayment", _("Overpayment")
    LINE_CLOSED = "line_closed", _("Line closed short")
    CANCEL = "cancel", _("Order cancelled")
    RETURN = "return", _("Goods returned")
    ALLOWANCE = "allowance", _("Allowance")


def _person(label: Any, **kwargs: Any) -> Any:
    return models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=label, **kwargs)


class Refund(Recorded, FSMModel):
    """
    Money to be paid back of one payment, in its order's currency.

    A payment that fails leaves it approved, with the failure noted.
    """

    triggers = (
        RefuseInsert(
            "of_the_payments_order",
            "NOT EXISTS (SELECT 1 FROM finance_payment p WHERE p.id = NEW.payment_id AND p.order_id = NEW.order_id)",
        ),
    )

    number = models.CharField(_("refund number"), max_length=20, unique=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="+", verbose_name=_("payment"))
    ground = models.CharField(_("ground"), max_length=16, choices=Ground)
    amount = FixedPointField(_("amount"))
    party = models.CharField(_("party"), max_length=10, choices=Party)
    goods_received_by = _person(
        _("goods received by"), null=True, blank=True, help_text=_("Who received the goods may not approve.")
    )
    status = StatusField(
        _("status"), choices=RefundState, default=RefundState.REQUESTED, protected=True, max_length=12
    )
    requested_by = _person(_("requested by"))
    requested_at = models.DateTimeField(_("requested"))
    approved_by = _person(_("approved by"), null=True, blank=True)
    approved_at = models.DateTimeField(pgettext_lazy("moment", "approved"), null=True, blank=True)
    paid_by = _person(_("paid by"), null=True, blank=True)
    paid_at = models.DateTimeField(pgettext_lazy("moment", "paid"), null=True, blank=True)
    rejected_by = _person(_("rejected by"), null=True, blank=True)
    rejected_at = models.DateTimeField(pgettext_lazy("moment", "rejected"), null=True, blank=True)
    failure = models.CharField(_("failure"), max_length=200, blank=True)
    failed_at = models.DateTimeField(pgettext_lazy("moment", "failed"), null=True, blank=True)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        permissions = [
            ("request_refund", _("Can request a refund")),
            ("approve_refund", _("Can approve or reject a refund")),
            ("pay_refund", _("Can pay a refund")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="finance_refund_amount"),
            models.CheckConstraint(condition=Q(status__in=RefundState.values), name="finance_refund_status"),
            models.CheckConstraint(condition=Q(ground__in=Ground.values), name="finance_refund_ground"),
            models.CheckConstraint(condition=Q(party__in=Party.values), name="finance_refund_party"),
            models.CheckConstraint(
                condition=~Q(requested_by=F("approved_by")), name="finance_refund_requester_is_not_approver"
            ),
            models.CheckConstraint(
                condition=~Q(requested_by=F("paid_by")), name="finance_refund_requester_is_not_payer"
            ),
            models.CheckConstraint(
                condition=~Q(goods_received_by=F("approved_by")), name="finance_refund_receiver_is_not_approver"
            ),
            models.CheckConstraint(
                condition=~Q(approved_by=F("paid_by")), name="finance_refund_approver_is_not_payer"
            ),
            models.CheckConstraint(
                condition=Q(status=RefundState.REQUESTED, approved_by=None, paid_by=None, rejected_by=None)
                | Q(status=RefundState.APPROVED, approved_by__isnull=False, paid_by=None, rejected_by=None)
                | Q(status=RefundState.PAID, approved_by__isnull=False, paid_by__isnull=False, rejected_by=None)
                | Q(status=RefundState.REJECTED, paid_by=None, rejected_by__isnull=False),
                name="finance_refund_signed",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None, approved_at=None)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="finance_refund_approved_at",
            ),
            models.CheckConstraint(
                condition=Q(paid_by=None, paid_at=None) | Q(paid_by__isnull=False, paid_at__isnull=False),
                name="finance_refund_paid_at",
            ),
            models.CheckConstraint(
                condition=Q(rejected_by=None, rejected_at=None)
                | Q(rejected_by__isnull=False, rejected_at__isnull=False),
                name="finance_refund_rejected_at",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(
        field=status,
        source=RefundState.REQUESTED,
        target=RefundState.APPROVED,
        permission="finance.approve_refund",
        custom={"label": _("Approve")},
    )
    def approve(self, decision: Decision) -> None:
        """The customer is to have it."""
        self.approved_by, self.approved_at = decision.by, decision.at

    @transition(
        field=status,
        source=RefundState.APPROVED,
        target=RefundState.PAID,
        permission="finance.pay_refund",
        custom={"label": _("Pay")},
    )
    def pay(self, decision: Decision) -> None:
        """The money has left."""
        self.paid_by, self.paid_at = decision.by, decision.at

    @transition(
        field=status,
        source=[RefundState.REQUESTED, RefundState.APPROVED],
        target=RefundState.REJECTED,
        permission="finance.approve_refund",
        custom={"label": _("Reject")},
    )
    def reject(self, decision: Decision) -> None:
        """The customer does not get it."""
        self.rejected_by, self.rejected_at = decision.by, decision.at

    @property
    def is_open(self) -> bool:
        return self.status in OPEN
