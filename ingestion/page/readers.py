"""Who reads which partition, how far, and what waits: for the pipeline's page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

from devices.models import PipelineStatus
from ingestion.models import PartitionLedger, PipelineMinute
from ingestion.stream.batch import Position

GONE_AFTER: Final = timedelta(seconds=10)
FORGOTTEN_AFTER: Final = timedelta(hours=1)  # a topic that nobody reads any more
TRAIL: Final = timedelta(minutes=15)
SPARK_WIDTH: Final = 80
SPARK_HEIGHT: Final = 18


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as it stands: stored up to `next_offset`, `reader` the consumer that lives and has it, if any.

    `lag` is None where nobody can say; `trail` are the points of a line: what waited in each of the last 15 minutes.
    """

    topic: str
    number: int
    next_offset: int | None
    reader: str
    lag: int | None
    per_second: float | None
    trail: str


@dataclass(frozen=True, slots=True)
class Reader:
    """A consumer, and what it holds: `biometrics-raw 0, 1, 2`. `is_alive`: it has spoken within 10 s."""

    status: PipelineStatus
    is_alive: bool
    holds: tuple[str, ...]
    memory_bytes: int | None
    per_batch: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """All partitions, those that lag most first, and all consumers of the last hour, those that live first.

    `heard_at` is when any consumer last said or stored something; None: there never was one.
    """

    partitions: tuple[Partition, ...]
    readers: tuple[Reader, ...]
    heard_at: datetime | None

    @property
    def living(self) -> tuple[Reader, ...]:
        return tuple(reader for reader in self.readers if reader.is_alive)

    @property
    def lag(self) -> int | None:
        """Messages that wait, all together; None where nobody lives to say it."""
        return sum(reader.status.lag for reader in self.living) if self.living else None

    @property
    def per_second(self) -> float | None:
        return round(sum(reader.status.events_per_second for reader in self.living), 1) if self.living else None

    @property
    def delay_p99_s(self) -> float | None:
        """Of the slowest consumer; None where nothing came in the last minute."""
        said = [reader.status.delay_p99_s for reader in self.living]
        return max((delay for delay in said if delay is not None), default=None)

    @property
    def came_at(self) -> datetime | None:
        """When a batch was last judged; None where none was since the stream workers that live began."""
        said = [reader.status.evaluated_at for reader in self.living]
        return max((at for at in said if at is not None), default=None)

    @property
    def unread(self) -> tuple[Partition, ...]:
        return tuple(partition for partition in self.partitions if not partition.reader)


def reading_at(at: datetime) -> Reading:
    """As it stands: three queries."""
    statuses = list(PipelineStatus.objects.filter(updated_at__lte=at + GONE_AFTER).order_by("consumer"))
    minutes = list(PipelineMinute.objects.filter(minute__gt=at - TRAIL).order_by("minute", "started_at"))
    alive = [status for status in statuses if status.updated_at > at - GONE_AFTER]
    ledger = _read_lately(_of_one_topic(list(PartitionLedger.objects.order_by("topic", "partition"))), alive, at)
    partitions = _partitions(ledger, alive, minutes)
    newest = {minute.consumer: minute for minute in minutes}
    readers = [_reader(status, status in alive, newest.get(status.consumer)) for status in statuses]
    return Reading(
        tuple(sorted(partitions, key=lambda each: -(each.lag or 0))),
        tuple(sorted(readers, key=lambda each: not each.is_alive)),
        max((*(row.updated_at for row in statuses), *(row.updated_at for row in ledger)), default=None),
    )


def _of_one_topic(rows: Sequence[PartitionLedger]) -> list[PartitionLedger]:
    """Of a topic that several brokers had (each start of the embedded one is another), or that was made anew, the one
    written to last."""
    newest: dict[str, PartitionLedger] = {}
    for row in rows:
        if row.topic not in newest or newest[row.topic].updated_at < row.updated_at:
            newest[row.topic] = row
    return [row for row in rows if _is_of_one(row, newest[row.topic])]


def _is_of_one(row: PartitionLedger, other: PartitionLedger) -> bool:
    """Whether one topic has both partitions, as far as its id is known."""
    is_known = row.topic_id and other.topic_id
    return row.cluster_id == other.cluster_id and (row.topic_id == other.topic_id or not is_known)


def _read_lately(
    rows: Sequence[PartitionLedger], alive: Sequence[PipelineStatus], at: datetime
) -> list[PartitionLedger]:
    """Those of topics that somebody reads, or did within FORGOTTEN_AFTER; all, where nobody reads anything."""
    read = {topic for status in alive for topic, *_ in status.partitions}
    read |= {row.topic for row in rows if row.updated_at > at - FORGOTTEN_AFTER}
    return [row for row in rows if row.topic in read] if read else list(rows)


def _partitions(
    ledger: Sequence[PartitionLedger], alive: Sequence[PipelineStatus], minutes: Sequence[PipelineMinute]
) -> list[Partition]:
    held = {
        Position(topic, number): (status.consumer, lag[0] if lag else None)
        for status in alive
        for topic, number, _, *lag in status.partitions
    }
    trails: dict[Position, list[tuple[datetime, int, int]]] = defaultdict(list)
    for minute in minutes:
        for topic, number, offset, lag in minute.partitions:
            trails[Position(topic, number)].append((minute.minute, offset, lag))
    found = []
    for row in ledger:
        position = Position(row.topic, row.partition)
        reader, lag = held.get(position, ("", None))
        trail = trails.get(position, [])
        found.append(
            Partition(*position, row.next_offset, reader, lag, _per_second(trail), _points([each[2] for each in trail]))
        )
    return found


def _per_second(trail: Sequence[tuple[datetime, int, int]]) -> float | None:
    """How fast it was read from the last minute but one to the last, by the offsets at their ends."""
    ends = [(at, offset) for at, offset, _ in trail]
    if len(ends) < 3 or ends[-2][0] == ends[-3][0]:
        return None
    seconds = (ends[-2][0] - ends[-3][0]).total_seconds()
    return round(max(0, ends[-2][1] - ends[-3][1]) / seconds, 1)


def _points(lags: Sequence[int]) -> str:
    """A line of SPARK_WIDTH x SPARK_HEIGHT, from zero up to the most that waited; empty for fewer than two values."""
    if len(lags) < 2:
        return ""
    most, step = max(*lags, 1), SPARK_WIDTH / (len(lags) - 1)
    height = SPARK_HEIGHT - 4
    return " ".join(f"{n * step:.1f},{2 + height * (1 - lag / most):.1f}" for n, lag in enumerate(lags))


def _reader(status: PipelineStatus, is_alive: bool, minute: PipelineMinute | None) -> Reader:
    positions = sorted((topic, number) for topic, number, *_ in status.partitions)
    holds = tuple(
        f"{topic} {', '.join(str(number) for _, number in numbers)}"
        for topic, numbers in groupby(positions, key=itemgetter(0))
    )
    if minute is None:
        return Reader(status, is_alive, holds, None, None)
    messages = minute.stored + minute.duplicates + minute.quarantined
    per_batch = round(messages / minute.batches) if minute.batches else None
    return Reader(status, is_alive, holds, minute.memory_bytes, per_batch)
