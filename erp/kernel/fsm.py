"""
A thin layer over django-fsm: the only module that imports it.

It mends what the package's protected fields break (``refresh_from_db``, ``full_clean``, ``only()``)
and refuses to save over a status that changed since it was read. It runs unchanged over the
package's maintained fork, django-fsm-2.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

from django.db import models
from django_fsm import (
    ConcurrentTransition,
    FSMField,
    FSMFieldDescriptor,
    FSMFieldMixin,
    TransitionNotAllowed,
    can_proceed,
)
from django_fsm import transition as _transition

__all__ = [
    "ConcurrentTransition",
    "FSMModel",
    "StatusField",
    "TransitionNotAllowed",
    "can_proceed",
    "edges",
    "label_of",
    "permission_of",
    "transition",
]


Method = TypeVar("Method", bound=Callable[..., None])

# The package is untyped; so declared, the decorator leaves a transition its types.
transition: Callable[..., Callable[[Method], Method]] = _transition


class _Descriptor(FSMFieldDescriptor):
    """Allows what Django itself does to a protected field: loading, refreshing, assigning the same value."""

    def __set__(self, obj: models.Model, value: Any) -> None:
        field, state = self.field, obj.__dict__
        if field.protected and field.name in state and "_fsm_loading" not in state and state[field.name] != value:
            raise AttributeError(f"Direct {field.name} modification is not allowed")
        field.set_proxy(obj, value)
        field.set_state(obj, value)


class StatusField(FSMField):
    descriptor_class = _Descriptor


class FSMModel(models.Model):
    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._remember()

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        self._remember()

    def _fsm(self) -> list[Any]:
        return [field for field in self._meta.concrete_fields if isinstance(field, FSMFieldMixin)]

    def _remember(self) -> None:
        # Reads __dict__ only: a deferred field must not cost a query.
        self._seen = {f.attname: self.__dict__[f.attname] for f in self._fsm() if f.attname in self.__dict__}

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any = None
    ) -> None:
        self.__dict__["_fsm_loading"] = True
        try:
            super().refresh_from_db(using, fields, from_queryset)
        finally:
            del self.__dict__["_fsm_loading"]
        self._remember()

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, *args: Any, **kwargs: Any) -> Any:
        seen = {
            field.attname: self._seen[field.attname]
            for field in self._fsm()
            if field.model is base_qs.model and field.attname in self._seen
        }
        done: Any = super()._do_update(base_qs.filter(**seen), using, pk_val, *args, **kwargs)
        if not done and seen and base_qs.filter(pk=pk_val).using(using).exists():
            raise ConcurrentTransition
        return done


def _transitions(model: type[models.Model]) -> Iterator[Any]:
    for field in model._meta.concrete_fields:
        if isinstance(field, FSMFieldMixin):
            yield from field.get_all_transitions(model)


def edges(model: type[models.Model]) -> set[tuple[str, str, str]]:
    """The declared graph as (transition, source, target); a transition without a target keeps the status."""
    return {(t.name, str(t.source), str(t.target or t.source)) for t in _transitions(model)}


def sources(model: type[models.Model], name: str) -> Collection[str]:
    return sorted(source for transition_name, source, _ in edges(model) if transition_name == name)


def label_of(model: type[models.Model], name: str) -> Any:
    """What people call a transition."""
    return next(t.custom["label"] for t in _transitions(model) if t.name == name)


def permission_of(model: type[models.Model], name: str) -> str:
    """The permission declared on a transition; empty where it is only ever carried along by another act."""
    (permission,) = {t.permission or "" for t in _transitions(model) if t.name == name}
    return str(permission)
