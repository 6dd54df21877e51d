"""Exact decimals on every database."""

from decimal import Decimal
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import connection
from django.db.models import Count, F, Sum

from erp.kernel.fields import FixedPointField, FixedPointFormField, fixed
from orders.models import Product
from tests.factories import ProductFactory

pytestmark = pytest.mark.django_db


def _stored(product: Product) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT price FROM orders_product WHERE id = %s", [product.pk])
        (value,) = cursor.fetchone()
    return int(value)


@pytest.mark.parametrize("price", ["0", "0.0001", "2.5", "99999999999999.9999", "12345678901234.5678"])
def test_a_number_comes_back_exactly_as_it_was_saved(price: str) -> None:
    product = ProductFactory(price=Decimal(price))

    assert Product.objects.get(pk=product.pk).price == Decimal(price)
    assert _stored(product) == int(Decimal(price) * 10_000)


def test_ten_tenths_are_one_in_the_database() -> None:
    ProductFactory.create_batch(10, price=Decimal("0.1"), name="ten tenths")
    tenths = Product.objects.filter(name="ten tenths")

    assert tenths.aggregate(sum=Sum("price"))["sum"] == 1
    assert tenths.values("name").annotate(sum=Sum("price"), n=Count("pk")).filter(sum=fixed(1)).get()["n"] == 10


def test_fields_add_and_subtract_in_the_database() -> None:
    ProductFactory(price=Decimal("2.5"), tax_rate=Decimal("0.13"), sku="sum")

    product = Product.objects.annotate(plus=F("price") + F("tax_rate"), minus=F("price") - fixed("0.5")).get(sku="sum")

    assert (product.plus, product.minus) == (Decimal("2.63"), Decimal(2))


@pytest.mark.parametrize(
    "value",
    [
        Decimal("0.00001"),
        Decimal("1.00000000000000000000000000000001"),
        Decimal(10) ** 14,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
    ],
    ids=str,
)
def test_what_cannot_be_stored_exactly_is_refused(value: Decimal) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        FixedPointField(name="price").get_prep_value(value)


@pytest.mark.parametrize("value", [1.5, True, b"1", []], ids=repr)
def test_what_is_no_decimal_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="takes a Decimal"):
        FixedPointField(name="price").get_prep_value(value)


@pytest.mark.parametrize("value", ["2,5", "1e3", "-0", "１２", "NaN", "", "1_000", " ", "+1", "0x1", "٣"])
def test_text_is_read_as_strictly_as_a_person_would(value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FixedPointField(verbose_name="price").to_python(value)

    assert refused.value.code == "kernel.not_a_number"


def test_saving_an_expression_is_refused() -> None:
    product = ProductFactory()
    product.price = F("price") + 1

    with pytest.raises(TypeError, match="never expressions"):
        product.save()


@pytest.mark.parametrize(
    "condition",
    [
        {"price": 1.5},
        {"price": F("id")},
        {"price__gt": F("id")},
        {"price__gte": F("id")},
        {"price__lt": F("id")},
        {"price__lte": F("id")},
        {"price__in": [F("id")]},
        {"price__in": [1.5]},
        {"price__in": Product.objects.values("id")},
        {"price__range": (F("id"), fixed(3))},
        {"price__range": (fixed(1), 1.5)},
    ],
    ids=lambda condition: next(iter(condition)),
)
def test_comparing_with_an_unscaled_number_is_refused(condition: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        list(Product.objects.filter(**condition))


@pytest.mark.parametrize("expression", [F("price") + 1, F("price") * F("tax_rate"), F("price") * 2], ids=str)
def test_arithmetic_with_an_unscaled_number_is_refused(expression: Any) -> None:
    ProductFactory()

    with pytest.raises(FieldError, match="Cannot infer type"):
        list(Product.objects.annotate(wrong=expression))
    with pytest.raises((FieldError, TypeError)):
        list(Product.objects.filter(price__gt=expression))


@pytest.mark.parametrize(
    "condition",
    [
        {"price": Decimal("2.5")},
        {"price": "2.5"},
        {"price__gt": Decimal("2.4999")},
        {"price__lt": fixed("2.5001")},
        {"price__in": [Decimal("2.5"), Decimal(7)]},
        {"price__range": (Decimal("2.5"), Decimal(3))},
        {"price__gte": F("tax_rate")},
        {"price__in": Product.objects.values("price")},
        {"price__gt": F("tax_rate") + fixed(1)},
    ],
    ids=lambda condition: next(iter(condition)),
)
def test_comparing_scaled_numbers_finds_the_row(condition: dict[str, Any]) -> None:
    product = ProductFactory(price=Decimal("2.5"))

    assert product in Product.objects.filter(**condition)


def test_a_fixture_keeps_its_numbers() -> None:
    product = ProductFactory(price=Decimal("2.5"))

    (loaded,) = serializers.deserialize("json", serializers.serialize("json", [product]))

    assert loaded.object.price == Decimal("2.5")
    assert product._meta.get_field("price").value_to_string(product) == "2.5"


def test_rows_are_inserted_in_one_statement_on_postgresql_as_arrays() -> None:
    """A placeholder of its own would switch that off, silently."""
    assert not hasattr(FixedPointField, "get_placeholder")


class TestForm:
    def test_shows_digits_without_needless_zeros(self) -> None:
        assert FixedPointFormField().prepare_value(Decimal("12.5000")) == "12.5"

    def test_reads_what_it_shows(self) -> None:
        assert FixedPointFormField().clean(" 12.5 ") == Decimal("12.5")

    def test_showing_a_number_and_sending_it_back_changes_nothing(self) -> None:
        assert not FixedPointFormField().has_changed(Decimal("12.5000"), "12.5")

    def test_nothing_is_none(self) -> None:
        assert FixedPointFormField(required=False).clean("") is None

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("abc", "kernel.not_a_number"),
            ("1,000.00", "kernel.not_a_number"),
            ("１２", "kernel.not_a_number"),
            ("1e3", "kernel.not_a_number"),
            ("-0", "kernel.not_a_number"),
            ("NaN", "kernel.not_a_number"),
            ("9" * 5000, "kernel.not_a_number"),
            ("1.00001", "kernel.too_many_decimals"),
            ("1000000000000", "kernel.out_of_range"),
        ],
        ids=lambda value: value[:20],
    )
    def test_refuses_with_a_reason(self, text: str, code: str) -> None:
        with pytest.raises(ValidationError) as refused:
            FixedPointFormField(label="Price").clean(text)

        assert [error.code for error in refused.value.error_list] == [code]

    def test_is_what_models_offer(self) -> None:
        field = Product._meta.get_field("price").formfield()

        assert isinstance(field, FixedPointFormField)
        assert field.widget.attrs["inputmode"] == "decimal"
