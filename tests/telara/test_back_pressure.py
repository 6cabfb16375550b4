"""Posts while the broker hangs: refused quickly, in bounded memory, and nobody else notices."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.utils import timezone

from devices.tokens import token_make
from ingestion.gate import MOST_POSTS
from ingestion.intake import MAX_BODY, PATIENCE_S
from tests.ingestion.running import until
from tests.ingestion.test_faults import broker, on_broker
from tests.made import make_wearer
from tests.telara.dying import Nursery, Web, nursery

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


def headers() -> dict[str, str]:
    secret = token_make(user=make_wearer(), at=timezone.now(), lifetime=timedelta(hours=1)).secret
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
            took = sorted(seconds for _, seconds in answers)
            assert took[MANY // 2] < PATIENCE_S / 2, took
            assert took[-1] < PATIENCE_S, took
            assert max(pages) < PATIENCE_S / 2, pages
            again, _ = asyncio.run(at_once(web, MANY, content, said))
            assert {answer.status_code for answer, _ in again} == {503}
            assert max(seconds for _, seconds in again) < PATIENCE_S
            assert rss(web.pid) - before < 100 * MIB
            process.send_signal(signal.SIGCONT)
            until(lambda: httpx.post(**post).status_code == 202, within_s=30, every_s=0.5)


def test_a_body_is_not_read_further_than_it_may_be(telara: Nursery) -> None:
    with telara.web() as web:
        for path, most in (("/api/v1/readings/", MAX_BODY), ("/login/", 2 * MIB)):
            sent, answer = endless(web, path)
            assert b" 413 " in answer.split(b"\r\n")[0]
            assert sent < most + 10 * MIB  # what the sockets hold
        said = {"Content-Length": str(10**12)}
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as caller:
            lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
            caller.sendall(f"POST /api/v1/readings/ HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
            assert b" 413 " in caller.recv(1000)


def endless(web: Web, path: str) -> tuple[int, bytes]:
    """A body in chunks that does not end, until the server says something: how much was sent, and the answer."""
    chunk, sent = b"%x\r\n%s\r\n" % (65536, b" " * 65536), 0
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as caller:
        caller.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
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


def test_a_caller_who_hangs_up_leaves_no_room_behind(telara: Nursery) -> None:
    """Neither half a body nor a thread that waits keeps others out for good."""
    with telara.web() as web:
        callers = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(MOST_POSTS)]
        for caller in callers:
            caller.sendall(b"POST /api/v1/readings/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[")
        time.sleep(0.3)
        assert httpx.post(f"{web.url}/api/v1/readings/", content=b"[]").status_code == 503
        for caller in callers:
            caller.close()
        until(lambda: httpx.post(f"{web.url}/api/v1/readings/", content=b"[]").status_code == 401, within_s=5)
