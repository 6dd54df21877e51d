"""What finance shows in the final review, and what it testifies in the closing record."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from erp.kernel.canonical import digest
from erp.kernel.money import ZERO
from finance import accounts, selectors
from finance.models import Allowance, Credit, Payment, PaymentState, Purpose, Refund, TakenBack, WriteOff
from finance.models.payment import EVER_CONFIRMED
from finance.selectors import LedgerLine, Posted
from orders import selectors as order_selectors
from orders.contract import Batch, duty
from orders.models import Order

# The check that keeps whoever confirmed money or decided about it from closing the order.
AGAINST_CLOSING = "finance.conflict_of_duty"


def review(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """Terms, payments, refunds, allowances, write-offs, payable and owed, by order."""
    documents = selectors.documents_of(batch)
    lines = {line.pk: line.no for of_order in order_selectors.lines(batch).values() for line in of_order}
    return {
        account.order.pk: {
            "terms": account.order.terms,
            "payments": [
                {
                    "method": payment.method,
                    "reference": payment.reference,
                    "amount": account.order.money(payment.amount),
                    "state": payment.status,
                }
                for payment in documents[account.order.pk].payments
            ],
            "refunds": [
                {
                    "ground": refund.ground,
                    "amount": account.order.money(refund.amount),
                    "state": refund.status,
                }
                for refund in documents[account.order.pk].refunds
            ],
            "allowances": [
                {
                    "line": str(lines[allowance.line_id]),
                    "amount": account.order.money(allowance.amount),
                    "state": allowance.status,
                }
                for allowance in documents[account.order.pk].allowances
            ],
            "write_offs": [
                {
                    "kind": write_off.kind,
                    "amount": account.order.money(write_off.amount),
                    "taken_back": account.order.money(write_off.taken_back),
                    "state": write_off.status,
                }
                for write_off in documents[account.order.pk].write_offs
            ],
            "payable": account.order.money(account.payable),
            "owed": account.order.money(account.owed),
        }
        for account in selectors.order_accounts(batch)
    }


def evidence(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """Documents, credits and vouchers with their digests, who decided them, and the sums of the ledger, by order."""
    vouchers = selectors.vouchers_of(batch)
    documents, credits = selectors.documents_of(batch), selectors.credits_of(batch)
    result = {}
    for account in selectors.order_accounts(batch):
        order_id = account.order.pk
        of_order = documents[order_id]
        sums = _sums(line for posted in vouchers[order_id] for line in posted.lines)
        # What was lost of goods is an other loss too, and no write-off.
        returned = _sums(
            line for posted in vouchers[order_id] if posted.voucher.purpose == Purpose.RETURN for line in posted.lines
        )
        result[order_id] = {
            "documents": [
                *map(_payment, of_order.payments),
                *map(_refund, of_order.refunds),
                *map(_allowance, of_order.allowances),
                *map(_write_off, of_order.write_offs),
                *map(_taken_back, of_order.taken_back),
            ],
            "credits": [_credit(credit) for credit in credits.get(order_id, ())],
            "vouchers": [_voucher(posted) for posted in vouchers[order_id]],
            "acts": [
                *(act for payment in of_order.payments for act in _acts(payment)),
                *(act for refund in of_order.refunds for act in _acts_on(refund)),
                *(act for allowance in of_order.allowances for act in _acts_on_allowance(allowance)),
                *(act for write_off in of_order.write_offs for act in _acts_on_write_off(write_off)),
            ],
            "totals": {
                "payable": account.payable,
                "captured": account.captured,
                "refunded": account.refunded,
                "allowed": sum((each.amount for each in of_order.allowances if each.is_approved), ZERO),
                "owed": account.owed,
                "revenue": -sums[accounts.REVENUE],
                "output_tax": -sums[accounts.OUTPUT_TAX],
                "cost": sums[accounts.COST_OF_SALES] + sums[accounts.SELLING],
                "margin": -sums[accounts.REVENUE] - sums[accounts.COST_OF_SALES] - sums[accounts.SELLING],
                "written_off": _written_off(vouchers[order_id]),
                "returned": returned[accounts.REVENUE] + returned[accounts.OUTPUT_TAX],
                "receivable": sums[accounts.RECEIVABLE],
                "advance": -sums[accounts.ADVANCES],
            },
        }
    return result


# The source of a closing's vouchers is the order and its cycle.
CLOSING = "orders.order"


def closing_id(order_id: int, cycle: int) -> str:
    return f"{order_id}/{cycle}"


def vouchers_of_closing(batch: Batch, order: Order, cycle: int) -> list[Posted]:
    """
    The settlement of one closing, what took its tail back since and, once it was reopened, the reversals of both;
    none if nothing was settled.
    """
    vouchers = selectors.vouchers_of(batch)[order.pk]
    sources = {(CLOSING, closing_id(order.pk, cycle))}
    settlements = {each.voucher.pk for each in vouchers if _source(each) in sources}
    for row in selectors.taken_back_of(batch).get(order.pk, ()):
        if row.settlement_id in settlements:
            sources.add((selectors.TAKEN_BACK, str(row.pk)))
    return [posted for posted in vouchers if _source(posted) in sources]


def _source(posted: Posted) -> tuple[str, str]:
    return posted.voucher.source_type, posted.voucher.source_id


def reopening_evidence(batch: Batch) -> Mapping[int, Mapping[str, Any]]:
    """What was settled, taken back and reversed of the cycle before, and the money documents open then, by order."""
    documents = selectors.documents_of(batch)
    result = {}
    for order in batch.orders:
        of_order = documents[order.pk]
        reported = [each for each in of_order.payments if each.status == PaymentState.REPORTED]
        result[order.pk] = {
            "documents": [
                *map(_payment, reported),
                *(_refund(each) for each in of_order.refunds if each.is_open),
                *(_allowance(each) for each in of_order.allowances if each.is_open),
                *(_write_off(each) for each in of_order.write_offs if each.is_open),
            ],
            "vouchers": [_voucher(posted) for posted in vouchers_of_closing(batch, order, order.cycle - 1)],
        }
    return result


def voucher_digest(posted: Posted) -> str:
    """SHA-256 over everything a voucher says."""
    voucher = posted.voucher
    return digest(
        {
            "number": str(voucher),
            "date": voucher.date,
            "purpose": voucher.purpose,
            "source": [voucher.source_type, voucher.source_id, voucher.source],
            "by": [voucher.by_id, voucher.by_name],
            "at": voucher.at,
            "lines": sorted((line.account, line.debit, line.credit) for line in posted.lines),
        }
    )


def _sums(lines: Iterable[LedgerLine]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        sums[line.account] += line.debit - line.credit
    return sums


# Where what is written off is posted, and by what; of other vouchers these accounts say something else.
WRITTEN_OFF = (accounts.CREDIT_LOSS, accounts.OTHER_LOSS, accounts.OTHER_INCOME)
WRITING_OFF = (Purpose.SETTLEMENT, Purpose.REVERSAL, Purpose.WRITE_OFF, Purpose.TAKEN_BACK)


def _written_off(vouchers: Iterable[Posted]) -> Decimal:
    """Bad debt and tails short, less money and tails kept, and less what was taken back."""
    sums = _sums(line for posted in vouchers if posted.voucher.purpose in WRITING_OFF for line in posted.lines)
    return sum((sums[account] for account in WRITTEN_OFF), ZERO)


def _voucher(posted: Posted) -> dict[str, str]:
    return {"number": str(posted.voucher), "purpose": posted.voucher.purpose, "sha256": voucher_digest(posted)}


def _payment(payment: Payment) -> dict[str, Any]:
    content = {
        "number": payment.number,
        "method": payment.method,
        "reference": payment.reference,
        "amount": payment.amount,
        "fee": payment.fee,
        "received_at": payment.received_at,
        "state": payment.status,
        "reported_by": payment.reported_by_id,
        "decided_by": payment.decided_by_id,
        "decided_at": payment.decided_at,
    }
    if payment.taken_back_by_id is not None:
        content |= {"taken_back_by": payment.taken_back_by_id, "taken_back_at": payment.taken_back_at}
    return {"type": "payment", "number": payment.number, "state": payment.status, "sha256": digest(content)}


def _refund(refund: Refund) -> dict[str, Any]:
    content = {
        "number": refund.number,
        "payment": refund.payment_id,
        "ground": refund.ground,
        "amount": refund.amount,
        "party": refund.party,
        "state": refund.status,
        "requested": [refund.requested_by_id, refund.requested_at],
        "approved": [refund.approved_by_id, refund.approved_at],
        "paid": [refund.paid_by_id, refund.paid_at],
        "rejected": [refund.rejected_by_id, refund.rejected_at],
    }
    if refund.goods_received_by_id is not None:
        content["goods_received_by"] = refund.goods_received_by_id
    return {"type": "refund", "number": refund.number, "state": refund.status, "sha256": digest(content)}


def _allowance(allowance: Allowance) -> dict[str, Any]:
    content = {
        "number": allowance.number,
        "line": allowance.line_id,
        "part": [allowance.part, allowance.part_amount, allowance.part_tax, allowance.source],
        "amount": allowance.amount,
        "party": allowance.party,
        **_decided(allowance),
    }
    return {"type": "allowance", "number": allowance.number, "state": allowance.status, "sha256": digest(content)}


def _write_off(write_off: WriteOff) -> dict[str, Any]:
    content = {
        "number": write_off.number,
        "kind": write_off.kind,
        "amount": write_off.amount,
        **_decided(write_off),
    }
    return {"type": "write_off", "number": write_off.number, "state": write_off.status, "sha256": digest(content)}


def _decided(proposal: Allowance | WriteOff) -> dict[str, Any]:
    return {
        "state": proposal.status,
        "requested": [proposal.requested_by_id, proposal.requested_at],
        "approved": [proposal.approved_by_id, proposal.approved_at],
        "rejected": [proposal.rejected_by_id, proposal.rejected_at],
    }


def _taken_back(row: TakenBack) -> dict[str, Any]:
    content = {"of": row.of, "amount": row.amount, "by": [row.by_id, row.by_name], "at": row.at}
    return {"type": "taken_back", "number": row.of, "sha256": digest(content)}


def _credit(credit: Credit) -> dict[str, Any]:
    content = {
        "line": credit.line_id,
        "part": credit.part,
        "ground": credit.ground,
        "amount": credit.amount,
        "tax": credit.tax,
        "source": [credit.source_type, credit.source_id, credit.source],
        "by": [credit.by_id, credit.by_name],
        "at": credit.at,
    }
    return {"document": credit.source, "sha256": digest(content)}


def _acts(payment: Payment) -> Iterator[dict[str, Any]]:
    yield duty("report_payment", payment.number, payment.reported_by_id)
    if payment.decided_by_id is not None:
        confirmed = payment.status in EVER_CONFIRMED
        state = PaymentState.CONFIRMED if confirmed else payment.status
        against = AGAINST_CLOSING if confirmed else ""
        yield duty(f"{state}_payment", payment.number, payment.decided_by_id, against=against)
    if payment.taken_back_by_id is not None:
        yield duty(f"{payment.status}_payment", payment.number, payment.taken_back_by_id)


def _acts_on(refund: Refund) -> Iterator[dict[str, Any]]:
    people = {
        "request_refund": (refund.requested_by_id, ""),
        "approved_refund": (refund.approved_by_id, AGAINST_CLOSING),
        "paid_refund": (refund.paid_by_id, AGAINST_CLOSING),
        "rejected_refund": (refund.rejected_by_id, ""),
    }
    for act, (by, against) in people.items():
        if by is not None:
            yield duty(act, refund.number, by, against=against)


def _acts_on_allowance(allowance: Allowance) -> Iterator[dict[str, Any]]:
    yield duty("request_allowance", allowance.number, allowance.requested_by_id)
    if allowance.approved_by_id is not None:
        yield duty("approved_allowance", allowance.number, allowance.approved_by_id, against=AGAINST_CLOSING)
    if allowance.rejected_by_id is not None:
        yield duty("rejected_allowance", allowance.number, allowance.rejected_by_id)


def _acts_on_write_off(write_off: WriteOff) -> Iterator[dict[str, Any]]:
    """Whoever asked for what was written off may not close the order either."""
    against = AGAINST_CLOSING if write_off.is_approved else ""
    yield duty("request_write_off", write_off.number, write_off.requested_by_id, against=against)
    if write_off.approved_by_id is not None:
        yield duty("approved_write_off", write_off.number, write_off.approved_by_id, against=AGAINST_CLOSING)
    if write_off.rejected_by_id is not None:
        yield duty("rejected_write_off", write_off.number, write_off.rejected_by_id)
