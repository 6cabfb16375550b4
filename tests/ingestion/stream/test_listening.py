"""Since when, and until when, everything that was received is known."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from alerts.engine.absence import Listened
from devices.listening import BEHIND
from ingestion.models import PartitionLedger
from ingestion.send.topics import partitions_of
from ingestion.stream.batch import Position
from ingestion.stream.listening import BREAK, Listening, listened
from ingestion.write import ledger
from ingestion.write.ledger import Claim, Owner
from tests.ingestion.running import consumer, events, make_group, make_topic, send, until
from tests.made import make_installation

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


class Owned:
    """Partitions of a topic of one's own, and who listens to them, by a clock of the test's own."""

    def __init__(self, topic: str, *, name: str = "me", kafka: dict[str, str] | None = None) -> None:
        self.owner = Owner(name, "group", "cluster")
        self.positions = [Position(topic, number) for number in range(4)]
        claims = ledger.claim(self.positions, owner=self.owner)
        for position, claim in claims.items():
            if claim.next_offset is None:
                ledger.begin(position, 0, epoch=claim.epoch, owner=self.owner)
        self.claims: dict[Position, Claim] = claims
        self.listening = Listening(kafka or settings.KAFKA, self.owner)

    def ask(self, second: float) -> None:
        """Ask at that second, and take the answers as soon as they are there."""
        self.listening.step(self.positions, now=at(second))
        until(lambda: all(future.done() for future in self.listening._asked.values()), within_s=10, every_s=0.01)
        self.listening.step(self.positions, now=at(second + 0.1))

    def store(self, position: Position, offset: int) -> None:
        with transaction.atomic():
            ledger.advance({position: offset}, owner=self.owner)


def known(topic: str, second: float) -> tuple[float, float] | None:
    found = listened(topic, at=at(second))
    return ((found.since - NOON).total_seconds(), (found.until - NOON).total_seconds()) if found else None


@pytest.fixture
def topic() -> str:
    """A topic whose partitions the broker knows the ends of: just made, it may not."""
    name = make_topic()
    admin = AdminClient(dict(settings.KAFKA))
    wanted = {
        TopicPartition(name, number): OffsetSpec.latest() for number in range(partitions_of(settings.KAFKA, name))
    }
    until(lambda: not any(future.exception() for future in admin.list_offsets(wanted).values()), within_s=20)
    return name


@pytest.mark.kafka
def test_what_is_stored_is_known_until_the_end_was_asked_for(topic: str) -> None:
    owned = Owned(topic)
    assert known(topic, 0) is None
    owned.ask(0)
    assert known(topic, 0.1) == (0, 0)
    owned.ask(2)
    assert known(topic, 2.1) == (0, 2)
    assert known(topic, 2 + BEHIND.total_seconds()) == (0, 2)
    assert known(topic, 2.1 + BEHIND.total_seconds()) is None  # nobody asks any more


@pytest.mark.kafka
def test_the_ledger_knows_the_session_of_who_listens_although_nothing_comes(topic: str) -> None:
    owned = Owned(topic)
    owned.ask(0)
    connection.close()
    owned.ask(2)
    with pytest.raises(ledger.GroupConflict), held_elsewhere():
        ledger.claim(owned.positions, owner=Owner("you", "another", "cluster"))


@contextmanager
def held_elsewhere() -> Iterator[None]:
    """Whoever asks the database in the block does so by another session; this one's stays."""
    ours, connection.connection = connection.connection, None
    try:
        yield
    finally:
        connection.close()
        connection.connection = ours


@pytest.mark.kafka
def test_one_partition_that_lags_is_one_too_many(topic: str) -> None:
    owned = Owned(topic)
    owned.ask(0)
    sent = events(8, people=1)
    send(topic, sent)
    for second in range(2, 22, 2):
        owned.ask(second)
    assert known(topic, 20.1) is None
    (behind,) = PartitionLedger.objects.filter(topic=topic, consumed_until__lt=at(20))
    owned.store(Position(topic, behind.partition), 8)
    owned.ask(22)
    assert known(topic, 22.1) is None  # the end of second 2 is reached; what came since is not known yet
    owned.ask(24)
    assert known(topic, 24.1) == (0, 24)


@pytest.mark.kafka
def test_who_lags_and_asks_has_not_stopped_listening(topic: str) -> None:
    Owned(topic, name="before").ask(-10)
    owned = Owned(topic)
    owned.ask(0)
    send(topic, events(1, people=1))
    for second in range(2, 120, 2):
        owned.ask(second)
    for position in owned.positions:
        owned.store(position, 1)
    for second in range(120, 128, 2):
        owned.ask(second)
    found = known(topic, 126.1)
    assert found is not None
    assert found[0] == -10


