"""What the broker no longer holds is never skipped in silence."""

from datetime import timedelta
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.utils import timezone

from alerts.models import Alert
from alerts.rule_files import read_rule_files
from alerts.services.rules import rules_load
from devices.models import Reading
from ingestion.decode.verdicts import Limits
from ingestion.mishaps import mishaps_step
from ingestion.models import OffsetGap, PartitionLedger
from ingestion.stream.batch import Position
from ingestion.stream.consumer import Worker
from ingestion.stream.transport import Subscription, Transport
from ingestion.write.ledger import Owner, begin, claim
from tests.ingestion.running import consumer, events, make_group, make_topic, send, until
from tests.made import make_installation

pytestmark = [pytest.mark.real_kafka, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def topic() -> str:
    """A topic of one partition."""
    if settings.TELARA_KAFKA_EMBEDDED:
        pytest.skip("Apache Kafka is not there (KAFKA_BOOTSTRAP_SERVERS): the embedded broker deletes no records")
    make_installation()
    return make_topic(partitions=1)


def delete_before(topic: str, offset: int) -> None:
    admin = AdminClient(dict(settings.KAFKA))
    for future in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        future.result(10)


def consume(tmp_path: Path, topic: str) -> list[str]:
    """The events that a consumer logged on its way to the end."""
    with consumer(tmp_path, "--topics", topic, "--group", make_group(), "--until-caught-up") as running:
        assert running.wait(60) == 0, running.output.read_text()[-2000:]
        return [line["event"] for line in running.lines()]


def test_deleted_records_are_recorded_as_a_gap_and_the_rest_is_stored(tmp_path: Path, topic: str):
    send(topic, events(20))
    consume(tmp_path, topic)
    send(topic, events(30))
    delete_before(topic, 35)
    assert "consumer.gap" in consume(tmp_path, topic)
    gap = OffsetGap.objects.get(topic=topic)
    assert (gap.expected, gap.found, gap.reason) == (20, 35, "retention")
    assert Reading.objects.count() == 20 + 15
    assert PartitionLedger.objects.get(topic=topic).next_offset == 50
    rules_load(files=read_rule_files(["alerts/rules/offset-gap.yaml"])[0], at=gap.noticed_at - timedelta(days=1))
    assert len(mishaps_step(at=gap.noticed_at)) == 1
    alert = Alert.objects.get()
    said = f"15 messages of {topic}[0] were gone before they were read, from 20 on."
    assert (alert.alert_type, alert.description, alert.episode) == ("OFFSET_GAP", said, "firing")
    assert len(mishaps_step(at=gap.noticed_at + timedelta(minutes=11))) == 1
    assert Alert.objects.get().episode == "ended"


def test_a_topic_made_anew_is_recorded_and_read_from_its_beginning(tmp_path: Path, topic: str):
    send(topic, events(20))
    consume(tmp_path, topic)
    PartitionLedger.objects.filter(topic=topic).update(next_offset=1000)
    assert "consumer.gap" in consume(tmp_path, topic)
    gap = OffsetGap.objects.get(topic=topic)
    assert (gap.expected, gap.found, gap.reason) == (1000, 0, "topic_anew")
    assert Reading.objects.count() == 20
    assert PartitionLedger.objects.get(topic=topic).next_offset == 20


def test_a_topic_made_anew_that_is_longer_by_now_lost_no_records_to_retention(topic: str):
    """Between the broker's answer and the question where its partition begins and ends more was sent to it."""
    position, owner = Position(topic, 0), Owner("me", "group", "cluster")
    (claimed,) = claim([position], owner=owner).values()
    begin(position, 100, epoch=claimed.epoch, owner=owner)
    nowhere = (f"{topic}-of-nobody",)  # so that no partition is ever assigned
    subscription = Subscription(nowhere, make_group(), "consumer", settings.KAFKA, 1000, timedelta(seconds=1))
    worker = Worker(
        subscription=subscription, owner=owner, pipeline=None, start="earliest", limits=Limits, now=timezone.now,
        stopping=lambda: False,
    )  # fmt: skip
    worker._polled[position] = 100
    assert worker.on_gap(position, 0) == 0
    worker.stop()
    assert OffsetGap.objects.get(topic=topic).reason == "topic_anew"


def test_a_partition_that_was_never_stored_begins_where_the_broker_does(tmp_path: Path, topic: str):
    send(topic, events(20))
    delete_before(topic, 5)
    consume(tmp_path, topic)
    assert not OffsetGap.objects.exists()
    assert Reading.objects.count() == 15


class Reader:
    """Who is told of partitions and gaps: where each gap began and ended, by what was handed out before it was told."""

    def __init__(self) -> None:
        self.next = 0
        self.gaps: list[tuple[int, int]] = []

    def on_assigned(self, positions: list[Position]) -> dict[Position, int]:
        return dict.fromkeys(positions, 0)

    def on_revoked(self, positions: list[Position]) -> None: ...

    def on_lost(self, positions: list[Position]) -> None: ...

    def on_gap(self, _position: Position, low: int) -> int:
        self.gaps.append((self.next, low))
        self.next = low
        return low


def test_what_was_fetched_before_a_gap_is_handed_out_before_the_gap_is_told(topic: str):
    count = 12_000
    send(topic, (b"%d" % number + b" " * 1000 for number in range(count)))  # more than is fetched ahead
    reader, age = Reader(), timedelta(seconds=1)
    transport = Transport(Subscription((topic,), make_group(), "consumer", settings.KAFKA, 1000, age), reader)

    def take() -> int:
        batch = transport.poll(now=timezone.now, most=1000)
        for origin in batch.origins:
            assert origin.offset == reader.next, reader.gaps
            reader.next += 1
        return reader.next

    until(take, within_s=30)
    delete_before(topic, count)
    send(topic, [b"the last"])
    until(lambda: take() == count + 1, within_s=60, every_s=0)
    transport.close()
    ((_, found),) = reader.gaps
    assert found == count
