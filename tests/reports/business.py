"""
Two months of two shops and a third in another currency, in which everything happens that money and stock can meet.

Returned and refunded · allowed after dispatch · bad debt that is paid after all · charged back · called back and
cancelled · given away · overpaid · closed with a tail, reopened, closed again · closed short · counted, transferred,
scrapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Permission

from erp.kernel import invariants
from erp.kernel.models import User
from erp.reports.catalogue import REPORTS
from erp.reports.report import Answer, Asked
from finance.models import Payment, VoucherLine
from finance.services.payments import charge_back_payment, void_payment
from inventory.services.counting import approve_stock_takes
from logistics.models import Return
from orders.models import Order, Product, Shop, Terms
from orders.services.reopening import reopen_order
from tests.days.diary import TAX, Diary
from tests.factories import (
    ProductFactory,
    ShopFactory,
    UserFactory,
    WarehouseFactory,
    count,
    decide,
    receive,
    transfer,
)
from tests.orders.drafts import line

FROM, TO = date(2026, 1, 1), date(2026, 2, 28)
# Days that cut the business in two, and its first and last.
CUTS = [date(2026, 1, 4), date(2026, 1, 9), date(2026, 1, 20), date(2026, 2, 3), TO]


@dataclass
class Company:
    """:ivar reader: sees everything; :ivar clerk: the same without cost."""

    shops: list[Shop]
    goods: Product
    orders: dict[str, Order]
    reader: User
    clerk: User
    until: date


class Year(Diary):
    """A diary of several orders at once, of goods of 113 each, of which 13 are tax, that cost 60."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, Order] = {}

    def sell(self, name: str, shop: Shop, goods: Product, quantity: str = "2", **kwargs: Any) -> Order:
        """Placed and processed."""
        order = self.place(shop, line(goods, quantity, kwargs.pop("price", None)), shipping_method="EXPRESS", **kwargs)
        self.process(order)
        self.orders[name] = order
        return order

    def ship(self, order: Order) -> None:
        self.send(self.pack_all(order))
        self.days_later(1)

    def deliver(self, order: Order) -> None:
        self.ship(order)
        self.complete(order)


def live() -> Company:
    year = Year()
    plain = ShopFactory(name="天猫旗舰店", terms=Terms.CREDIT, credit_days=10, tolerance=Decimal(1))
    other = ShopFactory(name="官网", terms=Terms.ON_DELIVERY)
    abroad = ShopFactory(name="海外店", currency="USD")
    goods = ProductFactory(price=Decimal(113), tax_rate=TAX, sku="PHONE")
    year.receive("60", {goods: 60})
    foreign = ProductFactory(price=Decimal("9.99"), currency="USD", sku="CABLE")
    receive(
        {foreign: 10},
        unit_cost=Decimal("3.33"),
        warehouse=WarehouseFactory(currency="USD"),
        decision=year.by("keeper"),
    )
    _first_month(year, plain, other, goods)
    deposit = year.sell("abroad", abroad, foreign, "3")
    year.pay(deposit, "20", method="card", fee="0.60")
    year.deliver(deposit)
    _second_month(year, plain, goods)
    assert list(invariants.broken()) == []
    year.orders = {name: Order.objects.get(pk=order.pk) for name, order in year.orders.items()}
    clerk = UserFactory(role="auditor")
    clerk.groups.clear()
    codes = [code.split(".")[1] for report in REPORTS.values() for code in report.permissions]
    rights = Permission.objects.filter(codename__in={*codes, "view_order", "view_voucher"} - {"view_cost"})
    clerk.user_permissions.add(*rights)
    return Company(
        shops=[plain, other, abroad],
        goods=goods,
        orders=year.orders,
        reader=UserFactory(role="auditor"),
        clerk=User.objects.get(pk=clerk.pk),
        until=year.now.date(),
    )


