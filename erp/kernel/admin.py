"""
Base classes of every admin page, and users and groups.

The only module that names the theme: whoever registers a model takes its classes from here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from simple_history.admin import SimpleHistoryAdmin
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from erp.kernel.fields import FixedPointField
from erp.kernel.forms import PlainTextField
from erp.kernel.models import Counter, OutboxEvent, User
from erp.kernel.money import plain
from erp.kernel.shown import parsed, price, structure
from erp.kernel.texts import Moment, right, view_permission

if TYPE_CHECKING:
    # The theme has no types; its classes are Django's, dressed.
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline

COST = "inventory.view_cost"

# Lookups a list may be narrowed by, of the fields in its ``list_filter``; any other is refused.
_LOOKUPS = ("", "__exact", "__id__exact", "__code__exact", "__isnull", "__isempty", "__gte", "__lt")


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """Offers only what is in the reader's scope."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return [(row.pk, str(row)) for row in field.related_model.objects.visible_to(request.user)]


class _Shown:
    """
    How columns are shown: exact numbers as amounts or quantities, structures as lists, cost only to some.

    :cvar amounts: fixed-point columns that are money, with the path to their currency.
    :cvar costs: columns shown only to those who may see cost.
    :cvar structures: JSON columns; :cvar hidden: columns never shown.
    """

    amounts: ClassVar[Mapping[str, str]] = {}
    costs: ClassVar[frozenset[str]] = frozenset()
    structures: ClassVar[frozenset[str]] = frozenset()
    hidden: ClassVar[frozenset[str]] = frozenset()

    model: type[models.Model]

    def shown(self, request: HttpRequest, names: Iterable[Any]) -> list[Any]:
        sees_cost = request.user.has_perm(COST)
        plain_names = {field.name for field in self.model._meta.concrete_fields if _leads_nowhere(field, request)}
        return [self._column(n, n in plain_names) for n in names if sees_cost or n not in self.costs]

    def all_columns(self) -> list[str]:
        return [
            field.name
            for field in self.model._meta.concrete_fields
            if field.name not in self.hidden and not isinstance(field, models.AutoField)
        ]

    def _column(self, name: Any, leads_nowhere: bool) -> Any:
        # Kept, because forms and read-only fields are compared by identity.
        columns: dict[Any, Any] = self.__dict__.setdefault("_columns", {})
        if (name, leads_nowhere) not in columns:
            columns[name, leads_nowhere] = self._build(name, leads_nowhere)
        return columns[name, leads_nowhere]

    def _build(self, name: Any, leads_nowhere: bool) -> Any:
        field = next((field for field in self.model._meta.concrete_fields if field.name == name), None)
        if isinstance(field, FixedPointField):
            return column(field, _number(name, self.amounts.get(name)))
        if field is not None and name in self.structures:
            return column(field, lambda row: structure(parsed(getattr(row, name))))
        return column(field, lambda row: getattr(row, name)) if leads_nowhere else name


def _leads_nowhere(field: Any, request: HttpRequest) -> bool:
    """Whether it names something whose page the reader may not see: Django would link to it all the same."""
    return field.is_relation and not request.user.has_perm(view_permission(field.related_model._meta.label))


