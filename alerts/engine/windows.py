"""Windows: the rows of a person put together by time, exactly, so that no order of addition shows.

Rows become steps, as long as a window's `every`, and steps become windows. Both are whole numbers: values are summed as
millionths, their squares in two halves of 32 bits, so that parts of one step can be added up whenever their rows come.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from alerts.engine.clock import length
from alerts.engine.rows import instants
from alerts.engine.source import Window
from devices.metrics import NUMERIC

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MILLIONTHS: Final = 1_000_000
_TIME: Final = pl.Datetime("us", "UTC")
_STEP_BITS: Final = 34  # seconds of five hundred years; what is left is for people
_HALF: Final = (1 << 32) - 1
_MOST: Final = (
    1 << 16
)  # values in a window whose squares are reckoned in 64 bits; beyond it in whole numbers of any size
COUNT, SUM, LOW, HIGH = range(4)


class Steps(NamedTuple):
    """Steps in order of person and time, each once, all arrays as long. `key` holds both; `rows` says how many there
    are, `flags` are those of any.

    `sums` are, for each metric, how many values, what they add up to in millionths, and the lower and the upper half of
    their squares. `bounds` are the least and the greatest; NaN where there is none.
    """

    key: Ints
    rows: Ints
    flags: Ints
    sums: Ints
    bounds: Floats

    @property
    def user(self) -> Ints:
        return user_in(self.key)

    @property
    def step(self) -> Ints:
        return step_in(self.key)

    def picked(self, which: Any) -> "Steps":
        """Those that `which` chooses: a mask, or places in ascending order."""
        if isinstance(which, np.ndarray) and which.dtype == np.bool_ and which.all():
            return self
        return Steps._make(column[which] for column in self)

    def of(self, people: Ints) -> "Steps":
        """Those of these people, who are in order."""
        start, end = self._stretches(people)
        sizes = end - start
        if int(sizes.sum()) == len(self.key):
            return self
        return self.picked(np.repeat(start - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum())))

    def without(self, people: Ints) -> "Steps":
        """Those of others."""
        start, end = self._stretches(people)
        if int((end - start).sum()) == len(self.key):
            return self.picked(slice(0))
        marks = np.zeros(len(self.key) + 1, np.int64)
        np.add.at(marks, start, 1)
        np.subtract.at(marks, end, 1)
        return self.picked(np.cumsum(marks)[:-1] == 0)

    def _stretches(self, people: Ints) -> tuple[Ints, Ints]:
        return np.searchsorted(self.key, people << _STEP_BITS), np.searchsorted(self.key, (people + 1) << _STEP_BITS)


def key_of(user: Ints, step: Ints) -> Ints:
    """What stands for a person and a step, in their order."""
    return (user << _STEP_BITS) | step


def user_in(key: Ints) -> Ints:
    return key >> _STEP_BITS


def step_in(key: Ints) -> Ints:
    return key & ((1 << _STEP_BITS) - 1)


def no_steps(metrics: Collection[str]) -> Steps:
    none = np.empty(0, np.int64)
    return Steps(none, none, none, np.empty((0, len(metrics), 4), np.int64), np.empty((0, len(metrics), 2)))


def steps_of(rows: pl.DataFrame, every: timedelta, metrics: Sequence[str] = NUMERIC) -> Steps:
    """The steps that `rows` make: `user_id`, `recorded_at`, `flags` and `metrics`, in any order."""
    if rows.is_empty():
        return no_steps(metrics)
    key = key_of(rows["user_id"].to_numpy(), instants(rows["recorded_at"]) // length(every))
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    there = [place for place, name in enumerate(metrics) if rows[name].null_count() < rows.height]
    sums = np.zeros((len(starts), len(metrics), 4), np.int64)
    bounds = np.full((len(starts), len(metrics), 2), np.nan)
    for place in there:
        _add_up(rows[metrics[place]].to_numpy()[order], starts, sums[:, place], bounds[:, place])
    flags = np.bitwise_or.reduceat(rows["flags"].to_numpy()[order].astype(np.int64, copy=False), starts)
    return Steps(key[starts], np.diff(starts, append=len(key)), flags, sums, bounds)


def _add_up(values: Floats, starts: Any, sums: Ints, bounds: Floats) -> None:
    """Fill in what the stretches of `values` that begin at `starts` come to; NaN is no value."""
    exact = np.rint(values * MILLIONTHS)
    has = ~np.isnan(values)
    if not has.all():
        exact[~has] = 0
    whole = exact.astype(np.int64)
    squares = whole * whole
    sums[:, COUNT] = np.add.reduceat(has, starts, dtype=np.int64)
    sums[:, SUM] = np.add.reduceat(whole, starts)
    sums[:, LOW] = np.add.reduceat(squares & _HALF, starts)
    sums[:, HIGH] = np.add.reduceat(squares >> 32, starts)
    bounds[:, 0] = np.fmin.reduceat(values, starts)
    bounds[:, 1] = np.fmax.reduceat(values, starts)


def steps_together(parts: Sequence[Steps]) -> Steps:
    """The parts as one; several may hold something of one step."""
    some = [part for part in parts if len(part.key)]
    if len(some) > 1:
        return _grouped(Steps._make(np.concatenate(columns) for columns in zip(*some, strict=True)))
    return some[0] if some else parts[0]


def steps_added(known: Steps, new: Steps) -> Steps:
    """The same where few of many steps change: most of `known` is only copied."""
    if not len(known.key) or not len(new.key):
        return new if len(new.key) else known
    place = np.minimum(np.searchsorted(known.key, new.key), len(known.key) - 1)
    again = known.key[place] == new.key
    if again.any():
        known = Steps._make(column.copy() for column in known)
        there, more = place[again], new.picked(again)
        known.rows[there] += more.rows
        known.flags[there] |= more.flags
        known.sums[there] += more.sums
        known.bounds[there, :, 0] = np.fmin(known.bounds[there, :, 0], more.bounds[:, :, 0])
        known.bounds[there, :, 1] = np.fmax(known.bounds[there, :, 1], more.bounds[:, :, 1])
        new = new.picked(~again)
    if not len(new.key):
        return known
    both = Steps._make(np.concatenate(columns) for columns in zip(known, new, strict=True))
    return both.picked(np.argsort(both.key, kind="stable"))


def steps_coarser(steps: Steps, times: int, metrics: Collection[str], kept: Collection[str]) -> Steps:
    """Steps `times` as long, of those of their `metrics` that are `kept`."""
    places = [list(metrics).index(name) for name in kept]
    key = steps.key if times == 1 else key_of(steps.user, steps.step // times)
    return _grouped(Steps(key, steps.rows, steps.flags, steps.sums[:, places], steps.bounds[:, places]))


def _grouped(parts: Steps) -> Steps:
    """In order, each key once."""
    if np.all(parts.key[1:] > parts.key[:-1]):
        return parts
    parts = parts.picked(np.argsort(parts.key, kind="stable"))
    starts = np.flatnonzero(np.diff(parts.key, prepend=parts.key[0] - 1))
    return parts if len(starts) == len(parts.key) else _reduced(parts, starts, parts.key[starts])


def _reduced(parts: Steps, starts: Any, key: Ints) -> Steps:
    """A step for each stretch that begins at `starts`."""
    with np.errstate(invalid="ignore"):
        least = np.fmin.reduceat(parts.bounds[:, :, 0], starts)
        most = np.fmax.reduceat(parts.bounds[:, :, 1], starts)
    return Steps(
        key,
        np.add.reduceat(parts.rows, starts),
        np.bitwise_or.reduceat(parts.flags, starts),
        np.add.reduceat(parts.sums, starts),
        np.stack((least, most), axis=2),
    )


def windows_over(steps: Steps, window: Window, ends: Ints) -> Steps:
    """The windows whose last steps have the keys `ends` (ascending), as steps of that key; `steps` must hold all of
    theirs, and of each at least one."""
    first = np.searchsorted(steps.key, ends - (window.steps - 1))
    after = np.searchsorted(steps.key, ends, side="right")
    if window.steps == 1 or len(ends) == 0:
        return steps.picked(first)
    padded = Steps._make(np.concatenate((column, column[:1])) for column in steps)  # a stretch may end with the last
    edges = np.column_stack((first, after)).ravel()
    both = _reduced(padded, edges, np.repeat(ends, 2))
    return both.picked(np.arange(0, len(edges), 2))


def ends_of(windows: Steps, window: Window) -> Ints:
    """When they end, in microseconds since 1970 UTC."""
    return (windows.step + 1) * length(window.every)


def windows_frame(windows: Steps, window: Window, metrics: Sequence[str] = NUMERIC, **more: Any) -> pl.DataFrame:
    """`user_id`, `recorded_at`, which is the end, `flags`, the columns of `source.WINDOW_COLUMNS` for `metrics`, and
    `more` columns."""
    end = pl.Series(ends_of(windows, window)).cast(_TIME)
    columns: dict[str, Any] = {"user_id": windows.user, "recorded_at": end, "flags": windows.flags, **more}
    columns["count"] = windows.rows.astype(np.float64)
    for place, name in enumerate(metrics):
        count, total = windows.sums[:, place, COUNT], windows.sums[:, place, SUM]
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[f"count_{name}"] = count.astype(np.float64)
            columns[f"avg_{name}"] = total / (count * MILLIONTHS)
            columns[f"min_{name}"] = windows.bounds[:, place, 0]
            columns[f"max_{name}"] = windows.bounds[:, place, 1]
            columns[f"stddev_{name}"] = _spread(windows.sums[:, place])
    return pl.DataFrame(columns, nan_to_null=True)


def _spread(sums: Ints) -> Floats:
    """Standard deviation of the sample, in the metric's unit; NaN of fewer than two values.

    n * (sum of squares) - (sum)^2 has up to 128 bits: it is taken apart at 32, so that what is left of nearly equal
    numbers is exact.
    """
    count, total = sums[:, COUNT], sums[:, SUM]
    high, low = sums[:, HIGH] + (sums[:, LOW] >> 32), sums[:, LOW] & _HALF
    above, below = total >> 32, total & _HALF
    square = below.astype(np.uint64) * below.astype(np.uint64)
    upper = count * high + ((count * low) >> 32) - 2 * above * below - (square >> np.uint64(32)).astype(np.int64)
    upper -= (above * above) << 32
    lower = ((count * low) & _HALF) - (square & np.uint64(_HALF)).astype(np.int64)
    apart = upper * 2.0**32 + lower
    for place in np.flatnonzero(count >= _MOST):
        n, whole = int(count[place]), int(total[place])
        apart[place] = n * ((int(high[place]) << 32) + int(low[place])) - whole * whole
    spread: Floats = np.sqrt(apart / (count * (count - 1))) / MILLIONTHS
    return np.where(count > 1, spread, np.nan)


def complete_windows(rows: pl.DataFrame, window: Window, metrics: Sequence[str] = NUMERIC) -> pl.DataFrame:
    """The windows of everybody in `rows` that are over by their own last row, as rows that `advance` takes.

    `rows` are all rows of a person from the start of some window on. Each window is received when it ends. At last each
    person has a row of NULL at their last row's time: time has passed that far, also where no window ends there.
    """
    last = rows.group_by("user_id").agg(pl.max("recorded_at").alias("as_of"))
    steps = steps_of(rows, window.every, metrics)
    ends = np.unique((steps.key[:, None] + np.arange(window.steps)).ravel())
    found = windows_frame(windows_over(steps, window, ends), window, metrics)
    over = found.join(last, on="user_id").filter(pl.col("recorded_at") <= pl.col("as_of")).drop("as_of")
    passed = last.select("user_id", recorded_at="as_of", flags=pl.lit(0, pl.Int64))
    both = pl.concat([over, passed], how="diagonal")
    return both.with_columns(pl.lit(None, pl.String).alias("event_id"), pl.col("recorded_at").alias("received_at"))
