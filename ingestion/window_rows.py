"""Complete windows into PostgreSQL: a new one is inserted, one that is there takes the new content."""

import io
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import polars as pl
from django.db import connection

from alerts.engine import Window
from devices.metrics import NUMERIC
from devices.models.metric_window import WINDOW_COLUMNS
from ingestion.pgcopy import BinaryRows, binary_rows

_TYPES: Final = {
    "user_id": "bigint", "size_s": "integer", "every_s": "integer", "flags": "integer", "count": "integer",
    **{f"count_{name}": "integer" for name in NUMERIC},
    "ended_at": "timestamptz", "received_at": "timestamptz", "is_fresh": "boolean",
    **{f"{what}_{name}": "double precision" for name in NUMERIC for what in ("avg", "min", "max", "stddev")},
}  # fmt: skip
_NAMES: Final = ", ".join(WINDOW_COLUMNS)
_KEY: Final = ("user_id", "size_s", "every_s", "ended_at")
_KEPT: Final = {"received_at": "w.received_at", "is_fresh": "w.is_fresh AND excluded.is_fresh"}
_CREATE = "CREATE TEMP TABLE IF NOT EXISTS window_staging (LIKE devices_metricwindow) ON COMMIT DELETE ROWS"
_COPY = "COPY window_staging ({}) FROM STDIN (FORMAT binary)"
_WRITE = (
    f"INSERT INTO devices_metricwindow AS w ({_NAMES}) SELECT {_NAMES} FROM window_staging s"
    " WHERE EXISTS (SELECT FROM devices_user u WHERE u.id = s.user_id)"  # none of who was deleted meanwhile
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = {_KEPT.get(name, f'excluded.{name}')}" for name in WINDOW_COLUMNS if name not in _KEY)
)


def window_rows(found: Mapping[Window, pl.DataFrame]) -> BinaryRows | None:
    """Windows as `ingestion.windows` makes them, for `windows_store`."""
    kept = [
        rows.with_columns(size_s=_seconds(window.size), every_s=_seconds(window.every))
        for window, rows in found.items()
        if rows.height
    ]
    if not kept:
        return None
    rows = pl.concat(kept, how="diagonal").rename({"recorded_at": "ended_at", "fresh": "is_fresh"})
    there = set(rows.columns)
    return binary_rows(rows.select([name for name in _TYPES if name in there]).sort(*_KEY), _TYPES)


def windows_store(rows: BinaryRows | None) -> None:
    """Write windows, inside the transaction of their readings.

    One that is there keeps when it was received, and is fresh no more where the new one is not.
    """
    if rows is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with connection.wrap_database_errors:
            cursor.copy_expert(_COPY.format(", ".join(rows.columns)), io.BytesIO(rows.data))
        cursor.execute(_WRITE)
        cursor.execute("TRUNCATE window_staging")


def _seconds(length: timedelta) -> pl.Expr:
    return pl.lit(int(length.total_seconds()), pl.Int64)