@pytest.mark.kafka
def test_a_consumer_that_takes_over_soon_goes_on_and_later_begins_anew(topic: str) -> None:
    Owned(topic).ask(0)
    seconds = BREAK.total_seconds()
    Owned(topic, name="next").ask(seconds)
    assert known(topic, seconds) == (0, seconds)
    Owned(topic, name="last").ask(2 * seconds + 1)
    assert known(topic, 2 * seconds + 1) == (2 * seconds + 1, 2 * seconds + 1)


@pytest.mark.kafka
def test_who_was_overtaken_says_nothing_any_more(topic: str) -> None:
    first, second = Owned(topic), Owned(topic, name="next")
    first.ask(0)
    assert known(topic, 0.1) is None
    second.ask(0)
    assert known(topic, 0.1) == (0, 0)


@pytest.mark.kafka
def test_while_the_broker_does_not_answer_nobody_listens(topic: str) -> None:
    owned = Owned(topic)
    owned.ask(0)
    there = owned.listening._admin
    owned.listening._admin = AdminClient({**settings.KAFKA, "bootstrap.servers": "127.0.0.1:9"})
    for second in (2, 16, 30):
        owned.ask(second)
        assert known(topic, second + 0.1 + BEHIND.total_seconds()) is None
    owned.listening._admin = there
    owned.ask(32)
    assert known(topic, 32.1) == (32, 32)


@pytest.mark.kafka
def test_a_short_absence_of_the_broker_is_no_break(topic: str) -> None:
    owned = Owned(topic)
    owned.ask(0)
    owned.ask(BREAK.total_seconds())
    assert known(topic, BREAK.total_seconds()) == (0, BREAK.total_seconds())


def row(topic: str, partition: int, cluster: str, since: float | None, till: float | None) -> None:
    PartitionLedger.objects.create(
        cluster_id=cluster,
        topic=topic,
        partition=partition,
        next_offset=0,
        listening_since=None if since is None else at(since),
        consumed_until=None if till is None else at(till),
    )


def test_the_last_to_begin_and_the_least_known_count() -> None:
    row("t", 0, "c", 0, 100)
    row("t", 1, "c", 50, 98)
    row("other", 0, "c", 99, 99)
    assert listened("t", at=at(100)) == Listened(at(50), at(98))
    assert listened("unknown", at=at(100)) is None


def test_a_partition_that_nobody_has_listened_to_yet_is_one_too_many() -> None:
    row("t", 0, "c", 0, 100)
    row("t", 1, "c", None, None)
    assert listened("t", at=at(100)) is None


def test_a_broker_that_is_no_more_does_not_count() -> None:
    row("t", 0, "old", 0, 40)
    row("t", 1, "old", 0, 40)
    row("t", 0, "new", 90, 100)
    assert listened("t", at=at(100)) == Listened(at(90), at(100))


def test_a_partition_that_a_topic_made_anew_no_longer_has_does_not_count() -> None:
    row("t", 0, "c", 90, 100)
    row("t", 1, "c", 0, 40)
    PartitionLedger.objects.filter(partition=0).update(topic_id="new")
    assert listened("t", at=at(100)) is None
    PartitionLedger.objects.filter(partition=1).update(topic_id="old")
    assert listened("t", at=at(100)) == Listened(at(90), at(100))


@pytest.mark.kafka
def test_a_consumer_says_by_itself_how_far_everything_is_known(topic: str, tmp_path: Path) -> None:
    make_installation()
    send(topic, events(20))
    with consumer(tmp_path, "--topics", topic, "--group", make_group()) as running:
        until(lambda: listened(topic, at=timezone.now()), within_s=40)
        first = listened(topic, at=timezone.now())
        assert first is not None
        moved_on = first.until + timedelta(seconds=4)
        until(lambda: (now := listened(topic, at=timezone.now())) and now.until > moved_on, within_s=30)
        later = listened(topic, at=timezone.now())
        assert later is not None
        assert later.since == first.since
        assert running.stop() == 0
    until(lambda: listened(topic, at=timezone.now()) is None, within_s=15)


@pytest.mark.kafka
def test_a_clock_that_was_set_back_begins_anew_and_is_not_believed_ahead(topic: str) -> None:
    owned = Owned(topic)
    owned.ask(3600)
    assert known(topic, 3600.1) == (3600, 3600)
    assert known(topic, 10) is None
    owned.ask(10)
    assert known(topic, 10.1) == (10, 10)
    owned.ask(12)
    assert known(topic, 12.1) == (10, 12)


@pytest.mark.kafka
def test_who_has_stored_what_came_until_a_moment_ago_is_level(topic: str) -> None:
    owned = Owned(topic)
    assert not owned.listening.is_level(now=at(0))
    owned.ask(0)
    assert owned.listening.is_level(now=at(1))
    send(topic, events(1, people=1))
    for second in range(2, 42, 2):  # it lags
        owned.ask(second)
    assert not owned.listening.is_level(now=at(41))
    for position in owned.positions:
        owned.store(position, 1)
    owned.ask(42)
    owned.ask(44)
    assert owned.listening.is_level(now=at(45))
