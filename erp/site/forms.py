"""What a person fills in to confirm an act; everything the system knows is filled in already."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.errors import Text
from erp.kernel.fields import FixedPointFormField
from erp.kernel.forms import MomentField, PlainTextField
from erp.kernel.models import User
from erp.kernel.money import ZERO, Quantity, minor_units
from erp.kernel.texts import Listing
from finance import selectors as finance_selectors
from finance.models import Payment, PaymentMethod, Refund, WriteOffKind
from inventory import selectors as inventory_selectors
from logistics import selectors as logistics_selectors
from logistics.models import Carrier, Disposition, Shipment, TrackingEvent, TrackingKind
from logistics.services import allowing, drafting, inspecting, returns
from orders.contract import Batch
from orders.models import Act as Catalogue
from orders.models import Customer, Order, Party, Product, ShippingMethod, ShippingStatus, Shop, Status
from orders.services import catalogue, copying, waiving

_NONE = [("", "—")]
_CHOOSE = [("", _("Please choose"))]


def column(model: Any, name: str, **kwargs: Any) -> PlainTextField:
    """A text field as wide as a model's column, under its name."""
    field = model._meta.get_field(name)
    kwargs.setdefault("label", capfirst(field.verbose_name))
    return PlainTextField(max_length=field.max_length, **{"required": False, **kwargs})


