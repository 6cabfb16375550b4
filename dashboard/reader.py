"""Middleware of pages: numbers are shown in the units of whoever asks, times by their clock."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from devices.metrics import CANONICAL
from devices.models import User
from devices.reader import read_in, reader_said


class ReaderMiddleware(MiddlewareMixin):
    """Says for each request in which units and zone it is answered; the API: canonical ones, and UTC. The admin follows
    the zone alone: what it shows is what is stored, and a day is the day of who looks."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: tuple[Any, ...], _kwargs: dict[str, Any]
    ) -> None:
        is_page = view.__module__.startswith(("dashboard.", "ingestion.page.pages", "telara.api_docs"))
        is_admin = request.resolver_match is not None and request.resolver_match.app_name == "admin"
        user = request.user if is_page or is_admin else None
        read_in(user.units if isinstance(user, User) and is_page else CANONICAL)
        if isinstance(user, User):
            timezone.activate(user.time_zone)
        else:
            timezone.deactivate()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:  # noqa: ARG002
        """A page says how it was made, so that one that stays open takes nothing over from a copy made otherwise."""
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers["Telara-Reader"] = reader_said()
        return response
