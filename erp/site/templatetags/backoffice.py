"""What the templates of the back office need: numbers as people read them, addresses, and the acts on offer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import template
from django.apps import apps
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.safestring import SafeString

from erp.kernel.models import User
from erp.kernel.money import plain
from erp.kernel.shown import price, structure
from erp.kernel.texts import view_permission
from erp.site import acts, facts
from erp.site.act import Act
from orders.contract import Finding, Link
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


@dataclass(frozen=True, slots=True)
class Pointer:
    """A document a finding is about; it leads only those who may see it to its page, and to what mends it."""

    link: Link
    is_visible: bool
    remedy: Act | None


@register.simple_tag(takes_context=True)
def pointers(context: template.Context, finding: Finding) -> list[Pointer]:
    user = context["request"].user
    visible, remedy = _visible(finding.links, user), acts.remedy(finding, user)
    return [Pointer(link, link in visible, remedy if link in visible else None) for link in finding.links]


def _visible(links: Sequence[Link], user: User) -> set[Link]:
    """
    What the reader may see of the documents of one finding, all of one order in the reader's scope.

    Only warehouses narrow it further, so whoever sees all of them costs no query.
    """
    permitted = [link for link in links if user.has_perm(view_permission(link.model))]
    if user.has_perm("inventory.all_warehouses"):
        return set(permitted)
    visible: set[Link] = set()
    for label in {link.model for link in permitted}:
        of_model = {link.pk: link for link in permitted if link.model == label}
        rows: Any = apps.get_model(label)._default_manager
        visible |= {
            of_model[str(pk)] for pk in rows.visible_to(user).filter(pk__in=of_model).values_list("pk", flat=True)
        }
    return visible


@register.simple_tag(takes_context=True)
def acts_on(context: template.Context, subject: Any) -> list[Act]:
    """The acts the reader may do to an object; none for what does not exist yet."""
    return acts.offered(subject, context["request"].user) if subject and subject.pk else []


@register.simple_tag(takes_context=True)
def act_named(context: template.Context, name: str) -> Act | None:
    """An act that begins from nothing, for those who may."""
    act = acts.all_acts()[name]
    return act if act.is_offered(None, context["request"].user) else None
