"""收款与退款汇总, 科目余额表 and 凭证列表: the ledger itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import BigIntegerField, Case, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.errors import Text
from erp.kernel.money import ZERO
from erp.reports.filters import InBook, InPeriod, InShop, grouped_by
from erp.reports.report import Asked, Chart, Column, Kind, Link, Report, Row, amount
from erp.reports.selectors import books
from finance import accounts
from finance.accounts import COST_ACCOUNTS
from finance.models import Account, Payment, PaymentMethod, Purpose, Refund, Voucher
from orders.models import Order

_BY: Mapping[str, Text] = {
    "method": _("Method"),
    "shop": _("Shop"),
    "day": pgettext_lazy("report", "Day"),
}
_MONEY = (accounts.BANK, accounts.WALLETS, accounts.FEES)


class ReceiptsFilters(InShop, InBook, InPeriod):
    by = grouped_by(*_BY.items())

    field_order = ("since", "until", "by", "shop", "currency")


@dataclass(slots=True)
class _Received:
    """Gross of fees, all positive; ``net`` is what bank and wallets gained."""

    received: Decimal = ZERO
    fees: Decimal = ZERO
    voided: Decimal = ZERO
    charged_back: Decimal = ZERO
    refunded: Decimal = ZERO
    net: Decimal = ZERO

    def add(self, purpose: str, account: str, change: Decimal) -> None:
        if account == accounts.FEES:
            self.fees += change
        else:
            self.net += change
        match purpose:
            case Purpose.PAYMENT:
                self.received += change
            case Purpose.VOID:
                self.voided -= change
            case Purpose.CHARGE_BACK:
                self.charged_back -= change
            case Purpose.REFUND:
                self.refunded -= change


def _receipts_columns(asked: Asked) -> Sequence[Column]:
    by = asked.filters["by"]
    return [
        Column(_BY[by], Kind.DATE if by == "day" else Kind.TEXT),
        amount(_("Received, gross")),
        amount(_("Voided")),
        amount(_("Charged back")),
        amount(_("Refunds paid")),
        amount(_("Fees kept")),
        amount(_("Net into bank and wallets")),
    ]


def _receipts(asked: Asked) -> Iterator[Row]:
    by = asked.filters["by"]
    found: dict[Any, _Received] = defaultdict(_Received)
    path = _method() if by == "method" else books.KEYS[by]
    for line in books.sums(books.in_period(asked), path, _MONEY, books.MONEY):
        found[line.key].add(line.purpose, line.account, line.debit - line.credit)
    names = dict(PaymentMethod.choices) if by == "method" else books.shown(by, found, asked)
    for key, row in sorted(found.items(), key=lambda each: each[0] if by == "day" else -each[1].received):
        gross = row.received, row.voided, row.charged_back, row.refunded
        yield names.get(key, "—"), *gross, row.fees, row.net


def _method() -> Any:
    """How the money of a voucher came or went: its payment's method, also where it is paid back."""
    source = Cast(OuterRef("voucher__source_id"), BigIntegerField())
    return Case(
        When(
            voucher__purpose=Purpose.REFUND, then=Subquery(Refund.objects.filter(pk=source).values("payment__method"))
        ),
        default=Subquery(Payment.objects.filter(pk=source).values("method")),
    )


RECEIPTS = Report(
    name="receipts",
    title=_("Receipts and refunds"),
    icon="payments",
    permissions=["reports.view_receipts"],
    reads=_(
        "By voucher date, from the ledger: 1002 bank, 1012 wallets and 6603 fees. A charge-back takes the gross "
        "amount; its fee is not given back."
    ),
    form=ReceiptsFilters,
    columns=_receipts_columns,
    rows=_receipts,
    chart=lambda asked: Chart("bar", 0, (1, 4), 62),
)


class TrialBalanceFilters(InShop, InBook, InPeriod):
    field_order = ("since", "until", "shop", "currency")


def _trial_balance_columns(asked: Asked) -> Sequence[Column]:
    return [
        Column(_("Account")),
        amount(_("Opening debit")),
        amount(_("Opening credit")),
        amount(_("Debit")),
        amount(pgettext_lazy("voucher", "Credit")),
        amount(_("Closing debit")),
        amount(_("Closing credit")),
    ]


