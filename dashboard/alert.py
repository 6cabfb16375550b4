"""An alert: why did this fire, and is it true?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from alerts.engine import Rule as EngineRule
from alerts.explain import Judged, Part, explain, rule_of, unexplained
from alerts.models import Alert, AlertChange
from alerts.models.alert import AlertClass, CloseReason, EpisodeState, Triage
from alerts.selectors import alert_get, may_triage
from dashboard.alert_chart import began_at, chart_of, choice_of, choices_of
from dashboard.desk import snoozes_for
from dashboard.latest import newest_times
from dashboard.mishaps import mishaps_of
from dashboard.silence import silence_chart, silence_of
from dashboard.templatetags.words import column_label, column_value
from devices.models import User

SHOWN_AT_ENDS: Final = 5
CHANGES_SHOWN: Final = 100
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
    wording = rule_of(shown)
    rule, silence = wording if isinstance(wording, EngineRule) else None, silence_of(shown)
    chart = (
        silence_chart(shown, silence, choice=choice, at=at) if silence else chart_of(shown, rule, choice=choice, at=at)
    )
    context = {
        "page_title": shown.title,
        "alert": shown,
        "rule": rule,
        "last_seen_at": last_seen_at(shown),
        "may_triage": may_triage(user=user, alert=shown),
        "snoozes": snoozes_for(shown),
        "reasons": CloseReason.choices,
        "evidence": evidence_of(shown, rule),
        "still": still_for(shown),
        "changes": changes_of(shown),
        "related": related_to(shown, user=user),
        "ranges": choices_of(choice),
        "silence": silence,
        "mishaps": mishaps_of(shown, wording),
        "chart": chart,
        "states": notices_of(shown),
        "lasted": shown.ended_at - began_at(shown, rule),
    }
    return render(request, "_alert_page.html" if request.headers.get("HX-Request") else "alert.html", context)


def last_seen_at(alert: Alert) -> datetime | None:
    """When the newest reading of its person was recorded; None where there is no such person, or reading."""
    if alert.user_id is None:
        return None
    return next(iter(newest_times(user_ids=[alert.user_id], count=1)[alert.user_id]), None)


Place = str | tuple[int, Part]  # a column by its name, or a part of the condition and its number


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the evidence: a metric, or (`is_part`) what the rule asked of the metrics before it."""

    label: str
    place: Place

    @property
    def is_part(self) -> bool:
        return not isinstance(self.place, str)


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell: a value and why it is `doubt`ed, or what a part of the condition said of the reading; `kind` is its
    class."""

    text: str
    kind: str
    is_true: bool = False
    doubt: str = ""


_VERDICTS: Final = {
    True: Shown("true", "verdict", is_true=True),
    False: Shown("false", "verdict"),
    None: Shown("no value", "verdict"),
}


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A reading: when, its values and verdicts, and which of the run it was."""

    recorded_at: datetime
    cells: list[Shown]
    run: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The matching readings an alert keeps: the first (behind the one `before` them), those that are folded, the last;
    `elsewhere` were not kept. `joined_by` says whether all parts of the condition or one of them made it true;
    `suspect` counts the readings in doubt, `reasons` says why, of those kept."""

    columns: list[Column]
    first: list[EvidenceRow]
    folded: list[EvidenceRow]
    last: list[EvidenceRow]
    elsewhere: int
    suspect: int
    reasons: str
    joined_by: str


def evidence_of(alert: Alert, rule: EngineRule | None) -> Evidence:
    """What `alert.evidence` holds, as a table; all of it where there are at most 10 rows."""
    told = explain(alert, rule) if rule else unexplained(alert)
    places = _places(alert.evidence.get("columns", []), told.parts)
    needed = rule.sustained.count if rule else 0
    table = [EvidenceRow(row.recorded_at, _cells(row, places, alert), _run(row, needed, alert)) for row in told.rows]
    first, folded, last = table, table[:0], table[:0]
    if len(table) > 2 * SHOWN_AT_ENDS:
        first, folded, last = table[:SHOWN_AT_ENDS], table[SHOWN_AT_ENDS:-SHOWN_AT_ENDS], table[-SHOWN_AT_ENDS:]
    if told.before:
        first = [EvidenceRow(told.before.recorded_at, _cells(told.before, places, alert), "no run"), *first]
    return Evidence(
        columns=[Column(column_label(place) if isinstance(place, str) else place[1].asked, place) for place in places],
        first=first,
        folded=folded,
        last=last,
        elsewhere=alert.event_count - len(table),
        suspect=alert.evidence.get("suspect", 0),
        reasons=_reasons(told.rows, alert),
        joined_by=told.joined_by if len(told.parts) > 1 else "",
    )


def _reasons(rows: Sequence[Judged], alert: Alert) -> str:
    """`jump 1, out of bounds 2`: why values that the alert measures are in doubt."""
    counts = Counter(word for row in rows for name, word in row.doubts.items() if _measured(name, alert))
    return ", ".join(f"{word} {count}" for word, count in sorted(counts.items()))


def _places(names: list[str], parts: Sequence[Part]) -> list[Place]:
    """The columns in order, each part of the condition behind the last column that it reads."""
    places: list[Place] = []
    for name in names:
        places.append(name)
        behind = names[: names.index(name) + 1]
        for number, part in enumerate(parts):
            if name in part.columns and all(each in behind for each in part.columns):
                places.append((number, part))
    return places


def _cells(row: Judged, places: Sequence[Place], alert: Alert) -> list[Shown]:
    cells = []
    for place in places:
        if isinstance(place, str):
            kind = "number fires" if _measured(place, alert) else "number"
            cells.append(Shown(_value(place, row.values.get(place)), kind, doubt=row.doubts.get(place, "")))
        else:
            cells.append(_VERDICTS[row.verdicts[place[0]]])
    return cells


def _measured(name: str, alert: Alert) -> bool:
    return name in alert.measures


def _value(name: str, value: float | str | None) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else column_value(value, name)


def _run(row: Judged, needed: int, alert: Alert) -> str:
    opened = ", opened" if row.recorded_at == alert.opened_at else ""
    return f"{row.number} of {needed}{opened}" if needed > 1 and row.number <= needed else f"{row.number}{opened}"


def still_for(alert: Alert) -> tuple[timedelta, bool] | None:
    """For how long the person had been still when it opened, and whether perhaps longer; None where that is unknown."""
    noted = alert.evidence.get("circumstances", {})
    if not noted.get("still_since"):
        return None
    return alert.opened_at - datetime.fromisoformat(noted["still_since"]), noted["still_at_least"]


def changes_of(alert: Alert) -> list[AlertChange]:
    """What happened to it, newest first; the rewritings of a firing alert are left out, its newest state says them."""
    rows = AlertChange.objects.filter(alert=alert).exclude(action="updated").select_related("by")
    return list(rows.order_by("-revision")[:CHANGES_SHOWN])


def related_to(alert: Alert, *, user: User) -> QuerySet[Alert]:
    """Other alerts of this person, or of the pipeline, that opened within 24 hours of it, newest first."""
    near = (alert.opened_at - RELATED_WITHIN, alert.opened_at + RELATED_WITHIN)
    others = Alert.objects.visible_to(user).standing().filter(user=alert.user, opened_at__range=near)
    others = others.exclude(pk=alert.pk).select_related("rule", "user", "triaged_by")
    return others.order_by("-opened_at", "alert_id")[:RELATED_SHOWN]


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
    "expected": "Expected: the simulation of this wearer was stopped on purpose, so nobody was paged.",
}
_CHANGED: Final = {
    "rule_changed": "Ended because its rule was changed, not because the readings got better.",
    "rule_disabled": "Ended because its rule was disabled, not because the readings got better.",
}
