"""What the charts and sparklines draw: the last five minutes of a few people."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from alerts.engine.source import metrics_behind
from alerts.models import Alert
from alerts.models.alert import AlertClass
from devices.metrics import METRICS
from devices.reader import shown_in, value_shown
from devices.times import rfc3339

WINDOW: Final = timedelta(minutes=5)
CHARTED: Final = ("heart_rate", "hrv_ms", "spo2_percent", "body_temp_c", "skin_temp_c")
MOST_LINES: Final = 6
MOST_POINTS: Final = 1500
SPARK_EVERY_S: Final = 5

_SERIES = f"""
SELECT u.id, r.* FROM unnest(%s::bigint[]) AS u(id) CROSS JOIN LATERAL (
    SELECT (extract(epoch FROM recorded_at) * 1000)::bigint AS at, flags, {", ".join(CHARTED)}
    FROM devices_reading WHERE user_id = u.id AND recorded_at > %s AND recorded_at <= %s
    ORDER BY recorded_at DESC, event_id DESC LIMIT {MOST_POINTS}
) AS r
"""
_SPARKS = f"""
SELECT u.id, r.at, r.heart_rate FROM unnest(%s::bigint[]) AS u(id) CROSS JOIN LATERAL (
    SELECT DISTINCT ON (bucket) bucket, (extract(epoch FROM recorded_at) * 1000)::bigint AS at, heart_rate
    FROM (SELECT date_bin('{SPARK_EVERY_S} seconds', recorded_at, 'epoch') AS bucket, recorded_at, heart_rate
          FROM devices_reading WHERE user_id = u.id AND recorded_at > %s AND recorded_at <= %s) AS read
    WHERE heart_rate IS NOT NULL ORDER BY bucket, recorded_at DESC
) AS r
"""
Points = dict[str, list[Any]]


def series_of(*, pks: Sequence[int], at: datetime) -> dict[int, Points]:
    """By person: `t` (ms since the epoch, ascending), `flags` and a list of values a metric of CHARTED, in the reader's
    units, null where absent."""
    columns = ("t", "flags", *CHARTED)
    rows: dict[int, list[tuple[Any, ...]]] = {pk: [] for pk in pks}
    for row in reversed(_rows(_SERIES, pks, at)):
        rows[row[0]].append(row)
    return {
        pk: {name: _shown(name, [row[1 + place] for row in theirs]) for place, name in enumerate(columns)}
        for pk, theirs in rows.items()
    }


def _shown(name: str, values: list[Any]) -> list[Any]:
    """Values of a column of _SERIES, in the reader's units where it is a metric."""
    if name not in METRICS or shown_in(name).is_canonical:
        return values
    return [None if value is None else value_shown(name, value) for value in values]


def sparks_of(*, pks: Sequence[int], at: datetime) -> dict[int, Points]:
    """By person: `t` and `heart_rate`, the last of each SPARK_EVERY_S seconds."""
    found: dict[int, Points] = {pk: {"t": [], "heart_rate": []} for pk in pks}
    for pk, t, value in _rows(_SPARKS, pks, at):
        found[pk]["t"].append(t)
        found[pk]["heart_rate"].append(value)
    return found


def _rows(query: str, pks: Sequence[int], at: datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, [list(pks), at - WINDOW, at])
        return list(cursor.fetchall())


def episodes_of(*, alerts: Sequence[Alert], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """The clinical episodes of the people of the charts, for shading: whose, which metrics, from when to when."""
    return [
        {
            "alert_id": str(alert.pk),
            "user_id": names[alert.user_id],
            "metrics": [name for name in metrics_behind(alert.measures) if name in CHARTED],
            "severity": alert.severity,
            "from": rfc3339(alert.started_at),
            "to": None if alert.episode == "firing" else rfc3339(alert.ended_at),
        }
        for alert in alerts
        if alert.user_id is not None and alert.user_id in names and alert.alert_class == AlertClass.CLINICAL
    ]