def _trial_balance(asked: Asked) -> Iterator[Row]:
    before, inside = Q(voucher__date__lt=asked.since), Q(voucher__date__gte=asked.since)
    lines = books.of_book(asked).filter(voucher__date__lte=asked.until)
    if not asked.sees_cost:
        lines = lines.exclude(account__in=COST_ACCOUNTS)
    sides = {
        "opening_debit": Sum("debit", filter=before),
        "opening_credit": Sum("credit", filter=before),
        "debits": Sum("debit", filter=inside),
        "credits": Sum("credit", filter=inside),
    }
    sums = lines.order_by().values_list("account_id").annotate(**sides)
    names = {account.pk: str(account) for account in Account.objects.all()}
    for account, *values in sums.order_by("account_id"):
        opened, debit, credit = (values[0] or ZERO) - (values[1] or ZERO), values[2] or ZERO, values[3] or ZERO
        closed = opened + debit - credit
        yield names[account], *_sides(opened), debit, credit, *_sides(closed)


def _sides(balance: Decimal) -> tuple[Decimal, Decimal]:
    return max(balance, ZERO), max(-balance, ZERO)


TRIAL_BALANCE = Report(
    name="trial-balance",
    title=_("Trial balance"),
    icon="balance",
    permissions=["reports.view_trial_balance"],
    reads=_(
        "By voucher date, from the ledger: every account before, in and after the period. Vouchers of no order belong "
        "to whoever sees all shops. Without the right to see cost the accounts that tell it are missing, and the "
        "sides differ by them."
    ),
    form=TrialBalanceFilters,
    columns=_trial_balance_columns,
    rows=_trial_balance,
)


class VoucherFilters(InShop, InBook, InPeriod):
    purpose = forms.ChoiceField(
        label=_("Purpose"), required=False, choices=[("", pgettext_lazy("report", "All")), *Purpose.choices]
    )
    account = forms.ModelChoiceField(
        Account.objects.all(), label=_("Account"), required=False, empty_label=pgettext_lazy("report", "All")
    )

    field_order = ("since", "until", "purpose", "account", "shop", "currency")

    def prepare(self) -> None:
        super().prepare()
        field = self.fields["account"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Account.objects.order_by("code")


def _voucher_columns(asked: Asked) -> Sequence[Column]:
    return [
        Column(_("Voucher"), Kind.LINK),
        Column(_("Date"), Kind.DATE),
        Column(_("Purpose")),
        Column(_("Document")),
        Column(_("Order"), Kind.LINK),
        Column(_("Account")),
        amount(_("Debit")),
        amount(pgettext_lazy("voucher", "Credit")),
    ]


def _vouchers(asked: Asked) -> Iterator[Row]:
    names = {account.pk: str(account) for account in Account.objects.all()}
    columns = (*(f"voucher__{name}" for name in books.VOUCHER), "voucher__order_id", "voucher__order__number")
    rows = _chosen(asked).values_list(*columns, "account_id", "debit", "credit")
    ordered = rows.order_by("voucher__date", "voucher__number", "pk")
    for *values, order_id, order, account, debit, credit in ordered.iterator(chunk_size=2000):
        voucher = books.voucher(values)
        link = Link(order, Order, order_id) if order_id else None
        head = Link(str(voucher), Voucher, voucher.pk), voucher.date, Purpose(voucher.purpose).label, voucher.source
        yield *head, link, names[account], debit or None, credit or None


def _chosen(asked: Asked) -> Any:
    lines = books.in_period(asked)
    if asked.get("purpose"):
        lines = lines.filter(voucher__purpose=asked.get("purpose"))
    if asked.get("account"):
        lines = lines.filter(account=asked.get("account"))
    return lines if asked.sees_cost else lines.exclude(account__in=COST_ACCOUNTS)


VOUCHERS = Report(
    name="vouchers",
    title=_("Voucher list"),
    icon="menu_book",
    permissions=["reports.view_voucher_list"],
    reads=_(
        "By voucher date, from the ledger: every line of every voucher. Without the right to see cost the lines that "
        "tell it are missing."
    ),
    form=VoucherFilters,
    columns=_voucher_columns,
    rows=_vouchers,
)