def column(field: Any, show: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A column of the admin that shows ``field`` in its own way, under its own name."""

    @admin.display(description=field.verbose_name)
    def shown(row: Any) -> Any:
        return show(row)

    shown.__name__ = field.name
    return shown


def _number(name: str, currency: str | None) -> Callable[[Any], SafeString]:
    def show(row: Any) -> SafeString:
        value = getattr(row, name)
        text = price(value, attrgetter(currency)(row)) if currency else plain(value)
        return format_html('<span class="number">{}</span>', text)

    return show


class BaseAdmin(_Shown, ModelAdmin):  # type: ignore[type-arg]
    """
    Every page of the back office: within the reader's scope, without bulk deletion, cheap to list.

    :cvar scoped_by: the foreign key whose target decides who may see a row without a scope of its own.
    :cvar keeps_history: whether there is a history to show.
    """

    keeps_history: ClassVar[bool] = True

    actions = None
    empty_value_display = "—"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    list_fullwidth = True
    change_form_outer_before_template = "erp/acts.html"
    change_form_outer_after_template = "erp/document_files.html"
    scoped_by: ClassVar[str] = ""
    formfield_overrides = {
        models.EmailField: {},
        models.CharField: {"form_class": PlainTextField},
        models.TextField: {"form_class": PlainTextField},
        # SQLite would store what PostgreSQL refuses.
        models.PositiveSmallIntegerField: {"max_value": 32_767, "widget": UnfoldAdminIntegerFieldWidget},
    }

    def get_queryset(self, request: HttpRequest) -> Any:
        queryset = super().get_queryset(request)
        if hasattr(queryset, "visible_to"):
            return queryset.visible_to(request.user)
        if not self.scoped_by:
            return queryset
        owners: Any = self.model._meta.get_field(self.scoped_by).related_model
        visible = owners._default_manager.visible_to(request.user)
        # Whoever sees everything pays for no subquery.
        return queryset.filter(**{f"{self.scoped_by}__in": visible}) if visible.query.where else queryset

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.shown(request, self.list_display)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Only what an index serves: a list is sorted over all its rows."""
        indexed = {index.fields[0].lstrip("-") for index in self.opts.indexes if index.fields}
        fields: Iterable[Any] = self.opts.concrete_fields
        return {f.name for f in fields if f.unique or f.db_index or f.name in indexed}

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        names = [entry[0] if isinstance(entry, tuple) else entry for entry in self.list_filter]
        allowed = {f"{name}{suffix}" for name in names for suffix in _LOOKUPS}
        return lookup in allowed and "\0" not in str(value)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        manager = db_field.related_model._default_manager
        if hasattr(manager, "visible_to"):
            kwargs.setdefault("queryset", manager.visible_to(request.user))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Documents and history point at nearly everything: deactivate instead."""
        return False

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: Any) -> HttpResponse:
        raise Http404(f"{opts.verbose_name} {object_id}")


class ListPage(ChangeList):  # type: ignore[misc]
    """The list of a model, for those that page it in their own way."""


class ReadOnlyHistoryAdmin(SimpleHistoryAdmin):  # type: ignore[misc]
    """
    History to read. The package writes an old version back on POST, even for those who may only view.

    Its pages look past the scope too: what is out of it is not found here either.
    """

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        self._in_scope(request, unquote(object_id))
        response: HttpResponse = super().history_view(request, object_id, extra_context)
        return response

    def history_form_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        self._in_scope(request, unquote(object_id))
        request.reads_history = True  # type: ignore[attr-defined]
        response: HttpResponse = super().history_form_view(request, object_id, *args, **kwargs)
        return response

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An old version is shown, never edited."""
        return not getattr(request, "reads_history", False) and super().has_change_permission(request, obj)

    def get_historical_record_context_helper(self, request: HttpRequest, historical_record: Any) -> Any:
        return _ReadableChanges(self.model, historical_record)

    def _in_scope(self, request: HttpRequest, object_id: str) -> None:
        if self.get_object(request, object_id) is None:
            raise Http404(f"{self.opts.verbose_name} {object_id}")


class _ReadableChanges(HistoricalRecordContextHelper):  # type: ignore[misc]
    """Changes as people read them; the version, which only counts, is none."""

    def context_for_delta_changes(self, delta: Any) -> Any:
        changes = [change for change in delta.changes if change.field != "version"]
        return super().context_for_delta_changes(replace(delta, changes=changes))

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        field: Any = self.model._meta.get_field(change.field)
        if value is None or value == "" or getattr(value, "pk", value) is None:
            return BaseAdmin.empty_value_display
        if isinstance(field, FixedPointField):
            return plain(value)
        if isinstance(value, datetime):
            return str(Moment(value))
        if getattr(field, "flatchoices", None):
            return str(dict(field.flatchoices).get(value, value))
        return super().prepare_delta_change_value(change, value)


class DocumentAdmin(BaseAdmin):
    """Documents are written by services only: these pages show them."""

    keeps_history = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown(request, self.fields or self.all_columns())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)


