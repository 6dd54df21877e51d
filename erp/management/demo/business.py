"""Four weeks of business, day by day: every act by the person whose job it is, what is alike in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings

from erp.kernel import masterdata
from erp.kernel.acting import Decision, acting
from erp.kernel.models import User
from erp.management.demo import catalogue, people
from erp.management.demo.acts import perform
from erp.management.demo.catalogue import B2B, SERVER, TMALL, WEB
from erp.management.demo.people import Person
from erp.management.demo.plans import LAST_DAY, Act, Do, Plan
from inventory.models import StockLevel, StockTake
from inventory.services.counting import CountDraft, CountLine, approve_stock_takes, count_stock
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine, receive_stock
from inventory.services.transferring import TransferDraft, TransferDraftLine, transfer_stock
from orders.models import CheckPolicy, Policy, ShippingMethod, Shop

_OPENS, _SHUTS = time(9), time(18)


class Calendar:
    """Moments of the demo's days in the company's zone: they only go forward, and never past ``now``."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.zone = ZoneInfo(settings.COMPANY_TIME_ZONE)

    def moment(self, day: int, act: int) -> datetime:
        """When an act is done; 0 is before the first one."""
        date = self.now.astimezone(self.zone).date() - timedelta(days=LAST_DAY - day)
        opens = datetime.combine(date, _OPENS, self.zone)
        shuts = min(datetime.combine(date, _SHUTS, self.zone), self.now)
        if shuts <= opens:
            opens = datetime.combine(date, time.min, self.zone)
        return opens + (shuts - opens) * act / (len(Act) + 1)


_USUAL = {
    **dict.fromkeys((Act.PLACE, Act.CHANGE, Act.PROCESS, Act.CLOSE_LINES, Act.REVIEW_ORDER, Act.COPY), people.SALES),
    **dict.fromkeys((Act.REPORT, Act.FAIL_REFUND, Act.PAY_REFUND), people.CASHIER),
    **dict.fromkeys((Act.CONFIRM, Act.REJECT, Act.VOID, Act.CHARGE_BACK, Act.REVIEW_FINANCE), people.ACCOUNTANT),
    Act.REQUEST_WRITE_OFF: people.ACCOUNTANT,
    **dict.fromkeys((Act.APPROVE_ALLOWANCE, Act.REJECT_ALLOWANCE), people.SECOND_ACCOUNTANT),
    **dict.fromkeys((Act.APPROVE_REFUND, Act.REJECT_REFUND), people.SECOND_ACCOUNTANT),
    **dict.fromkeys((Act.APPROVE_WRITE_OFF, Act.REJECT_WRITE_OFF, Act.WAIVE), people.CHIEF),
    **dict.fromkeys((Act.DRAFT, Act.PACK, Act.PACK_PART, Act.UNPACK, Act.RECEIVE_RETURN), people.KEEPER),
    **dict.fromkeys((Act.DISPATCH, Act.COLLECT, Act.SIGN, Act.DELIVER, Act.REFUSE, Act.LOSE), people.LOGISTICS),
    **dict.fromkeys((Act.APPROVE_RETURN, Act.REJECT_RETURN, Act.REVIEW_LOGISTICS), people.LOGISTICS),
    **dict.fromkeys((Act.HOLD, Act.RESUME, Act.COMPLETE, Act.CANCEL), people.SERVICE),
    **dict.fromkeys((Act.REQUEST_RETURN, Act.REQUEST_ALLOWANCE, Act.REQUEST_REFUND), people.SERVICE),
    Act.CLOSE: people.ADMINISTRATOR,
    Act.REOPEN: people.DIRECTOR,
}
# Who acts by shop: online orders place and pay themselves, and the administrator reviews them alone.
_WHO: dict[str, dict[Act, Person]] = {
    TMALL: _USUAL,
    WEB: {
        **_USUAL,
        **dict.fromkeys((Act.PLACE, Act.REPORT), people.WEB_SHOP),
        Act.PROCESS: people.KEEPER,
        **dict.fromkeys((Act.REVIEW_ORDER, Act.REVIEW_FINANCE, Act.REVIEW_LOGISTICS), people.ADMINISTRATOR),
    },
    B2B: {**_USUAL, **dict.fromkeys((Act.PLACE, Act.PROCESS, Act.REVIEW_ORDER), people.KEY_ACCOUNTS)},
}
_REJECTED = ("RJ01", "与凭证不符")
_REASONS = {
    Act.REJECT: ("RJ01", "重复登记,银行流水中只有一笔"),
    **dict.fromkeys((Act.REJECT_RETURN, Act.REJECT_ALLOWANCE, Act.REJECT_WRITE_OFF, Act.REJECT_REFUND), _REJECTED),
    Act.HOLD: ("HO02", "核实收货地址"),
    Act.CLOSE_LINES: ("CL02", ""),
    Act.CANCEL: ("CA01", ""),
    Act.REFUSE: ("RT04", ""),
    Act.LOSE: ("RT05", ""),
    Act.REQUEST_RETURN: ("RT02", ""),
    Act.REQUEST_ALLOWANCE: ("FN05", ""),
    Act.REQUEST_REFUND: ("RT06", "客户重复付款"),
    Act.VOID: ("FN01", ""),
    Act.CHARGE_BACK: ("FN02", ""),
    Act.REQUEST_WRITE_OFF: ("FN04", ""),
    Act.WAIVE: ("WV01", "骑手当面送达,有签收照片"),
    Act.CLOSE: ("CL01", ""),
    Act.REOPEN: ("RO02", "发票需要更正"),
    Act.COPY: ("EX01", ""),
}

