"""What the benchmarks of the way to a screen share: a web process, readings at a steady rate, sockets that listen."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from benchmarks._scratch import PARTITIONS, Running, Scratch

SHARES = ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"), (1.0, "all"))


@dataclass(frozen=True)
class Web:
    """A web process that serves."""

    port: int
    running: Running


@contextmanager
def web(made: Scratch) -> Iterator[Web]:
    """One web process, started as the demo and the image start it."""
    from telara.processes import UVICORN

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with made.process(*UVICORN.split(), f"--port={port}", "--timeout-graceful-shutdown=1") as running:
        _await_port(port, running)
        yield Web(port, running)


def _await_port(port: int, running: Running) -> None:
    deadline = time.time() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.time() > deadline or running.process.poll() is not None:
                raise SystemExit(f"the web process does not serve:\n{running.log.read_text()[-3000:]}") from None
            time.sleep(0.1)


@contextmanager
def consumer(made: Scratch, *, start: str = "latest") -> Iterator[Running]:
    """A stream worker that has its partitions."""
    command = ("manage.py", "run_consumer", "--topics", made.topic, "--group", made.group, "--from", start)
    with made.process(*command) as running:
        running.await_line("consumer.assigned")
        yield running


def tokens(names: Sequence[str], *, see_all: bool) -> list[str]:
    """A key of each of these people, who are made where they are missing: wearers, or analysts who see everyone."""
    from django.contrib.auth.models import Permission
    from django.utils import timezone

    from devices.models import User
    from devices.tokens import token_make

    User.objects.bulk_create((User(username=name, is_wearer=not see_all) for name in names), ignore_conflicts=True)
    found = User.objects.in_bulk(names, field_name="username")
    if see_all:
        everyone = Permission.objects.get(codename="view_all_wearers")
        for user in found.values():
            user.user_permissions.add(everyone)
    return [token_make(user=found[name], at=timezone.now(), lifetime=timedelta(hours=1)).secret for name in names]


def names(people: int) -> list[str]:
    return [f"user_{number:05d}" for number in range(people)]


# An event's id says when it was sent: microseconds since 1970 in its first 16 digits, and who.


def id_of(micros: int, number: int) -> str:
    return str(UUID(int=micros << 64 | number))


@dataclass
class Sent:
    """What went out: when (microseconds since 1970) each was acknowledged, by its own microsecond."""

    acknowledged: dict[int, int]
    took_s: float


def send_steadily(made: Scratch, *, rate: float, seconds: float, people: int) -> Sent:
    """Readings of `people` in turn, evenly spread, each acknowledged by the broker."""
    from confluent_kafka import KafkaError, Message, Producer
    from django.conf import settings

    acknowledged: dict[int, int] = {}

    def note(micros: int) -> Any:
        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                acknowledged[micros] = time.time_ns() // 1000

        return on_delivery

    producer = Producer({**settings.KAFKA, "partitioner": "murmur2_random", "enable.idempotence": True, "linger.ms": 0})
    who, random = names(people), Random(1)  # noqa: S311  # no secret
    rest = [_rest(random) for _ in range(people)]
    began, last = time.monotonic(), 0
    for number in range(round(rate * seconds)):
        while (ahead := began + number / rate - time.monotonic()) > 0:
            producer.poll(0)
            time.sleep(min(ahead, 0.001))
        last = max(last + 1, time.time_ns() // 1000)  # no two at the same microsecond
        person = number % people
        event = _event(last, number, who[person], rest[person])
        producer.produce(made.topic, event, who[person], on_delivery=note(last))
        if not number % 100:
            producer.poll(0)
    took = time.monotonic() - began
    producer.flush(10)
    return Sent(acknowledged, took)


def await_caught_up(made: Scratch, running: Running, *, within_s: float = 120) -> None:
    """Until the stream worker has stored all that the topic holds."""
    from confluent_kafka import Consumer, TopicPartition
    from django.conf import settings
    from django.db import connection

    asking = Consumer({**settings.KAFKA, "group.id": f"{made.group}-asking"})
    partitions = [TopicPartition(made.topic, number) for number in range(PARTITIONS)]
    deadline = time.time() + within_s
    while True:
        waiting = sum(asking.get_watermark_offsets(each, timeout=10)[1] for each in partitions)
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(next_offset) FROM ingestion_partitionledger WHERE topic = %s", [made.topic])
            if (cursor.fetchone()[0] or 0) >= waiting:
                asking.close()
                return
        if running.process.poll() is not None or time.time() > deadline:
            raise SystemExit(f"the stream worker does not catch up:\n{running.log.read_text()[-3000:]}")
        time.sleep(0.1)


def _rest(random: Random) -> str:
    """What of a person's event does not change."""
    vitals = {"heart_rate": random.randrange(60, 90), "spo2_percent": 97, "respiratory_rate": 14, "hrv_ms": 45,
              "skin_temp_c": 33.4}  # fmt: skip
    activity = {"steps_per_minute": 0, "activity_level": 4, "posture": "seated"}
    return json.dumps({"device_sources": ["apple_watch"], "vitals": vitals, "activity": activity})[1:]


def _event(micros: int, number: int, user_id: str, rest: str) -> str:
    at = datetime.fromtimestamp(micros / 1e6, UTC).isoformat()
    return f'{{"event_id":"{id_of(micros, number)}","timestamp":"{at}","user_id":"{user_id}",{rest}'


@contextmanager
def listeners(made: Scratch, port: int, wanted: Sequence[tuple[str, str]]) -> Iterator[Running]:
    """A process with a socket for each of (query, token): it says `open` when all have had their first status, and
    writes down what comes until it is ended."""
    spec = Path(f"/tmp/{made.topic}-{len(made.logs)}.json")  # noqa: S108  # its name is made up
    spec.write_text(json.dumps(wanted))
    made.logs.append(spec)
    with made.process("-m", "benchmarks._listeners", str(port), str(spec)) as running:
        yield running


@dataclass(frozen=True)
class Heard:
    """What the listeners wrote down: of each vital its microsecond, and how old it was when it came (us)."""

    opened_s: float
    micros: list[int]
    ages: list[int]
    frames: int
    closed: dict[str, int]


def heard(running: Running, *, from_micros: int) -> Heard:
    """End the listeners and read what they heard of the vitals sent from that microsecond on."""
    running.process.terminate()
    running.process.wait(30)
    line = next(line for line in running.log.read_text().splitlines() if line.startswith("{"))
    found = json.loads(line)
    kept = [(sent, age) for sent, age in zip(found["micros"], found["ages"], strict=True) if sent >= from_micros]
    micros, ages = [sent for sent, _ in kept], [age for _, age in kept]
    return Heard(found["opened_s"], micros, ages, found["frames"], found["closed"])


def at_share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def say_shares(milliseconds: list[float]) -> None:
    if not milliseconds:
        raise SystemExit("no reading came")
    ordered = sorted(milliseconds)
    print("  ".join(f"{name} {at_share(ordered, share):,.0f} ms" for share, name in SHARES))
