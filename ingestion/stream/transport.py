"""Kafka as the consumer sees it: batches in, offsets out. Nothing here knows what a message means."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final, Protocol, cast

import numpy as np
import polars as pl
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from alerts.engine.clock import microseconds
from ingestion.send.producer import quiet, report_error
from ingestion.stream.batch import Batch, Origin, Position

log = structlog.get_logger(__name__)
POLL_S: Final = 0.1
LEAST_WAIT_S: Final = 0.02  # for more of a batch; each costs some 20 ms of processor time, however small
AT_ONCE: Final = 1_024  # messages; while they are made, no other thread goes on
COMMIT_AGAIN_S: Final = 2.0
SETTLED_WITHIN_S: Final = 1.0  # who leaves waits no longer for the broker to hold the offsets
SETTLE_AGAIN_S: Final = 0.25
ADMIN_TIMEOUT_S: Final = 10.0
_STAMP: Final = itemgetter(1)
# The broker no longer has the offset, or never had it: never skipped in silence.
_GAP_ERRORS: Final = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


class Assignee(Protocol):
    """Who is told which partitions come and go; called from within `poll`, `settle` and `close`."""

    def on_assigned(self, positions: list[Position]) -> dict[Position, int]:
        """Take these partitions; where to begin each."""

    def on_revoked(self, positions: list[Position]) -> None:
        """Finish with these partitions: somebody else gets them after this returns."""

    def on_lost(self, positions: list[Position]) -> None:
        """Somebody else may have them already: write nothing."""

    def on_gap(self, position: Position, low: int) -> int:
        """The broker holds nothing before `low`, and not what was to come next; where to go on."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What to read and how much of it at once."""

    topics: tuple[str, ...]
    group: str
    protocol: str
    kafka: Mapping[str, str]
    messages: int
    age: timedelta
    has_topic_ids: bool = True


