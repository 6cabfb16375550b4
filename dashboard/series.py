"""A person's readings as lines: at most 600 points a series, each with the lowest and highest it stands for.

One query a page: the person's rows of the range, in buckets of equal width, all metrics at once. A bucket keeps its
minimum and maximum, so that no peak is lost, and an empty one is a gap.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final

from django.db import connection

from devices.doubts import doubt_of
from devices.metrics import NUMERIC

MOST_POINTS: Final = 600


@dataclass(frozen=True, slots=True)
class Range:
    """A choice of the range picker. `bucket` makes at most 600 points of `length`."""

    name: str
    label: str
    length: timedelta
    bucket: timedelta
    is_live: bool


RANGES: Final = (
    Range("5m", "5 m", timedelta(minutes=5), timedelta(seconds=1), is_live=True),
    Range("1h", "1 h", timedelta(hours=1), timedelta(seconds=10), is_live=True),
    Range("24h", "24 h", timedelta(hours=24), timedelta(minutes=5), is_live=False),
    Range("7d", "7 d", timedelta(days=7), timedelta(minutes=20), is_live=False),
    Range("30d", "30 d", timedelta(days=30), timedelta(hours=2), is_live=False),
)
DEFAULT_RANGE: Final = RANGES[2]


def range_of(name: str) -> Range | None:
    """The range of that name."""
    return next((each for each in RANGES if each.name == name), None)


Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One metric where it was measured: times, (lowest, average, highest), and of points in doubt why.

    A stretch without a value that is longer than `gap_after_s` is a gap.
    """

    name: str
    at: list[float]
    points: list[Point]
    doubts: list[str]
    gap_after_s: float

    @property
    def gaps(self) -> int:
        return sum(later - at > self.gap_after_s for at, later in pairwise(self.at))

    def as_json(self) -> dict[str, Any]:
        """Columns of numbers, as the page's script takes them."""
        columns = {
            kind: [round(point[place], 3) for point in self.points] for place, kind in enumerate(("min", "avg", "max"))
        }
        return {"at": self.at, "doubts": self.doubts, **columns}


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order of time; `at` holds seconds since 1970 UTC, the mean time of a bucket's readings.

    `lines` gives (lowest, average, highest) of each point by metric, None where it was not measured; metrics that were
    never measured in the range are left out. `texts` gives the last value of text metrics the same way. `flags` are
    those of any reading of the point.
    """

    since: datetime
    until: datetime
    bucket_s: float
    at: list[float]
    flags: list[int]
    lines: dict[str, list[Point | None]]
    texts: dict[str, list[str | None]]

    def line(self, name: str) -> Line:
        """The points where this metric was measured."""
        values = self.lines.get(name) or [None] * len(self.at)
        there = [(at, value, flags) for at, value, flags in zip(self.at, values, self.flags, strict=True) if value]
        return Line(
            name=name,
            at=[at for at, _, _ in there],
            points=[point for _, point, _ in there],
            doubts=[doubt_of(name, flags) for _, _, flags in there],
            gap_after_s=self._gap_after([at for at, _, _ in there]),
        )

    def text(self, name: str) -> tuple[list[float], list[str], float]:
        """Times and values of a text metric where it was said, and from how many seconds on a stretch is a gap."""
        values = self.texts.get(name) or [None] * len(self.at)
        there = [(at, value) for at, value in zip(self.at, values, strict=True) if value]
        return [at for at, _ in there], [value for _, value in there], self._gap_after([at for at, _ in there])

    def _gap_after(self, times: list[float]) -> float:
        """Three times the usual distance between points, at least three buckets, at least 10 s."""
        usual = median(later - at for at, later in pairwise(times)) if len(times) > 2 else 0.0
        return max(3 * usual, 3 * self.bucket_s, 10.0)


_NUMBERS = ", ".join(f"min({name}), avg({name}), max({name})" for name in NUMERIC)
_TEXTS = ("posture", "sleep_stage")
_LAST = ", ".join(
    f"(array_agg({name} ORDER BY recorded_at DESC) FILTER (WHERE {name} IS NOT NULL))[1]" for name in _TEXTS
)
_SERIES = f"""
SELECT avg(extract(epoch FROM recorded_at)::float8), bit_or(flags), {_NUMBERS}, {_LAST}
  FROM devices_reading
 WHERE user_id = %(user)s AND recorded_at >= %(since)s AND recorded_at < %(until)s
 GROUP BY floor(extract(epoch FROM recorded_at)::float8 / %(width)s) ORDER BY 1
"""


def series_of(*, user_id: int, since: datetime, until: datetime, bucket: timedelta) -> Series:
    """The readings of a person recorded in [since, until), in buckets aligned to the epoch."""
    width = bucket.total_seconds()
    with connection.cursor() as cursor:
        cursor.execute(_SERIES, {"user": user_id, "since": since, "until": until, "width": width})
        rows = cursor.fetchall()
    lines = {name: _points(rows, 2 + 3 * place) for place, name in enumerate(NUMERIC)}
    first_text = 2 + 3 * len(NUMERIC)
    texts = {name: [row[first_text + place] for row in rows] for place, name in enumerate(_TEXTS)}
    return Series(
        since=since,
        until=until,
        bucket_s=width,
        at=[row[0] for row in rows],
        flags=[row[1] for row in rows],
        lines={name: points for name, points in lines.items() if any(points)},
        texts={name: values for name, values in texts.items() if any(values)},
    )


def _points(rows: list[tuple[Any, ...]], place: int) -> list[Point | None]:
    return [None if row[place] is None else (row[place], row[place + 1], row[place + 2]) for row in rows]
