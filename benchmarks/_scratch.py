"""What a benchmark runs on: a database, a topic and processes of its own, gone when it is over."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from telara.embedded import tether
from telara.embedded.needs import VARIABLES, services_unset

ROOT = Path(__file__).resolve().parent.parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PARTITIONS = 4
ASKED_EVERY_S = 0.02


def require_services() -> None:
    """Leave the environment ready for Django; end the process where it does not name every service.

    The embedded ones will not do: the broker holds too little, and processes that we start would take the checkout's
    database in the place of ours.
    """
    embedded = services_unset(os.environ)
    unnamed = [name for service, name in VARIABLES.items() if service in embedded or not os.environ.get(name)]
    if unnamed:
        names = ", ".join(unnamed)
        sys.stderr.write(f'{names}: not named. This runs on real services: eval "$(.ci/services start)"\n')
        sys.exit(2)
    os.environ.setdefault("SECRET_KEY", "of the benchmarks, where all services are named")
    os.environ.setdefault("LOG_LEVEL", "INFO")
    os.environ["DJANGO_SETTINGS_MODULE"] = "telara.settings"


@dataclass
class Scratch:
    """The topic, the group, and the environment in which processes find the database."""

    topic: str = field(default_factory=lambda: f"bench-{uuid4().hex[:10]}")
    group: str = field(default_factory=lambda: f"bench-{uuid4().hex[:10]}")
    logs: list[Path] = field(default_factory=list)

    @contextmanager
    def process(self, *arguments: str, **environ: str) -> Iterator["Running"]:
        """Python with these arguments, its output in a file; ended when the block is left."""
        log = Path(f"/tmp/{self.topic}-{len(self.logs)}.log")  # noqa: S108  # its name is made up
        self.logs.append(log)
        with log.open("wb") as stream:
            command = tether.command([sys.executable, *arguments], death_signal=signal.SIGTERM)
            process = subprocess.Popen(  # noqa: S603
                command, cwd=ROOT, env=os.environ | environ, stdout=stream, stderr=stream
            )
        try:
            yield Running(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@dataclass(frozen=True)
class Running:
    process: "subprocess.Popen[bytes]"
    log: Path

    def await_line(self, text: str, *, within_s: float = 60) -> float:
        """When (time.time) the text first stands in its output."""
        deadline = time.time() + within_s
        while text not in self.log.read_text():
            if time.time() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{text!r} was not said:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.01)
        return time.time()

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S

    def rss_kb(self) -> int:
        """The memory that it holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def peak_mb(self) -> float:
        """The most memory it ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _leave(number: int, _frame: object) -> None:
    """Told to end: what was started ends too, and what was made goes."""
    sys.exit(128 + number)


def await_stored(running: Sequence[Running], topic: str, count: int) -> float:
    """When (time.time) the ledger says that all is stored. It is asked seldom while much is left: that costs time."""
    began, before = time.time(), None
    while (stored := stored_of(topic)) < count:
        for each in running:
            if each.process.poll() is not None:
                raise SystemExit(f"a stream worker ended:\n{each.log.read_text()[-3000:]}")
        before = stored if before is None else before
        left_s = (count - stored) * (time.time() - began) / (stored - before) if stored > before else 0.0
        time.sleep(min(max(left_s / 2, ASKED_EVERY_S), 1.0))
    return time.time()


def stored_of(topic: str) -> int:
    """How many messages of a topic the ledger says are stored."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(next_offset) FROM ingestion_partitionledger WHERE topic = %s", [topic])
        return int(cursor.fetchone()[0] or 0)


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Django set up on a new database with the default rules on, and a topic."""
    require_services()
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _leave)
    if "MAKELEVEL" in os.environ and sys.platform == "linux":  # what ends make ends its shell, and would leave us
        ctypes.CDLL(None).prctl(tether.PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    before = os.environ["DATABASE_URL"]
    name = f"telara_bench_{uuid4().hex[:8]}"
    _sql(before, f"CREATE DATABASE {name}")
    url = urlsplit(before)
    os.environ["DATABASE_URL"] = urlunsplit(url._replace(path=f"/{name}"))
    made = Scratch()
    try:
        _prepare(made)
        yield made
    finally:
        _drop(made, before, name)


def _prepare(made: Scratch) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("load_rules", stdout=StringIO())
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic
    from django.conf import settings

    admin = AdminClient(dict(settings.KAFKA))
    topic = NewTopic(made.topic, PARTITIONS, 1, config={"message.timestamp.type": "LogAppendTime"})
    admin.create_topics([topic])[made.topic].result(20)


def _drop(made: Scratch, before: str, name: str) -> None:
    from confluent_kafka.admin import AdminClient
    from django.conf import settings
    from django.db import connections

    connections.close_all()
    admin = AdminClient(dict(settings.KAFKA))  # held: without it the answer never comes
    admin.delete_topics([made.topic])[made.topic].result(20)
    _sql(before, f"DROP DATABASE {name} WITH (FORCE)")
    for log in made.logs:
        log.unlink(missing_ok=True)


def _sql(url: str, statement: str) -> None:
    import psycopg2

    connection = psycopg2.connect(url.replace("postgres://", "postgresql://"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def send(topic: str, messages: Iterable[tuple[str, bytes]], kafka: Mapping[str, str]) -> None:
    """All of them, keyed by person, acknowledged; as fast as the broker takes them."""
    from confluent_kafka import Producer

    config = {"partitioner": "murmur2_random", "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"}
    producer = Producer({**kafka, **config})
    for number, (key, value) in enumerate(messages):
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise SystemExit("the broker did not acknowledge the messages")
