"""A flood of late readings: how soon it is judged, and what the live ones feel of it.

    python -m benchmarks.late [--readings N] [--people N]

Everybody has three hours of readings, and goes on, one reading a second; then hours of another device arrive at once.
The delay is how far the newest stored reading lies behind the clock. Runs on the services of the environment, on a
database and a topic of its own.
"""

import argparse
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

from benchmarks._scratch import Running, Scratch, await_stored, scratch, send

HISTORY = timedelta(hours=3)
HISTORY_EVERY = timedelta(seconds=10)
CALM_S = 10


def event(user: int, at: datetime, rate: float) -> tuple[str, bytes]:
    name = f"user_{user:04d}"
    body = {
        "event_id": str(uuid4()),
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "user_id": name,
        "vitals": {"heart_rate": rate, "spo2_percent": 97, "respiratory_rate": 14, "hrv_ms": 40},
        "activity": {"steps_per_minute": 0, "activity_level": 4},
    }
    return name, json.dumps(body).encode()


def history(people: int, until: datetime) -> Iterator[tuple[str, bytes]]:
    """Everybody at rest, in order of time."""
    for step in range(HISTORY // HISTORY_EVERY):
        at = until - HISTORY + step * HISTORY_EVERY
        for user in range(people):
            yield event(user, at + timedelta(milliseconds=user), 66 + (step + user) % 7)


def flood(people: int, count: int, until: datetime) -> list[tuple[str, bytes]]:
    """What the other device saw of two of these hours: now and then a racing heart."""
    random, each = Random(3), count // people  # noqa: S311  # no secret
    found = []
    for user in range(people):
        racing = random.uniform(0.1, 0.9)
        for number in range(each):
            share = number / each
            at = until - timedelta(minutes=150) + share * timedelta(hours=2)
            found.append(event(user, at, 130 if abs(share - racing) < 0.05 else 72))
    return found


class Live:
    """A reading a second of everybody, until it is told to stop; and how far the stored ones lie behind."""

    def __init__(self, made: Scratch, people: int) -> None:
        self._topic, self._people = made.topic, people
        self._stopping = threading.Event()
        self.sent = 0
        self.delays: list[tuple[float, float]] = []  # when, and seconds

    def send(self) -> None:
        from confluent_kafka import Producer
        from django.conf import settings

        producer = Producer({**settings.KAFKA, "partitioner": "murmur2_random", "linger.ms": 0})
        began = time.monotonic()
        while not self._stopping.is_set():
            key, value = event(self.sent % self._people, datetime.now(UTC), 75)
            producer.produce(self._topic, value, key)
            producer.poll(0)
            self.sent += 1
            time.sleep(max(0.0, began + self.sent / self._people - time.monotonic()))
        producer.flush(10)

    def watch(self) -> None:
        from django.db import connection

        newest = (
            "SELECT max((SELECT max(recorded_at) FROM devices_reading r WHERE r.user_id = u.id)) FROM devices_user u"
        )
        while not self._stopping.is_set():
            with connection.cursor() as cursor:
                cursor.execute(newest)
                (at,) = cursor.fetchone()
            now = datetime.now(UTC)
            self.delays.append((now.timestamp(), (now - at).total_seconds()))
            time.sleep(0.02)
        connection.close()

    def __enter__(self) -> "Live":
        self._threads = [threading.Thread(target=each) for each in (self.send, self.watch)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def await_judged(running: Running) -> float:
    """When (time.time) nothing late waits any more."""
    from ingestion.models import LateStretch

    while LateStretch.objects.exists():
        if running.process.poll() is not None:
            raise SystemExit(f"the consumer ended:\n{running.log.read_text()[-3000:]}")
        time.sleep(0.02)
    return time.time()


def say(name: str, delays: list[float]) -> None:
    ordered = sorted(delays)
    at = [1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99, 1.0)]
    print(f"delay {name:22}{at[0]:8.0f} ms median {at[1]:8.0f} ms 99 of 100 {at[2]:8.0f} ms at most")


def run(made: Scratch, people: int, count: int) -> None:
    from django.conf import settings

    from alerts.models import Alert

    now = datetime.now(UTC)
    consumer = ("manage.py", "run_consumer", "--topics", made.topic, "--group", made.group)
    with made.process(*consumer) as running:
        running.await_line("consumer.assigned")
        past = list(history(people, now - timedelta(seconds=5)))
        send(made.topic, past, settings.KAFKA)
        await_stored([running], made.topic, len(past))
        late = flood(people, count, now)
        with Live(made, people) as live:
            time.sleep(CALM_S)
            began = time.time()
            send(made.topic, late, settings.KAFKA)
            stored = await_stored([running], made.topic, len(past) + len(late) + live.sent - people)
            judged = await_judged(running)
            time.sleep(1)
    calm = [delay for at, delay in live.delays if began - CALM_S + 2 < at < began]
    busy = [delay for at, delay in live.delays if began < at < judged]
    print(f"{len(late):,} late readings of {people} people, {people} live readings/s beside them")
    print(f"stored after {stored - began:16.2f} s")
    print(f"judged after {judged - began:16.2f} s")
    say("before", calm)
    say("meanwhile", busy)
    told = Counter(Alert.objects.standing().values_list("alert_type", "quiet"))
    print(
        "alerts: "
        + ", ".join(f"{count} {name}{' quiet' if quiet else ' loud'}" for (name, quiet), count in told.items())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--readings", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=100)
    options = parser.parse_args()
    with scratch() as made:
        run(made, options.people, options.readings)


if __name__ == "__main__":
    main()
