"""Fixed-point numbers in imported and exported files."""

from decimal import Decimal
from typing import Any

from import_export import resources, widgets

from erp.kernel.fields import FixedPointField
from erp.kernel.money import check, parse, plain


class FixedPointWidget(widgets.Widget):
    """The package's own widget for big integers would turn 2.5 into 2."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Decimal | None:
        if value in (None, ""):
            return None
        return check(parse(str(value) if isinstance(value, float) else value, "number"), "number")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else plain(value)


class ModelResource(resources.ModelResource):
    @classmethod
    def widget_from_django_field(cls, f: Any, default: Any = widgets.Widget) -> Any:
        if isinstance(f, FixedPointField):
            return FixedPointWidget
        return super().widget_from_django_field(f, default)
