"""Form fields that give a person's input the same verdict as the services behind the form."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from erp.kernel import validation
from erp.kernel.errors import DomainError
from erp.kernel.texts import Moment

_EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.get_default_timezone())


class PlainTextField(forms.CharField):
    """Text without control or reordering characters, in one Unicode form."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if text in self.empty_values:
            return text
        try:
            return validation.text(text, self.label or "", limit=self.max_length or 10_000)
        except DomainError as error:
            raise ValidationError(str(error), code=error.code) from error


class MomentField(forms.DateTimeField):
    """A moment of the past, to the minute, in the reader's zone; before 2000 is a slip of the finger."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def clean(self, value: Any) -> Any:
        moment = super().clean(value)
        if moment is not None and not _EARLIEST <= moment <= timezone.now() + timedelta(minutes=1):
            raise ValidationError(
                _("The moment must lie between %(earliest)s and now."), params={"earliest": Moment(_EARLIEST)}
            )
        return moment
