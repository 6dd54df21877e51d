"""Lists of orders people come back to: the filters of the list behind a name of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from erp.kernel.acting import current
from erp.kernel.forms import PlainTextField
from erp.kernel.locks import lock, unit_of_work
from erp.kernel.models import User
from erp.site.models import SavedView
from orders.models import Order

MOST = 20
_LONGEST: int = SavedView._meta.get_field("query").max_length or 0


class SaveForm(forms.Form):
    name = PlainTextField(label=SavedView._meta.get_field("name").verbose_name, max_length=40)


def of(user: Any) -> Sequence[SavedView]:
    return list(SavedView.objects.filter(user=user).order_by("name")[:MOST])


def filters(request: HttpRequest, query: str) -> str:
    """What of ``query`` narrows or sorts the list; anything else is left out."""
    page: Any = admin.site.get_model_admin(Order)
    try:
        given = QueryDict(query).dict()
    except ValueError:  # more parameters than any list has
        return ""
    ours = {name: str(value) for name, value in given.items()}
    return urlencode([pair for pair in ours.items() if pair[1] and _is_ours(*pair, page, request)])


def _is_ours(name: str, value: str, page: Any, request: HttpRequest) -> bool:
    return "\0" not in value and (name in ("q", "o") or page.lookup_allowed(name, value, request))


def link(view: SavedView) -> str:
    return f"{reverse('admin:orders_order_changelist')}?{view.query}"


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Keep the filters of the list that was shown; back to it."""
    user = _reader(request)
    query = filters(request, request.POST.get("query", ""))
    back = f"{reverse('admin:orders_order_changelist')}?{query}"
    form = SaveForm(request.POST)
    problem = str(form.errors["name"][0]) if not form.is_valid() else _keep(user, form, query)
    if problem:
        messages.error(request, problem)
    return redirect(back)


def _keep(user: Any, form: SaveForm, query: str) -> str:
    """What stands in the way, or nothing."""
    if not query:
        return str(_("Nothing is filtered: choose filters first, then save them."))
    if len(query) > _LONGEST:
        return str(_("These filters are too long to be saved."))
    with unit_of_work(current()):
        # One after the other, so that nobody saves more than that.
        lock(User.objects.filter(pk=user.pk))
        kept = set(SavedView.objects.filter(user=user).values_list("name", flat=True))
        name = form.cleaned_data["name"]
        if name in kept:
            return str(_("You have a view of this name already."))
        if len(kept) >= MOST:
            return str(_("You have %(count)s saved views; delete one first.")) % {"count": len(kept)}
        SavedView.objects.create(user=user, name=name, query=query)
    return ""


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """
    Forget a view of one's own.

    :raises Http404: there is none.
    """
    deleted, _each = SavedView.objects.filter(pk=pk, user=_reader(request)).delete()
    if not deleted:
        raise Http404
    return redirect("admin:orders_order_changelist")


def _reader(request: HttpRequest) -> User:
    user = request.user
    if not (isinstance(user, User) and user.has_perm("orders.view_order")):
        raise PermissionDenied
    return user
