"""Placing an order: what it costs, and what it keeps of the master data it was placed with."""

from decimal import Decimal
from typing import Any

import pytest

from erp.kernel.acting import acting
from erp.kernel.models import OutboxEvent
from orders.models import Customer, Line, PaymentStatus, Product, ShippingStatus, Status, Terms, Unit
from orders.models.order import LineKind
from orders.services.placing import CustomerDraft, place_order
from tests.factories import CustomerFactory, ProductFactory, ShopFactory, decide
from tests.orders.drafts import draft, line

pytestmark = pytest.mark.django_db


def lines_of(order: Any) -> list[Line]:
    return list(order.lines.order_by("no"))


def place(user: Any, *args: Any, **kwargs: Any) -> Any:
    return place_order(draft(*args, **kwargs), decision=decide(user)).order


def test_a_line_costs_quantity_times_price_rounded_half_up_once(salesperson: Any) -> None:
    product = ProductFactory(unit=Unit.KILOGRAM, tax_rate=Decimal(0))

    order = place(salesperson, ShopFactory(), line(product, "1.5", "10.003"), line(product, "0.5", "0.01"))

    # 15.0045 and 0.005: each line is rounded, the total is their sum.
    assert [row.amount for row in lines_of(order)] == [Decimal("15.00"), Decimal("0.01")]
    assert (order.goods_total, order.total) == (Decimal("15.01"), Decimal("15.01"))


def test_amounts_are_rounded_at_the_minor_unit_of_the_currency(salesperson: Any) -> None:
    product = ProductFactory(unit=Unit.KILOGRAM, currency="JPY", price=Decimal("333.5"), tax_rate=Decimal("0.1"))

    order = place(salesperson, ShopFactory(currency="JPY"), line(product, "3"))

    assert (order.currency, order.total, order.tax) == ("JPY", 1001, 91)


def test_tax_is_inside_the_price_of_each_line(salesperson: Any) -> None:
    goods = ProductFactory(price=Decimal(113), tax_rate=Decimal("0.13"))
    food = ProductFactory(price=Decimal("10.90"), tax_rate=Decimal("0.09"))

    order = place(salesperson, ShopFactory(), line(goods, "2"), line(food))

    assert [row.tax for row in lines_of(order)] == [26, Decimal("0.90")]
    assert (order.total, order.tax) == (Decimal("236.90"), Decimal("26.90"))


def test_the_price_is_the_products_unless_one_is_agreed(salesperson: Any) -> None:
    product = ProductFactory(price=Decimal("99.99"))

    order = place(salesperson, ShopFactory(), line(product), line(product, price="88.8888"))

    assert [row.unit_price for row in lines_of(order)] == [Decimal("99.99"), Decimal("88.8888")]


def test_a_price_of_another_currency_serves_nobody_but_an_agreed_one_does(salesperson: Any) -> None:
    product = ProductFactory(currency="CNY")

    order = place(salesperson, ShopFactory(currency="USD"), line(product, "2", "15.50"))

    assert (order.currency, order.total) == ("USD", 31)


def test_a_line_discount_lowers_its_line_and_the_tax_in_it(salesperson: Any) -> None:
    product = ProductFactory(price=Decimal(113), tax_rate=Decimal("0.13"))

    order = place(salesperson, ShopFactory(), line(product, "2", discount="113"), line(product))

    discounted, _ = lines_of(order)
    assert (discounted.discount, discounted.amount, discounted.tax) == (113, 113, 13)
    assert (order.goods_total, order.discount, order.total) == (226, 0, 226)


@pytest.mark.parametrize(
    ("prices", "discount", "shares"),
    [
        (["1", "1", "1"], "0.05", ["0.02", "0.02", "0.01"]),
        (["33.33", "33.33", "33.34"], "10", ["3.33", "3.33", "3.34"]),
        (["100", "0", "50"], "1", ["0.67", "0", "0.33"]),
        (["0.01", "999.99"], "1", ["0", "1"]),
        (["70", "30"], "100", ["70", "30"]),
    ],
)
def test_an_order_discount_is_shared_by_largest_remainder(
    salesperson: Any, prices: list[str], discount: str, shares: list[str]
) -> None:
    product = ProductFactory()

    order = place(
        salesperson, ShopFactory(), *(line(product, price=price) for price in prices), discount=Decimal(discount)
    )

    rows = lines_of(order)
    assert [row.order_discount for row in rows] == [Decimal(share) for share in shares]
    assert [row.amount + row.order_discount for row in rows] == [Decimal(price) for price in prices]
    assert order.total == order.goods_total - Decimal(discount) == sum(row.amount for row in rows)


def test_tax_is_taken_of_what_the_order_discount_leaves(salesperson: Any) -> None:
    product = ProductFactory(price=Decimal(226), tax_rate=Decimal("0.13"))

    order = place(salesperson, ShopFactory(), line(product), discount=Decimal(113))

    assert (order.total, order.tax) == (113, 13)


