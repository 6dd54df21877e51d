"""Products taken over from files and other systems."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from erp.kernel.errors import DomainError, Forbidden, SeveralRefused, refusals
from erp.kernel.models import User
from erp.kernel.money import NotANumber, OutOfRange, TooManyDecimals, UnknownCurrency
from erp.kernel.validation import BadText, Missing, TooLong
from orders.models import Product
from orders.services.products import KindIsFixed, ProductDraft, RepeatedSku, UnknownUnit, import_products
from tests.factories import ProductFactory, decide
from tests.support import count_queries

pytestmark = pytest.mark.django_db

DRAFT = ProductDraft("NB-14", "笔记本电脑", "device", Decimal(8999), "CNY", Decimal("0.13"))


def drafts(count: int, *, prefix: str = "SKU", **changes: Any) -> list[ProductDraft]:
    return [replace(DRAFT, sku=f"{prefix}-{no}", **changes) for no in range(count)]


def test_products_are_added_changed_or_left_as_they_are(closer: User) -> None:
    import_products(drafts(3), decision=decide(closer))

    cheaper, *same = drafts(3)
    done = import_products([replace(cheaper, price=Decimal(1)), *same, DRAFT], decision=decide(closer))

    assert [product.sku for product in done.added] == ["NB-14"]
    assert [(product.sku, product.price) for product in done.changed] == [("SKU-0", Decimal(1))]
    assert done.unchanged == 2
    assert Product.objects.get(sku="SKU-0").price == 1
    assert Product.history.filter(sku="SKU-0").count() == 2
    assert Product.history.filter(sku="SKU-1").count() == 1


@pytest.mark.parametrize("known", [False, True])
def test_the_number_of_queries_does_not_grow_with_products(closer: User, known: bool) -> None:
    closer.has_perm("orders.add_product")
    counts = set()
    for count in (1, 10, 300):
        names = {"prefix": f"{count} of {known}"}
        if known:
            import_products(drafts(count, **names), decision=decide(closer))
        with count_queries() as queries:
            import_products(drafts(count, **names, price=Decimal(1)), decision=decide(closer))
        counts.add(len(queries))

    assert len(counts) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"unit": "lightyear"}, UnknownUnit),
        ({"sku": "TWICE"}, RepeatedSku),
        ({"sku": "OLD", "stocked": False}, KindIsFixed),
        ({"sku": "A\0"}, BadText),
        ({"sku": ""}, Missing),
        ({"name": "x" * 201}, TooLong),
        ({"currency": "XXX"}, UnknownCurrency),
        ({"price": Decimal(-1)}, OutOfRange),
        ({"price": Decimal("0.00001")}, TooManyDecimals),
        ({"price": Decimal("NaN")}, NotANumber),
        ({"tax_rate": Decimal(1)}, OutOfRange),
        ({"tax_rate": Decimal("-0.1")}, OutOfRange),
    ],
)
def test_a_product_that_is_not_valid_refuses_all(closer: User, changes: Any, error: type[DomainError]) -> None:
    ProductFactory(sku="OLD")
    before = Product.history.count()

    with pytest.raises(error) as refused:
        import_products(
            [DRAFT, replace(DRAFT, sku="TWICE"), replace(DRAFT, **{"sku": "BAD", **changes})], decision=decide(closer)
        )

    assert refused.value.item == 3
    assert Product.history.count() == before


def test_every_refusal_is_told(closer: User) -> None:
    bad = [replace(DRAFT, sku="A", unit="lightyear"), DRAFT, replace(DRAFT, sku="", name="")]

    with pytest.raises(SeveralRefused) as refused:
        import_products(bad, decision=decide(closer))

    assert [(error.item, error.code) for error in refusals(refused.value)] == [
        (1, "orders.unknown_unit"),
        (3, "kernel.missing"),
    ]


def test_adding_and_changing_need_their_permissions(salesperson: User) -> None:
    with pytest.raises(Forbidden):
        import_products([DRAFT], decision=decide(salesperson))

    salesperson.user_permissions.add(Permission.objects.get(codename="add_product"))
    adder = User.objects.get(pk=salesperson.pk)
    import_products([DRAFT], decision=decide(adder))
    with pytest.raises(Forbidden):
        import_products([replace(DRAFT, price=Decimal(1))], decision=decide(adder))
