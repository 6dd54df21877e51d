"""What orders themselves check and do in their transitions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext_lazy as _

from erp.kernel.canonical import text
from erp.kernel.locks import Locks
from erp.kernel.texts import Listing, Moment, Term
from orders import facts, selectors
from orders.contract import Batch, Block, Check, Effect, Finding, Step
from orders.models import Act, Order
from orders.services import changing, closing_lines, lifecycle, policing, reviewing, sealing
from orders.services.catalogue import NORMAL, not_as_placed
from orders.services.changing import ChangeEffect
from orders.services.closing_lines import CloseShort, Ship

HAS_LINES = Check(
    "orders.has_no_lines",
    Block.ORDER,
    passed=_("%(lines)s lines."),
    blocked=_("Order %(number)s has no lines."),
    hint=_("Add what the customer ordered, or cancel the order."),
    role=_("Salesperson"),
)
ON_HOLD = Check(
    "orders.on_hold",
    Block.ORDER,
    passed=_("The order is not on hold."),
    blocked=_("Order %(number)s was put on hold by %(name)s on %(at)s: %(why)s."),
    hint=_("Settle what it was put on hold for, then resume it."),
    role=_("Customer service"),
)
NOT_ON_HOLD = Check(
    "orders.not_on_hold",
    Block.ORDER,
    passed=_("The order is on hold."),
    blocked=_("Order %(number)s is not on hold."),
    hint=_("Nothing has to be resumed."),
    role=_("Customer service"),
)
TO_BE_CANCELLED = Check(
    "orders.cancel_requested",
    Block.ORDER,
    passed=_("Nobody asked to cancel the order."),
    blocked=_("Order %(number)s is to be cancelled, as %(name)s asked on %(at)s: %(why)s."),
    hint=_("It is cancelled once nothing of it is packed or on its way; the first delivery ends the request."),
    role=_("Warehouse keeper, logistics"),
)
# Found by whoever knows the shipments.
CANCEL_DELIVERED = Check(
    "orders.cancel_delivered",
    Block.GOODS,
    passed=_("Nothing of the order is with the customer."),
    blocked=_("Order %(number)s cannot be cancelled: %(shipments)s are delivered and not back."),
    hint=_("Have the goods returned, or complete and close the order."),
    role=_("Customer service"),
)
UNDER_WAY = Check(
    "orders.cancel_under_way",
    Block.GOODS,
    passed=_("Nothing of the order is packed or on its way."),
    blocked=_("Order %(number)s: %(shipments)s are packed or on their way."),
    hint=_("Ask for the cancellation: it is carried out once they are back."),
    role=_("Customer service"),
)
REVIEW_MISSING = Check(
    "orders.review_missing",
    Block.REVIEW,
    passed=_("%(label)s: reviewed by %(name)s on %(at)s."),
    blocked=_("%(label)s: not reviewed yet."),
    hint=_("Compare what is shown with the facts and confirm it."),
    role=_("Reviewer of this block"),
)
REVIEW_STALE = Check(
    "orders.review_stale",
    Block.REVIEW,
    passed=_("%(label)s: unchanged since the review."),
    blocked=_("%(label)s: the review is stale, changed since: %(changes)s."),
    hint=_("Look at what changed and confirm again."),
    role=_("Reviewer of this block"),
)


CANCEL_INSTEAD = Check(
    "orders.close_line_cancel_instead",
    Block.ORDER,
    passed=_("Something of the order is shipped, or stays to be shipped."),
    blocked=_("Nothing of order %(number)s has been shipped, and nothing would be left to ship."),
    hint=_("Cancel the order instead."),
    role=_("Salesperson"),
)
CHANGE_TOO_LATE = Check(
    "orders.change_too_late",
    Block.ORDER,
    passed=_("What is to be changed can still be changed."),
    blocked=_("Order %(number)s is %(status)s; these cannot be changed any more: %(fields)s."),
    hint=_("Close lines, take goods back, or copy the order as a new one."),
    role=_("Salesperson"),
)
NOTHING_CHANGED = Check(
    "orders.nothing_changed",
    Block.ORDER,
    passed=_("Something is changed."),
    blocked=_("Order %(number)s already is as wanted; nothing was changed."),
    hint=_("Nothing has to be done."),
    role=_("Salesperson"),
)
OWN_CLOSING = Check(
    "orders.own_closing",
    Block.DUTY,
    passed=_("%(name)s did not close this order."),
    blocked=_("%(name)s closed order %(number)s (%(records)s) and may not reopen it too."),
    hint=_("Somebody else who may reopen orders has to."),
    role=_("System administrator"),
)
OWN_REOPENING = Check(
    "orders.own_reopening",
    Block.DUTY,
    passed=_("%(name)s did not reopen this order."),
    blocked=_("%(name)s reopened order %(number)s (%(records)s) and may not close it too."),
    hint=_("Somebody else has to close the order."),
    role=_("System administrator"),
)
DATED_BEFORE = Check(
    "orders.dated_before_record",
    Block.ORDER,
    passed=_("Nothing of the order was written later."),
    blocked=_("Something of order %(number)s was written on %(at)s; it cannot be closed or reopened before that."),
    hint=_("Repeat the act, or check the clock."),
    role=_("Everybody"),
)
REASON_DOES_NOT_FIT = Check(
    "orders.reason_does_not_fit",
    Block.ORDER,
    passed=_("The reason fits what became of the order."),
    blocked=_("Order %(number)s did not end as it was placed: %(lines)s. “%(reason)s” says that it did."),
    hint=_("Choose the reason for what was closed short or returned."),
    role=_("System administrator"),
)


class NotOnHold(Step):
    """An order on hold stays where it is, and is not put on hold again."""

    checks = (ON_HOLD,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        # A query only where somebody is to be named.
        prefetch_related_objects([order for order in batch.orders if order.is_on_hold], "held_by")
        for order in batch.orders:
            held: dict[str, Any] = {"name": "", "at": "", "why": ""}
            if order.held_by and order.held_at:
                held = {"name": order.held_by.name, "at": Moment(order.held_at), "why": order.held_why}
            yield ON_HOLD.finding(order, not order.is_on_hold, number=order.number, **held)


class NotToBeCancelled(Step):
    """An order that is to be cancelled only waits for its goods."""

    checks = (TO_BE_CANCELLED,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        prefetch_related_objects([order for order in batch.orders if order.is_to_be_cancelled], "cancel_requested_by")
        for order in batch.orders:
            asked: dict[str, Any] = {"name": "", "at": "", "why": ""}
            if order.cancel_requested_by and order.cancel_requested_at:
                asked = {
                    "name": order.cancel_requested_by.name,
                    "at": Moment(order.cancel_requested_at),
                    "why": order.cancel_why,
                }
            yield TO_BE_CANCELLED.finding(order, not order.is_to_be_cancelled, number=order.number, **asked)


class OnHold(Step):
    checks = (NOT_ON_HOLD,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        for order in batch.orders:
            yield NOT_ON_HOLD.finding(order, order.is_on_hold, number=order.number)


class _AfterRecord(Step):
    """Whoever acts did not do the opposite to the order, in whichever cycle, and acts after what is to be proved."""

    opposite: ClassVar[Act]

    def check(self, batch: Batch) -> Iterator[Finding]:
        (own, dated), decision = self.checks, batch.decision
        for order in batch.orders:
            written = self.written(order)
            if written is not None:
                is_after = written <= decision.at and (order.sealed_at is None or order.sealed_at < decision.at)
                yield dated.finding(order, is_after, number=order.number, at=Moment(written))
            # An order that was never closed costs no query.
            if order.sealed_at is None:
                continue
            records = selectors.records_of(batch, self.opposite).get(order.pk, ())
            theirs = [record.number for record in records if record.by_id == decision.by.pk]
            yield own.finding(order, not theirs, number=order.number, name=decision.by.name, records=Listing(theirs))

    def written(self, order: Order) -> datetime | None:
        """The moment before which the act may not be dated."""
        return order.sealed_at


class NotItsReopener(_AfterRecord):
    """Of an order that was reopened: those who reopened it do not close it again."""

    checks = (OWN_REOPENING, DATED_BEFORE)
    opposite = Act.REOPEN

    def written(self, order: Order) -> datetime | None:
        """Its record proves everything that was written of the order until then."""
        return order.touched_at


class NotItsCloser(_AfterRecord):
    """Those who closed an order do not reopen it."""

    checks = (OWN_CLOSING, DATED_BEFORE)
    opposite = Act.CLOSE


class HasLines(Step):
    checks = (HAS_LINES,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        lines = selectors.lines(batch)
        for order in batch.orders:
            count = len(lines.get(order.pk, ()))
            yield HAS_LINES.finding(order, bool(count), number=order.number, lines=count)


class CloseLines(Step):
    """What is left of lines is abandoned; an order in processing with nothing left open is shipped by it."""

    checks = (CANCEL_INSTEAD,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        lines = selectors.lines(batch)
        for order in batch.orders:
            nothing = bool(closing_lines.chosen(batch)[order.pk]) and closing_lines.leaves_nothing_open(batch, order)
            is_shipped = any(line.shipped for line in lines.get(order.pk, ()))
            yield CANCEL_INSTEAD.finding(order, is_shipped or not nothing, number=order.number)

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            yield from closing_lines.closings(batch)[order.pk]
            if closing_lines.ships(batch, order):
                yield Ship(order.pk)

    def save(self, batch: Batch, effects: Sequence[CloseShort | Ship]) -> None:
        closing_lines.write(batch, [effect for effect in effects if isinstance(effect, CloseShort)])
        shipped = [batch.by_id[effect.order_id] for effect in effects if isinstance(effect, Ship)]
        if shipped:
            lifecycle.carry("ship", shipped, batch.decision)


class ChangeOrder(Step):
    """What a customer or clerk wants different, as far as the order's status lets it be."""

    checks = (CHANGE_TOO_LATE, NOTHING_CHANGED)

    def check(self, batch: Batch) -> Iterator[Finding]:
        for order in batch.orders:
            changed = changing.planned(batch)[order.pk]
            late = changed.late
            yield CHANGE_TOO_LATE.finding(
                order, not late, number=order.number, status=order.status_term, fields=Listing(late)
            )
            # A preview shows the form before anything is typed.
            yield NOTHING_CHANGED.finding(
                order, bool(changed.is_different or changed.late) or not batch.acting, number=order.number
            )

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            yield from changing.planned(batch)[order.pk].effects()

    def stamp(self, batch: Batch, effects: Sequence[ChangeEffect]) -> set[str]:
        return {name for order in batch.orders for name in changing.planned(batch)[order.pk].stamp()}

    def save(self, batch: Batch, effects: Sequence[ChangeEffect]) -> None:
        for order in batch.orders:
            changing.planned(batch)[order.pk].save_lines()


