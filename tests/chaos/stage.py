"""Where a scenario is played: a topic and a group of its own, what is sent to it, and the consumers that read it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Delivered
from confluent_kafka.admin import AdminClient, NewTopic
from django.conf import settings
from django.utils import timezone

from ingestion.models import LateStretch, PartitionLedger
from ingestion.send.publish import outbox_sweep, publisher_make
from tests.chaos.traffic import Message, event_of, sound, traffic
from tests.ingestion.running import Running, consumer, make_group, make_topic, until

SMALL = {"TELARA_BATCH_MESSAGES": "100"}
CAUGHT_UP_S = 40


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A message that the broker has, and where."""

    message: Message
    partition: int
    offset: int


@dataclass
class Stage:
    """`tag` begins the names of all people of the scenario, who are on no other stage. Where they are `split` over
    consumers that work side by side, what was stored first tells the order in which readings came."""

    folder: Path
    partitions: int = 4
    is_repeated: bool = True
    is_split: bool = False
    tag: str = field(default_factory=lambda: f"s{uuid4().hex[:8]}")
    group: str = field(default_factory=lambda: make_group(session_s=1))
    topic: str = ""
    acknowledged: list[Acknowledged] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.topic = self.topic or make_topic(partitions=self.partitions)
        self.alerts_from = ends(settings.TELARA_TOPIC_ALERTS)
        self._waiting = traffic(self.tag, is_repeated=self.is_repeated)

    def send(self, share: float = 1.0, *, partition: int | None = None, is_scattered: bool = False) -> None:
        """The next messages of the traffic: that share of what was not sent yet; all by one partition, or each by that
        of its person, or by any."""
        count = round(len(self._waiting) * share)
        now, self._waiting = self._waiting[:count], self._waiting[count:]
        self.send_these(now, partition=partition, is_scattered=is_scattered)

    def more(self, count: int) -> list[Message]:
        """Calm readings of now, of one more person."""
        now = datetime.now(UTC)
        return [sound(event_of(f"{self.tag}-more", 70, now - timedelta(seconds=count - n))) for n in range(count)]

    def long_ago(self, count: int) -> list[Message]:
        """Calm readings of an hour ago, of one more person."""
        then = datetime.now(UTC) - timedelta(hours=1)
        return [sound(event_of(f"{self.tag}-ago", 70, then + timedelta(seconds=n))) for n in range(count)]

    def send_these(
        self, messages: Sequence[Message], *, partition: int | None = None, is_scattered: bool = False
    ) -> None:
        """Messages of the scenario's own, every one acknowledged by the broker."""
        refused: list[KafkaError] = []

        def sent(message: Message, error: KafkaError | None, delivered: Delivered) -> None:
            if error is not None:
                refused.append(error)
                return
            self.acknowledged.append(Acknowledged(message, delivered.partition() or 0, delivered.offset() or 0))

        producer = Producer({**settings.KAFKA, "partitioner": "murmur2_random", "enable.idempotence": True})
        random = Random(self.tag)  # noqa: S311  # no secret
        for message in messages:
            chosen = random.randrange(self.partitions) if is_scattered else partition
            where = {} if chosen is None else {"partition": chosen}
            callback = lambda error, delivered, message=message: sent(message, error, delivered)  # noqa: E731
            producer.produce(self.topic, message.value, message.key, on_delivery=callback, **where)
        assert producer.flush(60) == 0
        assert not refused

    def consumer(
        self, *arguments: str, changed_by: str = "", failpoint: str = "", **environment: str
    ) -> AbstractContextManager[Running]:
        """A consumer of the group; one with a `failpoint` dies there, one that is `changed_by` a module is a launch."""
        if failpoint:
            environment |= {"TELARA_FAILPOINTS": failpoint, "DEBUG": "true"}
        program = ("-m", "tests.chaos.launch", changed_by) if changed_by else ("manage.py", "run_consumer")
        wanted = ("--topics", self.topic, "--group", self.group, *arguments)
        return consumer(self.folder, *wanted, program=program, **SMALL | environment)

    def finish(self) -> None:
        """Let one sound consumer do what is left, and the worker send what killed ones left behind."""
        with self.consumer("--until-caught-up") as last:
            assert last.wait(CAUGHT_UP_S) == 0, last.output.read_text()[-2000:]
        self.sweep()

    def sweep(self) -> None:
        """The worker's sweep of the outbox, as if all of it had waited for long."""
        outbox_sweep(publisher_make(), now=timezone.now() + timedelta(minutes=1))

    def await_rest(self, *, within_s: float = CAUGHT_UP_S) -> None:
        """Wait until the consumers have stored and judged all that was sent."""
        until(self.is_at_rest, within_s=within_s)

    def is_at_rest(self) -> bool:
        reached = all(self.ledger().get(partition) == end for partition, end in ends(self.topic).items())
        return reached and not LateStretch.objects.filter(topic=self.topic).exists()

    def stored(self) -> int:
        """How many messages the ledger has counted."""
        return sum(offset or 0 for offset in self.ledger().values())

    def ledger(self) -> dict[int, int | None]:
        return dict(PartitionLedger.objects.filter(topic=self.topic).values_list("partition", "next_offset"))


def ends(topic: str) -> dict[int, int]:
    """Where each partition of a topic ends, which is made if need be."""
    admin = AdminClient(dict(settings.KAFKA))
    found = admin.list_topics(timeout=10).topics.get(topic)
    if found is None:
        _make(admin, topic)
    if found is None or any(partition.leader < 0 for partition in found.partitions.values()):
        until(lambda: is_answered_for(topic), within_s=20)
    with probing() as probe:
        numbers = probe.list_topics(topic, timeout=10).topics[topic].partitions
        return {number: probe.get_watermark_offsets(TopicPartition(topic, number), 10)[1] for number in numbers}


def _make(admin: AdminClient, topic: str) -> None:
    """Make it, unless a test beside this one is quicker."""
    try:
        admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(10)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def is_answered_for(topic: str) -> bool:
    """Whether each partition of a topic that was just made has somebody who answers for it."""
    try:
        with probing() as probe:
            for number in probe.list_topics(topic, timeout=10).topics[topic].partitions:
                probe.get_watermark_offsets(TopicPartition(topic, number), 10)
    except KafkaException:
        return False
    return True


@contextmanager
def probing(group: str = "telara-chaos-probe", **config: Any) -> Iterator[Consumer]:
    """A client that looks and joins nothing."""
    probe = Consumer({**settings.KAFKA, "group.id": group, "enable.auto.commit": False, **config})
    try:
        yield probe
    finally:
        probe.close()


def read_from(topic: str, starts: dict[int, int]) -> list[tuple[str, bytes]]:
    """Keys and values of all messages from these offsets to the present ends."""
    missing = {
        number: (starts.get(number, 0), end) for number, end in ends(topic).items() if end > starts.get(number, 0)
    }
    found: list[tuple[str, bytes]] = []
    expected = sum(end - start for start, end in missing.values())
    deadline = time.monotonic() + 20
    with probing() as probe:
        probe.assign([TopicPartition(topic, number, start) for number, (start, _) in missing.items()])
        while len(found) < expected:
            assert time.monotonic() < deadline, f"{len(found)} of {expected} messages of {topic}"
            messages = probe.consume(1000, 0.2)
            found += [((m.key() or b"").decode(), m.value() or b"") for m in messages if m.error() is None]
    return found
