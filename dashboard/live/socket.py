"""`/ws/vitals`: accepted first, then closed with a code where it may not stay, so that a browser can read why."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from django.db import Error  # InterfaceError, of a connection that closed, is no DatabaseError
from django.utils import timezone

from dashboard.live.feed import feed
from dashboard.live.outlet import NOT_ALLOWED, NOT_SIGNED_IN, TOO_SLOW, Outlet
from dashboard.live.visitor import Credentials, Visitor, credentials_of, visitor_find

log = structlog.get_logger(__name__)
CHECK_S: Final = 60.0  # how long a right that was taken away still counts
SEND_S: Final = 5.0  # a send that takes longer means that nobody reads
TRY_LATER: Final = 1013
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def vitals(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application of one socket; `?user_id=` narrows it to one wearer."""
    await receive()
    await send({"type": "websocket.accept"})
    credentials = credentials_of(dict(scope["headers"]))
    only = parse_qs(scope["query_string"].decode("latin-1")).get("user_id", [None])[0]
    try:
        visitor = await _visitor(credentials, only)
    except Error:
        await send({"type": "websocket.close", "code": TRY_LATER})
        return
    refused = _refusal(visitor, only)
    if visitor is None or refused:
        log.info("live.refused", close_code=refused)
        await send({"type": "websocket.close", "code": refused})
        return
    code = await _serve(Outlet(session=credentials.session, sees=visitor.sees), credentials, only, receive, send)
    if code:
        await _close(send, code)


async def _serve(outlet: Outlet, credentials: Credentials, only: str | None, receive: Receive, send: Send) -> int:
    """Send until somebody ends it; the code to close with, 0 where the other side went."""
    source = feed()
    tasks = [
        asyncio.ensure_future(each)
        for each in (_until_gone(receive), _write(outlet, send), _check(outlet, credentials, only), outlet.closing)
    ]
    try:
        await source.join(outlet)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        await source.leave(outlet)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_gone(receive: Receive) -> int:
    while (await receive())["type"] != "websocket.disconnect":
        pass  # nothing is asked of the server here
    return 0


async def _write(outlet: Outlet, send: Send) -> int:
    while True:
        frame = await outlet.next_frame()
        try:
            async with asyncio.timeout(SEND_S):
                await send({"type": "websocket.send", "text": frame})
        except TimeoutError:
            return TOO_SLOW


async def _check(outlet: Outlet, credentials: Credentials, only: str | None) -> int:
    """Look again at who this is and whom they may see: now and then, and at once where rights changed."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_S):
                await outlet.look_again.wait()
        outlet.look_again.clear()
        try:
            visitor = await _visitor(credentials, only)
        except Error:
            continue  # the statuses say that the database is away
        if visitor is None or (code := _refusal(visitor, only)):
            return NOT_SIGNED_IN if visitor is None else code
        outlet.sees = visitor.sees


async def _visitor(credentials: Credentials, only: str | None) -> Visitor | None:
    return await database_sync_to_async(visitor_find)(credentials=credentials, only=only, at=timezone.now())


def _refusal(visitor: Visitor | None, only: str | None) -> int:
    if visitor is None:
        return NOT_SIGNED_IN
    return NOT_ALLOWED if only is not None and not visitor.sees else 0


async def _close(send: Send, code: int) -> None:
    log.info("live.closed", close_code=code)
    try:
        async with asyncio.timeout(1):
            await send({"type": "websocket.close", "code": code})
    except TimeoutError:
        return  # it does not even read that; the server drops the connection
