"""One consumer for many scenarios, each on a topic and with people of its own: so a fault costs no start."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connections

from tests.chaos.invariants import SETTLES_S, assert_whole
from tests.chaos.screen import Screen
from tests.chaos.stage import SMALL, Stage
from tests.chaos.wire import Line
from tests.ingestion.running import Running, consumer, database_url, make_group, until
from tests.telara.proxy import Proxy

POOL = 16
CONVERGES_S = 12.0  # a page that missed something


@dataclass
class Attended:
    """The consumer, behind lines to PostgreSQL and Redis that can break, and the stages that are not played yet."""

    folder: Path
    database: Line
    redis: Proxy
    group: str
    topics: list[str]
    waiting: list[Stage]
    acts: ExitStack = field(default_factory=ExitStack)
    running: Running | None = None
    page: Screen | None = None

    @contextmanager
    def scene(self, *, is_repeated: bool = True, settles_s: float = SETTLES_S) -> Iterator[Stage]:
        """What is sent and done in the block leaves everything whole, the consumer alive, and a page that is open as
        the database is."""
        stage = next(stage for stage in self.waiting if stage.is_repeated == is_repeated)
        self.consumer()
        self.waiting.remove(stage)
        try:
            try:
                yield stage
            finally:
                self.database.heal()
                self.redis.heal()
            assert_whole(stage, settles_s=settles_s)
            assert self.running is not None
            assert self.running.process.poll() is None
            if (page := self.page) is not None:
                until(lambda: page.shows(stage), within_s=CONVERGES_S)
        except AssertionError as error:
            if self.running is not None:
                error.add_note(f"the consumer said at last:\n{self.running.output.read_text()[-3000:]}")
            raise

    def consumer(self) -> Running:
        """It, started again where a scenario before had it die."""
        if self.running is None or self.running.process.poll() is not None:
            wanted = ("--topics", *self.topics, "--group", self.group)
            running: Running = self.acts.enter_context(consumer(self.folder, *wanted, **SMALL | self.lines()))
            until(lambda: running.lines("consumer.assigned"), within_s=60)
            self.running = running
        return self.running

    def lines(self) -> dict[str, str]:
        """The environment of a process behind the same lines."""
        return {"DATABASE_URL": database_url(port=self.database.port), "REDIS_URL": redis_url(self.redis)}

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log of that event."""
        return self.consumer().lines(event)


@contextmanager
def attending(folder: Path) -> Iterator[Attended]:
    """Ended when the block is left."""
    params: dict[str, Any] = connections["default"].get_connection_params()
    url = urlsplit(settings.REDIS_URL)
    group = make_group(session_s=2)
    stages = [Stage(folder, partitions=2, is_repeated=number % 4 > 0, group=group) for number in range(POOL)]
    with (
        Line(params["host"], int(params["port"])) as database,
        Proxy(url.hostname or "127.0.0.1", url.port or 6379) as redis,
        ExitStack() as acts,
    ):
        yield Attended(folder, database, redis, group, [stage.topic for stage in stages], stages, acts)


def redis_url(proxy: Proxy) -> str:
    url = urlsplit(settings.REDIS_URL)
    where = f"127.0.0.1:{proxy.port}"
    return urlunsplit(url._replace(netloc=f":{url.password}@{where}" if url.password else where))
