"""Writing documents of orders: the order is locked first, and its version grows."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import Changed, DomainError
from erp.kernel.locks import unit_of_work
from erp.kernel.models import User
from erp.kernel.transitions import found, permit
from orders.models import Order

Document = TypeVar("Document", bound=models.Model)


class OrderIsFinal(DomainError):
    code = "orders.is_final"
    message = _("Order %(number)s is %(status)s; its documents are read-only.")


class OrderIsOnHold(DomainError):
    code = "orders.is_on_hold"
    message = _("Order %(number)s is on hold: %(why)s. Customer service has to resume it first.")


class OrderIsToBeCancelled(DomainError):
    code = "orders.is_to_be_cancelled"
    message = _(
        "Order %(number)s is to be cancelled: %(why)s. Nothing of it is packed or dispatched; cancel its shipments "
        "that have not left."
    )


def require_going_on(orders: Iterable[Order]) -> None:
    """
    Goods of an order that is on hold or to be cancelled are neither packed nor dispatched.

    :raises OrderIsOnHold: :raises OrderIsToBeCancelled:
    """
    for order in orders:
        if order.is_on_hold:
            raise OrderIsOnHold(number=order.number, why=order.held_why)
        if order.is_to_be_cancelled:
            raise OrderIsToBeCancelled(number=order.number, why=order.cancel_why)


def require_version(held: Order, version: int | None) -> None:
    """
    A held order, whose version has grown by one, is as a person saw it, if they say what they saw.

    :raises Changed:
    """
    if version is not None and held.version != version + 1:
        raise Changed(label=Order._meta.verbose_name, number=held.number)


def authorise(scoped: models.QuerySet[Any], ids: Iterable[Any], user: User, permission: str) -> None:
    """
    Without the permission, say “not found” of what is out of scope before saying “forbidden”.

    :raises NotFound: :raises Forbidden:
    """
    if not user.has_perm(permission):
        ids = list(ids)
        found(scoped.model, ids, list(scoped.filter(pk__in=ids)))
        permit(user, permission)


class BeforeClosing(DomainError):
    code = "orders.before_closing"
    message = _(
        "Order %(number)s was closed or reopened at %(at)s; what happens to it after that cannot be dated earlier. "
        "Repeat the act, or check the clock."
    )


@contextmanager
def holding(
    orders: models.QuerySet[Order], decision: Decision, *, closed_too: bool = False
) -> Iterator[dict[int, Order]]:
    """
    Lock orders for writing their documents, by primary key; their versions grow by one.

    :param closed_too: the document may also be written once the order is closed or cancelled, linked with it.
    :raises OrderIsFinal: an order is closed or cancelled.
    :raises BeforeClosing: it was closed or reopened later than ``decision.at``.
    """
    with unit_of_work(decision):
        held = {order.pk: order for order in setwise.hold(orders)}
        for order in held.values():
            if order.is_final and not closed_too:
                raise OrderIsFinal(number=order.number, status=order.get_status_display())
            if order.sealed_at and order.sealed_at >= decision.at:
                # The proof of a record leaves out what is younger than it, by these moments.
                raise BeforeClosing(number=order.number, at=order.sealed_at.isoformat(" ", "seconds"))
        yield held


@contextmanager
def holding_of(
    documents: Any, ids: Iterable[Any], decision: Decision, permission: str, *, closed_too: bool = False
) -> Iterator[tuple[dict[int, Order], list[Any]]]:
    """
    Lock the orders of some documents, then read the documents, in primary-key order.

    :param documents: queryset with ``visible_to(user)`` of a model with ``order``.
    :raises NotFound: a document is not in the actor's scope. :raises Forbidden: the permission is missing.
    """
    ids = list(dict.fromkeys(ids))
    scoped = documents.visible_to(decision.by).filter(pk__in=ids)
    authorise(documents.visible_to(decision.by), ids, decision.by, permission)
    with holding(
        Order.objects.filter(pk__in=scoped.order_by().values("order")), decision, closed_too=closed_too
    ) as held:
        rows = list(scoped.order_by("pk"))
        found(documents.model, ids, rows)
        for row in rows:
            row.order = held[row.order_id]
        yield held, rows
