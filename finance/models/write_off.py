"""Write-offs 核销: bad debt, and money that nobody claims; what of them was taken back."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import transition
from erp.kernel.history import Signed
from erp.kernel.money import ZERO, plain
from finance.models.ledger import Voucher
from finance.models.proposal import Proposal, ProposalState
from orders.models import Order
from orders.models.closing import OfOrderQuerySet


class WriteOffKind(models.TextChoices):
    BAD_DEBT = "bad_debt", _("Bad debt")
    UNCLAIMED = "unclaimed", _("Money nobody claims")


class WriteOff(Proposal):
    """
    Money of an order that is given up: what a customer will not pay, or what cannot be paid back to him.

    ``taken_back`` mirrors what of a bad debt was taken back, so that the database itself refuses more than it.
    """

    history_excludes = ("taken_back",)

    number = models.CharField(_("write-off number"), max_length=20, unique=True)
    kind = models.CharField(pgettext_lazy("write-off", "kind"), max_length=10, choices=WriteOffKind)
    taken_back = FixedPointField(pgettext_lazy("amount", "taken back"), default=ZERO)

    class Meta(Proposal.Meta):
        verbose_name = pgettext_lazy("document", "write-off")
        verbose_name_plural = pgettext_lazy("document", "write-offs")
        permissions = [
            ("request_write_off", _("Can request a write-off")),
            ("approve_write_off", _("Can approve or reject a write-off")),
        ]
        constraints = [
            *Proposal.Meta.constraints,
            models.CheckConstraint(condition=Q(kind__in=WriteOffKind.values), name="finance_writeoff_kind"),
            models.CheckConstraint(
                condition=Q(taken_back=0)
                | Q(
                    kind=WriteOffKind.BAD_DEBT,
                    status=ProposalState.APPROVED,
                    taken_back__gt=0,
                    taken_back__lte=F("amount"),
                ),
                name="finance_writeoff_taken_back",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(
        field="status",
        source=ProposalState.REQUESTED,
        target=ProposalState.APPROVED,
        permission="finance.approve_write_off",
        custom={"label": _("Approve")},
    )
    def approve(self, decision: Decision) -> None:
        """The money is given up."""
        self._approve(decision)

    @transition(
        field="status",
        source=ProposalState.REQUESTED,
        target=ProposalState.REJECTED,
        permission="finance.approve_write_off",
        custom={"label": _("Reject")},
    )
    def reject(self, decision: Decision) -> None:
        """The money stays owed."""
        self._reject(decision)

    @property
    def is_bad_debt(self) -> bool:
        return self.kind == WriteOffKind.BAD_DEBT

    @property
    def signed_amount(self) -> Decimal:
        """As it adds to what is written off of the order: bad debt with a plus, money kept with a minus."""
        return self.amount if self.is_bad_debt else -self.amount

    @property
    def counts(self) -> Decimal:
        """What it adds to what is written off of the order now: nothing before it is approved."""
        return self.signed_amount - self.taken_back if self.is_approved else ZERO


class TakenBack(Signed):
    """
    What was written off is owed or paid after all: of a bad debt, or of the tail a closing left short.

    The closing is named by its settlement voucher. ``amount`` in the order's currency.
    """

    append_only = True

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    write_off = models.ForeignKey(
        WriteOff,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("document", "write-off"),
    )
    settlement = models.ForeignKey(
        Voucher, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("closing settlement")
    )
    amount = FixedPointField(_("amount"))

    objects = OfOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("write-off taken back")
        verbose_name_plural = _("write-offs taken back")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="finance_takenback_amount"),
            models.CheckConstraint(
                condition=Q(write_off__isnull=False, settlement=None) | Q(write_off=None, settlement__isnull=False),
                name="finance_takenback_of_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.of} {plain(self.amount)}"

    @property
    def of_tail(self) -> bool:
        """Whether it takes back what a closing left short, and no bad debt."""
        return self.settlement_id is not None

    @property
    def of(self) -> str:
        """The number of what it takes back."""
        return str(self.write_off or self.settlement)
