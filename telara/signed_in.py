"""Middleware for who is signed in: where, is noted; and staff who must have a second factor set one up first."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin
from django_htmx.http import HttpResponseClientRedirect

from devices.account.second_factor import NEEDED, lacks_second_factor
from devices.account.sessions import session_note
from devices.addresses import caller_exactly
from devices.models import User

OPEN: Final = ("login", "logout", "security", "health", "metrics")  # beginnings of names: the way there, and out


class SignedInMiddleware(MiddlewareMixin):
    """After authentication; asks the database only where the setting asks for a second factor, and of staff."""

    def process_view(
        self, request: HttpRequest, _view: Callable[..., Any], _args: tuple[Any, ...], _kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        if not settings.TELARA_STAFF_SECOND_FACTOR or not isinstance(request.user, User):
            return None
        name = (request.resolver_match.url_name or "") if request.resolver_match else ""
        if name.startswith(OPEN) or not lacks_second_factor(user=request.user):
            return None
        if request.path.startswith("/api/"):
            from devices.errors import error_body  # which needs the settings of the API, and those this

            return JsonResponse(error_body("second_factor_required", NEEDED), status=403)
        if getattr(request, "htmx", False):
            return HttpResponseClientRedirect(reverse("security"))
        return redirect("security")

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Once the view has asked who it is: pages that never do, cost nothing."""
        session: Any = getattr(request, "session", None)
        was_asked = session is not None and session.accessed and response.status_code < 500
        if was_asked and session.session_key and isinstance(request.user, User):
            session_note(
                user=request.user,
                session_key=session.session_key,
                address=caller_exactly(request),
                agent=request.headers.get("User-Agent", ""),
                at=timezone.now(),
            )
        return response
