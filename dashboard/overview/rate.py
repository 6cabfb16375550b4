"""How many readings came lately, and how many of them belong to an episode."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.db import connection

from alerts.models import Alert
from dashboard.overview.series import WINDOW
from devices.hashing import secret_hash

BUCKET: Final = timedelta(seconds=10)
RECOUNTED: Final = timedelta(seconds=30)  # of what was counted: readings take a moment, and some come late

_COUNT = """
SELECT date_bin('10 seconds', r.recorded_at, 'epoch') AS bucket, count(*)
FROM unnest(%s::bigint[]) AS u(id) CROSS JOIN LATERAL (
    SELECT recorded_at FROM devices_reading WHERE user_id = u.id AND recorded_at >= %s AND recorded_at < %s
) AS r GROUP BY bucket
"""
_MATCHED = """
SELECT date_bin('10 seconds', r.recorded_at, 'epoch') AS bucket, count(DISTINCT (s.id, r.recorded_at, r.event_id))
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS s(id, since, until) CROSS JOIN LATERAL (
    SELECT recorded_at, event_id FROM devices_reading
    WHERE user_id = s.id AND recorded_at BETWEEN s.since AND s.until AND recorded_at >= %s
) AS r GROUP BY bucket
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """Readings of the last five minutes, in buckets of ten seconds, oldest first; `matched` belong to an episode."""

    readings: tuple[int, ...]
    matched: tuple[int, ...]

    @property
    def per_minute(self) -> int:
        return sum(self.readings[-6:])

    @property
    def total(self) -> int:
        return sum(self.readings)

    @property
    def total_matched(self) -> int:
        return sum(self.matched)

    @property
    def percent(self) -> float | None:
        """None without readings: nothing is known then."""
        return 100 * self.total_matched / self.total if self.total else None

    @property
    def percents(self) -> list[float]:
        return [100 * m / n if n else 0.0 for n, m in zip(self.readings, self.matched, strict=True)]


@dataclass(frozen=True, slots=True)
class _Counted:
    """Readings by bucket up to `end`."""

    end: datetime
    readings: dict[datetime, int]


def rate_of(*, pks: Sequence[int], alerts: Sequence[Alert], at: datetime) -> Rate:
    """The rate of those people; `alerts` are theirs that fire or ended lately. As of up to ten seconds ago."""
    key = f"overview:rate:{secret_hash(str(sorted(pks)))}"
    end = datetime.fromtimestamp(at.timestamp() // 10 * 10, tz=at.tzinfo)
    kept: tuple[datetime, Rate, _Counted] | None = cache.get(key)
    if kept is not None and kept[0] == end:
        return kept[1]
    counted = _count(pks, end, kept[2] if kept else None)
    rate = _rate(counted, alerts)
    cache.set(key, (end, rate, counted), WINDOW.total_seconds())
    return rate


def _count(pks: Sequence[int], end: datetime, before: _Counted | None) -> _Counted:
    """Of the window before `end`. Counting reads a range of the index a person: of what was counted before, only the
    last moments are counted again."""
    since = end - WINDOW
    known = before.readings if before and before.end <= end else {}
    first = max(since, before.end - RECOUNTED) if known and before else since
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [list(pks), first, end])
        found = dict(cursor.fetchall())
    return _Counted(end, {at: count for at, count in known.items() if since <= at < first} | found)


def _rate(counted: _Counted, alerts: Sequence[Alert]) -> Rate:
    since = counted.end - WINDOW
    spans = [(alert.user_id, alert.started_at, alert.ended_at) for alert in alerts if alert.ended_at > since]
    matched = {}
    if spans:
        with connection.cursor() as cursor:
            cursor.execute(_MATCHED, [*(list(column) for column in zip(*spans, strict=True)), since])
            matched = dict(cursor.fetchall())
    buckets = [since + n * BUCKET for n in range(WINDOW // BUCKET)]
    return Rate(
        tuple(counted.readings.get(each, 0) for each in buckets), tuple(matched.get(each, 0) for each in buckets)
    )
