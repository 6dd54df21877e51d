"""
Replays a month of a real shop's invoices through the product, from placed to closed, and proves the result.

The file is one month of the data set "Online Retail" of the UCI Machine Learning Repository as gzipped CSV
(InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country; times local in London,
prices in GBP). Every ordinary invoice with a priced line is a sale, every cancellation takes back what it can of the
customer's earlier sales, every other invoice corrects stock by a stock-take. Each day's sales go through every act as
one batch, the clock only forwards, since vouchers may not be dated before the newest; of the sales of which something
comes back, every second waits for it before it is closed. Amounts are quantity × price per line, rounded half up to
the penny, and compared with the ledger; the file's prices have two decimals, so that nothing is rounded away. Exit
status 1 when a row is unaccounted for, an amount differs, an invariant breaks or the audit finds a fault.
"""

import csv
import gzip
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from statistics import median
from zoneinfo import ZoneInfo

from coming_back import Ledger, carry_out, together
from common import METHOD, SHOP, WAREHOUSE, Clock, Journey, People, Sample, fresh_database, measure, prepare
from django.core.management import CommandError, CommandParser, call_command
from django.db import connection
from django.db.models import F, Min, Sum
from django.utils import translation

from erp.kernel import invariants
from erp.kernel.acting import Channel, Decision
from finance import accounts
from finance.models import Credit, VoucherLine
from inventory.models import StockLevel
from inventory.services.counting import CountDraft, CountLine, approve_stock_take, count_stock
from inventory.services.receiving import ReceiptDraftLine
from orders.models import Line, Order, Product, ProductKind, Status, Unit
from orders.services.placing import CustomerDraft, LineDraft, OrderDraft

LONDON = ZoneInfo("Europe/London")
SERVICES = frozenset({"POST", "DOT", "C2", "M", "D", "S", "BANK CHARGES", "AMAZONFEE"})
PENNY = Decimal("0.01")
COST_SHARE = Decimal("0.6")
REFUSALS_LIMIT = 30
REVIEW_AND_CLOSE = ("review_order", "review_finance", "review_logistics", "close")
BEFORE_REVIEW = tuple(step for step in Journey.STEPS if step not in REVIEW_AND_CLOSE)
CANCELLATION, LOSS, GAIN = "cancellation", "stock written off", "stock found"


