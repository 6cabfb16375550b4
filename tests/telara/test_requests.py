"""A request has one id and one line."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from telara.requests import request_log


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


def test_it_names_the_request_and_logs_what_came_of_it(log: list[Any]) -> None:
    seen: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(get_contextvars()["request_id"])
        return HttpResponse(status=404)

    answer: Any = request_log(view)(RequestFactory().get("/wearers/u1/?heart_rate=118.40625"))
    assert answer["X-Request-ID"] == seen[0]
    (line,) = log
    assert (line["method"], line["path"], line["status"], line["log_level"]) == ("GET", "/wearers/u1/", 404, "info")
    assert "118.40625" not in str(line)
    assert "request_id" not in get_contextvars()


def test_a_link_tells_its_secret_to_no_log(log: list[Any]) -> None:
    request_log(lambda _: HttpResponse())(RequestFactory().get("/invitation/the-secret/"))
    assert log[0]["path"] == "/invitation/[withheld]"


def test_it_works_on_the_event_loop_too(log: list[Any]) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(get_contextvars()["request_id"])

    async def answered() -> Any:
        return await request_log(view)(AsyncRequestFactory().get("/"))  # type: ignore[misc]

    with ThreadPoolExecutor(1) as thread:  # a browser's test may have left a loop in this one
        answer = thread.submit(asyncio.run, answered()).result()
    assert answer.content.decode() == answer["X-Request-ID"]
    assert len(log) == 1


@pytest.mark.parametrize(
    ("given", "kept"), [("req-12345678", True), ("short", False), ("x" * 65, False), ("evil\tid: 1234", False)]
)
def test_a_callers_id_is_kept_where_it_is_decent(given: str, kept: bool) -> None:
    answer: Any = request_log(lambda _: HttpResponse())(RequestFactory().get("/", headers={"X-Request-ID": given}))
    assert (answer["X-Request-ID"] == given) is kept


@pytest.mark.parametrize("path", ["/health/ready", "/metrics", "/static/app.css"])
def test_probes_and_files_are_quiet(log: list[Any], path: str) -> None:
    request_log(lambda _: HttpResponse())(RequestFactory().get(path))
    assert log[0]["log_level"] == "debug"
