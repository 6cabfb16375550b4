"""Personal baselines: made at night of the 28 days before, and read as sets that hold from a UTC midnight on.

They are made person by person: one COPY of the person's own rows out of the key's index, then columns. A set is made
once; whatever comes later, readings of those days too, goes into the next one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
from django.db import connection, transaction

from devices.copied import copied
from devices.failpoints import reach
from devices.metrics import BASELINED
from devices.models import Baseline, User
from devices.models.person import UNPLACED_ZONES
from devices.usual import LOOK_BACK, usual

_READINGS = f"""
COPY (SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint, flags, {", ".join(BASELINED)}
        FROM devices_reading WHERE user_id = %s AND recorded_at >= %s AND recorded_at < %s)
  TO STDOUT (FORMAT csv)
"""  # names of the catalogue
_READ: Final = pl.Schema(
    [("recorded_at", pl.Int64()), ("flags", pl.Int64()), *((name, pl.Float64()) for name in BASELINED)]
)
FRAME: Final = pl.Schema(
    {
        "user_id": pl.Int64(),
        "valid_from": pl.Datetime("us", "UTC"),
        "zone": pl.String(),
        "metric": pl.String(),
        "local_hour": pl.Int8(),
        "median": pl.Float64(),
        "mad": pl.Float64(),
    }
)

# The set that holds at the beginning, and those that begin until the end; also those that say nothing of the metrics:
# no older one holds in their place.
_HOLDING = """
SELECT s.user_id, s.valid_from, coalesce(b.zone, 'UTC'), b.metric, b.local_hour, b.median, b.mad
  FROM (SELECT DISTINCT b.user_id, b.valid_from
          FROM unnest(%(users)s::bigint[]) AS w (user_id)
          JOIN devices_baseline b ON b.user_id = w.user_id AND b.valid_from <= %(until)s
           AND b.valid_from >= coalesce(
               (SELECT max(o.valid_from) FROM devices_baseline o
                 WHERE o.user_id = w.user_id AND o.valid_from <= %(since)s), '-infinity')) s
  LEFT JOIN devices_baseline b ON b.user_id = s.user_id AND b.valid_from = s.valid_from AND b.metric = ANY(%(metrics)s)
"""

# Sets that the next one has taken the place of before a moment.
_OVER = """
DELETE FROM devices_baseline b WHERE EXISTS (
    SELECT 1 FROM devices_baseline n
     WHERE n.user_id = b.user_id AND n.valid_from > b.valid_from AND n.valid_from <= %s)
"""


def valid_from(as_of: datetime) -> datetime:
    """The UTC midnight at or after `as_of` (aware)."""
    at = as_of.astimezone(UTC)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if at == midnight else midnight + timedelta(days=1)


def baselines_make(*, as_of: datetime) -> int:
    """Make the sets of everyone of the 28 days before `as_of`, valid from the UTC midnight at or after it.

    Who has a set that is valid from then keeps it as it is. Returns how many people got one.
    """
    begins = valid_from(as_of)
    made = Baseline.objects.filter(valid_from=begins).order_by().values("user_id").distinct()
    people = list(
        User.objects.filter(is_wearer=True).exclude(pk__in=made).order_by("pk").values_list("pk", "time_zone")
    )
    return sum(_make(user_id, zone, as_of, begins) for user_id, zone in people)


def _make(user_id: int, zone: str, as_of: datetime, begins: datetime) -> bool:
    """Whether the person got a set: not without values, nor where somebody else has made one meanwhile."""
    zone = "UTC" if zone in UNPLACED_ZONES else zone
    found = usual(_readings(user_id, as_of - LOOK_BACK, as_of), zone=zone)
    rows = [Baseline(user_id=user_id, valid_from=begins, zone=zone, **row) for row in found.iter_rows(named=True)]
    with transaction.atomic():
        if not rows or not User.objects.select_for_update(no_key=True).filter(pk=user_id).exists():
            return False
        if Baseline.objects.filter(user_id=user_id, valid_from=begins).exists():
            return False
        Baseline.objects.bulk_create(rows)
        reach("baseline_before_commit")
    reach("baseline_after_commit")
    return True


def _readings(user_id: int, since: datetime, until: datetime) -> pl.DataFrame:
    rows = pl.read_csv(copied(_READINGS, [user_id, since, until]), has_header=False, schema=_READ)
    return rows.with_columns(pl.from_epoch("recorded_at", "us").dt.replace_time_zone("UTC"))


def baselines_holding(
    *, user_ids: Sequence[int], since: datetime, until: datetime, metrics: Sequence[str] = BASELINED
) -> pl.DataFrame:
    """The sets of these people that hold at some time of [since, until], as `alerts.engine.derived` takes them. One
    that says nothing of `metrics` is a row without a metric."""
    given: dict[str, Any] = {"users": list(user_ids), "since": since, "until": until, "metrics": list(metrics)}
    with connection.cursor() as cursor:
        cursor.execute(_HOLDING, given)
        return pl.DataFrame(cursor.fetchall(), schema=FRAME, orient="row")


def baselines_drop(*, before: datetime) -> int:
    """Drop the rows of sets that were over `before`; how many. The set that holds then stays, however old it is."""
    with connection.cursor() as cursor:
        cursor.execute(_OVER, [before])
        return int(cursor.rowcount)
