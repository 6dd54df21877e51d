"""Master data."""

from decimal import Decimal
from typing import Any

import factory

from inventory.models import Warehouse
from logistics.models import Carrier
from orders.models import Customer, Product, ProductKind, Shop, Terms, Unit
from tests.factories.people import RecordedFactory


class ShopFactory(RecordedFactory):
    class Meta:
        model = Shop

    code = factory.Sequence(lambda n: f"SHOP{n}")
    name = factory.Sequence(lambda n: f"店铺{n}")
    currency = "CNY"
    # Most tests are not about money: their orders are processed before anybody pays.
    terms = Terms.ON_DELIVERY


class CustomerFactory(RecordedFactory):
    class Meta:
        model = Customer

    shop = factory.SubFactory(ShopFactory)
    code = factory.Sequence(lambda n: f"CUST{n}")
    name = factory.Sequence(lambda n: f"客户{n}")
    phone = "13800000000"
    email = "customer@example.com"


class ProductFactory(RecordedFactory):
    """Stocked goods, with the trait ``service`` hours of work."""

    class Meta:
        model = Product

    class Params:
        service = factory.Trait(kind=ProductKind.SERVICE, unit=Unit.HOUR)

    sku = factory.Sequence(lambda n: f"SKU{n}")
    name = factory.Sequence(lambda n: f"商品{n}")
    price = Decimal("99.99")
    currency = "CNY"
    tax_rate = Decimal("0.13")


class WarehouseFactory(RecordedFactory):
    class Meta:
        model = Warehouse

    code = factory.Sequence(lambda n: f"WH{n}")
    name = factory.Sequence(lambda n: f"仓库{n}")
    currency = "CNY"


class CarrierFactory(RecordedFactory):
    class Meta:
        model = Carrier

    code = factory.Sequence(lambda n: f"CARRIER{n}")
    name = factory.Sequence(lambda n: f"承运商{n}")


def some_shop() -> Any:
    return Shop.objects.filter(code="SOME").first() or ShopFactory(code="SOME")


def some_warehouse(currency: str) -> Any:
    code = f"SOME-{currency}"
    return Warehouse.objects.filter(code=code).first() or WarehouseFactory(code=code, currency=currency)


def some_carrier() -> Any:
    return Carrier.objects.filter(code="SOME").first() or CarrierFactory(code="SOME")
