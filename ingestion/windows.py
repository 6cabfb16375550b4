"""Windows as stored rows: written when time has passed their end, made anew when a reading comes late.

Of each person the readings of the window that is not over yet are remembered, so that what arrives in order is never
read back. Windows that a late reading falls into are put together again from what is stored.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl
from django.db import connection

from alerts.engine import Window, complete_windows
from alerts.rebuild import rows_within
from devices.metrics import NUMERIC
from devices.models.metric_window import WINDOW_COLUMNS

MINUTE: Final = Window(timedelta(minutes=1), timedelta(minutes=1))
_ROW: Final = pl.Schema(
    {"user_id": pl.Int64(), "recorded_at": pl.Datetime("us", "UTC"), "flags": pl.Int64()}
    | dict.fromkeys(NUMERIC, pl.Float64())
)
_BEFORE: Final = pl.Schema({"user_id": pl.Int64(), "before": pl.Datetime("us", "UTC")})
_COUNTS: Final = {"count", *(f"count_{name}" for name in NUMERIC)}
_NAMES: Final = ", ".join(WINDOW_COLUMNS)
_KEY: Final = ("user_id", "size_s", "every_s", "ended_at")
_CREATE = "CREATE TEMP TABLE IF NOT EXISTS window_staging (LIKE devices_metricwindow) ON COMMIT DELETE ROWS"
_COPY = f"COPY window_staging ({_NAMES}) FROM STDIN (FORMAT csv)"
_WRITE = (
    f"INSERT INTO devices_metricwindow ({_NAMES}) SELECT {_NAMES} FROM window_staging"
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in WINDOW_COLUMNS if name not in _KEY)
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The readings of `people` in their windows that are not over, once the batch is committed."""

    people: frozenset[int]
    rows: pl.DataFrame


class Windows:
    """Writes complete minutes. What it remembers is a cache: dropping it costs time alone."""

    def __init__(self) -> None:
        self._people: frozenset[int] = frozenset()
        self._rows = _ROW.to_frame()

    def write(self, new: pl.DataFrame, *, before: Mapping[int, datetime | None]) -> Remembered:
        """Write the windows that `new` completes or changes; inside the transaction that stored these readings.

        `before` is the greatest `recorded_at` that was stored of each of these people before them.
        """
        people = pl.DataFrame({"user_id": list(before), "before": list(before.values())}, schema=_BEFORE)
        rows = self._of(people["user_id"]).vstack(new.select(*_ROW))
        again = self._to_read(new, people)
        if again.height:
            read = rows_within(*(again[name].to_list() for name in ("user_id", "start", "end"))).select(*_ROW)
            rows = rows.with_columns(start=_start()).join(again, on=["user_id", "start"], how="anti")
            rows = rows.select(*_ROW).vstack(read)
        open_start = _start("as_of").alias("open")
        since = rows.group_by("user_id").agg(pl.max("recorded_at").alias("as_of")).select("user_id", open_start)
        is_open = rows.join(since, on="user_id", how="left", maintain_order="left").select(
            pl.col("recorded_at") >= pl.col("open")
        )
        rest = rows.filter(is_open.to_series())
        if rest.height < rows.height:
            _write(complete_windows(rows, MINUTE))
        return Remembered(frozenset(before), rest)

    def keep(self, remembered: Remembered) -> None:
        """Take over what a committed batch leaves."""
        others = self._rows.filter(~_is_of(pl.Series(list(remembered.people), dtype=pl.Int64)))
        self._rows = others.vstack(remembered.rows).rechunk()
        self._people |= remembered.people

    def drop(self) -> None:
        self._people, self._rows = frozenset(), _ROW.to_frame()

    def _of(self, people: pl.Series) -> pl.DataFrame:
        return self._rows.filter(_is_of(people))

    def _to_read(self, new: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
        """The windows (user_id, start, end) whose readings are not remembered: older ones, and those of new people."""
        current = people.with_columns(start=_start("before"))
        is_new = ~_is_of(pl.Series(list(self._people), dtype=pl.Int64))
        unknown = current.filter(is_new & pl.col("before").is_not_null())
        older = (
            new.select("user_id", start=_start())
            .join(current.select("user_id", current="start"), on="user_id")
            .filter(pl.col("start") < pl.col("current"))
        )
        spans = pl.concat([unknown.select("user_id", "start"), older.select("user_id", "start")]).unique()
        return spans.with_columns(end=pl.col("start") + MINUTE.size)


def _start(column: str = "recorded_at") -> pl.Expr:
    return pl.col(column).dt.truncate("1m")


def _is_of(people: pl.Series) -> pl.Expr:
    return pl.col("user_id").is_in(people.implode())


def _write(windows: pl.DataFrame) -> None:
    kept = windows.filter(pl.col("count").is_not_null()).select(
        "user_id",
        pl.lit(int(MINUTE.size.total_seconds())).cast(pl.Int64).alias("size_s"),
        pl.lit(int(MINUTE.every.total_seconds())).cast(pl.Int64).alias("every_s"),
        pl.col("recorded_at").alias("ended_at"),
        "flags",
        *(pl.col(name).cast(pl.Int64) if name in _COUNTS else name for name in WINDOW_COLUMNS[5:]),
    )
    # Text: with so many columns and so few rows the binary form takes five times as long to write.
    lines = io.BytesIO()
    kept.sort(*_KEY).write_csv(lines, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00")
    lines.seek(0)
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with connection.wrap_database_errors:
            cursor.copy_expert(_COPY, lines)
        cursor.execute(_WRITE)
        cursor.execute("TRUNCATE window_staging")
