"""The current values of a wearer, each beside what is usual for them at this hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from alerts.engine.source import metrics_behind
from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Triage
from dashboard.desk.rows import SEVERITY_RANK
from dashboard.latest import Value, newest_times
from dashboard.overview.people import gap_of
from dashboard.usual_band import Band, bands_of
from devices.metrics import BASELINED, METRICS
from devices.models import User
from devices.reader import axis_shown, decimals_shown, unit_shown, value_shown
from devices.usual import LEAST_DAYS

CURRENT: Final = (
    "heart_rate", "hrv_ms", "spo2_percent", "body_temp_c", "skin_temp_c", "blood_pressure_systolic",
    "blood_pressure_diastolic", "blood_glucose_mg_dl", "respiratory_rate",
)  # fmt: skip
_NOW_AND_THEN: Final = frozenset({"blood_pressure_systolic", "blood_glucose_mg_dl"})


@dataclass(frozen=True, slots=True)
class Heard:
    """When a person was last heard of, and how many seconds usually lie between two readings."""

    at: datetime | None
    cadence_s: float


def heard_of(person: User) -> Heard:
    """From the device that says its cadence, else the median of the last 20 distances."""
    times = newest_times(user_ids=[person.pk], count=21)[person.pk]
    said = [device.cadence_s for device in person.devices.all() if device.cadence_s]
    return Heard(times[0] if times else None, max(min(said) if said else gap_of(times), 1.0))


def worst_of(alerts: list[Alert]) -> Alert | None:
    """The worst that fires, clinical before technical, of equals the newest."""
    firing = [a for a in alerts if a.episode == EpisodeState.FIRING and a.triage != Triage.CLOSED]
    return min(firing, key=_urgency, default=None)


def _urgency(alert: Alert) -> tuple[bool, int, float, UUID]:
    newness = -alert.opened_at.timestamp()
    return alert.alert_class != AlertClass.CLINICAL, SEVERITY_RANK[alert.severity], newness, alert.pk


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual at this hour, and a value beside it, in the reader's units, on the axis of the metric."""

    metric: str
    low: float
    high: float
    value: float | None

    @property
    def text(self) -> str:
        """`56\N{EN DASH}71`."""
        decimals = decimals_shown(self.metric)
        return f"{self.low:.{decimals}f}\N{EN DASH}{self.high:.{decimals}f}"

    @property
    def word(self) -> str:
        if self.value is None or self.low <= self.value <= self.high:
            return ""
        return "above usual" if self.value > self.high else "below usual"

    @property
    def axis(self) -> tuple[float, float]:
        """The usual axis of the metric, wide enough for what is usual."""
        low, high = axis_shown(self.metric) or (self.low, self.high)
        return min(low, self.low), max(high, self.high, low + 1)

    @property
    def left(self) -> float:
        return self._share(self.low)

    @property
    def width(self) -> float:
        return max(1.0, self._share(self.high) - self.left)

    @property
    def place(self) -> float | None:
        return None if self.value is None else self._share(self.value)

    def _share(self, value: float) -> float:
        """In percent of the axis."""
        low, high = self.axis
        return min(100.0, max(0.0, 100 * (value - low) / (high - low)))


@dataclass(frozen=True, slots=True)
class Tile:
    """A current value: `metrics` (two of them for blood pressure), `text` empty where it was never measured; `learning`
    says how far learning what is usual is, while it is not known."""

    metrics: str
    label: str
    unit: str
    text: str
    at: datetime | None
    fault: str
    doubt: str
    cadence_s: float | None
    usual: Usual | None
    learning: str


def usual_now(*, person: User, at: datetime) -> dict[str, Band]:
    """What is usual for the person at this hour, by metric; two queries."""
    names = tuple(name for name in CURRENT if name in BASELINED)
    return bands_of(user_id=person.pk, since=at, until=at, names=names)


def tiles_of(
    values: Mapping[str, Value], alerts: list[Alert], heard: Heard, bands: Mapping[str, Band], at: datetime
) -> list[Tile]:
    """The values a person is looked at by: core temperature where worn, else skin; glucose where worn."""
    temperature = "body_temp_c" if "body_temp_c" in values else "skin_temp_c"
    shown: list[tuple[str, ...]] = [("heart_rate",), ("hrv_ms",), ("spo2_percent",), (temperature,)]
    shown += [("blood_pressure_systolic", "blood_pressure_diastolic"), ("respiratory_rate",)]
    if "blood_glucose_mg_dl" in values:
        shown.append(("blood_glucose_mg_dl",))
    return [_tile(names, values, alerts, heard, _usual(names[0], values, bands, at)) for names in shown]


Known = tuple[Usual | None, str]  # what is usual, or how far learning it is


def _usual(name: str, values: Mapping[str, Value], bands: Mapping[str, Band], at: datetime) -> Known:
    if (band := bands.get(name)) is None:
        return None, ""
    if (limits := band.limits_at(at)) is None:
        return None, band.learning_words if band.days < LEAST_DAYS else "usual for this hour not known"
    found = values.get(name)
    value = value_shown(name, found.value) if found and not isinstance(found.value, str) else None
    low, high = (value_shown(name, each) for each in limits)
    return Usual(name, low, high, value), ""


def _tile(names: Sequence[str], values: Mapping[str, Value], alerts: list[Alert], heard: Heard, usual: Known) -> Tile:
    there = [values[name] for name in names if name in values]
    first = there[0] if there else None
    firing = [a for a in alerts if a.episode == EpisodeState.FIRING and names[0] in metrics_behind(a.measures)]
    worst = worst_of(firing)
    regular = first is not None and heard.at is not None and names[0] not in _NOW_AND_THEN
    return Tile(
        metrics=" ".join(names),
        label="Blood pressure" if len(names) > 1 else METRICS[names[0]].label,
        unit=unit_shown(names[0]),
        text="/".join(value.text for value in there),
        at=first.recorded_at if first else None,
        fault=str(worst.severity).lower() if worst else "",
        doubt=next(filter(None, (value.doubt for value in there)), ""),
        cadence_s=heard.cadence_s if regular else None,
        usual=usual[0],
        learning=usual[1],
    )
