"""预付: goods are promised to who pays in advance once payments cover the order."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from finance.models import Payment
from finance.services.payments import PaymentDraft, reject_payments, report_payment
from orders.models import Order, Status, Terms
from orders.services.fulfilment import process_order, process_orders
from orders.services.lifecycle import Refused
from tests.database import unchanged
from tests.factories import CustomerFactory, OrderFactory, ProductFactory, ShopFactory, actor, decide, receive
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Any:
    return ShopFactory(terms=Terms.PREPAID)


def order_of(shop: Any, **story: Any) -> Any:
    product = ProductFactory(price=Decimal(100), currency=shop.currency)
    receive({product: 1})
    return OrderFactory(shop=shop, lines=[(product, 1, None)], **story)


def refusal(order: Any) -> Any:
    with unchanged(), pytest.raises(Refused) as refused:
        process_order(order.pk, decision=decide(actor("salesperson")))
    assert refused.value.blockers == ["finance.not_prepaid"]
    (finding,) = refused.value.outcome.blockers
    return finding


def is_processed(order: Any) -> bool:
    process_order(order.pk, decision=decide(actor("salesperson")))
    return bool(Order.objects.get(pk=order.pk).status == Status.PROCESSING)


def test_an_unpaid_order_is_refused_with_the_figures(shop: Any) -> None:
    finding = refusal(order_of(shop))

    with override("en"):
        assert (finding.message.partition(" is prepaid: ")[2], finding.role) == (
            "payable 100.00 CNY, received or reported 0.00 CNY, 100.00 CNY are missing.",
            "Cashier",
        )


@pytest.mark.parametrize("money", [{"paid": True}, {"reported": True}], ids=str)
def test_confirmed_and_reported_payments_cover_it(shop: Any, money: dict[str, Any]) -> None:
    assert is_processed(order_of(shop, **money))


def test_a_part_confirmed_and_the_rest_reported_cover_it(shop: Any) -> None:
    order = order_of(shop, paid=Decimal(40))
    draft = PaymentDraft(order.pk, "alipay", "R-2", Decimal("59.99"))
    report_payment(draft, decision=decide(actor("cashier")))
    assert refusal(order).params["missing"] == order.money(Decimal("0.01"))

    report_payment(PaymentDraft(order.pk, "alipay", "R-3", Decimal("0.01")), decision=decide(actor("cashier")))

    assert is_processed(order)


def test_a_rejected_payment_covers_nothing(shop: Any) -> None:
    order = order_of(shop, reported=True)
    payment = Payment.objects.get()
    reject_payments([payment.pk], decision=decide(actor("accountant"), reason="RJ01", note="未到账"))

    refusal(order)


def test_more_than_is_payable_covers_it_too(shop: Any) -> None:
    order = order_of(shop, paid=Decimal(120))

    assert is_processed(order)


def test_nothing_is_to_be_paid_for_an_order_without_value(shop: Any) -> None:
    product = ProductFactory()
    receive({product: 1})

    assert is_processed(OrderFactory(shop=shop, lines=[(product, 1, 0)]))


@pytest.mark.parametrize("terms", [Terms.CREDIT, Terms.ON_DELIVERY])
def test_other_terms_are_not_asked(terms: Terms) -> None:
    order = order_of(ShopFactory(terms=terms))

    outcome = process_order(order.pk, decision=decide(actor("salesperson")))

    assert "finance.not_prepaid" not in [finding.code for finding in outcome.findings]


def test_terms_are_those_of_the_order_not_of_the_shop(shop: Any) -> None:
    CustomerFactory(shop=shop, code="K1", terms=Terms.CREDIT)

    assert is_processed(order_of(shop, customer={"name": "云杉", "code": "K1"}))


def test_what_one_order_lacks_stops_no_other_and_costs_no_queries(shop: Any) -> None:
    product = ProductFactory()
    receive({product: 100})
    paid = OrderFactory.create_batch(31, shop=shop, lines=[(product, 1, None)], paid=True)
    unpaid = OrderFactory(shop=shop, lines=[(product, 1, None)])
    salesperson = actor("salesperson")
    salesperson.has_perm("orders.all_shops")
    counts = []
    for chosen in (paid[:1], [*paid[1:], unpaid]):
        with count_queries() as statements:
            outcomes = process_orders([order.pk for order in chosen], decision=decide(salesperson))
        counts.append(len(statements))

    assert [outcome.order_id for outcome in outcomes.refused] == [unpaid.pk]
    assert counts[0] == counts[1]
