"""From the broker's acknowledgement to the WebSocket frame: how long a reading takes to a screen.

    python -m benchmarks.latency [--rate PER_SECOND] [--seconds N]

Starts a web process and a consumer, opens a socket as an analyst who may see everyone, and sends readings of a hundred
people at a steady rate. Runs on the services of the environment, on a database and a topic of its own.
"""

import argparse
import asyncio
import json
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from benchmarks._scratch import Running, Scratch, scratch

PEOPLE = 100
WARM_UP_S = 3


def a_token() -> str:
    """Of an analyst who may see everyone."""
    from django.contrib.auth.models import Permission
    from django.utils import timezone

    from devices.models import User
    from devices.tokens import token_make

    analyst = User.objects.create_user("analyst", password=None)
    analyst.user_permissions.set(Permission.objects.filter(codename="view_all_wearers"))
    return token_make(user=analyst, at=timezone.now(), lifetime=timedelta(hours=1)).secret


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": str(uuid4()),
        "timestamp": datetime.now(UTC).isoformat(),
        "user_id": f"user_{number % PEOPLE:03d}",
        "device_sources": ["apple_watch"],
        "vitals": {"heart_rate": 60 + number % 30, "spo2_percent": 97, "respiratory_rate": 14},
        "activity": {"steps_per_minute": 0, "activity_level": 4, "posture": "seated"},
    }


async def send(topic: str, rate: float, seconds: float) -> dict[str, float]:
    """When (time.time) the broker acknowledged each event, by its id."""
    from confluent_kafka import KafkaError, Message, Producer
    from django.conf import settings

    acknowledged: dict[str, float] = {}

    def note(event_id: str) -> Any:
        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                acknowledged[event_id] = time.time()

        return on_delivery

    producer = Producer({**settings.KAFKA, "partitioner": "murmur2_random", "enable.idempotence": True, "linger.ms": 0})
    began = time.monotonic()
    for number in range(round(rate * seconds)):
        while (ahead := began + number / rate - time.monotonic()) > 0:
            producer.poll(0)
            await asyncio.sleep(min(ahead, 0.001))
        sent = event(number)
        producer.produce(topic, json.dumps(sent), sent["user_id"], on_delivery=note(sent["event_id"]))
    producer.flush(10)
    return acknowledged


async def listen(port: int, token: str, seen: dict[str, float]) -> None:
    """Note when each event comes."""
    from websockets.asyncio.client import connect

    headers = {"Authorization": f"Token {token}"}
    async with connect(f"ws://127.0.0.1:{port}/ws/vitals", additional_headers=headers) as frames:
        async for frame in frames:
            now = time.time()
            message = json.loads(frame)
            if message["type"] == "vital":
                seen.setdefault(message["data"]["event_id"], now)


async def measure(made: Scratch, port: int, token: str, rate: float, seconds: float) -> list[float]:
    """Milliseconds from acknowledgement to frame, of every event that came, and how many did not."""
    seen: dict[str, float] = {}
    listening = asyncio.create_task(listen(port, token, seen))
    await asyncio.sleep(1)
    await send(made.topic, rate, WARM_UP_S)
    acknowledged = await send(made.topic, rate, seconds)
    await asyncio.sleep(2)
    if listening.done():
        listening.result()
    listening.cancel()
    missing = acknowledged.keys() - seen.keys()
    if missing:
        print(f"{len(missing)} of {len(acknowledged)} did not come: a newer one of the same person went before them")
    return sorted(1000 * (seen[each] - at) for each, at in acknowledged.items() if each in seen)


def await_port(port: int, running: Running) -> None:
    deadline = time.time() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.time() > deadline or running.process.poll() is not None:
                raise SystemExit(f"the web process does not serve:\n{running.log.read_text()[-3000:]}") from None
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with scratch() as made:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        web = "-m uvicorn telara.asgi:application --lifespan off --no-access-log --ws-per-message-deflate false"
        consumer = ("manage.py", "run_consumer", "--topics", made.topic, "--group", made.group, "--from", "earliest")
        token = a_token()
        with (
            made.process(*web.split(), f"--port={port}", "--timeout-graceful-shutdown=1") as serving,
            made.process(*consumer) as running,
        ):
            await_port(port, serving)
            running.await_line("consumer.assigned")
            found = asyncio.run(measure(made, port, token, options.rate, options.seconds))
        if not found:
            raise SystemExit(f"no reading came:\n{running.log.read_text()[-2000:]}")
        print(f"{len(found):,} readings at {options.rate:g}/s, from acknowledgement to WebSocket frame")
        for share, name in ((0.5, "median"), (0.99, "99 of 100"), (1.0, "all")):
            print(f"{name:12}{found[min(len(found) - 1, int(share * len(found)))]:10.0f} ms")


if __name__ == "__main__":
    main()
