"""Requests share a bounded number of threads and database connections."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.urls import path

from devices.streamed import Streamed
from telara import handler
from telara.asgi import application
from tests.patience import BUSY

pytestmark = pytest.mark.django_db(transaction=True)
backends: list[int] = []
names: set[str] = set()


def view(request: HttpRequest) -> HttpResponse:
    """Says which thread and which connection answered."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backends.append(cursor.fetchone()[0])
    names.add(threading.current_thread().name)
    time.sleep(0.02)
    return HttpResponse("told")


made: list[int] = []
bodies: list[bytes] = []


def streamed(request: HttpRequest) -> Streamed:
    """Ten pieces, made when they are asked for."""
    return Streamed((made.append(number) or b"piece" for number in range(10)), content_type="text/plain")


class Slow:
    """An answer whose only piece takes until `go_on`; `closed` says of each closing whether the piece was made then."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.is_made = False
        self.closed: list[bool] = []

    def __iter__(self) -> "Slow":
        return self

    def __next__(self) -> bytes:
        self.begun.set()
        self.is_made = self.go_on.wait(10)
        return b"piece"

    def close(self) -> None:
        self.closed.append(self.is_made)


slow: list[Slow] = []


def slowly(request: HttpRequest) -> Streamed:
    return Streamed(slow[-1], content_type="text/plain")


urlpatterns = [path("tell/", view), path("stream/", streamed), path("slow/", slowly)]


@pytest.fixture
async def _three_threads(settings: Any) -> AsyncIterator[None]:
    settings.TELARA_WEB_THREADS = 3
    settings.ROOT_URLCONF = __name__
    backends.clear()
    names.clear()
    yield
    for _ in range(3):  # their connections would outlive the test database
        thread = handler._threads()._idle.get_nowait()
        await asyncio.wrap_future(thread.submit(connections.close_all))


async def ask(
    address: str = "/tell/", *, read: asyncio.Event | None = None, leaves: asyncio.Event | None = None
) -> int:
    """The status of an answer; `read`: when its reader begins to read what is not its head; `leaves`: when they go."""
    sent: list[dict[str, Any]] = []
    body = [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if read and message.get("body"):
            await read.wait()

    scope = {
        "type": "http", "method": "GET", "path": address, "raw_path": address.encode(),
        "query_string": b"", "root_path": "",
        "headers": [(b"host", b"telara.test")], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    await application(scope, receive, send)
    bodies.append(b"".join(message.get("body", b"") for message in sent[1:]))
    return int(sent[0]["status"])


@pytest.mark.usefixtures("_three_threads")
async def test_a_storm_of_requests_takes_no_more_connections_than_threads() -> None:
    assert await asyncio.gather(*(ask() for _ in range(30))) == [200] * 30
    assert len(backends) == 30
    assert len(set(backends)) == len(names) == 3


@pytest.mark.usefixtures("_three_threads")
async def test_a_connection_that_the_server_ended_is_made_anew() -> None:
    assert await ask() == 200
    ended = backends[-1]
    assert await asyncio.to_thread(end, ended)
    assert await ask() == 200
    assert backends[-1] != ended


@pytest.mark.usefixtures("_three_threads")
async def test_who_reads_slowly_holds_no_thread_and_no_more_is_made_than_is_read() -> None:
    made.clear()
    bodies.clear()
    read = asyncio.Event()
    readers = [asyncio.create_task(ask("/stream/", read=read)) for _ in range(5)]
    while len(made) < 5:
        await asyncio.sleep(0.01)
    assert await asyncio.wait_for(ask(), 5 * BUSY) == 200
    assert made == [0] * 5
    read.set()
    assert await asyncio.gather(*readers) == [200] * 5
    assert bodies[-5:] == [b"piece" * 10] * 5


@pytest.mark.usefixtures("_three_threads")
async def test_what_is_read_is_closed_after_the_piece_that_was_being_made_when_its_reader_left() -> None:
    slow.append(Slow())
    leaves = asyncio.Event()
    reader = asyncio.create_task(ask("/slow/", leaves=leaves))
    assert await asyncio.to_thread(slow[-1].begun.wait, 10)
    leaves.set()
    await asyncio.wait([reader], timeout=0.1)
    assert slow[-1].closed == []
    slow[-1].go_on.set()
    await reader
    assert slow[-1].closed == [True]


def end(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        ended = bool(cursor.fetchone()[0])
    connection.close()
    return ended
