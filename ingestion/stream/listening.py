"""Since when, and until when, everything that was received is known: what tells a silent wearer from our own outage.

Every 2 s a consumer asks the broker where its partitions end. Once the ledger has reached an end, everything that was
received until it was asked for is stored: `consumed_until`. As long as the broker has answered without a break, and a
consumer has asked, it goes on from `listening_since`; after a break that begins anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # it is exported
from django.db import connection

from alerts.engine.absence import Listened
from devices.listening import is_caught_up, stretch_known
from devices.times import is_due
from ingestion.send.producer import quiet, report_error
from ingestion.stream.batch import Position
from ingestion.write.ledger import Owner

if TYPE_CHECKING:
    from concurrent.futures import Future

ASK_EVERY: Final = timedelta(seconds=2)
ANSWER_S: Final = 5.0
# A restart of a consumer takes less, wearables that lost the broker are back in less.
BREAK: Final = timedelta(seconds=30)

# What was noted by a clock that was set back since is no stretch to go on from. Sessions with the database do not last:
# that of an owner to whom nothing comes is noted here, where batches would.
_NOTE: Final = """
UPDATE ingestion_partitionledger l
SET listening_since = CASE WHEN v.since <= l.consumed_until + %(break)s AND l.consumed_until <= v.asked_at + %(break)s
                           THEN l.listening_since ELSE v.since END,
    consumed_until = v.asked_at, backend_pid = a.pid, backend_start = a.backend_start
FROM (SELECT pid, backend_start FROM pg_stat_get_activity(pg_backend_pid())) AS a,
     unnest(%(topics)s::text[], %(partitions)s::int[], %(ends)s::bigint[], %(since)s::timestamptz[],
            %(asked)s::timestamptz[]) AS v (topic, partition, reached, since, asked_at)
WHERE l.cluster_id = %(cluster)s AND l.owner = %(owner)s AND l.topic = v.topic AND l.partition = v.partition
  AND l.next_offset >= v.reached
  AND (l.consumed_until IS NULL OR l.consumed_until < v.asked_at OR l.consumed_until > v.asked_at + %(break)s)
RETURNING l.topic, l.partition
"""


@dataclass(slots=True)
class _Lane:
    """A partition: since when each question was answered, the last answer, the end that is yet to be reached, and until
    when all that was received is stored."""

    since: datetime
    answered_at: datetime
    end: int | None = None
    asked_at: datetime | None = None
    known_until: datetime | None = None


@dataclass(slots=True)
class Listening:
    """Asks for the ends of a consumer's partitions, without waiting, and notes in the ledger what is known."""

    kafka: Mapping[str, Any]
    owner: Owner
    _lanes: dict[Position, _Lane] = field(default_factory=dict)
    _asked: dict[Position, "Future[Any]"] = field(default_factory=dict)
    _asked_at: datetime | None = None
    _admin: AdminClient | None = None

    def step(self, positions: Iterable[Position], *, now: datetime) -> None:
        """Take the answers that came, and ask again when it is time; `positions` are those we own."""
        mine = set(positions)
        self._lanes = {position: lane for position, lane in self._lanes.items() if position in mine}
        if self._asked and all(future.done() for future in self._asked.values()):
            self._take(mine)
            self._note()
        if mine and not self._asked and is_due(self._asked_at, every=ASK_EVERY, now=now):
            self._ask(mine, now)

    def is_level(self, *, now: datetime) -> bool:
        """Whether all that our partitions received is stored, but for the last moment's; not where we have none."""
        known = [lane.known_until for lane in self._lanes.values()]
        return bool(known) and not any(is_due(until, every=BREAK, now=now) for until in known)

    def _ask(self, positions: Iterable[Position], now: datetime) -> None:
        if self._admin is None:
            quieter: dict[str, Any] = {"error_cb": report_error, "logger": quiet(), "reconnect.backoff.max.ms": 1_000}
            self._admin = AdminClient({**self.kafka, **quieter})
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # so the library has it
        wanted = {TopicPartition(*position): latest for position in positions}
        futures = self._admin.list_offsets(wanted, request_timeout=ANSWER_S)
        self._asked = {Position(p.topic, p.partition): future for p, future in futures.items()}
        self._asked_at = now

    def _take(self, mine: set[Position]) -> None:
        assert self._asked_at is not None  # noqa: S101  # there is a question
        for position, future in self._asked.items():
            error = future.exception()
            if error is None and position in mine:
                self._answered(position, future.result().offset, self._asked_at)
            elif error is not None and not isinstance(error, KafkaException):
                raise error
        self._asked = {}

    def _answered(self, position: Position, end: int, asked_at: datetime) -> None:
        lane = self._lanes.setdefault(position, _Lane(asked_at, asked_at))
        if is_due(lane.answered_at, every=BREAK, now=asked_at):
            lane.since, lane.end = asked_at, None
        lane.answered_at = asked_at
        if lane.end is None:
            lane.end, lane.asked_at = end, asked_at

    def _note(self) -> None:
        """Write down which ends the ledger has reached; what is behind keeps the end that it is to reach."""
        waiting = {position: lane for position, lane in self._lanes.items() if lane.end is not None}
        if not waiting:
            return
        noted: dict[str, Any] = {
            "cluster": self.owner.cluster_id,
            "owner": self.owner.name,
            "break": BREAK,
            "topics": [position.topic for position in waiting],
            "partitions": [position.partition for position in waiting],
            "ends": [lane.end for lane in waiting.values()],
            "since": [lane.since for lane in waiting.values()],
            "asked": [lane.asked_at for lane in waiting.values()],
        }
        with connection.cursor() as cursor:
            cursor.execute(_NOTE, noted)
            for topic, partition in cursor.fetchall():
                lane = self._lanes[Position(topic, partition)]
                lane.known_until, lane.end = lane.asked_at, None


def listened(topic: str, *, at: datetime) -> Listened | None:
    """The stretch of which everything is known that was received for `topic`; None unless every partition is caught up.

    Every one, not only the person's: who sends with another partitioner, or after partitions were added, has readings
    elsewhere than where their name says. While any partition lags nobody is judged, which is late at worst, not wrong.
    """
    stretch = stretch_known(topic)
    return Listened(*stretch) if stretch and is_caught_up(stretch[1], at=at) else None
