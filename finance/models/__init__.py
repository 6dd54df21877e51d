"""Accounts, periods, vouchers, payments, refunds, credits, allowances and write-offs."""

from finance.models.allowance import Allowance
from finance.models.credit import Credit, CreditGround
from finance.models.ledger import Account, OrderBalance, Period, Purpose, Voucher, VoucherLine
from finance.models.payment import Payment, PaymentMethod, PaymentState
from finance.models.proposal import ProposalState
from finance.models.refund import Ground, Refund, RefundState
from finance.models.write_off import TakenBack, WriteOff, WriteOffKind

__all__ = [
    "Account",
    "Allowance",
    "Credit",
    "CreditGround",
    "Ground",
    "OrderBalance",
    "Payment",
    "PaymentMethod",
    "PaymentState",
    "Period",
    "ProposalState",
    "Purpose",
    "Refund",
    "RefundState",
    "TakenBack",
    "Voucher",
    "VoucherLine",
    "WriteOff",
    "WriteOffKind",
]
