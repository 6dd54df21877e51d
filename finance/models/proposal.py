"""What one person requests and another approves or rejects, before it posts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import FSMModel, StatusField
from erp.kernel.history import Recorded
from orders.models import Order
from orders.models.closing import OfOrderQuerySet


class ProposalState(models.TextChoices):
    REQUESTED = "requested", pgettext_lazy("proposal", "Requested")
    APPROVED = "approved", pgettext_lazy("proposal", "Approved")
    REJECTED = "rejected", pgettext_lazy("proposal", "Rejected")


def person(label: Any, **kwargs: Any) -> Any:
    return models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=label, **kwargs)


class Proposal(Recorded, FSMModel):
    """An ``amount`` of an order, in its currency, that counts and posts once a second person approves it."""

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    amount = FixedPointField(_("amount"))
    status = StatusField(
        _("status"), choices=ProposalState, default=ProposalState.REQUESTED, protected=True, max_length=12
    )
    requested_by = person(_("requested by"))
    requested_at = models.DateTimeField(_("requested"))
    approved_by = person(_("approved by"), null=True, blank=True)
    approved_at = models.DateTimeField(pgettext_lazy("moment", "approved"), null=True, blank=True)
    rejected_by = person(_("rejected by"), null=True, blank=True)
    rejected_at = models.DateTimeField(pgettext_lazy("moment", "rejected"), null=True, blank=True)

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="%(app_label)s_%(class)s_amount"),
            models.CheckConstraint(
                condition=Q(status__in=ProposalState.values), name="%(app_label)s_%(class)s_status"
            ),
            models.CheckConstraint(
                condition=~Q(requested_by=F("approved_by")), name="%(app_label)s_%(class)s_requester_is_not_approver"
            ),
            models.CheckConstraint(
                condition=Q(status=ProposalState.REQUESTED, approved_by=None, rejected_by=None)
                | Q(status=ProposalState.APPROVED, approved_by__isnull=False, rejected_by=None)
                | Q(status=ProposalState.REJECTED, approved_by=None, rejected_by__isnull=False),
                name="%(app_label)s_%(class)s_signed",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None, approved_at=None)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="%(app_label)s_%(class)s_approved_at",
            ),
            models.CheckConstraint(
                condition=Q(rejected_by=None, rejected_at=None)
                | Q(rejected_by__isnull=False, rejected_at__isnull=False),
                name="%(app_label)s_%(class)s_rejected_at",
            ),
        ]

    @property
    def is_open(self) -> bool:
        return self.status == ProposalState.REQUESTED

    @property
    def is_approved(self) -> bool:
        return self.status == ProposalState.APPROVED

    def _approve(self, decision: Decision) -> None:
        self.approved_by, self.approved_at = decision.by, decision.at

    def _reject(self, decision: Decision) -> None:
        self.rejected_by, self.rejected_at = decision.by, decision.at