class RecordedDocumentAdmin(ReadOnlyHistoryAdmin, DocumentAdmin):
    """Documents with a history."""

    keeps_history = True


class MasterAdmin(ReadOnlyHistoryAdmin, BaseAdmin):
    """
    Master data: edited by whoever has the model's permission, never deleted.

    :cvar fixed: columns that are chosen once, when a row is made.
    """

    fixed: ClassVar[Sequence[str]] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self.edits(request, obj):
            return self.shown(request, self.all_columns())
        return self.fields or [field for field in self.all_columns() if self.opts.get_field(field).editable]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self.edits(request, obj):
            return self.get_fields(request, obj)
        return self.fixed if obj is not None else ()

    def edits(self, request: HttpRequest, obj: Any) -> bool:
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)


class LinesInline(_Shown, TabularInline):  # type: ignore[type-arg]
    """Lines of a document, to read."""

    extra = 0
    can_delete = False
    show_change_link = False
    related: ClassVar[Sequence[str]] = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related(*self.related).order_by("pk")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown(request, self.fields or ())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NewUserForm(UserCreationForm):  # type: ignore[misc]
    class Meta:
        model = User
        fields = ("username",)


@admin.register(User)
class UserAdmin(ReadOnlyHistoryAdmin, BaseAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    """
    People and machine accounts. Nobody raises their own rights here, or reaches into a superuser's account;
    superusers and single permissions are given on the command line only.
    """

    form = UserChangeForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "name", "employee_number", "kind", "roles", "is_active", "last_login")
    list_filter = ("is_active", "kind", "groups")
    search_fields = ("username", "name", "employee_number")
    ordering = ("username",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "is_active")}),
        (_("Person"), {"fields": ("name", "employee_number", "email", "language", "kind")}),
        (_("Rights"), {"fields": ("groups", "is_superuser")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        (_("Person"), {"fields": ("name", "employee_number", "email", "language", "kind")}),
        (_("Rights"), {"fields": ("groups",)}),
    )

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not above and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("groups", "is_active", "kind") if obj == request.user else ()
        return ("is_superuser", "last_login", "date_joined", *own)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "language":
            label = capfirst(db_field.verbose_name)
            return forms.ChoiceField(label=label, choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, widget=forms.CheckboxSelectMultiple, **kwargs)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """One's own password is changed by whoever knows the old one."""
        if str(request.user.pk) == id:
            raise PermissionDenied(_("Change your own password through “Change password” at the top of the page."))
        return super().user_change_password(request, id, form_url)


class RightsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return _right(obj)


def _right(permission: Permission) -> str:
    """The database keeps a permission's name in English only."""
    kind = permission.content_type
    return f"{kind} | {right(f'{kind.app_label}.{permission.codename}')}"


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(BaseAdmin):
    """Roles. Nobody widens a role they have themselves."""

    list_display = ("name",)
    search_fields = ("name",)
    ordering = ("name",)
    filter_horizontal = ("permissions",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        own = obj is not None and request.user.groups.contains(obj) and not request.user.is_superuser
        return not own and super().has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "permissions" if self.has_change_permission(request, obj) else "rights")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("rights",)

    @admin.display(description=_("Rights"))
    def rights(self, group: Group) -> SafeString:
        permissions = group.permissions.select_related("content_type")
        return format_html_join("", "{}<br>", ((name,) for name in sorted(map(_right, permissions))))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = db_field.remote_field.model.objects.select_related("content_type")
        kwargs["form_class"] = RightsField
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(Counter)
class CounterAdmin(DocumentAdmin):
    list_display = ("key", "next")


@admin.register(OutboxEvent)
class OutboxEventAdmin(DocumentAdmin):
    list_display = ("id", "topic", "subject", "state", "created_at")
    list_filter = ("state",)
    structures = frozenset({"payload"})
