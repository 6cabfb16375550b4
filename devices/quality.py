"""What a value is worth: sentinels become null, values out of the inner bounds are flagged. Frames in, frames out."""

from functools import cache, reduce
from operator import or_

import polars as pl

from devices.metrics import METRICS, PULSE_PRESSURE_SUSPECT_ABOVE, PULSE_PRESSURE_SUSPECT_BELOW, Flag, Metric


def assess(readings: pl.DataFrame) -> pl.DataFrame:
    """`readings` with an Int64 column `flags` (devices.metrics.Flag), and sentinels replaced by null.

    Takes any subset of the catalogue's columns; values must lie within the outer bounds or be sentinels.
    """
    flags, sentinels = _judgement(tuple(readings.columns))
    return readings.with_columns(flags).with_columns(sentinels)


@cache
def _judgement(columns: tuple[str, ...]) -> tuple[pl.Expr, list[pl.Expr]]:
    """The flags, and the columns without their sentinels; both take longer to say than to do for a few rows."""
    metrics = [metric for metric in METRICS.values() if metric.name in columns and not metric.is_text]
    flags = [_sentinel_flag(m) for m in metrics if m.sentinels] + [_suspect_flag(m) for m in metrics if m.suspect_flag]
    if {"blood_pressure_systolic", "blood_pressure_diastolic"} <= set(columns):
        flags.append(_pulse_pressure_flag())
    sentinels = [
        pl.when(pl.col(m.name).is_in(m.sentinels)).then(None).otherwise(pl.col(m.name)).alias(m.name)
        for m in metrics
        if m.sentinels
    ]
    return reduce(or_, flags, pl.lit(0, pl.Int64)).alias("flags"), sentinels


def _bit(condition: pl.Expr, flag: Flag | None) -> pl.Expr:
    return pl.when(condition).then(pl.lit(int(flag or 0), pl.Int64)).otherwise(pl.lit(0, pl.Int64))


def _sentinel_flag(metric: Metric) -> pl.Expr:
    return _bit(pl.col(metric.name).is_in(metric.sentinels), metric.sentinel_flag)


def _suspect_flag(metric: Metric) -> pl.Expr:
    column = pl.col(metric.name)
    outside = ~column.is_between(metric.suspect_low, metric.suspect_high)
    return _bit(outside & ~column.is_in(metric.sentinels) if metric.sentinels else outside, metric.suspect_flag)


def _pulse_pressure_flag() -> pl.Expr:
    pulse = pl.col("blood_pressure_systolic") - pl.col("blood_pressure_diastolic")
    outside = ~pulse.is_between(PULSE_PRESSURE_SUSPECT_BELOW, PULSE_PRESSURE_SUSPECT_ABOVE)
    return _bit(outside, Flag.SUSPECT_BLOOD_PRESSURE)