_NOTES = {"CL04": "客户已注销,法务确认无法追回"}


def open_business(calendar: Calendar) -> dict[str, User]:
    """Hire the staff, enter master data and receive the first goods. :returns: the accounts by username."""
    at = calendar.moment(0, 0)
    users = people.hire(at)
    decision = Decision(by=users[people.ADMINISTRATOR.username], at=at)
    catalogue.furnish(decision=decision)
    people.give_scopes(users, decision=decision)
    for draft in catalogue.deliveries():
        receive_stock(draft, decision=Decision(by=users[people.KEEPER.username], at=at))
    return users


def work(day: int, plans: Sequence[Plan], users: dict[str, User], calendar: Calendar) -> None:
    """One day: first the house, then whatever is due to orders, in the order of :class:`Act`."""
    if day in _IN_THE_HOUSE:
        person, act = _IN_THE_HOUSE[day]
        act(Decision(by=users[person.username], at=calendar.moment(day, 0)))
    for act_of_day in Act:
        shares: dict[tuple[str, Do], list[Plan]] = {}
        for plan in plans:
            for do in plan.due(day, act_of_day):
                person = do.by or _WHO[plan.situation.shop][act_of_day]
                shares.setdefault((person.username, replace(do, day=None, by=None)), []).append(plan)
        reason, note = _REASONS.get(act_of_day, ("", ""))
        for (username, do), share in shares.items():
            decision = Decision(
                by=users[username],
                at=calendar.moment(day, act_of_day),
                reason=do.reason or reason,
                note=_NOTES.get(do.reason, note),
            )
            perform(do, share, decision)


def _transfer(decision: Decision) -> None:
    lines = [TransferDraftLine("NB-16", Decimal(20)), TransferDraftLine("TAB-11", Decimal(15))]
    transfer_stock(TransferDraft("SH", "SZ", lines, reference="DB-0001"), decision=decision)


def _count(decision: Decision, *, sku: str, sheet: str) -> None:
    """Two fewer than the books say."""
    level = StockLevel.objects.get(product__sku=sku, warehouse__code="SH")
    count_stock(CountDraft("SH", [CountLine(sku, level.on_hand - 2)], reference=sheet), decision=decision)


def _approve_count(decision: Decision) -> None:
    approve_stock_takes(list(StockTake.objects.values_list("pk", flat=True)), decision=decision)


def _tighten(decision: Decision) -> None:
    """From today city couriers need a tracking number, and in one shop an exception can be made of one duty."""
    shop = Shop.objects.get(code=B2B)
    masterdata.add([CheckPolicy(code="logistics.conflict_of_duty", shop=shop, level=Policy.WARN)], decision=decision)
    method = ShippingMethod.objects.get(code="CITY")
    method.needs_tracking = True
    with acting(decision):
        method.save()


def _receive_servers(decision: Decision) -> None:
    """Fewer than are waited for: the oldest order is served."""
    lines = [ReceiptDraftLine(SERVER, Decimal(2), Decimal(30500))]
    receive_stock(ReceiptDraft("SH", lines, reference="PO-SH-0002"), decision=decision)


_IN_THE_HOUSE: Mapping[int, tuple[Person, Callable[[Decision], None]]] = {
    6: (people.KEEPER, _transfer),
    12: (people.KEEPER, lambda decision: _count(decision, sku="SSD-1T", sheet="PD-0001")),
    13: (people.CHIEF, _approve_count),
    21: (people.KEEPER, _receive_servers),
    24: (people.ADMINISTRATOR, _tighten),
    25: (people.KEEPER, lambda decision: _count(decision, sku="RAM-32", sheet="PD-0002")),
}
