"""Adding master data (shops, warehouses, carriers, …) outside of the back office's forms."""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib.auth import get_permission_codename
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from erp.kernel import setwise
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.locks import unit_of_work
from erp.kernel.transitions import permit

Row = TypeVar("Row", bound=models.Model)


class BadMasterData(DomainError):
    code = "kernel.bad_master_data"
    message = _("%(label)s “%(row)s” cannot be added: %(reasons)s")


def add(rows: Sequence[Row], *, decision: Decision) -> Sequence[Row]:
    """
    Add rows of one model, each held to its fields and constraints as a form would; all of them or none.

    :raises Forbidden: the model's “add” permission is missing. :raises BadMasterData: a row is not valid.
    """
    meta = type(rows[0])._meta
    permit(decision.by, f"{meta.app_label}.{get_permission_codename('add', meta)}")
    with unit_of_work(decision):
        for row in rows:
            _validate(row)
        return setwise.insert(rows)


def _validate(row: Any) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        reasons = " ".join(_reason(row, name, messages) for name, messages in error.message_dict.items())
        raise BadMasterData(label=row._meta.verbose_name, row=row, reasons=reasons) from error


def _reason(row: Any, name: str, messages: Sequence[str]) -> str:
    text = " ".join(messages)
    return text if name == NON_FIELD_ERRORS else f"{row._meta.get_field(name).verbose_name}: {text}"