def _first_month(year: Year, plain: Shop, other: Shop, goods: Product) -> None:
    back = year.sell("returned", plain, goods, "3")
    year.pay(back, "339", method="alipay", fee="1.70")
    year.deliver(back)
    year.take_back(year.ask_back(back, "1"))
    year.pay_back(back)
    year.finish(back, "CL03")
    allowed = year.sell("allowed", other, goods)
    year.deliver(allowed)
    year.allow(allowed, "26")
    year.pay(allowed, "200")
    year.finish(allowed, "CL01")
    bad = year.sell("bad debt", plain, goods, "4")
    year.deliver(bad)
    year.pay(bad, "100")
    year.days_later(5)
    year.write_off(bad, "352")
    year.finish(bad, "CL04", "无法追回")
    gift = year.sell("gift", other, goods, "1", price="0")
    year.deliver(gift)
    scrapped = year.sell("scrapped", other, goods, "2")
    year.pay(scrapped, "226", method="wechat")
    year.deliver(scrapped)
    year.take_back(year.ask_back(scrapped, "1"), "scrapped")
    take = count({goods: 30}, decision=year.by("keeper"))
    approve_stock_takes([take.pk], decision=year.by("chief_accountant"))
    transfer({goods: 5}, decision=year.by("keeper"))
    year.days_later(10)


def _second_month(year: Year, plain: Shop, goods: Product) -> None:
    year.pay(year.orders["bad debt"], "50")
    charged = year.sell("charged back", plain, goods)
    year.pay(charged, "226", method="card", fee="2")
    year.deliver(charged)
    charge_back_payment(_payment(charged).pk, decision=year.by("accountant", reason="FN02"))
    called_back = year.sell("called back", plain, goods, "2", shipping_fee=Decimal(10))
    year.pay(called_back, "236")
    year.ship(called_back)
    year.cancel(called_back)
    year.take_back(Return.objects.get(order=called_back))
    year.pay_back(called_back)
    tail = year.sell("reopened", plain, goods)
    year.pay(tail, "225.5")
    year.deliver(tail)
    year.finish(tail, "CL01")
    year.days_later(1)
    reopen_order(tail.pk, decision=decide(UserFactory(role="closer"), at=year.now, reason="RO01", note="关错了"))
    year.days_later(1)
    year.finish(tail, "CL01")
    short = year.sell("closed short", plain, goods, "3")
    _close_rest(year, short)
    ahead = year.sell("paid ahead", plain, goods, "1")
    year.pay(ahead, "50")
    voided = year.sell("voided", plain, goods, "1")
    year.pay(voided, "30", method="alipay", fee="0.30")
    void_payment(_payment(voided).pk, decision=year.by("accountant", reason="FN01"))
    year.days_later(1)


def _close_rest(year: Year, order: Order) -> None:
    """Two of three are sent, one will not be."""
    year.send(year.pack(order, {1: 2}))
    year.days_later(1)
    year.close_line(order, 1)


def _payment(order: Order) -> Payment:
    return Payment.objects.get(order=order)


def answer(
    company: Company, name: str, *, reader: User | None = None, currency: str = "CNY", **filters: Any
) -> Answer:
    """What a report answers, held to its form first."""
    report = REPORTS[name]
    user = reader or (company and company.reader)
    assert user
    typed = {"currency": currency, "since": FROM, "until": TO, **filters}
    given = {key: _typed(value) for key, value in typed.items()}
    form = report.form(given, user=user, today=TO)
    assert form.is_valid(), form.errors
    return report.answer(Asked(user, TO, form.cleaned_data))


def _typed(value: Any) -> str:
    return str(getattr(value, "pk", value))


def totals(answered: Answer) -> dict[str, Any]:
    """Sums by the name of their column."""
    return {
        str(column.label): total
        for column, total in zip(answered.columns, answered.totals, strict=True)
        if total is not None
    }


def booked(*codes: str, currency: str = "CNY", since: date = FROM, until: date = TO, **only: Any) -> Decimal:
    """Debits less credits of accounts by vouchers, line by line."""
    lines = VoucherLine.objects.filter(
        account__in=codes, voucher__currency=currency, voucher__date__gte=since, voucher__date__lte=until, **only
    )
    return sum((row.debit - row.credit for row in lines), Decimal(0))
