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

from telara import handler
from telara.asgi import application

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


urlpatterns = [path("tell/", view)]


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


async def ask() -> int:
    """The status of an answer."""
    sent: list[dict[str, Any]] = []
    body = [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        return body.pop() if body else await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/tell/", "raw_path": b"/tell/", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"telara.test")], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    await application(scope, receive, send)
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


def end(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        ended = bool(cursor.fetchone()[0])
    connection.close()
    return ended
