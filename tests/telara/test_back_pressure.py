"""Posts while the broker hangs: refused quickly, in bounded memory, and nobody else notices."""

import asyncio
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self
from uuid import uuid4

import httpx
import pytest
from django.db import connections
from django.utils import timezone

from devices.tokens import token_make
from ingestion import gate
from ingestion.gate import BODY_S, FULL, MOST_ASKED, MOST_OF_ONE, MOST_POSTS
from ingestion.intake import MAX_BODY
from telara.asgi import application
from tests.ingestion.running import database_url, until
from tests.ingestion.test_faults import broker, on_broker
from tests.made import make_wearer
from tests.patience import BUSY
from tests.telara.dying import Nursery, Web, nursery
from tests.telara.proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 200  # posts at once
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def telara(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery")) as made:
        yield made


def body(items: int) -> bytes:
    at = timezone.now().isoformat()
    return json.dumps(
        [{"event_id": str(uuid4()), "timestamp": at, "user_id": "user_001", "vitals": {"heart_rate": 72}}] * items
    ).encode()


def headers(user_id: str = "user_001") -> dict[str, str]:
    secret = token_make(user=make_wearer(user_id), at=timezone.now(), lifetime=timedelta(hours=1)).secret
    return {"Authorization": f"Token {secret}", "Content-Type": "application/json"}


async def at_once(web: Web, posts: int, content: bytes, said: dict[str, str]) -> tuple[list[Any], list[float]]:
    """So many posts at once: the answers with how long each took; and how long the login page took meanwhile."""
    limits = httpx.Limits(max_connections=posts + 10)

    async def timed(client: httpx.AsyncClient, method: str, path: str, **given: Any) -> tuple[httpx.Response, float]:
        began = time.monotonic()
        return await client.request(method, web.url + path, **given), time.monotonic() - began

    async with httpx.AsyncClient(limits=limits, timeout=30) as client:
        waiting = [
            asyncio.create_task(timed(client, "POST", "/api/v1/readings/", content=content, headers=said))
            for _ in range(posts)
        ]
        pages = []
        while not all(task.done() for task in waiting):
            page, took = await timed(client, "GET", "/login/")
            assert page.status_code == 200
            pages.append(took)
            await asyncio.sleep(0.2)
        return [await task for task in waiting], pages


def rss(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def test_a_broker_that_hangs_is_said_at_once_and_other_pages_answer(telara: Nursery) -> None:
    said, content = headers(), body(500)
    with broker() as process:
        kafka = {"bootstrap.servers": on_broker(process)["KAFKA_BOOTSTRAP_SERVERS"]}
        with telara.web(KAFKA=kafka, TELARA_KAFKA_EMBEDDED=False) as web:
            post = {"url": f"{web.url}/api/v1/readings/", "content": body(1), "headers": said, "timeout": 20}
            assert httpx.post(**post).status_code == 202
            asyncio.run(at_once(web, 20, content, said))
            process.send_signal(signal.SIGSTOP)
            before = rss(web.pid)
            answers, pages = asyncio.run(at_once(web, MANY, content, said))
            assert {answer.status_code for answer, _ in answers} == {503}
            assert all(int(answer.headers["Retry-After"]) > 0 for answer, _ in answers)
            assert answers[0][0].json()["error"]["code"] == "unavailable"
            told_at_once = [answer for answer, _ in answers if answer.json()["error"]["message"] == FULL]
            assert len(told_at_once) > MANY // 2, "most do not wait for the broker"
            assert len(pages) > 2, "and pages do not wait with those that do"
            again, _ = asyncio.run(at_once(web, MANY, content, said))
            assert {answer.status_code for answer, _ in again} == {503}
            assert rss(web.pid) - before < 100 * MIB
            process.send_signal(signal.SIGCONT)
            until(lambda: httpx.post(**post).status_code == 202, within_s=30, every_s=0.5)


def test_a_body_is_not_read_further_than_it_may_be(telara: Nursery) -> None:
    somebody = headers()
    with telara.web() as web:
        for path, most in (("/api/v1/readings/", MAX_BODY), ("/login/", 2 * MIB)):
            sent, answer = endless(web, path, somebody)
            assert b" 413 " in answer.split(b"\r\n")[0]
            assert sent < most + 10 * MIB  # what the sockets hold
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as caller:
            said = f"Host: localhost\r\nContent-Length: {10**12}\r\n"
            caller.sendall(f"POST /api/v1/readings/ HTTP/1.1\r\n{said}\r\n".encode())
            assert b" 413 " in caller.recv(1000)


def endless(web: Web, path: str, said: dict[str, str]) -> tuple[int, bytes]:
    """A body in chunks that does not end, until the server says something: how much was sent, and the answer."""
    chunk, sent = b"%x\r\n%s\r\n" % (65536, b" " * 65536), 0
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as caller:
        caller.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines_of(said)}Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        caller.settimeout(0)
        while sent < 50 * MIB:
            try:
                return sent, caller.recv(1000)
            except BlockingIOError:
                pass
            try:
                caller.send(chunk)
                sent += len(chunk)
            except BlockingIOError:
                time.sleep(0.01)
    raise AssertionError("nobody answered")


def lines_of(said: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in said.items())


class Dribblers:
    """Callers who post a large body and send a byte of it now and then, until the block is left."""

    def __init__(self, web: Web, those: Sequence[dict[str, str]]) -> None:
        self.callers = [socket.create_connection(("127.0.0.1", web.port)) for _ in those]
        for caller, said in zip(self.callers, those, strict=True):
            lines = f"Host: localhost\r\n{lines_of(said)}Content-Length: 100000\r\n"
            caller.sendall(f"POST /api/v1/readings/ HTTP/1.1\r\n{lines}\r\n[".encode())
            caller.settimeout(0)
        self._told = [""] * len(self.callers)
        self._ended = Event()
        self._thread = Thread(target=self._dribble)

    def _dribble(self) -> None:
        while not self._ended.wait(0.1):
            for caller in self.callers:
                with suppress(OSError):
                    caller.send(b" ")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for caller in self.callers:
            caller.close()

    def answers(self) -> list[str]:
        """What each has been told so far: a status, or nothing yet."""
        self._told = [told or self._status(caller) for told, caller in zip(self._told, self.callers, strict=True)]
        return self._told

    def _status(self, caller: socket.socket) -> str:
        try:
            return caller.recv(1000).split()[1].decode()
        except BlockingIOError:
            return ""


@pytest.mark.parametrize("said", [{}, {"Authorization": "Token made-up"}, {"Cookie": "sessionid=made-up"}])
def test_those_who_are_nobody_keep_nobody_out_however_slowly_they_send(telara: Nursery, said: dict[str, str]) -> None:
    somebody = headers()
    with telara.web() as web, Dribblers(web, [said] * 3 * MOST_POSTS) as slow:
        post = {"url": f"{web.url}/api/v1/readings/", "content": b"[]", "headers": somebody, "timeout": 5}
        assert [httpx.post(**post).status_code for _ in range(10)] == [202] * 10
        until(lambda: {*slow.answers()} <= {"401", "429"}, within_s=10)


def test_one_person_who_sends_slowly_leaves_room_for_another(telara: Nursery) -> None:
    slow, other = headers(), headers("user_002")
    with telara.web() as web:
        with Dribblers(web, [slow] * MOST_POSTS) as dribbling:
            post = {"url": f"{web.url}/api/v1/readings/", "content": b"[]", "timeout": 5}
            until(lambda: dribbling.answers().count("") == MOST_OF_ONE, within_s=BODY_S - 2)
            assert httpx.post(**post, headers=slow).status_code == 503
            assert httpx.post(**post, headers=other).status_code == 202
        until(lambda: httpx.post(**post, headers=slow).status_code == 202, within_s=5)


def test_a_caller_who_hangs_up_leaves_no_room_behind(telara: Nursery) -> None:
    """Neither half a body nor a thread that waits keeps others out for good."""
    people = [headers(f"user_{number:03d}") for number in range(MOST_POSTS)]
    with telara.web() as web:
        post = {"url": f"{web.url}/api/v1/readings/", "content": b"[]", "headers": people[0]}
        with Dribblers(web, people):
            until(lambda: httpx.post(**post).status_code == 503, within_s=BODY_S - 2)
        until(lambda: httpx.post(**post).status_code == 202, within_s=5)


@pytest.mark.slow
def test_while_the_database_hangs_a_post_is_told_to_come_again(tmp_path: Path, django_db_setup: None) -> None:
    params: dict[str, Any] = connections["default"].get_connection_params()
    host, port = str(params.get("host") or "127.0.0.1"), int(params.get("port") or 5432)
    with Proxy(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else host, port) as database:
        behind = {"DATABASE_URL": database_url(port=database.port)}
        with nursery(tmp_path, **behind) as telara, telara.web() as web:
            post = {"url": f"{web.url}/api/v1/readings/", "content": b"[]", "headers": headers(), "timeout": 20}
            assert httpx.post(**post).status_code == 202
            database.hang()
            answers, _ = asyncio.run(at_once(web, MOST_ASKED + 20, b"[]", post["headers"]))
            assert {answer.status_code for answer, _ in answers} == {503}
            waits = Counter(answer.headers["Retry-After"] for answer, _ in answers)
            assert waits == {"5": MOST_ASKED, "1": 20}  # and these are not even asked about
            database.heal()
            until(lambda: httpx.post(**post).status_code == 202, within_s=10)


async def test_a_form_that_does_not_come_to_its_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "OTHER_BODY_S", 0.3)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/login/", "raw_path": b"/login/", "query_string": b"",
        "root_path": "", "headers": [(b"host", b"telara.test")], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    async with asyncio.timeout(5 * BUSY):
        await application(scope, receive, send)
    assert sent[0]["status"] == 408
