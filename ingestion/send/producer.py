"""The one way to send to Kafka: keyed, idempotent, acknowledged by all replicas, and never silent about a loss."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import structlog
from confluent_kafka import KafkaError, Message
from confluent_kafka import Producer as KafkaProducer

from devices.failpoints import reach
from ingestion.send.headroom import Headroom

log = structlog.get_logger(__name__)
SETTINGS: Final[Mapping[str, Any]] = {
    "partitioner": "murmur2_random",  # as Java's producers: one person is on one partition whoever sends
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 5,
    "compression.type": "lz4",
    "reconnect.backoff.max.ms": 5_000,
}
WAIT_S: Final = 0.02
# A consumer that keeps up makes room within a moment; one that has not for this long is worth a word.
WORTH_A_WORD_S: Final = 2.0
REPORT_EVERY_S: Final = 10.0
# A broker that has answered for nothing for so long is not asked again, until it answers or what waits is given up.
STALLED_AFTER_S: Final = 3.0
# Of a process that many write to at once: what waits for a broker that is away, in memory, and for how long.
BOUNDED: Final[Mapping[str, Any]] = {"queue.buffering.max.kbytes": 32 * 1024, "delivery.timeout.ms": 30_000}
Delivered = Callable[[KafkaError | None, Message], None]


class NotAcknowledgedError(Exception):
    """The broker did not take `count` messages; the text holds what it said of the first."""

    def __init__(self, count: int, reason: str) -> None:
        super().__init__(f"{count:,} messages were not acknowledged by the broker: {reason}")
        self.count = count


class SendingStoppedError(Exception):
    """The sender was asked to stop while it waited for room: the message was not sent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send. Whoever sends readings gives the person as the key; an empty key is none."""

    topic: str
    key: str | bytes
    value: bytes | str

    @property
    def size(self) -> int:
        """In bytes, near enough: events are ASCII but for a person's own words."""
        return len(self.value) + len(self.key)


class Landed(NamedTuple):
    """Where the broker keeps a message."""

    partition: int
    offset: int


@dataclass(slots=True)
class Counts:
    """Messages handed over, acknowledged and refused so far; `reason` is of the first refusal."""

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    reason: str = ""


