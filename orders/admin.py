"""Shops, customers, products, reasons and orders in the back office."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from erp.kernel.admin import DocumentAdmin, MasterAdmin, RecordedDocumentAdmin, ScopedRelatedFilter
from erp.kernel.errors import Text
from erp.kernel.shown import parsed, price, structure
from orders.contract import Level, all_checks
from orders.models import (
    Act,
    CheckPolicy,
    ClosingRecord,
    Customer,
    Line,
    LineClosing,
    Product,
    Reason,
    Review,
    ShippingMethod,
    Shop,
    ShopScope,
    Waiver,
)
from orders.sentences import tell
from orders.services import reviewing
from orders.words import in_words

ALL_SHOPS = "orders.all_shops"


@admin.register(Shop)
class ShopAdmin(MasterAdmin):
    list_display = ("code", "name", "currency", "terms", "credit_days", "allows_backorder", "tolerance", "is_active")
    list_filter = ("is_active", "terms")
    search_fields = ("code", "name")
    fixed = ("code", "currency")
    amounts = {"tolerance": "currency"}


@admin.register(ShopScope)
class ShopScopeAdmin(MasterAdmin):
    list_display = ("user", "shop")
    list_select_related = ("user", "shop")
    list_filter = (("shop", ScopedRelatedFilter),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Taking a shop from somebody's scope: nothing points at the row."""
        return bool(request.user.has_perm("orders.delete_shopscope"))


@admin.register(Customer)
class CustomerAdmin(MasterAdmin):
    list_display = ("code", "name", "shop", "phone", "email", "terms", "is_active")
    list_display_links = ("code", "name")
    list_select_related = ("shop",)
    list_filter = ("is_active", ("shop", ScopedRelatedFilter))
    search_fields = ("code", "name", "phone")
    fixed = ("shop",)
    hidden = frozenset({"salt"})


@admin.register(Product)
class ProductAdmin(MasterAdmin):
    list_display = ("sku", "name", "kind", "unit", "price", "tax_rate", "is_active")
    list_filter = ("is_active", "kind")
    search_fields = ("sku", "name")
    fixed = ("sku", "kind")
    amounts = {"price": "currency"}


@admin.register(ShippingMethod)
class ShippingMethodAdmin(MasterAdmin):
    list_display = ("code", "name", "needs_carrier", "needs_tracking", "position", "is_active")
    ordering = ("position",)
    fixed = ("code",)


class ReasonForm(forms.ModelForm):  # type: ignore[type-arg]
    acts = forms.MultipleChoiceField(
        label=Reason._meta.get_field("acts").verbose_name, choices=Act.choices, widget=forms.CheckboxSelectMultiple
    )


@admin.register(Reason)
class ReasonAdmin(MasterAdmin):
    form = ReasonForm
    list_display = ("code", "name", "applies_to", "party", "needs_note", "is_active")
    list_filter = ("is_active", "party")
    search_fields = ("code", "name", "name_en")
    ordering = ("code",)
    fixed = ("code",)

    @admin.display(description=Reason._meta.get_field("acts").verbose_name)
    def applies_to(self, reason: Reason) -> str:
        return ", ".join(str(Act(act).label) for act in reason.acts)


class HoldFilter(admin.EmptyFieldListFilter):
    """Orders that are on hold, or those that are not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("hold")

    def choices(self, changelist: Any) -> Iterator[Any]:
        everything, empty, filled = super().choices(changelist)
        yield from (everything, {**empty, "display": _("Not on hold")}, {**filled, "display": _("On hold")})


def _soft_checks() -> list[tuple[str, str]]:
    return sorted((check.code, f"{check.code} ({check.soft.label})") for check in all_checks() if check.soft)


class CheckPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    code = forms.ChoiceField(
        label=CheckPolicy._meta.get_field("code").verbose_name,
        choices=_soft_checks,
        help_text=_("In brackets: what holds without a policy. Checks that are not named here always block."),
    )


@admin.register(CheckPolicy)
class CheckPolicyAdmin(MasterAdmin):
    form = CheckPolicyForm
    list_display = ("code", "shop", "from_total", "level")
    list_select_related = ("shop",)
    list_filter = ("level", ("shop", ScopedRelatedFilter))
    fixed = ("code", "shop", "above")

    @admin.display(description=CheckPolicy._meta.get_field("above").verbose_name)
    def from_total(self, policy: CheckPolicy) -> str:
        return price(policy.above, policy.shop.currency) if policy.shop else self.get_empty_value_display()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """What holds for every shop is set by those who see every shop."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.required = not request.user.has_perm(ALL_SHOPS)
        return field

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_theirs = obj is None or obj.shop_id is not None or request.user.has_perm(ALL_SHOPS)
        return is_theirs and super().has_change_permission(request, obj)


