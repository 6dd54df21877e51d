"""The language a person reads the back office in."""

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from erp.kernel.models import User


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """
    Read on in another language, from now on and on every machine; back to the page it was asked on.

    :raises SuspiciousOperation: there is no such language.
    """
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise SuspiciousOperation(f"Unknown language: {language}")
    user = request.user
    assert isinstance(user, User)
    user.language = language
    user.save()
    back = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(back if is_ours else "admin:index")
