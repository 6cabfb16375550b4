"""Which hours of which people new readings fell into: what the summaries have to be made of again."""

from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from django.db import connection

from alerts.engine.rows import instants
from devices.arrays import array_text

_MARK = """
INSERT INTO alerts_duehour (start, user_id, minute)
SELECT to_timestamp(hour), user_id, %s FROM unnest(%s::bigint[], %s::bigint[]) AS due (user_id, hour)
ON CONFLICT DO NOTHING
"""


Keys = npt.NDArray[np.int64]
_NOTHING: Final[Keys] = np.empty(0, np.int64)
_HOUR_US: Final = 3_600_000_000
_PEOPLE: Final = 1 << 40  # more than there are; hours times this stay below 2^63 for a thousand years
_CERTAIN_S: Final = 45


def minute_of(at: datetime) -> int:
    """Whole minutes since 1970."""
    return int(at.timestamp()) // 60


class DueHours:
    """Marks hours. What was marked is marked once a minute, not once a batch: whoever sums up leaves the marks of the
    present minute alone. Its clock may be ahead of ours, so near the minute's end nothing is taken for marked.

    `mark` leaves what is remembered untouched; `keep` takes its result over, after the commit.
    """

    def __init__(self) -> None:
        self._minute = -1
        self._marked = _NOTHING

    def mark(self, rows: pl.DataFrame, *, at: datetime) -> Keys:
        """Mark the hours of `rows` (`user_id`, `recorded_at`), in the transaction that stores them at `at`."""
        if rows.is_empty():
            return _NOTHING
        hour = instants(rows["recorded_at"]) // _HOUR_US
        due = np.unique(hour * _PEOPLE + rows["user_id"].to_numpy())
        if minute_of(at) == self._minute and at.second < _CERTAIN_S:
            due = np.setdiff1d(due, self._marked, assume_unique=True)
        if len(due):
            with connection.cursor() as cursor:
                people, hours = (due % _PEOPLE).tolist(), (due // _PEOPLE * 3600).tolist()
                cursor.execute(_MARK, [minute_of(at), array_text(people), array_text(hours)])
        return due

    def keep(self, marked: Keys, *, at: datetime) -> None:
        known = self._marked if minute_of(at) == self._minute else _NOTHING
        self._minute, self._marked = minute_of(at), np.union1d(known, marked)

    def drop(self) -> None:
        self._marked = _NOTHING
