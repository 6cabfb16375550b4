"""One log line a request, and an id that every other line of that request carries."""

import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from structlog.contextvars import bound_contextvars

log = structlog.get_logger(__name__)

_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_SECRET = re.compile(r"^(/invitation/).+", re.DOTALL)
_OFTEN = ("/health", "/metrics", "/static/")  # probes, scrapes and files: at DEBUG


@sync_and_async_middleware
def request_log(get_response: Any) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Middleware, the outermost: names the request, answers with that name in `X-Request-ID`, logs what came of it.

    A caller's own `X-Request-ID` is kept where it is 8 to 64 letters, digits and hyphens. Query strings are not logged.
    """
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            began = time.perf_counter()
            with bound_contextvars(request_id=(name := _name(request))):
                return _finish(request, await get_response(request), name, began)

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        with bound_contextvars(request_id=(name := _name(request))):
            return _finish(request, get_response(request), name, began)

    return answer


def _name(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _finish(request: HttpRequest, response: HttpResponseBase, name: str, began: float) -> HttpResponseBase:
    response.headers["X-Request-ID"] = name
    write = log.debug if request.path.startswith(_OFTEN) else log.info
    took = round(time.perf_counter() - began, 4)
    write("request", method=request.method, path=_said(request.path), status=response.status_code, took_s=took)
    return response


def _said(path: str) -> str:
    """The path, without the secret that a link has in it."""
    return _SECRET.sub(r"\1[withheld]", path)
