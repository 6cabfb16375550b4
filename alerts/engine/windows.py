"""Windows: the rows of a person put together by time, exactly, so that no order of addition shows.

Rows become steps, as long as a window's `every`, and steps become windows; both hold whole numbers, so that steps of
one time can be added up whenever their rows come. Values are summed as millionths, their squares in 128 bits: 1,000
units to the square, a million times, fit.
"""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Final

import polars as pl

from alerts.engine.clock import length
from alerts.engine.source import Window
from devices.metrics import NUMERIC

MILLIONTHS: Final = 1_000_000
_TIME: Final = pl.Datetime("us", "UTC")


def steps_of(rows: pl.DataFrame, every: timedelta, metrics: Collection[str] = NUMERIC) -> pl.DataFrame:
    """`user_id`, `step` (its number since 1970), `count`, `flags` of any of its rows, and what `metrics` add up to.

    `rows` have `user_id`, `recorded_at`, `flags` and `metrics`, in any order.
    """
    step = (pl.col("recorded_at").dt.timestamp("us") // length(every)).alias("step")
    millionths = ((pl.col(name) * MILLIONTHS).round().cast(pl.Int64).alias(f"millionths_{name}") for name in metrics)
    return (
        rows.with_columns(step, *millionths)
        .group_by("user_id", "step")
        .agg(pl.len().cast(pl.Int64).alias("count"), pl.col("flags").bitwise_or(), *_sums(metrics))
    )


def steps_together(steps: pl.DataFrame, metrics: Collection[str] = NUMERIC, *, times: int = 1) -> pl.DataFrame:
    """Steps `times` as long, and each once; `steps` may hold parts of one step."""
    return steps.with_columns(pl.col("step") // times).group_by("user_id", "step").agg(_together(metrics))


def windows_of(
    steps: pl.DataFrame, window: Window, metrics: Collection[str] = NUMERIC, *, ends: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The windows that `steps` (of its `every`, each once) make: `user_id`, `recorded_at`, which is the end, `flags`
    and the columns of `source.WINDOW_COLUMNS`. Of sliding ones only those of `ends` (`user_id`, last `step`), if given.
    """
    every = length(window.every)
    in_one = window.steps
    if in_one > 1:
        if ends is None:
            ends = steps.select("user_id", pl.int_ranges("step", pl.col("step") + in_one).alias("step"))
            ends = ends.explode("step").unique()
        of_each = pl.int_ranges(pl.col("step") + 1 - in_one, pl.col("step") + 1)
        parts = ends.select("user_id", last="step", step=of_each).explode("step").join(steps, on=["user_id", "step"])
        steps = steps_together(parts.drop("step").rename({"last": "step"}), metrics)
    end = ((pl.col("step") + 1) * every).cast(_TIME).alias("recorded_at")
    return steps.select("user_id", end, "flags", pl.col("count").cast(pl.Float64), *_columns(metrics))


def complete_windows(rows: pl.DataFrame, window: Window, metrics: Collection[str] = NUMERIC) -> pl.DataFrame:
    """The windows of everybody in `rows` that are over by their own last row, as rows that `advance` takes.

    `rows` are all rows of a person from the start of some window on. Each window is received when it ends. At last each
    person has a row of NULL at their last row's time: time has passed that far, also where no window ends there.
    """
    last = rows.group_by("user_id").agg(pl.max("recorded_at").alias("as_of"))
    found = windows_of(steps_of(rows, window.every, metrics), window, metrics)
    over = found.join(last, on="user_id").filter(pl.col("recorded_at") <= pl.col("as_of")).drop("as_of")
    passed = last.select("user_id", recorded_at="as_of", flags=pl.lit(0, pl.Int64))
    both = pl.concat([over, passed], how="diagonal")
    return both.with_columns(pl.lit(None, pl.String).alias("event_id"), pl.col("recorded_at").alias("received_at"))


def _sums(metrics: Collection[str]) -> Iterator[pl.Expr]:
    for name in metrics:
        column, millionths = pl.col(name), pl.col(f"millionths_{name}")
        yield column.count().cast(pl.Int64).alias(f"count_{name}")
        yield millionths.sum().alias(f"sum_{name}")
        yield (millionths.cast(pl.Int128) * millionths.cast(pl.Int128)).sum().alias(f"squares_{name}")
        yield column.min().alias(f"min_{name}")
        yield column.max().alias(f"max_{name}")


def _together(metrics: Collection[str]) -> Iterator[pl.Expr]:
    yield pl.sum("count")
    yield pl.col("flags").bitwise_or()
    for name in metrics:
        yield pl.sum(f"count_{name}", f"sum_{name}", f"squares_{name}")
        yield pl.min(f"min_{name}")
        yield pl.max(f"max_{name}")


def _columns(metrics: Collection[str]) -> Iterator[pl.Expr]:
    for name in metrics:
        count, total, squares = pl.col(f"count_{name}"), pl.col(f"sum_{name}"), pl.col(f"squares_{name}")
        wide, sums = count.cast(pl.Int128), total.cast(pl.Int128)
        spread = (wide * squares - sums * sums).cast(pl.Float64) / (wide * (wide - 1)).cast(pl.Float64)
        yield count.cast(pl.Float64).alias(f"count_{name}")
        yield pl.when(count > 0).then(total / (count * MILLIONTHS)).alias(f"avg_{name}")
        yield pl.col(f"min_{name}")
        yield pl.col(f"max_{name}")
        yield pl.when(count > 1).then(spread.sqrt() / MILLIONTHS).alias(f"stddev_{name}")
