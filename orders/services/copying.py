"""复制为新订单: goods of an order are sent once more, in exchange (换货) or again (补发), as an order of their own."""

from collections.abc import Mapping
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.locks import unit_of_work
from erp.kernel.money import ZERO, check_positive
from erp.kernel.transitions import found
from orders.models import Act, Line, Order
from orders.services import catalogue, placing
from orders.services.documents import authorise, require_version
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft


class NothingToCopy(DomainError):
    code = "orders.nothing_to_copy"
    message = _("Nothing of order %(number)s was chosen that has left the house. Only what was shipped is sent again.")


class MoreThanShipped(DomainError):
    code = "orders.more_than_shipped"
    message = _(
        "Order %(number)s line %(line)s (%(sku)s): %(wanted)s were to be sent again, %(shipped)s have been shipped. "
        "Choose less."
    )


class MethodInactive(DomainError):
    code = "orders.copy_method_inactive"
    message = _("Order %(number)s went by %(method)s, which is not used any more. Choose another shipping method.")


class NoSuchLine(DomainError):
    code = "orders.no_such_line"
    message = _("Order %(number)s has no line %(line)s that can be sent again. Choose one of its lines.")


def copy_order(
    order_id: int,
    *,
    decision: Decision,
    quantities: Mapping[int, Decimal] | None = None,
    shipping_method: str = "",
    version: int | None = None,
) -> Order:
    """
    Place a new order of the same goods for the same customer at price 0, linked with the first; also of a closed one.

    A customer with whom nothing new is agreed still gets what is owed from before.

    :param quantities: by line number, at most what was shipped; without them everything that was.
    :param shipping_method: its code; without one, the first order's.
    :param version: the order's, as the person saw it: the same form sent twice copies once.
    :returns: the new order.
    :raises NotFound: :raises Forbidden: ``orders.add_order`` is missing.
    :raises ReasonUnknown: :raises ReasonDoesNotApply: :raises ReasonNeedsNote: the reason does not serve.
    :raises NothingToCopy: :raises NoSuchLine: :raises MoreThanShipped: :raises Changed: the order has another version.
    :raises MethodInactive: the first order's method is, and no other was chosen.
    :raises DomainError: as placing an order refuses what it is told.
    """
    catalogue.require(Act.COPY, decision)
    scoped = Order.objects.visible_to(decision.by)
    authorise(scoped, [order_id], decision.by, "orders.add_order")
    with unit_of_work(decision):
        (origin,) = found(Order, [order_id], setwise.hold(scoped.filter(pk=order_id)))
        require_version(origin, version)
        draft = _draft(origin, _chosen(origin, quantities), _method(origin, shipping_method))
        copy = placing.place_copy(draft, origin, decision=decision)
        outbox.record("order.copy", [origin], {origin.pk: {"copy": copy.number}})
        return copy


def copyable_lines(order: Order) -> list[Line]:
    """Lines of which something was shipped, by number; the shipping fee is not charged again."""
    lines = Line.objects.filter(order=order, shipped__gt=0).order_by("no")
    return [line for line in lines if not line.is_shipping_fee]


def _chosen(origin: Order, quantities: Mapping[int, Decimal] | None) -> list[tuple[Line, Decimal]]:
    lines = {line.no: line for line in copyable_lines(origin)}
    if quantities is None:
        quantities = {no: line.shipped for no, line in lines.items()}
    if not quantities:
        raise NothingToCopy(number=origin.number)
    chosen = []
    for no, quantity in sorted(quantities.items()):
        line = lines.get(no)
        if line is None:
            raise NoSuchLine(number=origin.number, line=no)
        if check_positive(quantity, _("Quantity")) > line.shipped:
            raise MoreThanShipped(
                number=origin.number,
                line=no,
                sku=line.sku,
                wanted=line.count(quantity),
                shipped=line.count(line.shipped),
            )
        chosen.append((line, quantity))
    return chosen


def _method(origin: Order, chosen: str) -> str:
    method = origin.shipping_method
    if chosen or method is None:
        return chosen
    if not method.is_active:
        raise MethodInactive(number=origin.number, method=method)
    return method.code


def _draft(origin: Order, chosen: list[tuple[Line, Decimal]], method: str) -> OrderDraft:
    return OrderDraft(
        shop=origin.shop.code,
        customer=CustomerDraft(name=origin.customer_name, phone=origin.customer_phone, email=origin.customer_email),
        lines=[LineDraft(line.sku, quantity, unit_price=ZERO) for line, quantity in chosen],
        shipping_method=method,
        shipping_address=origin.shipping_address,
    )
