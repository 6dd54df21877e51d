"""One view for every paper: on the screen with its buttons, or as PDF. It only reads."""

import re
from collections.abc import Sequence
from typing import Any

from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from erp.kernel.models import User
from erp.kernel.transitions import permit
from erp.printing import papers, pdf, qr
from erp.printing.models import PrintHeader
from erp.printing.papers import MOST, Paper

_KEYS = re.compile(r"[0-9]{1,18}(,[0-9]{1,18})*", re.ASCII)


@require_safe
def paper(request: HttpRequest, name: str, keys: str) -> HttpResponse:
    """
    A paper of one document, or of several named with commas between them.

    :raises Http404: no such paper, or a document is not in the user's scope.
    :raises Forbidden: a permission is missing.
    """
    chosen, documents, user = _asked(request, name, keys)
    page = render_to_string(chosen.template, _context(chosen, documents, user), request)
    return HttpResponse(page)


@require_safe
def as_pdf(request: HttpRequest, name: str, keys: str) -> HttpResponse:
    """The same as a file; where the server cannot write one, the paper itself, which says what is missing."""
    chosen, documents, user = _asked(request, name, keys)
    context = _context(chosen, documents, user)
    if pdf.lacking():
        return HttpResponse(render_to_string(chosen.template, context, request), status=501)
    written = pdf.render(render_to_string(chosen.template, {**context, "is_file": True}, request))
    name = f"{chosen.label}-{context['title']}.pdf"
    disposition = content_disposition_header(as_attachment=True, filename=name)
    return HttpResponse(
        written, content_type="application/pdf", headers={"Content-Disposition": disposition or "attachment"}
    )


def _asked(request: HttpRequest, name: str, keys: str) -> tuple[Paper, Sequence[Any], User]:
    chosen = papers.all_papers().get(name)
    if chosen is None or not _KEYS.fullmatch(keys):
        raise Http404(name)
    wanted = sorted({int(key) for key in keys.split(",")})
    if len(wanted) > (MOST if chosen.takes_several else 1):
        raise Http404(keys)
    documents = site.get_model_admin(chosen.model).get_queryset(request).filter(pk__in=wanted).order_by("pk")
    if len(documents) < len(wanted):
        raise Http404(keys)
    user = request.user
    assert isinstance(user, User)
    for permission in chosen.permissions:
        permit(user, permission)
    return chosen, list(documents), user


def _context(chosen: Paper, documents: Sequence[Any], user: User) -> dict[str, Any]:
    first = documents[0]
    title = first.number if len(documents) == 1 else f"{first.number} … {documents[-1].number}"
    meta = chosen.model._meta
    page = f"admin:{meta.app_label}_{meta.model_name}"
    keys = ",".join(str(document.pk) for document in documents)
    is_one = len(documents) == 1
    return {
        "paper": chosen,
        "documents": documents,
        "title": title,
        "code": qr.code(first.number) if is_one else None,
        "header": PrintHeader.objects.first(),
        "edits_header": reverse("admin:printing_printheader_add") if user.has_perm("printing.add_printheader") else "",
        "printed_at": timezone.now(),
        "printed_by": user,
        "back": reverse(f"{page}_change", args=[quote(first.pk)]) if is_one else reverse(f"{page}_changelist"),
        "pdf": reverse("admin:print-pdf", args=[chosen.name, keys]),
        "lacking": pdf.PdfLacks(package=pdf.lacking()) if pdf.lacking() else "",
        **chosen.context(documents, user),
    }
