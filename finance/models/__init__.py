"""Accounts, periods, vouchers, payments, refunds, credits, allowances, write-offs and bank statements."""

from finance.models.allowance import Allowance
from finance.models.credit import Credit, CreditGround
from finance.models.ledger import Account, OrderBalance, Period, Purpose, Voucher, VoucherLine
from finance.models.payment import Payment, PaymentMethod, PaymentState
from finance.models.proposal import ProposalState
from finance.models.refund import Ground, Refund, RefundState
from finance.models.statement import Statement, StatementLine, StatementMatch, StatementUse
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
    "Statement",
    "StatementLine",
    "StatementMatch",
    "StatementUse",
    "TakenBack",
    "Voucher",
    "VoucherLine",
    "WriteOff",
    "WriteOffKind",
]
