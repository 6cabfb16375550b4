"""Hourly and daily summaries of people: set-based, idempotent, and made again where anything changed.

An hour is summed up once it is over, from the stored readings; again when readings come late (`due_hours`), and when
an alert of it changed, which may be long after retention took its readings: the numbers they gave then stay. A day is
made of its hours, the present one included, and again when an alert of it changed: that may have opened in an hour
without readings, of which there is no summary.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from alerts.due_hours import minute_of
from devices.failpoints import reach
from devices.metrics import NUMERIC

HOURS_AT_ONCE: Final = 2_000
LOCK: Final = 0x7E1A_0002  # advisory lock: one maker at a time, a second one leaves
ALERTS_LOOK_BACK: Final = timedelta(days=2)
UNDER_WAY: Final = timedelta(minutes=1)  # a change is dated when its transaction begins, by a clock that may be behind

# Averages are rounded, so that the order of addition does not show.
_METRICS = ", ".join(
    f"""'{name}', CASE WHEN count({name}) > 0 THEN jsonb_build_object('count', count({name}), 'min', min({name}),
    'avg', round(avg({name})::numeric, 6), 'max', max({name})) END"""
    for name in NUMERIC
)

_ALERTS = """
SELECT coalesce(jsonb_object_agg(severity, n), '{}') AS alerts FROM (
    SELECT severity, count(*) AS n FROM alerts_alert
    WHERE user_id = due.user_id AND episode <> 'withdrawn'
      AND opened_at >= due.start AND opened_at < due.start + due.length
    GROUP BY severity) counted
"""

_HOURS = f"""
WITH picked AS (
    SELECT user_id, start FROM alerts_duehour WHERE minute < %(minute)s AND start < %(hour)s
    GROUP BY start, user_id ORDER BY start, user_id LIMIT %(limit)s),
gone AS (
    DELETE FROM alerts_duehour d USING picked p
    WHERE d.start = p.start AND d.user_id = p.user_id AND d.minute < %(minute)s),
recounted AS (
    SELECT s.user_id, s.start FROM alerts_alert a
    JOIN alerts_summary s ON s.user_id = a.user_id AND s.period = 'hour'
        AND s.start = date_trunc('hour', a.opened_at, 'UTC')
    WHERE a.changed_at >= %(changed)s AND a.changed_at > s.made_at - %(under_way)s
    LIMIT %(limit)s),
due AS (
    SELECT user_id, start, interval '1 hour' AS length FROM picked
    UNION SELECT user_id, start, interval '1 hour' FROM recounted)
INSERT INTO alerts_summary AS kept (user_id, period, start, readings, metrics, alerts, made_at)
SELECT due.user_id, 'hour', due.start, summed.readings, summed.metrics, counted.alerts, %(at)s
FROM due
CROSS JOIN LATERAL (
    SELECT count(*) AS readings, jsonb_strip_nulls(jsonb_build_object({_METRICS})) AS metrics
    FROM devices_reading
    WHERE user_id = due.user_id AND recorded_at >= due.start AND recorded_at < due.start + due.length) summed
CROSS JOIN LATERAL ({_ALERTS}) counted
ON CONFLICT (user_id, period, start) DO UPDATE
SET readings = CASE WHEN excluded.readings > 0 THEN excluded.readings ELSE kept.readings END,
    metrics = CASE WHEN excluded.readings > 0 THEN excluded.metrics ELSE kept.metrics END,
    alerts = excluded.alerts, made_at = excluded.made_at
RETURNING user_id, date_trunc('day', start, 'UTC')
"""

_DAYS = (
    """
WITH due AS (
    SELECT user_id, start, interval '1 day' AS length
    FROM unnest(%(users)s::bigint[], %(days)s::timestamptz[]) AS touched (user_id, start)
    UNION SELECT s.user_id, s.start, interval '1 day' FROM alerts_alert a
    JOIN alerts_summary s ON s.user_id = a.user_id AND s.period = 'day'
        AND s.start = date_trunc('day', a.opened_at, 'UTC')
    WHERE a.changed_at >= %(changed)s AND a.changed_at >= s.made_at)
INSERT INTO alerts_summary (user_id, period, start, readings, metrics, alerts, made_at)
SELECT due.user_id, 'day', due.start, hours.readings, summed.metrics, counted.alerts, %(at)s
FROM due
CROSS JOIN LATERAL (
    SELECT sum(readings) AS readings FROM alerts_summary
    WHERE user_id = due.user_id AND period = 'hour' AND start >= due.start AND start < due.start + due.length) hours
CROSS JOIN LATERAL (
    SELECT coalesce(
        jsonb_object_agg(name, jsonb_build_object('count', n, 'min', low, 'avg', mean, 'max', high)), '{}') AS metrics
    FROM (
        SELECT m.key AS name, sum((m.value->>'count')::bigint) AS n,
            min((m.value->>'min')::float8) AS low, max((m.value->>'max')::float8) AS high,
            round(sum((m.value->>'avg')::numeric * (m.value->>'count')::bigint)
                / sum((m.value->>'count')::bigint), 6) AS mean
        FROM alerts_summary s, jsonb_each(s.metrics) m
        WHERE s.user_id = due.user_id AND s.period = 'hour'
          AND s.start >= due.start AND s.start < due.start + due.length
        GROUP BY m.key) by_metric) summed
CROSS JOIN LATERAL ("""
    + _ALERTS
    + """) counted
ON CONFLICT (user_id, period, start) DO UPDATE
SET readings = excluded.readings, metrics = excluded.metrics, alerts = excluded.alerts, made_at = excluded.made_at
"""
)


def summaries_make(*, at: datetime, limit: int = HOURS_AT_ONCE) -> int:
    """Sum up at most `limit` hours that are due at `at`, and their days; how many hours. 0 where somebody else does."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    given: dict[str, Any] = {
        "at": at,
        "hour": hour,
        "minute": minute_of(at) - 1,
        "limit": limit,
        "changed": at - ALERTS_LOOK_BACK,
        "under_way": UNDER_WAY,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_HOURS, given)
        made = cursor.fetchall()
        cursor.execute(_DAYS, given | {"users": [row[0] for row in made], "days": [row[1] for row in made]})
        reach("summary_before_commit")
    reach("summary_after_commit")
    return len(made)
