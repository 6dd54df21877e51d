"""Files people keep with a document: slips of the bank, signed receipts, pictures of what came back."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from erp.kernel.history import Signed
from finance.models import Payment
from logistics.models import Return, Shipment

if TYPE_CHECKING:
    from erp.kernel.models import User

# Documents that may have files: the foreign key of each, and the right to see it.
DOCUMENTS: dict[str, tuple[type[models.Model], str]] = {
    "payment": (Payment, "finance.view_payment"),
    "shipment": (Shipment, "logistics.view_shipment"),
    "goods_return": (Return, "logistics.view_return"),
}


class Kind(models.TextChoices):
    """What the content is, whatever the name says."""

    PDF = "pdf", _("PDF")
    JPEG = "jpg", _("JPEG")
    PNG = "png", _("PNG")


CONTENT_TYPES = {Kind.PDF: "application/pdf", Kind.JPEG: "image/jpeg", Kind.PNG: "image/png"}


class FileQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: User) -> FileQuerySet:
        """With the document they belong to: in the reader's scope, and of a kind they may see."""
        seen = Q(pk__in=())
        for name, (model, right) in DOCUMENTS.items():
            if user.has_perm(right):
                rows: Any = model._default_manager
                seen |= Q(**{f"{name}__in": rows.visible_to(user)})
        return self.filter(seen)


class File(Signed):
    """
    A file of exactly one document, never changed and never deleted; its name is only shown, never a path.

    ``digest`` is the SHA-256 of what was kept, compared whenever it is given out.
    """

    append_only = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(
        Payment, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("payment")
    )
    shipment = models.ForeignKey(
        Shipment, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("shipment")
    )
    goods_return = models.ForeignKey(
        Return, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("return")
    )
    name = models.CharField(_("file name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=4, choices=Kind)
    size = models.PositiveIntegerField(_("size"), help_text=_("In bytes."))
    digest = models.CharField(_("digest"), max_length=64)

    objects = FileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        constraints = [
            models.CheckConstraint(
                condition=Q(payment__isnull=False, shipment=None, goods_return=None)
                | Q(payment=None, shipment__isnull=False, goods_return=None)
                | Q(payment=None, shipment=None, goods_return__isnull=False),
                name="files_file_of_one_document",
            ),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="files_file_kind"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def document(self) -> Any:
        return self.payment or self.shipment or self.goods_return

    @property
    def path(self) -> Path:
        """Where it is kept: its random key says so, nothing a person typed."""
        return Path(settings.MEDIA_ROOT) / self.id.hex[:2] / self.id.hex


class WrongFile(Signed):
    """Somebody said that a file does not belong there, and why; it is kept, and marked wherever it is shown."""

    append_only = True

    file = models.OneToOneField(File, models.PROTECT, related_name="wrong", verbose_name=_("file"))

    class Meta:
        verbose_name = _("file marked as wrong")
        verbose_name_plural = _("files marked as wrong")

    def __str__(self) -> str:
        return str(self.file)
