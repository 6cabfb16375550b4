"""Windows as stored rows: written when time has passed their end, made anew when a reading comes late.

Of each person what the readings of the windows that are not over yet add up to is remembered, so that what arrives in
order is never read back. Windows that an older reading falls into are put together again from what is stored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from alerts.engine import Window
from alerts.engine.clock import length
from alerts.engine.windows import steps_of, steps_together, windows_of
from alerts.stored_rows import rows_within, times_of
from devices.metrics import NUMERIC, Flag
from ingestion.late import Span
from ingestion.window_rows import windows_store

MINUTE: Final = Window(timedelta(minutes=1), timedelta(minutes=1))
DISORDER: Final = timedelta(minutes=10)  # sliding windows are made anew in memory for readings as far behind as this
Read = Callable[[Sequence[int], Sequence[datetime], Sequence[datetime | str]], pl.DataFrame]
Store = Callable[[Mapping[Window, pl.DataFrame]], None]
Wanted = Mapping[Window, Sequence[str]]  # windows that rules see, and the metrics that these read of them

_TIME: Final = pl.Datetime("us", "UTC")
_NO_READINGS: Final = pl.DataFrame(
    schema={"user_id": pl.Int64(), "recorded_at": _TIME, "flags": pl.Int64(), **dict.fromkeys(NUMERIC, pl.Float64())}
)
_BEFORE: Final = pl.Schema({"user_id": pl.Int64(), "before": _TIME})


@dataclass(frozen=True, slots=True)
class Written:
    """The windows that a batch completed or changed, as rows that `alerts.engine.advance` takes, and what is
    remembered of `people` once it is committed."""

    found: dict[Window, pl.DataFrame] = field(default_factory=dict)
    people: frozenset[int] = frozenset()
    steps: dict[Window, pl.DataFrame] = field(default_factory=dict)


@dataclass(slots=True)
class _Memory:
    """The last steps of everybody in `people`: of windows that are not over, and a little more of sliding ones."""

    metrics: tuple[str, ...]
    people: set[int] = field(default_factory=set)
    steps: pl.DataFrame | None = None

    def of(self, people: pl.Series) -> list[pl.DataFrame]:
        return [] if self.steps is None else [self.steps.filter(_is_of(people))]


class Windows:
    """Writes complete windows: every minute, and what rules see. What it remembers is a cache: dropping it costs time
    alone."""

    def __init__(self, *, freshness: timedelta, read: Read = rows_within, store: Store = windows_store) -> None:
        self._freshness = freshness
        self._read = read
        self._store = store
        self._memory: dict[Window, _Memory] = {}

    def write(
        self, new: pl.DataFrame, *, before: Mapping[int, datetime | None], wanted: Wanted | None = None
    ) -> Written:
        """Write the windows that `new` (in order of arrival) completes or changes; inside the transaction that stored
        these readings.

        `before` is the greatest `recorded_at` that was stored of each of these people before them.
        """
        self._want(wanted or {})
        people = pl.DataFrame({"user_id": list(before), "before": list(before.values())}, schema=_BEFORE)
        after = new.group_by("user_id").agg(after=pl.max("recorded_at"))
        people = people.join(after, on="user_id", how="left").with_columns(after=pl.max_horizontal("before", "after"))
        people = people.filter(pl.col("after").is_not_null())
        minutes = steps_of(new, MINUTE.every)
        written = Written(people=frozenset(people["user_id"]))
        for window, memory in self._memory.items():
            steps = _of_window(new, minutes, window, memory.metrics)
            found, written.steps[window] = self._complete(window, memory, steps, people)
            written.found[window] = self._with_receipt(found, new, people)
        self._store(written.found)
        return written

    def pass_time(self, before: Mapping[int, datetime], *, at: datetime, wanted: Wanted) -> Written:
        """Write the windows of people of whom nothing came, that are over by our clock; `before` is up to when theirs
        were complete. Inside a transaction; nothing of it is to be kept."""
        self._want(wanted)
        ends = [at] * len(before)
        people = pl.DataFrame(
            {"user_id": list(before), "before": list(before.values()), "after": ends},
            schema={**_BEFORE, "after": _TIME},
        )
        written = Written()
        for window, memory in self._memory.items():
            none = steps_of(_NO_READINGS, window.every, memory.metrics)
            found, _ = self._complete(window, memory, none, people)
            written.found[window] = _made_at(found, at).with_columns(fresh=False)
        self._store(written.found)
        return written

    def rewrite(self, spans: Mapping[int, Span], *, at: datetime, wanted: Wanted) -> None:
        """Put the complete windows of these stretches together again from what is stored; inside a transaction, after
        which these people are to be forgotten."""
        self._want(wanted)
        given = {
            "user_id": list(spans),
            "since": [s.since for s in spans.values()],
            "until": [s.until for s in spans.values()],
        }
        stretches = pl.DataFrame(given, schema={"user_id": pl.Int64(), "since": _TIME, "until": _TIME})
        self._store(
            {
                window: _made_at(self._anew(window, memory.metrics, stretches), at).with_columns(
                    fresh=pl.col("flags") & Flag.LATE == 0
                )
                for window, memory in self._memory.items()
            }
        )

    @property
    def longest(self) -> timedelta:
        """How long after a reading a window that holds it may be open."""
        return max((window.size for window in self._memory), default=MINUTE.size)

    def keep(self, written: Written) -> None:
        """Take over what a committed batch leaves."""
        people = pl.Series(list(written.people), dtype=pl.Int64)
        for window, steps in written.steps.items():
            memory = self._memory[window]
            others = [] if memory.steps is None else [memory.steps.filter(~_is_of(people))]
            memory.steps = pl.concat((*others, steps), rechunk=True)
            memory.people |= written.people

    def drop(self) -> None:
        self._memory.clear()

    def forget(self, people: Iterable[int]) -> None:
        """What is remembered of these people, whose readings changed otherwise or come no more."""
        gone = set(people)
        for memory in self._memory.values():
            memory.people -= gone
            if memory.steps is not None:
                memory.steps = memory.steps.filter(~_is_of(pl.Series(list(gone), dtype=pl.Int64)))

    def _want(self, wanted: Wanted) -> None:
        """Minutes, side by side windows of whole minutes with every metric, sliding ones with what is read of them."""
        kinds = {window: NUMERIC if window.steps == 1 else tuple(metrics) for window, metrics in wanted.items()}
        kinds = {MINUTE: NUMERIC, **kinds}
        self._memory = {
            window: known if (known := self._memory.get(window)) and known.metrics == metrics else _Memory(metrics)
            for window, metrics in kinds.items()
        }

    def _complete(
        self, window: Window, memory: _Memory, new: pl.DataFrame, people: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The windows that are over or other than before, and the steps to remember."""
        places = _places(window, memory, people)
        spans = _to_read(window, new, places)
        whole, single = spans.filter("whole"), spans.filter(~pl.col("whole"))
        known = new.join(whole, on="user_id", how="anti").join(single, on=["user_id", "step"], how="anti")
        read = (
            steps_of(self._read(*_span(spans, window)), window.every, memory.metrics) if spans.height else new.clear()
        )
        remembered = [each.join(whole, on="user_id", how="anti") for each in memory.of(people["user_id"])]
        steps = steps_together(pl.concat((known, read, *remembered)), memory.metrics)
        ends = _ends(window, steps, new, places)
        if window.steps == 1:
            found = windows_of(steps.join(ends, on=["user_id", "step"], how="semi"), window, memory.metrics)
        else:
            found = windows_of(steps, window, memory.metrics, ends=ends)
        held = places.select("user_id", held=pl.col("last") + 1 - _reach(window))
        kept = steps.join(held, on="user_id").filter(pl.col("step") >= pl.col("held"))
        return found, kept.select(steps.columns)

    def _anew(self, window: Window, metrics: Sequence[str], stretches: pl.DataFrame) -> pl.DataFrame:
        """The complete windows that hold something of these stretches, from stored readings."""
        every, around = length(window.every), window.steps - 1
        times = times_of(window, stretches["user_id"].to_list())
        over = pl.DataFrame(
            {"user_id": list(times), "over": list(times.values())}, schema={"user_id": pl.Int64(), "over": _TIME}
        )
        places = stretches.join(over, on="user_id").select(
            "user_id",
            first=pl.col("since").dt.timestamp("us") // every,
            final=pl.col("until").dt.timestamp("us") // every,
            last=pl.col("over").dt.timestamp("us") // every - 1,
        )
        ends = [
            ((pl.col(name) + shift) * every).cast(_TIME).alias(name)
            for name, shift in (("first", -around), ("final", around + 1))
        ]
        bounds = places.select("user_id", *ends)
        steps = steps_of(self._read(*(bounds[name].to_list() for name in bounds.columns)), window.every, metrics)
        inside = steps.join(places, on="user_id").filter(pl.col("step").is_between("first", "final"))
        touched = _ends(
            window, steps.clear(), inside.select("user_id", "step"), places.with_columns(current=pl.col("last"))
        )
        if window.steps == 1:
            return windows_of(steps.join(touched, on=["user_id", "step"], how="semi"), window, metrics)
        return windows_of(steps, window, metrics, ends=touched)

    def _with_receipt(self, found: pl.DataFrame, new: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
        """With `received_at` and `fresh`: those of the reading that completed each; of an older window, which there was
        before or which an older reading makes, of all the older ones."""
        at, received = pl.col("recorded_at"), pl.col("received_at")
        fresh = (pl.col("flags") & Flag.LATE == 0) & (received - at <= self._freshness)
        so_far = at.cum_max().shift(1).over("user_id")
        first = new.filter(so_far.is_null() | (at > so_far)).select(
            "user_id", "received_at", completed_at=at, near=fresh
        )
        older = (
            new.join(people, on="user_id")
            .filter(at < pl.col("before"))
            .group_by("user_id")
            .agg(older_received_at=received.max(), older_near=fresh.all())
        )
        joined = (
            found.sort("recorded_at")
            .join_asof(
                first.sort("completed_at"), left_on="recorded_at", right_on="completed_at", by="user_id",
                strategy="forward", check_sortedness=False, coalesce=False,
            )
            .join(people.select("user_id", "before"), on="user_id")
            .join(older, on="user_id", how="left")
        )  # fmt: skip
        is_over = pl.col("before").is_null() | (at > pl.col("before"))
        near = pl.col("near") & (pl.col("completed_at") - at <= self._freshness)
        chosen = joined.with_columns(
            received_at=pl.when(is_over).then("received_at").otherwise("older_received_at"),
            fresh=pl.when(is_over).then(near).otherwise("older_near") & (pl.col("flags") & Flag.LATE == 0),
        )
        return chosen.select(*found.columns, "received_at", "fresh", pl.lit(None, pl.String).alias("event_id"))


def _of_window(new: pl.DataFrame, minutes: pl.DataFrame, window: Window, metrics: Sequence[str]) -> pl.DataFrame:
    """The readings of a batch as steps of a window."""
    if window == MINUTE:
        return minutes
    times, rest = divmod(window.every, MINUTE.every)
    return steps_of(new, window.every, metrics) if rest else steps_together(minutes, metrics, times=times)


def _reach(window: Window) -> int:
    """How many steps before the one that runs are remembered."""
    return 0 if window.steps == 1 else window.steps - 1 + DISORDER // window.every


def _places(window: Window, memory: _Memory, people: pl.DataFrame) -> pl.DataFrame:
    """For each person the step that ran before (null: nothing was stored), the last one that is over now, and whether
    the steps between are remembered."""
    every = length(window.every)
    return people.select(
        "user_id",
        current=pl.col("before").dt.timestamp("us") // every,
        last=pl.col("after").dt.timestamp("us") // every - 1,
        known=pl.Series([user_id in memory.people for user_id in people["user_id"]], dtype=pl.Boolean),
    )


def _to_read(window: Window, new: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """The steps (user_id, step) whose readings are needed and not remembered: those of people who are not known, and
    those around older readings. Where `whole`, all from that step on."""
    reach = _reach(window)
    unknown = places.filter(~pl.col("known") & pl.col("current").is_not_null())
    since = unknown.select("user_id", step=pl.col("current") - reach)
    older = new.select("user_id", "step").join(places, on="user_id")
    older = older.filter(pl.col("step") < pl.col("current") - (reach + 1 - window.steps))
    older = older.select("user_id", step=pl.col("step") + 1 - window.steps)
    if window.steps == 1:
        return pl.concat((since.with_columns(whole=True), older.with_columns(whole=False)), how="vertical")
    return pl.concat((since, older)).group_by("user_id").agg(pl.min("step")).with_columns(whole=True)


def _span(spans: pl.DataFrame, window: Window) -> tuple[list[int], list[datetime], list[datetime | str]]:
    """Whose readings these steps hold, from when until when."""
    start = (pl.col("step") * length(window.every)).cast(_TIME)
    ends = spans.select(since=start, until=start + window.every, whole="whole")
    until = ["infinity" if whole else until for until, whole in ends.select("until", "whole").iter_rows()]
    return spans["user_id"].to_list(), ends["since"].to_list(), until


def _ends(window: Window, steps: pl.DataFrame, new: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """The windows (user_id, their last step) that are over now and were not before, and those over that `new` is in."""
    first, last = pl.col("step"), pl.min_horizontal(pl.col("step") + window.steps - 1, "last")
    over = steps.select("user_id", "step").join(places, on="user_id")
    over = over.select("user_id", first=pl.max_horizontal(first, "current"), last=last)
    touched = new.select("user_id", "step").join(places, on="user_id").select("user_id", first=first, last=last)
    spans = pl.concat((over, touched)).filter(pl.col("first") <= pl.col("last"))
    each = spans.select("user_id", step=pl.int_ranges("first", pl.col("last") + 1))
    return each.explode("step").unique()


def _made_at(found: pl.DataFrame, at: datetime) -> pl.DataFrame:
    return found.with_columns(pl.lit(at, _TIME).alias("received_at"), pl.lit(None, pl.String).alias("event_id"))


def _is_of(people: pl.Series) -> pl.Expr:
    return pl.col("user_id").is_in(people.implode())
