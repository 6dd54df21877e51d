"""Reading orders. Everything a person or key asks for is filtered by their scope."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from erp.kernel.fields import fixed
from orders.models import Act, ClosingRecord, Line, LineClosing, Order, Review

if TYPE_CHECKING:
    from erp.kernel.models import User
    from orders.contract import Batch


def company_day(at: Any) -> date:
    """The day of a moment in the company's zone: the date of its vouchers."""
    assert isinstance(at, datetime)
    return at.astimezone(ZoneInfo(settings.COMPANY_TIME_ZONE)).date()


def orders(user: User) -> Any:
    return Order.objects.visible_to(user)


def called(number: str, user: User) -> Order | None:
    """The order with this number, or the only one with this number of a shop."""
    found = list(orders(user).filter(Q(number=number.upper()) | Q(external_number=number)).order_by("pk")[:2])
    return found[0] if len(found) == 1 else None


def copies(order: Order, user: User) -> list[Order]:
    """Orders by which goods of this one were sent once more."""
    return list(orders(user).filter(copied_from=order).order_by("pk"))


def others_of_customer(order: Order, user: User, *, limit: int) -> list[Order]:
    """The customer's newest other orders."""
    return list(orders(user).filter(customer=order.customer_id).exclude(pk=order.pk).order_by("-pk")[:limit])


def lines(batch: Batch) -> Mapping[int, list[Any]]:
    """Lines by order, as :func:`lines_of` reads them."""
    return batch.grouped("orders.lines", lambda: lines_of(batch.ids))


def lines_of(order_ids: Iterable[int]) -> Any:
    """
    Lines in the order of their numbers, each with what its line closings say beside its progress:
    ``short`` in its unit and ``short_amount`` in the order's currency.
    """
    closings = LineClosing.objects.filter(line=OuterRef("pk")).order_by().values("line")
    sums = {
        name: Coalesce(Subquery(closings.values(total=Sum(column))), fixed(0))
        for name, column in (("short", "quantity"), ("short_amount", "amount"))
    }
    return Line.objects.filter(order_id__in=list(order_ids)).annotate(**sums).order_by("order_id", "no")


def line_closings(batch: Batch) -> Mapping[int, list[LineClosing]]:
    """What was closed short, by order, with its line; a query only where there is any."""
    short = {line.pk: line for of_order in lines(batch).values() for line in of_order if line.short}
    if not short:
        return {}
    closings: Mapping[int, list[LineClosing]] = batch.grouped(
        "orders.line_closings", lambda: LineClosing.objects.filter(line__in=list(short)).order_by("pk")
    )
    for of_order in closings.values():
        for closing in of_order:
            closing.line = short[closing.line_id]
    return closings


def newest_reviews(batch: Batch) -> Mapping[tuple[int, str], Review]:
    """The review that counts, by order and block: the newest of the order's present cycle."""
    reviews = batch.read("orders.reviews", lambda: Review.objects.filter(order_id__in=batch.ids).order_by("pk"))
    cycles = {order.pk: order.cycle for order in batch.orders}
    return {
        (review.order_id, review.block): review for review in reviews if review.cycle == cycles.get(review.order_id)
    }


def records_of(batch: Batch, act: Act) -> Mapping[int, list[ClosingRecord]]:
    """Closing records of one kind by order, without their contents."""
    return batch.grouped(
        f"orders.records.{act}",
        lambda: ClosingRecord.objects.filter(order_id__in=batch.ids, act=act).order_by("sequence").defer("content"),
    )
