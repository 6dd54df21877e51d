"""Keeping files with documents: checked by content, kept under a random name, never deleted."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from erp.files.models import DOCUMENTS, File, Kind, WrongFile
from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError, NotFound
from erp.kernel.locks import unit_of_work
from erp.kernel.transitions import permit
from erp.kernel.validation import Missing, text

MOST_BYTES = 10 * 1024 * 1024
_NAME = 120


class FileTooLarge(DomainError):
    code = "files.too_large"
    message = _("The file has more than 10 MB. Make it smaller, for example by taking the picture with fewer pixels.")


class NotAKnownKind(DomainError):
    code = "files.unknown_kind"
    message = _("The file is neither PDF nor JPEG nor PNG, whatever its name says. Save it as one of them.")


class NotKept(DomainError):
    code = "files.not_kept"
    message = _("The file could not be written. Nothing was kept; tell the administrator that the disk may be full.")


class Damaged(DomainError):
    code = "files.damaged"
    message = _(
        "“%(name)s” is no longer what was kept, or is gone from the disk. Tell the administrator to restore it from a "
        "backup."
    )


class AlreadyWrong(DomainError):
    code = "files.already_wrong"
    message = _("“%(name)s” was marked as wrong by %(by)s already.")


@dataclass(frozen=True, slots=True)
class FileDraft:
    """A file for the document ``pk`` of a kind in :data:`DOCUMENTS`."""

    document: str
    pk: Any
    name: str
    content: bytes


def add_file(draft: FileDraft, *, decision: Decision) -> File:
    """
    Keep a file with a document, also after its order is closed: it changes nothing the closing rests on.

    :raises NotFound: the document is out of scope, or of a kind the actor may not see.
    :raises Forbidden: ``files.add_file`` is missing. :raises FileTooLarge: :raises NotAKnownKind: :raises NotKept:
    """
    document = _document(draft, decision)
    permit(decision.by, "files.add_file")
    if len(draft.content) > MOST_BYTES:
        raise FileTooLarge
    kind = kind_of(draft.content)
    with unit_of_work(decision):
        file = File(
            id=uuid.uuid4(),
            name=safe_name(draft.name, kind),
            kind=kind,
            size=len(draft.content),
            digest=hashlib.sha256(draft.content).hexdigest(),
            **{draft.document: document},
        )
        # Written first: a row never names what is not there. What a refused row leaves behind, nobody finds.
        _write(file, draft.content)
        File.objects.bulk_create([file])
        return file


def mark_wrong(file_id: Any, *, decision: Decision) -> WrongFile:
    """
    Say that a file does not belong there; ``decision.note`` says why. It stays, marked.

    :raises NotFound: :raises Forbidden: ``files.add_file`` is missing. :raises Missing: no reason is given.
    :raises AlreadyWrong:
    """
    file = visible(file_id, decision)
    permit(decision.by, "files.add_file")
    if not decision.note.strip():
        raise Missing(name=_("Reason"))
    with unit_of_work(decision):
        known = WrongFile.objects.filter(file=file).first()
        if known:
            raise AlreadyWrong(name=file.name, by=known.by_name)
        wrong = WrongFile(file=file)
        WrongFile.objects.bulk_create([wrong])
        return wrong


def content_of(file: File) -> bytes:
    """What was kept. :raises Damaged: it is gone or changed."""
    try:
        content = file.path.read_bytes()
    except OSError as error:
        raise Damaged(name=file.name) from error
    if hashlib.sha256(content).hexdigest() != file.digest:
        raise Damaged(name=file.name)
    return content


def visible(file_id: Any, decision: Decision) -> File:
    """:raises NotFound: no such file, or of a document the actor may not see."""
    file: File | None = File.objects.visible_to(decision.by).filter(pk=file_id).first()
    if file is None:
        raise NotFound(label=File._meta.verbose_name, ids=str(file_id))
    return file


def kind_of(content: bytes) -> Kind:
    """By how it begins and ends. :raises NotAKnownKind:"""
    end = content[-2048:]
    if content.startswith(b"%PDF-") and b"%%EOF" in end:
        return Kind.PDF
    if content.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in end:
        return Kind.JPEG
    if content.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR") and b"IEND\xaeB`\x82" in end:
        return Kind.PNG
    raise NotAKnownKind


def safe_name(name: str, kind: Kind) -> str:
    """The last part of what somebody called it, without what no file name needs, ending as its content says."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(character for character in last if character.isprintable() and character not in '<>:"|?*')
    stem = kept.rsplit(".", 1)[0].strip(" .") if "." in kept else kept.strip(" .")
    ending = f".{kind.value}"
    return text(stem[: _NAME - len(ending)] or "file", _("File name"), limit=_NAME) + ending


def _document(draft: FileDraft, decision: Decision) -> Model:
    model, right = DOCUMENTS.get(draft.document, (None, ""))
    if model is None or not decision.by.has_perm(right):
        raise NotFound(label=File._meta.verbose_name, ids=str(draft.pk))
    rows: Any = model._default_manager
    document: Model | None = rows.visible_to(decision.by).filter(pk=draft.pk).first()
    if document is None:
        raise NotFound(label=model._meta.verbose_name, ids=str(draft.pk))
    return document


def _write(file: File, content: bytes) -> None:
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with file.path.open("xb") as kept:
            kept.write(content)
            kept.flush()
            os.fsync(kept.fileno())
    except OSError as error:
        with suppress(OSError):
            file.path.unlink(missing_ok=True)
        raise NotKept from error
