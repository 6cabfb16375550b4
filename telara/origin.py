"""Whoever notes something in the audit log learns whose request is being answered."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from devices.rights.audit import answering


@sync_and_async_middleware
def audit_origin(get_response: Any) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Middleware: names the request to `devices.rights.audit`."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            with answering(request):
                answer: HttpResponseBase = await get_response(request)
                return answer

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        with answering(request):
            made: HttpResponseBase = get_response(request)
            return made

    return answer
