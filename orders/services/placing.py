"""
Placing orders, one or many, by anybody who may add orders to a shop.

A draft says what was ordered; names, units, tax rates and terms are taken from master data and kept
on the order. Rounding, half up at the currency's minor unit: each line's quantity × unit price, the
tax within each line's amount, and the shares of the order discount (largest remainder).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel import outbox, setwise
from erp.kernel.acting import Decision
from erp.kernel.canonical import digest
from erp.kernel.errors import DomainError, RefusedByDatabase, each
from erp.kernel.locks import once_more_after, unit_of_work
from erp.kernel.money import ZERO, Money, check, check_positive, minor_units, plain, share, tax_within, times
from erp.kernel.numbering import numbers
from erp.kernel.transitions import permit
from erp.kernel.validation import column, passed, text
from orders.models import Customer, Line, Order, Product, ShippingMethod, Shop, Unit
from orders.models.master import WHOLE_UNITS
from orders.models.order import LineKind
from orders.selectors import company_day
from orders.services.progress import payment_status, shipping_status

LINES_LIMIT = 10_000
SHIPPING_SKU = "SHIPPING"


class UnknownShop(DomainError):
    code = "orders.unknown_shop"
    message = _("Shop “%(shop)s” does not exist, is inactive, or is outside your scope. Check the shop's code.")


class UnknownProduct(DomainError):
    code = "orders.unknown_product"
    message = _("Line %(line)s: product “%(sku)s” does not exist or is inactive. Check the SKU or add the product.")


class CustomerInactive(DomainError):
    code = "orders.customer_inactive"
    message = _("Customer “%(customer)s” of shop %(shop)s is inactive. Activate the customer, or order for another.")


class UnknownShippingMethod(DomainError):
    code = "orders.unknown_shipping_method"
    message = _("Shipping method “%(method)s” does not exist or is inactive. Choose one that does.")


class NoLines(DomainError):
    code = "orders.no_lines"
    message = _("The order has no lines. Add at least one product.")


class TooManyLines(DomainError):
    code = "orders.too_many_lines"
    message = _("The order has %(count)s lines, at most %(limit)s are possible. Split it.")


class FractionOfPiece(DomainError):
    code = "orders.fraction_of_piece"
    message = _("Line %(line)s: %(quantity)s %(unit)s of %(sku)s is no whole number. Correct the quantity.")


class CurrencyMismatch(DomainError):
    code = "orders.currency_mismatch"
    message = _("The order is in %(currency)s, but shop %(shop)s sells in %(expected)s. Send it in %(expected)s.")


class PriceMissing(DomainError):
    code = "orders.price_missing"
    message = _(
        "Line %(line)s: %(sku)s has its price in %(product_currency)s, the order is in %(currency)s. "
        "Name a unit price."
    )


class DiscountTooLarge(DomainError):
    code = "orders.discount_too_large"
    message = _("The discount of %(discount)s is more than the %(whole)s it is taken from. Correct it.")


class ExternalNumberTaken(DomainError):
    code = "orders.external_number_taken"
    message = _(
        "Shop %(shop)s has already placed %(external_number)s with other content, as order %(number)s. "
        "Use a new external number, or send the same content."
    )


class BadAddress(DomainError):
    code = "orders.bad_address"
    message = _("The shipping address has the unknown part “%(part)s”. Use: %(parts)s.")


@dataclass(frozen=True, slots=True)
class CustomerDraft:
    """A customer is found by ``code`` within the shop, or made; without a code one is made for this order."""

    name: str
    code: str = ""
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class LineDraft:
    """``unit_price`` (tax included) defaults to the product's; ``discount`` is an amount off the whole line."""

    sku: str
    quantity: Decimal
    unit_price: Decimal | None = None
    discount: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """What was ordered. ``currency`` may be left out: it is the shop's. ``placed_at`` defaults to the act."""

    shop: str
    customer: CustomerDraft
    lines: Sequence[LineDraft]
    external_number: str = ""
    currency: str = ""
    placed_at: datetime | None = None
    discount: Decimal = ZERO
    shipping_fee: Decimal = ZERO
    shipping_method: str = ""
    shipping_address: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


ADDRESS_PARTS = ("name", "phone", "country", "province", "city", "district", "line1", "line2", "postcode")


@dataclass(frozen=True, slots=True)
class Placed:
    """One draft's result: its order (``created`` False: it was there already), or why it was refused."""

    order: Order | None = None
    created: bool = False
    error: DomainError | None = None


@dataclass(slots=True)
class _Known:
    """Master data the drafts of one call name, read once for all of them."""

    shops: dict[str, Shop]
    products: dict[str, Product]
    methods: dict[str, ShippingMethod]
    customers: dict[tuple[int, str], Customer]
    orders: dict[tuple[int, str], Order]


