"""People and machines, counters, and the outbox."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel import acting
from erp.kernel.acting import Channel, Decision
from erp.kernel.history import Recorded

SYSTEM = "system"


class User(Recorded, AbstractUser):
    """
    Whoever acts: a person, or a machine account (a rule, a shop's key, the product itself).

    Never deleted, only deactivated: history and documents point here.
    """

    class Kind(models.TextChoices):
        PERSON = "person", _("Person")
        MACHINE = "machine", _("Machine")

    history_excludes = ("password", "last_login")

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField(pgettext_lazy("person", "name"), max_length=150)
    employee_number = models.CharField(_("employee number"), max_length=32, null=True, blank=True, unique=True)
    language = models.CharField(_("language"), max_length=10, default="zh-hans")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.PERSON)

    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=""), name="kernel_user_has_name"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The first accounts of an installation are made by nobody else: they act as themselves."""
        if acting.is_acting():
            super().save(*args, **kwargs)
            return
        with acting.acting(Decision(by=self, at=timezone.now(), channel=Channel.COMMAND)):
            super().save(*args, **kwargs)


def system() -> User:
    """The machine account in whose name the product itself acts."""
    return User.objects.get(username=SYSTEM)


class Counter(models.Model):
    """The next number of one series of documents."""

    key = models.CharField(_("series"), max_length=40, primary_key=True)
    next = models.BigIntegerField(_("next number"))

    class Meta:
        verbose_name = _("counter")
        verbose_name_plural = _("counters")

    def __str__(self) -> str:
        return f"{self.key}: {self.next}"


class OutboxEvent(models.Model):
    """
    What others are to be told, written in the transaction of the fact itself.

    Sending happens after commit, at least once, in the order of ``id``.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")

    id = models.BigAutoField(primary_key=True)
    topic = models.CharField(_("topic"), max_length=60)
    subject_type = models.CharField(_("subject type"), max_length=60)
    subject_id = models.CharField(_("subject id"), max_length=40)
    subject = models.CharField(_("subject"), max_length=60)
    payload = models.JSONField(_("content"), default=dict)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("outbox event")
        verbose_name_plural = _("outbox events")
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="kernel_outbox_subject")]

    def __str__(self) -> str:
        return f"{self.topic} {self.subject}"
