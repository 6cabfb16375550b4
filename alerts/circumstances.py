"""How a person was when an alert opened: written with it, so that it outlives the readings that tell it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import connection

from alerts.models import Alert
from devices.times import rfc3339

LOOK_BACK: Final = timedelta(hours=2)  # how long still somebody was is known up to this

# Still is what TACHYCARDIA_AT_REST asks for: activity below 10, fewer than 5 steps a minute. A reading without either
# says nothing; posture and sleep are the latest of ten minutes.
_CIRCUMSTANCES: Final = """
SELECT w.number, moved.at, still.at, posture.said, sleep.said
  FROM unnest(%(numbers)s::int[], %(users)s::bigint[], %(times)s::timestamptz[], %(backs)s::timestamptz[])
         AS w (number, user_id, at, back)
  LEFT JOIN LATERAL (
         SELECT r.recorded_at AS at FROM devices_reading r
          WHERE r.user_id = w.user_id AND r.recorded_at <= w.at AND r.recorded_at >= w.back
            AND (r.activity_level >= 10 OR r.steps_per_minute >= 5)
          ORDER BY r.recorded_at DESC, r.event_id DESC LIMIT 1) moved ON true
  LEFT JOIN LATERAL (
         SELECT r.recorded_at AS at FROM devices_reading r
          WHERE r.user_id = w.user_id AND r.recorded_at <= w.at AND r.recorded_at >= w.back
            AND (moved.at IS NULL OR r.recorded_at > moved.at)
            AND (r.activity_level IS NOT NULL OR r.steps_per_minute IS NOT NULL)
          ORDER BY r.recorded_at, r.event_id LIMIT 1) still ON true
  LEFT JOIN LATERAL (
         SELECT r.posture AS said FROM devices_reading r
          WHERE r.user_id = w.user_id AND r.recorded_at <= w.at AND r.recorded_at >= w.at - interval '10 min'
            AND r.posture IS NOT NULL
          ORDER BY r.recorded_at DESC, r.event_id DESC LIMIT 1) posture ON true
  LEFT JOIN LATERAL (
         SELECT r.sleep_stage AS said FROM devices_reading r
          WHERE r.user_id = w.user_id AND r.recorded_at <= w.at AND r.recorded_at >= w.at - interval '10 min'
            AND r.sleep_stage IS NOT NULL
          ORDER BY r.recorded_at DESC, r.event_id DESC LIMIT 1) sleep ON true
"""


def circumstances_note(alerts: Sequence[Alert]) -> None:
    """Put into the evidence of each alert how its person was at `opened_at`; one query, and nothing is saved."""
    lacking = [alert for alert in alerts if "circumstances" not in alert.evidence]
    if not lacking:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _CIRCUMSTANCES,
            {
                "numbers": list(range(len(lacking))),
                "users": [alert.user_id for alert in lacking],
                "times": [alert.opened_at for alert in lacking],
                "backs": [alert.opened_at - LOOK_BACK for alert in lacking],
            },
        )
        for number, moved_at, still_at, posture, sleep_stage in cursor.fetchall():
            lacking[number].evidence["circumstances"] = {
                "still_since": rfc3339(still_at) if still_at else None,
                "still_at_least": moved_at is None,
                "posture": posture,
                "sleep_stage": sleep_stage,
            }


def circumstances_json(alert: Alert) -> dict[str, Any]:
    """For the API: all null in alerts of a release that did not note them."""
    noted: dict[str, Any] = alert.evidence.get("circumstances", {})
    nothing = {"still_since": None, "still_at_least": False, "posture": None, "sleep_stage": None}
    return {**nothing, **noted, "suspect_count": alert.evidence.get("suspect", 0)}
