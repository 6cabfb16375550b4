"""Throttles count each request once, whoever counts beside them, and let come back who waits as told."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache, caches
from django.test import RequestFactory
from rest_framework.request import Request
from rest_framework.views import APIView

from devices.throttles import Anonymous

NOON = 1_800_000_000.0  # the first second of a minute
LIMIT = 6


class Counted(Anonymous):
    """Six a minute."""

    rate = f"{LIMIT}/min"
    at = NOON

    def timer(self) -> float:
        return self.at


@pytest.fixture(autouse=True)
def _nobody_was_here() -> None:
    cache.clear()


def ask(at: float = NOON, address: str = "10.0.0.1") -> tuple[bool, Counted]:
    throttle = Counted()
    throttle.at = at
    request = Request(RequestFactory().get("/", REMOTE_ADDR=address))
    return throttle.allow_request(request, APIView()), throttle


def test_of_requests_at_the_same_moment_no_more_than_the_rate_pass() -> None:
    def ask_and_let_go(_: int) -> bool:
        try:
            return ask()[0]
        finally:
            caches.close_all()

    with ThreadPoolExecutor(16) as many:
        assert sum(many.map(ask_and_let_go, range(100))) == LIMIT


def test_the_end_of_a_minute_is_no_second_chance() -> None:
    assert [ask(NOON + 59)[0] for _ in range(LIMIT)] == [True] * LIMIT
    assert not ask(NOON + 61)[0]
    assert ask(NOON + 115)[0]


@pytest.mark.parametrize("hammered", [1, 1000])
def test_who_waits_as_long_as_told_is_let_in_however_often_they_asked_before(hammered: int) -> None:
    for _ in range(LIMIT + hammered):
        allowed, throttle = ask(NOON + 10)
    assert not allowed
    assert 0 < throttle.wait() <= 60
    assert ask(NOON + 10 + throttle.wait())[0]


def test_each_address_is_counted_by_itself() -> None:
    for _ in range(LIMIT + 1):
        ask()
    assert ask(address="10.0.0.2")[0]