class ReasonFits(Step):
    """An order of which something was closed short or came back has not ended normally."""

    checks = (REASON_DOES_NOT_FIT,)

    def check(self, batch: Batch) -> Iterator[Finding]:
        lines = selectors.lines(batch)
        for order in batch.orders:
            less = [f"{line.no} {line.sku}" for line in not_as_placed(lines.get(order.pk, ()))]
            yield REASON_DOES_NOT_FIT.finding(
                order,
                not less or batch.decision.reason != NORMAL,
                number=order.number,
                lines=Listing(less),
                reason=batch.decision.reason,
            )


class FinalReview(Step):
    """Every block has a review, and what it confirmed is still so."""

    checks = (REVIEW_MISSING, REVIEW_STALE)

    def check(self, batch: Batch) -> Iterator[Finding]:
        reviews = selectors.newest_reviews(batch)
        for order in batch.orders:
            for block in reviewing.blocks():
                params: dict[str, Any] = {"label": Term(block.name, block.label)}
                review = reviews.get((order.pk, block.name))
                if review is None:
                    yield REVIEW_MISSING.finding(order, False, **params, name="", at="")
                    continue
                yield REVIEW_MISSING.finding(order, True, **params, name=review.by_name, at=Moment(review.at))
                facts_now = block.read(batch)[order.pk]
                changes = []
                if text(facts_now) != review.facts:
                    changes = list(reviewing.differences(json.loads(review.facts), facts_now))
                yield REVIEW_STALE.finding(order, not changes, **params, changes=Listing(changes))

    def evidence(self, batch: Batch) -> Mapping[int, Mapping[str, Any]]:
        """The reviews; and the order itself, which no other step of closing owns."""
        own = facts.evidence(batch)
        reviews: dict[int, dict[str, Any]] = defaultdict(dict)
        for (order_id, block), review in selectors.newest_reviews(batch).items():
            reviews[order_id][block] = _review_evidence(review)
        return {order_id: {**own[order_id], "reviews": reviews[order_id]} for order_id in batch.ids}