def place_order(draft: OrderDraft, *, decision: Decision) -> Placed:
    """As :func:`place_orders` for one. :raises DomainError: why it was refused."""
    (placed,) = place_orders([draft], decision=decision)
    if placed.error:
        raise placed.error
    return placed


def place_orders(drafts: Iterable[OrderDraft], *, decision: Decision) -> list[Placed]:
    """
    Place orders; a draft that is refused does not stop the others.

    The same external number with the same content is the same order and changes nothing.

    :returns: one result per draft, in their order. :raises Forbidden: ``orders.add_order`` is missing.
    """
    permit(decision.by, "orders.add_order")
    return _place_at_once(list(drafts), decision)


def place_copy(draft: OrderDraft, origin: Order, *, decision: Decision) -> Order:
    """
    Place what is sent to the customer of ``origin`` once more, free of charge, inside the caller's unit of work.

    :raises DomainError: why it was refused.
    """
    clean = _clean(draft)
    order, lines = _build(clean, _read([clean], decision), decision, origin.customer)
    order.copied_from, order.copy_reason = origin, decision.reason
    _insert([(order, lines)])
    return order


# Refused where in the same moment somebody placed one of these external numbers.
@once_more_after(RefusedByDatabase)
def _place_at_once(drafts: Sequence[OrderDraft], decision: Decision) -> list[Placed]:
    with unit_of_work(decision):
        return _place(drafts, decision)


def _place(drafts: Sequence[OrderDraft], decision: Decision) -> list[Placed]:
    cleaned = [_cleaned(draft) for draft in drafts]
    known = _read([clean for clean in cleaned if isinstance(clean, OrderDraft)], decision)
    results: list[Placed] = []
    new: list[tuple[Order, list[Line]]] = []
    for clean in cleaned:
        if isinstance(clean, DomainError):
            results.append(Placed(error=clean))
            continue
        try:
            existing = _existing(clean, known)
            if existing is not None:
                results.append(Placed(existing))
                continue
            order, lines = _build(clean, known, decision)
        except DomainError as error:
            results.append(Placed(error=error))
            continue
        if order.external_number:
            known.orders[order.shop_id, order.external_number] = order
        new.append((order, lines))
        results.append(Placed(order, created=True))
    _insert(new)
    return results


def _insert(new: Sequence[tuple[Order, Sequence[Line]]]) -> None:
    orders = [order for order, _ in new]
    # Several new orders of one call may share one new customer.
    unsaved = {id(order.customer): order.customer for order in orders if order.customer.pk is None}
    setwise.insert(list(unsaved.values()))
    by_year: dict[int, list[Order]] = {}
    for order in orders:
        order.customer_id = order.customer.pk
        by_year.setdefault(company_day(order.placed_at).year, []).append(order)
    for year, of_year in sorted(by_year.items()):
        for order, number in zip(of_year, numbers("SO", year, len(of_year)), strict=True):
            order.number = number
    setwise.insert(orders)
    for order, lines in new:
        for line in lines:
            line.order = order
    setwise.insert([line for _, lines in new for line in lines])
    outbox.record("order.place", orders)


def _read(drafts: Sequence[OrderDraft], decision: Decision) -> _Known:
    skus = {line.sku for draft in drafts for line in draft.lines}
    skus |= {SHIPPING_SKU for draft in drafts if draft.shipping_fee}
    methods = {draft.shipping_method for draft in drafts if draft.shipping_method}
    externals = {draft.external_number for draft in drafts if draft.external_number}
    codes = {draft.customer.code for draft in drafts if draft.customer.code}
    wanted = {draft.shop for draft in drafts}
    shops = Shop.objects.visible_to(decision.by).filter(code__in=wanted, is_active=True)
    known = _Known({}, {}, {}, {}, {})
    if codes:
        # Known customers bring their shops along.
        for customer in Customer.objects.filter(shop__in=shops, code__in=codes).select_related("shop"):
            known.customers[customer.shop_id, customer.code or ""] = customer
            known.shops[customer.shop.code] = customer.shop
    if wanted - known.shops.keys():
        known.shops = {shop.code: shop for shop in shops}
    ids = [shop.pk for shop in known.shops.values()]
    known.products = {p.sku: p for p in Product.objects.filter(sku__in=skus, is_active=True)}
    if methods:
        known.methods = {m.code: m for m in ShippingMethod.objects.filter(code__in=methods, is_active=True)}
    if externals:
        orders = Order.objects.filter(shop__in=ids, external_number__in=externals)
        known.orders = {(order.shop_id, order.external_number or ""): order for order in orders}
    return known


