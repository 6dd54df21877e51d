"""Values that are shown in the reader's language and kept without it."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from django.apps import apps
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import Text


def in_reader_language(chinese: str, english: str) -> str:
    """For names kept in both languages: the English one for readers of English where there is one."""
    return english if english and (get_language() or "").startswith("en") else chinese


_EVERY_MODEL = {
    "add": _("Can add: %(model)s"),
    "change": _("Can change: %(model)s"),
    "delete": _("Can delete: %(model)s"),
    "view": _("Can see: %(model)s"),
}


def right(permission: str) -> str:
    """What a permission allows, in the reader's language; the database keeps its name in English only."""
    label, codename = permission.split(".")
    models = list(apps.get_app_config(label).get_models())
    for model in models:
        for declared, name in model._meta.permissions:
            if declared == codename:
                return str(name)
    for model in models:
        for act, text in _EVERY_MODEL.items():
            if codename == f"{act}_{model._meta.model_name}":
                return str(text) % {"model": model._meta.verbose_name}
    return permission


class Term(NamedTuple):
    """A word of the field: kept as its key, shown translated."""

    key: str
    text: Text

    def __str__(self) -> str:
        return str(self.text)


class Moment(NamedTuple):
    """A moment, kept exactly, shown in the reader's zone to the minute."""

    at: datetime

    def __str__(self) -> str:
        return date_format(timezone.localtime(self.at), "SHORT_DATETIME_FORMAT")


class Day(NamedTuple):
    day: date

    def __str__(self) -> str:
        return date_format(self.day, "SHORT_DATE_FORMAT")


class Listing(tuple[object, ...]):
    """Several values, shown separated; the first few of many."""

    __slots__ = ()

    def __new__(cls, items: Iterable[object] = ()) -> "Listing":
        return super().__new__(cls, tuple(items))

    def __str__(self) -> str:
        shown = in_reader_language("、", ", ").join(str(item) for item in self[:5])
        if len(self) <= 5:
            return shown
        return gettext("%(shown)s, … (%(count)s)") % {"shown": shown, "count": len(self)}


class Change(NamedTuple):
    """A fact that differs: “fact before → after”."""

    fact: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.fact} {self.before} → {self.after}"


def view_permission(label: str) -> str:
    """Django's own right to see the documents of a model, by its label."""
    app, model = label.lower().split(".")
    return f"{app}.view_{model}"
