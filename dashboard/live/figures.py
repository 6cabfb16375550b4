"""The figures of the status frame: of the pipeline and of everybody's alerts once a process, summed for each sight."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import Error  # InterfaceError, of a connection that closed, is no DatabaseError
from django.db.models import Count, Q, Sum
from django.utils import timezone

from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Triage
from dashboard.live.text import text_of
from dashboard.live.visitor import Sight
from devices.background import ticked_at
from devices.models import PipelineStatus
from devices.times import rfc3339

log = structlog.get_logger(__name__)
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

    def __add__(self, other: "AlertFigures") -> "AlertFigures":
        return AlertFigures(self.open + other.open, self.firing + other.firing, self.revision + other.revision)


def pipeline_figures(*, now: datetime) -> dict[str, Any]:
    """What the consumers that live say together; `consumers` is 0 and the rest null where none does.

    But for `heard_at`: when any of the last hour last said something.
    """
    began = time.perf_counter()
    known = list(PipelineStatus.objects.filter(updated_at__lte=now + GONE_AFTER))
    living = [row for row in known if row.updated_at > now - GONE_AFTER]
    database_ms = (time.perf_counter() - began) * 1000
    delays = [row.delay_p99_s for row in living if row.delay_p99_s is not None]
    evaluated = [row.evaluated_at for row in living if row.evaluated_at is not None]
    return {
        "lag": sum(row.lag for row in living) if living else None,
        "events_per_second": round(sum(row.events_per_second for row in living), 1) if living else None,
        "delay_p99_s": round(max(delays), 3) if delays else None,
        "consumers": len(living),
        "evaluated_at": rfc3339(max(evaluated)) if evaluated else None,
        "heard_at": rfc3339(max(row.updated_at for row in known)) if known else None,
        "database_ms": round(database_ms, 1),
    }


UNKNOWN: Final[dict[str, Any]] = dict.fromkeys(
    ("lag", "events_per_second", "delay_p99_s", "consumers", "evaluated_at", "heard_at", "database_ms")
)


def alert_figures(*, now: datetime) -> dict[int, AlertFigures]:
    """Of the alerts of each person who has any, in one query."""
    found = Alert.objects.filter(changed_alerts(now)).order_by().values("user_id")
    rows = found.annotate(
        open_=Count("pk", filter=IS_OPEN), firing=Count("pk", filter=IS_FIRING), sum_=Sum("revision")
    ).values_list("user_id", "open_", "firing", "sum_")
    return {user: AlertFigures(*figures) for user, *figures in rows}


def figures_seen(figures: Mapping[int, AlertFigures], sees: Sight) -> AlertFigures:
    """Those of all these people together."""
    if sees == "everyone":
        seen: Iterable[AlertFigures] = figures.values()
    else:
        seen = (figures[user] for user in figures.keys() & sees)
    return sum(seen, start=AlertFigures(0, 0, 0))


def status_texts(sights: Iterable[Sight], *, now: datetime) -> dict[Sight, str]:
    """The `data` of a status frame for each sight; unknown while the database is away, and pages say so.

    `worker_at` is when the background worker last worked, null where it never did.
    """
    alerts: Mapping[int, AlertFigures] | None = None
    pipeline, worker_at = UNKNOWN, None
    try:
        pipeline, alerts, worker_at = pipeline_figures(now=now), alert_figures(now=now), ticked_at()
    except Error as error:
        log.warning("live.no_figures", reason=type(error).__name__)
    shared = pipeline | {
        "worker_at": rfc3339(worker_at) if worker_at else None,
        "server_time": rfc3339(timezone.now()),
    }
    return {sees: text_of(shared | _of_alerts(alerts, sees)) for sees in sights}


def _of_alerts(alerts: Mapping[int, AlertFigures] | None, sees: Sight) -> dict[str, int | None]:
    found = None if alerts is None else figures_seen(alerts, sees)
    return {
        "alerts_open": found.open if found else None,
        "alerts_firing": found.firing if found else None,
        "alerts_revision": found.revision if found else None,
    }


def changed_alerts(now: datetime) -> Q:
    """The alerts that the revision sums over."""
    return IS_OPEN | Q(changed_at__gte=now - LATELY)
