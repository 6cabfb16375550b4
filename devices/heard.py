"""When somebody was last heard, and how often they usually are: by the receipt of their readings.

Readings carry no device, so both are the person's. What counts is the newest readings by their own time: whoever only
fills up the past is not heard now.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from devices.metrics import Flag
from devices.models.device import MAX_CADENCE_S

NEWEST: Final = 50  # readings that are looked at: a clock that is ahead does not hide what comes after it
LEAST: Final = 10  # fresh ones that a cadence is made of: fewer are no habit
LOOKED_THROUGH: Final = 500  # for these fresh ones
LOOK_BACK: Final = timedelta(days=30)
UNSET_FOR: Final = timedelta(days=2)  # who has no set cadence, and is away for longer, has stopped

_SILENT: Final = """
SELECT u.id, u.username FROM devices_user u
CROSS JOIN LATERAL (
    SELECT r.received_at FROM devices_reading r WHERE r.user_id = u.id AND r.recorded_at > %(after)s
    ORDER BY r.recorded_at DESC, r.event_id DESC LIMIT 1) newest
WHERE u.is_wearer AND newest.received_at <= %(before)s AND (newest.received_at > %(lately)s
    OR EXISTS (SELECT FROM devices_device d WHERE d.user_id = u.id AND d.cadence_s IS NOT NULL))
"""

_HEARD: Final = """
SELECT p.id, heard.at, worn.cadence_s, usual.cadence_s
FROM unnest(%(people)s::bigint[]) AS p (id)
CROSS JOIN LATERAL (
    SELECT max(received_at) AS at FROM (
        SELECT received_at FROM devices_reading WHERE user_id = p.id AND recorded_at > %(after)s
        ORDER BY recorded_at DESC, event_id DESC LIMIT %(newest)s) newest) heard
CROSS JOIN LATERAL (SELECT min(d.cadence_s) AS cadence_s FROM devices_device d WHERE d.user_id = p.id) worn
CROSS JOIN LATERAL (
    SELECT CASE WHEN count(gap) >= %(least)s - 1 THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) END AS cadence_s
    FROM (
        SELECT extract(epoch FROM recorded_at - lead(recorded_at) OVER (ORDER BY recorded_at DESC))::float8 AS gap
        FROM (
            SELECT recorded_at FROM (
                SELECT recorded_at, received_at, flags FROM devices_reading
                WHERE user_id = p.id AND recorded_at > %(after)s
                ORDER BY recorded_at DESC, event_id DESC LIMIT %(through)s) newest
            WHERE flags & %(late)s = 0 AND received_at - recorded_at <= %(fresh)s
            ORDER BY recorded_at DESC LIMIT %(newest)s) fresh) gaps) usual
WHERE heard.at IS NOT NULL
"""

_AGAIN: Final = """
SELECT p.id, p.heard_at, coalesce(first.at, last.at)
FROM unnest(%(people)s::bigint[], %(times)s::timestamptz[]) AS p (id, heard_at)
CROSS JOIN LATERAL (
    SELECT max(received_at) AS at FROM (
        SELECT received_at FROM devices_reading WHERE user_id = p.id AND recorded_at > %(after)s
        ORDER BY recorded_at DESC, event_id DESC LIMIT %(newest)s) newest) last
CROSS JOIN LATERAL (
    SELECT min(received_at) AS at FROM devices_reading
    WHERE user_id = p.id AND recorded_at > p.heard_at - interval '1 hour' AND received_at > p.heard_at) first
WHERE last.at > p.heard_at
"""


Silent = tuple[int, datetime]  # a person, and the receipt of their last reading


@dataclass(frozen=True, slots=True)
class Heard:
    """The receipt of a person's last reading, and the usual time between two; `is_set`: somebody said so."""

    at: datetime
    cadence: timedelta
    is_set: bool


def silent_people(*, until: datetime, shortest: timedelta, longest: timedelta) -> dict[int, str]:
    """Who may not have been heard for `shortest` at `until`, as user_ids by key: one index lookup a wearer.

    Who has no set cadence, and was not heard for two days and `longest`, is left out: they have stopped.
    """
    asked = {"after": until - LOOK_BACK, "before": until - shortest, "lately": until - longest - UNSET_FOR}
    with connection.cursor() as cursor:
        cursor.execute(_SILENT, asked)
        return dict(cursor.fetchall())


def last_heard(people: Collection[int], *, until: datetime, freshness: timedelta) -> dict[int, Heard]:
    """By person; those are missing of whom there is nothing to tell a cadence by.

    The cadence is the smallest that is set for one of their devices, else the median gap of their last 50 fresh
    readings (not late, received within `freshness`), of which there must be 10. A device that collects readings and
    sends them together must have its cadence set.
    """
    asked: dict[str, Any] = {
        "people": list(people), "after": until - LOOK_BACK, "newest": NEWEST, "least": LEAST, "through": LOOKED_THROUGH,
        "late": int(Flag.LATE), "fresh": freshness,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, asked)
        rows = cursor.fetchall()
    return {
        user_id: Heard(
            at, timedelta(seconds=usual_s if set_s is None else min(set_s, MAX_CADENCE_S)), set_s is not None
        )
        for user_id, at, set_s, usual_s in rows
        if set_s is not None or usual_s is not None
    }


def heard_again(silences: Collection[Silent], *, until: datetime) -> dict[Silent, datetime]:
    """Of these people, heard last at these times, those heard since: when first."""
    if not silences:
        return {}
    people, times = zip(*set(silences), strict=True)
    asked: dict[str, Any] = {"people": list(people), "times": list(times), "after": until - LOOK_BACK, "newest": NEWEST}
    with connection.cursor() as cursor:
        cursor.execute(_AGAIN, asked)
        return {(user_id, heard_at): again for user_id, heard_at, again in cursor.fetchall()}
