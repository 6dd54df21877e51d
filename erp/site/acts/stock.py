"""Acts on warehouses and stock-takes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from erp.kernel.models import User
from erp.kernel.money import Quantity
from erp.site import about
from erp.site import stock_forms as forms
from erp.site.act import Act, Call, Done
from inventory import selectors
from inventory.models import StockTake, StockTakeStatus, Warehouse
from inventory.services import counting, receiving, transferring
from orders.models import Act as Catalogue

_ON_A_SHEET = 300


def on_stock() -> Iterable[Act]:
    yield Act(
        "receive-stock",
        _("Receive stock"),
        "inventory.receive_stock",
        _receive,
        model=Warehouse,
        form=forms.ReceiptForm,
        row_form=forms.ReceiptLineForm,
        consequence=_("The goods enter stock at their cost; orders that wait for them are served, the oldest first."),
    )
    yield Act(
        "transfer-stock",
        _("Transfer stock"),
        "inventory.transfer_stock",
        _transfer,
        model=Warehouse,
        form=forms.TransferForm,
        row_form=forms.TransferLineForm,
        about=about.warehouse,
        consequence=_(
            "The goods lie in the other warehouse at once, with their value; orders that wait for them are served, "
            "the oldest first."
        ),
        fits=lambda warehouse: warehouse.is_active,
    )
    yield Act(
        "count-stock",
        _("Count stock"),
        "inventory.count_stock",
        _count,
        model=Warehouse,
        form=forms.CountForm,
        row_form=forms.CountLineForm,
        rows_of=_lying_there,
        consequence=_("Stock stays as it is until another person approves. Products not named are left alone."),
    )
    yield Act(
        "approve-stocktake",
        _("Approve stock-take"),
        "inventory.approve_stocktake",
        _approve_stock_take,
        model=StockTake,
        states=frozenset({StockTakeStatus.COUNTED}),
        consequence=_("The differences enter or leave stock and are posted. This cannot be taken back."),
    )
    yield Act(
        "reject-stocktake",
        _("Reject stock-take"),
        "inventory.approve_stocktake",
        _reject_stock_take,
        model=StockTake,
        states=frozenset({StockTakeStatus.COUNTED}),
        consequence=_("Nothing is booked: the goods have to be counted again."),
        reasons=Catalogue.REJECT,
    )


def _lying_there(warehouse: Warehouse, user: User) -> Sequence[Mapping[str, Any]]:
    """What should lie in a warehouse and is in no undecided count; more than that is counted sheet by sheet."""
    levels = selectors.countable(warehouse, user)[:_ON_A_SHEET]
    return [
        {
            "sku": level.product.sku,
            "name": level.product.name,
            "book": Quantity(level.on_hand, level.product.get_unit_display()),
        }
        for level in levels
    ]


def _receive(call: Call) -> Done:
    lines = [receiving.ReceiptDraftLine(row["sku"], row["quantity"], row["unit_cost"]) for row in call.rows]
    draft = receiving.ReceiptDraft(call.subject.code, lines, reference=call.data["reference"])
    receipt = receiving.receive_stock(draft, decision=call.decision)
    return Done(_("Receipt %(number)s is booked.") % {"number": receipt.number}, receipt)


def _transfer(call: Call) -> Done:
    lines = [transferring.TransferDraftLine(row["sku"], row["quantity"]) for row in call.rows]
    draft = transferring.TransferDraft(
        call.subject.code, call.data["destination"], lines, reference=call.data["reference"]
    )
    transfer = transferring.transfer_stock(draft, decision=call.decision)
    return Done(_("Transfer %(number)s is booked.") % {"number": transfer.number}, transfer)


def _count(call: Call) -> Done:
    lines = [counting.CountLine(row["sku"], row["quantity"], row["unit_cost"]) for row in call.rows]
    draft = counting.CountDraft(call.subject.code, lines, reference=call.data["reference"])
    take = counting.count_stock(draft, decision=call.decision)
    return Done(_("Stock-take %(number)s is noted and waits for approval.") % {"number": take.number}, take)


def _approve_stock_take(call: Call) -> Done:
    take = counting.approve_stock_take(call.subject.pk, decision=call.decision)
    return Done(_("Stock-take %(number)s is approved.") % {"number": take.number}, take)


def _reject_stock_take(call: Call) -> Done:
    take = counting.reject_stock_take(call.subject.pk, decision=call.decision)
    return Done(_("Stock-take %(number)s is rejected.") % {"number": take.number}, take)
