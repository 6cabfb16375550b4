"""Whether everything that was sent is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from devices.times import is_due
from ingestion.evaluate.late import stretches_wait
from ingestion.send.senders import senders_active
from ingestion.stream.batch import Position
from ingestion.write import ledger

CHECK_EVERY: Final = timedelta(milliseconds=500)
TIMEOUT_S: Final = 5.0


@dataclass(slots=True)
class CaughtUp:
    """Compares the ledger of all partitions of `topics` with their ends, at most twice a second.

    For the time of `patience` it says no: a sender that was started together with us may not be known yet.
    """

    topics: tuple[str, ...]
    kafka: Mapping[str, str]
    cluster_id: str
    patience: timedelta = timedelta(0)
    asked_at: datetime | None = None
    checked_at: datetime | None = None
    _probe: Consumer | None = field(default=None, repr=False)

    def check(self, *, now: datetime) -> bool:
        """True once nobody is sending, every partition's ledger has reached its end, and what came late is judged."""
        if self.asked_at is None:
            self.asked_at = now
        if now - self.asked_at < self.patience:
            return False
        if not is_due(self.checked_at, every=CHECK_EVERY, now=now):
            return False
        self.checked_at = now
        if senders_active():
            return False
        stored = ledger.next_offsets(cluster_id=self.cluster_id, topics=self.topics)
        if any(stored.get(position, 0) != end for position, end in self._ends().items()):
            return False
        return not stretches_wait(topics=self.topics)

    def _ends(self) -> dict[Position, int]:
        if self._probe is None:
            self._probe = Consumer({**self.kafka, "group.id": "telara-probe", "enable.auto.commit": False})
        ends = {}
        for topic in self.topics:
            described = self._probe.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
            if described.error is not None and not described.partitions:
                raise KafkaException(described.error)
            for number in described.partitions:
                _, high = self._probe.get_watermark_offsets(TopicPartition(topic, number), timeout=TIMEOUT_S)
                ends[Position(topic, number)] = high
        return ends
