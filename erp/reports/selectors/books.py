"""Voucher lines of one book, by voucher date, in the reader's scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, Q, Sum
from django.db.models.functions import TruncMonth

from erp.kernel.money import ZERO
from erp.reports.report import Asked, Link
from finance import accounts
from finance.models import OrderBalance, Purpose, Voucher, VoucherLine
from orders.models import Customer, Shop

# Databases bind no more values at once.
_CHUNK = 5000


def in_scope(rows: Any, asked: Asked, path: str = "order__shop") -> Any:
    """
    Rows of the shop asked for, or of every shop in the reader's scope.

    Whoever sees all shops sees rows of no order too, as of stock receipts.
    """
    if asked.get("shop"):
        return rows.filter(**{path: asked.get("shop")})
    visible = Shop.objects.visible_to(asked.user)
    return rows.filter(**{f"{path}__in": visible}) if visible.query.where else rows


def of_book(asked: Asked) -> Any:
    """Voucher lines of the currency asked for."""
    return in_scope(VoucherLine.objects.filter(voucher__currency=asked.currency), asked, "voucher__order__shop")


def in_period(asked: Asked) -> Any:
    return of_book(asked).filter(voucher__date__gte=asked.since, voucher__date__lte=asked.until)


# What lines may be grouped by.
KEYS: Mapping[str, Any] = {
    "day": F("voucher__date"),
    "month": TruncMonth("voucher__date"),
    "shop": F("voucher__order__shop_id"),
    "customer": F("voucher__order__customer_id"),
    "order": F("voucher__order_id"),
}


class Sums(NamedTuple):
    """Debits and credits of one account for one purpose under one key."""

    key: Any
    purpose: str
    account: str
    debit: Decimal
    credit: Decimal


# What posts revenue, its tax and its cost. To say so spares reading the lines of every other voucher.
SALES = (Purpose.DISPATCH, Purpose.RETURN, Purpose.ALLOWANCE, Purpose.CANCEL)
# What moves money on the bank and in wallets, and its fees.
MONEY = (Purpose.PAYMENT, Purpose.VOID, Purpose.CHARGE_BACK, Purpose.REFUND)


def sums(lines: Any, key: Any, codes: Iterable[str], purposes: Iterable[str]) -> Iterator[Sums]:
    """By key (one of :data:`KEYS`, or an expression of its own), purpose and account, in one query."""
    rows = lines.filter(voucher__purpose__in=purposes, account__in=list(codes)).annotate(key=key).order_by()
    grouped = rows.values_list("key", "voucher__purpose", "account_id").annotate(Sum("debit"), Sum("credit"))
    return (Sums(*row) for row in grouped.iterator(chunk_size=2000))


def shown(by: str, keys: Iterable[Any], asked: Asked) -> Mapping[Any, Any]:
    """How keys are shown; names of a kind are read at once."""
    keys = list(keys)
    match by:
        case "shop":
            return dict(Shop.objects.filter(pk__in=keys).values_list("pk", "name"))
        case "customer":
            return customers(keys, asked)
        case "month":
            return {key: f"{key:%Y-%m}" for key in keys}
    return {key: key for key in keys}


def customers(keys: Iterable[int], asked: Asked) -> Mapping[int, Link]:
    """Customers by key, each leading to their statement of the period asked for."""
    keys = list(keys)
    asks = {name: asked.get(name).isoformat() for name in ("since", "until") if asked.get(name)}
    names: dict[int, Link] = {}
    for start in range(0, len(keys), _CHUNK):
        rows = Customer.objects.filter(pk__in=keys[start : start + _CHUNK]).values_list("pk", "name", "shop__name")
        for pk, name, shop in rows:
            query = {**asks, "customer": f"#{pk}", "currency": asked.currency}
            names[pk] = Link(f"{name} · {shop}", "statement", query=query)
    return names


# What is read of a voucher to name it; rows come in the order of the model's columns.
_NAMING = {"id", "currency", "date", "number", "purpose", "source"}
VOUCHER = tuple(field.attname for field in Voucher._meta.concrete_fields if field.attname in _NAMING)


def voucher(values: Iterable[Any]) -> Voucher:
    """From the columns :data:`VOUCHER`."""
    return Voucher.from_db(None, VOUCHER, list(values))


class Owed(NamedTuple):
    """1122 and 2203 of one order at the end of a day, both positive."""

    order_id: int
    number: str
    customer_id: int
    due_date: date | None
    receivable: Decimal
    advance: Decimal


def balances_on(asked: Asked, day: date) -> list[Owed]:
    """
    Every order that had a receivable or an advance at the end of a day, in two queries.

    Today's balances are kept per order; those of an earlier day are today's without what was posted since, so
    that nothing older has to be read.
    """
    orders: dict[Any, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    kept = in_scope(OrderBalance.objects.filter(Q(receivable__gt=0) | Q(advance__gt=0)), asked)
    columns = ("order_id", "order__number", "order__customer_id", "order__due_date")
    for *order, receivable, advance in kept.filter(order__currency=asked.currency).values_list(
        *columns, "receivable", "advance"
    ):
        orders[tuple(order)] = [receivable, advance]
    later = of_book(asked).filter(voucher__date__gt=day, voucher__order__isnull=False)
    grouped = (
        later.filter(account__in=[accounts.RECEIVABLE, accounts.ADVANCES])
        .order_by()
        .values_list(*(f"voucher__{column}" for column in columns), "account_id")
    )
    for *order, account, debit, credit in grouped.annotate(Sum("debit"), Sum("credit")):
        is_advance = account == accounts.ADVANCES
        orders[tuple(order)][is_advance] -= credit - debit if is_advance else debit - credit
    return [Owed(*order, *balance) for order, balance in orders.items() if any(balance)]
