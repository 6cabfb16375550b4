"""The strips of a wearer's page: which metric is drawn how, with which episodes and which limits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from alerts.columns_read import read_column
from alerts.engine import Rule
from alerts.engine.source import metrics_behind
from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Severity
from alerts.thresholds import fires_at, has_lines
from dashboard.series import Line, Series
from dashboard.usual_band import Band
from devices.metrics import BASELINED
from devices.reader import axis_shown, clock_shown, decimals_shown, shown_in, unit_shown, units_now

Kind = Literal["line", "bars", "pairs", "stages"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a strip is drawn; one that is `optional` is left out where the range holds none of it."""

    name: str
    metrics: tuple[str, ...]
    label: str
    unit: str
    kind: Kind = "line"
    height: int = 96
    optional: bool = False


PLANS: Final = (
    Plan("heart_rate", ("heart_rate",), "Heart rate", "bpm, lowest to highest shaded", height=170),
    Plan("hrv", ("hrv_ms",), "HRV", "RMSSD, ms"),
    Plan("spo2", ("spo2_percent",), "SpO₂", "%"),
    Plan("respiration", ("respiratory_rate",), "Respiration", "/min", optional=True),
    Plan("core", ("body_temp_c",), "Core temperature", "°C", optional=True),
    Plan("skin", ("skin_temp_c",), "Skin temperature", "°C"),
    Plan(
        "pressure", ("blood_pressure_systolic", "blood_pressure_diastolic"), "Blood pressure",
        "mmHg, systolic to diastolic", "pairs",
    ),
    Plan("glucose", ("blood_glucose_mg_dl",), "Glucose", "mg/dL", optional=True),
    Plan("steps", ("steps_per_minute",), "Activity", "steps per minute", "bars", 64),
    Plan("sleep", ("sleep_stage",), "Sleep", "from the top: awake, REM, light, deep", "stages", 78),
)  # fmt: skip

DRAWN: Final = tuple(name for plan in PLANS for name in plan.metrics)
BANDED: Final = tuple(name for plan in PLANS if plan.kind == "line" for name in plan.metrics if name in BASELINED)


@dataclass(frozen=True, slots=True)
class Strip:
    """One strip, and what it says in words; `latest` is empty where the range holds nothing."""

    plan: Plan
    lines: list[Line]
    stages: list[str]
    gap_after_s: float
    spans: list[dict[str, Any]] = field(default_factory=list)
    limits: list[dict[str, Any]] = field(default_factory=list)
    band: Band | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def decimals(self) -> int:
        return decimals_shown(self.plan.metrics[0])

    @property
    def unit(self) -> str:
        """As it stands beside the label, in the reader's unit."""
        name = self.plan.metrics[0]
        return unit_shown(name) if not shown_in(name).is_canonical else self.plan.unit

    @property
    def learning(self) -> str:
        """How far learning what is usual is; empty where it is known, or not asked."""
        return self.band.learning_words if self.band else ""

    @property
    def words(self) -> str:
        """Latest, lowest, highest and gaps of the range, and what was usual at the latest."""
        first = self.lines[0]
        if not first.at:
            return "not measured in this time"
        at = datetime.fromtimestamp(first.at[-1], UTC)
        if self.plan.kind == "stages":
            return f"latest {self.stages[-1]} at {clock_shown(at)}"
        latest = "/".join(f"{line.points[-1][1]:.{self.decimals}f}" for line in self.lines if line.points)
        low = min(point[0] for line in self.lines for point in line.points)
        high = max(point[2] for line in self.lines for point in line.points)
        gaps = f", {first.gaps} gap{'' if first.gaps == 1 else 's'}" if self.plan.kind == "line" else ""
        return (
            f"latest {latest} at {clock_shown(at, seconds=True)}, lowest {low:.{self.decimals}f},"
            f" highest {high:.{self.decimals}f}{gaps}{self._in_doubt()}{self._usual_at(at)}"
        )

    def _in_doubt(self) -> str:
        """`, 12 points in doubt (jump 2, stuck 10)`."""
        counts = Counter(filter(None, self.lines[0].doubts))
        reasons = ", ".join(f"{word} {count}" for word, count in sorted(counts.items()))
        count = counts.total()
        return f", {count} point{'' if count == 1 else 's'} in doubt ({reasons})" if count else ""

    def _usual_at(self, at: datetime) -> str:
        if self.band is None:
            return ""
        if (limits := self.band.limits_at(at)) is None:
            return f", {self.learning}" if self.learning else ""
        return f", usual for that hour {limits[0]:.{self.decimals}f} to {limits[1]:.{self.decimals}f}"

    def as_json(self) -> dict[str, Any]:
        axis = axis_shown(self.plan.metrics[0]) or (0, 1)
        return {
            "metrics": self.plan.metrics,
            "kind": self.plan.kind,
            "height": self.plan.height,
            "axis": axis,
            "decimals": self.decimals,
            "gapAfter": self.gap_after_s,
            "lines": [line.as_json() for line in self.lines],
            "stages": self.stages,
            "spans": self.spans,
            "limits": self.limits,
            "band": self.band.as_json() if self.band else None,
        }


