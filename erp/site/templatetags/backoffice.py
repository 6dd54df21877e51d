"""What the templates of the back office need: numbers as people read them, addresses, and the acts on offer."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import template
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from erp.files import selectors as file_selectors
from erp.kernel.money import plain
from erp.kernel.shown import price, structure
from erp.site import acts, facts, savedviews, worklists
from erp.site.act import Act
from erp.worker import selectors
from finance.services import statements
from orders.models import Line, Order

register = template.Library()


@register.filter
def money(value: Decimal, currency: str) -> str:
    return price(value, currency)


@register.filter
def number(value: Decimal) -> str:
    return plain(value)


@register.filter
def address(target: Any) -> str:
    """The page of a document, or of what a finding links to."""
    if hasattr(target, "_meta"):
        label, pk = target._meta.label_lower, target.pk
    else:
        label, pk = target.model, target.pk
    return reverse(f"admin:{label.replace('.', '_')}_change", args=[quote(pk)])


@register.filter
def act_url(act: Act, subject: Any) -> str:
    return act.url(subject)


@register.filter
def facts_of(values: Mapping[str, Any], order: Order) -> SafeString:
    return facts.shown(values, order)


@register.filter
def listed(values: Mapping[Any, Any]) -> SafeString:
    return structure(values)


@register.filter
def whole_discount(line: Line) -> Decimal:
    """Its own, and its share of the order's."""
    return line.discount + line.order_discount


@register.simple_tag(takes_context=True)
def acts_on(context: template.Context, subject: Any) -> list[Act]:
    """The acts the reader may do to an object; none for what does not exist yet."""
    return acts.offered(subject, context["request"].user) if subject and subject.pk else []


@register.simple_tag(takes_context=True)
def act_named(context: template.Context, name: str) -> Act | None:
    """An act that begins from nothing, for those who may."""
    act = acts.all_acts()[name]
    return act if act.is_offered(None, context["request"].user) else None


@register.simple_tag(takes_context=True)
def statement_url(context: template.Context) -> str:
    """Where a bank statement is brought in, for those who may."""
    may = statements.may_use(context["request"].user, statements.Use.KEEP)
    return reverse("admin:statement") if may else ""


@register.simple_tag(takes_context=True)
def files_of(context: template.Context, subject: Any) -> dict[str, Any] | None:
    """The files of a document, and where one is added by those who may; None for what has none."""
    name = file_selectors.name_of(subject)
    if not name or subject.pk is None:
        return None
    user = context["request"].user
    add_url = reverse("admin:file_add", args=[name, subject.pk]) if user.has_perm("files.add_file") else ""
    return {"files": file_selectors.of_document(subject, user), "add_url": add_url}


@register.simple_tag(takes_context=True)
def order_lists(context: template.Context) -> dict[str, Any]:
    """Worklists and saved views of the reader, what blocks the orders of 阻塞, and what nobody has looked at yet."""
    request = context["request"]
    waiting = worklists.unchecked(request)
    query = savedviews.filters(request, request.GET.urlencode())
    return {
        "views": [(view, savedviews.link(view), view.query == query) for view in savedviews.of(request.user)],
        "query": query,
        "strip": worklists.counted(request),
        "findings": worklists.blocking(request),
        "unchecked": waiting,
        "is_alive": not waiting or selectors.is_alive(timezone.now()),
    }
