"""A browser that stops reading, on real sockets: it harms nobody, is dropped with a code, and is let go."""

import asyncio
import json
import socket as sockets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn
from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection, connect

from dashboard.live import feed, outlet, protocol
from devices.live import announce
from devices.models import User
from telara.asgi import application
from tests.dashboard.sockets import cookie_of
from tests.made import make_user, make_wearer
from tests.patience import BUSY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_close_connections_of_threads")]
LARGE = 50_000  # characters of an alert
FLOOD = 200  # alerts: more than the kernel takes for a client that does not read
PROBE = "probe"
FEW = 20  # at once: fewer than the channel layer keeps for who is late


@pytest.fixture
def wearer() -> User:
    return make_wearer()


@pytest.fixture
def chief() -> User:
    return make_user("chief", "view_all_wearers")


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """The site on a port, as uvicorn serves it."""
    config = uvicorn.Config(
        application, port=0, lifespan="off", log_config=None, ws=protocol.Protocol, ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield server, server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await asyncio.wait_for(task, 10)


async def until(what: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(BUSY * seconds):
        while not what():
            await asyncio.sleep(0.02)


def numbers(heard: list[str]) -> list[str]:
    return [each for each in heard if each != PROBE]


def are_heard(heard: list[str], count: int) -> bool:
    return len(numbers(heard)) == count


async def until_listening(wearer: User, heard: list[str]) -> None:
    """Until what is announced arrives: news from before the layer listens is nobody's."""
    async with asyncio.timeout(10 * BUSY):
        while not heard:
            announce(alerts=[(wearer.pk, {"alert_id": PROBE, "revision": 1})])
            await asyncio.sleep(0.1)


def frames_of(connection: ClientConnection, kind: str) -> AsyncIterator[dict[str, Any]]:
    async def found() -> AsyncIterator[dict[str, Any]]:
        async for text in connection:
            if (frame := json.loads(text))["type"] == kind:
                yield frame["data"]

    return found()


class Stalled:
    """A client that has asked for a socket and reads when it is told to."""

    def __init__(self, port: int, session: str) -> None:
        self._socket = sockets.socket()
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(
            f"GET /ws/vitals HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Cookie: sessionid={session}\r\n\r\n".encode()
        )

    def read_to_the_end(self) -> bytes:
        self._socket.settimeout(10)
        found = b""
        while data := self._socket.recv(1 << 16):
            found += data
        self._socket.close()
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MOST_WAITING", 2 << 20)
    monkeypatch.setattr(outlet, "SEND_S", 1.0)
    monkeypatch.setattr(outlet, "CLOSE_S", 1.0)
    monkeypatch.setattr(protocol, "LINGER_S", 0.5)


async def flood(wearer: User, *, first: int = 0, count: int = FLOOD) -> None:
    for number in range(first, first + count):
        announce(alerts=[(wearer.pk, {"alert_id": str(number), "revision": 1, "text": "x" * LARGE})])
        await asyncio.sleep(0.002)


async def test_the_others_hear_everything_meanwhile_and_the_stalled_one_is_dropped_and_let_go(
    wearer: User, chief: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "SEND_S", 60.0)  # whoever waited for the stalled one would hear nothing in time
    session = await sync_to_async(cookie_of)(chief)
    async with (
        serving() as (server, port),
        connect(
            f"ws://127.0.0.1:{port}/ws/vitals", additional_headers={"Cookie": f"sessionid={session}"}, max_queue=None
        ) as healthy,
    ):
        stalled = Stalled(port, session)
        await until(lambda: len(feed.feed()._outlets) == 2 and not feed.feed()._new)
        heard: list[str] = []

        async def listen() -> None:
            async for alert in frames_of(healthy, "alert"):
                heard.append(alert["alert_id"])

        listening = asyncio.create_task(listen())
        await until_listening(wearer, heard)
        for first in range(0, FLOOD, FEW):
            await flood(wearer, first=first, count=FEW)
            await until(partial(are_heard, heard, first + FEW))
        assert numbers(heard) == [str(number) for number in range(FLOOD)]
        await until(lambda: len(feed.feed()._outlets) == 1, seconds=5)
        await until(lambda: len(server.server_state.connections) == 1, seconds=5)
        listening.cancel()
        stalled.close()


async def test_a_slow_one_that_reads_on_learns_that_it_was_too_slow(wearer: User, chief: User) -> None:
    session = await sync_to_async(cookie_of)(chief)
    async with serving() as (_, port):
        slow = Stalled(port, session)
        await until(lambda: bool(feed.feed()._outlets) and not feed.feed()._new)
        await flood(wearer)
        await until(lambda: all(each.is_closed for each in feed.feed()._outlets))
        found = await asyncio.to_thread(slow.read_to_the_end)
    assert found[-4:-2] == bytes((0x88, 2))  # a close frame of two bytes, the code
    assert int.from_bytes(found[-2:], "big") == outlet.TOO_SLOW
    assert len(found) < FLOOD * LARGE
