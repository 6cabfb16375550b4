"""Sockets as tests open them: against the application of the site, on the real channel layer."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

from dashboard.live.feed import feed
from devices.models import User
from telara.asgi import application
from tests.patience import BUSY

HOST = b"telara.test"
PATIENCE_S = 4.0 * BUSY


class Socket(ApplicationCommunicator):
    """One socket, from the side of the browser."""

    def __init__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        path, _, query = path.partition("?")
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": headers}
        super().__init__(application, scope)

    async def connect(self) -> bool:
        """Whether the handshake was accepted."""
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output(PATIENCE_S))["type"] == "websocket.accept"

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(PATIENCE_S)


def cookie_of(user: User) -> str:
    """A session of theirs."""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def open_socket(
    *, session: str = "", token: str = "", origin: bytes | None = b"http://telara.test", query: str = ""
) -> Socket:
    headers = [(b"host", HOST)]
    if session:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()))
    if token:
        headers.append((b"authorization", f"Token {token}".encode()))
    if origin is not None:
        headers.append((b"origin", origin))
    return Socket(f"/ws/vitals{query}", headers)


@asynccontextmanager
async def signed_in(user: User, query: str = "") -> AsyncIterator[Socket]:
    """A socket of `user` that is open and listening: its first status has come."""
    socket = open_socket(session=await sync_to_async(cookie_of)(user), query=query)
    assert await socket.connect()
    first = await frame(socket)
    assert first["type"] == "status"
    await listening()
    yield socket
    await socket.disconnect()


async def listening() -> None:
    """Wait until this process hears what is announced."""
    await asyncio.wait_for(feed()._listening.wait(), PATIENCE_S)


async def frame(socket: Socket, timeout: float = PATIENCE_S) -> dict[str, Any]:
    return dict(json.loads((await socket.receive_output(timeout))["text"]))


async def frames(socket: Socket, *kinds: str, least: int = 0, within: float = 0.3) -> list[dict[str, Any]]:
    """The data of `least` frames of these kinds, however long they take, and of those that come within that time."""
    return [message["data"] for message in await messages(socket, *kinds, least=least, within=within)]


async def messages(socket: Socket, *kinds: str, least: int = 0, within: float = 0.3) -> list[dict[str, Any]]:
    """The frames themselves."""
    found, deadline = [], time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0 or len(found) < least:
        message = await _next(socket, max(left, PATIENCE_S if len(found) < least else 0))
        assert message is not None or len(found) >= least, found
        if message is not None and message.get("type") in kinds:
            found.append(message)
    return found


async def _next(socket: Socket, timeout: float) -> dict[str, Any] | None:
    """The next frame, None if none came; unlike `receive_output` it does not end the application."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not socket.output_queue.empty():
            output = socket.output_queue.get_nowait()
            return dict(json.loads(output["text"])) if "text" in output else output
        await asyncio.sleep(0.01)
    return None


async def close_code(socket: Socket, timeout: float = PATIENCE_S) -> int:
    """The code it is closed with, whatever came before."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        message = await _next(socket, left)
        if message is not None and message.get("type") == "websocket.close":
            return int(message["code"])
    raise AssertionError("It was not closed.")
