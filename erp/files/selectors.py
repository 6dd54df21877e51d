"""Reading files: always with the document they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q

from erp.files.models import DOCUMENTS, File

if TYPE_CHECKING:
    from erp.kernel.models import User
    from orders.models import Order


def name_of(document: Any) -> str:
    """The name under which a document may have files; empty where it may not."""
    return next((name for name, (model, _right) in DOCUMENTS.items() if isinstance(document, model)), "")


def of_document(document: Any, user: User) -> list[File]:
    """Of a document the reader has been shown, the oldest first: one query."""
    files = File.objects.filter(**{name_of(document): document})
    return _listed(files) if user.has_perm(DOCUMENTS[name_of(document)][1]) else []


def of_order(order: Order, user: User) -> list[File]:
    """Of every document of an order the reader may see, the oldest first: one query."""
    of_any = Q(payment__order=order) | Q(shipment__order=order) | Q(goods_return__order=order)
    return _listed(File.objects.visible_to(user).filter(of_any))


def _listed(files: Any) -> list[File]:
    return list(files.select_related(*DOCUMENTS, "wrong").order_by("at", "pk"))