def strips_of(series: Series, alerts: Sequence[Alert], rules: Iterable[Rule], bands: Mapping[str, Band]) -> list[Strip]:
    """The strips of a range, in the order they stand on the page; `bands` by metric, of those in BANDED."""
    rules = list(rules)
    strips = [_strip(plan, series, alerts, rules, bands) for plan in PLANS]
    return [strip for strip in strips if strip.lines[0].at or not strip.plan.optional]


def _strip(plan: Plan, series: Series, alerts: Sequence[Alert], rules: list[Rule], bands: Mapping[str, Band]) -> Strip:
    if plan.kind == "stages":
        at, stages, gap = series.text(plan.metrics[0])
        levels = [(0.0, 0.0, 0.0)] * len(at)
        return Strip(plan, [Line(plan.metrics[0], at, levels, [""] * len(at), gap)], stages, gap)
    lines = [_shown(series.line(name)) for name in plan.metrics]
    if plan.kind == "pairs":
        lines = _both(lines)
    band = bands.get(plan.metrics[0])
    spans = [_span(alert) for alert in alerts if set(plan.metrics) & set(metrics_behind(alert.measures))]
    return Strip(plan, lines, [], lines[0].gap_after_s, spans, limits_of(plan, rules), band and band.as_read())


def _shown(line: Line) -> Line:
    """A line in the reader's unit."""
    shown = shown_in(line.name)
    if shown.is_canonical:
        return line
    points = [(shown.value(low), shown.value(mean), shown.value(high)) for low, mean, high in line.points]
    return replace(line, points=points)


def _both(lines: list[Line]) -> list[Line]:
    """Only the points that all lines have: a pressure is a pair."""
    shared = set.intersection(*(set(line.at) for line in lines))
    return [_only(line, shared) for line in lines]


def _only(line: Line, times: set[float]) -> Line:
    places = [place for place, at in enumerate(line.at) if at in times]
    return Line(
        name=line.name,
        at=[line.at[place] for place in places],
        points=[line.points[place] for place in places],
        doubts=[line.doubts[place] for place in places],
        gap_after_s=line.gap_after_s,
    )


def _span(alert: Alert) -> dict[str, Any]:
    return {
        "from": alert.started_at.timestamp(),
        "to": alert.ended_at.timestamp(),
        "severity": alert.severity,
        "technical": alert.alert_class == AlertClass.TECHNICAL,
        "firing": alert.episode == EpisodeState.FIRING,
        "id": str(alert.pk),
    }


def limits_of(plan: Plan, rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Where the rules in force fire, each value once, under its worst rule."""
    rank = {severity: place for place, severity in enumerate(Severity.values)}
    found: dict[tuple[str, float], Rule] = {}
    read = read_column(plan.metrics[0], units_now())
    for rule in sorted(filter(has_lines, rules), key=lambda each: rank[each.severity]):
        for limit in fires_at(rule):
            if limit.column in plan.metrics:
                found.setdefault((limit.operator, limit.value), rule)
    return [
        {
            "value": read.value(value),
            "label": f"{operator} {read.limit(value)} {rule.title.lower()}",
            "severity": rule.severity,
        }
        for (operator, value), rule in found.items()
    ]