class OrderAdmin(RecordedDocumentAdmin):
    """Registered by ``erp.site``, which adds the page that shows every app's documents of an order."""

    list_display = (
        "number",
        "customer_name",
        "total",
        "status",
        "shipping_status",
        "payment_status",
        "shop",
        "placed_at",
    )
    list_select_related = ("shop",)
    list_filter = (
        "status",
        "shipping_status",
        "payment_status",
        ("held_at", HoldFilter),
        ("shop", ScopedRelatedFilter),
        "placed_at",
    )
    search_fields = ("number", "external_number", "customer_name")
    amounts = dict.fromkeys(
        (
            *("goods_total", "discount", "shipping_fee", "tax", "total"),
            *("payable", "received", "refunded", "written_off"),
        ),
        "currency",
    )
    structures = frozenset({"shipping_address"})
    hidden = frozenset({"placed_digest"})


@admin.register(Line)
class LineAdmin(RecordedDocumentAdmin):
    list_display = ("order", "no", "sku", "name", "quantity", "shipped", "unit_price", "amount")
    list_display_links = ("no",)
    list_select_related = ("order",)
    list_filter = ("kind",)
    search_fields = ("sku",)
    scoped_by = "order"
    amounts = dict.fromkeys(
        (
            *("unit_price", "discount", "order_discount", "amount", "tax"),
            *("shipped_amount", "shipped_tax", "closed_amount", "closed_tax"),
        ),
        "order.currency",
    )


@admin.register(LineClosing)
class LineClosingAdmin(DocumentAdmin):
    list_display = ("line", "order", "quantity", "amount", "reason", "by_name", "at")
    list_select_related = ("line", "order")
    list_filter = ("party",)
    search_fields = ("order__number", "line__sku")
    amounts = dict.fromkeys(("amount", "tax"), "order.currency")


@admin.register(Review)
class ReviewAdmin(DocumentAdmin):
    list_display = ("order", "cycle", "block_label", "by_name", "at", "is_bulk")
    list_display_links = ("block_label",)
    list_select_related = ("order",)
    fields = (
        "order",
        "cycle",
        "block_label",
        "facts_in_words",
        "digest",
        "is_bulk",
        "by_name",
        "at",
        "channel",
        "why",
    )

    @admin.display(description=Review._meta.get_field("block").verbose_name)
    def block_label(self, review: Review) -> Text:
        return reviewing.label_of(review.block)

    @admin.display(description=Review._meta.get_field("facts").verbose_name)
    def facts_in_words(self, review: Review) -> SafeString:
        return structure(in_words(parsed(review.facts)))


@admin.register(Waiver)
class WaiverAdmin(DocumentAdmin):
    list_display = ("order", "cycle", "code", "by_name", "at", "why")
    list_display_links = ("code",)
    list_select_related = ("order",)
    fields = ("order", "cycle", "code", "finding", "digest", "by_name", "at", "channel", "why")

    @admin.display(description=Waiver._meta.get_field("figures").verbose_name)
    def finding(self, waiver: Waiver) -> str:
        """What was let pass, in words."""
        return str(tell({"code": waiver.code, "level": Level.WAIVED, "params": parsed(waiver.figures)}))


class ClosingRecordAdmin(DocumentAdmin):
    """Registered by ``erp.site``, which adds the page on which a record is read as a paper."""

    list_display = ("record_number", "order", "act", "by_name", "at", "reason")
    list_select_related = ("order",)
    list_filter = ("act",)
    hidden = frozenset({"content"})

    @admin.display(description=ClosingRecord._meta.get_field("position").verbose_name)
    def record_number(self, record: ClosingRecord) -> str:
        return record.number
