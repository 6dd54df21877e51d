"""
Who changed what: django-simple-history with a signature that cannot be missing.

Each history row names the person (protected from deletion, with a copied name), channel, request and
reason. It is append-only, and refused when nobody is acting; the changed row is then refused with it.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from simple_history.models import HistoricalRecords

from erp.kernel import acting


class Signed(models.Model):
    """Columns that say who wrote a row, when, why and through which door; filled from who is acting."""

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        default=acting.current_user_id,
        editable=False,
        related_name="+",
        verbose_name=_("by"),
    )
    by_name = models.CharField(
        pgettext_lazy("person", "name"), max_length=150, default=acting.current_name, editable=False
    )
    at = models.DateTimeField(_("at"), default=acting.current_moment, editable=False)
    channel = models.CharField(
        _("channel"),
        max_length=10,
        choices=acting.Channel,
        default=acting.current_channel,
        editable=False,
    )
    request_id = models.CharField(
        _("request"), max_length=64, blank=True, default=acting.current_request_id, editable=False
    )
    why = models.TextField(_("reason"), blank=True, default=acting.current_reason, editable=False)

    class Meta:
        abstract = True


class HistoryRow(models.Model):
    """What every history table has beside the package's columns."""

    append_only = True

    actor_name = models.CharField(
        pgettext_lazy("person", "name"), max_length=150, default=acting.current_name, editable=False
    )
    channel = models.CharField(
        _("channel"), max_length=10, choices=acting.Channel, default=acting.current_channel, editable=False
    )
    request_id = models.CharField(
        _("request"), max_length=64, blank=True, default=acting.current_request_id, editable=False
    )

    class Meta:
        abstract = True


class History(HistoricalRecords):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("history_id_field", models.BigAutoField())
        kwargs.setdefault("history_change_reason_field", models.TextField(default=acting.current_reason))
        super().__init__(bases=[HistoryRow], inherit=True, **kwargs)

    def fields_included(self, model: Any) -> list[Any]:
        excluded = {*self.excluded_fields, *getattr(model, "history_excludes", ())}
        return [field for field in model._meta.fields if field.name not in excluded]

    def create_history_model(self, model: Any, inherited: bool) -> Any:
        history_model = super().create_history_model(model, inherited)
        history_model._history_excluded_fields = list(getattr(model, "history_excludes", ()))
        return history_model

    def _get_history_change_reason_field(self) -> Any:
        """One for each model: a shared field belongs to the last one, and an update would write to its table."""
        return self.history_change_reason_field.clone()

    def _get_history_user_fields(self) -> dict[str, Any]:
        return {
            "history_user": models.ForeignKey(
                settings.AUTH_USER_MODEL,
                models.PROTECT,
                default=acting.current_user_id,
                related_name="+",
                verbose_name=_("by"),
            )
        }

    def copy_fields(self, model: Any) -> dict[str, Any]:
        """An index per copied foreign key would cost more than the history row itself."""
        fields: dict[str, Any] = super().copy_fields(model)
        for name, field in fields.items():
            field.db_index = name == model._meta.pk.attname
        return fields

    def create_historical_record(self, instance: Any, history_type: str, using: Any = None) -> None:
        model = model_of(instance.__class__)
        copied = {field.attname: getattr(instance, field.attname) for field in model.tracked_fields}
        signed = {field.attname: value for field, value in signature(model, history_type).items()}
        model(**copied, **signed).save()


class Recorded(models.Model):
    """
    A model every change of which leaves a history row.

    ``history_excludes`` names columns that only mirror other documents, such as progress. Saving runs in
    one transaction with its history row, as deleting does anyway: without anybody acting, both are refused.
    """

    history_excludes: tuple[str, ...] = ()

    history = History()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic(savepoint=False):
            super().save(*args, **kwargs)


@cache
def model_of(recorded: Any) -> Any:
    """The model of a recorded model's history; asking for ``recorded.history`` builds a manager class each time."""
    return recorded.history.model


def signature(model: Any, history_type: str) -> dict[Any, Any]:
    """What a history row says beside what it copies, by field of its ``model``: signed by who is acting."""
    given = {"history_date": acting.current().at, "history_type": history_type}
    copied = {field.name for field in model.tracked_fields}
    own = [field for field in model._meta.concrete_fields if not field.primary_key and field.name not in copied]
    return {field: given[field.name] if field.name in given else field.get_default() for field in own}
