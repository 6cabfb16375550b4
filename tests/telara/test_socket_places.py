"""One person's sockets are bounded over all web processes, and a process that is killed takes no place with it."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from dashboard.live import places
from devices.models import User
from devices.tokens import token_make
from tests.chaos.attended import redis_url
from tests.ingestion.running import until
from tests.made import make_user, make_wearer
from tests.telara.dying import Nursery, Web, nursery, serve_web
from tests.telara.proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MOST = 3
LEASE_S = 6  # a process that a busy machine keeps waiting has not gone


def serve(port: int) -> None:
    """A web process whose leases are short."""
    places.LEASE_S, places.RENEW_S = LEASE_S, 0.25
    serve_web(port)


@pytest.fixture(scope="module")
def telara(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery"), TELARA_SOCKETS_PER_PERSON=str(MOST)) as made:
        yield made


@contextmanager
def web(telara: Nursery, **settings: str) -> Iterator[Web]:
    """Killed at the end, if it was not before."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Web(port, telara.start("tests.telara.test_socket_places.serve", port, **settings))
    until(made.is_open, within_s=20)
    try:
        yield made
    finally:
        os.kill(made.pid, signal.SIGKILL)
        telara.end(made.pid)


class Person:
    """Somebody who opens sockets and lets none go, until told."""

    def __init__(self, user: User, acts: ExitStack) -> None:
        self._token = token_make(user=user, at=timezone.now(), lifetime=timedelta(hours=1)).secret
        self.places = f"{settings.TELARA_LIVE_PREFIX}:sockets:{user.pk}:all"
        self._acts = acts

    def opens(self, web: Web, query: str = "") -> ClientConnection | Close | None:
        """The socket once its first frame is there, or what it was closed with."""
        said = {"Authorization": f"Token {self._token}"}
        address = f"ws://127.0.0.1:{web.port}/ws/vitals{query}"
        made = self._acts.enter_context(connect(address, additional_headers=said))
        try:
            made.recv(timeout=10)
        except ConnectionClosedError as closed:
            return closed.rcvd
        return made

    def is_let_in(self, web: Web) -> bool:
        return isinstance(self.opens(web), ClientConnection)


def leases(person: Person) -> list[float]:
    """When those of their sockets that show everybody end."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        return [ends for _, ends in redis.zrange(person.places, 0, -1, withscores=True)]


def test_the_fourth_of_three_is_refused_wherever_they_are_and_the_places_of_the_killed_become_free(
    telara: Nursery,
) -> None:
    wearer = make_wearer()
    with ExitStack() as acts:
        one, two = acts.enter_context(web(telara)), acts.enter_context(web(telara))
        alice = Person(make_user("alice", watches=(wearer,)), acts)
        assert alice.is_let_in(one)
        assert alice.is_let_in(one)
        third = alice.opens(two)
        assert isinstance(third, ClientConnection)
        ends = leases(alice)
        until(lambda: min(leases(alice)) > max(ends), within_s=LEASE_S)  # each renews its leases
        for each in (one, two):
            assert alice.opens(each) == Close(4429, "too many sockets of one person")
        assert isinstance(alice.opens(two, f"?user_id={wearer.username}"), ClientConnection)
        assert Person(make_user("bob"), acts).is_let_in(two)
        third.close()
        until(lambda: alice.is_let_in(two), within_s=LEASE_S - 1)
        os.kill(one.pid, signal.SIGKILL)
        assert not alice.is_let_in(two)
        until(lambda: alice.is_let_in(two), within_s=LEASE_S + 2)


def test_while_redis_hangs_a_process_counts_its_own(telara: Nursery) -> None:
    url = urlsplit(settings.REDIS_URL)
    with ExitStack() as acts:
        redis = acts.enter_context(Proxy(url.hostname or "127.0.0.1", url.port or 6379))
        only = acts.enter_context(web(telara, REDIS_URL=redis_url(redis)))
        alice = Person(make_user("alice"), acts)
        assert alice.is_let_in(only)
        redis.hang()
        assert alice.is_let_in(only)
        assert alice.is_let_in(only)
        assert not alice.is_let_in(only)