@dataclass(frozen=True, slots=True)
class Row:
    sku: str
    description: str
    quantity: int
    at: datetime
    price: Decimal
    customer: str
    country: str

    @property
    def amount(self) -> Decimal:
        return (self.quantity * self.price).quantize(PENNY, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Invoice:
    number: str
    rows: Sequence[Row]

    @property
    def at(self) -> datetime:
        """One invoice of the file carries two times; the first counts."""
        return self.rows[0].at

    @property
    def kind(self) -> str:
        """What it is; empty for a sale."""
        if self.number.startswith("C"):
            return CANCELLATION
        if all(row.quantity < 0 for row in self.rows):
            return LOSS
        if not any(row.price for row in self.rows):
            return GAIN
        return ""

    def draft(self) -> OrderDraft:
        first = self.rows[0]
        named = CustomerDraft(name=f"Customer {first.customer}", code=first.customer)
        return OrderDraft(
            shop=SHOP,
            customer=named if first.customer else CustomerDraft(name="Walk-in customer", code="WALK-IN"),
            external_number=self.number,
            placed_at=self.at,
            lines=[LineDraft(row.sku, Decimal(row.quantity), row.price) for row in self.rows],
            shipping_method=METHOD,
            shipping_address={"country": first.country},
        )


def read(path: str) -> list[Invoice]:
    invoices: dict[str, list[Row]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            invoices[record["InvoiceNo"]].append(
                Row(
                    sku=record["StockCode"].upper(),
                    description=record["Description"].strip(),
                    quantity=int(record["Quantity"]),
                    at=datetime.fromisoformat(record["InvoiceDate"]).replace(tzinfo=LONDON),
                    price=Decimal(record["UnitPrice"]),
                    customer=record["CustomerID"],
                    country=record["Country"],
                )
            )
    return [Invoice(number, rows) for number, rows in invoices.items()]


def catalogue(invoices: Sequence[Invoice]) -> Iterator[Product]:
    """Every code of the file as a product, at its median price."""
    rows = [row for invoice in invoices for row in invoice.rows]
    for sku, of_sku in _by_sku(rows):
        service = sku in SERVICES
        prices = [row.price for row in of_sku if row.price]
        yield Product(
            sku=sku,
            name=next((row.description for row in of_sku if row.description), sku),
            kind=ProductKind.SERVICE if service else ProductKind.STOCKED,
            unit=Unit.TIME if service else Unit.PIECE,
            price=median(prices).quantize(PENNY, ROUND_HALF_UP) if prices else Decimal(0),
            currency="GBP",
        )


def stock(products: Sequence[Product], invoices: Sequence[Invoice]) -> Iterator[ReceiptDraftLine]:
    """As much of everything as the month sells and writes off, at a share of its price."""
    leaving = [invoice for invoice in invoices if invoice.kind in ("", LOSS)]
    gone = dict(_by_sku([row for invoice in leaving for row in invoice.rows]))
    for product in products:
        quantity = sum(abs(row.quantity) for row in gone.get(product.sku, ()))
        if quantity and product.kind == ProductKind.STOCKED:
            cost = (product.price * COST_SHARE).quantize(PENNY, ROUND_HALF_UP)
            yield ReceiptDraftLine(product.sku, Decimal(quantity), cost)


def _by_sku(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    by_sku: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_sku[row.sku].append(row)
    yield from sorted(by_sku.items())


def clock_from(moment: datetime) -> Callable[[], datetime]:
    """A minute per act."""

    def tick() -> datetime:
        nonlocal moment
        moment += timedelta(minutes=1)
        return moment

    return tick


@dataclass(slots=True)
class Month:
    """What the replay has done so far."""

    people: People
    ledger: Ledger
    waiting: Mapping[str, date]
    days: list[tuple[Journey, dict[str, Sample]]] = field(default_factory=list)
    held_back: dict[date, list[Journey]] = field(default_factory=lambda: defaultdict(list))
    counted: Counter[str] = field(default_factory=Counter)
    after: list[Sample] = field(default_factory=list)

    def live(self, today: Sequence[Invoice]) -> None:
        """One day: its sales, what comes back, its stock-takes, and the closing of what waited for this day."""
        clock = clock_from(max(invoice.at for invoice in today))
        sales = [invoice for invoice in today if not invoice.kind]
        day = today[0].at.date()
        for is_waiting, part in ((False, self._part(sales, False)), (True, self._part(sales, True))):
            if part:
                journey = Journey(self.people, [sale.draft() for sale in part], clock)
                self.days.append((journey, journey.go(BEFORE_REVIEW if is_waiting else Journey.STEPS)))
                if is_waiting:
                    self._wait(journey)
        takings = [self.ledger.take_back(invoice) for invoice in today if invoice.kind == CANCELLATION]
        self.after.append(measure(lambda: carry_out(together(takings), self.people, clock)))
        for invoice in today:
            if invoice.kind in (LOSS, GAIN):
                self.counted.update(correct(invoice, self.people, clock))
        for journey in self.held_back.pop(day, ()):
            journey.clock, journey.reason = clock, "CL03"
            journey.go(REVIEW_AND_CLOSE)

    def _part(self, sales: Sequence[Invoice], is_waiting: bool) -> list[Invoice]:
        return [sale for sale in sales if (sale.number in self.waiting) == is_waiting]

    def _wait(self, journey: Journey) -> None:
        """Each closes on the day on which the last of it came back."""
        by_day: dict[date, set[int]] = defaultdict(set)
        for pk, number in journey.externals.items():
            by_day[self.waiting[number]].add(pk)
        for day, orders in by_day.items():
            self.held_back[day].append(journey.part(orders))


def correct(invoice: Invoice, people: People, clock: Clock) -> Counter[str]:
    """A stock-take of the invoice's products: as many more or less than the books say as it says."""
    rows: Counter[str] = Counter()
    differences: Counter[str] = Counter()
    for row in invoice.rows:
        if row.sku in SERVICES:
            rows["left: a correction of a service, which has no stock"] += 1
        else:
            rows[f"counted: {invoice.kind}"] += 1
            differences[row.sku] += row.quantity
    differences = Counter({sku: quantity for sku, quantity in differences.items() if quantity})
    if differences:
        levels = StockLevel.objects.filter(product__sku__in=differences)
        books = dict(levels.values_list("product__sku", "on_hand"))
        costs = dict(Product.objects.filter(sku__in=differences).values_list("sku", "price"))
        lines = [
            CountLine(sku, books.get(sku, Decimal(0)) + quantity, costs[sku])
            for sku, quantity in sorted(differences.items())
        ]
        keeper = Decision(by=people("仓管员"), at=clock(), channel=Channel.ADMIN)
        take = count_stock(CountDraft(WAREHOUSE, lines, reference=invoice.number), decision=keeper)
        approve_stock_take(take.pk, decision=Decision(by=people("财务主管"), at=clock(), channel=Channel.ADMIN))
    return rows


def foreseen(invoices: Sequence[Invoice]) -> Mapping[str, date]:
    """Every second sale of which something comes back, and the day on which the last of it does."""
    ledger = Ledger(SERVICES)
    last: dict[str, date] = {}
    for invoice in invoices:
        if not invoice.kind:
            ledger.sell(invoice)
        elif invoice.kind == CANCELLATION:
            last |= dict.fromkeys(ledger.take_back(invoice), invoice.at.date())
    return {number: last[number] for number in sorted(last)[::2]}


def replay(people: People, invoices: Sequence[Invoice]) -> Month:
    """Day by day, each day's sales as one batch after the last of its invoices."""
    month = Month(people, Ledger(SERVICES), foreseen(invoices))
    for _day, of_day in groupby(invoices, key=lambda invoice: invoice.at.date()):
        today = list(of_day)
        for invoice in today:
            if not invoice.kind:
                month.ledger.sell(invoice)
        month.live(today)
    return month


def report(days: Sequence[tuple[Journey, dict[str, Sample]]], orders: int) -> None:
    print(f"\n{'step':18}{'queries/day':>12}{'queries/order':>15}{'ms/order':>10}{'orders/s':>10}")
    for step in Journey.STEPS:
        _print_row(step, [way[step] for _, way in days if step in way], orders)
    _print_row("lifecycle", [sample for _, way in days for sample in way.values()], orders, len(days))


def _print_row(step: str, samples: Sequence[Sample], orders: int, days: int | None = None) -> None:
    queries, seconds = sum(s.queries for s in samples), sum(s.seconds for s in samples)
    print(
        f"{step:18}{queries / (days or len(samples)):>12.1f}{queries / orders:>15.2f}"
        f"{seconds * 1000 / orders:>10.2f}{orders / seconds:>10.1f}"
    )


def account(invoices: Sequence[Invoice], month: Month) -> bool:
    """Every row of the file is in an order, taken back, counted, or left for a named reason; and the money agrees."""
    sales = [invoice for invoice in invoices if not invoice.kind]
    refused = {number: codes for journey, _ in month.days for number, codes in journey.refused.items()}
    accepted = [sale for sale in sales if sale.number not in refused]
    reasons = month.ledger.rows + month.counted
    for sale in sales:
        if sale.number in refused:
            reasons[f"refused: {refused[sale.number]}"] += len(sale.rows)
    rows = sum(len(invoice.rows) for invoice in invoices)
    lines = Line.objects.filter(order__status=Status.CLOSED).count()
    closed = Order.objects.filter(status=Status.CLOSED).count()
    print(f"\n{len(sales)} sales: {closed} closed, {len(refused)} refused; {lines} lines")
    for reason, count in sorted(reasons.items()):
        print(f"{count:>8} rows {reason}")
    print(f"{rows:>8} rows in the file, {lines + sum(reasons.values())} accounted for")
    after, before = _reviewed_after_coming_back()
    print(f"{after + before} orders of which something came back: {before} before closing, {after} after it")
    seconds = sum(sample.seconds for sample in month.after)
    print(f"returns, allowances and their refunds: {seconds:.1f} s")
    gross = sum((row.amount for sale in accepted for row in sale.rows), Decimal(0))
    by_file = gross - month.ledger.credited
    print(f"\ngross sales {gross:,.2f} GBP, credited {month.ledger.credited:,.2f} GBP")
    print(f"net revenue: {by_file:,.2f} GBP by the file, {(by_ledger := revenue()):,.2f} GBP in the ledger")
    return (
        closed == len(accepted)
        and lines + sum(reasons.values()) == rows
        and len(refused) <= REFUSALS_LIMIT
        and by_file == by_ledger
    )


def _reviewed_after_coming_back() -> tuple[int, int]:
    """Orders whose first credit was given after, and before, they were closed."""
    first = Credit.objects.values_list("order", "order__closed_at").annotate(Min("at"))
    after = [closed_at < at for _order, closed_at, at in first]
    return sum(after), len(after) - sum(after)


def revenue() -> Decimal:
    """Credited to revenue and output tax."""
    posted = VoucherLine.objects.filter(account_id__in=[accounts.REVENUE, accounts.OUTPUT_TAX])
    total: Decimal = posted.aggregate(total=Sum(F("credit") - F("debit")))["total"]
    return total


def proved() -> bool:
    broken = list(invariants.broken())
    for rule, rows in broken:
        print(f"broken: {rule.name} {rows[:3]}")
    print(f"{len(invariants.registered())} invariants, {len(broken)} broken")
    try:
        call_command("verify_audit")
    except CommandError as error:
        print(error)
        return False
    return not broken


def main() -> int:
    parser = CommandParser(description=__doc__)
    parser.add_argument("file", metavar="FILE", help="gzipped CSV")
    invoices = sorted(read(parser.parse_args().file), key=lambda invoice: invoice.at)
    midnight = datetime.combine(invoices[0].at.date(), time(), LONDON)
    with fresh_database(), translation.override("en"):
        products = list(catalogue(invoices))
        people = prepare(
            products, stock(products, invoices), clock_from(midnight), currency="GBP", terms="credit", credit_days=0
        )
        print(f"{connection.vendor}, {len(products)} products")
        month = replay(people, invoices)
        report(month.days, sum(not invoice.kind for invoice in invoices))
        agrees = account(invoices, month)
        return 0 if proved() and agrees else 1


if __name__ == "__main__":
    sys.exit(main())
