"""The checklist as people read it: one row per block, what stops it first, and the act that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.kernel.models import User
from erp.kernel.texts import view_permission
from erp.site import acts
from erp.site.act import Act
from orders.contract import Block, Finding, Level, Link
from orders.models import Order
from orders.services import reviewing

# Documents by model label and key, as a finding links to them.
Documents = Mapping[tuple[str, str], Any]

# What mends a finding, beside what its documents offer; done to the order, or to each document the finding names.
_REMEDIES = {
    "orders.on_hold": ("resume",),
    "orders.conflict_of_duty": ("waive",),
    "logistics.not_shipped": ("pack-order", "draft-shipment", "close_line"),
    "logistics.shipment_open": ("pack-shipment", "dispatch-shipment", "deliver-shipment", "refuse-shipment"),
    "logistics.return_open": ("approve-return", "receive-return", "reject-return"),
    "logistics.tracking_missing": ("record-tracking-number", "waive"),
    "logistics.conflict_of_duty": ("waive",),
    "finance.unpaid": ("report-payment", "request-write-off"),
    "finance.payment_unconfirmed": ("confirm-payment", "reject-payment"),
    "finance.refund_open": ("approve-refund", "pay-refund", "reject-refund"),
    "finance.allowance_open": ("approve-allowance", "reject-allowance"),
    "finance.write_off_open": ("approve-write-off", "reject-write-off"),
    "finance.conflict_of_duty": ("waive",),
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """An act that mends what was found, and what it is done to."""

    act: Act
    subject: Any


@dataclass(frozen=True, slots=True)
class Pointer:
    """A document a finding is about; only those who may see it are led to its page."""

    link: Link
    is_visible: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding with the way to its documents and to what mends it."""

    finding: Finding
    pointers: Sequence[Pointer] = ()
    remedies: Sequence[Remedy] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """
    One block: what the reader has to know at once, and what else holds.

    :ivar reviews: the acts by which the reader reviews it.
    """

    label: Text
    entries: Sequence[Entry]
    folded: Sequence[Finding] = ()
    reviews: Sequence[Act] = ()

    @property
    def is_blocked(self) -> bool:
        return any(entry.finding.is_blocker for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Part:
    label: Text
    rows: Sequence[Row]


_PARTS = (
    (_("Transaction"), (Block.GOODS, Block.MONEY, Block.RETURNS, Block.REFUNDS, Block.STOCK)),
    (_("Final review"), (Block.REVIEW,)),
    (_("Besides"), (Block.ORDER, Block.DUTY)),
)


def of(findings: Sequence[Finding], order: Order | None, user: User, documents: Documents | None = None) -> list[Part]:
    """
    The findings by block, blocks without any left out.

    :param documents: those of the order the caller has read already, within the reader's scope; otherwise what the
        exceptions name is read here, a query per kind of document.
    """
    if documents is None:
        documents = _read([finding for finding in findings if finding.level != Level.PASSED], user)
    parts = []
    for label, blocks in _PARTS:
        rows = [row for block in blocks for row in _rows(block, findings, order, user, documents)]
        if rows:
            parts.append(Part(label, rows))
    return parts


def _rows(
    block: Block, findings: Iterable[Finding], order: Order | None, user: User, documents: Documents
) -> Iterator[Row]:
    found = [finding for finding in findings if finding.block == block]
    if block == Block.REVIEW and order is not None:
        for review in reviewing.blocks():
            of_review = [finding for finding in found if finding.params["label"].key == review.name]
            if of_review:
                yield _row(
                    review.label, of_review, order, user, documents, acts.all_acts()[acts.review_name(review.name)]
                )
    elif found:
        yield _row(block.label, found, order, user, documents)


def _row(
    label: Text,
    found: Sequence[Finding],
    order: Order | None,
    user: User,
    documents: Documents,
    review: Act | None = None,
) -> Row:
    """What stands in the way is shown first, and beside it what policy or a waiver lets pass."""
    told = sorted((each for each in found if each.level != Level.PASSED), key=lambda each: not each.is_blocker)
    passed = [finding for finding in found if finding.level == Level.PASSED]
    # Where nothing stands out, the first check is the one with the figures.
    shown, folded = (told, passed) if told else (passed[:1], passed[1:])
    is_due = any(finding.is_blocker for finding in told)
    offered = [review] if review and is_due and order is not None and review.is_offered(order, user) else []
    return Row(label, [_entry(each, order, user, documents) for each in shown], folded, offered)


def _entry(finding: Finding, order: Order | None, user: User, documents: Documents) -> Entry:
    pointers = [Pointer(link, (link.model, link.pk) in documents) for link in finding.links]
    if not finding.is_blocker and finding.level != Level.WARNING:
        return Entry(finding, pointers)
    return Entry(finding, pointers, list(_remedies(finding, order, user, documents)))


def _remedies(finding: Finding, order: Order | None, user: User, documents: Documents) -> Iterator[Remedy]:
    named = [documents[link.model, link.pk] for link in finding.links if (link.model, link.pk) in documents]
    for name in _REMEDIES.get(finding.code, ()):
        act = acts.all_acts()[name]
        subjects = [order] if act.model is Order else named
        yield from (Remedy(act, subject) for subject in subjects if subject and act.is_offered(subject, user))


def _read(findings: Iterable[Finding], user: User) -> Documents:
    """The documents that findings name, as far as the reader may see them."""
    read: dict[tuple[str, str], Any] = {}
    by_model: dict[str, set[str]] = {}
    for link in (link for finding in findings for link in finding.links):
        if user.has_perm(view_permission(link.model)):
            by_model.setdefault(link.model, set()).add(link.pk)
    for label, keys in by_model.items():
        manager: Any = apps.get_model(label)._default_manager
        for document in manager.visible_to(user).filter(pk__in=keys).select_related("order"):
            read[label, str(document.pk)] = document
    return read
