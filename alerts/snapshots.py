"""Snapshots of what is pending, saved so that a restart never reads days back. A cache: deleting them costs time alone.

Only of people of whom something has been pending for long; of everybody else the past is cut where nothing is pending.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from alerts.engine import RuleKey, Source
from alerts.engine.snapshot import Snapshot, run_of, run_plain
from alerts.models import DetectionState
from devices.models import User

LONG: Final = timedelta(hours=1)  # something pending for as long is worth a snapshot, and then one more after as long
BEHIND: Final = timedelta(minutes=10)  # and more, behind the watermark: what is not late cannot lie before it

_DROP = """
DELETE FROM alerts_detectionstate d USING unnest(%s::bigint[], %s::timestamptz[]) AS w (user_id, since)
 WHERE d.user_id = w.user_id AND d.reached_at >= w.since
"""


def snapshots_save(*, source: Source, found: Mapping[int, Snapshot], at: datetime) -> None:
    """Keep these in place of those that there are, by person; in a transaction that only their consumer may commit.

    Of a person who was deleted meanwhile nothing is kept.
    """
    there = set(User.objects.filter(pk__in=list(found)).values_list("pk", flat=True))
    rows = [
        DetectionState(
            user_id=user_id,
            source=str(source),
            reached_at=snapshot.reached_at,
            rules=sorted(snapshot.rules),
            runs=[[*key, run_plain(run)] for key, run in snapshot.runs.items()],
            saved_at=at,
        )
        for user_id, snapshot in sorted(found.items())
        if user_id in there
    ]
    DetectionState.objects.bulk_create(
        rows,
        batch_size=200,
        update_conflicts=True,
        unique_fields=["user", "source"],
        update_fields=["reached_at", "rules", "runs", "saved_at"],
    )


def snapshots_of(*, source: Source, people: Sequence[int]) -> dict[int, Snapshot]:
    """What is kept of these people."""
    rows = DetectionState.objects.filter(source=str(source), user__in=people)
    return {
        row.user_id: Snapshot(
            row.reached_at,
            frozenset(RuleKey(*key) for key in row.rules),
            {RuleKey(rule_id, version): run_of(plain) for rule_id, version, plain in row.runs},
        )
        for row in rows
    }


def snapshots_drop(*, since: Mapping[int, datetime]) -> None:
    """Drop those that speak of people's time from then on: a late reading has changed it."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP, [list(since), list(since.values())])
