"""Errors of requests that no view answered: under /api/ in its one shape, else as a page."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from devices.errors import api_not_found, error_body


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django refuses: an unknown host, too many fields."""
    if request.path.startswith("/api/"):
        return JsonResponse(error_body("bad_request", "The request was refused."), status=400)
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that no pattern knows, not even the API's last one: a line break, say."""
    if request.path.startswith("/api/"):
        return api_not_found(request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """A bug of ours; it was logged."""
    if request.path.startswith("/api/"):
        return JsonResponse(error_body("server_error", "Something went wrong here; it was logged."), status=500)
    return defaults.server_error(request)
