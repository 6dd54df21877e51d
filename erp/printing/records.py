"""
What a closing record says, as people read it: on its page and on paper.

Everything comes out of the record's hashed content, names included, so that what is shown is what the
verdict is about. Of the customer it shows nothing: whose order it was, the order says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Channel
from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.kernel.shown import price
from erp.kernel.texts import Moment, in_reader_language
from finance import selectors as finance_selectors
from finance.models import Allowance, Payment, PaymentState, ProposalState, Refund, RefundState, Voucher, WriteOff
from finance.models.ledger import Purpose
from inventory.models import Move
from logistics import selectors as logistics_selectors
from logistics.models import Return, ReturnStatus, Shipment, ShipmentStatus
from orders.contract import Block
from orders.models import Act, ClosingRecord, Policy, Reason
from orders.sentences import Told, tell
from orders.services import proof, reviewing
from orders.words import KEYS

COST = "inventory.view_cost"

# Totals in the order they add up; what goods cost is for those who may see cost.
_TOTALS = (
    *("ordered", "goods", "discount", "shipping_fee", "tax", "shipped", "closed_short", "returned", "allowed"),
    *("payable", "captured", "refunded", "written_off", "owed", "receivable", "advance", "revenue", "output_tax"),
    *("cost", "margin"),
)
_COSTS = frozenset({"cost", "margin"})
_STRONG = frozenset({"ordered", "payable", "captured", "owed"})

_DONE = {
    "close_line": _("Line closed short"),
    "pack_shipment": _("Packed"),
    "dispatch_shipment": _("Dispatched"),
    "deliver_shipment": _("Delivery noted"),
    "refused_shipment": _("Refusal noted"),
    "lost_shipment": _("Loss noted"),
    "request_return": _("Return requested"),
    "approve_return": _("Return approved"),
    "receive_return": _("Return received and inspected"),
    "reject_return": _("Return rejected"),
    "report_payment": _("Payment reported"),
    "confirmed_payment": _("Payment confirmed"),
    "rejected_payment": _("Payment rejected"),
    "voided_payment": _("Payment voided"),
    "charged_back_payment": _("Payment charged back"),
    "request_refund": _("Refund requested"),
    "approved_refund": _("Refund approved"),
    "paid_refund": _("Refund paid"),
    "rejected_refund": _("Refund rejected"),
    "request_allowance": _("Allowance requested"),
    "approved_allowance": _("Allowance approved"),
    "rejected_allowance": _("Allowance rejected"),
    "request_write_off": _("Write-off requested"),
    "approved_write_off": _("Write-off approved"),
    "rejected_write_off": _("Write-off rejected"),
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """Documents a record names by number: what they are called, how their states read, where they are found."""

    label: Text
    states: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    visible: Any = None


_KINDS = {
    "shipment": _Kind(_("Shipment"), dict(ShipmentStatus.choices), Shipment, logistics_selectors.shipments),
    "return": _Kind(
        pgettext_lazy("document", "Return"), dict(ReturnStatus.choices), Return, logistics_selectors.returns
    ),
    "payment": _Kind(_("Payment"), dict(PaymentState.choices), Payment, finance_selectors.payments),
    "refund": _Kind(_("Refund"), dict(RefundState.choices), Refund, finance_selectors.refunds),
    "allowance": _Kind(_("Allowance"), dict(ProposalState.choices), Allowance, finance_selectors.allowances),
    "write_off": _Kind(_("Write-off"), dict(ProposalState.choices), WriteOff, finance_selectors.write_offs),
    "line_closing": _Kind(_("Line closed short")),
    "taken_back": _Kind(_("Write-off taken back")),
}


@dataclass(frozen=True, slots=True)
class Total:
    label: Text
    amount: str
    is_strong: bool


@dataclass(frozen=True, slots=True)
class Named:
    """Something the record names with its digest; ``address`` is empty where the reader may not open it."""

    kind: Text
    number: str
    state: Text
    sha256: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    block: Text
    by: str
    at: Moment
    is_bulk: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Waived:
    check: Text
    by: str
    at: Moment
    why: str
    caused_by: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A record as it is read; without its parts where its content cannot be read any more."""

    record: ClosingRecord
    faults: Sequence[Any]
    number: str = ""
    title: Text = ""
    order_number: str = ""
    order_address: str = ""
    facts: Sequence[tuple[Text, Any]] = ()
    blocks: Sequence[tuple[Text, Sequence[Told]]] = ()
    reviews: Sequence[Review] = ()
    acts: Sequence[tuple[Text, str, str]] = ()
    totals: Sequence[Total] = ()
    goods: Sequence[Mapping[str, str]] = ()
    policy: Sequence[tuple[Text, Text]] = ()
    waivers: Sequence[Waived] = ()
    documents: Sequence[Named] = ()
    answers: str = ""

    @property
    def is_readable(self) -> bool:
        return bool(self.number)


def told(record: ClosingRecord, user: User) -> Paper:
    """One record for one reader: links and cost only as far as they may see them."""
    faults = proof.chained(record)
    try:
        return _read(record, user, faults)
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration):
        # Only what was never written by closing or reopening cannot be read.
        return Paper(record, faults)


