"""Numbers and statuses in JSON."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from erp.kernel.serializers import FixedPointSerializerField, ModelSerializer
from orders.models import Order, Product
from tests.factories import OrderFactory, ProductFactory


class _ProductSerializer(ModelSerializer):
    class Meta:
        model = Product
        fields = ["sku", "price"]


class _OrderSerializer(ModelSerializer):
    class Meta:
        model = Order
        fields = ["status", "note"]


@pytest.mark.django_db
def test_a_number_goes_out_and_comes_back_as_the_same_string() -> None:
    product = ProductFactory(price=Decimal("2.5000"))
    data = _ProductSerializer(product).data

    assert data["price"] == "2.5"
    assert FixedPointSerializerField().run_validation(data["price"]) == Decimal("2.5")


@pytest.mark.parametrize(
    "value",
    [2.5, 2, True, [], {}, "1e3", "NaN", "Infinity", "-0", "１２", "1.00001", "1" + "0" * 12, "9" * 5000, "", " "],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_exact_number_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        FixedPointSerializerField().run_validation(value)


@pytest.mark.django_db
def test_a_status_that_is_sent_is_ignored() -> None:
    order = OrderFactory()
    serializer = _OrderSerializer(order, data={"status": "closed", "note": "later"}, partial=True)

    assert serializer.is_valid()
    assert serializer.fields["status"].read_only
    assert "status" not in serializer.validated_data


def test_a_status_sent_on_creation_is_ignored_too() -> None:
    serializer = _OrderSerializer(data={"status": "closed", "note": ""})

    assert serializer.is_valid()
    assert "status" not in serializer.validated_data
