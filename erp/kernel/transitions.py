"""
How every document changes its status: permission, locked re-read, FSM, one conditional UPDATE, history, outbox.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import models

from erp.kernel import fsm, outbox, setwise
from erp.kernel.acting import Decision, current
from erp.kernel.errors import Forbidden, NotFound, WrongState
from erp.kernel.locks import lock, unit_of_work
from erp.kernel.models import User
from erp.kernel.texts import right

Document = TypeVar("Document", bound=models.Model)


def permit(user: User, permission: str) -> None:
    """:raises Forbidden: the user is inactive or lacks the permission."""
    if not user.has_perm(permission):
        raise Forbidden(name=user.name, permission=permission, right=right(permission))


def found(model: type[Document], ids: Iterable[Any], rows: Sequence[Document]) -> Sequence[Document]:
    """:raises NotFound: a wanted row is not among those that exist in the actor's scope."""
    missing = set(ids) - {row.pk for row in rows}
    if missing:
        raise NotFound(label=model._meta.verbose_name, ids=", ".join(map(str, sorted(missing, key=str))))
    return rows


def ready(instances: Iterable[Any], name: str) -> None:
    """:raises WrongState: the transition does not start from a row's status."""
    for instance in instances:
        if not fsm.can_proceed(getattr(instance, name)):
            raise wrong_state(instance, name)


def advance(instances: Sequence[Any], name: str, *, also: Sequence[str] = ()) -> None:
    """
    Take locked rows through a declared transition, in memory and in the database.

    :param also: columns changed before the transition that are to be written with it.
    :raises WrongState: the transition does not start from a row's status.
    """
    if not instances:
        return
    ready(instances, name)
    before = {instance.pk: str(instance.status) for instance in instances}
    kept = {instance.pk: _values(instance) for instance in instances}
    decision = current()
    for instance in instances:
        getattr(instance, name)(decision)
    written = {
        attname
        for instance in instances
        for attname, value in _values(instance).items()
        if value != kept[instance.pk][attname]
    }
    names = {field.name for field in instances[0]._meta.concrete_fields if field.attname in written - {"status"}}
    setwise.save_state(instances, before, sorted(names | set(also)))
    outbox.record(
        f"{instances[0]._meta.model_name}.{name}", instances, {i.pk: {"status": i.status} for i in instances}
    )


def transition(queryset: Any, ids: Iterable[Any], name: str, decision: Decision) -> list[Any]:
    """
    Take documents that belong to no order through a transition; all of them or none.

    :param queryset: of documents, with ``visible_to(user)``.
    :raises NotFound: not in the actor's scope. :raises Forbidden: the transition's permission is missing.
    :raises WrongState: the transition does not start from a document's status.
    """
    ids = list(ids)
    scoped = queryset.visible_to(decision.by).filter(pk__in=ids)
    found(queryset.model, ids, scoped)
    permit(decision.by, fsm.permission_of(queryset.model, name))
    with unit_of_work(decision):
        rows = lock(scoped)
        found(queryset.model, ids, rows)
        advance(rows, name)
    return rows


def wrong_state(instance: Any, name: str) -> WrongState:
    field = instance._meta.get_field("status")
    labels = dict(field.flatchoices)
    return WrongState(
        label=instance._meta.verbose_name,
        number=getattr(instance, "number", str(instance)),
        status=instance.get_status_display(),
        act=fsm.label_of(type(instance), name),
        sources=" / ".join(str(labels[source]) for source in fsm.sources(type(instance), name)),
    )


def _values(instance: Any) -> dict[str, Any]:
    return {
        f.attname: instance.__dict__[f.attname]
        for f in instance._meta.concrete_fields
        if f.attname in instance.__dict__
    }
