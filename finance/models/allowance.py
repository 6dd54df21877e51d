"""Allowances 销售折让: the price is lowered after dispatch, without a return."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.fields import FixedPointField
from erp.kernel.fsm import transition
from erp.kernel.triggers import RefuseInsert
from finance.models.proposal import Proposal, ProposalState
from orders.models import Line
from orders.models.reason import Party


class Allowance(Proposal):
    """
    What the customer need not pay, or gets back, of goods he keeps.

    ``part`` is the key of what was dispatched together, in the words of the app that dispatched it, ``source`` the
    number of its document; ``part_amount`` with ``part_tax`` in it is what was recognised then.
    """

    triggers = (
        RefuseInsert(
            "of_the_orders_line",
            "NOT EXISTS (SELECT 1 FROM orders_line l WHERE l.id = NEW.line_id AND l.order_id = NEW.order_id)",
        ),
    )

    number = models.CharField(_("allowance number"), max_length=20, unique=True)
    line = models.ForeignKey(Line, models.PROTECT, related_name="+", verbose_name=_("order line"))
    part = models.CharField(_("part dispatched"), max_length=40)
    part_amount = FixedPointField(_("amount dispatched"))
    part_tax = FixedPointField(_("tax dispatched"))
    source = models.CharField(_("dispatched with"), max_length=40)
    party = models.CharField(_("party"), max_length=10, choices=Party)

    class Meta(Proposal.Meta):
        verbose_name = _("allowance")
        verbose_name_plural = _("allowances")
        permissions = [
            ("request_allowance", _("Can request an allowance")),
            ("approve_allowance", _("Can approve or reject an allowance")),
        ]
        constraints = [
            *Proposal.Meta.constraints,
            models.CheckConstraint(
                condition=Q(amount__lte=F("part_amount"), part_tax__gte=0, part_tax__lte=F("part_amount")),
                name="finance_allowance_within_part",
            ),
            models.CheckConstraint(condition=Q(party__in=Party.values), name="finance_allowance_party"),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(
        field="status",
        source=ProposalState.REQUESTED,
        target=ProposalState.APPROVED,
        permission="finance.approve_allowance",
        custom={"label": _("Approve")},
    )
    def approve(self, decision: Decision) -> None:
        """The customer pays less."""
        self._approve(decision)

    @transition(
        field="status",
        source=ProposalState.REQUESTED,
        target=ProposalState.REJECTED,
        permission="finance.approve_allowance",
        custom={"label": _("Reject")},
    )
    def reject(self, decision: Decision) -> None:
        """The price stays."""
        self._reject(decision)
