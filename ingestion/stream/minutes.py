"""What a consumer did, minute by minute of the clock: counted in memory, a row each for the pipeline's page.

Counting a batch is a few additions; what takes longer is sampled when a row is written.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast

import polars as pl

from devices.metrics import Flag
from devices.times import is_due
from ingestion.models import PipelineMinute
from ingestion.stream.memory import memory_used
from ingestion.stream.pipeline import Outcome

WRITE_EVERY: Final = timedelta(seconds=10)
SAMPLED: Final = 200  # readings of the newest batch, each time that a row is written
_KEY: Final = ["minute", "consumer", "started_at"]
_WRITTEN: Final = [each.name for each in PipelineMinute._meta.concrete_fields if each.name not in (*_KEY, "id")]


@dataclass(slots=True)
class Minute:
    """The counts of one minute; `waits` of each batch: from its first receipt to its commit, in seconds, and `travels`
    of some readings: from their own time to their receipt."""

    at: datetime
    stored: int = 0
    duplicates: int = 0
    late: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    travels: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Minutes:
    """The minute that lasts, and those before it that are not written yet. Time is an argument."""

    pending: list[Minute] = field(default_factory=list)
    newest: pl.Series | None = None  # of some readings of the last batch: how long they travelled
    standing: list[list[Any]] = field(default_factory=list)
    written_at: datetime | None = None

    def count(self, outcome: Outcome, *, delay_s: float, now: datetime) -> None:
        """Count what became of a batch that is committed."""
        minute = self._minute(now)
        minute.stored += outcome.stored.height
        minute.duplicates += outcome.duplicates
        minute.quarantined += len(outcome.quarantined)
        minute.waits.append(delay_s)
        if outcome.quarantined:
            minute.reasons.update(row.reason for row in outcome.quarantined)
        if outcome.evaluated.has_late:
            minute.late += int(((outcome.stored["flags"] & int(Flag.LATE)) != 0).sum())
        some = outcome.accepted.tail(SAMPLED)
        self.newest = some["received_at"] - some["recorded_at"]

    def write(
        self, *, consumer: str, started_at: datetime, now: datetime, standing: list[list[Any]] | None = None
    ) -> None:
        """Write what is due, in one statement; without `standing` (of each partition, as the row keeps it) all of it:
        it is the end."""
        minute = self._minute(now)
        is_over = standing is None or len(self.pending) > 1
        if not is_over and not is_due(self.written_at, every=WRITE_EVERY, now=now):
            return
        self.standing = standing or self.standing
        self._sample(minute)
        rows = [
            PipelineMinute(
                minute=each.at, consumer=consumer, started_at=started_at, **_figures(each), memory_bytes=memory_used(),
                partitions=self.standing,
            )
            for each in self.pending
        ]  # fmt: skip
        PipelineMinute.objects.bulk_create(rows, update_conflicts=True, unique_fields=_KEY, update_fields=_WRITTEN)
        del self.pending[:-1]
        self.written_at = now

    def _minute(self, now: datetime) -> Minute:
        at = now.replace(second=0, microsecond=0)
        if not self.pending or self.pending[-1].at < at:
            self.pending.append(Minute(at))
        return self.pending[-1]

    def _sample(self, minute: Minute) -> None:
        if self.newest is None:
            return
        taken, self.newest = self.newest.dt.total_microseconds() / 1e6, None
        minute.travels += taken.to_list()


def _figures(minute: Minute) -> dict[str, Any]:
    counts = {name: getattr(minute, name) for name in ("stored", "duplicates", "late", "quarantined", "reasons")}
    return counts | {"batches": len(minute.waits)} | _spread("stored", minute.waits) | _spread("travel", minute.travels)


def _spread(name: str, seconds: list[float]) -> dict[str, float | None]:
    """Half took no longer than p50, one in a hundred longer than p99, and none longer than worst."""
    taken = pl.Series(seconds, dtype=pl.Float64)
    return {
        f"{name}_p50_s": taken.quantile(0.5, "higher"),
        f"{name}_p99_s": taken.quantile(0.99, "higher"),
        f"{name}_worst_s": cast("float | None", taken.max()),
    }
