"""What is sent is acknowledged and on the partition that Java would choose; nobody outruns the embedded broker."""

import threading
import time
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from django.conf import settings
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from ingestion.send import headroom as headroom_module
from ingestion.send import producer as producer_module
from ingestion.send.headroom import MAX_BYTES, MAX_MESSAGES, PAST_MESSAGES, Headroom, partition_of
from ingestion.send.producer import Landed, NotAcknowledgedError, Outgoing, Producer, SendingStoppedError
from ingestion.send.senders import senders_active, sending
from ingestion.send.topics import partitions_of
from tests.ingestion.answering import Client

pytestmark = pytest.mark.kafka


def counted(topic: str) -> list[int]:
    """How many messages each partition of the topic holds."""
    consumer = Consumer({**settings.KAFKA, "group.id": str(uuid4())})
    try:
        found = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in sorted(found)]
    finally:
        consumer.close()


@pytest.fixture
def topic() -> str:
    """A topic of this test alone, there and ready."""
    name, deadline = f"test-{uuid4()}", time.monotonic() + 10
    there = partitions_of(settings.KAFKA, name)
    while True:
        try:
            assert there == len(counted(name))
        except KafkaException:  # its partitions have no leader yet
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return name


def outgoing(topic: str, count: int, size: int = 100) -> list[Outgoing]:
    return [Outgoing(topic, f"user_{n % 7:03d}", b"x" * size) for n in range(count)]


# Of Kafka's own UtilsTest.java: hashes of keys, and what remains of them over 1,000 partitions.
@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_keys_hash_as_in_java(key: bytes, value: int):
    assert partition_of(key, 1000) == (value & 0x7FFFFFFF) % 1000


def test_the_broker_agrees_where_a_key_belongs(topic: str):
    producer, count = Producer(settings.KAFKA), len(counted(topic))
    for number in range(200):
        producer.send(Outgoing(topic, f"user_{number:03d}", b"{}"))
    producer.flush()
    expected = [0] * count
    for number in range(200):
        expected[partition_of(f"user_{number:03d}".encode(), count)] += 1
    assert counted(topic) == expected


def test_it_counts_what_the_broker_has(topic: str):
    producer = Producer(settings.KAFKA)
    for message in outgoing(topic, 500):
        producer.send(message)
    producer.flush()
    assert (producer.counts.sent, producer.counts.acknowledged, producer.counts.failed) == (500, 500, 0)
    assert sum(counted(topic)) == 500


def test_a_full_queue_is_waited_for(topic: str):
    producer = Producer({**settings.KAFKA, "queue.buffering.max.messages": "10", "linger.ms": "50"})
    for message in outgoing(topic, 100):
        producer.send(message)
    producer.flush()
    assert sum(counted(topic)) == 100


def test_flush_raises_when_nobody_answers():
    producer = Producer({"bootstrap.servers": "127.0.0.1:1"})
    producer.send(Outgoing("anything", "user_001", b"{}"))
    with pytest.raises(NotAcknowledgedError, match="1 messages were not acknowledged"):
        producer.flush(timeout_s=0.3)


def test_flush_raises_for_what_was_refused_before():
    producer = Producer({**settings.KAFKA, "message.timeout.ms": "50", "bootstrap.servers": "127.0.0.1:1"})
    producer.send(Outgoing("anything", "user_001", b"{}"))
    deadline = time.monotonic() + 10
    while not producer.counts.failed and time.monotonic() < deadline:
        producer.poll(0.1)
    with pytest.raises(NotAcknowledgedError):
        producer.flush()


def test_deliver_says_what_the_broker_has(topic: str):
    assert Producer(settings.KAFKA).deliver(outgoing(topic, 3), timeout_s=10) == [True, True, True]
    assert sum(counted(topic)) == 3
    assert Producer({"bootstrap.servers": "127.0.0.1:1"}).deliver(outgoing(topic, 2), timeout_s=0.2) == [False, False]


def test_what_the_broker_is_said_to_have_nobody_knows_where_is_sent_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(producer_module, "KafkaProducer", Client)
    producer = Producer({})
    assert producer.land(outgoing("t", 2), timeout_s=10) == [Landed(2, 2), Landed(2, 1)]
    assert [(topic, key) for topic, _, key, *_ in producer._kafka.sent] == [
        ("t", "user_000"), ("t", "user_001"), ("t", "user_000")
    ]  # fmt: skip
    producer.flush()
    assert (producer.counts.sent, producer.counts.acknowledged, producer.counts.failed) == (2, 2, 0)


def test_where_there_is_no_room_to_send_it_again_it_counts_as_refused(monkeypatch: pytest.MonkeyPatch):
    class Full(Client):
        def produce(self, *message: Any, **named: Any) -> None:
            if self.sent:
                raise BufferError
            super().produce(*message, **named)

    monkeypatch.setattr(producer_module, "KafkaProducer", Full)
    producer = Producer({})
    assert producer.land(outgoing("t", 1), timeout_s=10) == [None]
    with pytest.raises(NotAcknowledgedError, match="1 messages were not acknowledged by the broker: nobody knows"):
        producer.flush()


