"""What a consumer says of itself: a row each 2 s and one a minute for the pages, a log line each minute and at last."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
import structlog

from devices.models import PipelineStatus
from devices.times import is_due
from ingestion.stream.batch import Batch, Position
from ingestion.stream.minutes import Minutes
from ingestion.stream.pipeline import Outcome

log = structlog.get_logger(__name__)
ROW_EVERY: Final = timedelta(seconds=2)
LINE_EVERY: Final = timedelta(seconds=60)
RATE_OVER: Final = timedelta(seconds=10)
DELAY_OVER: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Sample:
    """A written batch: when, how many messages, and the longest wait of one from receipt to commit, in seconds."""

    at: datetime
    messages: int
    delay_s: float


@dataclass(slots=True)
class Status:
    """Counts since the start, and samples of the last minute. Time is an argument."""

    consumer: str
    started_at: datetime
    polled: int = 0
    stored: int = 0
    duplicates: int = 0
    conflicting: int = 0
    quarantined: int = 0
    unknown_fields: int = 0
    evaluated_at: datetime | None = None
    samples: deque[Sample] = field(default_factory=deque)
    minutes: Minutes = field(default_factory=Minutes)
    row_at: datetime | None = None
    line_at: datetime | None = None

    def count(self, batch: Batch, outcome: Outcome, *, now: datetime) -> None:
        """Count what became of a batch that is committed."""
        self.polled += len(batch)
        self.stored += outcome.stored.height
        self.duplicates += outcome.duplicates
        self.conflicting += outcome.conflicting
        self.quarantined += len(outcome.quarantined)
        self.unknown_fields += outcome.unknown_fields
        self.evaluated_at = now
        self.samples.append(Sample(now, len(batch), (now - _earliest(batch, now)).total_seconds()))
        self.minutes.count(outcome, delay_s=self.samples[-1].delay_s, now=now)

    def report(self, *, positions: dict[Position, int], lags: dict[Position, int], now: datetime) -> None:
        """Write the rows and the line that are due."""
        while self.samples and self.samples[0].at < now - DELAY_OVER:
            self.samples.popleft()
        if is_due(self.row_at, every=ROW_EVERY, now=now):
            self.row_at = now
            standing = [[p.topic, p.partition, offset, lags.get(p, 0)] for p, offset in sorted(positions.items())]
            self._write_row(standing, sum(lags.values()), now)
            self.minutes.write(consumer=self.consumer, started_at=self.started_at, standing=standing, now=now)
        if is_due(self.line_at, every=LINE_EVERY, now=now):
            self.line_at = now
            self._write_line(sum(lags.values()))

    def leave(self, *, lag: int, now: datetime) -> None:
        """Take the row away, and say the last counts: this consumer is gone."""
        self.minutes.write(consumer=self.consumer, started_at=self.started_at, now=now)
        PipelineStatus.objects.filter(consumer=self.consumer).delete()
        self._write_line(lag)

    def events_per_second(self, now: datetime) -> float:
        recent = sum(sample.messages for sample in self.samples if sample.at >= now - RATE_OVER)
        return round(recent / RATE_OVER.total_seconds(), 1)

    def delay_p99_s(self) -> float | None:
        if not self.samples:
            return None
        return pl.Series([sample.delay_s for sample in self.samples]).quantile(0.99, "higher")

    def _write_row(self, standing: list[list[Any]], lag: int, now: datetime) -> None:
        figures = {
            "updated_at": now,
            "started_at": self.started_at,
            "lag": lag,
            "events_per_second": self.events_per_second(now),
            "delay_p99_s": self.delay_p99_s(),
            "evaluated_at": self.evaluated_at,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
            "partitions": standing,
        }
        PipelineStatus.objects.update_or_create(consumer=self.consumer, defaults=figures)
        PipelineStatus.objects.filter(updated_at__lt=now - timedelta(hours=1)).delete()

    def _write_line(self, lag: int) -> None:
        log.info(
            "pipeline.counters",
            polled=self.polled,
            stored=self.stored,
            duplicates=self.duplicates,
            conflicting=self.conflicting,
            quarantined=self.quarantined,
            unknown_fields=self.unknown_fields,
            lag=lag,
        )


def _earliest(batch: Batch, now: datetime) -> datetime:
    earliest = batch.received_at.min()
    return earliest if isinstance(earliest, datetime) else now
