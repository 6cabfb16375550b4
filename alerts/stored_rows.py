"""The rows of a source as they are stored: read back for the engine, and looked through for where a run began."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
from django.db import connection

from alerts.engine import RuleSet, Source, Window
from devices.copied import copied
from devices.metrics import METRICS

PIECE: Final = 10_000  # readings of a person that are held at once
_INSTANT: Final = timedelta(microseconds=1)
COLUMNS: Final = ("user_id", "recorded_at", "event_id", "received_at", "flags", *METRICS)
SCHEMA: Final = pl.Schema(
    {
        "user_id": pl.Int64,
        "recorded_at": pl.String,
        "event_id": pl.String,
        "received_at": pl.String,
        "flags": pl.Int64,
        **{metric.name: pl.String if metric.is_text else pl.Float64 for metric in METRICS.values()},
    }
)

# OFFSET 0 makes the planner enter the index once a stretch. As a join it takes every stretch for a ninth of the person
# and compares all rows with all stretches: 12.7 s instead of 0.2 s for 3,000 minutes of 12 people with a month each.
_READINGS = f"""
COPY (SELECT {", ".join(f"r.{name}" for name in COLUMNS)}
        FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS w (user_id, since, until)
       CROSS JOIN LATERAL (
             SELECT * FROM devices_reading s
              WHERE s.user_id = w.user_id AND s.recorded_at >= w.since AND s.recorded_at < w.until OFFSET 0) r)
  TO STDOUT (FORMAT csv)
"""  # names of the catalogue
_WINDOWS = """
COPY (SELECT r.user_id, r.ended_at, NULL, r.received_at, r.flags, r.is_fresh::int, {columns}
        FROM unnest(%s::bigint[], %s::timestamptz[]) AS w (user_id, since)
       CROSS JOIN LATERAL (
             SELECT * FROM devices_metricwindow s
              WHERE s.user_id = w.user_id AND {of_size} AND s.ended_at >= w.since OFFSET 0) r)
  TO STDOUT (FORMAT csv)
"""
# Of each of these people the first reading beyond so many from a time on.
_BEYOND = """
SELECT w.user_id, (SELECT s.recorded_at FROM devices_reading s WHERE s.user_id = w.user_id AND s.recorded_at >= w.since
                    ORDER BY s.recorded_at, s.event_id OFFSET %s LIMIT 1)
  FROM unnest(%s::bigint[], %s::timestamptz[]) AS w (user_id, since)
"""
_NO_ID: Final = "'00000000-0000-0000-0000-000000000000'::uuid"

# Where time has come to, by readings, and by windows that our own clock completed.
_AS_OF = """
SELECT w.user_id, greatest(
         (SELECT max(r.recorded_at) FROM devices_reading r WHERE r.user_id = w.user_id),
         (SELECT max(s.ended_at) FROM devices_metricwindow s WHERE s.user_id = w.user_id AND {of_size}))
  FROM unnest(%s::bigint[]) AS w (user_id)
"""


def rows_within(people: Sequence[int], since: Sequence[datetime], until: Sequence[datetime | str]) -> pl.DataFrame:
    """The stored readings of each of these people in their [since, until), as the engine takes them; in no order."""
    return _copied(_READINGS, [list(people), list(since), list(until)], SCHEMA)


def piece_ends(since: Mapping[int, datetime]) -> dict[int, datetime]:
    """Where to cut the readings of these people, each from their own time on, so that no more than `PIECE` of them are
    held at once, or those of one instant; who has no more than that is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_BEYOND, [PIECE, list(since), list(since.values())])
        return {user_id: max(at, since[user_id] + _INSTANT) for user_id, at in cursor.fetchall() if at is not None}


def windows_since(rules: RuleSet, window: Window, since: Mapping[int, datetime]) -> pl.DataFrame:
    """The stored windows of these people that end at or after their own time, with the columns that `rules` read."""
    sql = _WINDOWS.format(columns=", ".join(f"r.{name}" for name in rules.columns), of_size=of_size(window))
    schema = {name: kind for name, kind in SCHEMA.items() if name not in METRICS} | {"fresh": pl.Int64()}
    rows = _copied(
        sql, [list(since), list(since.values())], pl.Schema(schema | dict.fromkeys(rules.columns, pl.Float64()))
    )
    return rows.with_columns(pl.col("fresh") == 1)


def times_of(window: Window, people: Sequence[int]) -> dict[int, datetime]:
    """How far the time of people has come, for rules over `window`; who has no row is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_AS_OF.format(of_size=of_size(window)), [list(people)])
        return {user_id: at for user_id, at in cursor.fetchall() if at is not None}


def relation(source: Source) -> str:
    """What stands in SQL for the rows of a source: `user_id`, `recorded_at`, `event_id`, `received_at`, columns."""
    if not isinstance(source, Window):
        return "devices_reading"
    at = f"s.ended_at AS recorded_at, {_NO_ID} AS event_id"
    return f"(SELECT {at}, s.* FROM devices_metricwindow s WHERE {of_size(source)})"


def of_size(window: Window) -> str:
    """The condition that picks a window's rows, `s`."""
    return f"s.size_s = {int(window.size.total_seconds())} AND s.every_s = {int(window.every.total_seconds())}"


def _copied(sql: str, parameters: Sequence[Any], schema: pl.Schema) -> pl.DataFrame:
    rows = pl.read_csv(copied(sql, parameters), has_header=False, schema=schema)
    time = "%Y-%m-%d %H:%M:%S%.f%#z"
    return rows.with_columns(
        pl.col(name).str.to_datetime(time, time_unit="us", time_zone="UTC") for name in ("recorded_at", "received_at")
    )
