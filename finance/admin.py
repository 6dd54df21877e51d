"""The ledger, payments and what follows from them in the back office."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from erp.kernel.admin import COST, DocumentAdmin, LinesInline, RecordedDocumentAdmin, ScopedRelatedFilter
from finance.accounts import COST_ACCOUNTS
from finance.models import (
    Account,
    Allowance,
    Credit,
    OrderBalance,
    Payment,
    Period,
    Refund,
    StatementLine,
    StatementMatch,
    TakenBack,
    Voucher,
    VoucherLine,
    WriteOff,
)


class CostLines:
    """Lines of accounts that tell what goods cost are for those who may see cost."""

    def get_queryset(self, request: HttpRequest) -> Any:
        queryset = super().get_queryset(request)  # type: ignore[misc]
        return queryset if request.user.has_perm(COST) else queryset.exclude(account__in=COST_ACCOUNTS)


class BookFilter(admin.SimpleListFilter):
    """The currencies there are books of, not all there are in the world."""

    title = _("book")
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        currencies = Period.objects.order_by("currency").values_list("currency", flat=True).distinct()
        return [(currency, currency) for currency in currencies]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(currency=self.value()) if self.value() else queryset


@admin.register(Account)
class AccountAdmin(RecordedDocumentAdmin):
    list_display = ("code", "name", "name_en")
    ordering = ("code",)


@admin.register(Period)
class PeriodAdmin(DocumentAdmin):
    list_display = ("__str__", "currency", "next_number", "last_date", "closed_at", "closed_by")
    list_select_related = ("closed_by",)
    list_filter = (BookFilter,)


class VoucherLineInline(CostLines, LinesInline):
    model = VoucherLine
    fields = ("account", "debit", "credit")
    related = ("account", "voucher")
    amounts = {"debit": "voucher.currency", "credit": "voucher.currency"}


@admin.register(Voucher)
class VoucherAdmin(DocumentAdmin):
    list_display = ("__str__", "date", "purpose", "source", "order", "by_name")
    list_select_related = ("order",)
    list_filter = (BookFilter, "purpose", "date")
    ordering = ("-period__first_day", "-number")
    search_fields = ("source",)
    hidden = frozenset({"id", "source_id", "source_type"})
    inlines = (VoucherLineInline,)


@admin.register(VoucherLine)
class VoucherLineAdmin(CostLines, DocumentAdmin):
    list_display = ("voucher", "account", "debit", "credit")
    list_display_links = ("voucher",)
    list_select_related = ("voucher", "account")
    list_filter = ("account",)
    scoped_by = "voucher"
    amounts = {"debit": "voucher.currency", "credit": "voucher.currency"}


@admin.register(OrderBalance)
class OrderBalanceAdmin(DocumentAdmin):
    list_display = ("order", "receivable", "advance")
    list_select_related = ("order",)
    scoped_by = "order"
    amounts = {"receivable": "order.currency", "advance": "order.currency"}


@admin.register(Credit)
class CreditAdmin(DocumentAdmin):
    list_display = ("source", "order", "line", "amount", "ground", "by_name", "at")
    list_select_related = ("order", "line")
    list_filter = ("ground",)
    search_fields = ("source", "order__number")
    hidden = frozenset({"part", "source_type", "source_id"})
    amounts = dict.fromkeys(("amount", "tax"), "order.currency")


@admin.register(Payment)
class PaymentAdmin(RecordedDocumentAdmin):
    list_display = ("number", "order", "amount", "status", "method", "reference", "received_at", "reported_by")
    list_select_related = ("order", "reported_by")
    list_filter = ("status", "method", ("shop", ScopedRelatedFilter))
    search_fields = ("number", "reference")
    amounts = {
        "amount": "order.currency",
        "fee": "order.currency",
        "refunding": "order.currency",
        "refunded": "order.currency",
    }


@admin.register(Refund)
class RefundAdmin(RecordedDocumentAdmin):
    list_display = (
        "number",
        "order",
        "payment",
        "amount",
        "status",
        "ground",
        "requested_by",
        "failure",
    )
    list_select_related = ("order", "payment", "requested_by")
    list_filter = ("status", "ground")
    search_fields = ("number", "payment__number", "order__number")
    amounts = {"amount": "order.currency"}


@admin.register(Allowance)
class AllowanceAdmin(RecordedDocumentAdmin):
    list_display = ("number", "order", "line", "source", "amount", "status", "party", "requested_by", "approved_by")
    list_select_related = ("order", "line", "requested_by", "approved_by")
    list_filter = ("status", "party")
    search_fields = ("number", "source", "order__number")
    hidden = frozenset({"part"})
    amounts = dict.fromkeys(("amount", "part_amount", "part_tax"), "order.currency")


@admin.register(WriteOff)
class WriteOffAdmin(RecordedDocumentAdmin):
    list_display = ("number", "order", "kind", "amount", "taken_back", "status", "requested_by", "approved_by")
    list_select_related = ("order", "requested_by", "approved_by")
    list_filter = ("status", "kind")
    search_fields = ("number", "order__number")
    amounts = dict.fromkeys(("amount", "taken_back"), "order.currency")


@admin.register(TakenBack)
class TakenBackAdmin(DocumentAdmin):
    list_display = ("__str__", "order", "write_off", "settlement", "amount", "by_name", "at")
    list_select_related = ("order", "write_off", "settlement")
    search_fields = ("write_off__number", "order__number")
    amounts = {"amount": "order.currency"}


class StatementAdmin(DocumentAdmin):
    """Registered where its page is, beside the payments it is about."""

    list_display = ("number", "name", "method", "currency", "by_name", "at")
    list_filter = ("method",)
    search_fields = ("number", "name")
    ordering = ("-pk",)


@admin.register(StatementLine)
class StatementLineAdmin(DocumentAdmin):
    list_display = ("statement", "no", "date", "amount", "reference", "counterparty")
    list_select_related = ("statement",)
    search_fields = ("reference",)
    scoped_by = "statement"
    hidden = frozenset({"digest"})
    amounts = {"amount": "statement.currency"}


@admin.register(StatementMatch)
class StatementMatchAdmin(DocumentAdmin):
    list_display = ("line", "payment", "use", "by_name", "at")
    list_select_related = ("line", "payment")
    list_filter = ("use",)
    scoped_by = "payment"
