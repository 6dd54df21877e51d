"""
An exact decimal on every database: a scaled integer in the table, a ``Decimal`` in Python.

SQLite keeps a ``DecimalField`` as a binary float, so sums, CHECKs and triggers over it lie. Four
decimals, 18 digits. Numbers inside expressions are written ``fixed(x)``: ``F("a") + 1`` would be off
by 10⁴, and is refused.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import expressions, lookups
from django.db.models.expressions import Combinable, Value

from erp.kernel.errors import DomainError
from erp.kernel.money import PLACES, check, parse, plain

_UNIT = Decimal(1).scaleb(-PLACES)
_LIMIT = Decimal(10) ** (18 - PLACES)

if TYPE_CHECKING:
    _Field = models.Field[Decimal, Decimal]
else:
    _Field = models.Field


class FixedPointFormField(forms.CharField):
    """A number typed by a person: plain digits, a point, perhaps a minus; nothing else."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.pop("max_length", None)
        super().__init__(**kwargs)
        self.widget.attrs.setdefault("inputmode", "decimal")

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, Decimal) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if text in self.empty_values:
            return None
        try:
            return check(parse(text, self.label or ""), self.label or "")
        except DomainError as error:
            raise ValidationError(str(error), code=error.code) from error


class FixedPointField(_Field):
    """
    ``Decimal`` with at most four decimals and |x| < 10¹⁴, stored as ``x × 10⁴``.

    :raises TypeError: a float, or an expression that is not fixed-point, is assigned or compared.
    """

    description = "Exact decimal, stored as a scaled integer"
    empty_strings_allowed = False

    # What the type checker takes an attribute of a model to be.
    _pyi_private_set_type: Decimal
    _pyi_private_get_type: Decimal

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, int | str) and not isinstance(value, bool):
            try:
                return parse(value, self.verbose_name)
            except DomainError as error:
                raise ValidationError(str(error), code=error.code) from error
        raise TypeError(f"{self.name} takes a Decimal, not {type(value).__name__}")

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if value is None:
            return None
        if hasattr(value, "resolve_expression"):
            return _fixed_only(value)
        number = self.to_python(value)
        assert number is not None
        # Compared before it is scaled: scaling rounds at 28 digits, silently.
        if not number.is_finite() or number.copy_abs() >= _LIMIT or number != number.quantize(_UNIT):
            raise ValueError(f"{self.name} cannot hold {number}: four decimals and 18 digits at most")
        return int(number.scaleb(PLACES))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if hasattr(value, "resolve_expression"):
            raise TypeError(f"{self.name} is assigned values, never expressions: compute it under the lock")
        return value

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-PLACES)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else plain(value)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": FixedPointFormField, **kwargs})


def fixed(value: Decimal | int | str) -> Value:
    """A number inside an expression over fixed-point fields."""
    return Value(Decimal(value), output_field=FixedPointField())


def _fixed_only(expression: Any) -> Any:
    field = getattr(expression, "_output_field_or_none", None) or getattr(expression, "output_field", None)
    if not isinstance(field, FixedPointField):
        raise TypeError("compare a fixed-point field with fixed(x) or another fixed-point field")
    return expression


def _refuse_unscaled(lookup: type[Any]) -> type[Any]:
    def get_prep_lookup(self: Any) -> Any:
        values = self.rhs if isinstance(self.rhs, list | tuple | set) else [self.rhs]
        for value in values:
            if hasattr(value, "resolve_expression"):
                _fixed_only(value)
        return lookup.get_prep_lookup(self)

    return type(f"FixedPoint{lookup.__name__}", (lookup,), {"get_prep_lookup": get_prep_lookup})


for _lookup in (
    lookups.Exact,
    lookups.GreaterThan,
    lookups.GreaterThanOrEqual,
    lookups.LessThan,
    lookups.LessThanOrEqual,
    lookups.In,
    lookups.Range,
):
    FixedPointField.register_lookup(_refuse_unscaled(_lookup))
for _operator in (Combinable.ADD, Combinable.SUB):
    expressions.register_combinable_fields(FixedPointField, _operator, FixedPointField, FixedPointField)