class ActForm(forms.Form):
    """
    The form of one act on one object, for one user.

    :cvar sections: titles and names of the fields shown together; the others come first.
    """

    sections: Sequence[tuple[Text, Sequence[str]]] = ()

    def __init__(self, *args: Any, subject: Any, user: User, reasons: Catalogue | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.subject, self.user = subject, user
        self.prepare()
        if reasons is not None:
            self._offer_reasons(reasons)

    def prepare(self) -> None:
        """Choices and initial values that depend on the object and the user."""

    def parts(self) -> Iterable[tuple[Text, list[Any]]]:
        named = {name for _title, names in self.sections for name in names}
        first = [self[name] for name in self.fields if name not in named]
        if first:
            yield "", first
        for title, names in self.sections:
            yield title, [self[name] for name in names]

    def _offer_reasons(self, reasons: Catalogue) -> None:
        said = [(each.code, f"{each} *" if each.needs_note else str(each)) for each in catalogue.choices(reasons)]
        # Reports count reasons: none is given without a thought, but that an order ended as it was placed.
        is_normal = reasons == Catalogue.CLOSE and not (
            self.subject and catalogue.not_as_placed(self.subject.lines.all())
        )
        self.fields["reason"] = forms.ChoiceField(
            label=_("Reason"),
            choices=[*_CHOOSE, *said],
            initial=catalogue.NORMAL if is_normal else None,
            help_text=_("* needs a note."),
        )
        if "party" in self.fields:  # What it is when left empty follows from the reason.
            self.fields["party"] = self.fields.pop("party")
        self.fields["note"] = PlainTextField(
            label=_("Note"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
        )

    def _choose(self, name: str, choices: Sequence[tuple[str, str]], initial: str = "") -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.initial = initial or (choices[0][0] if len(choices) == 1 else None)
        if not field.required:
            field.choices = [*_NONE, *choices]
        else:
            # What was never chosen must not look chosen.
            field.choices = choices if field.initial else [*_CHOOSE, *choices]


def _party_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Party"),
        required=False,
        choices=[*_NONE, *Party.choices],
        help_text=_("Whose side the cause is on; empty: that of the reason."),
    )


class PartyForm(ActForm):
    party = _party_field()


class HoldForm(PartyForm):
    """Asks about goods only where some are reserved or waited for."""

    field_order = ("release", "party")

    release = forms.BooleanField(
        label=_("Wait for no goods meanwhile"),
        required=False,
        help_text=_("Others may have the goods meanwhile; the order reserves again when it is resumed."),
    )

    def prepare(self) -> None:
        lines = [line for line in self.subject.lines.order_by("no") if line.is_stocked and line.open_quantity]
        if self.subject.status != Status.PROCESSING or not lines:
            del self.fields["release"]
            return
        reserved = inventory_selectors.open_reservations(Q(order=self.subject))
        goods = [(line, sum(reserved[line.pk].values(), ZERO)) for line in lines if line.pk in reserved]
        if goods:
            listed = Listing(f"{line.sku} × {line.count(quantity)}" for line, quantity in goods)
            self.fields["release"].label = _("Release what is reserved: %(goods)s") % {"goods": listed}


class ResumeForm(ActForm):
    note = PlainTextField(label=_("Note"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


class RowForm(forms.Form):
    """One of several lines, for one user; empty ones are left out."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.prepare()

    def prepare(self) -> None:
        """What depends on the user."""


def _methods() -> list[tuple[str, str]]:
    methods = ShippingMethod.objects.filter(is_active=True).order_by("position", "code")
    return [(method.code, str(method)) for method in methods]


class QuantitiesForm(ActForm):
    """Quantities by line number; what is left empty is left out."""

    @staticmethod
    def quantities(data: Mapping[str, Any]) -> dict[int, Decimal]:
        lines = {name: value for name, value in data.items() if name.startswith("line_")}
        return {int(name.removeprefix("line_")): value for name, value in lines.items() if value}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        return {**data, "quantities": self.quantities(data)}


class CopyForm(QuantitiesForm):
    """Filled in with all that was shipped; by the same method, as long as it is used."""

    shipping_method = forms.ChoiceField(label=_("Shipping method"), required=False)

    def prepare(self) -> None:
        method = self.subject.shipping_method
        self.fields["shipping_method"].required = method is not None
        self._choose("shipping_method", _methods(), method.code if method and method.is_active else "")
        for line in copying.copyable_lines(self.subject):
            self.fields[f"line_{line.no}"] = FixedPointFormField(
                label=f"{line.no} · {line.sku} {line.name}",
                required=False,
                initial=line.shipped,
                help_text=_("Shipped: %(quantity)s") % {"quantity": line.count(line.shipped)},
            )


class CloseLinesForm(QuantitiesForm):
    """Filled in with all that is left, once something of the order has left; before that, the rest is cancelled."""

    def prepare(self) -> None:
        begun = self.subject.shipping_status != ShippingStatus.NOT_SHIPPED
        for line, left in logistics_selectors.left_to_ship(self.subject):
            self.fields[f"line_{line.no}"] = FixedPointFormField(
                label=f"{line.no} · {line.sku} {line.name}",
                required=False,
                initial=left if begun else None,
                help_text=_("Left to ship: %(quantity)s") % {"quantity": line.count(left)},
            )
        self.fields["party"] = _party_field()


class ReturnForm(QuantitiesForm):
    """What of which line comes back; the oldest shipment first."""

    party = _party_field()

    def prepare(self) -> None:
        for line, quantity in returns.returnable(self.subject).items():
            self.fields[f"line_{line.no}"] = FixedPointFormField(
                label=f"{line.no} · {line.sku} {line.name}",
                required=False,
                help_text=_("Can come back: %(quantity)s") % {"quantity": line.count(quantity)},
            )


class InspectionForm(ActForm):
    """
    Each line in full: filled in as if everything could be sold again.

    ``draft`` among the cleaned data is what the service is told.
    """

    warehouse = forms.ChoiceField(label=_("Warehouse"), required=False)
    defective_warehouse = forms.ChoiceField(label=_("Warehouse for defective goods"), required=False)

    def prepare(self) -> None:
        currency = self.subject.order.currency
        of_currency = inventory_selectors.warehouses(self.user).filter(currency=currency).order_by("code")
        for name, is_defective in (("warehouse", False), ("defective_warehouse", True)):
            fitting = [(w.code, w.name) for w in of_currency.filter(is_defective=is_defective)]
            self._choose(name, fitting, fitting[0][0] if fitting else "")
        self.brought = inspecting.expected(self.subject)
        self.sections = [(expected.title, self._line(expected)) for expected in self.brought]

    def _line(self, expected: inspecting.Expected) -> list[str]:
        names = []
        for disposition in Disposition:
            name = f"{disposition.value}_{expected.row.pk}"
            self.fields[name] = FixedPointFormField(label=disposition.label, required=False)
            names.append(name)
        self.fields[names[0]].initial = expected.row.quantity
        self.fields[names[0]].help_text = _("Comes back: %(quantity)s") % {"quantity": expected.quantity}
        credit = f"credit_{expected.row.pk}"
        self.fields[credit] = FixedPointFormField(
            label=_("Agreed credit"),
            required=False,
            help_text=_("Empty: all of %(share)s.") % {"share": expected.share},
        )
        return [*names, credit]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        lines = [
            inspecting.InspectedLine(
                expected.row.pk,
                **{d.value: data.get(f"{d.value}_{expected.row.pk}") or ZERO for d in Disposition},
                credit=data.get(f"credit_{expected.row.pk}"),
            )
            for expected in self.brought
        ]
        draft = inspecting.InspectionDraft(
            self.subject.pk,
            lines,
            warehouse=data.get("warehouse", ""),
            defective_warehouse=data.get("defective_warehouse", ""),
        )
        return {**data, "draft": draft}


class DraftShipmentForm(QuantitiesForm):
    """Filled in with all that can be shipped."""

    warehouse = forms.ChoiceField(label=_("Warehouse"))

    def prepare(self) -> None:
        rows = drafting.open_lines(self.subject, self.user)
        names = {w.pk: w.name for w in inventory_selectors.warehouses(self.user)}
        used = sorted({pk for row in rows for pk in row.quantities if pk is not None})
        if used:
            self._choose("warehouse", [(str(pk), names.get(pk, str(pk))) for pk in used], str(used[0]))
        else:
            del self.fields["warehouse"]
        for row in rows:
            self.fields[f"line_{row.line.no}"] = _open_line(row, names, used[0] if used else None)


def _open_line(row: drafting.StillOpen, names: Mapping[int, str], first: int | None) -> FixedPointFormField:
    """Filled in with what the first warehouse can send; elsewhere nothing is sent unless somebody says so."""
    unit = row.line.get_unit_display()
    where = [
        f"{names.get(pk, '') if pk else ''} {Quantity(quantity, unit)}".strip()
        for pk, quantity in row.quantities.items()
    ]
    return FixedPointFormField(
        label=f"{row.line.no} · {row.line.sku} {row.line.name}",
        required=False,
        initial=row.quantities.get(first) or row.quantities.get(None),
        help_text=_("Can be shipped: %(quantities)s") % {"quantities": ", ".join(where)},
    )


class WaybillForm(ActForm):
    """Filled in with what is known already."""

    carrier = forms.ChoiceField(label=_("Carrier"), required=False)
    tracking_number = column(Shipment, "tracking_number", required=True)

    def prepare(self) -> None:
        carriers = Carrier.objects.filter(is_active=True).order_by("code")
        carrier = self.subject.carrier.code if self.subject.carrier else ""
        self._choose("carrier", [(carrier.code, carrier.name) for carrier in carriers], carrier)
        self.fields["tracking_number"].initial = self.subject.tracking_number


class DispatchForm(WaybillForm):
    """Whether a tracking number is needed depends on the method."""

    field_order = ("method", "carrier", "tracking_number")

    method = forms.ChoiceField(label=_("Shipping method"), required=False)
    tracking_number = column(Shipment, "tracking_number")

    def prepare(self) -> None:
        if self.subject.warehouse_id is None:
            self.fields.clear()
            return
        super().prepare()
        self._choose("method", _methods(), self.subject.method.code if self.subject.method else "")


class TrackingForm(ActForm):
    kind = forms.ChoiceField(label=_("Event"), choices=TrackingKind.choices, help_text=_("“Signed” also delivers."))
    happened_at = MomentField(label=_("Happened"), initial=timezone.localtime)
    place = column(TrackingEvent, "place")
    text = column(TrackingEvent, "text")


class PaymentForm(ActForm):
    method = forms.ChoiceField(label=_("Method"), choices=PaymentMethod.choices)
    reference = column(
        Payment,
        "reference",
        required=True,
        help_text=_("The transfer's number at the bank or service."),
    )
    amount = FixedPointFormField(label=_("Amount"))
    fee = FixedPointFormField(
        label=_("Fee"), required=False, help_text=_("What the payment service kept: part of the amount.")
    )
    received_at = MomentField(label=_("Received"), initial=timezone.localtime)

    def prepare(self) -> None:
        batch = Batch([self.subject], Decision(by=self.user, at=timezone.now()), acting=False)
        (account,) = finance_selectors.order_accounts(batch)
        left = account.owed - account.pending
        places = minor_units(self.subject.currency)
        self.fields["amount"].initial = f"{left:.{places}f}" if left > 0 else None
        self.fields["amount"].help_text = self.subject.currency


class WaiverForm(ActForm):
    """The warnings as they are now; of those that depend on the closer, one for each who may close."""

    warning = forms.TypedChoiceField(
        label=_("Warning"), coerce=lambda chosen: _warning(chosen), help_text=_("Only warnings can be waived.")
    )

    def prepare(self) -> None:
        found = waiving.waivable(self.subject, Decision(by=self.user, at=timezone.now()))
        choices = [(f"{f.code}/{closer.pk if closer else ''}", f.message) for f, closer in found]
        self._choose("warning", choices)
        if not choices:
            self.fields["warning"].help_text = _("Nothing here is a warning that you may waive.")


def _warning(chosen: str) -> tuple[str, int | None]:
    """The check, and the key of the closer where there is one."""
    code, _slash, closer = chosen.partition("/")
    return code, int(closer) if closer else None


class RefundForm(ActForm):
    amount = FixedPointFormField(label=_("Amount"))

    def prepare(self) -> None:
        order = self.subject.order
        batch = Batch([order], Decision(by=self.user, at=timezone.now()), acting=False)
        (account,) = finance_selectors.order_accounts(batch)
        left = min(self.subject.refundable, account.overpaid)
        self.fields["amount"].initial = f"{left:.{minor_units(order.currency)}f}" if left > 0 else None
        self.fields["amount"].help_text = order.currency


class RefundFailureForm(ActForm):
    failure = column(Refund, "failure", required=True, help_text=_("What the bank or service said."))


class AllowanceForm(ActForm):
    shipment_line = forms.ChoiceField(label=_("Goods"))
    amount = FixedPointFormField(label=_("Amount"))
    party = _party_field()

    def prepare(self) -> None:
        order = self.subject
        lines = allowing.allowable_lines(order, self.user)
        self._choose("shipment_line", [(str(each.row.pk), _allowable(each, order)) for each in lines])
        self.fields["amount"].help_text = order.currency


def _allowable(each: allowing.AllowableLine, order: Order) -> str:
    row = each.row
    goods = f"{row.shipment.number} · {row.line.no} {row.line.sku} {row.line.name} × {row.line.count(row.quantity)}"
    return _("%(goods)s, %(left)s at most") % {"goods": goods, "left": order.money(each.left)}


class WriteOffForm(ActForm):
    """Filled in with all that is owed or overpaid."""

    kind = forms.ChoiceField(label=pgettext_lazy("fact", "Kind"), choices=WriteOffKind.choices)
    amount = FixedPointFormField(label=_("Amount"))

    def prepare(self) -> None:
        owed = self.subject.owed
        self.fields["kind"].initial = WriteOffKind.BAD_DEBT if owed > 0 else WriteOffKind.UNCLAIMED
        self.fields["amount"].initial = f"{abs(owed):.{minor_units(self.subject.currency)}f}" if owed else None
        self.fields["amount"].help_text = self.subject.currency


class DeliveryForm(ActForm):
    """Whom an order is for, and where it goes."""

    customer_name = column(Customer, "name", required=True)
    customer_phone = column(Customer, "phone")
    customer_email = forms.EmailField(label=_("E-mail"), required=False)
    address_name = PlainTextField(label=_("Recipient"), required=False, max_length=200)
    address_phone = PlainTextField(label=_("Recipient's phone"), required=False, max_length=200)
    address_province = PlainTextField(label=_("Province"), required=False, max_length=200)
    address_city = PlainTextField(label=_("City"), required=False, max_length=200)
    address_district = PlainTextField(label=_("District"), required=False, max_length=200)
    address_line1 = PlainTextField(label=_("Street and number"), required=False, max_length=200)
    address_postcode = PlainTextField(label=_("Postcode"), required=False, max_length=200)

    sections: Sequence[tuple[Text, Sequence[str]]] = (
        (_("Customer"), ("customer_name", "customer_phone", "customer_email")),
        (
            _("Shipping address"),
            (
                "address_name",
                "address_phone",
                "address_province",
                "address_city",
                "address_district",
                "address_line1",
                "address_postcode",
            ),
        ),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        address = {name.removeprefix("address_"): text for name, text in data.items() if name.startswith("address_")}
        return {**data, "address": address}


class ChangeForm(DeliveryForm):
    """Filled in with what the order says; only what can still be changed is there."""

    shipping_method = forms.ChoiceField(label=_("Shipping method"), required=False)
    discount = FixedPointFormField(label=_("Order discount"))
    shipping_fee = FixedPointFormField(label=_("Shipping fee"))
    buyer_note = column(Order, "note")
    internal_note = column(Order, "internal_note", widget=forms.Textarea(attrs={"rows": 2}))
    note = PlainTextField(label=_("Why it is changed"), required=False, max_length=500)

    def prepare(self) -> None:
        order = self.subject
        method = order.shipping_method
        self._choose("shipping_method", _methods(), method.code if method else "")
        values = {
            **{name: getattr(order, name) for name in self.fields if name != "note" and hasattr(order, name)},
            **{f"address_{part}": text for part, text in order.shipping_address.items()},
            "shipping_method": method.code if method else "",
            "buyer_note": order.note,
        }
        for name in set(values) & set(self.fields):
            self.fields[name].initial = values[name]
        self._leave({"internal_note", "note"} | self._changeable())

    def _changeable(self) -> set[str]:
        if self.subject.status == Status.NEW:
            return set(self.fields)
        if self.subject.status != Status.PROCESSING or logistics_selectors.is_packed(self.subject):
            return set()
        return {"shipping_method", *(name for _title, names in self.sections for name in names)}

    def _leave(self, names: set[str]) -> None:
        self.fields = {name: field for name, field in self.fields.items() if name in names}
        shown = ((title, [name for name in of_section if name in names]) for title, of_section in self.sections)
        self.sections = [(title, of_section) for title, of_section in shown if of_section]


class PlaceOrderForm(DeliveryForm):
    shop = forms.ChoiceField(label=_("Shop"))
    external_number = column(
        Order,
        "external_number",
        help_text=_("The shop's or customer's number of this order. The same number is never placed twice."),
    )
    shipping_method = forms.ChoiceField(label=_("Shipping method"), required=False)
    discount = FixedPointFormField(label=_("Order discount"), required=False)
    shipping_fee = FixedPointFormField(label=_("Shipping fee"), required=False)
    note = column(Order, "note", widget=forms.Textarea(attrs={"rows": 2}))
    customer_code = column(
        Customer, "code", label=_("Customer code"), help_text=_("A known customer of the shop; empty: a new one.")
    )

    sections = (
        (_("Customer"), ("customer_name", "customer_code", "customer_phone", "customer_email")),
        *DeliveryForm.sections[1:],
    )

    def prepare(self) -> None:
        shops = Shop.objects.visible_to(self.user).filter(is_active=True).order_by("code")
        self._choose("shop", [(shop.code, f"{shop.name} ({shop.currency})") for shop in shops])
        methods = _methods()
        self._choose("shipping_method", methods, methods[0][0] if methods else "")
        self.fields["external_number"].initial = f"BO-{timezone.localdate():%Y%m%d}-{secrets.token_hex(4).upper()}"


class OrderLineForm(RowForm):
    sku = column(Product, "sku", required=True, widget=forms.TextInput(attrs={"list": "products"}))
    quantity = FixedPointFormField(label=_("Quantity"))
    unit_price = FixedPointFormField(label=_("Unit price"), required=False)
    discount = FixedPointFormField(label=_("Discount"), required=False)


class ChangeLineForm(RowForm):
    """A line of an order, or one to be added, which has no number yet."""

    no = forms.IntegerField(label=_("Line"), required=False, widget=forms.NumberInput(attrs={"readonly": True}))
    sku = column(Product, "sku", required=True, widget=forms.TextInput(attrs={"list": "products"}))
    quantity = FixedPointFormField(label=_("Quantity"))
    unit_price = FixedPointFormField(label=_("Unit price"), required=False)
    discount = FixedPointFormField(label=_("Discount"), required=False)
    remove = forms.BooleanField(label=_("Remove"), required=False)
