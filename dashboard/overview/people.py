"""The wearers on the wall: what each said last, how often they speak, and who needs eyes most."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final

from django.db import connection
from django.db.models import Exists, OuterRef

from alerts.engine.source import metrics_behind
from alerts.models import Alert
from alerts.models.alert import AlertClass, Severity
from devices.doubts import doubts_of
from devices.models import Pin, User
from devices.models.person import name_shown

# What a tile may show. The value of each is the newest among the last LOOK_BACK readings.
SHOWN: Final = ("heart_rate", "spo2_percent", "body_temp_c", "skin_temp_c", "hrv_ms", "blood_glucose_mg_dl",
                "respiratory_rate", "blood_pressure_systolic", "activity_level")  # fmt: skip
ON_TILE: Final = ("heart_rate", "spo2_percent", "body_temp_c", "skin_temp_c")
LOOK_BACK: Final = 9
CADENCE_LEAST_S: Final = 5.0  # a watch that speaks oftener is not late after a second and a half
LATE_AFTER: Final = 3  # times the cadence
SILENT_AFTER: Final = 6
RANK: Final = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Person:
    """A wearer as the wall shows them. `doubts` says of values of the newest reading why they are in doubt; `fault` is
    the metric at fault, empty where nothing is; who looks keeps those who are `pinned` in view."""

    pk: int
    user_id: str
    name: str
    gap_s: float
    heard_at: datetime | None
    values: Mapping[str, float] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    alert: Alert | None = None
    fault: str = ""
    pinned: bool = False

    @property
    def cadence_s(self) -> float:
        """How often they speak, as ages are judged: at least CADENCE_LEAST_S."""
        return max(CADENCE_LEAST_S, self.gap_s)

    @property
    def number(self) -> str:
        """What a cell shows: the number at the end of the name, else its beginning."""
        found = re.search(r"(\d+)\D*$", self.name)
        return (found[1].lstrip("0") or "0").zfill(2)[-4:] if found else self.name[:4]

    @property
    def short(self) -> str:
        """What a line of a chart is called: `W12`, or the beginning of the name."""
        if re.search(r"\d+\D*$", self.name):
            return f"{self.name[0].upper()}{self.number}"
        return self.name.split()[0][:6]

    @property
    def is_clinical(self) -> bool:
        return self.alert is not None and self.alert.alert_class == AlertClass.CLINICAL

    @property
    def metrics_of_tile(self) -> tuple[str, str]:
        """The two metrics below the heart rate: SpO2, and temperature (core where worn) or what is at fault."""
        temperature = "body_temp_c" if "body_temp_c" in self.values else "skin_temp_c"
        return "spo2_percent", self.fault if self.fault not in ("", *ON_TILE) else temperature

    @property
    def state(self) -> str:
        """All that a tile or a cell shows but values and ages: where it is the same they need not be drawn anew."""
        alert = self.alert
        of_alert = (str(alert.pk), alert.severity, alert.triage, "quiet" if alert.quiet else "") if alert else ()
        return " ".join((*self.metrics_of_tile, *of_alert, "pinned" if self.pinned else "")).strip()

    def patience(self, times: int) -> timedelta:
        return timedelta(seconds=times * self.cadence_s)

    def is_late(self, at: datetime) -> bool:
        return self.heard_at is None or at - self.heard_at >= self.patience(LATE_AFTER)


_NEWEST = f"""
SELECT u.id, r.* FROM unnest(%s::bigint[]) AS u(id) CROSS JOIN LATERAL (
    SELECT max(recorded_at) AS heard_at, array_agg((extract(epoch FROM recorded_at) * 1000000)::bigint) AS times_us,
           (array_agg(flags))[1] AS flags,
           {", ".join(f"(array_agg({name}) FILTER (WHERE {name} IS NOT NULL))[1] AS {name}" for name in SHOWN)}
    FROM (SELECT recorded_at, flags, {", ".join(SHOWN)} FROM devices_reading WHERE user_id = u.id
          ORDER BY recorded_at DESC, event_id DESC LIMIT {LOOK_BACK}) AS newest
) AS r
"""


_NAMES: Final = ("username", "display_name", "first_name", "last_name")
_OF_WEARER: Final = ("pk", "pinned", *_NAMES)  # whole users of a thousand people take longer than their readings


def people_on_wall(*, user: User, worst: Mapping[int, Alert], at: datetime) -> list[Person]:
    """Every wearer `user` may see, worst first; `worst` holds the worst firing alert of each who has one."""
    pinned = Exists(Pin.objects.filter(viewer=user, person=OuterRef("pk")))
    wearers = User.objects.wearers_visible_to(user).annotate(pinned=pinned).order_by("username").values(*_OF_WEARER)
    newest = _newest([wearer["pk"] for wearer in wearers])
    people = [_person(wearer, newest[wearer["pk"]], worst.get(wearer["pk"])) for wearer in wearers]
    return sorted(people, key=lambda person: _need(person, at))


def _newest(pks: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The last readings of each: an index read a person, whoever else there is."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [list(pks)])
        columns = [column.name for column in cursor.description]
        return {row[0]: dict(zip(columns, row, strict=True)) for row in cursor.fetchall()}


def _person(wearer: Mapping[str, Any], row: Mapping[str, Any], alert: Alert | None) -> Person:
    return Person(
        pk=wearer["pk"],
        user_id=wearer["username"],
        name=name_shown(**{name: wearer[name] for name in _NAMES}),
        gap_s=_usual([(later - earlier) / 1e6 for later, earlier in pairwise(row["times_us"] or ())]),
        heard_at=row["heard_at"],
        values=value_seen(alert) | {name: row[name] for name in SHOWN if row[name] is not None},
        doubts=doubts_of(row["flags"] or 0),
        alert=alert,
        fault=fault_of(alert),
        pinned=wearer["pinned"],
    )


def gap_of(times: Sequence[datetime]) -> float:
    """Seconds between readings: the median gap of these, newest first; CADENCE_LEAST_S where that cannot be known."""
    return _usual([(later - earlier).total_seconds() for later, earlier in pairwise(times)])


def _usual(gaps: Sequence[float]) -> float:
    return median(gaps) or CADENCE_LEAST_S if gaps else CADENCE_LEAST_S


def value_seen(alert: Alert | None) -> dict[str, float]:
    """The value at fault as the alert saw it last, by its metric: a cuff speaks once an hour."""
    last = alert.evidence.get("last") if alert else None
    value = last[-1]["values"].get(fault_of(alert)) if last else None
    return {} if value is None else {fault_of(alert): value}


def fault_of(alert: Alert | None) -> str:
    """The metric an alert is about: that of the first of its measures."""
    return next(iter(metrics_behind(alert.measures)), "") if alert else ""


def _need(person: Person, at: datetime) -> tuple[int, int, bool, bool, float, str]:
    """Clinical alerts by severity, then technical ones, then who is late, then who is pinned, then the most active."""
    alert = person.alert
    return (
        RANK[Severity(alert.severity)] if alert and person.is_clinical else len(RANK),
        RANK[Severity(alert.severity)] if alert else len(RANK),
        not person.is_late(at),
        not person.pinned,
        -person.values.get("activity_level", -1.0),
        person.name,
    )
