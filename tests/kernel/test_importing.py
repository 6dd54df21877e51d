"""Numbers in files."""

from decimal import Decimal
from typing import Any

import pytest
import tablib

from erp.kernel.acting import acting
from erp.kernel.errors import DomainError
from erp.kernel.importing import FixedPointWidget, ModelResource
from orders.models import Product
from tests.factories import DecisionFactory, ProductFactory


class _ProductResource(ModelResource):
    class Meta:
        model = Product
        import_id_fields = ["sku"]
        fields = ["sku", "price"]


@pytest.mark.django_db
@pytest.mark.parametrize("price", ["2.5", "0.0001", "123456789012.3456", "0"])
def test_a_number_survives_export_and_import(price: str) -> None:
    product = ProductFactory(price=Decimal(price))
    exported = _ProductResource().export(Product.objects.filter(pk=product.pk))
    Product.objects.get(pk=product.pk)
    product.price = Decimal(7)
    with acting(DecisionFactory()):
        product.save()
        result = _ProductResource().import_data(tablib.Dataset().load(exported.export("csv"), format="csv"))

    assert not result.has_errors()
    assert exported.dict[0]["price"] == price
    assert Product.objects.get(pk=product.pk).price == Decimal(price)


@pytest.mark.parametrize(("value", "number"), [(2.5, "2.5"), (2, "2"), ("2.50", "2.5"), ("", None), (None, None)])
def test_cells_of_a_spreadsheet_are_read_exactly(value: Any, number: str | None) -> None:
    assert FixedPointWidget().clean(value) == (None if number is None else Decimal(number))


@pytest.mark.parametrize("value", ["1,000", "１２", "1e5", 1e22, float("nan"), True, "-0", 0.1 + 0.2])
def test_cells_that_are_no_exact_number_are_refused(value: Any) -> None:
    with pytest.raises(DomainError):
        FixedPointWidget().clean(value)


def test_an_empty_number_stays_empty() -> None:
    assert FixedPointWidget().render(None) == ""
    assert FixedPointWidget().render(Decimal("2.5000")) == "2.5"
