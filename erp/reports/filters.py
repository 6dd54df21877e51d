"""What a report may be asked. Filters come from the address, so that a report can be kept as a bookmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.errors import Text
from erp.kernel.forms import PlainTextField
from erp.kernel.models import User
from erp.kernel.texts import Listing
from inventory.models import Warehouse
from orders.models import Customer, Shop

_EARLIEST, _LATEST = date(2000, 1, 1), date(2099, 12, 31)
_SUGGESTED = 5


class DayField(forms.DateField):
    """A day as browsers send it."""

    input_formats = ["%Y-%m-%d"]

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(widget=widget, input_formats=self.input_formats, **kwargs)

    def clean(self, value: Any) -> Any:
        day = super().clean(value)
        if day is not None and not _EARLIEST <= day <= _LATEST:
            raise ValidationError(_("The day must lie between 2000 and 2099."))
        return day


class CustomerField(PlainTextField):
    """A customer by code or name, or by key as links write it: “#12”."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=_("Customer"), max_length=100, help_text=_("Code, or name or its beginning."), **kwargs)


class Filters(forms.Form):
    """
    The form of one report for one reader; what is not asked has its default.

    :cvar asks: fields without a default: until they are filled in, nothing has been asked yet.
    """

    asks: ClassVar[Sequence[str]] = ()

    def __init__(self, given: Mapping[str, Any], *, user: User, today: date) -> None:
        self.user, self.today = user, today
        initial = {name: field.initial for name, field in self.base_fields.items() if field.initial is not None}
        defaults = {**initial, **self.defaults(user, today)}
        known = {name: given[name] for name in given if name in self.base_fields}
        super().__init__({**defaults, **known}, label_suffix="")
        self.is_asked = all(str(known.get(name, "")).strip() for name in self.asks)
        self.prepare()

    def defaults(self, user: User, today: date) -> Mapping[str, Any]:
        return {}

    def prepare(self) -> None:
        """Fill in what depends on the reader."""

    def clean_customer(self) -> Customer | None:
        typed = self.cleaned_data["customer"]
        return _customer(Customer.objects.visible_to(self.user), typed) if typed else None


def _customer(customers: Any, typed: str) -> Customer:
    if typed.startswith("#") and typed[1:].isascii() and typed[1:].isdigit():
        found = list(customers.filter(pk=int(typed[1:]))[:1])
    else:
        exact = list(customers.filter(code=typed)[: _SUGGESTED + 1]) or list(customers.filter(name=typed)[:6])
        found = exact or list(customers.filter(name__istartswith=typed)[: _SUGGESTED + 1])
    if not found:
        raise ValidationError(_("No customer in your scope has this code or name."))
    if len(found) > 1:
        names = Listing(f"{each.name} ({each.code or f'#{each.pk}'})" for each in found)
        raise ValidationError(
            _("Several customers fit: %(names)s. Type what stands in brackets."), params={"names": names}
        )
    customer: Customer = found[0]
    return customer


class InBook(Filters):
    """Of one currency: no report adds across them."""

    currency = forms.ChoiceField(label=_("Currency"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._currencies: list[str] = []
        super().__init__(*args, **kwargs)

    def currencies(self, user: User) -> Any:
        return Shop.objects.visible_to(user).order_by("currency").values_list("currency", flat=True).distinct()

    def defaults(self, user: User, today: date) -> Mapping[str, Any]:
        self._currencies = list(self.currencies(user))
        first = "CNY" if "CNY" in self._currencies else next(iter(self._currencies), "")
        return {**super().defaults(user, today), "currency": first}

    def prepare(self) -> None:
        super().prepare()
        field = self.fields["currency"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(code, code) for code in self._currencies]
        if not self._currencies:
            field.error_messages["required"] = _(
                "No shop or warehouse is in your scope. Ask the system administrator for access."
            )


class InPeriod(Filters):
    """Of a period, this month unless another is asked for."""

    since = DayField(label=pgettext_lazy("period", "From"))
    until = DayField(label=pgettext_lazy("period", "To"))

    def defaults(self, user: User, today: date) -> Mapping[str, Any]:
        return {**super().defaults(user, today), "since": today.replace(day=1), "until": today}

    def clean(self) -> Any:
        data = super().clean()
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and since > until:
            self.add_error("until", _("The period ends before it begins."))
        return data


class OnDay(Filters):
    """At the end of a day, today unless another is asked for."""

    day = DayField(label=pgettext_lazy("balance", "As of the end of"))

    def defaults(self, user: User, today: date) -> Mapping[str, Any]:
        return {**super().defaults(user, today), "day": today}


class InShop(Filters):
    shop = forms.ModelChoiceField(
        Shop.objects.none(), label=_("Shop"), required=False, empty_label=_("All shops in my scope")
    )

    def prepare(self) -> None:
        super().prepare()
        field = self.fields["shop"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Shop.objects.visible_to(self.user).order_by("name", "pk")


class InWarehouse(Filters):
    warehouse = forms.ModelChoiceField(
        Warehouse.objects.none(), label=_("Warehouse"), required=False, empty_label=_("All warehouses in my scope")
    )

    def prepare(self) -> None:
        super().prepare()
        field = self.fields["warehouse"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Warehouse.objects.visible_to(self.user).order_by("name", "pk")


def grouped_by(*choices: tuple[str, Text]) -> forms.ChoiceField:
    """What the rows are grouped by; the first choice unless another is asked for."""
    return forms.ChoiceField(label=pgettext_lazy("report", "By"), choices=choices, initial=choices[0][0])
