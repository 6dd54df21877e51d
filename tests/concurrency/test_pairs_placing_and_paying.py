"""Two acts at once where an order begins, and with its money: they end as one after the other."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from erp.kernel.money import CURRENCIES
from finance.models import Payment, Period
from finance.periods import close_period
from finance.services.payments import PaymentDraft, confirm_payment, reject_payments, report_payment
from orders.models import Line, Order
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft, place_order
from tests.concurrency.scenes import Scene, play, state_of, stock_of
from tests.concurrency.threads import Act, rounds
from tests.factories import OrderFactory, ProductFactory, ShopFactory, WarehouseFactory, actor, decide, receive


def place_and_place(count: int) -> Sequence[Scene]:
    """The same order sent twice is one order."""
    shop, product = ShopFactory(), ProductFactory()
    scenes = []
    for no in range(count):
        place = _placing(shop, product, f"SAME-{no}", 1)
        scenes.append(Scene(place, place, partial(_placed, f"SAME-{no}")))
    return scenes


def place_and_place_another(count: int) -> Sequence[Scene]:
    """Two orders under one number: one is refused."""
    shop, product = ShopFactory(), ProductFactory()
    scenes = []
    for no in range(count):
        one, other = (_placing(shop, product, f"OTHER-{no}", quantity) for quantity in (1, 2))
        scenes.append(Scene(one, other, partial(_placed, f"OTHER-{no}")))
    return scenes


def place_and_place_for_a_new_customer(count: int) -> Sequence[Scene]:
    """Two first orders of one customer: both are placed, and the customer is made once."""
    shop, product = ShopFactory(), ProductFactory()
    scenes = []
    for no in range(count):
        one, other = (_placing(shop, product, f"NEW-{no}-{way}", 1, customer=f"C{no}") for way in (1, 2))
        scenes.append(Scene(one, other, partial(_customers_of, f"NEW-{no}-")))
    return scenes


def report_and_report(count: int) -> Sequence[Scene]:
    """The same money told twice is one payment."""
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1):
        draft = PaymentDraft(order.pk, "alipay", f"REF-{order.pk}", order.total)
        report = partial(report_payment, draft, decision=decide(actor("cashier")))
        scenes.append(Scene(report, report, partial(state_of, order)))
    return scenes


def confirm_and_confirm(count: int) -> Sequence[Scene]:
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, reported=True):
        confirm = partial(confirm_payment, Payment.objects.get(order=order).pk, decision=decide(actor("accountant")))
        scenes.append(Scene(confirm, confirm, partial(state_of, order)))
    return scenes


def confirm_and_reject(count: int) -> Sequence[Scene]:
    scenes = []
    for order in OrderFactory.create_batch(count, line_count=1, reported=True):
        payment = Payment.objects.get(order=order).pk
        why = decide(actor("accountant"), reason="RJ01", note="未到账")
        scenes.append(
            Scene(
                partial(confirm_payment, payment, decision=decide(actor("accountant"))),
                partial(reject_payments, [payment], decision=why),
                partial(state_of, order),
            )
        )
    return scenes


def post_and_close_period(count: int) -> Sequence[Scene]:
    """Last month of a book per scene: a receipt dated its last day comes in before it is closed, or not at all."""
    last_month = timezone.now().astimezone(UTC).replace(day=1, hour=2) - timedelta(days=1)
    scenes = []
    for currency in list(CURRENCIES)[:count]:
        product, warehouse = ProductFactory(currency=currency), WarehouseFactory(currency=currency)
        bring_in = partial(receive, {product: 1}, warehouse=warehouse, decision=decide(actor("keeper"), at=last_month))
        bring_in()
        period = Period.objects.get(currency=currency)
        close = partial(close_period, period.pk, decision=decide(actor("accountant")))
        scenes.append(Scene(bring_in, close, partial(_period_and_stock, period, product)))
    return scenes


@pytest.mark.parametrize(
    "scenes",
    [
        place_and_place,
        place_and_place_another,
        place_and_place_for_a_new_customer,
        report_and_report,
        confirm_and_confirm,
        confirm_and_reject,
        post_and_close_period,
    ],
    ids=lambda scenes: scenes.__name__,
)
def test_two_acts_at_once_end_as_one_after_the_other(scenes: Callable[[int], Sequence[Scene]]) -> None:
    play(scenes(rounds() + 2))


def _placing(shop: Any, product: Any, number: str, quantity: int, customer: str = "") -> Act:
    draft = OrderDraft(
        shop.code,
        CustomerDraft("王芳", code=customer),
        [LineDraft(product.sku, Decimal(quantity))],
        external_number=number,
        placed_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    return partial(place_order, draft, decision=decide(actor("salesperson")))


def _placed(number: str) -> Any:
    return tuple(Line.objects.filter(order__external_number=number).values_list("quantity", flat=True))


def _customers_of(prefix: str) -> Any:
    orders = Order.objects.filter(external_number__startswith=prefix)
    return orders.count(), orders.values("customer").distinct().count()


def _period_and_stock(period: Any, product: Any) -> Any:
    period.refresh_from_db()
    return period.closed_at is not None, period.next_number, stock_of(product)
