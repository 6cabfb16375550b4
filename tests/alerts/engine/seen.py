"""What a rule sees of readings as they arrive, in memory: the readings, what is derived of them, or windows of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from alerts.engine import RuleSet, Window
from alerts.engine.clock import microseconds
from alerts.engine.derived import derived
from devices.metrics import METRICS, Flag
from devices.plausible import NEVER
from ingestion.evaluate.receipts import People
from ingestion.evaluate.windows import Completed, Windows
from tests.alerts.engine.twin import Reading
from tests.alerts.engine.twin_rows import Usual

FRESH = timedelta(minutes=15)
TIME = pl.Datetime("us", "UTC")
COLUMNS = {name: pl.String if metric.is_text else pl.Float64 for name, metric in METRICS.items()}
HEAD = {"user_id": pl.Int64, "recorded_at": TIME, "event_id": pl.String, "received_at": TIME, "flags": pl.Int64}
SETS = {
    "user_id": pl.Int64, "valid_from": TIME, "zone": pl.String, "local_hour": pl.Int8, "median": pl.Float64,
    "mad": pl.Float64, "metric": pl.String,
}  # fmt: skip


def frame(readings: Iterable[Reading], user_id: int = 1) -> pl.DataFrame:
    rows = [
        {
            "user_id": user_id,
            "recorded_at": row.at,
            "event_id": row.id,
            "received_at": row.at + row.delay,
            "flags": int(Flag.LATE) if row.late else 0,
            **row.values,
        }
        for row in readings
    ]
    return pl.DataFrame(rows, schema=HEAD | COLUMNS)


@dataclass
class Seen:
    """One person's readings, for rules that see them as they are."""

    rules: RuleSet
    readings: list[Reading] = field(default_factory=list)

    @property
    def as_of(self) -> dict[int, int]:
        """How far time has come, where rows do not say it."""
        return {}

    def take(self, new: list[Reading]) -> pl.DataFrame | None:
        """Store readings; the rows that they are, or None where what was there before is another now."""
        self.readings = self.readings + new
        return frame(new)

    def stored(self) -> pl.DataFrame:
        """All rows."""
        return frame(self.readings)

    def keep(self) -> None:
        """What was taken last is committed."""

    def forget(self) -> None:
        """The process is another: only what is stored is there."""


@dataclass
class Derived(Seen):
    """The same with derived columns; somebody else's readings lie between."""

    usual: Sequence[Usual] = ()

    def take(self, new: list[Reading]) -> pl.DataFrame | None:
        before, last = self.readings, max((row.at for row in self.readings), default=None)
        self.readings = before + new
        if self.rules.has_rates and last is not None and min(row.at for row in new) <= last:
            return None
        return self._derived(new, before)

    def stored(self) -> pl.DataFrame:
        return self._derived(self.readings, [])

    def _derived(self, readings: list[Reading], earlier: list[Reading]) -> pl.DataFrame:
        rows, before = (pl.concat((frame(each), self._strangers(each))) for each in (readings, earlier))
        theirs = [(user, *each, "heart_rate") for user in (1, 2) for each in self.usual]
        sets = pl.DataFrame(theirs, schema=SETS, orient="row")
        sets = sets.with_columns(median=pl.col("median") + 20 * (pl.col("user_id") - 1))
        made = derived(rows, self.rules.derived, baselines=sets, earlier=before)
        return made.filter(pl.col("user_id") == 1)

    def _strangers(self, readings: list[Reading]) -> pl.DataFrame:
        moved = frame(readings, user_id=2).with_columns(pl.col("recorded_at") + timedelta(milliseconds=2_500))
        return moved.with_columns(heart_rate=300 - pl.col("heart_rate"))


@dataclass
class Windowed(Seen):
    """Windows, as the consumer completes and changes them."""

    windows: dict[datetime, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert isinstance(self.rules.over, Window)
        self._window = self.rules.over
        self._maker = Windows(freshness=FRESH, metrics=("heart_rate",), read=self._read)
        self._completed = Completed()

    @property
    def as_of(self) -> dict[int, int]:
        return {1: microseconds(max(row.at for row in self.readings))} if self.readings else {}

    def take(self, new: list[Reading]) -> pl.DataFrame | None:
        before = list(self.as_of.values())
        self.readings = self.readings + new
        after = list(self.as_of.values())
        columns = (list(self.as_of), before or [NEVER] * len(after), after)
        people = People(*(np.array(column, np.int64) for column in columns))
        self._completed = self._maker.complete(frame(new), people=people, wanted={self._window: ("heart_rate",)})
        self._store(self._completed.found)
        return self._completed.found.get(self._window, self._frame([]))

    def stored(self) -> pl.DataFrame:
        return self._frame([self.windows[end] for end in sorted(self.windows)])

    def _frame(self, windows: list[dict[str, Any]]) -> pl.DataFrame:
        return pl.DataFrame(
            windows, schema={**HEAD, "fresh": pl.Boolean, **dict.fromkeys(self.rules.columns, pl.Float64)}
        )

    def keep(self) -> None:
        self._maker.keep(self._completed)

    def forget(self) -> None:
        self._maker.drop()

    def _read(self, people: Sequence[int], since: Sequence[datetime], until: Sequence[datetime | str]) -> pl.DataFrame:
        ends = [None if isinstance(end, str) else end for end in until]
        spans = zip(since, ends, strict=True)
        held = [
            row for start, end in spans for row in self.readings if start <= row.at and (end is None or row.at < end)
        ]
        return frame(held)

    def _store(self, found: Mapping[Window, pl.DataFrame]) -> None:
        rows = found[self._window].iter_rows(named=True) if self._window in found else ()
        self.windows = self.windows | {row["recorded_at"]: row for row in rows}


def seen_by(rules: RuleSet, usual: Sequence[Usual] = ()) -> Seen:
    """What these rules see of one person."""
    if rules.is_of_windows:
        return Windowed(rules)
    return Derived(rules, usual=usual) if rules.derived else Seen(rules)
