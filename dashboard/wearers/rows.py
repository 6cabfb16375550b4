"""What the rows of the list of wearers show, read for a whole page at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Prefetch

from alerts.models import Alert
from alerts.models.alert import AlertClass
from alerts.selectors import worst_of
from dashboard.latest import Value as Latest
from dashboard.latest import latest_values, newest_times, older_values
from dashboard.lists import Key
from dashboard.overview.people import fault_of, value_seen
from dashboard.overview.series import sparks_of
from dashboard.wearers.cadence import Cadence, cadence_of
from dashboard.wearers.columns import COLUMNS
from devices.heard import last_heard
from devices.models import Device, User

WALKED: Final = 720  # readings: an hour of one every 5 s
MEASURED_AT_TIMES: Final[tuple[str, ...]] = (
    "blood_pressure_systolic",
    "blood_pressure_diastolic",
    "blood_glucose_mg_dl",
)
REMEMBERED: Final = timedelta(days=1)  # such a value, with its age


def people_of(keys: Sequence[Key], *, with_devices: bool = True) -> list[User]:
    """The people of a page, in its order, with what they wear; two queries."""
    pks = [key.pk for key in keys]
    worn = (Prefetch("devices", Device.objects.order_by("kind")),) if with_devices else ()
    found = User.objects.prefetch_related(*worn).in_bulk(pks)
    return [found[pk] for pk in pks if pk in found]


@dataclass(frozen=True, slots=True)
class Row:
    """A person as the list shows them. `fault` is the metric at fault, empty where the body is well; a pressure and a
    temperature may be missing. What is in no column that is shown was not read. `elsewhere` are the metrics that have a
    column of their own on every screen, and a value in it."""

    person: User
    alert: Alert | None
    fault: str
    values: Mapping[str, Latest]
    elsewhere: Collection[str]
    cadence: Cadence
    spark: dict[str, list[Any]]

    @property
    def heard_at(self) -> datetime | None:
        return self.cadence.heard_at

    @property
    def cadence_s(self) -> float:
        """By which ages are judged."""
        return self.cadence.judged_s

    @property
    def at_fault(self) -> Latest | None:
        """The value that the worst alert is about: the newest, or the last that the alert saw."""
        if self.alert is None or not self.fault:
            return None
        seen = value_seen(self.alert).get(self.fault)
        kept = None if seen is None else Latest(self.fault, seen, self.alert.ended_at, 0)
        return self.values.get(self.fault) or kept

    @property
    def at_fault_apart(self) -> Latest | None:
        """`at_fault`, where no other column that every screen has shows it."""
        return None if self.fault in self.elsewhere else self.at_fault

    @property
    def temperature(self) -> Latest | None:
        return self.values.get("body_temp_c") or self.values.get("skin_temp_c")

    @property
    def pressure(self) -> str:
        both = [self.values.get(name) for name in ("blood_pressure_systolic", "blood_pressure_diastolic")]
        return "/".join(value.text for value in both if value) if all(both) else ""


def rows_of(people: Sequence[User], *, at: datetime, judged_at: datetime, shown: Collection[str]) -> list[Row]:
    """What the rows of a page show in these columns: six queries at most, however many rows.

    Who is late is judged as of `judged_at`: while nobody is heard, of the moment until which all were.
    """
    pks = [person.pk for person in people]
    worst = worst_of(wearers=User.objects.filter(pk__in=pks))
    faults = {pk: fault_of(alert) for pk, alert in worst.items() if alert.alert_class == AlertClass.CLINICAL}
    wanted = [name for column in COLUMNS if column.name in shown for name in column.metrics]
    wanted += sorted(filter(None, faults.values())) if "fault" in shown else []
    values = latest_values(user_ids=pks, metrics=dict.fromkeys(wanted), rows=WALKED)
    seldom = [name for name in MEASURED_AT_TIMES if name in wanted]
    missing: dict[str, list[int]] = {name: [pk for pk in pks if name not in values.get(pk, {})] for name in seldom}
    older = older_values(missing=missing, since=at - REMEMBERED, at=at)
    values = {pk: older.get(pk, {}) | values.get(pk, {}) for pk in pks}
    times = newest_times(user_ids=pks)
    freshness = settings.TELARA_FRESHNESS
    heard = last_heard(pks, until=judged_at, freshness=freshness) if "cadence" in shown else {}
    sparks = sparks_of(pks=pks, at=at) if "spark" in shown else {}
    return [
        Row(
            person=person,
            alert=worst.get(person.pk),
            fault=faults.get(person.pk, ""),
            values=values[person.pk],
            elsewhere=_elsewhere(values[person.pk], shown),
            cadence=cadence_of(at=judged_at, times=times.get(person.pk, []), heard=heard.get(person.pk)),
            spark=_spark(sparks.get(person.pk)),
        )
        for person in people
    ]


def _elsewhere(values: Mapping[str, Latest], shown: Collection[str]) -> frozenset[str]:
    columns = {"heart", "spo2", "temperature"}.intersection(shown)
    named = {name for column in COLUMNS if column.name in columns for name in column.metrics}
    covered = {"skin_temp_c"} if "body_temp_c" in values else set()  # the column has room for one of them
    return frozenset(named.intersection(values) - covered)


def _spark(points: Mapping[str, list[Any]] | None) -> dict[str, list[Any]]:
    return {"t": points["t"], "y": points["heart_rate"]} if points else {}
