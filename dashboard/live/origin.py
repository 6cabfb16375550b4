"""Which sites a browser may open a socket from: this one. Refusals are logged."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host

log = structlog.get_logger(__name__)
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class OriginCheck:
    """Refuses the handshake (HTTP 403) from a page of another site, as Django does with forms."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        if origin_allowed(headers):
            await self._application(scope, receive, send)
            return
        log.warning("live.origin_refused", host=_text(headers, b"host"), address=_text(headers, b"origin"))
        await receive()
        await send({"type": "websocket.close", "code": 1008})


def origin_allowed(headers: Mapping[bytes, bytes]) -> bool:
    """The host is one of ALLOWED_HOSTS, and the origin, which programs do not send, is that host or a trusted one."""
    host, origin = _text(headers, b"host"), _text(headers, b"origin")
    allowed = settings.ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
    if not validate_host(split_domain_port(host)[0], allowed):
        return False
    if b"origin" not in headers or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
