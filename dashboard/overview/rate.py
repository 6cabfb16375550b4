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
KEPT_S: Final = 10  # counting reads a range of the index a person: not oftener than this for the same people

_COUNT = """
SELECT date_bin('10 seconds', r.recorded_at, 'epoch') AS bucket, count(*)
FROM unnest(%s::bigint[]) AS u(id) CROSS JOIN LATERAL (
    SELECT recorded_at FROM devices_reading WHERE user_id = u.id AND recorded_at > %s AND recorded_at <= %s
) AS r GROUP BY bucket
"""
_MATCHED = """
SELECT date_bin('10 seconds', r.recorded_at, 'epoch') AS bucket, count(DISTINCT (s.id, r.recorded_at, r.event_id))
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS s(id, since, until) CROSS JOIN LATERAL (
    SELECT recorded_at, event_id FROM devices_reading
    WHERE user_id = s.id AND recorded_at BETWEEN s.since AND s.until AND recorded_at > %s
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


def rate_of(*, pks: Sequence[int], alerts: Sequence[Alert], at: datetime) -> Rate:
    """The rate of those people; `alerts` are theirs that fire or ended lately. As of up to ten seconds ago."""
    key = f"overview:rate:{secret_hash(str(sorted(pks)))}"
    kept: Rate | None = cache.get(key)
    if kept is None:
        kept = _rate(pks, alerts, at)
        cache.set(key, kept, KEPT_S)
    return kept


def _rate(pks: Sequence[int], alerts: Sequence[Alert], at: datetime) -> Rate:
    end = datetime.fromtimestamp(at.timestamp() // 10 * 10, tz=at.tzinfo)
    since = end - WINDOW
    spans = [(alert.user_id, alert.started_at, alert.ended_at) for alert in alerts if alert.ended_at > since]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [list(pks), since, end])
        readings = dict(cursor.fetchall())
        matched = {}
        if spans:
            cursor.execute(_MATCHED, [*(list(column) for column in zip(*spans, strict=True)), since])
            matched = dict(cursor.fetchall())
    buckets = [since + n * BUCKET for n in range(WINDOW // BUCKET)]
    return Rate(tuple(readings.get(each, 0) for each in buckets), tuple(matched.get(each, 0) for each in buckets))
