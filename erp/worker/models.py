"""Which processes work in the background, and when each was last heard of."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    """One process that works jobs off; its row goes with it when it stops in order."""

    name = models.CharField(_("process"), max_length=100)
    started_at = models.DateTimeField(_("started"))
    seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("background process")
        verbose_name_plural = _("background processes")

    def __str__(self) -> str:
        return self.name