class Store:
    """What a consumer would have stored, and the ends of the broker's partitions."""

    def __init__(self, topic: str, partitions: int) -> None:
        self.topic = topic
        self.stored: dict[int, int] = {}
        self.headroom = Headroom(
            topic, partitions=partitions, ends=lambda: dict(enumerate(counted(topic))), stored=lambda: self.stored
        )

    def store_all(self) -> None:
        self.stored = dict(enumerate(counted(self.topic)))


def send_until_full(producer: Producer, topic: str) -> None:
    """Until the producer, told to stop, finds no room."""
    while producer.deliver([Outgoing(topic, "user_001", b"{}")] * 100, timeout_s=10)[-1]:
        pass


def test_it_waits_at_three_thousand_messages_until_they_are_stored(topic: str):
    store, waits = Store(topic, len(counted(topic))), threading.Event()
    producer = Producer(settings.KAFKA, headroom=store.headroom, on_wait=waits.set)
    messages = [Outgoing(topic, "user_001", b"{}") for _ in range(MAX_MESSAGES + 500)]

    def send_all() -> None:
        for message in messages:
            producer.send(message)

    sender = threading.Thread(target=send_all, daemon=True)
    sender.start()
    assert waits.wait(20)
    assert producer.counts.sent == MAX_MESSAGES
    assert not producer.has_room(messages[0])
    assert producer.has_room(Outgoing("another-topic", "user_001", b"{}"))
    store.store_all()
    sender.join(20)
    assert not sender.is_alive()
    producer.flush()
    assert sum(counted(topic)) == len(messages)


def test_it_waits_at_two_mebibytes(topic: str):
    store = Store(topic, len(counted(topic)))
    big = Outgoing(topic, "user_001", b"x" * 100_000)
    taken = Producer(settings.KAFKA, headroom=store.headroom).deliver([big] * 30, timeout_s=10)
    assert taken == [True] * (MAX_BYTES // big.size) + [False] * (30 - MAX_BYTES // big.size)


def test_two_senders_together_keep_within_reach(topic: str):
    """Each sees the other's messages once it has sent a few hundred of its own."""
    partitions = len(counted(topic))
    producers = [
        Producer(settings.KAFKA, headroom=Store(topic, partitions).headroom, stopping=lambda: True) for _ in range(2)
    ]

    threads = [threading.Thread(target=send_until_full, args=[producer, topic]) for producer in producers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counted(topic)) <= MAX_MESSAGES + 2 * headroom_module.LOOK_AFTER


def test_a_sender_that_waits_can_be_stopped(topic: str):
    store = Store(topic, len(counted(topic)))
    producer = Producer(settings.KAFKA, headroom=store.headroom, stopping=lambda: True)
    send_until_full(producer, topic)
    with pytest.raises(SendingStoppedError):
        producer.send(Outgoing(topic, "user_001", b"{}"))
    assert producer.counts.sent == MAX_MESSAGES


@pytest.mark.parametrize(
    ("waiting", "places"), [(0, (500, 500)), (400, (100, 500)), (500, (0, 500)), (2_900, (0, 100))]
)
def test_who_sends_the_past_stops_early_and_leaves_the_others_their_room(waiting: int, places: tuple[int, int]):
    for most, expected in zip((PAST_MESSAGES, MAX_MESSAGES), places, strict=True):
        room = Headroom("any", partitions=1, ends=lambda: {0: waiting}, stored=dict, most=most)
        assert [room.reserve(0, 1) for _ in range(expected + 1)] == [True] * expected + [False]


@given(sizes=st.lists(st.integers(1, 3 * MAX_BYTES), max_size=30), stored=st.integers(0, 30))
def test_never_more_than_the_room_and_never_stuck(sizes: list[int], stored: int):
    room = Headroom("any", partitions=1, ends=dict, stored=lambda: {0: stored})
    offset = 0
    for size in sizes:
        if room.reserve(0, size):
            room.settle(0, size, offset)
            offset += 1
    unstored = [size for place, size in enumerate(sizes[:offset]) if place >= stored]
    assert len(unstored) <= 1 or room._lanes[0].landed_bytes <= MAX_BYTES
    assert offset >= min(1, len(sizes))


@pytest.mark.django_db(transaction=True)
def test_a_sender_is_seen_while_it_sends_and_no_longer():
    assert not senders_active()
    with sending():
        assert senders_active()
        with sending():
            assert senders_active()
        assert senders_active()
    assert not senders_active()


@pytest.mark.django_db(transaction=True)
def test_a_sender_whose_connection_dies_is_not_seen():
    with sending():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
                " WHERE d.datname = current_database() AND locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        deadline = time.monotonic() + 5
        while senders_active() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not senders_active()
