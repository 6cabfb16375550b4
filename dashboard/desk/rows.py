"""The rows of the alerts list: which are on a page, in which groups, and what may be done with each."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from alerts.hushing import Hush
from alerts.models import Alert
from alerts.models.alert import AlertClass, AlertQuerySet, CloseReason, EpisodeState, Severity, Triage
from alerts.selectors import may_triage
from alerts.services.triage import LONGEST_SNOOZE
from dashboard.desk.arrivals import came_at
from dashboard.desk.query import Query, matching
from devices.models import User
from devices.times import rfc3339

PAGE: Final = 50
TECHNICAL_BELOW: Final = 20
SNOOZES: Final = (5, 15, 30, 60, 240)  # minutes


def page_of(*, user: User, query: Query) -> tuple[list[Alert], str]:
    """A page of alerts of the class asked for, else of clinical ones, newest first, and the address of the next one
    (empty at the end)."""
    rows = _of_class(user, query, query.alert_class or AlertClass.CLINICAL)
    if query.before is not None:
        opened_at, alert_id = query.before
        rows = rows.filter(Q(opened_at__lt=opened_at) | Q(opened_at=opened_at, alert_id__gt=alert_id))
    page = _newest(rows, PAGE + 1)
    if len(page) <= PAGE:
        return page, ""
    last = page[PAGE - 1]
    return page[:PAGE], query.address(before=f"{rfc3339(last.opened_at)}_{last.alert_id}")


def technical_below(*, user: User, query: Query) -> tuple[list[Alert], str]:
    """The newest technical alerts, below the first page of all, and the address of the rest (empty where none is)."""
    if query.alert_class or query.before is not None:
        return [], ""
    rows = _of_class(user, query, AlertClass.TECHNICAL)
    newest = _newest(rows, TECHNICAL_BELOW + 1)
    address = query.address(**{"class": AlertClass.TECHNICAL.value})
    return newest[:TECHNICAL_BELOW], address if len(newest) > TECHNICAL_BELOW else ""


def _of_class(user: User, query: Query, alert_class: str) -> AlertQuerySet:
    return matching(user=user, query=query).filter(alert_class=alert_class)


def _newest(rows: AlertQuerySet, count: int) -> list[Alert]:
    """The page is cut before anything is looked up for its rows, and not from all rows with all that."""
    newest = rows.order_by("-opened_at", "alert_id")
    page = Alert.objects.filter(pk__in=newest.values("pk")[:count])
    return list(page.select_related("rule", "user", "triaged_by", "assignee").order_by("-opened_at", "alert_id"))


SEVERITY_RANK: Final = {severity: place for place, severity in enumerate(Severity.values)}
_GROUPS: Final = ("Clinical, firing now", "Clinical, ended", "Technical, sensors and pipeline", "Withdrawn")


def _group(alert: Alert) -> int:
    if alert.episode == EpisodeState.WITHDRAWN:
        return 3
    if alert.alert_class == AlertClass.TECHNICAL:
        return 2
    return 0 if alert.episode == EpisodeState.FIRING else 1


def replaced_by(alerts: Iterable[Alert]) -> dict[UUID, Alert]:
    """Alerts whose row a critical form takes, by the id of the one that takes it."""
    lower: dict[tuple[int | None, str], list[Alert]] = defaultdict(list)
    worse = []
    for alert in alerts:
        lower[alert.user_id, alert.rule.rule_id].append(alert)
        if alert.replaces:
            worse.append(alert)
    return {each.pk: alert for each in worse for alert in lower[each.user_id, each.replaces] if _takes_row(each, alert)}


def _takes_row(worse: Alert, alert: Alert) -> bool:
    """Whether it is graver, of the same time, and neither over nor closed before the other is."""
    is_firing, was_firing = (each.episode == EpisodeState.FIRING for each in (worse, alert))
    is_closed, was_closed = (each.triage == Triage.CLOSED for each in (worse, alert))
    return (
        SEVERITY_RANK[worse.severity] < SEVERITY_RANK[alert.severity]
        and alert.started_at <= worse.ended_at
        and worse.started_at <= alert.ended_at
        and is_firing >= was_firing
        and is_closed <= was_closed
    )


def grouped(alerts: list[Alert]) -> list[tuple[str, list[Alert]]]:
    """A page in groups; firing ones worst first, the rest newest first."""
    taken = {alert.pk for alert in replaced_by(alerts).values()}
    alerts = [alert for alert in alerts if alert.pk not in taken]
    ordered = sorted(alerts, key=lambda a: (_group(a), SEVERITY_RANK[a.severity] if _group(a) == 0 else 0))
    return [(_GROUPS[group], list(rows)) for group, rows in groupby(ordered, key=_group)]


@dataclass(frozen=True, slots=True)
class Snooze:
    """A choice of the snooze menu."""

    minutes: int
    allowed: bool

    @property
    def label(self) -> str:
        return f"{self.minutes} min" if self.minutes <= 60 else f"{self.minutes // 60} h"


def snoozes_for(alert: Alert) -> list[Snooze]:
    """The usual lengths, and whether this severity may be silenced for so long."""
    longest = LONGEST_SNOOZE[Severity(alert.severity)]
    return [Snooze(minutes, timedelta(minutes=minutes) <= longest) for minutes in SNOOZES]


def bulk_snoozes() -> list[tuple[Snooze, str]]:
    """The usual lengths for many at once, and the severities that may not be silenced for so long."""
    lengths = [(minutes, timedelta(minutes=minutes)) for minutes in SNOOZES]
    return [
        (Snooze(minutes, allowed=True), " ".join(str(s) for s, longest in LONGEST_SNOOZE.items() if longest < length))
        for minutes, length in lengths
    ]


class RowActions:
    """What the rows of a page offer. Rows in the same state differ by their alert's id alone: the buttons of each state
    are rendered once, and the id is put in."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, ...], tuple[str, str]] = {}

    def of(self, alert: Alert) -> SafeString:
        """`_triage_actions.html` of it (its wearer selected)."""
        asked_of = alert.whose if alert.severity == Severity.CRITICAL else ""  # closing one is asked about by name
        state = (alert.triage, alert.severity, asked_of)
        if state not in self._made:
            context = {"alert": alert, "snoozes": snoozes_for(alert), "reasons": CloseReason.choices}
            self._made[state] = str(alert.pk), render_to_string("_triage_actions.html", context)
        of_another, text = self._made[state]
        return SafeString(text.replace(of_another, str(alert.pk)))


def rows_of(
    alerts: list[Alert], user: User, replaced: Mapping[UUID, Alert], hushes: Mapping[UUID, Hush], actions: RowActions
) -> list[dict[str, Any]]:
    """Rows for the template: each alert, when it came, what this person may do with it (empty for nothing), whose row
    it took, and what silences it."""
    return [
        {
            "alert": alert,
            "came_at": came_at(alert),
            "actions": actions.of(alert) if may_triage(user=user, alert=alert) else "",
            "replaced": replaced.get(alert.pk),
            "hush": hushes.get(alert.pk),
        }
        for alert in alerts
    ]


def last_closed_at(user: User) -> datetime | None:
    """When an alert was last closed, for the empty list."""
    closed = Alert.objects.visible_to(user).filter(triage=Triage.CLOSED)
    return closed.order_by("-triaged_at").values_list("triaged_at", flat=True).first()
