"""The figures of the status frame: of the pipeline once a process, of the alerts once a distinct sight."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Q, Sum

from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Triage
from dashboard.live.visitor import Sight
from devices.models import PipelineStatus
from devices.times import rfc3339

GONE_AFTER: Final = timedelta(seconds=10)  # PipelineStatus: an older row is of a consumer that is gone
LATELY: Final = timedelta(minutes=10)
IS_OPEN: Final = ~Q(episode=EpisodeState.WITHDRAWN) & ~Q(triage=Triage.CLOSED)
IS_FIRING: Final = IS_OPEN & Q(episode=EpisodeState.FIRING, alert_class=AlertClass.CLINICAL)


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """`open`: neither withdrawn nor closed; `firing`: the clinical ones of these whose episode goes on.

    `revision` is the sum of the revisions of open alerts and of those that changed in the last ten minutes.
    """

    open: int
    firing: int
    revision: int


def pipeline_figures(*, now: datetime) -> dict[str, Any]:
    """What the consumers that live say together; `consumers` is 0 and the rest null where none does."""
    began = time.perf_counter()
    living = list(PipelineStatus.objects.filter(updated_at__gt=now - GONE_AFTER, updated_at__lte=now + GONE_AFTER))
    database_ms = (time.perf_counter() - began) * 1000
    delays = [row.delay_p99_s for row in living if row.delay_p99_s is not None]
    evaluated = [row.evaluated_at for row in living if row.evaluated_at is not None]
    return {
        "lag": sum(row.lag for row in living) if living else None,
        "events_per_second": round(sum(row.events_per_second for row in living), 1) if living else None,
        "delay_p99_s": round(max(delays), 3) if delays else None,
        "consumers": len(living),
        "evaluated_at": rfc3339(max(evaluated)) if evaluated else None,
        "heard_at": rfc3339(max(row.updated_at for row in living)) if living else None,
        "database_ms": round(database_ms, 1),
    }


UNKNOWN: Final[dict[str, Any]] = dict.fromkeys(
    ("lag", "events_per_second", "delay_p99_s", "consumers", "evaluated_at", "heard_at", "database_ms")
)


def alert_figures(*, sees: Sight, now: datetime) -> AlertFigures:
    """Counts and revision of the alerts of those people."""
    rows = Alert.objects.filter(changed_alerts(now))
    if sees != "everyone":
        rows = rows.filter(user_id__in=sees)
    found = rows.aggregate(
        open=Count("pk", filter=IS_OPEN), firing=Count("pk", filter=IS_FIRING), revision=Sum("revision")
    )
    return AlertFigures(found["open"], found["firing"], found["revision"] or 0)


def changed_alerts(now: datetime) -> Q:
    """The alerts that the revision sums over."""
    return IS_OPEN | Q(changed_at__gte=now - LATELY)
