"""Readings, windows and alerts that lie there already, made by PostgreSQL itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

STRETCH = timedelta(days=1)

# A body: a slow wave through the day, a little noise, a spike now and then, a cuff once an hour.
_READINGS = """
INSERT INTO devices_reading (user_id, recorded_at, received_at, event_id, flags, heart_rate, hrv_ms, spo2_percent,
    skin_temp_c, respiratory_rate, blood_pressure_systolic, blood_pressure_diastolic, steps_per_minute, activity_level,
    posture, sleep_stage)
SELECT u, at, at + interval '50 ms', gen_random_uuid(), 0,
       round(70 + 15 * sin(second / 13751) + 6 * random() + CASE WHEN random() < 0.00001 THEN 80 ELSE 0 END),
       round(45 + 20 * random()), 96 + round(3 * random()), 33 + random(), 14 + round(4 * random()),
       CASE WHEN second::bigint %% 3600 = 0 THEN 118 + round(9 * random()) END,
       CASE WHEN second::bigint %% 3600 = 0 THEN 76 + round(9 * random()) END,
       0, 4, 'seated', CASE WHEN extract(hour FROM at) < 6 THEN 'light' ELSE 'awake' END
  FROM unnest(%(people)s::bigint[]) u,
       generate_series(%(since)s::timestamptz, %(until)s::timestamptz - %(every)s::interval, %(every)s::interval) at,
       LATERAL (SELECT extract(epoch FROM at)::float8 AS second) s
"""


def readings_fill(people: Sequence[int], *, since: datetime, until: datetime, every: timedelta) -> int:
    """A reading of everybody every so often in [since, until); how many."""
    from django.db import connection

    from devices.partitions import Partitions

    count, at = 0, since
    Partitions(span="month").ensure([since + n * timedelta(days=1) for n in range((until - since).days + 1)] + [until])
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        while at < until:
            upto = min(at + STRETCH, until)
            cursor.execute(_READINGS, {"people": list(people), "since": at, "until": upto, "every": every})
            count, at = count + cursor.rowcount, upto
    return count


def windows_fill(people: Sequence[int], *, since: datetime, until: datetime) -> int:
    """The minutes of these stored readings, as the stream worker stores them; how many."""
    from django.db import connection

    from devices.metrics import NUMERIC
    from devices.models.metric_window import AGGREGATES

    of = {"count": "count({})", "avg": "avg({})", "min": "min({})", "max": "max({})", "stddev": "stddev({})"}
    names = ", ".join(f"{each}_{name}" for name in NUMERIC for each in AGGREGATES)
    values = ", ".join(of[each].format(name) for name in NUMERIC for each in AGGREGATES)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO devices_metricwindow (user_id, size_s, every_s, ended_at, received_at, is_fresh, flags,
                                                  count, {names})
                SELECT user_id, 60, 60, minute + interval '1 minute', max(received_at), true, bit_or(flags),
                       count(*), {values}
                  FROM (SELECT *, date_bin('1 minute', recorded_at, 'epoch') AS minute FROM devices_reading
                         WHERE user_id = ANY(%(people)s) AND recorded_at >= %(since)s AND recorded_at < %(until)s) r
                 GROUP BY user_id, minute""",
            {"people": list(people), "since": since, "until": until},
        )
        return int(cursor.rowcount)


def people_make(count: int, *, prefix: str = "wearer") -> list[int]:
    """Wearers; their keys."""
    from devices.models import User

    made = User.objects.bulk_create(User(username=f"{prefix}_{number:05d}", is_wearer=True) for number in range(count))
    return [user.pk for user in made]


def alerts_fill(people: Sequence[int], count: int, *, until: datetime) -> None:
    """So many alerts of these people, the newest at `until`: each person's newest fires, every other older one is
    closed."""
    from alerts.models import Alert, Rule

    rules = list(Rule.objects.order_by("rule_id"))
    made = []
    for number in range(count):
        at = until - timedelta(seconds=60 * number)
        newest, closed = number < len(people) // 5, number % 2 == 1
        made.append(
            Alert(
                rule=rules[number // len(people) % len(rules)], rule_version=1, user_id=people[number % len(people)],
                alert_type="TACHYCARDIA", title="Tachycardia", severity=("HIGH", "MEDIUM", "LOW")[number % 3],
                alert_class="technical" if number % 10 == 0 else "clinical",
                episode="firing" if newest else "ended", end=None if newest else "cleared",
                started_at=at, opened_at=at, ended_at=at + timedelta(seconds=20), changed_at=at, event_count=7,
                measures={"heart_rate": {"avg": 118.4, "min": 108.0, "max": 126.0}},
                evidence={"last": [{"recorded_at": at.isoformat(), "event_id": str(UUID(int=number)), "values": {
                    "heart_rate": 120.0, "activity_level": 4.0, "steps_per_minute": 0.0}}]},
                description="Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 12:00:00.",
                triage="closed" if closed and not newest else "new",
                close_reason="true" if closed and not newest else "",
            )
        )  # fmt: skip
    Alert.objects.bulk_create(made, batch_size=1000)


def settled() -> None:
    """Statistics and visibility as after a night."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) devices_reading, devices_metricwindow, alerts_alert, devices_user")


def minute_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
