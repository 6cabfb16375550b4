"""What the consumer does while the services it needs are away: it waits, says so, and loses and doubles nothing."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from devices.models import Reading
from ingestion.models import PartitionLedger, QuarantinedMessage
from tests.ingestion.running import assert_calm, consumer, database_url, events, make_group, make_topic, send, until
from tests.made import make_installation
from tests.telara.proxy import Proxy

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def installed() -> None:
    """What the flush after another test took away."""
    make_installation()


@pytest.fixture
def topic() -> str:
    return make_topic()


@pytest.fixture
def database() -> Iterator[Proxy]:
    params: dict[str, Any] = connections["default"].get_connection_params()
    host, port = str(params.get("host") or "127.0.0.1"), int(params.get("port") or 5432)
    with Proxy(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else host, port) as proxy:
        yield proxy


def stored() -> set[UUID]:
    return set(Reading.objects.values_list("event_id", flat=True))


def assert_once(topic: str, sent: list[dict[str, Any]]) -> None:
    """Each reading is stored, none twice, none elsewhere, and the ledger has counted all of them."""
    assert stored() == {UUID(event["event_id"]) for event in sent}
    assert Reading.objects.count() == len(sent)
    assert not QuarantinedMessage.objects.filter(topic=topic).exists()
    assert sum(row.next_offset for row in PartitionLedger.objects.filter(topic=topic)) == len(sent)


def test_a_broker_nobody_runs_is_named_and_tried_again_without_spinning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
    with consumer(tmp_path, KAFKA_BOOTSTRAP_SERVERS=nowhere) as running:
        until(lambda: running.lines("kafka.away"), within_s=30)
        assert running.lines("kafka.away")[0]["bootstrap_servers"] == nowhere
        assert_calm(running, 8)
        assert len(running.lines()) < 60
        assert running.stop() == 0


def test_a_database_that_is_away_at_the_start_is_waited_for(tmp_path: Path, topic: str, database: Proxy) -> None:
    sent = events(100)
    send(topic, sent)
    database.cut()
    arguments = ("--topics", topic, "--group", make_group())
    with consumer(tmp_path, *arguments, DATABASE_URL=database_url(port=database.port)) as running:
        time.sleep(8)
        assert running.process.poll() is None
        database.heal()
        until(lambda: Reading.objects.count() == len(sent), within_s=60)
        assert running.stop() == 0
    assert_once(topic, sent)


@pytest.mark.parametrize("fault", ["cut", "hang"])
def test_it_stops_in_time_while_the_database_is_away(tmp_path: Path, topic: str, database: Proxy, fault: str) -> None:
    arguments = ("--topics", topic, "--group", make_group())
    sent = events(50)
    send(topic, sent)
    with consumer(tmp_path, *arguments, DATABASE_URL=database_url(port=database.port)) as running:
        until(lambda: Reading.objects.count() == len(sent), within_s=60)
        getattr(database, fault)()
        more = events(50)
        send(topic, more)
        time.sleep(3)
        assert running.stop(within_s=20) == 0
    with consumer(tmp_path, *arguments, "--until-caught-up") as running:
        assert running.wait(90) == 0
    assert_once(topic, sent + more)


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
def test_it_stops_in_time_while_the_broker_is_away(tmp_path: Path, fault: signal.Signals) -> None:
    with broker() as process, consumer(tmp_path, **on_broker(process)) as running:
        until(lambda: running.lines("consumer.assigned"), within_s=60)
        process.send_signal(fault)
        time.sleep(2)
        assert running.stop(within_s=20) == 0


BROKER = """
from confluent_kafka import Producer
producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
producer.list_topics("biometrics-raw", timeout=10)
print(next(iter(producer.list_topics(timeout=10).brokers.values())), flush=True)
while True:
    producer.poll(1)
"""


@contextmanager
def broker() -> Iterator[subprocess.Popen[str]]:
    """A broker that a test may stop."""
    process = subprocess.Popen([sys.executable, "-c", BROKER], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def on_broker(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    address = process.stdout.readline().split("/")[0]
    return {"KAFKA_BOOTSTRAP_SERVERS": address, "TELARA_CLUSTER_ID": f"test-{uuid4()}"}
