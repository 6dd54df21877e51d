"""Files in the back office: added to a document, given out as downloads, marked as wrong."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from erp.files import services
from erp.files.models import CONTENT_TYPES, DOCUMENTS, Kind
from erp.files.services import FileDraft
from erp.kernel.acting import Channel, Decision
from erp.kernel.errors import DomainError, Forbidden, NotFound
from erp.kernel.forms import PlainTextField
from erp.kernel.models import User
from erp.kernel.transitions import permit


class FileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("PDF, JPEG or PNG, 10 MB at most. It is never deleted."),
        widget=forms.FileInput(attrs={"accept": ".pdf,.jpg,.jpeg,.png", "autofocus": True}),
    )


class WrongForm(forms.Form):
    note = PlainTextField(label=gettext_lazy("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, document: str, pk: int) -> HttpResponse:
    """
    Add a file to a document.

    :raises Http404: the reader may not see the document. :raises Forbidden: ``files.add_file`` is missing.
    """
    user = _user(request)
    target = _document(document, pk, user)
    permit(user, "files.add_file")
    form = FileForm(request.POST or None, request.FILES or None, label_suffix="")
    problems = []
    if request.method == "POST" and form.is_valid():
        try:
            return _add(request, target, FileDraft(document, pk, form.cleaned_data["file"].name, _content(form)))
        except Forbidden:
            raise
        except DomainError as error:
            problems = [str(error)]
    title = _("Add a file to %(document)s") % {"document": target}
    return _page(request, title, form, _address(target), problems, is_upload=True)


@require_safe
def download(request: HttpRequest, pk: UUID) -> HttpResponse:
    """
    What was kept, as a download: never shown within the page, whatever it is.

    :raises Http404: the reader may not see its document.
    """
    try:
        file = services.visible(pk, _decision(request))
    except NotFound as error:
        raise Http404(str(error)) from error
    try:
        content = services.content_of(file)
    except services.Damaged as error:
        return _page(request, file.name, None, _address(file.document), [str(error)], status=409)
    response = HttpResponse(content, content_type=CONTENT_TYPES[Kind(file.kind)])
    response["Content-Disposition"] = content_disposition_header(True, file.name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def wrong(request: HttpRequest, pk: UUID) -> HttpResponse:
    """
    Mark a file as wrong, with a reason; it stays.

    :raises Http404: the reader may not see its document. :raises Forbidden: ``files.add_file`` is missing.
    """
    try:
        file = services.visible(pk, _decision(request))
    except NotFound as error:
        raise Http404(str(error)) from error
    permit(_user(request), "files.add_file")
    form = WrongForm(request.POST or None, label_suffix="")
    problems = []
    if request.method == "POST" and form.is_valid():
        try:
            services.mark_wrong(pk, decision=_decision(request, form.cleaned_data["note"]))
        except services.AlreadyWrong as error:
            problems = [str(error)]
        else:
            messages.success(request, _("“%(name)s” is marked as wrong.") % {"name": file.name})
            return redirect(_address(file.document))
    title = _("Mark “%(name)s” as wrong") % {"name": file.name}
    return _page(request, title, form, _address(file.document), problems)


def _add(request: HttpRequest, target: Any, draft: FileDraft) -> HttpResponse:
    file = services.add_file(draft, decision=_decision(request))
    messages.success(request, _("“%(name)s” is kept with %(document)s.") % {"name": file.name, "document": target})
    return redirect(_address(target))


def _content(form: FileForm) -> bytes:
    """No more of it than tells that it is too large."""
    content: bytes = form.cleaned_data["file"].read(services.MOST_BYTES + 1)
    return content


def _document(name: str, pk: int, user: User) -> Any:
    model, right = DOCUMENTS.get(name, (None, ""))
    rows: Any = model._default_manager if model else None
    document = rows.visible_to(user).filter(pk=pk).first() if model and user.has_perm(right) else None
    if document is None:
        raise Http404(name)
    return document


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _decision(request: HttpRequest, note: str = "") -> Decision:
    return Decision(
        by=_user(request),
        at=timezone.now(),
        channel=Channel.ADMIN,
        note=note,
        request_id=request.request_id,  # type: ignore[attr-defined]
    )


def _address(document: Any) -> str:
    meta = document._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(document.pk)])


def _page(
    request: HttpRequest,
    title: str,
    form: forms.Form | None,
    back: str,
    problems: list[str],
    *,
    status: int = 200,
    is_upload: bool = False,
) -> HttpResponse:
    context = {
        **site.each_context(request),
        "title": title,
        "form": form,
        "back": back,
        "problems": problems,
        "is_upload": is_upload,
    }
    return TemplateResponse(request, "erp/file.html", context, status=status)