def _review_evidence(review: Any) -> dict[str, Any]:
    return {
        "by": review.by_id,
        "name": review.by_name,
        "at": review.at,
        "digest": review.digest,
        "bulk": review.is_bulk,
    }


@dataclass(frozen=True, slots=True)
class Seal(Effect):
    """A closing record is appended to the chain."""

    def describe(self) -> str:
        return str(_("A closing record is written that can never be changed; the order's documents become read-only."))


class SealRecord(Step):
    """Last of closing: everything the other steps testify, chained to the record before."""

    # Found while policy judges the findings of all steps.
    checks = (policing.CONFLICT,)
    locks = Locks.CHAIN

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            yield Seal(order.pk)

    def save(self, batch: Batch, effects: Sequence[Seal]) -> None:
        sealing.append(batch, Act.CLOSE, sealing.closing_contents(batch))


@dataclass(frozen=True, slots=True)
class Unseal(Effect):
    """A record of the reopening is appended to the chain, and a new cycle begins."""

    def describe(self) -> str:
        blocks = Listing(str(block.label) for block in reviewing.blocks())
        return str(
            _(
                "A record of the reopening is written that can never be changed. Before the order can be closed "
                "again, everything is reviewed anew (%(blocks)s); waivers lapse."
            )
            % {"blocks": blocks}
        )


class SealReopening(Step):
    """Last of reopening: what was reversed and what was open then, chained to the record before."""

    locks = Locks.CHAIN

    def plan(self, batch: Batch) -> Iterator[Effect]:
        for order in batch.orders:
            yield Unseal(order.pk)

    def save(self, batch: Batch, effects: Sequence[Unseal]) -> None:
        sealing.append(batch, Act.REOPEN, sealing.reopening_contents(batch))
