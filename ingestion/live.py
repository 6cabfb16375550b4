"""Readings as the screens get them: the newest of each person, at most four a second a person."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from devices.doubts import doubts_of
from devices.metrics import METRICS, Flag
from devices.times import rfc3339

LEAST_GAP: Final = timedelta(milliseconds=250)
_OF_A_PERSON: Final = [
    pl.all().exclude(METRICS).last(),
    *(pl.col(name).drop_nulls().last().alias(name) for name in METRICS),
]


class Newest:
    """Holds back what a screen could not follow: the newest event of each person, merged, until it is due."""

    def __init__(self) -> None:
        self._owed: dict[int, dict[str, Any]] = {}
        self._sent: dict[int, datetime] = {}

    def add(self, stored: pl.DataFrame) -> None:
        """Take over new rows (COLUMNS, username, device_sources); late ones are history, not news."""
        timely = stored.filter((pl.col("flags") & int(Flag.LATE)) == 0)
        if timely.is_empty():
            return
        newest = timely.sort("recorded_at", "event_id").group_by("user_id").agg(_OF_A_PERSON)
        for row in newest.iter_rows(named=True):
            self._owed[row["user_id"]] = row

    def take(self, *, now: datetime) -> list[tuple[int, dict[str, Any]]]:
        """The events (contract's shape) of the people whose turn it is, by user pk."""
        due = [user for user in self._owed if now - self._sent.get(user, now - LEAST_GAP) >= LEAST_GAP]
        self._sent |= dict.fromkeys(due, now)
        return [(user, event_json(self._owed.pop(user))) for user in due]


def event_json(row: dict[str, Any]) -> dict[str, Any]:
    """A reading's row (COLUMNS, username, device_sources) as the contract's event, with flags and doubts;
    absent values are left out."""
    groups: dict[str, dict[str, Any]] = {}
    for metric, value in _present(row):
        groups.setdefault(metric.group, {})[metric.field] = value
    return {
        "event_id": str(row["event_id"]),
        "timestamp": rfc3339(row["recorded_at"]),
        "user_id": row["username"],
        "device_sources": row["device_sources"] or [],
        "flags": row["flags"],
        **({"doubts": doubts} if (doubts := doubts_of(row["flags"])) else {}),
        **groups,
    }


def _present(row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    return ((metric, row[name]) for name, metric in METRICS.items() if row[name] is not None)
