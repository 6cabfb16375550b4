"""Complete windows into PostgreSQL: a new one is inserted, one that is there takes the new content."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from django.db import connection

from alerts.engine import Window
from devices.metrics import NUMERIC
from devices.models.metric_window import WINDOW_COLUMNS
from ingestion.write.pgcopy import BinaryRows, binary_rows

_TYPES: Final = {
    "user_id": "bigint", "size_s": "integer", "every_s": "integer", "flags": "integer", "count": "integer",
    **{f"count_{name}": "integer" for name in NUMERIC},
    "ended_at": "timestamptz", "received_at": "timestamptz", "is_fresh": "boolean",
    **{f"{what}_{name}": "double precision" for name in NUMERIC for what in ("avg", "min", "max", "stddev")},
}  # fmt: skip
AT_ONCE: Final = 2048
_NAMES: Final = ", ".join(WINDOW_COLUMNS)
_NAMED: Final = {"recorded_at": "ended_at", "fresh": "is_fresh"}
_KEY: Final = ("user_id", "size_s", "every_s", "ended_at")
_KEPT: Final = {"received_at": "w.received_at", "is_fresh": "w.is_fresh AND excluded.is_fresh"}
_CREATE = "CREATE TEMP TABLE IF NOT EXISTS window_staging (LIKE devices_metricwindow) ON COMMIT DELETE ROWS"
_COPY = "COPY window_staging ({}) FROM STDIN (FORMAT binary)"
_CLEAR: Final = "DELETE FROM window_staging"
_WRITE = (
    f"INSERT INTO devices_metricwindow AS w ({_NAMES}) SELECT {_NAMES} FROM window_staging s"
    " WHERE EXISTS (SELECT FROM devices_user u WHERE u.id = s.user_id)"  # none of who was deleted meanwhile
    f" ORDER BY {', '.join(_KEY)}"  # so that two of us never wait for each other in a circle
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = {_KEPT.get(name, f'excluded.{name}')}" for name in WINDOW_COLUMNS if name not in _KEY)
)


def window_rows(found: Mapping[Window, pl.DataFrame]) -> list[BinaryRows]:
    """Windows as `windows.py` makes them, for `windows_store`: of each kind the columns that it has; a bounded
    number at once, because on the way they take several times the room."""
    return [_rows_of(window, some) for window, rows in found.items() for some in rows.iter_slices(AT_ONCE)]


def _rows_of(window: Window, rows: pl.DataFrame) -> BinaryRows:
    there = {_NAMED.get(name, name): rows[name].alias(_NAMED.get(name, name)) for name in rows.columns}
    for name, length in (("size_s", window.size), ("every_s", window.every)):
        there[name] = pl.Series(name, np.full(rows.height, int(length.total_seconds())))
    return binary_rows(pl.DataFrame([there[name] for name in _TYPES if name in there]), _TYPES)


def windows_store_anew(parts: Iterable[Sequence[BinaryRows]]) -> None:
    """Write windows part by part, in a transaction of its own; neighbours may share some."""
    for kinds in parts:
        windows_store(kinds)
        if kinds:
            with connection.cursor() as cursor:
                cursor.execute(_CLEAR)


def windows_store(kinds: Sequence[BinaryRows]) -> None:
    """Write windows, inside the transaction of their readings; once in each.

    One that is there keeps when it was received, and is fresh no more where the new one is not.
    """
    if not kinds:
        return
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with connection.wrap_database_errors:
            for rows in kinds:
                cursor.copy_expert(_COPY.format(", ".join(rows.columns)), io.BytesIO(rows.data))
        cursor.execute(_WRITE)
