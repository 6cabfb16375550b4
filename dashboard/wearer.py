"""A wearer: how is this person, and is this unusual for them?"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from alerts.engine import Rule
from alerts.engine.rule import over_rows
from alerts.engine.source import metrics_behind
from alerts.models import Alert, RuleVersion, Summary
from alerts.models.alert import AlertClass, EpisodeState, Triage
from alerts.rule_versions import UnreadableRuleError, engine_rule
from alerts.selectors import may_triage, summaries_of
from dashboard.desk import SEVERITY_RANK, replaced_by, snoozes_for
from dashboard.latest import Value, latest_values, newest_times
from dashboard.overview.people import gap_of
from dashboard.series import DEFAULT_RANGE, RANGES, Range, range_of, series_of
from dashboard.usual_band import bands_of
from dashboard.wearer_strips import BANDED, DRAWN, Strip, strips_of
from devices.metrics import METRICS
from devices.models import User
from devices.selectors import wearer_get

CURRENT: Final = (
    "heart_rate", "hrv_ms", "spo2_percent", "body_temp_c", "skin_temp_c", "blood_pressure_systolic",
    "blood_pressure_diastolic", "blood_glucose_mg_dl", "respiratory_rate",
)  # fmt: skip
WALKED: Final = 20_000  # readings: more than a day of one every 5 s
ALERTS_SHOWN: Final = 12
SPANS_DRAWN: Final = 200
DAYS_SHOWN: Final = 7
FIRST_YEAR: Final = 2000  # no reading is older
BAND_AHEAD: Final = timedelta(hours=12)  # for how long a live page stays open without asking for a fresh copy


@login_required
def wearer(request: HttpRequest, user_id: str) -> HttpResponse:
    """GET /wearers/ID/?range=5m|1h|24h|7d|30d; ?until=ISO shows that time instead of now; with htmx only its parts."""
    user = cast("User", request.user)
    person = person_of(user, user_id)
    chosen = range_of(request.GET.get("range", DEFAULT_RANGE.name))
    if chosen is None:
        names = ", ".join(each.name for each in RANGES)
        return render(request, "400.html", {"exception": f"There is no such range; there are {names}."}, status=400)
    now = timezone.now()
    try:
        at = _until(request.GET.get("until", ""), now)
    except ValueError:
        words = "That is no time: until=2026-03-01T12:00:00Z."
        return render(request, "400.html", {"exception": words}, status=400)
    strips = strips_drawn(person, chosen, at)
    values = latest_values(user_ids=[person.pk], metrics=CURRENT, rows=WALKED).get(person.pk, {})
    alerts = alerts_of(person)
    heard = heard_of(person)
    context = {
        "page_title": person.shown_name,
        "wearer": person,
        "ranges": [(each, each is chosen) for each in RANGES],
        "range": chosen,
        "since": at - chosen.length,
        "until": at if at < now else None,
        "strips": strips,
        "has_band": any(strip.band and not strip.band.is_learning for strip in strips),
        "data": page_data(strips, chosen, at, is_live=chosen.is_live and at == now),
        "tiles": tiles_of(values, alerts, heard),
        "heard": heard,
        "worst": worst_of(alerts),
        "devices": list(person.devices.all()),
        "alerts": [
            {"alert": a, "snoozes": snoozes_for(a), "may_triage": may_triage(user=user, alert=a)} for a in alerts
        ],
        "days": list(summaries_of(wearer=person, period=Summary.Period.DAY)[:DAYS_SHOWN]),
    }
    return render(request, "_wearer_page.html" if request.headers.get("HX-Request") else "wearer.html", context)


def person_of(user: User, user_id: str) -> User:
    """The wearer, if `user` may see them. Who may not see everyone learns nothing about who exists: always 403."""
    try:
        return wearer_get(user=user, user_id=user_id)
    except User.DoesNotExist:
        if user.has_perm("devices.view_all_wearers"):
            raise Http404("There is no wearer with this user id.") from None
        raise PermissionDenied("This wearer is not assigned to you") from None


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


def alerts_of(person: User) -> list[Alert]:
    """What is open first, then what was closed lately; each newest first. An open critical form takes the row of what
    it replaces."""
    rows = Alert.objects.filter(user=person).standing().select_related("rule", "user", "triaged_by")
    newest = rows.order_by("-opened_at", "alert_id")
    open_ones = list(newest.exclude(triage=Triage.CLOSED)[:ALERTS_SHOWN])
    taken = {alert.pk for alert in replaced_by(open_ones).values()}
    open_ones = [alert for alert in open_ones if alert.pk not in taken]
    open_ones.sort(key=lambda a: (a.episode != EpisodeState.FIRING, SEVERITY_RANK[a.severity]))
    return open_ones + list(newest.filter(triage=Triage.CLOSED)[: ALERTS_SHOWN - len(open_ones)])


def worst_of(alerts: list[Alert]) -> Alert | None:
    """The worst that fires, clinical before technical."""
    firing = [a for a in alerts if a.episode == EpisodeState.FIRING and a.triage != Triage.CLOSED]
    return min(firing, key=lambda a: (a.alert_class != AlertClass.CLINICAL, SEVERITY_RANK[a.severity]), default=None)


def strips_drawn(person: User, chosen: Range, at: datetime) -> list[Strip]:
    """Every strip of the range, with the episodes and limits that belong into it."""
    since = at - chosen.length
    until = at + timedelta(seconds=1)
    series = series_of(user_id=person.pk, since=since, until=until, bucket=chosen.bucket, metrics=DRAWN)
    touching = Alert.objects.filter(user=person, started_at__lte=at, ended_at__gte=since).standing()
    ahead = at + BAND_AHEAD if chosen.is_live else at
    bands = bands_of(user_id=person.pk, since=since, until=ahead, names=BANDED)
    return strips_of(series, list(touching.order_by("-started_at")[:SPANS_DRAWN]), rules_now(at), bands)


def rules_now(at: datetime) -> list[Rule]:
    """The rules over rows in force; a version that this release cannot read has no limit to show."""
    versions = RuleVersion.objects.filter(Q(active_until__isnull=True) | Q(active_until__gt=at), active_from__lte=at)
    rules = []
    for version in versions.select_related("rule"):
        with suppress(UnreadableRuleError):
            rules.append(engine_rule(version))
    return over_rows(rules)


def _until(text: str, now: datetime) -> datetime:
    """The end of what is shown: `now` where nothing earlier is asked for. Raises ValueError."""
    if not text:
        return now
    asked = datetime.fromisoformat(text)
    if asked.tzinfo is None or asked.year < FIRST_YEAR:
        raise ValueError(text)
    return min(asked, now).astimezone(UTC)


def page_data(strips: list[Strip], chosen: Range, at: datetime, *, is_live: bool) -> dict[str, Any]:
    """For the page's script: the strips, and where an event holds each metric."""
    return {
        "until": at.timestamp(),
        "length": chosen.length.total_seconds(),
        "bucket": chosen.bucket.total_seconds(),
        "live": is_live,
        "strips": {strip.name: strip.as_json() for strip in strips},
        "paths": {metric.name: [metric.group, metric.field] for metric in METRICS.values()},
        "decimals": {name: METRICS[name].decimals for name in CURRENT},
    }


