"""A person's readings as lines: at most 600 points a series, each with the lowest and highest it stands for.

At most five queries: the person's rows of the range, in buckets of equal width, all metrics at once. A bucket keeps
its minimum and maximum, so that no peak is lost, and an empty one is a gap. A long range is read from the stored
minutes, which keep them too: a month at two readings a second is 5 million rows, and 43,200 minutes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

from devices.doubts import doubt_of
from devices.metrics import METRICS, NUMERIC, TEXT

MOST_POINTS: Final = 600
MINUTE: Final = timedelta(minutes=1)
LOOK_BACK: Final = 60  # readings: what a strip of words asks the end of a bucket for


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
    Range("15m", "15 m", timedelta(minutes=15), timedelta(seconds=2), is_live=True),
    Range("1h", "1 h", timedelta(hours=1), timedelta(seconds=10), is_live=True),
    Range("6h", "6 h", timedelta(hours=6), timedelta(minutes=1), is_live=False),
    Range("24h", "24 h", timedelta(hours=24), timedelta(minutes=5), is_live=False),
    Range("7d", "7 d", timedelta(days=7), timedelta(minutes=20), is_live=False),
    Range("30d", "30 d", timedelta(days=30), timedelta(hours=2), is_live=False),
)
DEFAULT_RANGE: Final = RANGES[4]


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
            gap_after_s=gap_after_s([at for at, _, _ in there], bucket_s=self.bucket_s),
        )

    def text(self, name: str) -> tuple[list[float], list[str], float]:
        """Times and values of a text metric where it was said, and from how many seconds on a stretch is a gap."""
        values = self.texts.get(name) or [None] * len(self.at)
        there = [(at, value) for at, value in zip(self.at, values, strict=True) if value]
        times = [at for at, _ in there]
        return times, [value for _, value in there], gap_after_s(times, bucket_s=self.bucket_s)


def gap_after_s(times: Sequence[float], *, bucket_s: float) -> float:
    """From how many seconds on a stretch without a point is a gap, where no line is drawn: three times the usual
    distance between points, at least three buckets, at least 10 s."""
    usual = median(later - at for at, later in pairwise(times)) if len(times) > 2 else 0.0
    return max(3 * usual, 3 * bucket_s, 10.0)


# A part of a bucket says: how many readings and the sum of their times; flags; of each metric the lowest, the sum, how
# many, and the highest. From readings, and from complete minutes, which hold the same of theirs.
_OF_READINGS = """
SELECT floor(date_part('epoch', recorded_at) / %(width)s) AS bucket, count(*),
       sum(date_part('epoch', recorded_at)), bit_or(flags) {numbers}
  FROM devices_reading
 WHERE user_id = %(user)s AND recorded_at >= %(since)s AND recorded_at < %(until)s
 GROUP BY bucket
"""
# Bucket by bucket, along the index: PostgreSQL takes every minute for a group of its own, and would sort them on disk.
_OF_MINUTES = """
SELECT bucket, m.* FROM generate_series(floor(date_part('epoch', %(since)s) / %(width)s)::bigint,
                                        floor(date_part('epoch', %(until)s) / %(width)s)::bigint) AS bucket
 CROSS JOIN LATERAL (
    SELECT sum(count) AS readings, sum((date_part('epoch', ended_at) - 30) * count),
           bit_or(flags) {numbers}
      FROM devices_metricwindow WHERE user_id = %(user)s AND size_s = 60 AND every_s = 60
       AND ended_at >= %(since)s + interval '1 minute' AND ended_at <= %(until)s
       AND ended_at > to_timestamp(bucket * %(width)s) AND ended_at <= to_timestamp((bucket + 1) * %(width)s)
) AS m WHERE readings > 0
"""
_MINUTES = """
SELECT min(ended_at) - interval '1 minute', max(ended_at) FROM devices_metricwindow
 WHERE user_id = %(user)s AND size_s = 60 AND every_s = 60
   AND ended_at >= %(since)s + interval '1 minute' AND ended_at <= %(until)s
