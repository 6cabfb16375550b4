"""The page of a wearer: what is read for it, and what is shown."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from alerts.engine import Rule
from alerts.engine.rule import over_rows
from alerts.hushing import hushes_of
from alerts.models import Alert, RuleVersion
from alerts.models.alert import EpisodeState, Triage
from alerts.rule_versions import UnreadableRuleError, engine_rule
from alerts.selectors import may_triage
from dashboard.desk.rows import SEVERITY_RANK, replaced_by, snoozes_for
from dashboard.export.asked import asked_by
from dashboard.latest import latest_values
from dashboard.lists import BadQueryError
from dashboard.plain import plain_words
from dashboard.series import RANGES, Range, series_of
from dashboard.usual_band import bands_of
from dashboard.wearer.days import days_of
from dashboard.wearer.planned import planned_of
from dashboard.wearer.query import Query, read_query
from dashboard.wearer.strips import BANDED, DRAWN, Strip, strips_of
from dashboard.wearer.tiles import CURRENT, heard_of, tiles_of, usual_now, worst_of
from devices.metrics import METRICS
from devices.models import Look, User
from devices.notes import notes_of
from devices.pins import pinned_by
from devices.reader import decimals_shown
from devices.rights.looks import look_note
from devices.selectors import wearer_get

WALKED: Final = 20_000  # readings: more than a day of one every 5 s
ALERTS_SHOWN: Final = 12
SPANS_DRAWN: Final = 200
NOTES_SHOWN: Final = 20
BAND_AHEAD: Final = timedelta(hours=12)  # for how long a live page stays open without asking for a fresh copy


@login_required
def wearer(request: HttpRequest, user_id: str) -> HttpResponse:
    """GET /wearers/ID/?range=5m|15m|1h|6h|24h|7d|30d; ?until=ISO shows that time instead of now; ?metric=NAME puts the
    strip of that name on top, and larger; with htmx only its parts."""
    user = cast("User", request.user)
    person = person_of(user, user_id)
    now = timezone.now()
    try:
        query = read_query(request.GET, now=now)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    look_note(viewer=user, person_id=person.pk, way=Look.Way.PAGE, at=now)
    template = "_wearer_page.html" if request.headers.get("HX-Request") else "wearer.html"
    return render(request, template, _context(user, person, query, now))


def _context(user: User, person: User, query: Query, now: datetime) -> dict[str, Any]:
    at = query.until or now
    strips = chosen_first(strips_drawn(person, query.range, at), query.metric)
    values = latest_values(user_ids=[person.pk], metrics=CURRENT, rows=WALKED).get(person.pk, {})
    alerts = alerts_of(person)
    heard = heard_of(person)
    notes = list(notes_of(person=person)[:NOTES_SHOWN])
    is_live = query.range.is_live and query.until is None
    return {
        "page_title": person.shown_name,
        "wearer": person,
        "query": query,
        "ranges": [(each, each is query.range) for each in RANGES],
        "since": at - query.range.length,
        "until": query.until,
        "now": now,
        "strips": strips,
        "has_band": any(strip.band and not strip.band.is_learning for strip in strips),
        "data": page_data(strips, query.range, at, is_live=is_live) | {"notes": [n.about.timestamp() for n in notes]},
        "tiles": tiles_of(values, alerts, heard, usual_now(person=person, at=now), now),
        "heard": heard,
        "worst": worst_of(alerts),
        "devices": list(person.devices.all()),
        "alerts": _cards(user, alerts, now),
        "notes": notes,
        "pinned": person.pk in pinned_by(viewer=user),
        "may_export": person == user or user.has_perm("devices.export_readings"),
        "asked": asked_by(user),
        "is_own": person == user,
        **planned_of(person, at=now),
        "days": days_of(person),
    }


def _cards(user: User, alerts: Sequence[Alert], at: datetime) -> list[dict[str, Any]]:
    """What the page says of each alert, and what `user` may do about it."""
    hushes = hushes_of(alerts, at=at)
    return [
        {
            "alert": alert,
            "snoozes": snoozes_for(alert),
            "may_triage": may_triage(user=user, alert=alert),
            "hush": hushes.get(alert.pk),
            "plain": plain_words(alert),
        }
        for alert in alerts
    ]


def person_of(user: User, user_id: str) -> User:
    """The wearer, if `user` may see them. Who may not see everyone learns nothing about who exists: always 403."""
    try:
        return wearer_get(user=user, user_id=user_id)
    except User.DoesNotExist:
        if user.has_perm("devices.view_all_wearers"):
            raise Http404("There is no wearer with this user id.") from None
        raise PermissionDenied("This wearer is not assigned to you") from None


def alerts_of(person: User) -> list[Alert]:
    """What is open first, then what was closed lately; each newest first. An open critical form takes the row of what
    it replaces."""
    rows = Alert.objects.filter(user=person).standing().select_related("rule", "user", "triaged_by", "assignee")
    newest = rows.order_by("-opened_at", "alert_id")
    open_ones = list(newest.exclude(triage=Triage.CLOSED)[:ALERTS_SHOWN])
    taken = {alert.pk for alert in replaced_by(open_ones).values()}
    open_ones = [alert for alert in open_ones if alert.pk not in taken]
    open_ones.sort(key=lambda a: (a.episode != EpisodeState.FIRING, SEVERITY_RANK[a.severity]))
    return open_ones + list(newest.filter(triage=Triage.CLOSED)[: ALERTS_SHOWN - len(open_ones)])


def chosen_first(strips: Sequence[Strip], name: str) -> list[Strip]:
    """The strips, the chosen one before the others; in their order where it is not there."""
    return sorted(strips, key=lambda strip: strip.name != name)


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


def page_data(strips: list[Strip], chosen: Range, at: datetime, *, is_live: bool) -> dict[str, Any]:
    """For the page's script: the strips, and where an event holds each metric."""
    return {
        "until": at.timestamp(),
        "length": chosen.length.total_seconds(),
        "bucket": chosen.bucket.total_seconds(),
        "live": is_live,
        "strips": {strip.name: strip.as_json() for strip in strips},
        "paths": {metric.name: [metric.group, metric.field] for metric in METRICS.values()},
        "decimals": {name: decimals_shown(name) for name in CURRENT},
    }