def _cleaned(draft: OrderDraft) -> OrderDraft | DomainError:
    try:
        return _clean(draft)
    except DomainError as error:
        return error


def _clean(draft: OrderDraft) -> OrderDraft:
    """Texts fit to be stored and looked for; the same draft cleans to the same draft."""
    check_count(draft.lines)
    customer = replace(
        draft.customer,
        code=column(Customer, "code", draft.customer.code),
        name=column(Customer, "name", draft.customer.name, required=True),
        phone=column(Customer, "phone", draft.customer.phone),
        email=column(Customer, "email", draft.customer.email),
    )
    return replace(
        draft,
        shop=column(Shop, "code", draft.shop),
        customer=customer,
        lines=each(draft.lines, _clean_line),
        external_number=column(Order, "external_number", draft.external_number),
        note=column(Order, "note", draft.note),
        shipping_method=column(ShippingMethod, "code", draft.shipping_method),
        shipping_address=clean_address(draft.shipping_address),
    )


def check_count(lines: Sequence[Any]) -> None:
    """:raises NoLines: :raises TooManyLines:"""
    if not lines:
        raise NoLines
    if len(lines) > LINES_LIMIT:
        raise TooManyLines(count=len(lines), limit=LINES_LIMIT)


def _clean_line(_no: int, draft: LineDraft) -> LineDraft:
    return replace(draft, sku=column(Product, "sku", draft.sku))


def clean_address(address: Mapping[str, str]) -> dict[str, str]:
    """Its known parts, without empty ones. :raises BadAddress: :raises DomainError: a text cannot be stored."""
    for part in address:
        if part not in ADDRESS_PARTS:
            raise BadAddress(part=part, parts=", ".join(ADDRESS_PARTS))
    texts = {part: text(value, part, limit=200) for part, value in address.items()}
    return {part: value for part, value in texts.items() if value}


def _existing(draft: OrderDraft, known: _Known) -> Order | None:
    shop = known.shops.get(draft.shop)
    order = known.orders.get((shop.pk, draft.external_number)) if shop and draft.external_number else None
    if shop is None or order is None:
        return None
    if order.placed_digest != _digest(draft):
        raise ExternalNumberTaken(shop=shop, external_number=draft.external_number, number=order.number or "…")
    return order


def _digest(draft: OrderDraft) -> str:
    return digest(asdict(draft))


def _build(
    draft: OrderDraft, known: _Known, decision: Decision, customer: Customer | None = None
) -> tuple[Order, list[Line]]:
    """:param customer: whom it is for; without one, whom the draft names."""
    shop = known.shops.get(draft.shop)
    if shop is None:
        raise UnknownShop(shop=draft.shop)
    currency = shop.currency
    if draft.currency and draft.currency != currency:
        minor_units(draft.currency)
        raise CurrencyMismatch(currency=draft.currency, shop=shop, expected=currency)
    method = known.methods.get(draft.shipping_method)
    if draft.shipping_method and method is None:
        raise UnknownShippingMethod(method=draft.shipping_method)
    lines = each(draft.lines, lambda no, line: _line(no, line, currency, known.products))
    amounts = add_up(lines, draft.discount, draft.shipping_fee, currency)
    if amounts["shipping_fee"]:
        lines.append(_fee_line(len(lines) + 1, amounts["shipping_fee"], known.products, currency))
    customer = customer or _customer(draft.customer, shop, known)
    order = Order(
        shop=shop,
        external_number=draft.external_number or None,
        placed_digest=_digest(draft),
        customer=customer,
        customer_name=draft.customer.name,
        customer_phone=draft.customer.phone or customer.phone,
        customer_email=draft.customer.email or customer.email,
        shipping_address=dict(draft.shipping_address),
        shipping_method=method,
        currency=currency,
        terms=customer.terms or shop.terms,
        credit_days=customer.credit_days if customer.terms else shop.credit_days,
        note=draft.note,
        placed_at=passed(draft.placed_at or decision.at, decision.at, _("Placed")),
        **amounts,
        tax=sum((line.tax for line in lines), ZERO),
        payable=amounts["total"],
        shipping_status=shipping_status(lines),
    )
    order.payment_status = payment_status(order)
    return order, lines


