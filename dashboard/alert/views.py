"""The page of an alert and its preview beside the list: what is read for them, and what is shown."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Case, Q, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from alerts.engine import Rule as EngineRule
from alerts.explain import rule_of
from alerts.hushing import hush_of
from alerts.models import Alert, IncidentMember
from alerts.models.alert import AlertClass, CloseReason, EpisodeState, Triage
from alerts.selectors import alert_get, assignable, may_triage
from dashboard.alert.chart import Choice, began_at, beside_usual, chart_of, choice_of, choices_of
from dashboard.alert.evidence import evidence_of
from dashboard.alert.mishaps import mishaps_of
from dashboard.alert.silence import silence_chart, silence_of
from dashboard.alert.timeline import changes_of, timeline_of, told_of
from dashboard.desk.rows import snoozes_for
from dashboard.latest import newest_times
from dashboard.plain import plain_words
from devices.models import Look, User
from devices.rights.looks import look_note

RELATED_WITHIN: Final = timedelta(hours=24)
RELATED_SHOWN: Final = 10


@login_required
def alert(request: HttpRequest, alert_id: UUID) -> HttpResponse:
    """GET /alerts/ID/?range=episode|1h|24h; with htmx only what stands between the bars."""
    user = cast("User", request.user)
    try:
        shown = alert_get(user=user, alert_id=alert_id)
    except Alert.DoesNotExist:
        raise Http404("There is no such alert, or it is not assigned to you.") from None
    choice = choice_of(request.GET.get("range", "episode"))
    if choice is None:
        return render(request, "400.html", {"exception": "There is no such range."}, status=400)
    at = timezone.now()
    look_note(viewer=user, person_id=shown.user_id, way=Look.Way.ALERT, at=at)
    template = "_alert_page.html" if request.headers.get("HX-Request") else "alert.html"
    return render(request, template, _page(shown, user=user, choice=choice, at=at))


def _page(shown: Alert, *, user: User, choice: Choice, at: datetime) -> dict[str, Any]:
    """What the page says of an alert to `user`, who may see it."""
    wording = rule_of(shown)
    rule, silence = wording if isinstance(wording, EngineRule) else None, silence_of(shown)
    chart = (
        silence_chart(shown, silence, choice=choice, at=at) if silence else chart_of(shown, rule, choice=choice, at=at)
    )
    mates = mates_of(shown)
    told = told_of(shown)
    return {
        "page_title": shown.title,
        "alert": shown,
        "rule": rule,
        "last_seen_at": last_seen_at(shown),
        "may_triage": may_triage(user=user, alert=shown),
        "hush": hush_of(shown, at=at),
        "snoozes": snoozes_for(shown),
        "assignable": assignable(user=user),
        "reasons": CloseReason.choices,
        "evidence": evidence_of(shown, rule),
        "still": still_for(shown),
        "beside_usual": beside_usual(shown),
        "related": related_to(shown, user=user, mates=mates),
        "mates": mates,
        "told": told,
        "timeline": timeline_of(
            shown, changes_of(shown), told, begins="silence" if silence else "readings" if shown.user_id else "mishap"
        ),
        "ranges": choices_of(choice),
        "silence": silence,
        "mishaps": mishaps_of(shown, wording),
        "chart": chart,
        "states": notices_of(shown),
        "plain": plain_words(shown) if shown.user_id == user.pk else "",
        "lasted": shown.ended_at - began_at(shown, rule),
    }


def last_seen_at(alert: Alert) -> datetime | None:
    """When the newest reading of its person was recorded; None where there is no such person, or reading."""
    if alert.user_id is None:
        return None
    return next(iter(newest_times(user_ids=[alert.user_id], count=1)[alert.user_id]), None)


def still_for(alert: Alert) -> tuple[timedelta, bool] | None:
    """For how long the person had been still when it opened, and whether perhaps longer; None where that is unknown."""
    noted = alert.evidence.get("circumstances", {})
    if not noted.get("still_since"):
        return None
    return alert.opened_at - datetime.fromisoformat(noted["still_since"]), noted["still_at_least"]


def related_to(alert: Alert, *, user: User, mates: Collection[UUID] = ()) -> QuerySet[Alert]:
    """Other alerts of this person, or of the pipeline, newest first: its mates of one incident, then those that opened
    within 24 hours of it."""
    near = (alert.opened_at - RELATED_WITHIN, alert.opened_at + RELATED_WITHIN)
    others = Alert.objects.visible_to(user).standing().filter(user=alert.user)
    others = others.filter(Q(opened_at__range=near) | Q(pk__in=mates)).exclude(pk=alert.pk)
    others = others.select_related("rule", "user", "triaged_by", "assignee")
    mates_first = Case(When(pk__in=mates, then=0), default=1)
    return others.order_by(mates_first, "-opened_at", "alert_id")[:RELATED_SHOWN]


def mates_of(alert: Alert) -> set[UUID]:
    """The ids of the alerts that are one incident with it."""
    incident = IncidentMember.objects.filter(alert=alert).values("incident")
    members = IncidentMember.objects.filter(incident__in=incident).exclude(episode=EpisodeState.WITHDRAWN)
    return set(members.values_list("alert", flat=True)) - {alert.pk}


def notices_of(alert: Alert) -> list[str]:
    """What must be known before anything is read into this alert."""
    notices = []
    if alert.episode == EpisodeState.WITHDRAWN:
        why = "another alert covers the same readings" if alert.withdrawn_because == "merged" else _NO_EVIDENCE
        notices.append(f"Withdrawn: {why}.")
    if alert.quiet:
        notices.append(_QUIET[alert.quiet_reason or ""])
    if alert.provisional:
        notices.append("Ended because nothing was received any more; a reading that continues the run revives it.")
    if alert.end in _CHANGED:
        notices.append(_CHANGED[alert.end or ""])
    if alert.episode == EpisodeState.FIRING and alert.triage == Triage.CLOSED:
        notices.append("Closed while firing: nothing more is told of this episode until it ends.")
    if alert.alert_class == AlertClass.TECHNICAL:
        notices.append("Technical: it is about the sensor or the pipeline, not about the body.")
    return notices


_NO_EVIDENCE: Final = "readings that came later show that the condition did not hold"
_QUIET: Final = {
    "late": "Retrospective: its readings came too late to tell anybody, so nobody was paged.",
    "cooldown": "Retrospective: it came within the cooldown of the one before, so nobody was paged.",
    "muted": "Muted: it opened during planned activity that names its rule, so nobody was paged.",
    "expected": "Expected: the simulation of this wearer was stopped on purpose, so nobody was paged.",
}
_CHANGED: Final = {
    "rule_changed": "Ended because its rule was changed, not because the readings got better.",
    "rule_disabled": "Ended because its rule was disabled, not because the readings got better.",
}
