"""What must be decided about stock before an accounting period closes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from erp.kernel.texts import Day, Listing
from finance.models import Period
from finance.periods import linked
from inventory.models import StockTake, StockTakeStatus
from orders.contract import Block, Check, Finding

UNAPPROVED = Check(
    "inventory.period_stock_takes_undecided",
    Block.STOCK,
    passed=_("Every stock-take counted by %(last_day)s is approved or rejected."),
    blocked=_("Stock-takes counted by %(last_day)s are neither approved nor rejected: %(takes)s."),
    hint=_("Approve them, or reject them and have the goods counted again."),
    role=_("Chief accountant"),
)


def stock_takes_decided(period: Period) -> Iterator[Finding]:
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    end = datetime.combine(period.last_day + timedelta(days=1), time.min, zone)
    undecided = StockTake.objects.filter(
        warehouse__currency=period.currency, status=StockTakeStatus.COUNTED, counted_at__lt=end
    ).order_by("pk")
    takes, links = linked("inventory.stocktake", undecided)
    yield UNAPPROVED.finding(None, not takes, links=links, last_day=Day(period.last_day), takes=Listing(takes))
