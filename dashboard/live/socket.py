"""`/ws/vitals`: accepted first, then closed with a code where it may not stay, so that a browser can read why."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from django.db import Error  # InterfaceError, of a connection that closed, is no DatabaseError

from dashboard.live.feed import Feed, feed, refusal
from dashboard.live.outlet import TOO_MANY, Outlet, Send
from dashboard.live.visitor import Asked
from devices.account.credentials import credentials_of

log = structlog.get_logger(__name__)
TRY_LATER: Final = 1013
Receive = Callable[[], Awaitable[dict[str, Any]]]


async def vitals(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application of one socket.

    `?user_id=ID` narrows it to one wearer. With `&alerts=all` that holds for `vital` and `planned` alone: alerts, and
    what the status says of them, are those of everybody whom its visitor may see.
    """
    await receive()
    await send({"type": "websocket.accept"})
    credentials = credentials_of(dict(scope["headers"]))
    asked = _asked(scope["query_string"].decode("latin-1"))
    source = feed()
    try:
        visitor = await source.admit(credentials, asked)
    except Error:
        await send({"type": "websocket.close", "code": TRY_LATER})
        return
    refused = refusal(visitor, asked)
    if visitor is None or refused:
        log.info("live.refused", close_code=refused)
        await send({"type": "websocket.close", "code": refused})
        return
    place = await source.places.take(person=visitor.person, is_narrow=asked.only is not None)
    if place is None:
        log.info("live.refused", close_code=TOO_MANY)
        await send({"type": "websocket.close", "code": TOO_MANY, "reason": "too many sockets of one person"})
        return
    sees, told_of = visitor.sees, visitor.told_of
    outlet = Outlet(credentials=credentials, asked=asked, sees=sees, told_of=told_of, send=send, scope=scope)
    source.sightings.add(outlet, visitor)
    try:
        await _serve(source, outlet, receive)
    finally:
        await source.places.give_back(place)


def _asked(query: str) -> Asked:
    said = parse_qs(query)
    return Asked(only=said.get("user_id", [None])[0], all_alerts=said.get("alerts") == ["all"])


async def _serve(source: Feed, outlet: Outlet, receive: Receive) -> None:
    """Until the other side goes, or the outlet is closed."""
    try:
        await source.join(outlet)
        while (await receive())["type"] != "websocket.disconnect":
            pass  # nothing is asked of the server here
    except asyncio.CancelledError:
        if not outlet.is_closed:
            raise
    finally:
        await source.leave(outlet)
