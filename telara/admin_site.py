"""The admin as Telara has it: with the page of readings among the rest."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from devices.admin_readings import readings
from devices.live import session_ended


class Offered(AutocompleteJsonView):
    """As Django's, which breaks where a field is no choice of its own model."""

    def process_request(self, request: HttpRequest) -> Any:
        found = super().process_request(request)
        if found[2].auto_created:
            raise PermissionDenied
        return found


class TelaraAdminSite(admin.AdminSite):
    """Django's admin and one page more."""

    site_header = "Telara"
    site_title = "Telara"
    index_title = "Triage and housekeeping"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [path("devices/reading/", self.admin_view(self.readings), name="readings"), *super().get_urls()]

    def admin_view(  # type: ignore[override]  # the name of its type is private
        self,
        view: Callable[..., Any],
        cacheable: bool = False,  # Django's signature
    ) -> Callable[..., Any]:
        """As Django's; an address with a NUL, which its filters would hand to PostgreSQL, is refused."""
        asked = super().admin_view(view, cacheable)

        @wraps(asked)
        def without_nul(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if any("\x00" in value for values in request.GET.lists() for value in values[1]):
                raise BadRequest("There is a NUL in this address.")
            return cast("HttpResponseBase", asked(request, *args, **kwargs))

        return without_nul

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return cast("HttpResponse", Offered.as_view(admin_site=self)(request))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        """By the pages' own door, which counts failures. Raises PermissionDenied for who is in, and not staff."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied("The admin is for staff.")
        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME, reverse("admin:index")), reverse("login"))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """By the pages' own, which also signs out elsewhere."""
        return redirect("security-password")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """As the pages' own: also closes the sockets of the session."""
        session = request.session.session_key
        answer = super().logout(request, extra_context)
        if session and request.session.session_key != session:  # a GET ends nothing
            session_ended(session_key=session)
        return answer

    def readings(self, request: HttpRequest) -> HttpResponseBase:
        return readings(request, self.each_context(request))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The apps with their models; readings beside the other models of their app."""
        apps = super().get_app_list(request, app_label)
        if request.user.has_perm("devices.view_reading"):
            address = reverse("admin:readings")
            entry = {"name": "Readings", "object_name": "Reading", "admin_url": address, "view_only": True}
            for app in apps:
                if app["app_label"] == "devices":
                    app["models"].append(entry | {"perms": {"view": True}, "add_url": None})
        return apps
