"""Files for tests: the smallest of each kind."""

from typing import Any

from erp.files import selectors, services
from erp.files.models import File, WrongFile
from erp.files.services import FileDraft
from erp.kernel.models import User
from tests.factories import actor, decide

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00" * 17 + b"\x00\x00\x00\x00IEND\xaeB`\x82"
HTML = b"<html><script>alert(1)</script></html>"


def draft(document: Any, content: bytes = PDF, name: str = "slip.pdf") -> FileDraft:
    return FileDraft(selectors.name_of(document), document.pk, name, content)


def keep(document: Any, content: bytes = PDF, name: str = "slip.pdf", *, by: User | None = None) -> File:
    return services.add_file(draft(document, content, name), decision=decide(by or actor("accountant")))


def mark(file: File, *, by: User | None = None, note: str = "放错单据") -> WrongFile:
    return services.mark_wrong(file.pk, decision=decide(by or actor("accountant"), note=note))
