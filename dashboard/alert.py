"""An alert: why did this fire, and is it true?"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from alerts.engine import Rule as EngineRule
from alerts.models import Alert, AlertChange, RuleVersion
from alerts.models.alert import AlertClass, CloseReason, EpisodeState, Triage
from alerts.rule_versions import UnreadableRuleError, engine_rule
from alerts.selectors import alert_get, may_triage
from alerts.thresholds import thresholds_of
from dashboard.alert_chart import chart_of, choice_of, choices_of
from dashboard.desk import snoozes_for
from dashboard.latest import newest_times
from devices.metrics import METRICS
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
    rule = rule_of(shown)
    context = {
        "page_title": shown.title,
        "alert": shown,
        "rule": rule,
        "last_seen_at": next(iter(newest_times(user_ids=[shown.user_id], count=1)[shown.user_id]), None),
        "may_triage": may_triage(user=user, alert=shown),
        "snoozes": snoozes_for(shown),
        "reasons": CloseReason.choices,
        "evidence": evidence_of(shown, rule),
        "changes": changes_of(shown),
        "related": related_to(shown, user=user),
        "ranges": choices_of(choice),
        "chart": chart_of(shown, rule, choice=choice, at=at),
        "states": notices_of(shown),
        "lasted": shown.ended_at - shown.started_at,
    }
    return render(request, "_alert_page.html" if request.headers.get("HX-Request") else "alert.html", context)


def rule_of(alert: Alert) -> EngineRule | None:
    """The wording that fired; None where this release can no longer read it, or it is gone."""
    version = RuleVersion.objects.filter(rule_id=alert.rule_id, number=alert.rule_version).select_related("rule")
    try:
        return next((engine_rule(row) for row in version), None)
    except UnreadableRuleError:
        return None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the evidence: a metric, and what the rule asked of it."""

    label: str
    asked: str
    is_measure: bool


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A matching reading: when, its values as text, and which of the run it was."""

    recorded_at: datetime
    cells: list[tuple[str, bool]]
    run: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The matching readings an alert keeps: the first, those that are folded, the last; `elsewhere` were not kept."""

    columns: list[Column]
    first: list[EvidenceRow]
    folded: list[EvidenceRow]
    last: list[EvidenceRow]
    elsewhere: int
    suspect: int


def evidence_of(alert: Alert, rule: EngineRule | None) -> Evidence:
    """What `alert.evidence` holds, as a table; all of it where there are at most 10 rows."""
    kept = alert.evidence
    names = kept.get("columns", [])
    rows = _numbered(kept, alert.event_count)
    needed = rule.sustained.count if rule else 0
    table = [_row(row, names, alert, _run(number, needed, row, alert)) for number, row in rows]
    if len(table) > 2 * SHOWN_AT_ENDS:
        parts = table[:SHOWN_AT_ENDS], table[SHOWN_AT_ENDS:-SHOWN_AT_ENDS], table[-SHOWN_AT_ENDS:]
    else:
        parts = table, [], []
    return Evidence(_columns(names, alert, rule), *parts, alert.event_count - len(table), kept.get("suspect", 0))


def _numbered(kept: dict[str, Any], count: int) -> list[tuple[int, dict[str, Any]]]:
    """The rows kept, each once, with their number in the run."""
    first, last = kept.get("first", []), kept.get("last", [])
    numbered = dict(enumerate(first, 1))
    numbered |= {count - len(last) + place: row for place, row in enumerate(last, 1)}
    return sorted(numbered.items())


def _run(number: int, needed: int, row: dict[str, Any], alert: Alert) -> str:
    opened = datetime.fromisoformat(row["recorded_at"]) == alert.opened_at
    if needed > 1 and number <= needed:
        return f"{number} of {needed}{', opened' if opened else ''}"
    return f"{number}{', opened' if opened else ''}"


def _row(row: dict[str, Any], names: list[str], alert: Alert, run: str) -> EvidenceRow:
    cells = [(_cell(name, row["values"].get(name)), name in alert.measures) for name in names]
    return EvidenceRow(datetime.fromisoformat(row["recorded_at"]), cells, run)


def _cell(name: str, value: float | str | None) -> str:
    if value is None:
        return "none"
    metric = METRICS.get(name)
    return value if isinstance(value, str) else f"{value:.{metric.decimals if metric else 2}f}"


def _columns(names: list[str], alert: Alert, rule: EngineRule | None) -> list[Column]:
    asked = thresholds_of(rule.when) if rule else []
    return [
        Column(
            label=METRICS[name].label if name in METRICS else name,
            asked=", ".join(limit.text for limit in asked if limit.column == name),
            is_measure=name in alert.measures,
        )
        for name in names
    ]


def changes_of(alert: Alert) -> list[AlertChange]:
    """What happened to it, newest first; the rewritings of a firing alert are left out, its newest state says them."""
    rows = AlertChange.objects.filter(alert=alert).exclude(action="updated").select_related("by")
    return list(rows.order_by("-revision")[:CHANGES_SHOWN])


def related_to(alert: Alert, *, user: User) -> QuerySet[Alert]:
    """Other alerts of this person that opened within 24 hours of it, newest first."""
    near = (alert.opened_at - RELATED_WITHIN, alert.opened_at + RELATED_WITHIN)
    others = Alert.objects.visible_to(user).standing().filter(user_id=alert.user_id, opened_at__range=near)
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
}
_CHANGED: Final = {
    "rule_changed": "Ended because its rule was changed, not because the readings got better.",
    "rule_disabled": "Ended because its rule was disabled, not because the readings got better.",
}
