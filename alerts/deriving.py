"""Derived columns of live rows: with the baselines of their people, and what was stored in the minutes before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import polars as pl

from alerts.engine import RuleSet
from alerts.engine.derived import RATE_REACH, derived
from alerts.engine.usual import Usual
from alerts.stored_rows import rows_within
from devices.baselines import FRAME, baselines_holding
from devices.times import is_due

ASK_AGAIN: Final = timedelta(minutes=1)  # for people without a set: theirs may be made meanwhile
_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)


@cache
def _nobody() -> Usual:
    """Not made at import: a worker that forks after a query waits for ever for threads that stayed behind."""
    return Usual(FRAME.to_frame())


class Deriving:
    """Adds derived columns. The baselines that it remembers, of each person for a day, are a cache."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[datetime, datetime]] = {}  # from when until when a person's sets are in _sets
        self._all_known: tuple[datetime, datetime] | None = None  # from when until when everybody's are
        self._sets = FRAME.to_frame()
        self._usual: Usual | None = None  # the same, laid out
        self._metrics: tuple[str, ...] = ()
        self._asked_at: datetime | None = None

    def drop(self) -> None:
        self._known.clear()
        self._all_known = None
        self._sets, self._usual = FRAME.to_frame(), None

    def whole(self, rules: RuleSet, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that hold all of the 10 minutes before those that matter, with the columns that `rules` derive."""
        if rows.is_empty():
            return rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in rules.derived)
        return derived(rows, rules.derived, baselines=_holding(rows, _compared(rules)))

    def following(self, rules: RuleSet, rows: pl.DataFrame, *, at: datetime) -> pl.DataFrame:
        """Rows each of which is newer than all that is stored of its person but these rows."""
        if rows.is_empty():
            return rows
        if (metrics := _compared(rules)) != self._metrics:
            self.drop()
            self._metrics = metrics
        usual = self._held(rows, at) if metrics else _nobody()
        return derived(rows, rules.derived, baselines=usual, earlier=_before(rows) if rules.has_rates else None)

    def _held(self, rows: pl.DataFrame, at: datetime) -> Usual:
        """What holds for these people; at a new day it is read for all who are known, at once."""
        self._forget_strangers(at)
        if not self._holds_all(rows):
            self._read_missing(rows)
        if self._usual is None:
            self._usual = Usual(self._sets)
        return self._usual

    def _holds_all(self, rows: pl.DataFrame) -> bool:
        """Whether nothing is missing for these rows, as nearly always; where it says no, that is asked of each."""
        if not self._known:
            return False
        if self._all_known is None:
            since, until = zip(*self._known.values(), strict=True)
            self._all_known = max(since), min(until)
        at: Any = rows["recorded_at"]
        return _within(self._all_known, at.min(), at.max()) and self._known.keys() >= set(rows["user_id"].to_list())

    def _read_missing(self, rows: pl.DataFrame) -> None:
        spans = rows.group_by("user_id").agg(pl.min("recorded_at").alias("since"), pl.max("recorded_at").alias("until"))
        missing = [
            (user_id, since, until)
            for user_id, since, until in spans.iter_rows()
            if not _within(self._known.get(user_id), since, until)
        ]
        if any(user_id in self._known for user_id, _, _ in missing):
            since, until = min(each[1] for each in missing), max(each[2] for each in missing)
            missing = [(user_id, since, until) for user_id in {*self._known, *(each[0] for each in missing)}]
        if missing:
            self._read(missing)

    def _read(self, missing: list[tuple[int, datetime, datetime]]) -> None:
        """The sets of these people until the midnight after their last row: then the next one may hold."""
        since, until = min(each[1] for each in missing), max(_midnight_after(each[2]) for each in missing)
        people = [user_id for user_id, _, _ in missing]
        read = baselines_holding(user_ids=people, since=since, until=until - _INSTANT, metrics=self._metrics)
        others = self._sets.filter(~pl.col("user_id").is_in(people))
        if read.height or others.height < self._sets.height:
            self._sets, self._usual = pl.concat((others, read)), None
        self._known |= dict.fromkeys(people, (since, until))
        self._all_known = None

    def _forget_strangers(self, at: datetime) -> None:
        if not is_due(self._asked_at, every=ASK_AGAIN, now=at):
            return
        self._asked_at = at
        known = set(self._sets["user_id"].unique())
        self._known = {user_id: span for user_id, span in self._known.items() if user_id in known}
        self._all_known = None


def _within(known: tuple[datetime, datetime] | None, since: datetime, until: datetime) -> bool:
    return known is not None and known[0] <= since and until < known[1]


def _midnight_after(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY


def _compared(rules: RuleSet) -> tuple[str, ...]:
    """The metrics that `rules` hold against what is usual."""
    return tuple(name.removesuffix("_z") for name in rules.derived if name.endswith("_z"))


def _holding(rows: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    since, until = rows.select(pl.min("recorded_at").alias("since"), pl.max("recorded_at").alias("until")).row(0)
    return baselines_holding(user_ids=rows["user_id"].unique().to_list(), since=since, until=until, metrics=metrics)


def _before(rows: pl.DataFrame) -> pl.DataFrame:
    """What is stored of these people in the minutes before their first row."""
    first = rows.group_by("user_id").agg(pl.min("recorded_at"))
    at = first["recorded_at"].to_list()
    stored = rows_within(first["user_id"].to_list(), [each - RATE_REACH for each in at], at)
    return stored.select(name for name in rows.columns if name in stored.columns)