class Producer:
    """Sends messages. One a process, made after a fork, never at import; threads may share it.

    `limits` are further properties of librdkafka. With a `headroom` (the embedded broker), `send` waits while its topic
    is too far ahead of what is stored: it calls `on_wait` when such a wait begins, and asks `stopping` all along.
    """

    def __init__(
        self,
        kafka: Mapping[str, str],
        *,
        headroom: Headroom | None = None,
        stopping: Callable[[], bool] = lambda: False,
        on_wait: Callable[[], None] = lambda: log.warning("producer.waiting_for_consumer"),
        limits: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._kafka = KafkaProducer({**SETTINGS, **limits, **kafka, "error_cb": report_error, "logger": quiet()})
        self._headroom = headroom
        self._stopping = stopping
        self._on_wait = on_wait
        self.counts = Counts()
        self._refused = 0  # since the last flush
        self._answered_at = 0.0  # of the monotonic clock: the last answer, or the first message that has none

    def send(self, message: Outgoing, *, delivered: Delivered | None = None) -> None:
        """Hand a message over, waiting for room. Raises SendingStoppedError when there is none and `stopping` says so.

        `delivered` is called once with what became of it, from within any method of the producer.
        """
        told_at = time.monotonic() + WORTH_A_WORD_S
        while not self._offer(message, delivered):
            if self._stopping():
                raise SendingStoppedError
            if time.monotonic() >= told_at:
                told_at = float("inf")
                self._on_wait()
            self._kafka.poll(WAIT_S)

    def deliver(self, messages: Sequence[Outgoing], *, timeout_s: float) -> list[bool]:
        """Send without waiting for a consumer, then wait for the broker: which of them it has within `timeout_s`.

        One that it does not have by then may still arrive: whoever tries again must send the same event. A broker that
        does not answer at this time is not asked.
        """
        return [landed is not None for landed in self.land(messages, timeout_s=timeout_s)]

    def land(self, messages: Sequence[Outgoing], *, timeout_s: float) -> list[Landed | None]:
        """As `deliver`, and where each of them is; None where the broker does not have it."""
        taken: list[Landed | None] = [None] * len(messages)
        if self.is_stalled():
            return taken
        deadline = time.monotonic() + timeout_s
        answers = 0

        def answered(place: int, error: KafkaError | None, sent: Message) -> None:
            nonlocal answers
            answers += 1
            if is_there(error, sent):
                taken[place] = Landed(sent.partition() or 0, sent.offset() or 0)

        offered = sum(
            self._offer_until(deadline, message, partial(answered, place)) for place, message in enumerate(messages)
        )
        reach("post_before_ack")
        while answers < offered and time.monotonic() < deadline and not self.is_stalled():
            self._kafka.poll(0.01)
        reach("post_after_ack")
        return taken

    def is_stalled(self) -> bool:
        """Whether messages are on their way, and the broker has answered for none for too long."""
        self._kafka.poll(0)
        return len(self._kafka) > 0 and time.monotonic() - self._answered_at > STALLED_AFTER_S

    def has_room(self, message: Outgoing) -> bool:
        """Whether `deliver` would hand it over now. Always so on a broker that keeps what it acknowledged."""
        room = self._room_of(message.topic)
        return room is None or room.has_room(_partition(room, message), message.size)

    def poll(self, timeout_s: float = 0.0) -> None:
        """Let acknowledgements in."""
        self._kafka.poll(timeout_s)

    def flush(self, *, timeout_s: float = 30.0) -> None:
        """Wait until all are acknowledged. Raises NotAcknowledgedError for those since the last flush that are not."""
        left = self._kafka.flush(timeout_s)
        missing, self._refused = left + self._refused, 0
        if missing:
            raise NotAcknowledgedError(missing, self.counts.reason or f"no answer within {timeout_s:g} s")

    def _offer_until(self, deadline: float, message: Outgoing, delivered: Delivered) -> bool:
        """Offer again while acknowledgements are still to come: these make room, too."""
        while not self._offer(message, delivered):
            if not len(self._kafka) or time.monotonic() > deadline:
                return False
            self._kafka.poll(0.01)
        return True

    def _offer(self, message: Outgoing, delivered: Delivered | None) -> bool:
        """Hand it to librdkafka; False where neither the broker nor the queue has room now."""
        room = self._room_of(message.topic)
        partition = -1 if room is None else _partition(room, message)
        if room is not None and not room.reserve(partition, message.size):
            return False
        forced = -1 if message.key else partition  # without a key, librdkafka's choice would be another one
        report = partial(self._settle, message, delivered)
        if not len(self._kafka):
            self._answered_at = time.monotonic()
        try:
            self._kafka.produce(message.topic, message.value, message.key or None, forced, report)
        except BufferError:
            if room is not None:
                room.settle(partition, message.size, None)
            self._kafka.poll(WAIT_S)
            return False
        self.counts.sent += 1
        if self.counts.sent % 64 == 0:
            self._kafka.poll(0)
        return True

    def _settle(self, message: Outgoing, delivered: Delivered | None, error: KafkaError | None, msg: Message) -> None:
        self._answered_at = time.monotonic()
        if error is None and msg.offset() is None and self._send_again(message, delivered, msg):
            return
        room = self._room_of(message.topic)
        if room is not None:
            room.settle(_partition(room, message), message.size, msg.offset() if error is None else None)
        if is_there(error, msg):
            self.counts.acknowledged += 1
        else:
            self.counts.failed += 1
            self._refused += 1
            self.counts.reason = self.counts.reason or (error.str() if error else "nobody knows where they are")
        if delivered is not None:
            delivered(error, msg)

    def _send_again(self, message: Outgoing, delivered: Delivered | None, msg: Message) -> bool:
        """To the same partition, in the room that it has; False where the queue has none."""
        report = partial(self._settle, message, delivered)
        try:
            self._kafka.produce(message.topic, message.value, message.key or None, msg.partition() or 0, report)
        except BufferError:
            return False
        return True

    def _room_of(self, topic: str) -> Headroom | None:
        return self._headroom if self._headroom is not None and self._headroom.topic == topic else None


def is_there(error: KafkaError | None, message: Message) -> bool:
    """Whether the broker has a message that it answered for.

    An answer without an offset says that the broker had it before. Of the first messages of a producer to a partition
    it says so also where it never did: while the leader is new it refuses some, takes the next ones, which were on
    their way already, and what then comes again seems older than these. Who sends it anew has it there once or twice.
    """
    return error is None and message.offset() is not None


def _partition(room: Headroom, message: Outgoing) -> int:
    return room.partition(message.key.encode() if isinstance(message.key, str) else message.key)


_reported: dict[str, float] = {}


def report_error(error: KafkaError) -> None:
    """Log it, each kind at most every 10 s: of a broker that is away we hear many times a second."""
    now = time.monotonic()
    if now - _reported.get(error.name(), -REPORT_EVERY_S) >= REPORT_EVERY_S:
        _reported[error.name()] = now
        log.warning("kafka.error", error=error.str())


def quiet() -> logging.Logger:
    """What librdkafka logs is told by `error_cb` already."""
    logger = logging.getLogger("librdkafka")
    logger.setLevel(logging.CRITICAL)
    return logger
