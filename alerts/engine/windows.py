"""Windows: the rows of a person put together by time, exactly, so that no order of addition shows.

Values are summed as whole millionths, their squares in 128 bits: 1,000 units to the square, a million times, fit.
"""

from collections.abc import Collection, Iterator
from typing import Final

import polars as pl

from alerts.engine.clock import length
from alerts.engine.source import Window
from devices.metrics import NUMERIC

MILLIONTHS: Final = 1_000_000
_TIME: Final = pl.Datetime("us", "UTC")


def complete_windows(rows: pl.DataFrame, window: Window, metrics: Collection[str] = NUMERIC) -> pl.DataFrame:
    """The windows of everybody in `rows` that are over by their own last row, as rows that `advance` takes.

    `rows` are all rows of a person from the start of some window on (`user_id`, `recorded_at`, `flags`, `metrics`). A
    window's `recorded_at` is its end, `flags` are those of any of its rows; `received_at` is its end too. Columns are
    those of `source.WINDOW_COLUMNS` for `metrics`. At last each person has a row of NULL at their last row's time:
    time has passed that far, also where no window ends there.
    """
    every = length(window.every)
    step = (pl.col("recorded_at").dt.timestamp("us") // every).alias("step")
    millionths = ((pl.col(name) * MILLIONTHS).round().cast(pl.Int64).alias(f"millionths_{name}") for name in metrics)
    steps = (
        rows.with_columns(step, *millionths)
        .group_by("user_id", "step")
        .agg(pl.len().cast(pl.Int64).alias("count"), pl.col("flags").bitwise_or(), *_sums(metrics))
    )
    if window.size > window.every:
        in_one = length(window.size) // every
        ends = pl.int_ranges("step", pl.col("step") + in_one).alias("step")
        steps = steps.with_columns(ends).explode("step").group_by("user_id", "step").agg(_together(metrics))
    last = rows.group_by("user_id").agg(pl.max("recorded_at").alias("as_of"))
    end = ((pl.col("step") + 1) * every).cast(_TIME).alias("recorded_at")
    over = steps.with_columns(end).join(last, on="user_id").filter(pl.col("recorded_at") <= pl.col("as_of"))
    found = over.select(
        "user_id", "recorded_at", pl.lit(None, pl.String).alias("event_id"), pl.col("recorded_at").alias("received_at"),
        "flags", pl.col("count").cast(pl.Float64), *_columns(metrics),
    )  # fmt: skip
    passed = last.select(
        "user_id", pl.col("as_of").alias("recorded_at"), pl.col("as_of").alias("received_at"),
        pl.lit(0, pl.Int64).alias("flags"),
    )  # fmt: skip
    return pl.concat([found, passed], how="diagonal")


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
