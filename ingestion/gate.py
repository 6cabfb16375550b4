"""The door of a web process: so many posts of readings at once, and no body larger than it may be.

It stands before Django, which reads a body to its end, however long that is, and gives each request a thread with a
connection to the database. Whoever does not get in is told at once to come again.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog

from ingestion.intake import MAX_BODY

log = structlog.get_logger(__name__)
POSTS: Final = "/api/v1/readings/"
MOST_POSTS: Final = 24  # in one process: each may hold a body, a thread and a connection to the database
BODY_S: Final = 10.0  # for a post to arrive whole
OTHER_BODY: Final = 2 * 1024 * 1024  # bytes; DATA_UPLOAD_MAX_MEMORY_SIZE
REPORT_EVERY_S: Final = 10.0
FULL: Final = "Too many are sending at this moment. Send it again."

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class _TooLargeError(Exception):
    """More came than may."""


class _GoneError(Exception):
    """The caller left while their body was read."""


class Gate:
    """ASGI around `app`. Not more than `most` posts are in it, reading included; memory is bounded by that."""

    def __init__(self, app: App, *, most: int = MOST_POSTS, body_s: float = BODY_S) -> None:
        self._app = app
        self._most = most
        self._body_s = body_s
        self._posts = 0
        self._refused = 0
        self._reported_at = float("-inf")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] == POSTS:
            await self._post(scope, receive, send)
        else:
            try:
                await self._app(scope, _bounded(receive, OTHER_BODY), send)
            except _TooLargeError:
                await _answer(send, 413, "too_large", f"The body is larger than {OTHER_BODY // 1024} KiB.")

    async def _post(self, scope: Any, receive: Receive, send: Send) -> None:
        if self._posts >= self._most:
            self._report()
            await _answer(send, 503, "unavailable", FULL, retry_after=1)
            return
        self._posts += 1
        try:
            async with asyncio.timeout(self._body_s):
                body = await _read(scope, _bounded(receive, MAX_BODY))
        except _TooLargeError:
            await _answer(send, 413, "too_large", f"The body is larger than {MAX_BODY // 1024} KiB.")
        except TimeoutError:
            await _answer(send, 408, "too_slow", f"The body did not arrive within {self._body_s:g} s.")
        except _GoneError:
            return
        else:
            await self._app(scope, _again(body, receive), send)
        finally:
            self._posts -= 1

    def _report(self) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._reported_at >= REPORT_EVERY_S:
            log.warning("intake.full", refused_count=self._refused, waiting_count=self._posts)
            self._reported_at, self._refused = now, 0


def _bounded(receive: Receive, limit: int) -> Receive:
    """`receive`, that raises _TooLargeError once more than `limit` bytes of a body have come."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise _TooLargeError
        return message

    return bounded


async def _read(scope: Any, receive: Receive) -> bytes:
    """The whole body; one that says that it is too large is not asked for."""
    said = dict(scope["headers"]).get(b"content-length", b"0")
    if said.isdigit() and int(said) > MAX_BODY:
        raise _TooLargeError
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, then what comes after it."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, status: int, code: str, message: str, *, retry_after: int = 0) -> None:
    """As `devices.errors` has it, which needs all of Django."""
    body = json.dumps({"error": {"code": code, "message": message, "fields": {}}}).encode()
    headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]
    headers += [(b"content-length", str(len(body)).encode())]
    headers += [(b"retry-after", str(retry_after).encode())] if retry_after else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
