"""A silence as the page of its alert shows it: what is usual, how long is too long, and what was heard around it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from alerts.absences import silence_json
from alerts.models import Alert
from alerts.models.alert import EpisodeState
from dashboard.alert.chart import LEAST_MARGIN, AlertChart, Choice, chart_between
from devices.metrics import METRICS, NUMERIC

BEFORE: Final = 10  # usual times between two readings that the chart shows before the last one


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing was heard after `heard_at`; counted from `counted_from`, as `we_were_away` before. `least` says that the
    limit is the least that the rule asks for, not `factor` x `cadence`."""

    heard_at: datetime
    counted_from: datetime
    again_at: datetime | None
    cadence: timedelta
    cadence_is_set: bool
    limit: timedelta
    factor: float
    at_least: timedelta

    @property
    def we_were_away(self) -> bool:
        return self.counted_from > self.heard_at

    @property
    def least(self) -> bool:
        return self.limit > self.factor * self.cadence


def silence_of(alert: Alert) -> Silence | None:
    """What the alert keeps; None where it is not of an absence."""
    kept = silence_json(alert)
    if kept is None:
        return None
    return Silence(
        heard_at=alert.started_at,
        counted_from=datetime.fromisoformat(kept["counted_from"]),
        again_at=alert.ended_at if alert.end == "cleared" else None,
        cadence=timedelta(seconds=kept["cadence_s"]),
        cadence_is_set=kept["cadence_is_set"],
        limit=timedelta(seconds=kept["limit_s"]),
        factor=kept["factor"],
        at_least=timedelta(seconds=kept["at_least_s"]),
    )


def silence_chart(alert: Alert, silence: Silence, *, choice: Choice, at: datetime) -> AlertChart | None:
    """What was measured most around the silence; None where nothing of it is stored."""
    end = at if alert.episode == EpisodeState.FIRING else alert.ended_at
    margin = max(BEFORE * silence.cadence, (end - alert.started_at) / 4, LEAST_MARGIN)
    since = (alert.started_at if choice.around is None else min(end - choice.around, alert.started_at)) - margin
    until = min(at, end + margin)
    name = _most_measured(alert.user_id, since, until)
    if name is None:
        return None
    chart = chart_between(alert, None, [name], since, until)
    chart.data["gapAfter"] = max(chart.data["gapAfter"], silence.limit.total_seconds())
    chart.data["spans"][0]["to"] = end.timestamp()
    return chart


def _most_measured(user_id: int | None, since: datetime, until: datetime) -> str | None:
    counts = ", ".join(f"count({name})" for name in NUMERIC)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {counts} FROM devices_reading WHERE user_id = %s AND recorded_at >= %s AND recorded_at <= %s",
            [user_id, since, until],
        )
        found = dict(zip(NUMERIC, cursor.fetchone(), strict=True))
    charted = [name for name in NUMERIC if found[name] and METRICS[name].axis is not None]
    return max(charted, key=lambda name: found[name], default=None)
