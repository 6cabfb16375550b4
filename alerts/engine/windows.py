"""Windows: the rows of a person put together by time, exactly, so that no order of addition shows.

Rows become steps, as long as a window's `every`, and steps become windows. Both are whole numbers: values are summed as
millionths, their squares in two halves of 32 bits, so that parts of one step can be added up whenever their rows come.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from alerts.engine.clock import length
from alerts.engine.groups import COUNT, HALF, HIGH, LOW, MILLIONTHS, SUM, Groups, add_up, in_order
from alerts.engine.rows import instants
from alerts.engine.source import Window
from devices.metrics import NUMERIC

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_TIME: Final = pl.Datetime("us", "UTC")
_STEP_BITS: Final = 34  # seconds of five hundred years; what is left is for people
_MOST: Final = (
    1 << 16
)  # values in a window whose squares are reckoned in 64 bits; beyond it in whole numbers of any size
_RUNS: Final = 16  # stretches of neighbours among steps


class Steps(NamedTuple):
    """Steps in order of person and time, each once: the last axis of all arrays. `key` holds both; `rows` says how many
    there are, `flags` are those of any.

    `metrics`, in order of their names, are those of which there may be values. `sums` (metrics, 4, steps) are, for
    each, how many values, what they add up to in millionths, and the lower and the upper half of their squares.
    `bounds` (metrics, 2, steps) are the least and the greatest; NaN where there is none.
    """

    metrics: tuple[str, ...]
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

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self[1:])

    def each(self, made: Callable[..., Any], *others: "Steps") -> "Steps":
        """What `made` makes of each array, and of the same of others, which have the same metrics."""
        return Steps(
            self.metrics, *(made(*columns) for columns in zip(*(one[1:] for one in (self, *others)), strict=True))
        )

    def picked(self, which: Any) -> "Steps":
        """Those that `which` chooses: a mask, or places in ascending order."""
        if isinstance(which, np.ndarray) and which.dtype == np.bool_ and which.all():
            return self
        return self.each(lambda column: column[..., which])

    def with_metrics(self, metrics: Sequence[str]) -> "Steps":
        """With these and no other metrics; there are no values of one that it lacks."""
        if self.metrics == tuple(metrics):
            return self
        sums = np.zeros((len(metrics), 4, len(self.key)), np.int64)
        bounds = np.full((len(metrics), 2, len(self.key)), np.nan)
        for place, name in enumerate(metrics):
            if name in self.metrics:
                own = self.metrics.index(name)
                sums[place], bounds[place] = self.sums[own], self.bounds[own]
        return Steps(tuple(metrics), self.key, self.rows, self.flags, sums, bounds)

    def places_of(self, key: Ints) -> tuple[Ints, Bools]:
        """Where these keys are, or would be near, and which are there."""
        place = np.minimum(np.searchsorted(self.key, key), max(len(self.key) - 1, 0))
        return place, self.key[place] == key if len(self.key) else np.zeros(len(key), np.bool_)

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


def no_steps() -> Steps:
    none = np.empty(0, np.int64)
    return Steps((), none, none, none, np.empty((0, 4, 0), np.int64), np.empty((0, 2, 0)))


def steps_of(rows: pl.DataFrame, every: timedelta, metrics: Sequence[str] = NUMERIC) -> Steps:
    """The steps that `rows` make: `user_id`, `recorded_at`, `flags` and `metrics`, in any order."""
    if rows.is_empty():
        return no_steps()
    user = rows["user_id"].to_numpy()
    order = in_order(user)
    key = key_of(user, instants(rows["recorded_at"]) // length(every))[order]
    if (key[1:] < key[:-1]).any():
        sequence = np.argsort(key, kind="stable")
        order, key = order[sequence], key[sequence]
    groups = Groups.of(key)
    there = tuple(sorted(name for name in metrics if rows[name].null_count() < rows.height))
    sums = np.empty((len(there), 4, len(groups.starts)), np.int64)
    bounds = np.empty((len(there), 2, len(groups.starts)))
    for place, name in enumerate(there):
        add_up(rows[name].to_numpy()[order], groups, sums[place], bounds[place])
    flags = np.bitwise_or.reduceat(rows["flags"].to_numpy()[order].astype(np.int64, copy=False), groups.starts)
    return Steps(there, key[groups.starts], groups.lengths, flags, sums, bounds)


def steps_together(parts: Sequence[Steps]) -> Steps:
    """The parts as one; several may hold something of one step."""
    some = [part for part in parts if len(part.key)]
    if len(some) > 1:
        alike = [part.with_metrics(metrics_of(*some)) for part in some]
        return _grouped(alike[0].each(lambda *columns: np.concatenate(columns, axis=-1), *alike[1:]))
    return some[0] if some else parts[0]


def steps_added(known: Steps, new: Steps) -> Steps:
    """The same where few of many steps change: most of `known` is only copied."""
    if not len(known.key) or not len(new.key):
        return new if len(new.key) else known
    place, again = known.places_of(new.key)
    if again.any():
        known = known.with_metrics(metrics_of(known, new)).each(np.copy)
        steps_add(known, new.picked(again), place[again])
        new = new.picked(~again)
    return steps_together((known, new))


def steps_add(known: Steps, new: Steps, places: Ints) -> None:
    """Add `new` to `known` in place, each to the step of its key, which is at `places`; `known` has all its metrics."""
    known.rows[places] += new.rows
    known.flags[places] |= new.flags
    ends = np.append(np.flatnonzero(np.diff(places) != 1) + 1, len(places))
    runs = list(zip(places[ends - 1] + 1, ends, np.diff(ends, prepend=0), strict=True)) if len(ends) <= _RUNS else None
    pairs: list[tuple[Any, Any]] = [(known.metrics.index(name), place) for place, name in enumerate(new.metrics)]
    for own, its in [(slice(None), slice(None))] if known.metrics == new.metrics else pairs:
        _combine(np.add, known.sums[own], new.sums[its], places, runs)
        _combine(np.fmin, known.bounds[own][..., 0, :], new.bounds[its][..., 0, :], places, runs)
        _combine(np.fmax, known.bounds[own][..., 1, :], new.bounds[its][..., 1, :], places, runs)


def _combine(how: np.ufunc, known: Any, new: Any, places: Ints, runs: "list[tuple[int, int, int]] | None") -> None:
    """Each column of `new` into that of `known` which is at its place; `runs` are where those of both that are side by
    side end, and how many they are: arrays as a whole take a tenth of the time."""
    if runs is None:
        for place in np.ndindex(new.shape[:-1]):
            how.at(known[place], places, new[place])
    else:
        for end, new_end, size in runs:
            into = known[..., end - size : end]
            how(into, new[..., new_end - size : new_end], out=into)


def steps_coarser(steps: Steps, times: int, kept: Collection[str]) -> Steps:
    """Steps `times` as long, of those of their metrics that are `kept`."""
    some = steps.with_metrics([name for name in steps.metrics if name in kept])
    return some if times == 1 else _grouped(some._replace(key=key_of(steps.user, steps.step // times)))


def metrics_of(*parts: Steps) -> tuple[str, ...]:
    """Of which there may be values in any of them."""
    return tuple(sorted({name for part in parts for name in part.metrics}))


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
        least = np.fmin.reduceat(parts.bounds[:, 0], starts, axis=-1)
        most = np.fmax.reduceat(parts.bounds[:, 1], starts, axis=-1)
    return Steps(
        parts.metrics,
        key,
        np.add.reduceat(parts.rows, starts),
        np.bitwise_or.reduceat(parts.flags, starts),
        np.add.reduceat(parts.sums, starts, axis=-1),
        np.stack((least, most), axis=1),
    )


def windows_over(steps: Steps, window: Window, ends: Ints) -> Steps:
    """The windows whose last steps have the keys `ends` (ascending), as steps of that key; `steps` must hold all of
    theirs, and of each at least one."""
    first = np.searchsorted(steps.key, ends - (window.steps - 1))
    after = np.searchsorted(steps.key, ends, side="right")
    if window.steps == 1 or len(ends) == 0:
        return steps.picked(first)
    padded = steps.each(lambda column: np.concatenate((column, column[..., :1]), axis=-1))  # one may end with the last
    edges = np.column_stack((first, after)).ravel()
    both = _reduced(padded, edges, np.repeat(ends, 2))
    return both.picked(np.arange(0, len(edges), 2))


def ends_of(windows: Steps, window: Window) -> Ints:
    """When they end, in microseconds since 1970 UTC."""
    return (windows.step + 1) * length(window.every)


def windows_frame(windows: Steps, window: Window, metrics: Sequence[str] = NUMERIC, **more: Any) -> pl.DataFrame:
    """`user_id`, `recorded_at`, which is the end, `flags`, the columns of `source.WINDOW_COLUMNS` for `metrics`, which
    are all that the windows have, and `more` columns."""
    end = pl.Series(ends_of(windows, window)).cast(_TIME)
    columns: dict[str, Any] = {"user_id": windows.user, "recorded_at": end, "flags": windows.flags, **more}
    columns["count"] = windows.rows.astype(np.float64)
    zero, absent = np.zeros(len(windows.key)), np.full(len(windows.key), np.nan)
    for name in metrics:
        columns |= {f"count_{name}": zero} | {f"{what}_{name}": absent for what in ("avg", "min", "max", "stddev")}
    for name, sums, bounds in zip(windows.metrics, windows.sums, windows.bounds, strict=True):
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[f"count_{name}"] = sums[COUNT].astype(np.float64)
            columns[f"avg_{name}"] = sums[SUM] / (sums[COUNT] * MILLIONTHS)
            columns[f"min_{name}"], columns[f"max_{name}"] = bounds
            columns[f"stddev_{name}"] = _spread(sums)
    return pl.DataFrame(columns, nan_to_null=True)


def _spread(sums: Ints) -> Floats:
    """Standard deviation of the sample, in the metric's unit; NaN of fewer than two values.

    n * (sum of squares) - (sum)^2 has up to 128 bits: it is taken apart at 32, so that what is left of nearly equal
    numbers is exact.
    """
    count, total = sums[COUNT], sums[SUM]
    high, low = sums[HIGH] + (sums[LOW] >> 32), sums[LOW] & HALF
    above, below = total >> 32, total & HALF
    square = below.astype(np.uint64) * below.astype(np.uint64)
    upper = count * high + ((count * low) >> 32) - 2 * above * below - (square >> np.uint64(32)).astype(np.int64)
    upper -= (above * above) << 32
    lower = ((count * low) & HALF) - (square & np.uint64(HALF)).astype(np.int64)
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
