"""What a person does with the back office: signs in, opens the page of an act, fills it in, confirms."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from erp.kernel.acting import acting
from erp.kernel.models import User, system
from erp.site import acts
from tests.factories import decide


def sign_in(user: User, *, language: str = "en", **kwargs: Any) -> Client:
    """A browser in which ``user`` works, in English unless a test is about language."""
    if user.language != language:
        user.language = language
        with acting(decide(system())):
            user.save()
    client = Client(**kwargs)
    client.force_login(user)
    return client


def page(target: Any, name: str = "change") -> str:
    """The address of a document's page."""
    meta = target._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{name}", args=[quote(target.pk)])


def changelist(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def act_url(name: str, subject: Any = None) -> str:
    return acts.all_acts()[name].url(subject)


def filled_in(response: Any) -> dict[str, Any]:
    """Everything the page would send back if it were confirmed as it is."""
    context = response.context
    data = dict(context["seen"].initial)
    data |= {field.html_name: _typed(field) for field in context["form"]}
    if context["rows"] is not None:
        data |= {field.html_name: field.value() for field in context["rows"].management_form}
        data |= {f.html_name: _typed(f) for form in context["rows"].initial_forms for f in form if f.value()}
    return data


def _typed(field: Any) -> Any:
    value = field.value()
    if value is None and getattr(field.field, "choices", None):
        return field.field.choices[0][0]  # what a browser selects
    value = field.field.prepare_value(value)
    shown = field.field.widget.format_value(value)
    return "" if shown is None else shown[0] if isinstance(shown, list) else shown


def rows(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {f"rows-{no}-{name}": value for no, line in enumerate(lines) for name, value in line.items()}


def confirm(client: Client, name: str, subject: Any = None, **data: Any) -> Any:
    """Open the page of an act, fill in ``data``, and press its button."""
    url = act_url(name, subject)
    asked = client.get(url)
    assert asked.status_code == 200, asked.status_code
    return client.post(url, {**filled_in(asked), **data})


def goes_to(response: Any, target: Any) -> bool:
    return response.status_code == 302 and response["Location"] == page(target)


def fresh(row: Any) -> Any:
    return type(row)._base_manager.get(pk=row.pk)


def the(model: Any, **conditions: Any) -> Any:
    """The only one."""
    return model.objects.get(**conditions)
