"""A simulated past: there once, and never over what really happened."""

import json
from collections import Counter
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command

from devices.models import Reading
from devices.simulator.people import people, wearer_ids
from ingestion.send.history import history_send, spans
from ingestion.send.producer import Producer
from tests.ingestion.topic import messages_of
from tests.made import NOON, make_partitions, make_wearer

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]
WHO = people(1, wearer_ids(2))


@pytest.fixture
def topic(settings: Any) -> str:
    settings.TELARA_TOPIC_RAW = f"test-{uuid4()}"
    return settings.TELARA_TOPIC_RAW


def send(topic: str, settings: Any, *, hours: int, until: datetime = NOON) -> int:
    producer = Producer(settings.KAFKA)
    sent = sum(
        history_send(who=WHO, span=span, producer=producer, topic=topic) for span in spans(until=until, hours=hours)
    )
    producer.flush()
    return sent


def events_of(topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in messages_of(topic)]


def store(event: dict[str, Any]) -> None:
    """As the consumer does."""
    user = make_wearer(event["user_id"])
    at = datetime.fromisoformat(event["timestamp"])
    make_partitions(at)
    Reading.objects.create(user=user, recorded_at=at, received_at=at, event_id=UUID(event["event_id"]))


def test_there_is_a_reading_a_minute_and_lately_one_every_five_seconds(topic: str, settings: Any):
    assert send(topic, settings, hours=3) == pytest.approx(2 * (120 + 720), abs=30)
    counted = Counter(event["timestamp"] >= (NOON - timedelta(hours=1)).isoformat() for event in events_of(topic))
    assert counted[False] == pytest.approx(240, abs=6)
    assert counted[True] == pytest.approx(1440, abs=30)


def test_the_same_past_is_the_same_events(topic: str, settings: Any):
    send(topic, settings, hours=2)
    first = {event["event_id"] for event in events_of(topic)}
    assert send(topic, settings, hours=2) == len(first)
    assert {event["event_id"] for event in events_of(topic)} == first


def test_minutes_that_have_readings_are_left_alone(topic: str, settings: Any):
    send(topic, settings, hours=1)
    event = events_of(topic)[100]
    store(event)
    settings.TELARA_TOPIC_RAW = topic = f"test-{uuid4()}"
    send(topic, settings, hours=1)
    minutes = {(event["user_id"], event["timestamp"][:16]) for event in events_of(topic)}
    assert (event["user_id"], event["timestamp"][:16]) not in minutes
    assert len(minutes) == 119


def test_the_command_sends_the_day_up_to_now(topic: str):
    out = StringIO()
    call_command("simulate_history", "--wearers", "1", stdout=out, stderr=StringIO())
    events = events_of(topic)
    assert out.getvalue() == f"{len(events)} readings sent and acknowledged\n"
    assert len(events) == pytest.approx(23 * 60 + 720, abs=30)
