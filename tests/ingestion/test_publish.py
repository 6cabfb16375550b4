"""What leaves after a commit: each revision at least once, and nothing fails where the broker is away."""

import base64
import json
import socket
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from alerts.models import Alert, OutboxEntry
from alerts.outbox import outbox_add
from ingestion.models import QuarantinedMessage
from ingestion.publish import AlertPublisher, outbox_sweep, unsent
from tests.ingestion.running import make_topic
from tests.ingestion.topic import messages_of
from tests.made import NOON, make_alert, make_wearer

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def topic() -> str:
    return make_topic()


@pytest.fixture
def entries() -> list[OutboxEntry]:
    """Two alerts, the first of them in two revisions."""
    first, second = make_alert(make_wearer("user_001")), make_alert(make_wearer("user_002"))
    with transaction.atomic():
        made = outbox_add([first, second])
        Alert.objects.filter(pk=first.pk).update(revision=2)
        first.refresh_from_db()
        return made + outbox_add([first])


def sent(topic: str) -> list[tuple[str, str, int]]:
    """Key, alert and revision of what the topic holds."""
    found: list[dict[str, Any]] = [{"key": m.key} | json.loads(m.value) for m in messages_of(topic)]
    return sorted((each["key"].decode(), each["alert_id"], each["revision"]) for each in found)


def identity(entries: list[OutboxEntry]) -> list[tuple[str, str, int]]:
    return sorted((entry.key, str(entry.alert_id), entry.revision) for entry in entries)


def test_entries_reach_the_topic_keyed_by_person_and_are_marked(topic: str, entries: list[OutboxEntry]):
    publisher = AlertPublisher(kafka=settings.KAFKA, topic=topic, dead_letter_topic=topic)
    publisher.send(entries)
    assert publisher.mark(at=NOON, wait_s=10) == 3
    assert sent(topic) == identity(entries)
    assert not OutboxEntry.objects.filter(sent_at__isnull=True).exists()
    assert publisher.mark(at=NOON) == 0


def test_the_sweep_sends_what_was_left_and_only_that(topic: str, entries: list[OutboxEntry]):
    old = NOON.replace(year=2020)
    OutboxEntry.objects.update(created_at=NOON)
    OutboxEntry.objects.filter(pk=entries[0].pk).update(sent_at=NOON)
    OutboxEntry.objects.filter(pk=entries[1].pk).update(sent_at=old, created_at=old)
    publisher = AlertPublisher(kafka=settings.KAFKA, topic=topic, dead_letter_topic=topic)
    assert outbox_sweep(publisher, now=NOON) == 0
    assert outbox_sweep(publisher, now=NOON.replace(minute=1)) == 1
    assert sent(topic) == identity([entries[2]])
    assert set(OutboxEntry.objects.values_list("pk", flat=True)) == {entries[0].pk, entries[2].pk}


def test_a_broker_that_is_away_fails_nothing_and_leaves_the_entries_for_the_sweep(entries: list[OutboxEntry]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
    publisher = AlertPublisher(kafka={"bootstrap.servers": nowhere}, topic="alerts", dead_letter_topic="dead")
    publisher.send(entries)
    assert publisher.mark(at=NOON, wait_s=0.5) == 0
    assert list(unsent(before=NOON.replace(year=9000))) == entries


def test_what_was_refused_is_copied_with_its_reason_and_its_coordinates(topic: str):
    refused = QuarantinedMessage(
        topic="raw", partition=3, offset=8, reason="malformed_json", key=b"user_001", payload=b"\xff{", size=2,
        received_at=NOON,
    )  # fmt: skip
    publisher = AlertPublisher(kafka=settings.KAFKA, topic=topic, dead_letter_topic=topic)
    publisher.send_dead_letters([refused])
    publisher.mark(at=NOON, wait_s=10)
    (copy,) = messages_of(topic)
    said = json.loads(copy.value)
    assert copy.key == b"user_001"
    assert (said["topic"], said["partition"], said["offset"], said["reason"]) == ("raw", 3, 8, "malformed_json")
    assert base64.b64decode(said["payload_base64"]) == b"\xff{"