def add_up(lines: Sequence[Line], discount: Decimal, fee: Decimal, currency: str) -> dict[str, Decimal]:
    """
    Share an order discount over lines that were given their prices, and find the tax in each.

    :returns: the order's amounts by column, but its tax. :raises DiscountTooLarge:
    """
    goods = sum((line.amount for line in lines), ZERO)
    discount = _amount(discount, Order, "discount", currency)
    fee = _amount(fee, Order, "shipping_fee", currency)
    if discount > goods:
        raise DiscountTooLarge(discount=Money(discount, currency), whole=Money(goods, currency))
    for line, part in zip(lines, share(discount, [line.amount for line in lines], currency), strict=True):
        line.order_discount = part
        line.amount -= part
        line.tax = tax_within(line.amount, line.tax_rate, currency)
    total = check(goods - discount + fee, Order._meta.get_field("total").verbose_name)
    return {"goods_total": goods, "discount": discount, "shipping_fee": fee, "total": total}


def price(line: Line, quantity: Decimal, unit_price: Decimal, discount: Decimal, currency: str) -> None:
    """
    Give a line its quantity, price and discount; its amount is without a share of the order discount then.

    :raises FractionOfPiece: :raises DiscountTooLarge: :raises DomainError: a number is out of range.
    """
    check_positive(quantity, _("Quantity"))
    if line.unit in WHOLE_UNITS and quantity != quantity.to_integral_value():
        raise FractionOfPiece(line=line.no, quantity=plain(quantity), unit=Unit(line.unit).label, sku=line.sku)
    check(unit_price, _("Unit price"), least=ZERO)
    gross = check(times(unit_price, quantity, currency), _("Amount"))
    _amount(discount, Line, "discount", currency)
    if discount > gross:
        raise DiscountTooLarge(discount=Money(discount, currency), whole=Money(gross, currency))
    line.quantity, line.unit_price, line.discount, line.amount = quantity, unit_price, discount, gross - discount


def more_lines(order: Order, drafts: Sequence[LineDraft], first: int) -> list[Line]:
    """
    Lines to be added to an order, numbered from ``first``, before its discount is shared.

    :raises UnknownProduct: :raises PriceMissing: :raises DomainError: as :func:`price`.
    """
    cleaned = each(drafts, _clean_line)
    products = Product.objects.filter(sku__in={draft.sku for draft in cleaned}, is_active=True)
    by_sku = {product.sku: product for product in products} if cleaned else {}
    lines = each(cleaned, lambda no, draft: _line(first + no - 1, draft, order.currency, by_sku))
    for line in lines:
        line.order = order
    return lines


def fee_line(order: Order, no: int, fee: Decimal) -> Line:
    """A line for the shipping fee of an order that had none."""
    line = _fee_line(no, fee, {SHIPPING_SKU: Product.objects.get(sku=SHIPPING_SKU)}, order.currency)
    line.order = order
    return line


def charge(line: Line, fee: Decimal, currency: str) -> None:
    """Let the line of the shipping fee say another one."""
    line.unit_price = line.amount = fee
    line.tax = tax_within(fee, line.tax_rate, currency)


def _line(no: int, draft: LineDraft, currency: str, products: Mapping[str, Product]) -> Line:
    product = products.get(draft.sku)
    if product is None or draft.sku == SHIPPING_SKU:
        raise UnknownProduct(line=no, sku=draft.sku)
    unit_price = draft.unit_price
    if unit_price is None:
        if product.currency != currency:
            raise PriceMissing(line=no, sku=product.sku, product_currency=product.currency, currency=currency)
        unit_price = product.price
    line = Line(
        no=no,
        product=product,
        kind=Line.kind_of(product),
        sku=product.sku,
        name=product.name,
        unit=product.unit,
        tax_rate=product.tax_rate,
    )
    price(line, draft.quantity, unit_price, draft.discount, currency)
    return line


def _fee_line(no: int, fee: Decimal, products: Mapping[str, Product], currency: str) -> Line:
    """The shipping fee is a service line of its own; it ships, and is taxed, with the first dispatch."""
    product = products[SHIPPING_SKU]
    line = Line(
        no=no,
        product=product,
        kind=LineKind.SHIPPING_FEE,
        sku=product.sku,
        name=product.name,
        unit=product.unit,
        quantity=Decimal(1),
        tax_rate=product.tax_rate,
    )
    charge(line, fee, currency)
    return line


def _amount(value: Decimal, model: Any, name: str, currency: str) -> Decimal:
    return check(value, model._meta.get_field(name).verbose_name, places=minor_units(currency), least=ZERO)


def _customer(draft: CustomerDraft, shop: Shop, known: _Known) -> Customer:
    existing = known.customers.get((shop.pk, draft.code)) if draft.code else None
    if existing is not None:
        if not existing.is_active:
            raise CustomerInactive(customer=draft.code, shop=shop.code)
        return existing
    customer = Customer(shop=shop, code=draft.code or None, name=draft.name, phone=draft.phone, email=draft.email)
    if draft.code:
        known.customers[shop.pk, draft.code] = customer
    return customer
