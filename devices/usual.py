"""What is usual for a person: the middle and the spread of their values by hour of their own day. Frames in and out."""

from datetime import timedelta
from typing import Final

import polars as pl

from devices.metrics import BASELINED, METRICS

LOOK_BACK: Final = timedelta(days=28)
LEAST_DAYS: Final = 7
LEAST_VALUES: Final = 200
SIGMA_PER_MAD: Final = 1 / 0.6745  # of a normal distribution; 0.6745 is its third quartile


def usual(readings: pl.DataFrame, *, zone: str) -> pl.DataFrame:
    """`metric`, `local_hour`, `median`, `mad`, `values`, `days` of one person's readings, each metric and hour once.

    `readings` has `recorded_at` (Datetime us UTC), `flags` and the metrics; `zone` is an IANA name. Hours and days are
    those of the person's clock, so that the hour that a clock goes through twice holds both. Suspect values are left
    out. `median` and `mad` (the median distance from it) are null below 7 days or 200 values.
    """
    local = pl.col("recorded_at").dt.convert_time_zone(zone)
    clock = readings.with_columns(local.dt.hour().alias("local_hour"), local.dt.date().alias("day"))
    return pl.concat([_of_metric(clock, name) for name in BASELINED]).sort("metric", "local_hour")


def _of_metric(clock: pl.DataFrame, name: str) -> pl.DataFrame:
    flag = int(METRICS[name].suspect_flag or 0)
    value = pl.col(name)
    good = clock.lazy().filter(value.is_not_null(), pl.col("flags").cast(pl.Int64) & flag == 0)
    enough = (pl.len() >= LEAST_VALUES) & (pl.col("day").n_unique() >= LEAST_DAYS)
    return (
        good.group_by("local_hour")
        .agg(
            pl.when(enough).then(value.median()).alias("median"),
            pl.when(enough).then((value - value.median()).abs().median()).alias("mad"),
            pl.len().cast(pl.Int64).alias("values"),
            pl.col("day").n_unique().cast(pl.Int64).alias("days"),
        )
        .select(pl.lit(name).alias("metric"), "local_hour", "median", "mad", "values", "days")
        .collect()
    )