def test_the_shipping_fee_is_a_line_of_its_own_that_no_discount_touches(salesperson: Any) -> None:
    Product.objects.filter(sku="SHIPPING").update(tax_rate=Decimal("0.06"))
    product = ProductFactory(price=Decimal(100), tax_rate=Decimal(0))

    order = place(
        salesperson, ShopFactory(), line(product), discount=Decimal(10), shipping_fee=Decimal("10.60"), note="加急"
    )

    _, fee = lines_of(order)
    assert (fee.no, fee.kind, fee.sku, fee.quantity) == (2, LineKind.SHIPPING_FEE, "SHIPPING", 1)
    assert (fee.amount, fee.tax, fee.order_discount) == (Decimal("10.60"), Decimal("0.60"), 0)
    assert (order.goods_total, order.discount, order.shipping_fee) == (100, 10, Decimal("10.60"))
    assert (order.total, order.tax) == (Decimal("100.60"), Decimal("0.60"))


def test_a_new_order_waits_for_goods_and_money(salesperson: Any) -> None:
    order = place(salesperson, ShopFactory(), line(ProductFactory()))

    assert (order.status, order.version) == (Status.NEW, 1)
    assert (order.shipping_status, order.payment_status) == (ShippingStatus.NOT_SHIPPED, PaymentStatus.UNPAID)


def test_nothing_is_due_for_an_order_that_costs_nothing(salesperson: Any) -> None:
    order = place(salesperson, ShopFactory(), line(ProductFactory(), price="0"))

    assert (order.total, order.payment_status) == (0, PaymentStatus.NOT_DUE)


def test_goods_and_services_keep_their_kind(salesperson: Any) -> None:
    goods, work = ProductFactory(), ProductFactory(service=True)

    order = place(salesperson, ShopFactory(), line(goods), line(work, "1.5"))

    assert [row.kind for row in lines_of(order)] == [LineKind.STOCKED, LineKind.SERVICE]


def test_an_order_keeps_what_master_data_said_when_it_was_placed(salesperson: Any, system: Any) -> None:
    shop = ShopFactory(terms=Terms.CREDIT, credit_days=30)
    customer = CustomerFactory(shop=shop, code="K1", name="旧名", phone="13800000000")
    product = ProductFactory(name="旧品名", price=Decimal(113), tax_rate=Decimal("0.13"), unit=Unit.BOX)
    order = place(salesperson, shop, line(product), customer=CustomerDraft("旧名", code="K1"))

    with acting(decide(system)):
        for row, changes in (
            (product, {"name": "新品名", "price": Decimal(200), "tax_rate": Decimal(0), "unit": Unit.SET}),
            (customer, {"name": "新名", "phone": "13999999999"}),
            (shop, {"terms": Terms.PREPAID, "credit_days": 0}),
        ):
            for name, value in changes.items():
                setattr(row, name, value)
            row.save()
    order.refresh_from_db()

    (kept,) = lines_of(order)
    assert (kept.name, kept.unit, kept.unit_price, kept.tax_rate) == ("旧品名", "box", 113, Decimal("0.13"))
    assert (order.customer_name, order.customer_phone) == ("旧名", "13800000000")
    assert (order.terms, order.credit_days) == (Terms.CREDIT, 30)


def test_terms_are_the_customers_where_they_have_their_own(salesperson: Any) -> None:
    shop = ShopFactory(terms=Terms.PREPAID)
    CustomerFactory(shop=shop, code="K1", terms=Terms.CREDIT, credit_days=45)

    order = place(salesperson, shop, line(ProductFactory()), customer=CustomerDraft("王芳", code="K1"))

    assert (order.terms, order.credit_days) == (Terms.CREDIT, 45)


def test_a_known_customer_is_found_by_code_within_the_shop(salesperson: Any) -> None:
    ours, theirs, product = ShopFactory(), ShopFactory(), ProductFactory()
    known = CustomerFactory(shop=ours, code="K1", phone="13800000000", email="a@example.com")
    customer = CustomerDraft("王芳", code="K1")

    first = place(salesperson, ours, line(product), customer=customer)
    second = place(salesperson, theirs, line(product), customer=customer)

    assert first.customer_id == known.pk
    assert (first.customer_phone, first.customer_email) == ("13800000000", "a@example.com")
    assert second.customer_id != known.pk
    assert Customer.objects.filter(code="K1").count() == 2


def test_without_a_code_a_customer_is_made_for_each_order(salesperson: Any) -> None:
    shop, product = ShopFactory(), ProductFactory()

    orders = [place(salesperson, shop, line(product), customer=CustomerDraft("王芳")) for _ in range(2)]

    assert len({order.customer_id for order in orders}) == 2


def test_empty_parts_of_the_address_are_left_out(salesperson: Any) -> None:
    address = {"province": "广东省", "city": " 深圳市 ", "line2": ""}

    order = place(salesperson, ShopFactory(), line(ProductFactory()), shipping_address=address)

    assert order.shipping_address == {"province": "广东省", "city": "深圳市"}


def test_placing_is_told_to_others(salesperson: Any) -> None:
    order = place(salesperson, ShopFactory(), line(ProductFactory()))

    event = OutboxEvent.objects.get(topic="order.place")
    assert (event.subject_id, event.subject) == (str(order.pk), order.number)