"""
# The last word of each bucket, among its newest readings: the index is read backwards from the end of each.
_TEXTS = """
SELECT b.bucket, r.* FROM unnest(%(buckets)s::float8[]) AS b (bucket) CROSS JOIN LATERAL (
    SELECT {said} FROM (
        SELECT {names} FROM devices_reading WHERE user_id = %(user)s
           AND recorded_at >= greatest(to_timestamp(b.bucket * %(width)s), %(since)s)
           AND recorded_at < least(to_timestamp((b.bucket + 1) * %(width)s), %(until)s)
         ORDER BY recorded_at DESC, event_id DESC LIMIT {look_back}) AS newest
) AS r
"""


@cache
def _from_readings(metrics: tuple[str, ...]) -> str:
    each = (f", min({name}), sum({name}), count({name}), max({name})" for name in metrics)
    return _OF_READINGS.format(numbers="".join(each))


@cache
def _from_minutes(metrics: tuple[str, ...]) -> str:
    each = (
        f", min(min_{name}), sum(avg_{name} * count_{name}), sum(count_{name}), max(max_{name})" for name in metrics
    )
    return _OF_MINUTES.format(numbers="".join(each))


@cache
def _texts_query(metrics: tuple[str, ...]) -> str:
    said = ", ".join(f"(array_agg({name}) FILTER (WHERE {name} IS NOT NULL))[1] AS {name}" for name in metrics)
    return _TEXTS.format(said=said, names=", ".join(metrics), look_back=LOOK_BACK)


def series_of(
    *, user_id: int, since: datetime, until: datetime, bucket: timedelta, metrics: tuple[str, ...] = tuple(METRICS)
) -> Series:
    """The readings of a person recorded in [since, until), in buckets aligned to the epoch.

    Buckets of whole minutes are put together from the stored minutes: their times are right to half a minute, the rest
    is what the readings give.
    """
    numbers = tuple(name for name in metrics if name in NUMERIC)
    texts = tuple(name for name in metrics if name in TEXT)
    asked: dict[str, Any] = {"user": user_id, "since": since, "until": until, "width": bucket.total_seconds()}
    with connection.cursor() as cursor:
        rows = _together(_parts(cursor, numbers, asked, by_minutes=not bucket % MINUTE))
        said: dict[float, tuple[str | None, ...]] = {}
        if texts and rows:
            cursor.execute(_texts_query(texts), asked | {"buckets": [row[0] for row in rows]})
            said = {row[0]: row[1:] for row in cursor.fetchall()}
    lines = {name: _points(rows, 4 + 4 * place) for place, name in enumerate(numbers)}
    words = {name: [said[row[0]][place] for row in rows] for place, name in enumerate(texts) if said}
    return Series(
        since=since,
        until=until,
        bucket_s=bucket.total_seconds(),
        at=[row[2] / row[1] for row in rows],
        flags=[row[3] for row in rows],
        lines={name: points for name, points in lines.items() if any(points)},
        texts={name: values for name, values in words.items() if any(values)},
    )


Row = tuple[Any, ...]


def _parts(cursor: CursorWrapper, metrics: tuple[str, ...], asked: dict[str, Any], *, by_minutes: bool) -> list[Row]:
    """Of stored minutes where they serve, and of the readings before the first and after the last of them: the minute
    that runs, and whatever was stored without minutes."""
    first, last = None, None
    if by_minutes:
        cursor.execute(_MINUTES, asked)
        first, last = cursor.fetchone()
    if first is None:
        cursor.execute(_from_readings(metrics), asked)
        return list(cursor.fetchall())
    rows: list[Row] = []
    cursor.execute(_from_minutes(metrics), asked)
    rows += cursor.fetchall()
    for stretch in ({"until": first}, {"since": last}):
        cursor.execute(_from_readings(metrics), asked | stretch)
        rows += cursor.fetchall()
    return rows


def _together(rows: Iterable[Row]) -> list[Row]:
    """One row a bucket, in order: what readings and minutes say of the same one is put together."""
    found: dict[float, Row] = {}
    for row in rows:
        other = found.get(row[0])
        found[row[0]] = row if other is None else _both(row, other)
    return [found[bucket] for bucket in sorted(found)]


def _both(one: Row, other: Row) -> Row:
    parts = [one[0], one[1] + other[1], one[2] + other[2], one[3] | other[3]]
    for place in range(4, len(one), 4):
        parts += _both_of_metric(one[place : place + 4], other[place : place + 4])
    return tuple(parts)


def _both_of_metric(one: Row, other: Row) -> Row:
    if not one[2] or not other[2]:
        return one if one[2] else other
    return min(one[0], other[0]), one[1] + other[1], one[2] + other[2], max(one[3], other[3])


def _points(rows: list[Row], place: int) -> list[Point | None]:
    return [(row[place], row[place + 1] / row[place + 2], row[place + 3]) if row[place + 2] else None for row in rows]