class Transport:
    """A group member. `poll` gives what came, at most `age` after the first of it.

    It waits for more about as long as the batch before took to store: who is up to date hurries, and who is slow gains
    more from larger batches than from earlier ones.
    """

    def __init__(self, subscription: Subscription, assignee: Assignee) -> None:
        self._subscription = subscription
        self._assignee = assignee
        self._collected: list[Message] = []
        self._polled_at = time.monotonic()
        self._unconfirmed: dict[Position, int] = {}  # offsets that the broker has not said it holds
        self._committed_at = 0.0  # of the monotonic clock
        self._consumer = Consumer(_config(subscription) | {"on_commit": self._confirm})
        self._consumer.subscribe(
            list(subscription.topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def poll(self, *, now: Callable[[], datetime], most: int) -> Batch:
        """The next messages, at most so many, in order of each partition; empty when none came within a tenth of a
        second."""
        took = max(time.monotonic() - self._polled_at, LEAST_WAIT_S)
        self._collect(1, POLL_S)
        if self._unconfirmed and time.monotonic() - self._committed_at > COMMIT_AGAIN_S:
            self.commit({})
        deadline = time.monotonic() + min(took, self._subscription.age.total_seconds())
        more = bool(self._collected)
        while more and len(self._collected) < most and time.monotonic() < deadline:
            more = self._collect(most - len(self._collected), 0.005)
        messages, self._collected = self._collected, []
        self._polled_at = time.monotonic()
        return self._batch(messages, now())

    def _collect(self, count: int, seconds: float) -> bool:
        """Callbacks of the group run inside `consume`; they may strike out what was collected before it."""
        messages = self._consumer.consume(min(count, AT_ONCE), seconds)
        self._collected += messages
        return bool(messages)

    def commit(self, after: Mapping[Position, int]) -> None:
        """Tell Kafka how far we are, without waiting: the ledger is what counts. What it does not confirm, because it
        was away, is told again."""
        self._unconfirmed |= after
        self._committed_at = time.monotonic()
        offsets = [TopicPartition(p.topic, p.partition, offset) for p, offset in self._unconfirmed.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("kafka.commit_failed", error=str(error))

    def _confirm(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            position = Position(each.topic, each.partition)
            if error is None and each.error is None and self._unconfirmed.get(position) == each.offset:
                del self._unconfirmed[position]

    def pause(self, positions: Iterable[Position]) -> None:
        self._consumer.pause([TopicPartition(*position) for position in positions])

    def resume(self, positions: Iterable[Position]) -> None:
        self._consumer.resume([TopicPartition(*position) for position in positions])

    def heartbeat(self, seconds: float) -> None:
        """Serve the group while paused, so that it does not take us for dead."""
        for message in self._consumer.consume(1, seconds):
            if message.error() is None:  # fetched before the pause: read it again later
                self._consumer.seek(TopicPartition(_topic(message), _partition(message), _offset(message)))
            else:  # it is said once
                self._collected.append(message)

    def bounds(self, position: Position) -> tuple[int, int]:
        """The first offset the broker holds and the next it will give; raises KafkaException."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*position), ADMIN_TIMEOUT_S)
        return low, high

    def topic_ids(self, names: Iterable[str]) -> dict[str, str]:
        """By which id the broker knows these topics, as far as it says so; one made anew has another."""
        if not self._subscription.has_topic_ids:
            return {}
        config: dict[str, Any] = {**self._subscription.kafka, "error_cb": report_error, "logger": quiet()}
        admin, found = AdminClient(config), {}
        futures = admin.describe_topics(TopicCollection(sorted(set(names))), request_timeout=ADMIN_TIMEOUT_S / 2)
        for name, future in futures.items():
            try:
                found[name] = str(future.result(ADMIN_TIMEOUT_S).topic_id)
            except KafkaException as error:
                log.warning("kafka.topic_id_unknown", topic=name, error=str(error))
        return found

    def lags(self, after: Mapping[Position, int]) -> dict[Position, int]:
        """How many messages of each partition the broker is known to hold beyond `after`."""
        lags = {}
        for position, offset in after.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*position), cached=True)
            lags[position] = max(0, high - max(offset, 0))
        return lags

    def settle(self) -> None:
        """Let a broker that answers confirm the offsets, before we leave: while a group is put together anew it refuses
        them. What comes meanwhile is not ours to store, and is read again."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while self._unconfirmed and (left := deadline - time.monotonic()) > 0:
            self._consumer.consume(1, min(left, 0.05))
            if time.monotonic() - self._committed_at > SETTLE_AGAIN_S:
                self.commit({})

    def close(self) -> None:
        """Leave the group: partitions move to the others at once."""
        self._consumer.close()

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        starts = self._assignee.on_assigned([Position(p.topic, p.partition) for p in partitions])
        consumer.incremental_assign([TopicPartition(p.topic, p.partition, at) for p, at in starts.items()])
        self.commit(starts)  # whoever had them before may have died between its transaction and its offsets

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._strike_out(partitions)
        self._assignee.on_revoked([Position(p.topic, p.partition) for p in partitions])
        self._give_up(consumer, partitions)

    def _lose(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._strike_out(partitions)
        self._assignee.on_lost([Position(p.topic, p.partition) for p in partitions])
        self._give_up(consumer, partitions)

    def _give_up(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Where they stand is for somebody else to tell from here on."""
        for each in partitions:
            self._unconfirmed.pop(Position(each.topic, each.partition), None)
        consumer.incremental_unassign(partitions)

    def _strike_out(self, partitions: list[TopicPartition]) -> None:
        """Whoever gets these partitions next reads from the ledger: what we collected of them was never here."""
        gone = {(p.topic, p.partition) for p in partitions}
        self._collected = [m for m in self._collected if (m.topic(), m.partition()) not in gone]

    def _batch(self, messages: list[Message], now: datetime) -> Batch:
        good = messages
        if any(map(Message.error, messages)):
            good = [message for message in messages if message.error() is None]
            for message in messages:
                if _is_gap(message) and _is_among(message, good):
                    self._collected.append(message)  # what came before it is stored first
                elif message.error() is not None:
                    self._fail(message)
        return Batch(_values(good), _Origins(good), _received_at(good, now), _next(good))

    def _fail(self, message: Message) -> None:
        """What `consume` hands out as errors: gaps are recorded, what librdkafka retries is logged, the rest raised."""
        error = message.error()
        assert error is not None  # noqa: S101
        if _is_gap(message):
            position = Position(_topic(message), _partition(message))
            low, _ = self.bounds(position)
            at = self._assignee.on_gap(position, low)
            # A partition whose offset was out of range is not being read any more, and so cannot be sought in.
            self._consumer.incremental_unassign([TopicPartition(*position)])
            self._consumer.incremental_assign([TopicPartition(position.topic, position.partition, at)])
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        elif error.fatal() or not (error.retriable() or error.code() in _TRANSIENT):
            raise KafkaException(error)
        else:
            log.warning("kafka.error", error=str(error))


_TRANSIENT: Final = (
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
)


def _config(subscription: Subscription) -> dict[str, Any]:
    config = {
        **subscription.kafka,
        "group.id": subscription.group,
        "group.protocol": subscription.protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "queued.max.messages.kbytes": 8 * 1024,
        "fetch.message.max.bytes": 256 * 1024,  # of a partition at once, packed: some five times as much is unpacked
        "fetch.wait.max.ms": 50,
        "fetch.error.backoff.ms": 100,
        "fetch.queue.backoff.ms": 10,  # after a full queue; a second by default, in which we would stand still
        "reconnect.backoff.max.ms": 5000,
        "error_cb": report_error,
        "logger": quiet(),
    }
    if subscription.protocol == "classic":
        config |= {"partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 10_000}
    return config


def cluster_id(kafka: Mapping[str, str], *, given: str = "") -> str:
    """The id of the broker's cluster, or `given`: the stand-in's offsets start anew with each start."""
    if given:
        return given
    admin = AdminClient(dict(kafka))
    found: str | None = admin.list_topics(timeout=ADMIN_TIMEOUT_S).cluster_id
    if not found:
        raise KafkaException(KafkaError(KafkaError._FAIL, "the broker names no cluster id"))
    return found


class _Origins(Sequence[Origin]):
    """Of messages, each made when it is asked for."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, index: Any) -> Any:
        message = self._messages[index]
        return Origin(Position(_topic(message), _partition(message)), _offset(message), _bytes(message.key()))


def _next(messages: Sequence[Message]) -> dict[Position, int]:
    """The offset after the last message of each partition."""
    topics = set(map(Message.topic, messages))
    if len(topics) > 1:
        return {Position(_topic(m), _partition(m)): _offset(m) + 1 for m in messages}
    last = dict(zip(map(Message.partition, messages), map(Message.offset, messages), strict=True))
    return {Position(topic or "", part or 0): (offset or 0) + 1 for topic in topics for part, offset in last.items()}


def _is_gap(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() in _GAP_ERRORS


def _is_among(message: Message, others: Iterable[Message]) -> bool:
    """Whether some of them are of its partition."""
    where = message.topic(), message.partition()
    return any((other.topic(), other.partition()) == where for other in others)


def _topic(message: Message) -> str:
    return message.topic() or ""


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition


def _offset(message: Message) -> int:
    offset = message.offset()
    return -1 if offset is None else offset


def _bytes(value: bytes | str | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _values(messages: Sequence[Message]) -> list[bytes]:
    """What they hold; nothing, of those that are tombstones."""
    values: list[bytes | None] = list(map(Message.value, messages))
    return [value or b"" for value in values] if None in values else cast("list[bytes]", values)


def _received_at(messages: Sequence[Message], now: datetime) -> pl.Series:
    """The broker's time of each message; a missing one, or one ahead of our clock, is replaced by the clock."""
    at = np.fromiter(map(_STAMP, map(Message.timestamp, messages)), np.int64, len(messages)) * 1000
    latest = microseconds(now)
    at[(at <= 0) | (at > latest)] = latest
    return pl.Series("received_at", at).cast(pl.Datetime("us", "UTC"))
