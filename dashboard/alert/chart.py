"""The chart of an alert: the readings around its episode, which of them fired, and where the rule fires and clears."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from alerts.columns_read import read_column
from alerts.engine import Rule, Window
from alerts.engine.language import to_postgres
from alerts.engine.source import COLUMNS, metrics_behind
from alerts.explain import kept_rows
from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState
from alerts.thresholds import Threshold, clears_at, fires_at
from dashboard.series import gap_after_s
from dashboard.usual_band import bands_of
from devices.doubts import doubt_of
from devices.metrics import BASELINED, METRICS
from devices.reader import axis_shown, decimals_shown, local, text_shown, unit_shown, units_now, value_shown

MOST_POINTS: Final = 600
LEAST_MARGIN: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Choice:
    """How much the chart shows: the episode, or so much around its opening."""

    name: str
    label: str
    around: timedelta | None


CHOICES: Final = (
    Choice("episode", "Episode", None),
    Choice("1h", "1 h", timedelta(hours=1)),
    Choice("24h", "24 h", timedelta(hours=24)),
)


def choice_of(name: str) -> Choice | None:
    return next((choice for choice in CHOICES if choice.name == name), None)


def choices_of(chosen: Choice) -> list[tuple[Choice, bool]]:
    return [(choice, choice is chosen) for choice in CHOICES]


@dataclass(frozen=True, slots=True)
class AlertChart:
    """What the page says in words of the chart, and what its script draws; `label` names the metrics."""

    label: str
    unit: str
    points: int
    lowest: str
    highest: str
    data: dict[str, Any]


def chart_of(alert: Alert, rule: Rule | None, *, choice: Choice, at: datetime) -> AlertChart | None:
    """The measures of the alert over the chosen time; None where it measures nothing that a chart can show."""
    names = _shown(alert, rule)
    if not names:
        return None
    return chart_between(alert, rule, names, *span_of(alert, began_at(alert, rule), choice, at))


def chart_between(alert: Alert, rule: Rule | None, names: list[str], since: datetime, until: datetime) -> AlertChart:
    """These metrics, which are of one kind, from `since` to `until`."""
    rows = _rows(alert, rule, names, since, until)
    values = [value for row in rows for value in row[2 : 2 + 3 * len(names)] if value is not None]
    low, high = (text_shown(names[0], each) for each in (min(values), max(values))) if values else ("", "")
    return AlertChart(
        label=" and ".join(METRICS[name].label for name in names),
        unit=unit_shown(names[0]),
        points=len(rows),
        lowest=low,
        highest=high,
        data=_data(alert, rule, names, rows, since, until),
    )


def _shown(alert: Alert, rule: Rule | None) -> list[str]:
    """The numbers that the measures are of, or, where a rule has none, the first that its condition reads."""
    measured = [name for name in metrics_behind(alert.measures) if not METRICS[name].is_text]
    read = metrics_behind(rule.columns) if rule else []
    return measured or [name for name in read if not METRICS[name].is_text][:1]


def began_at(alert: Alert, rule: Rule | None) -> datetime:
    """The beginning of what the first matching row was made of: the time of a window is its end."""
    return alert.started_at - rule.over.size if rule and isinstance(rule.over, Window) else alert.started_at


def span_of(alert: Alert, began: datetime, choice: Choice, at: datetime) -> tuple[datetime, datetime]:
    """From a little before the first matching reading to a little after the last; never into the future."""
    if choice.around is not None:
        until = min(at, max(alert.ended_at, alert.opened_at + choice.around / 2))
        return min(until - choice.around, began), until
    length = alert.ended_at - began
    margin = max(length / 4, LEAST_MARGIN)
    until = alert.ended_at if alert.episode == EpisodeState.FIRING else alert.ended_at + margin
    return began - margin, max(min(until, at), alert.ended_at)


def _rows(alert: Alert, rule: Rule | None, names: list[str], since: datetime, until: datetime) -> list[tuple[Any, ...]]:
    """At most 600 (time, fired, lowest, average and highest of each metric, flags), in order of time; one query."""
    numbers = ", ".join(f"min({name}), avg({name}), max({name})" for name in names)
    fired, parameters = _fired(alert, rule)
    some = " OR ".join(f"{name} IS NOT NULL" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT avg(extract(epoch FROM recorded_at)::float8), bool_or({fired}), {numbers}, bit_or(flags)"
            f" FROM devices_reading WHERE user_id = %s AND recorded_at >= %s AND recorded_at <= %s AND ({some})"
            " GROUP BY floor(extract(epoch FROM recorded_at)::float8 / %s) ORDER BY 1",
            [*parameters, alert.user_id, since, until, max((until - since).total_seconds() / MOST_POINTS, 1e-3)],
        )
        return list(cursor.fetchall())


def _fired(alert: Alert, rule: Rule | None) -> tuple[str, list[Any]]:
    """SQL for whether a stored reading matched, and its parameters. What the table does not hold (distances from usual,
    changes) is known of the readings that the alert keeps; a window is none of its readings."""
    if rule is None or rule.over != "reading":
        return "false", []
    if all(name in METRICS for name in rule.when.columns):
        return to_postgres(rule.when.tree), []
    return "recorded_at = ANY(%s::timestamptz[])", [[row["recorded_at"] for _, row in kept_rows(alert)]]


def _data(  # noqa: PLR0913, PLR0917  # the parts of one chart
    alert: Alert, rule: Rule | None, names: list[str], rows: list[tuple[Any, ...]], since: datetime, until: datetime
) -> dict[str, Any]:
    start, end = began_at(alert, rule).timestamp(), alert.ended_at.timestamp()
    return {
        "since": since.timestamp(),
        "until": until.timestamp(),
        "axis": axis_shown(names[0]),
        "decimals": decimals_shown(names[0]),
        "gapAfter": gap_after_s([row[0] for row in rows], bucket_s=(until - since).total_seconds() / MOST_POINTS),
        "lines": [_line(rows, name, 2 + 3 * place, start, end) for place, name in enumerate(names)],
        "limits": _limits(alert, rule, names),
        "spans": [{"from": start, "to": end, "severity": alert.severity, "technical": _is_technical(alert)}],
        "marks": [{"at": alert.opened_at.timestamp(), "label": _opened(alert, rule)}],
        "band": _band(alert, names, since, until),
    }


def _band(alert: Alert, names: list[str], since: datetime, until: datetime) -> dict[str, Any] | None:
    """What was usual for the person; None where the metric has no usual, or more than one is drawn."""
    if alert.user_id is None or len(names) > 1 or names[0] not in BASELINED:
        return None
    return bands_of(user_id=alert.user_id, since=since, until=until, names=(names[0],))[names[0]].as_read().as_json()


def beside_usual(alert: Alert) -> str:
    """How far the average of its first measure was from what was usual when it opened: `49 bpm above, usual 56 to 71`;
    empty where that is not known, or nothing unusual."""
    name = next((each for each in alert.measures if each in BASELINED), None)
    if alert.user_id is None or name is None:
        return ""
    at = alert.opened_at
    band = bands_of(user_id=alert.user_id, since=at, until=at, names=(name,))[name].as_read()
    if (limits := band.limits_at(at)) is None:
        return ""
    low, high = limits
    mean, decimals = value_shown(name, alert.measures[name]["avg"]), decimals_shown(name)
    if low <= mean <= high:
        return ""
    apart, side = (mean - high, "above") if mean > high else (low - mean, "below")
    return f"{apart:.{decimals}f} {unit_shown(name)} {side}, usual {low:.{decimals}f} to {high:.{decimals}f}"


def _is_technical(alert: Alert) -> bool:
    return alert.alert_class == AlertClass.TECHNICAL


def _line(rows: list[tuple[Any, ...]], name: str, place: int, start: float, end: float) -> dict[str, Any]:
    return {
        "at": [row[0] for row in rows],
        "min": [_shown_value(name, row[place]) for row in rows],
        "avg": [_shown_value(name, row[place + 1]) for row in rows],
        "max": [_shown_value(name, row[place + 2]) for row in rows],
        "doubts": [doubt_of(name, row[-1]) if row[place] is not None else "" for row in rows],
        "hits": [bool(row[1]) and start - 1e-3 <= row[0] <= end + 1e-3 for row in rows],
    }


def _shown_value(name: str, value: float | None) -> float | None:
    return None if value is None else value_shown(name, value)


def _limits(alert: Alert, rule: Rule | None, names: Sequence[str]) -> list[dict[str, Any]]:
    if rule is None:
        return []
    fires = [_limit(limit, "fires", alert, rule) for limit in fires_at(rule) if _is_on_scale(limit, names)]
    count = rule.clear.count if rule.clear else 1
    in_a_row = f", {count} in a row" if count > 1 else ""
    clears = [
        _limit(limit, "clears", alert, rule, in_a_row) | {"clears": True}
        for limit in clears_at(rule)
        if _is_on_scale(limit, names)
    ]
    return fires + clears


def _is_on_scale(limit: Threshold, names: Sequence[str]) -> bool:
    """Whether it is a value of a charted metric, not a count, a spread, or a distance from usual."""
    column = COLUMNS[limit.column]
    return any((column.low, column.high) == (METRICS[name].low, METRICS[name].high) for name in names)


def _limit(limit: Threshold, word: str, alert: Alert, rule: Rule, more: str = "") -> dict[str, Any]:
    named = f" {COLUMNS[limit.column].label.lower()}" if len(rule.measures) > 1 else ""
    read = read_column(limit.column, units_now())
    text = f"{limit.operator} {read.limit(limit.value)}"
    return {"value": read.value(limit.value), "label": f"{word}{named} {text}{more}", "severity": alert.severity}


def _opened(alert: Alert, rule: Rule | None) -> str:
    count = rule.sustained.count if rule else 1
    row = "window" if rule and isinstance(rule.over, Window) else "reading"
    nth = f" at {row} {count}" if count > 1 else ""
    return f"opened{nth}, {local(alert.opened_at):%H:%M:%S}"
