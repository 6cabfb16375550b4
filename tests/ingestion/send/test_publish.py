"""What leaves after a commit: each revision at least once, and nothing fails where the broker is away."""

import base64
import json
import socket
import threading
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connections, transaction

from alerts.models import Alert, OutboxEntry
from alerts.outbox import outbox_add
from ingestion.models import QuarantinedMessage
from ingestion.send import publish as publish_module
from ingestion.send.publish import AT_ONCE, AlertPublisher, outbox_sweep, unsent
from tests.ingestion.answering import Client
from tests.ingestion.running import make_topic
from tests.ingestion.topic import messages_of
from tests.made import NOON, make_alert, make_wearer
from tests.telara.proxy import Proxy

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


def backlog(alerts: int, revisions: int) -> list[UUID]:
    """So many revisions of each of these alerts, as a day without a broker leaves them."""
    named = [uuid4() for _ in range(alerts)]
    OutboxEntry.objects.bulk_create(
        OutboxEntry(alert_id=alert, revision=revision, key=f"user_{place}", payload={"n": revision})
        for revision in range(1, revisions + 1)
        for place, alert in enumerate(named)
    )
    OutboxEntry.objects.update(created_at=NOON)
    return named


def headers_of(topic: str) -> dict[str, list[int]]:
    """By alert, the revisions that the headers name, in the order of the topic."""
    found = defaultdict(list)
    for message in messages_of(topic):
        found[message.headers["alert_id"]].append(int(message.headers["revision"]))
    return dict(found)


@pytest.mark.parametrize(("alerts", "revisions"), [(50, 50), (2, 3)])
def test_a_broker_that_was_away_for_long_gets_everything_once_in_order(topic: str, alerts: int, revisions: int):
    named, later = backlog(alerts, revisions), NOON + timedelta(minutes=1)
    host, port = settings.KAFKA["bootstrap.servers"].split(",")[0].rsplit(":", 1)
    with Proxy(host, int(port)) as proxy:
        proxy.cut()
        behind = settings.KAFKA | {"bootstrap.servers": f"127.0.0.1:{proxy.port}"}
        publisher = AlertPublisher(kafka=behind, topic=topic, dead_letter_topic=topic)
        assert [outbox_sweep(publisher, now=later, seconds=0.2) for _ in range(3)] == [0, 0, 0]
        assert len(publisher.flying) == min(AT_ONCE, alerts * revisions)
        proxy.heal()
        marked = 0
        while OutboxEntry.objects.filter(sent_at__isnull=True).exists():
            marked += outbox_sweep(publisher, now=later, seconds=10)
    assert marked == alerts * revisions
    assert headers_of(topic) == {str(alert): list(range(1, revisions + 1)) for alert in named}


def test_two_sweeps_at_once_repeat_at_most_and_nobody_waits(topic: str):
    named, later = backlog(20, 100), NOON + timedelta(minutes=1)
    publishers = [AlertPublisher(kafka=settings.KAFKA, topic=topic, dead_letter_topic=topic) for _ in range(2)]

    def sweep(publisher: AlertPublisher) -> None:
        outbox_sweep(publisher, now=later, seconds=20)
        connections.close_all()

    threads = [threading.Thread(target=sweep, args=(publisher,)) for publisher in publishers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not OutboxEntry.objects.filter(sent_at__isnull=True).exists()
    got = headers_of(topic)
    assert {alert: set(revisions) for alert, revisions in got.items()} == {str(a): set(range(1, 101)) for a in named}
    assert max(len(revisions) for revisions in got.values()) <= 200


def test_marking_waits_for_no_one_who_marks_the_same(topic: str, entries: list[OutboxEntry]):
    publisher = AlertPublisher(kafka=settings.KAFKA, topic=topic, dead_letter_topic=topic)
    publisher.send(entries)
    publisher.flush(10)
    marked: list[int] = []

    def mark() -> None:
        marked.append(publisher.mark(at=NOON))
        connections.close_all()

    with transaction.atomic():
        OutboxEntry.objects.select_for_update().get(pk=entries[0].pk)
        thread = threading.Thread(target=mark)
        thread.start()
        thread.join(5)
        assert marked == [2]
    assert list(OutboxEntry.objects.filter(sent_at__isnull=True)) == entries[:1]


def test_what_was_sent_a_week_ago_is_forgotten_a_thousand_at_a_time(topic: str):
    backlog(15, 100)
    OutboxEntry.objects.update(sent_at=NOON)
    publisher, later = AlertPublisher(kafka=settings.KAFKA, topic=topic, dead_letter_topic=topic), NOON
    for left in (1500, 500, 0):
        outbox_sweep(publisher, now=later)
        assert OutboxEntry.objects.count() == left
        later = NOON + timedelta(days=8)


def test_what_the_broker_is_said_to_have_nobody_knows_where_stays_for_the_sweep(
    entries: list[OutboxEntry], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publish_module, "Producer", Client)
    publisher = AlertPublisher(kafka={}, topic="t", dead_letter_topic="dead")
    publisher.send(entries)
    assert publisher.mark(at=NOON, wait_s=10) == 2
    assert list(OutboxEntry.objects.filter(sent_at__isnull=True)) == entries[:1]
