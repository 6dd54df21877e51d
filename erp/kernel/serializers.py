"""Fixed-point numbers in JSON: always strings, so that no reader turns them into floats."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from erp.kernel import fields
from erp.kernel.errors import DomainError
from erp.kernel.money import check, parse, plain


class FixedPointSerializerField(serializers.Field):  # type: ignore[type-arg]
    default_error_messages = {"string": 'Send numbers as strings, such as "12.50".'}

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str):
            self.fail("string")
        try:
            return check(parse(data, self.field_name), self.field_name)
        except DomainError as error:
            raise serializers.ValidationError(str(error), code=error.code) from error

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


class ModelSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        fields.FixedPointField: FixedPointSerializerField,
    }

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        """A status is moved by services only: what is sent for it is ignored."""
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if getattr(model_field, "protected", False):
            return field_class, self.include_extra_kwargs(kwargs, {"read_only": True})
        return field_class, kwargs
