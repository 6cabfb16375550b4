"""Complete windows into PostgreSQL: a new one is inserted, one that is there takes the new content."""

import io
from collections.abc import Mapping
from typing import Final

import polars as pl
from django.db import connection

from alerts.engine import Window
from devices.metrics import NUMERIC
from devices.models.metric_window import WINDOW_COLUMNS

_TIME: Final = pl.Datetime("us", "UTC")
_COUNTS: Final = {"count", *(f"count_{name}" for name in NUMERIC)}
_HEAD: Final[dict[str, pl.DataType]] = {
    "user_id": pl.Int64(), "size_s": pl.Int64(), "every_s": pl.Int64(), "ended_at": _TIME, "received_at": _TIME,
    "is_fresh": pl.Boolean(), "flags": pl.Int64(),
}  # fmt: skip
_STORED: Final = pl.Schema(
    {name: _HEAD.get(name, pl.Int64() if name in _COUNTS else pl.Float64()) for name in WINDOW_COLUMNS}
)
_NAMES: Final = ", ".join(WINDOW_COLUMNS)
_KEY: Final = ("user_id", "size_s", "every_s", "ended_at")
_KEPT: Final = {"received_at": "w.received_at", "is_fresh": "w.is_fresh AND excluded.is_fresh"}
_CREATE = "CREATE TEMP TABLE IF NOT EXISTS window_staging (LIKE devices_metricwindow) ON COMMIT DELETE ROWS"
_COPY = f"COPY window_staging ({_NAMES}) FROM STDIN (FORMAT csv)"
_WRITE = (
    f"INSERT INTO devices_metricwindow AS w ({_NAMES}) SELECT {_NAMES} FROM window_staging s"
    " WHERE EXISTS (SELECT FROM devices_user u WHERE u.id = s.user_id)"  # none of who was deleted meanwhile
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = {_KEPT.get(name, f'excluded.{name}')}" for name in WINDOW_COLUMNS if name not in _KEY)
)


def window_lines(found: Mapping[Window, pl.DataFrame]) -> bytes:
    """Windows as `ingestion.windows` makes them, for `windows_store`."""
    kept = [_as_stored(window, rows) for window, rows in found.items() if rows.height]
    if not kept:
        return b""
    # Text: with so many columns and so few rows the binary form takes five times as long to write.
    lines = io.BytesIO()
    rows = pl.concat((_STORED.to_frame(), *kept), how="diagonal").select(WINDOW_COLUMNS).sort(*_KEY)
    rows.write_csv(lines, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00")
    return lines.getvalue()


def windows_store(lines: bytes) -> None:
    """Write windows, inside the transaction of their readings.

    One that is there keeps when it was received, and is fresh no more where the new one is not.
    """
    if not lines:
        return
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with connection.wrap_database_errors:
            cursor.copy_expert(_COPY, io.BytesIO(lines))
        cursor.execute(_WRITE)
        cursor.execute("TRUNCATE window_staging")


def _as_stored(window: Window, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "user_id",
        pl.lit(int(window.size.total_seconds()), pl.Int64).alias("size_s"),
        pl.lit(int(window.every.total_seconds()), pl.Int64).alias("every_s"),
        pl.col("recorded_at").alias("ended_at"),
        "received_at",
        pl.col("fresh").alias("is_fresh"),
        "flags",
        *(pl.col(name).cast(_STORED[name]) for name in WINDOW_COLUMNS if name in rows.columns and name not in _HEAD),
    )
