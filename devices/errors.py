"""The one shape of every error under /api/: `{"error": {"code", "message", "fields"}}`."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler

CODES = {
    exceptions.ValidationError: "invalid",
    exceptions.ParseError: "malformed_json",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "authentication_failed",
    exceptions.PermissionDenied: "not_allowed",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
}


class ApiError(exceptions.APIException):
    """An error with a status, a stable code, a sentence and, where they are at fault, fields."""

    def __init__(
        self,
        status_code: int,
        code: str,
        message: str,
        *,
        fields: Mapping[str, Any] | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message, code)
        self.status_code = status_code
        self.code = code
        self.fields = dict(fields or {})
        if retry_after:
            self.wait = retry_after  # DRF's handler makes the Retry-After header of it


def error_body(code: str, message: str, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"code": code, "message": message, "fields": dict(fields or {})}}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: every known error in the one shape; None for a bug, which becomes a 500 and a log."""
    known = _known(exc)
    response = drf_handler(known, context)
    if response is None:
        return None
    if isinstance(known, ApiError):
        response.data = error_body(known.code, str(known.detail), known.fields)
        if known.status_code == status.HTTP_401_UNAUTHORIZED:
            response["WWW-Authenticate"] = "Token"
    elif isinstance(known, exceptions.ValidationError):
        response.data = error_body("invalid", "Something in the request does not fit.", _fields(known.detail))
    elif isinstance(known, exceptions.APIException):
        code = next((code for kind, code in CODES.items() if isinstance(known, kind)), "error")
        response.data = error_body(code, str(known.detail))
    return response


def _known(exc: Exception) -> Exception:
    if isinstance(exc, Http404):
        return exceptions.NotFound(str(exc) or None)
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied(str(exc) or None)
    if isinstance(exc, RequestDataTooBig):
        return ApiError(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, "too_large", "The request is too large.")
    if isinstance(exc, OperationalError | InterfaceError):
        return ApiError(status.HTTP_503_SERVICE_UNAVAILABLE, "unavailable", "The database is away.", retry_after=5)
    return exc


def _fields(detail: Any) -> dict[str, Any]:
    """Messages by field; those of no field stand under `non_field_errors`."""
    if isinstance(detail, dict):
        return {str(name): _messages(value) for name, value in detail.items()}
    return {"non_field_errors": _messages(detail)}


def _messages(value: Any) -> Any:
    if isinstance(value, dict):
        return _fields(value)
    return [_messages(item) if isinstance(item, dict | list) else str(item) for item in value]


@csrf_exempt
def api_not_found(request: HttpRequest, **_: str) -> HttpResponse:
    """Any other address under /api/: with the slash that was forgotten, or a 404 in the one shape."""
    if not request.path.endswith("/") and request.method in {"GET", "HEAD"}:
        match = resolve(f"{request.path_info}/")
        if match.func is not api_not_found:
            return HttpResponseRedirect(request.get_full_path(force_append_slash=True))
    message = "There is nothing at this address; addresses of the API end in a slash."
    return JsonResponse(error_body("not_found", message), status=404)
