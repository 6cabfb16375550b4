"""A consumer process of a test's own, and what the test sends it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from django.conf import settings
from django.db import connections

from telara.embedded.needs import VARIABLES
from tests.patience import BUSY

ROOT = Path(__file__).resolve().parents[2]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def make_topic(*, partitions: int = 4, **config: str) -> str:
    """A topic of one test alone. The embedded broker makes its own, with four partitions."""
    name = f"test-{uuid4().hex[:12]}"
    admin = AdminClient(dict(settings.KAFKA))
    if settings.TELARA_KAFKA_EMBEDDED:
        admin.list_topics(name, timeout=10)
    else:
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(10)
    return name


def make_group(*, session_s: int = 2) -> str:
    """A group of one test alone, in which a killed member is given up after `session_s` (embedded: the broker's)."""
    name = f"test-{uuid4().hex[:12]}"
    if not settings.TELARA_KAFKA_EMBEDDED:
        patience = {"consumer.session.timeout.ms": session_s * 1000, "consumer.heartbeat.interval.ms": 500}
        entries = [
            ConfigEntry(key, str(value), incremental_operation=AlterConfigOpType.SET) for key, value in patience.items()
        ]
        group = ConfigResource(ResourceType.GROUP, name, incremental_configs=entries)
        admin = AdminClient(dict(settings.KAFKA))
        admin.incremental_alter_configs([group])[group].result(10)
    return name


def events(count: int, *, people: int = 5, start: datetime | None = None) -> list[dict[str, Any]]:
    """Readings of some people, one a millisecond, the last of them now: ordinary ones, that no rule minds."""
    first = start or datetime.now(UTC) - timedelta(milliseconds=count)
    return [
        {
            "event_id": str(uuid4()),
            "timestamp": (first + timedelta(milliseconds=number)).isoformat(),
            "user_id": f"person_{number % people}",
            "vitals": {"heart_rate": 72},
        }
        for number in range(count)
    ]


def send(topic: str, messages: Iterable[dict[str, Any] | bytes]) -> None:
    """Every message acknowledged by the broker, or an error."""
    refused: list[Any] = []
    limits = {"message.max.bytes": 20_000_000, "enable.idempotence": True}
    producer = Producer({**settings.KAFKA, "partitioner": "murmur2_random", **limits})
    for message in messages:
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        key = "nobody" if isinstance(message, bytes) else message["user_id"]
        producer.produce(topic, raw, key, on_delivery=lambda error, _: refused.append(error) if error else None)
    assert producer.flush(30) == 0
    assert not refused


def send_to(topic: str, partition: int, messages: Iterable[dict[str, Any]]) -> None:
    """As `send`, to a partition that the sender chose."""
    producer = Producer(dict(settings.KAFKA))
    for message in messages:
        producer.produce(topic, json.dumps(message).encode(), message["user_id"], partition=partition)
    assert producer.flush(30) == 0


@dataclass
class Running:
    """`manage.py run_consumer`, and the lines it wrote."""

    process: subprocess.Popen[bytes]
    output: Path

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """Its log, or the lines of one event."""
        found = [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]
        return [line for line in found if not event or line["event"] == event]

    def cpu_s(self) -> float:
        """Seconds of processor time that it has used."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S

    def stop(self, *, within_s: float = 20.0) -> int:
        """SIGTERM; the exit code. Raises TimeoutExpired where it takes longer than promised, on a busy machine."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(within_s)

    def wait(self, seconds: float) -> int:
        """Until it ends by itself; the exit code."""
        return self.process.wait(BUSY * seconds)


@contextmanager
def consumer(
    folder: Path, *arguments: str, program: tuple[str, ...] = ("manage.py", "run_consumer"), **environment: str
) -> Any:
    """A consumer on the test's database, or what a test runs as one, ended when the block is left."""
    output = folder / f"consumer-{uuid4().hex[:6]}.log"
    command = [sys.executable, *program, *arguments]
    with output.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=environment_of(**environment), stdout=stream, stderr=stream)
    try:
        yield Running(process, output)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def environment_of(**named: str) -> dict[str, str]:
    """The environment of a process of Telara on the test's database, and on what is named.

    No command may take an embedded service in the place of one that the test names.
    """
    taken = {"DATABASE_URL", *named}
    embedded = [
        name for name in os.environ.get("TELARA_EMBEDDED", "").split(",") if VARIABLES.get(name, "") not in taken
    ]
    ours = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "telara.settings"}
    return os.environ | ours | {"TELARA_EMBEDDED": ",".join(filter(None, embedded))} | named


def database_url(*, port: int | None = None) -> str:
    """The test's database, or what passes for it on a port of this machine."""
    params = connections["default"].get_connection_params()
    login = quote(params["user"]) + (f":{quote(params['password'])}" if params.get("password") else "")
    host = str(params.get("host") or "127.0.0.1")
    if port is None and host.startswith("/"):
        return f"postgres://{login}@/{params['dbname']}?host={quote(host)}&port={params.get('port', 5432)}"
    where = f"127.0.0.1:{port}" if port else f"{host}:{params.get('port', 5432)}"
    return f"postgres://{login}@{where}/{params['dbname']}"


def until(true: Callable[[], object], *, within_s: float, every_s: float = 0.1) -> None:
    """Wait for it; raises AssertionError when time is up, a busy machine's."""
    deadline = time.monotonic() + BUSY * within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {BUSY} times {within_s} s"
        time.sleep(every_s)


def assert_calm(running: Running, seconds: float) -> None:
    """It lives, and uses less than a fifth of a processor."""
    before = running.cpu_s()
    time.sleep(seconds)
    assert running.process.poll() is None
    assert running.cpu_s() - before < seconds * 0.2
