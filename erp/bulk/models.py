"""Bulk runs: one act on many orders in the background, with one result per order."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models import Order


def new_request_id() -> str:
    return uuid.uuid4().hex


class RunState(models.TextChoices):
    DRAFT = "draft", _("Not started")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    FINISHED = "finished", _("Finished")
    STOPPED = "stopped", _("Stopped")


class BulkRun(models.Model):
    """
    What one person has done to a selection of orders, worked off in pieces.

    :ivar request_id: stands in everything the run writes, so that what it has done is known after a crash.
    :ivar leased_until: until then a worker is at a piece of it.
    """

    act = models.CharField(_("act"), max_length=40)
    state = models.CharField(_("state"), max_length=10, choices=RunState, default=RunState.DRAFT, db_index=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("requested by")
    )
    requested_at = models.DateTimeField(_("requested"))
    reason = models.CharField(_("reason"), max_length=10, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    request_id = models.CharField(_("request"), max_length=64, unique=True, default=new_request_id)
    finished_at = models.DateTimeField(_("finished"), null=True)
    failure = models.TextField(_("why it stopped"), blank=True)
    leased_until = models.DateTimeField(_("worked on until"), null=True)

    class Meta:
        verbose_name = _("bulk run")
        verbose_name_plural = _("bulk runs")

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in (RunState.RUNNING, RunState.PAUSED)

    def is_leased(self, now: datetime) -> bool:
        return self.leased_until is not None and self.leased_until > now


class ItemState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    DONE = "done", _("Done")
    REFUSED = "refused", _("Refused")


class BulkItem(models.Model):
    """
    One order of a run, and what became of it.

    :ivar refusals: why it was refused: findings as :meth:`orders.contract.Finding.snapshot` keeps them, or the code
        and sentence of an error.
    """

    run = models.ForeignKey(BulkRun, models.PROTECT, related_name="items", verbose_name=_("bulk run"))
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    state = models.CharField(_("state"), max_length=10, choices=ItemState, default=ItemState.PENDING)
    refusals = models.JSONField(_("why it was refused"), default=list)
    at = models.DateTimeField(_("when"), null=True)

    class Meta:
        verbose_name = _("order of a bulk run")
        verbose_name_plural = _("orders of a bulk run")
        constraints = [models.UniqueConstraint(fields=["run", "order"], name="bulk_order_once_a_run")]
        indexes = [models.Index(fields=["run", "state", "order"], name="bulk_item_state")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.order_id}"
