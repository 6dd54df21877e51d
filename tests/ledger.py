"""The ledger as an accountant reads it."""

from typing import Any

from erp.kernel.money import plain
from finance.models import Voucher


def booked(order: Any) -> list[list[str]]:
    """An order's vouchers, oldest first: the purpose, then every line as “Dr 1122 226”."""
    vouchers = Voucher.objects.filter(order=order).order_by("period__first_day", "number")
    return [[voucher.purpose, *sides(voucher)] for voucher in vouchers]


def sides(voucher: Any) -> list[str]:
    """Every line of a voucher as “Dr 1122 226”, in the order posted."""
    return [
        f"Dr {line.account_id} {plain(line.debit)}" if line.debit else f"Cr {line.account_id} {plain(line.credit)}"
        for line in voucher.lines.order_by("pk")
    ]
