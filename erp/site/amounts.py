"""Orders by their total, from one amount to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from erp.kernel.fields import FixedPointFormField

FROM, TO = "total_from", "total_to"


class AmountForm(forms.Form):
    total_from = FixedPointFormField(label=_("Amount from"), required=False)
    total_to = FixedPointFormField(label=_("Amount up to"), required=False)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        low, high = data.get(FROM), data.get(TO)
        if low is not None and high is not None and low > high:
            self.add_error(TO, _("The second amount is smaller than the first."))
        return data


class AmountFilter(admin.ListFilter):
    """An amount nobody can read finds no order, and says so above the list."""

    title = _("Amount")
    template = "erp/amount_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.form = AmountForm(self.used_parameters)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [FROM, TO]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.form.is_valid():
            for errors in self.form.errors.values():
                messages.error(request, str(errors[0]))
            return queryset.none()
        low, high = self.form.cleaned_data[FROM], self.form.cleaned_data[TO]
        if low is not None:
            queryset = queryset.filter(total__gte=low)
        return queryset if high is None else queryset.filter(total__lte=high)

    def choices(self, changelist: Any) -> Iterator[Any]:
        others = changelist.filter_params.items()
        kept = [(name, value) for name, values in others if name not in (FROM, TO) for value in values]
        if changelist.query and "q" not in dict(kept):
            kept.append(("q", changelist.query))
        yield {"form": self.form, "kept": kept}
