"""Derived columns: how far from a person's own usual a value lies, how fast it changes, whether the strap is worn.

`<metric>_z` is 0.6745 (x - median) / max(MAD, the catalogue's floor), by the baseline of that hour of the person's own
day in the set that held at the row's time. `<metric>_rate` is the change per minute since the metric's latest value
that is at least 1 s and at most 10 min older. Both are null where a part is missing; never NaN, never infinite.
`not_worn` is 1 where the heart rate was sent as not measured (0 or 255: the sensor was on, and found nobody), 0 where
there is a heart rate, and null where the reading says nothing of it: a scale or a cuff does not know about the strap.

Frames in, frames out.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from alerts.engine.clock import length
from alerts.engine.source import DERIVED_COLUMNS, MAD_PER_SIGMA, NOT_WORN
from alerts.engine.usual import Usual
from devices.metrics import Flag

RATE_REACH: Final = timedelta(minutes=10)
_LEAST_US: Final = 1_000_000
_REACH_US: Final = length(RATE_REACH)
_US_PER_MINUTE: Final = 60_000_000

DERIVED: Final = tuple(DERIVED_COLUMNS)
NO_BASELINES: Final = pl.DataFrame(
    schema={
        "user_id": pl.Int64,
        "valid_from": pl.Datetime("us", "UTC"),
        "zone": pl.String,
        "metric": pl.String,
        "local_hour": pl.Int8,
        "median": pl.Float64,
        "mad": pl.Float64,
    }
)


def derived(
    rows: pl.DataFrame,
    columns: Sequence[str],
    *,
    baselines: pl.DataFrame | Usual,
    earlier: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """`rows`, in the order they come, with `columns` (of DERIVED) at the end.

    `rows` and `earlier` have `user_id` (Int64), `recorded_at` (Datetime us UTC), `event_id` and the metrics that the
    columns are of; for `not_worn`, `rows` have `flags` too. `earlier` are stored rows of the same people that are not
    in `rows`: rates need all of the 10 min before each row; more does no harm. `baselines` have `user_id`,
    `valid_from`, `zone`, `metric`, `local_hour`, `median` and `mad`: of these people every set that holds at the time
    of any row; whoever asks often gives them laid out. Of readings of one instant the last by `event_id` is the latest.
    """
    zs = [name.removesuffix("_z") for name in columns if name.endswith("_z")]
    rates = [name.removesuffix("_rate") for name in columns if name.endswith("_rate")]
    made = rows
    if rates:
        made = rows.with_row_index("_place")
        for name in rates:
            made = _with_rate(made, name, _known(name, rows, earlier))
        made = made.sort("_place")
    more: list[pl.Series | pl.Expr] = []
    if zs:
        more += _z(rows, zs, baselines if isinstance(baselines, Usual) else Usual(baselines))
    if NOT_WORN in columns:
        more.append(_not_worn().alias(NOT_WORN))
    made = made.with_columns(more)
    wanted = [*rows.columns, *columns]
    return made if made.columns == wanted else made.select(wanted)


def _z(rows: pl.DataFrame, metrics: list[str], usual: Usual) -> list[pl.Series]:
    holding = usual.of(rows)
    values = ((name, rows[name].cast(pl.Float64).to_numpy()) for name in metrics)
    found = ((name, holding.z(of_metric, name, per_sigma=MAD_PER_SIGMA)) for name, of_metric in values)
    return [pl.Series(f"{name}_z", z, nan_to_null=True) for name, z in found]


def _known(name: str, rows: pl.DataFrame, earlier: pl.DataFrame | None) -> pl.DataFrame:
    columns = ("user_id", "recorded_at", "event_id", name)
    return rows if earlier is None else pl.concat([earlier.select(columns), rows.select(columns)])


def _not_worn() -> pl.Expr:
    off = pl.col("flags") & int(Flag.HEART_RATE_NOT_MEASURED) != 0
    return pl.when(off).then(1.0).when(pl.col("heart_rate").is_not_null()).then(0.0).otherwise(None)


def _with_rate(rows: pl.DataFrame, name: str, known: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("recorded_at").dt.timestamp("us")
    before = (
        known.filter(pl.col(name).is_not_null())
        .sort("recorded_at", "event_id")
        .select("user_id", at.alias("_then"), pl.col(name).alias("_before"))
    )
    timed = rows.with_columns((at - _LEAST_US).alias("_until")).sort("_until")
    joined = timed.join_asof(
        before, left_on="_until", right_on="_then", by="user_id", tolerance=_REACH_US - _LEAST_US,
        check_sortedness=False, coalesce=False,
    )  # fmt: skip
    minutes = (pl.col("_until") + _LEAST_US - pl.col("_then")) / _US_PER_MINUTE
    rate = ((pl.col(name) - pl.col("_before")) / minutes).alias(f"{name}_rate")
    return joined.with_columns(rate).drop("_until", "_then", "_before")
