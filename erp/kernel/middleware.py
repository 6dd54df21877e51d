"""Who acts in a web request: the signed-in person, through the back office."""

import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import override

from erp.kernel.acting import Channel, Decision, acting


class ActingMiddleware:
    """
    Holds a decision of the session's user for the length of a request, in that person's language.

    Views narrow it by the decision they pass to a service. Without a session nobody acts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        if not request.user.is_authenticated:
            response = self.get_response(request)
        else:
            # Resolved here: a lazy user would carry its query into somebody's transaction.
            user = request.user._wrapped if hasattr(request.user, "_wrapped") else request.user
            decision = Decision(by=user, at=timezone.now(), channel=Channel.ADMIN, request_id=request_id)
            with acting(decision), override(user.language):
                response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response
