"""Who gets what: every route, every method, every socket, asked by everybody; the table is `access.txt`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client
from rest_framework.views import APIView

from tests.dashboard.sockets import open_socket
from tests.telara.walking import PERSONAS, Answer, World, answer_of, routes, table, walk, world

pytestmark = pytest.mark.slow
TABLE = Path(__file__).with_name("access.txt")
HEADING = f"{'':12} {'':46}" + "".join(f"{name:>9}" for name in PERSONAS)
WALKED: list[Answer] = []


@pytest.fixture
def there(db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(APIView, "throttle_classes", ())
    return world()


@pytest.fixture
def walked(there: World) -> list[Answer]:
    """The walk, once for all tests of this module."""
    if not WALKED:
        WALKED.extend(walk(there))
    return WALKED


def test_everybody_gets_what_the_table_says_and_no_route_is_missing_in_it(walked: list[Answer]) -> None:
    expected = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    assert [HEADING, *table(walked)] == [*(line for line in expected if not line.startswith("WS"))]


@pytest.mark.parametrize("persona", ["outsider", "staff"])
def test_what_is_not_theirs_looks_as_if_it_were_not_there(persona: str, there: World) -> None:
    theirs = [route for route in routes() if any(f"<{name}>" in route for name in ("user_id", "alert_id", "device_id"))]
    assert len(theirs) > 10
    for route in theirs:
        for method in ("GET", "POST"):
            here, nowhere = (there.ask(persona, method, route, of=of) for of in (there.here, there.nowhere))
            assert answer_of(here) == answer_of(nowhere), (method, route)
            assert _without_ids(here.content, there.here) == _without_ids(nowhere.content, there.nowhere), route


def test_an_export_holds_nobody_whom_they_may_not_see(there: World) -> None:
    for route in ("/api/v1/alerts/", "/api/v1/wearers/", "/api/v1/devices/", "/", "/wearers/", "/alerts/"):
        assert b"user_001" in there.ask("analyst", "GET", route).content, route
        for persona in ("outsider", "staff"):
            assert b"user_001" not in there.ask(persona, "GET", route).content, (persona, route)


def test_every_answer_has_its_headers(walked: list[Answer]) -> None:
    for each in walked:
        lacking = [name for name, right in HEADERS.items() if not right(each.headers.get(name, ""))]
        assert not lacking, f"{each.method} {each.route} to {each.persona}: {lacking}"


def test_error_pages_have_them_too(there: World, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("dashboard.desk.views.read_query", bug)
    answers = [there.ask("analyst", "GET", "/alerts/"), there.ask("analyst", "GET", "/nowhere/")]
    settings.ALLOWED_HOSTS = ["telara.test"]
    answers.append(Client().get("/", headers={"Host": "evil.test"}))
    answers.append(Client(enforce_csrf_checks=True).post("/login/", headers={"Host": "telara.test"}))
    assert [answer.status_code for answer in answers] == [500, 404, 400, 403]
    for answer in answers:
        assert [name for name, right in HEADERS.items() if not right(answer.headers.get(name, ""))] == []


def _is_strict(policy: str) -> bool:
    directives = dict(part.split(" ", 1) for part in policy.split("; ") if part)
    locked = all(directives.get(name) == "'none'" for name in ("default-src", "base-uri", "frame-ancestors"))
    mine = all(directives.get(name) == "'self'" for name in ("script-src", "style-src", "connect-src", "form-action"))
    return locked and mine and "unsafe" not in policy and "http" not in policy


HEADERS: dict[str, Callable[[str], bool]] = {
    "Content-Security-Policy": _is_strict,
    "X-Content-Type-Options": "nosniff".__eq__,
    "Referrer-Policy": ("same-origin", "no-referrer").__contains__,
    "X-Frame-Options": "DENY".__eq__,
    "Cross-Origin-Opener-Policy": "same-origin".__eq__,
    "Cross-Origin-Resource-Policy": "same-origin".__eq__,
    "Permissions-Policy": lambda value: "camera=()" in value and "geolocation=()" in value,
    "Cache-Control": lambda value: "no-store" in value and "private" in value,
}


def _without_ids(content: bytes, of: dict[str, str]) -> bytes:
    for value in of.values():
        content = content.replace(value.encode(), b"ID") if len(value) > 5 else content
    return re.sub(rb'(csrfmiddlewaretoken" value="|csrf-token" content=")[^"]+|"X-CSRFToken": "[^"]+', b"", content)


@pytest.mark.django_db(transaction=True)
async def test_sockets_open_to_whom_the_table_says() -> None:
    there = await sync_to_async(world)()
    lines = []
    for query in ("", "?user_id=user_001", "?user_id=user_001&alerts=all", "?user_id=user_999"):
        said = [await _socket(there, persona, query) for persona in PERSONAS]
        lines.append(f"{'WS':12} {'/ws/vitals' + query:46}" + "".join(f"{each:>9}" for each in said))
    await sync_to_async(connections.close_all)()  # those of the threads in which sockets read the database
    assert lines == [line for line in TABLE.read_text().splitlines() if line.startswith("WS")]


async def _socket(there: World, persona: str, query: str) -> str:
    token = there.device_token if persona == "device" else ""
    socket = open_socket(session=there.sessions.get(persona, ""), token=token, query=query)
    assert await socket.connect()
    first = await socket.receive_output(5)
    if first["type"] == "websocket.close":
        return str(first["code"])
    await socket.disconnect()
    return "open"
