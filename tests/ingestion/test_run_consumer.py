"""What `run_consumer` says of its options and its environment."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.conf import settings
from django.utils import timezone

from devices.failpoints import armed
from devices.models import Reading
from tests.ingestion.running import consumer, events, make_group, make_topic, send, until
from tests.ingestion.test_mishaps import load
from tests.made import make_alert, make_installation, make_wearer

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def missing() -> str:
    """The name of a topic that nobody has made."""
    if settings.TELARA_KAFKA_EMBEDDED:
        pytest.skip("Apache Kafka is not there (KAFKA_BOOTSTRAP_SERVERS): the embedded broker makes any topic")
    make_installation()
    return f"test-{uuid4().hex[:12]}"


@pytest.mark.real_kafka
def test_it_does_not_catch_up_with_a_topic_that_is_missing(tmp_path: Path, missing: str) -> None:
    with consumer(tmp_path, "--topics", missing, "--group", make_group(), "--until-caught-up") as running:
        assert running.wait(30) == 1
        (line,) = running.output.read_text().splitlines()
    assert f"no topic '{missing}'" in line
    assert "create_topics" in line


@pytest.mark.real_kafka
@pytest.mark.slow
def test_it_waits_for_a_topic_that_is_missing_and_says_so_once(tmp_path: Path, missing: str) -> None:
    with consumer(tmp_path, "--topics", missing, "--group", make_group()) as running:
        until(lambda: running.lines("consumer.topic_missing"), within_s=30)
        until(lambda: running.lines("consumer.started"), within_s=30)
        admin = AdminClient(dict(settings.KAFKA))
        admin.create_topics([NewTopic(missing, 2, 1)])[missing].result(10)
        sent = events(20)
        send(missing, sent)
        until(lambda: Reading.objects.count() == len(sent), within_s=60)
        assert running.stop() == 0
        (said,) = running.lines("consumer.topic_missing")
    assert said["topic"] == missing
    assert "create_topics" in said["error"]


@pytest.mark.parametrize("value", ["after_store:x", "after_store:0", "after_store:-1", "after_lunch"])
def test_a_failpoint_that_is_none_is_named_in_one_line(tmp_path: Path, value: str) -> None:
    with consumer(tmp_path, TELARA_FAILPOINTS=value, DEBUG="true") as running:
        assert running.wait(30) == 1
        *before, line = running.output.read_text().splitlines()
    assert all("using the embedded" in each for each in before)
    assert "TELARA_FAILPOINTS" in line
    assert value in line


@pytest.mark.parametrize("given", [("--group", ""), ()])
def test_a_group_without_a_name_is_said(tmp_path: Path, given: tuple[str, ...]) -> None:
    with consumer(tmp_path, *given, TELARA_KAFKA_GROUP="") as running:
        assert running.wait(60) == 1
        *_, line = running.output.read_text().splitlines()
    assert "TELARA_KAFKA_GROUP" in line


def test_failpoints_are_counted_from_one(settings: Any) -> None:
    armed.cache_clear()
    settings.TELARA_FAILPOINTS = "after_store:3, before_commit"
    assert armed() == {"after_store": 3, "before_commit": 1}
    armed.cache_clear()


@pytest.mark.kafka
@pytest.mark.slow
def test_an_alert_of_who_is_silent_ends_also_while_others_never_are(tmp_path: Path) -> None:
    make_installation()
    load("tachycardia-at-rest")
    alert = make_alert(make_wearer("silent"), opened_at=timezone.now() - timedelta(hours=1))
    topic, producer = make_topic(), Producer({**settings.KAFKA, "linger.ms": 0})

    def is_over_while_others_speak() -> bool:
        for event in events(50):  # for a second
            producer.produce(topic, json.dumps(event).encode(), event["user_id"])
            producer.poll(0.02)
        alert.refresh_from_db()
        return alert.episode == "ended"

    with consumer(tmp_path, "--topics", topic, "--group", make_group()) as running:
        until(is_over_while_others_speak, within_s=40)
        assert producer.flush(10) == 0
        assert running.stop() == 0


@pytest.mark.kafka
@pytest.mark.slow
def test_one_that_comes_back_to_thousands_of_people_whom_it_knew_stores_them_at_once(tmp_path: Path) -> None:
    make_installation()
    load("tachycardia-at-rest", "elevated-heart-rate")
    topic, group = make_topic(), make_group()
    for number in (1, 2):
        send(topic, events(5_000, people=50))
        with consumer(tmp_path, "--topics", topic, "--group", group, "--until-caught-up") as running:
            assert running.wait(60) == 0, running.output.read_text()[-2000:]
        assert not running.lines("database.away")
        assert Reading.objects.count() == number * 5_000
