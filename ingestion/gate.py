"""The door of a web process: so many posts of readings at once, and no body larger than it may be.

It stands before Django, which reads a body to its end, however long that is, and gives each request a thread with a
connection to the database. Nobody has a place before it is known who they are, so that those who are nobody keep
nobody out; and one person leaves some to the others. Whoever does not get in is told at once to come again.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from channels.db import database_sync_to_async
from django.db import Error  # InterfaceError, of a connection that closed, is no DatabaseError
from django.utils import timezone

from devices.account.credentials import Credentials, credentials_of, sender_find
from ingestion.intake import MAX_BODY

log = structlog.get_logger(__name__)
POSTS: Final = "/api/v1/readings/"
MOST_POSTS: Final = 24  # in one process: each may hold a body, a thread and a connection to the database
MOST_OF_ONE: Final = 18  # of these, one person's
MOST_ASKED: Final = 256  # who they are, at once: beyond it the database does not answer
ASKING_S: Final = 5.0  # for the database to say who sends
BODY_S: Final = 10.0  # for a post to arrive whole
OTHER_BODY: Final = 2 * 1024 * 1024  # bytes; DATA_UPLOAD_MAX_MEMORY_SIZE
OTHER_BODY_S: Final = 30.0
REPORT_EVERY_S: Final = 10.0
AWAY: Final = "The database is away."
TOO_LARGE: Final = f"The body is larger than {MAX_BODY // 1024} KiB."
FULL: Final = "Too many are sending at this moment. Send it again."

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class _TooLargeError(Exception):
    """More came than may."""


class _TooSlowError(Exception):
    """It did not come in time."""


class _GoneError(Exception):
    """The caller left while their body was read."""


class Gate:
    """ASGI around `app`. Not more than `most` posts are in it, reading included, and not more than `most_asked` wait
    before it; memory is bounded by that."""

    def __init__(
        self, app: App, *, most: int = MOST_POSTS, most_of_one: int = MOST_OF_ONE, most_asked: int = MOST_ASKED,
        body_s: float = BODY_S,
    ) -> None:  # fmt: skip
        self._app = app
        self._most = most
        self._most_of_one = most_of_one
        self._most_asked = most_asked
        self._body_s = body_s
        self._posts: Counter[int] = Counter()  # by person
        self._asking = ThreadPoolExecutor(1, "gate")
        self._asked = 0
        self._refused = 0
        self._reported_at = float("-inf")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] == POSTS:
            await self._post(scope, receive, send)
        else:
            await self._other(scope, receive, send)

    async def _other(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, _timed(_bounded(receive, OTHER_BODY), OTHER_BODY_S), send)
        except _TooLargeError:
            await _answer(send, 413, "too_large", f"The body is larger than {OTHER_BODY // 1024} KiB.")
        except _TooSlowError:
            await _answer(send, 408, "too_slow", f"The body did not arrive within {OTHER_BODY_S:g} s.")

    async def _post(self, scope: Any, receive: Receive, send: Send) -> None:
        if _is_said_too_large(scope):
            await _answer(send, 413, "too_large", TOO_LARGE)
            return
        if self._asked >= self._most_asked:
            await self._refuse(send)
            return
        try:
            async with asyncio.timeout(ASKING_S):
                sender = await self._sender(credentials_of(dict(scope["headers"])))
        except (Error, TimeoutError):
            await _answer(send, 503, "unavailable", AWAY, retry_after=5)
            return
        if sender is None:
            await self._app(scope, _unread(receive), send)  # which says so, whatever the body is
        elif self._posts.total() >= self._most or self._posts[sender] >= self._most_of_one:
            await self._refuse(send)
        else:
            self._posts[sender] += 1
            try:
                await self._take_in(scope, receive, send)
            finally:
                self._posts[sender] -= 1
                self._posts += Counter()  # without those who have none

    async def _take_in(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._body_s):
                body = await _read(_bounded(receive, MAX_BODY))
        except _TooLargeError:
            await _answer(send, 413, "too_large", TOO_LARGE)
        except TimeoutError:
            await _answer(send, 408, "too_slow", f"The body did not arrive within {self._body_s:g} s.")
        except _GoneError:
            return
        else:
            await self._app(scope, _again(body, receive), send)

    async def _sender(self, credentials: Credentials) -> int | None:
        """The key of who sends, asked on one connection of the process's own. Raises django.db.Error."""
        if not credentials.token and not credentials.session_key:
            return None
        find = database_sync_to_async(sender_find, thread_sensitive=False, executor=self._asking)
        self._asked += 1
        try:
            sender = await find(credentials=credentials, at=timezone.now())
        finally:
            self._asked -= 1
        return None if sender is None else sender.pk

    async def _refuse(self, send: Send) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._reported_at >= REPORT_EVERY_S:
            log.warning("intake.full", refused_count=self._refused, waiting_count=self._posts.total())
            self._reported_at, self._refused = now, 0
        await _answer(send, 503, "unavailable", FULL, retry_after=1)


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


def _timed(receive: Receive, seconds: float) -> Receive:
    """`receive`, that raises _TooSlowError once the body takes longer than that; what comes after it may take long."""
    loop = asyncio.get_running_loop()
    ends, whole = loop.time() + seconds, False

    async def timed() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise _TooSlowError from None
        whole = not message.get("more_body", False)
        return message

    return timed


def _is_said_too_large(scope: Any) -> bool:
    """Whether the headers say so: then the body is not even asked for."""
    said = dict(scope["headers"]).get(b"content-length", b"0")
    return said.isdigit() and int(said) > MAX_BODY


async def _read(receive: Receive) -> bytes:
    """The whole body."""
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


def _unread(receive: Receive) -> Receive:
    """No body, then the end of the connection; what comes of a body meanwhile is dropped."""

    async def left() -> Message:
        while (message := await receive())["type"] == "http.request":
            pass
        return message

    return _again(b"", left)


async def _answer(send: Send, status: int, code: str, message: str, *, retry_after: int = 0) -> None:
    """As `devices.errors` has it, which needs all of Django."""
    body = json.dumps({"error": {"code": code, "message": message, "fields": {}}}).encode()
    headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]
    headers += [(b"content-length", str(len(body)).encode())]
    headers += [(b"retry-after", str(retry_after).encode())] if retry_after else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