@dataclass(frozen=True, slots=True)
class Tile:
    """A current value: `metric` (two of them for blood pressure), `text` empty where it was never measured."""

    metrics: str
    label: str
    unit: str
    text: str
    at: datetime | None
    fault: str
    doubt: str
    cadence_s: float | None


def tiles_of(values: dict[str, Value], alerts: list[Alert], heard: Heard) -> list[Tile]:
    """The values a person is looked at by: core temperature where worn, else skin; glucose where worn."""
    temperature = "body_temp_c" if "body_temp_c" in values else "skin_temp_c"
    shown: list[tuple[str, ...]] = [("heart_rate",), ("hrv_ms",), ("spo2_percent",), (temperature,)]
    shown += [("blood_pressure_systolic", "blood_pressure_diastolic"), ("respiratory_rate",)]
    if "blood_glucose_mg_dl" in values:
        shown.append(("blood_glucose_mg_dl",))
    return [_tile(names, values, alerts, heard) for names in shown]


def _tile(names: tuple[str, ...], values: dict[str, Value], alerts: list[Alert], heard: Heard) -> Tile:
    there = [values[name] for name in names if name in values]
    first = there[0] if there else None
    firing = [a for a in alerts if a.episode == EpisodeState.FIRING and names[0] in metrics_behind(a.measures)]
    worst = worst_of(firing)
    regular = first is not None and heard.at is not None and names[0] not in _NOW_AND_THEN
    return Tile(
        metrics=" ".join(names),
        label="Blood pressure" if len(names) > 1 else METRICS[names[0]].label,
        unit=METRICS[names[0]].shown,
        text="/".join(value.text for value in there),
        at=first.recorded_at if first else None,
        fault=str(worst.severity).lower() if worst else "",
        doubt=next(filter(None, (value.doubt for value in there)), ""),
        cadence_s=heard.cadence_s if regular else None,
    )


_NOW_AND_THEN: Final = frozenset({"blood_pressure_systolic", "blood_glucose_mg_dl"})
