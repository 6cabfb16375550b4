"""What is refused ends in quarantine with its reason, and the next good message is stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from devices.models import Reading
from ingestion.models import PartitionLedger, QuarantinedMessage
from tests.ingestion.running import consumer, events, make_group, make_topic, send, until
from tests.made import make_installation

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]
MANY = 30_000


@pytest.fixture(autouse=True)
def installed() -> None:
    """What the flush after another test took away."""
    make_installation()


def good(**changes: Any) -> bytes:
    """An event of the contract, with these fields changed; None takes a field away."""
    (event,) = events(1)
    return json.dumps({key: value for key, value in (event | changes).items() if value is not None}).encode()


def vitals(text: str) -> bytes:
    """A good event, but for the text of its vitals."""
    return good(vitals="HERE").replace(b'"HERE"', text.encode())


BAD = {
    "broken": (b'{"event_id": "', "malformed_json"),
    "empty": (b"", "malformed_json"),
    "not text": (b"\xff\xfe\x00", "malformed_json"),
    "nested": (b'{"event_id":' + b"[" * MANY + b"]" * MANY + b"}", "malformed_json"),
    "NaN": (vitals('{"heart_rate": NaN}'), "wrong_type"),
    "a number as text": (vitals('{"heart_rate": "72"}'), "wrong_type"),
    "a truth as number": (vitals('{"heart_rate": true}'), "wrong_type"),
    "a list as group": (vitals("[72]"), "wrong_type"),
    "no person": (good(user_id=None), "missing_field"),
    "a control character": (good(user_id="u\x00ser"), "bad_string"),
    "no zone": (good(timestamp="2026-01-01T00:00:00"), "bad_timestamp"),
    "year 9999": (good(timestamp="9999-12-31T23:59:59-14:00"), "future_timestamp"),
    "last century": (good(timestamp="1999-12-31T23:59:59Z"), "too_old"),
    "a dead man's race": (vitals('{"heart_rate": 351}'), "out_of_range"),
    "an unknown posture": (good(activity={"posture": "upside down"}), "out_of_range"),
    "65 KiB": (good(device_sources=["x" * 66_000]), "too_large"),
}


def test_each_bad_message_has_its_reason_and_the_next_good_one_is_stored(tmp_path: Path) -> None:
    topic = make_topic()
    after = events(1)
    send(topic, [raw for raw, _ in BAD.values()])
    send(topic, after)
    with consumer(tmp_path, "--topics", topic, "--group", make_group(), "--until-caught-up") as running:
        assert running.wait(60) == 0
    kept = list(QuarantinedMessage.objects.filter(topic=topic).order_by("offset").values_list("reason", flat=True))
    assert dict(zip(BAD, kept, strict=True)) == {name: reason for name, (_, reason) in BAD.items()}
    assert [str(pk) for pk in Reading.objects.values_list("event_id", flat=True)] == [after[0]["event_id"]]
    assert sum(row.next_offset for row in PartitionLedger.objects.filter(topic=topic)) == len(BAD) + 1


@pytest.mark.real_kafka
def test_ten_megabytes_are_quarantined_cut(tmp_path: Path) -> None:
    if settings.TELARA_KAFKA_EMBEDDED:
        pytest.skip("Apache Kafka is not there (KAFKA_BOOTSTRAP_SERVERS): the embedded broker takes no 10 MB")
    topic = make_topic(partitions=1, **{"max.message.bytes": "20000000"})
    send(topic, [b"x" * 10_000_000])
    send(topic, events(3))
    with consumer(tmp_path, "--topics", topic, "--group", make_group()) as running:
        until(lambda: Reading.objects.count() == 3, within_s=60)
        assert running.stop() == 0
    row = QuarantinedMessage.objects.get(topic=topic)
    assert (row.reason, row.size, len(row.payload)) == ("too_large", 10_000_000, 2048)


@pytest.mark.slow
def test_three_consumers_share_the_work_and_survive_one_of_them(tmp_path: Path) -> None:
    topic, group = make_topic(), make_group()
    arguments = ("--topics", topic, "--group", group)
    sent = events(2000, people=50)
    with (
        consumer(tmp_path, *arguments) as one,
        consumer(tmp_path, *arguments) as two,
        consumer(tmp_path, *arguments) as three,
    ):
        until(lambda: all(each.lines("consumer.assigned") for each in (one, two, three)), within_s=60)
        send(topic, sent)
        two.process.kill()
        more = events(2000, people=50)
        send(topic, more)
        until(lambda: Reading.objects.count() == len(sent + more), within_s=90)
        assert [one.stop(), three.stop()] == [0, 0]
    assert not QuarantinedMessage.objects.filter(topic=topic).exists()
    assert sum(row.next_offset for row in PartitionLedger.objects.filter(topic=topic)) == len(sent + more)
