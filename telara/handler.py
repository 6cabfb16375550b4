"""Django's handler with so many threads and no more: each has a database connection, and keeps it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponseBase

from devices.streamed import Streamed


class Handler(ASGIHandler):
    """Answers at most `TELARA_WEB_THREADS` requests at a time; the others wait their turn, in order.

    Django gives each request a thread of its own, which connects to the database anew: a thousand pages that read their
    snapshot at once, after a restart, are more than PostgreSQL lets in. A request has a thread from when its body is
    there until its answer is: nobody holds one by sending or reading slowly.
    """

    async def run_get_response(self, request: HttpRequest) -> Any:
        async with _threads().one() as thread, ThreadSensitiveContext(executor=thread):
            await sync_to_async(
                close_old_connections
            )()  # of this thread; Django asks another one, of the request's own
            return await super().run_get_response(request)

    async def send_response(self, response: HttpResponseBase, send: Any) -> None:
        """Of an answer that is made while it is sent, each piece has a thread while it is made, and no longer."""
        if isinstance(response, Streamed) and not response.is_async:
            response.streaming_content = _pulled(iter(response.streaming_content))  # type: ignore[arg-type]
        await super().send_response(response, send)


async def _pulled(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        async with _threads().one() as thread:
            piece = await _whole(asyncio.get_running_loop().run_in_executor(thread, _next, pieces))
        if piece is None:
            return
        yield piece


async def _whole(making: asyncio.Future[bytes | None]) -> bytes | None:
    """What is being made. Who stops waiting for it is let go once it is made: until then its thread is not free, and
    what it reads from must not be closed."""
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        await asyncio.wait([making])
        raise


def _next(pieces: Iterator[bytes]) -> bytes | None:
    close_old_connections()
    return next(pieces, None)


class _Threads:
    """The threads of one event loop, handed out in order of asking."""

    def __init__(self, count: int) -> None:
        self._idle: asyncio.LifoQueue[Executor] = asyncio.LifoQueue()
        for number in range(count):
            self._idle.put_nowait(ThreadPoolExecutor(1, f"request-{number}"))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Executor]:
        thread = await self._idle.get()
        try:
            yield thread
        finally:
            self._idle.put_nowait(thread)


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Threads] = WeakKeyDictionary()


def _threads() -> _Threads:
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        _of_loops[loop] = _Threads(settings.TELARA_WEB_THREADS)
    return _of_loops[loop]