def _read(record: ClosingRecord, user: User, faults: Sequence[Any]) -> Paper:
    content = record.data
    evidence = content["evidence"]
    answers = content.get("answers")
    return Paper(
        record=record,
        faults=faults,
        number=_number(content["position"]),
        title=_("Closed by this record") if content["act"] == Act.CLOSE else _("Reopened by this record"),
        order_number=content["number"],
        order_address=reverse("admin:orders_order_change", args=[quote(record.order_id)]),
        facts=list(_facts(content)),
        blocks=list(_blocks(content["findings"])),
        reviews=[_review(*review) for review in evidence.get("reviews", {}).items()],
        acts=[_act(act, content["people"]) for act in evidence.get("acts", ())],
        totals=list(_totals(evidence, user)),
        goods=list(_goods(evidence.get("order", {}))),
        policy=[(code, Policy(level).label) for code, level in content.get("policy", {}).items()],
        waivers=[_waiver(waiver) for waiver in content.get("waivers", ())],
        documents=list(_documents(record, evidence, user)),
        answers=f"{_number(answers['position'])} · {answers['digest']}" if answers else "",
    )


def _number(position: str) -> str:
    return f"CR-{int(position):06d}"


def _facts(content: Mapping[str, Any]) -> Iterator[tuple[Text, Any]]:
    reason = Reason.objects.filter(code=content["reason"]).first()
    name = in_reader_language(reason.name, reason.name_en) if reason else ""
    yield _("By"), content["by"]["name"]
    yield _("Roles"), ", ".join(content["by"]["roles"])
    yield _("At"), _moment(content["at"])
    yield _("Reason"), f"{content['reason']} {name}".strip()
    if content["note"]:
        yield _("Note"), content["note"]
    yield _("Channel"), Channel(content["channel"]).label
    if content["request"]:
        yield _("Request"), content["request"]
    yield _("Version of the product"), content["application"]


def _moment(text: str) -> Moment:
    return Moment(datetime.fromisoformat(text))


def _blocks(findings: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Text, Sequence[Told]]]:
    all_told = [tell(finding) for finding in findings]
    for block in Block:
        of_block = [each for each in all_told if each.block == block]
        if of_block:
            yield block.label, of_block


def _review(block: str, said: Mapping[str, str]) -> Review:
    return Review(reviewing.label_of(block), said["name"], _moment(said["at"]), said["bulk"] == "true", said["digest"])


def _act(said: Mapping[str, str], people: Mapping[str, str]) -> tuple[Text, str, str]:
    return _DONE.get(said["act"], said["act"]), said["document"], people[said["by"]]


def _totals(evidence: Mapping[str, Any], user: User) -> Iterator[Total]:
    totals = evidence.get("totals", {})
    sees_cost = user.has_perm(COST)
    # What an app added since stands at the end, under its key.
    for key in [*_TOTALS, *sorted(totals.keys() - set(_TOTALS))]:
        if key in totals and (sees_cost or key not in _COSTS):
            amount = price(Decimal(totals[key]), evidence["order"]["currency"])
            yield Total(KEYS.get(key, key), amount, key in _STRONG)


def _goods(order: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    for line in order.get("lines", ()):
        yield {**line, "unit_price": price(Decimal(line["unit_price"]), order["currency"])}


def _waiver(said: Mapping[str, Any]) -> Waived:
    caused = ", ".join(person["name"] for person in said["caused_by"])
    return Waived(said["code"], said["by"]["name"], _moment(said["at"]), said["why"], caused)


def _documents(record: ClosingRecord, evidence: Mapping[str, Any], user: User) -> Iterator[Named]:
    documents = evidence.get("documents", ())
    keys = {
        kind: _keys(kind, {each["number"] for each in documents if each["type"] == kind}, user)
        for kind in {each["type"] for each in documents}
    }
    for each in documents:
        kind = _KINDS.get(each["type"], _Kind(each["type"]))
        state = each.get("state", "")
        address = _address(kind.model, keys[each["type"]].get(each["number"]))
        yield Named(kind.label, each["number"], kind.states.get(state, state), each["sha256"], address)
    yield from _vouchers(record, evidence.get("vouchers", ()), user)
    yield from _moves(evidence.get("moves", ()), user)


def _keys(kind: str, numbers: Collection[str], user: User) -> Mapping[str, Any]:
    model = _KINDS[kind].model if kind in _KINDS else None
    if model is None or not _may_see(model, user):
        return {}
    return dict(_KINDS[kind].visible(user).filter(number__in=numbers).values_list("number", "pk"))


def _vouchers(record: ClosingRecord, said: Sequence[Mapping[str, str]], user: User) -> Iterator[Named]:
    keys = {}
    if _may_see(Voucher, user):
        keys = {str(row): row.pk for row in finance_selectors.vouchers(user).filter(order=record.order_id)}
    purposes = dict(Purpose.choices)
    for each in said:
        purpose = purposes.get(each["purpose"], each["purpose"])
        yield Named(_("Voucher"), each["number"], purpose, each["sha256"], _address(Voucher, keys.get(each["number"])))


def _moves(said: Sequence[Mapping[str, str]], user: User) -> Iterator[Named]:
    rows: dict[str, Any] = {}
    if said and _may_see(Move, user):
        visible: Any = Move.objects.visible_to(user)
        rows = {str(row.pk): row for row in visible.filter(pk__in=[int(each["id"]) for each in said])}
    for each in said:
        row = rows.get(each["id"])
        kind = row.get_kind_display() if row else ""
        yield Named(_("Stock move"), each["document"], kind, each["sha256"], _address(Move, row and row.pk))


def _may_see(model: Any, user: User) -> bool:
    return user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def _address(model: Any, pk: Any) -> str:
    if pk is None:
        return ""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[quote(pk)])
