"""Readings as the pipeline stores them, few and by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from devices.metrics import METRICS
from devices.models.reading import COLUMNS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_TYPES: dict[str, Any] = {
    "user_id": pl.Int64,
    "recorded_at": pl.Datetime("us", "UTC"),
    "received_at": pl.Datetime("us", "UTC"),
    "event_id": pl.String,
    "flags": pl.Int64,
    **{metric.name: pl.String if metric.is_text else pl.Float64 for metric in METRICS.values()},
}


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def row(number: int = 0, **values: Any) -> dict[str, Any]:
    """The reading of second `number` after noon, of person 1, received when it was recorded."""
    at = values.get("recorded_at", NOON + timedelta(seconds=number))
    return {"user_id": 1, "recorded_at": at, "received_at": at, "event_id": event_id(number), "flags": 0} | values


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows as a frame of COLUMNS, `username` and `device_sources`."""
    named = [{"username": f"person_{each['user_id']}", "device_sources": ["ring"]} | each for each in rows]
    schema = {name: _TYPES[name] for name in COLUMNS} | {"username": pl.String, "device_sources": pl.List(pl.String)}
    return pl.DataFrame(named, schema=schema)
