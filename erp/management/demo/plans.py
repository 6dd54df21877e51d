"""What becomes of each of the demo's orders: a table of situations, each with the acts that lead to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, auto
from itertools import count

from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text
from erp.kernel.money import ZERO
from erp.management.demo import people
from erp.management.demo.catalogue import (
    B2B,
    BASKETS,
    COMPANIES,
    NOTEBOOK,
    PEOPLE,
    SAMPLE,
    SCARCE,
    SERVER,
    SERVICES,
    TMALL,
    TWO_PARCELS,
    WEB,
    WITH_GIFT,
    Basket,
    Buyer,
)
from erp.management.demo.people import Person
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft

# Day 0 is four weeks ago, the last day is today.
LAST_DAY = 27
EXAMPLE = "WEB-EXAMPLE"


class Act(IntEnum):
    """What happens to orders, in the order of a working day."""

    PLACE = auto()
    CHANGE = auto()
    REPORT = auto()
    PROCESS = auto()
    CONFIRM = auto()
    REJECT = auto()
    DRAFT = auto()
    PACK = auto()
    PACK_PART = auto()
    UNPACK = auto()
    DISPATCH = auto()
    COLLECT = auto()
    SIGN = auto()
    DELIVER = auto()
    REFUSE = auto()
    LOSE = auto()
    HOLD = auto()
    RESUME = auto()
    CLOSE_LINES = auto()
    COMPLETE = auto()
    CANCEL = auto()
    REQUEST_RETURN = auto()
    APPROVE_RETURN = auto()
    REJECT_RETURN = auto()
    RECEIVE_RETURN = auto()
    REQUEST_ALLOWANCE = auto()
    APPROVE_ALLOWANCE = auto()
    REJECT_ALLOWANCE = auto()
    VOID = auto()
    CHARGE_BACK = auto()
    REQUEST_WRITE_OFF = auto()
    APPROVE_WRITE_OFF = auto()
    REJECT_WRITE_OFF = auto()
    REQUEST_REFUND = auto()
    APPROVE_REFUND = auto()
    REJECT_REFUND = auto()
    FAIL_REFUND = auto()
    PAY_REFUND = auto()
    REVIEW_ORDER = auto()
    REVIEW_FINANCE = auto()
    REVIEW_LOGISTICS = auto()
    WAIVE = auto()
    CLOSE = auto()
    REOPEN = auto()
    COPY = auto()


@dataclass(frozen=True, slots=True)
class Do:
    """
    One act on an order.

    :param day: how many days after the order was placed; by default the usual one. :param by: who does it, where
        that is not the person whose job it usually is. :param reason: where it is not the usual one.
    :param how: what only this act needs, such as what becomes of returned goods, or which of several payments.
    :param part: of the amount the act is about; :param less: by how much less than that.
    """

    act: Act
    day: int | None = None
    by: Person | None = None
    reason: str = ""
    how: str = ""
    part: str = "1"
    less: str = "0"


# How many days after it was placed an act is done to an order, where its situation does not say.
_DAYS = {
    Act.PLACE: 0,
    Act.CHANGE: 0,
    Act.REPORT: 0,
    Act.PROCESS: 0,
    Act.CONFIRM: 1,
    Act.DRAFT: 1,
    Act.PACK: 1,
    Act.PACK_PART: 1,
    Act.DISPATCH: 1,
    Act.COLLECT: 1,
    Act.SIGN: 3,
    Act.DELIVER: 3,
    Act.COMPLETE: 4,
    Act.REVIEW_ORDER: 5,
    Act.REVIEW_FINANCE: 5,
    Act.REVIEW_LOGISTICS: 5,
    Act.WAIVE: 6,
    Act.CLOSE: 6,
}
# The web shop's money arrives once the customer has the goods; companies pay on account.
_LATER = {(WEB, Act.CONFIRM): 5, (B2B, Act.REPORT): 4, (B2B, Act.CONFIRM): 5}

_PAID = (Do(Act.REPORT), Do(Act.CONFIRM))
_TO_PROCESSING = (Do(Act.PLACE), Do(Act.PROCESS))
_TO_PACKED = (*_TO_PROCESSING, Do(Act.PACK))
_TO_SHIPPED = (*_TO_PACKED, Do(Act.DISPATCH))
_TO_DELIVERED = (*_TO_SHIPPED, Do(Act.DELIVER))
_TO_COMPLETED = (*_TO_DELIVERED, Do(Act.COMPLETE))
_PART_SHIPPED = (*_TO_PROCESSING, Do(Act.PACK_PART), Do(Act.DISPATCH))
_ON_ORDER = Do(Act.REVIEW_ORDER)
_ON_GOODS = Do(Act.REVIEW_LOGISTICS)
_ON_MONEY = Do(Act.REVIEW_FINANCE)
_TO_READY = (*_TO_COMPLETED, *_PAID, _ON_ORDER, _ON_GOODS, _ON_MONEY)
_TO_CLOSED = (*_TO_READY, Do(Act.CLOSE))
# Followed from collection to signature by what the carrier reports.
_TRACKED = (*_TO_SHIPPED, Do(Act.COLLECT), Do(Act.SIGN), Do(Act.COMPLETE), *_PAID, _ON_ORDER, _ON_GOODS, _ON_MONEY)
_CLOSED_AND_TRACKED = (*_TRACKED, Do(Act.CLOSE))
# One unit of the first line comes back.
_RETURN_ASKED = Do(Act.REQUEST_RETURN, 4)
_RETURN_COMES = (_RETURN_ASKED, Do(Act.APPROVE_RETURN, 4))
_RETURNED = (*_TO_COMPLETED, *_PAID, *_RETURN_COMES, Do(Act.RECEIVE_RETURN, 5, how="restocked"))
_OVERPAID = (*_TO_COMPLETED, Do(Act.REPORT), Do(Act.REPORT, how="2", part="0.1"), Do(Act.CONFIRM))
_ALLOWED = (*_TO_COMPLETED, *_PAID, Do(Act.REQUEST_ALLOWANCE, 4, part="0.2"), Do(Act.APPROVE_ALLOWANCE, 5))
# The web shop's own rule: nobody paid in time.
_EXPIRES = Do(Act.CANCEL, 3, by=people.WEB_SHOP, reason="CA03")
_CANCELLED = (*_TO_PROCESSING, *_PAID, Do(Act.CANCEL, 2))
_CALLED_BACK = (*_TO_SHIPPED, *_PAID, Do(Act.CANCEL, 2))
_BAD_DEBT = (
    *_TO_COMPLETED,
    Do(Act.REPORT, part="0.6"),
    Do(Act.CONFIRM),
    Do(Act.REQUEST_WRITE_OFF, 6, how="bad_debt"),
)


def _refund(day: int, *, paid: bool = True) -> Sequence[Do]:
    """A refund that was raised by itself is approved and, a day later, paid."""
    return (Do(Act.APPROVE_REFUND, day), *((Do(Act.PAY_REFUND, day + 1),) if paid else ()))


def _reviewed(day: int) -> Sequence[Do]:
    return tuple(Do(act, day) for act in (Act.REVIEW_ORDER, Act.REVIEW_FINANCE, Act.REVIEW_LOGISTICS))


def _closed(day: int, reason: str) -> Sequence[Do]:
    return (*_reviewed(day), Do(Act.CLOSE, day, reason=reason))


@dataclass(frozen=True, slots=True)
class Situation:
    """
    Orders with the same fate: so many (``each``) placed on each of these days.

    :param look: what there is to see, where the first of them is worth a look.
    """

    shop: str
    days: Sequence[int]
    acts: Sequence[Do]
    each: int = 1
    basket: Basket | None = None
    discount: str = "0"
    method: str = ""
    look: Text = ""


SITUATIONS = [
    # new: paid by what was reported, not paid yet, on account
    Situation(TMALL, (25, 26, 27), (Do(Act.PLACE), Do(Act.REPORT)), each=3),
    Situation(WEB, (24, 25, 26, 27), (Do(Act.PLACE),), each=2, look=_("prepaid, not paid yet")),
    Situation(B2B, (26, 27), (Do(Act.PLACE),), each=3),
    # new: more than is in stock, changed, on hold
    Situation(TMALL, (27,), (Do(Act.PLACE), Do(Act.REPORT)), each=2, basket=[(SERVER, "3")]),
    Situation(TMALL, (26,), (Do(Act.PLACE), Do(Act.CHANGE, how="quantity")), each=2),
    Situation(WEB, (26,), (Do(Act.PLACE), Do(Act.REPORT), Do(Act.HOLD, 0, reason="HO01")), each=2),
    # new: sent once more in exchange, or because something was missing
    Situation(B2B, (15, 16), (*_TO_CLOSED, Do(Act.COPY, 8)), look=_("closed, and copied as an exchange at price 0")),
    Situation(TMALL, (17, 18), (*_TO_COMPLETED, *_PAID, Do(Act.COPY, 8, reason="EX02"))),
    # in processing: reserved, drafted, packed
    Situation(WEB, (25, 26, 27), (*_TO_PROCESSING, Do(Act.REPORT)), each=3),
    Situation(TMALL, (26,), (*_TO_PROCESSING, *_PAID, Do(Act.DRAFT)), each=2),
    Situation(TMALL, (25, 26), (*_TO_PACKED, *_PAID), each=3),
    # in processing: waiting for goods, shipped in parts, one line closed short
    Situation(B2B, (16, 20, 23), _TO_PROCESSING, each=2, basket=SCARCE),
    Situation(B2B, (18, 21, 23), _PART_SHIPPED, each=2, basket=TWO_PARCELS, look=_("partly shipped")),
    Situation(TMALL, (24,), (*_PART_SHIPPED, *_PAID), each=3, basket=TWO_PARCELS),
    Situation(B2B, (22,), (*_TO_PROCESSING, Do(Act.CLOSE_LINES, 2, reason="CA11")), each=2, basket=SCARCE),
    # in processing: on hold, with goods released or without, packed, resumed; changed; to be cancelled
    Situation(WEB, (24,), (*_TO_PROCESSING, Do(Act.REPORT), Do(Act.HOLD, 1, reason="HO02")), each=2),
    Situation(B2B, (24,), (*_TO_PROCESSING, Do(Act.HOLD, 1, reason="HO03")), each=2, basket=SCARCE),
    Situation(
        TMALL,
        (24,),
        (*_TO_PROCESSING, *_PAID, Do(Act.HOLD, 2, reason="HO04", how="release")),
        each=2,
        look=_("on hold, its goods released"),
    ),
    Situation(TMALL, (25,), (*_TO_PACKED, *_PAID, Do(Act.HOLD, 2, reason="HO01"))),
    Situation(TMALL, (23,), (*_TO_PROCESSING, *_PAID, Do(Act.HOLD, 1), Do(Act.RESUME, 3)), each=2),
    Situation(TMALL, (25,), (*_TO_PROCESSING, *_PAID, Do(Act.CHANGE, 1, how="address")), each=2),
    Situation(TMALL, (24,), (*_TO_PACKED, *_PAID, Do(Act.CANCEL, 2)), each=2),
    Situation(B2B, (22,), (*_PART_SHIPPED, Do(Act.CANCEL, 3, reason="CA18")), each=2, basket=TWO_PARCELS),
    # shipped: on the way, tracked, signed for
    Situation(TMALL, (23, 24, 25), (*_TO_SHIPPED, *_PAID), each=4),
    Situation(WEB, (23, 24), (*_TO_SHIPPED, Do(Act.REPORT), Do(Act.COLLECT)), each=2),
    Situation(B2B, (24, 25), _TO_SHIPPED, each=3),
    Situation(WEB, (20, 22), (*_TO_DELIVERED, *_PAID), each=4),
    Situation(B2B, (24,), (*_TO_PACKED, Do(Act.DISPATCH)), each=2, basket=SERVICES),
    Situation(B2B, (23,), _TO_SHIPPED, each=2, basket=SAMPLE),
    # shipped: called back, delivered in spite of it, refused, lost, the rest closed short
    Situation(TMALL, (23,), _CALLED_BACK, each=3, look=_("to be cancelled, its goods are called back")),
    Situation(TMALL, (21,), (*_CALLED_BACK, Do(Act.DELIVER)), each=2),
    Situation(WEB, (21,), (*_TO_SHIPPED, *_PAID, Do(Act.REFUSE, 3)), each=3, look=_("refused, on its way back")),
    Situation(TMALL, (21,), (*_TO_SHIPPED, *_PAID, Do(Act.LOSE, 4)), each=2),
    Situation(
        TMALL,
        (20,),
        (*_PART_SHIPPED, *_PAID, Do(Act.CLOSE_LINES, 3)),
        each=3,
        basket=TWO_PARCELS,
        look=_("the rest closed short, a refund is open"),
    ),
    Situation(TMALL, (22,), (*_TO_SHIPPED, *_PAID, Do(Act.HOLD, 2, reason="HO04")), each=2),
    # completed: ready to close
    Situation(TMALL, (16, 18, 20), _TO_READY, each=3, look=_("ready to close")),
    Situation(B2B, (17, 19), _TO_READY, each=2),
    # completed: unpaid, partly paid, payment only reported
    Situation(B2B, (10, 13, 15), (*_TO_COMPLETED, _ON_ORDER, _ON_GOODS), each=2, look=_("not paid")),
    Situation(
        B2B, (11, 14), (*_TO_COMPLETED, Do(Act.REPORT, part="0.4"), Do(Act.CONFIRM), _ON_ORDER, _ON_GOODS), each=2
    ),
    Situation(TMALL, (14, 17, 19), (*_TO_COMPLETED, Do(Act.REPORT), _ON_ORDER, _ON_GOODS), each=2),
    # completed: a review is missing, or stale since the payment was reported once more
    Situation(WEB, (14, 16, 18, 20), (*_TO_COMPLETED, *_PAID, _ON_ORDER), each=2),
    Situation(
        TMALL,
        (12, 15),
        (*_TO_READY, Do(Act.REPORT, 6, how="2", part="0.1"), Do(Act.REJECT, 6)),
        each=2,
        look=_("a review is stale"),
    ),
    # completed: overpaid, the refund is requested, approved, failed, rejected, or asked for again
    Situation(TMALL, (17,), _OVERPAID, each=3),
    Situation(TMALL, (18,), (*_OVERPAID, *_refund(5, paid=False)), each=3),
    Situation(TMALL, (19,), (*_OVERPAID, *_refund(4, paid=False), Do(Act.FAIL_REFUND, 6)), each=2),
    Situation(TMALL, (15,), (*_OVERPAID, Do(Act.REJECT_REFUND, 5)), each=2),
    Situation(TMALL, (16,), (*_OVERPAID, Do(Act.REJECT_REFUND, 5), Do(Act.REQUEST_REFUND, 6)), each=2),
    # completed: returns in each state
    Situation(TMALL, (20,), (*_TO_COMPLETED, *_PAID, Do(Act.REQUEST_RETURN, 5)), each=3),
    Situation(WEB, (19,), (*_TO_COMPLETED, *_PAID, *_RETURN_COMES), each=3),
    Situation(TMALL, (18,), _RETURNED, each=3),
    Situation(
        TMALL,
        (17,),
        (*_TO_COMPLETED, *_PAID, *_RETURN_COMES, Do(Act.RECEIVE_RETURN, 6, how="defective")),
        each=2,
        look=_("goods came back defective, a refund is open"),
    ),
    Situation(
        TMALL, (17,), (*_TO_COMPLETED, *_PAID, *_RETURN_COMES, Do(Act.RECEIVE_RETURN, 6, how="scrapped")), each=2
    ),
    Situation(TMALL, (16,), (*_TO_COMPLETED, *_PAID, _RETURN_ASKED, Do(Act.REJECT_RETURN, 5), *_reviewed(6)), each=2),
    Situation(
        TMALL,
        (15,),
        (
            *(*_TO_SHIPPED, *_PAID, Do(Act.REFUSE, 3), Do(Act.RECEIVE_RETURN, 5, how="restocked")),
            *(Do(Act.COMPLETE, 6), *_refund(6), *_reviewed(8)),
        ),
        each=2,
    ),
    # completed: allowances in each state
    Situation(B2B, (18,), (*_TO_COMPLETED, Do(Act.REQUEST_ALLOWANCE, 5, part="0.1")), each=3),
    Situation(TMALL, (19,), _ALLOWED, each=2),
    Situation(
        TMALL,
        (18,),
        (*_TO_COMPLETED, *_PAID, Do(Act.REQUEST_ALLOWANCE, 4, part="0.5"), Do(Act.REJECT_ALLOWANCE, 5)),
        each=2,
    ),
    # completed: write-offs in each state
    Situation(B2B, (14,), _BAD_DEBT, each=3),
    Situation(B2B, (15,), (*_BAD_DEBT, Do(Act.REJECT_WRITE_OFF, 7)), each=2),
    Situation(B2B, (13,), (*_BAD_DEBT, Do(Act.APPROVE_WRITE_OFF, 7), *_reviewed(8)), each=2),
    Situation(TMALL, (14,), (*_OVERPAID, Do(Act.REQUEST_WRITE_OFF, 6, how="unclaimed")), each=2),
    # completed: money that was charged back, or confirmed by mistake
    Situation(TMALL, (13,), (*_TO_COMPLETED, *_PAID, Do(Act.CHARGE_BACK, 6)), each=2, look=_("charged back")),
    Situation(TMALL, (13,), (*_OVERPAID, Do(Act.VOID, 5, how="2"), _ON_ORDER, _ON_GOODS), each=2),
    # completed: without the tracking number that is asked for by now; one such warning waived, one by a closer
    Situation(TMALL, (16,), _TO_READY, each=2, method="CITY"),
    Situation(
        TMALL,
        (15,),
        (*_TO_READY, Do(Act.WAIVE, 12, how="logistics.tracking_missing")),
        each=2,
        method="CITY",
        look=_("a warning is waived"),
    ),
    Situation(
        TMALL,
        (14,),
        (*_TO_READY, Do(Act.WAIVE, 12, how="logistics.tracking_missing", by=people.DIRECTOR)),
        method="CITY",
    ),
    # completed: the director lent a hand, and may not close what he did himself
    Situation(
        TMALL, (16,), (*_TO_PACKED, *_PAID, Do(Act.DISPATCH, 1, by=people.DIRECTOR), *_TO_READY[4:6], *_reviewed(5))
    ),
    Situation(
        B2B, (16,), (*_TO_PACKED, *_PAID, Do(Act.DISPATCH, 1, by=people.DIRECTOR), *_TO_READY[4:6], *_reviewed(5))
    ),
    Situation(TMALL, (16,), (*_TO_COMPLETED, Do(Act.REPORT), Do(Act.CONFIRM, 1, by=people.DIRECTOR), *_reviewed(5))),
    # completed: reopened, on hold
    Situation(TMALL, (9,), (*_TO_CLOSED, Do(Act.REOPEN, 9)), each=3, look=_("reopened")),
    Situation(WEB, (17,), (*_TO_COMPLETED, *_PAID, Do(Act.HOLD, 6, reason="HO04")), each=2),
    # closed: as it was placed
    Situation(TMALL, (0, 2, 4, 6, 8, 10, 12), _TO_CLOSED, each=3),
    Situation(WEB, (1, 4, 7, 10, 13), _TO_CLOSED, each=3),
    Situation(WEB, (15,), _CLOSED_AND_TRACKED, each=2),
    Situation(B2B, (0, 4, 8, 12), _TO_CLOSED, each=2),
    # closed: with a gift, a discount, of services only, a sample for nothing
    Situation(TMALL, (5,), _TO_CLOSED, each=2, basket=WITH_GIFT),
    Situation(TMALL, (7,), _TO_CLOSED, each=2, discount="50"),
    Situation(B2B, (6,), _TO_CLOSED, each=2, basket=SERVICES),
    Situation(B2B, (6,), (*_TO_COMPLETED, *_reviewed(5), Do(Act.CLOSE)), each=2, basket=SAMPLE),
    # closed: with a tail, bad debt, a return, a remainder, a lost parcel, an allowance, a waiver, once more
    Situation(
        B2B,
        (9,),
        (*_TO_COMPLETED, Do(Act.REPORT, less="0.5"), Do(Act.CONFIRM), *_reviewed(6), Do(Act.CLOSE, 6)),
        each=2,
    ),
    Situation(B2B, (5,), (*_BAD_DEBT, Do(Act.APPROVE_WRITE_OFF, 7), *_closed(8, "CL04")), each=2),
    Situation(TMALL, (8,), (*_RETURNED, *_refund(6), *_closed(8, "CL03")), each=3),
    Situation(
        TMALL,
        (9,),
        (
            *(*_PART_SHIPPED, *_PAID, Do(Act.DELIVER), Do(Act.CLOSE_LINES, 3), Do(Act.COMPLETE)),
            *(*_refund(5), *_closed(7, "CL02")),
        ),
        each=3,
        basket=TWO_PARCELS,
    ),
    Situation(
        TMALL,
        (10,),
        (*_TO_SHIPPED, *_PAID, Do(Act.LOSE, 4), Do(Act.COMPLETE, 5), *_refund(5), *_closed(7, "CL03")),
        each=2,
    ),
    Situation(TMALL, (11,), (*_ALLOWED, *_refund(6), *_reviewed(8), Do(Act.CLOSE, 8)), each=2),
    Situation(
        TMALL,
        (13,),
        (*_TO_READY, Do(Act.WAIVE, 12, how="logistics.tracking_missing"), Do(Act.CLOSE, 12)),
        each=2,
        method="CITY",
    ),
    Situation(TMALL, (3,), (*_TO_CLOSED, Do(Act.REOPEN, 8), *_closed(10, "CL01")), each=3, look=_("closed twice")),
    # closed, and after that: returns, an allowance, payments
    Situation(TMALL, (14,), (*_TO_CLOSED, Do(Act.REQUEST_RETURN, 9)), each=2),
    Situation(
        TMALL,
        (12,),
        (
            *(*_TO_CLOSED, Do(Act.REQUEST_RETURN, 8), Do(Act.APPROVE_RETURN, 8)),
            Do(Act.RECEIVE_RETURN, 10, how="restocked"),
        ),
        each=2,
    ),
    Situation(
        TMALL,
        (9,),
        (
            *(*_TO_CLOSED, Do(Act.REQUEST_RETURN, 8), Do(Act.APPROVE_RETURN, 8)),
            *(Do(Act.RECEIVE_RETURN, 10, how="defective"), *_refund(11)),
        ),
        each=2,
        look=_("closed, then returned and refunded"),
    ),
    Situation(TMALL, (11,), (*_TO_CLOSED, Do(Act.REQUEST_ALLOWANCE, 9, part="0.1")), each=2),
    Situation(
        TMALL,
        (10,),
        (*_TO_CLOSED, Do(Act.REQUEST_ALLOWANCE, 9, part="0.1"), Do(Act.APPROVE_ALLOWANCE, 10)),
        each=2,
    ),
    Situation(
        B2B,
        (3,),
        (
            *(*_BAD_DEBT, Do(Act.APPROVE_WRITE_OFF, 7), *_closed(8, "CL04")),
            *(Do(Act.REPORT, 14, how="2", part="0.4"), Do(Act.CONFIRM, 15)),
        ),
        each=2,
        look=_("written off as bad debt, and paid after closing"),
    ),
    Situation(TMALL, (11,), (*_TO_CLOSED, Do(Act.REPORT, 12, how="2", part="0.1"), Do(Act.CONFIRM, 13)), each=2),
    # cancelled: never paid, never processed; on the way in the books
    Situation(WEB, (8, 12, 16, 20), (Do(Act.PLACE), _EXPIRES), each=2),
    Situation(B2B, (9, 15, 20), (*_TO_PROCESSING, Do(Act.CANCEL, 2, reason="CA18")), each=2),
    # cancelled: the refund is requested, approved, failed, paid
    Situation(TMALL, (18, 21), _CANCELLED, each=2),
    Situation(TMALL, (19,), (*_CANCELLED, *_refund(4, paid=False)), each=2),
    Situation(
        TMALL,
        (17,),
        (*_CANCELLED, *_refund(4, paid=False), Do(Act.FAIL_REFUND, 6)),
        each=2,
        look=_("cancelled, paying the refund failed"),
    ),
    Situation(TMALL, (10, 14, 17), (*_CANCELLED, *_refund(4)), each=3),
    # cancelled: once the goods were back, were lost, or were unpacked; paid after it
    Situation(TMALL, (16,), (*_CALLED_BACK, Do(Act.RECEIVE_RETURN, 5, how="restocked")), each=3),
    Situation(TMALL, (16,), (*_CALLED_BACK, Do(Act.RECEIVE_RETURN, 5, how="lost"))),
    Situation(TMALL, (20,), (*_TO_PACKED, *_PAID, Do(Act.CANCEL, 2), Do(Act.UNPACK, 3)), each=2),
    Situation(WEB, (20,), (Do(Act.PLACE), _EXPIRES, Do(Act.REPORT, 4), Do(Act.CONFIRM, 5))),
]


@dataclass(slots=True)
class Plan:
    """One order's fate. ``order_id`` is known once it is placed; once it is copied, it is the copy's."""

    situation: Situation
    day: int
    external_number: str
    basket: Basket
    buyer: Buyer
    shipping_fee: Decimal
    order_id: int = 0

    def due(self, day: int, act: Act) -> list[Do]:
        """What is done to the order by this act on this day."""
        wanted = [do for do in self.situation.acts if do.act == act]
        return [do for do in wanted if self._day_of(do) == day]

    def _day_of(self, do: Do) -> int:
        if do.day is not None:
            return self.day + do.day
        return self.day + (_LATER.get((self.situation.shop, do.act)) or _DAYS[do.act])

    def draft(self) -> OrderDraft:
        buyer, shop = self.buyer, self.situation.shop
        return OrderDraft(
            shop=shop,
            external_number=self.external_number,
            customer=CustomerDraft(name=buyer.name, code=buyer.code, phone=buyer.phone, email=buyer.email),
            lines=[LineDraft(sku, Decimal(quantity), *map(Decimal, price)) for sku, quantity, *price in self.basket],
            discount=Decimal(self.situation.discount),
            shipping_method=self.situation.method or ("FREIGHT" if shop == B2B else "EXPRESS"),
            shipping_fee=self.shipping_fee,
            shipping_address=address(buyer),
        )


def address(buyer: Buyer) -> dict[str, str]:
    return {
        "name": buyer.name,
        "phone": buyer.phone,
        "country": "中国",
        "province": buyer.province,
        "city": buyer.city,
        "district": buyer.district,
        "line1": buyer.street,
    }


def plans() -> list[Plan]:
    example = Situation(WEB, (15,), _CLOSED_AND_TRACKED, basket=[(NOTEBOOK, "1")])
    return [*_planned(), Plan(example, 15, EXAMPLE, example.basket or [], PEOPLE[0], ZERO)]


def _planned() -> Iterator[Plan]:
    """Baskets and buyers take turns within a shop, so that every run makes the same company."""
    turns = {shop: count() for shop in BASKETS}
    for situation in SITUATIONS:
        for day in situation.days:
            for _each in range(situation.each):
                turn = next(turns[situation.shop])
                buyers = COMPANIES if situation.shop == B2B else PEOPLE
                baskets = BASKETS[situation.shop]
                yield Plan(
                    situation,
                    day,
                    external_number=f"{situation.shop}-{88001 + turn}",
                    basket=situation.basket or baskets[turn % len(baskets)],
                    buyer=buyers[turn % len(buyers)],
                    shipping_fee=Decimal(12) if situation.shop == WEB else ZERO,
                )
