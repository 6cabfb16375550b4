"""The alerts list: what do I handle next?

A view (open, firing, mine, ...), severities and a class narrow it; all of it stands in the URL. Pages are keysets over
(opened_at, alert_id), so that the ten-thousandth row is as near as the first. Without a class the pages are those of
the clinical alerts, and the newest technical ones stand below the first: however many they are, they push nothing out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from alerts.models import Alert
from alerts.models.alert import AlertClass, AlertQuerySet, CloseReason, EpisodeState, Severity, Triage
from alerts.selectors import may_triage
from alerts.services.triage import LONGEST_SNOOZE
from devices.models import User
from devices.times import rfc3339

PAGE: Final = 50
TECHNICAL_BELOW: Final = 20
COUNTED_MOST: Final = 10_000
SNOOZES: Final = (5, 15, 30, 60, 240)  # minutes
_STANDING: Final = ~Q(episode=EpisodeState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class View:
    """A named narrowing of the list."""

    name: str
    label: str
    narrowed: Callable[[User], Q]


_OPEN: Final = _STANDING & ~Q(triage=Triage.CLOSED)
VIEWS: Final = (
    View("open", "Open", lambda _: _OPEN),
    View("firing", "Firing now", lambda _: Q(episode=EpisodeState.FIRING) & ~Q(triage=Triage.CLOSED)),
    View("new", "Unacknowledged", lambda _: _STANDING & Q(triage=Triage.NEW)),
    View("mine", "Mine", lambda user: _OPEN & Q(triaged_by=user, triage=Triage.ACKNOWLEDGED)),
    View("snoozed", "Snoozed", lambda _: _STANDING & Q(triage=Triage.SNOOZED)),
    View("ended", "Ended, not closed", lambda _: Q(episode=EpisodeState.ENDED) & ~Q(triage=Triage.CLOSED)),
    View("closed", "Closed", lambda _: _STANDING & Q(triage=Triage.CLOSED)),
    View("withdrawn", "Withdrawn", lambda _: Q(episode=EpisodeState.WITHDRAWN)),
)


class BadQueryError(ValueError):
    """The address asks for something that does not exist."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for; `before` is the key of the last row of the page before."""

    view: View
    severity: str
    alert_class: str
    search: str
    wearer: str
    before: tuple[datetime, UUID] | None

    @property
    def parameters(self) -> dict[str, str]:
        chosen = {
            "view": "" if self.view is VIEWS[0] else self.view.name,
            "severity": self.severity,
            "class": self.alert_class,
            "wearer": self.wearer,
            "q": self.search,
        }
        return {name: value for name, value in chosen.items() if value}

    def address(self, **changes: str) -> str:
        """The list with these parameters changed, from its first page."""
        parameters = {name: value for name, value in (self.parameters | changes).items() if value}
        return f"?{urlencode(parameters)}"


@dataclass(frozen=True, slots=True)
class Facet:
    """A link that narrows the list, how many rows it would show, and whether it is chosen."""

    label: str
    href: str
    count: str
    current: bool
    severity: str = ""


def read_query(parameters: Mapping[str, str]) -> Query:
    """Raises BadQueryError for a view, severity, class or cursor that does not exist. `episode` is another name of the
    views that show one: firing, ended, withdrawn."""
    name = parameters.get("view", "") or parameters.get("episode", "") or VIEWS[0].name
    view = next((each for each in VIEWS if each.name == name), None)
    severity, alert_class = parameters.get("severity", ""), parameters.get("class", "")
    if view is None:
        raise BadQueryError(f"There is no view {name!r}.")
    if severity and severity not in Severity.values:
        raise BadQueryError(f"There is no severity {severity!r}.")
    if alert_class and alert_class not in AlertClass.values:
        raise BadQueryError(f"There is no class {alert_class!r}.")
    search = parameters.get("q", "").replace("\x00", "").strip()[:64]
    wearer = parameters.get("wearer", "").replace("\x00", "")[:64]
    return Query(view, severity, alert_class, search, wearer, _cursor(parameters.get("before", "")))


def _cursor(text: str) -> tuple[datetime, UUID] | None:
    if not text:
        return None
    at, _, alert_id = text.partition("_")
    try:
        opened_at, key = datetime.fromisoformat(at), UUID(alert_id)
    except ValueError:
        raise BadQueryError("That page does not exist.") from None
    if opened_at.tzinfo is None:
        raise BadQueryError("That page does not exist.")
    return opened_at, key


def matching(*, user: User, query: Query, but: str = "") -> AlertQuerySet:
    """The alerts that `query` asks for, in no order; `but` names a facet to leave out."""
    alerts = Alert.objects.visible_to(user)
    if but != "view":
        alerts = alerts.filter(query.view.narrowed(user))
    if query.severity and but != "severity":
        alerts = alerts.filter(severity=query.severity)
    if query.alert_class and but != "class":
        alerts = alerts.filter(alert_class=query.alert_class)
    if query.wearer:
        alerts = alerts.filter(user__username=query.wearer)
    if query.search:
        fields = ("title", "rule__rule_id", "user__username", "user__display_name", "description")
        found = Q()
        for field in fields:
            found |= Q(**{f"{field}__icontains": query.search})
        alerts = alerts.filter(found)
    return alerts


def page_of(*, user: User, query: Query) -> tuple[list[Alert], str]:
    """A page of alerts of the class asked for, else of clinical ones, newest first, and the address of the next one
    (empty at the end)."""
    rows = _of_class(user, query, query.alert_class or AlertClass.CLINICAL)
    if query.before is not None:
        opened_at, alert_id = query.before
        rows = rows.filter(Q(opened_at__lt=opened_at) | Q(opened_at=opened_at, alert_id__gt=alert_id))
    page = list(rows.order_by("-opened_at", "alert_id")[: PAGE + 1])
    if len(page) <= PAGE:
        return page, ""
    last = page[PAGE - 1]
    return page[:PAGE], query.address(before=f"{rfc3339(last.opened_at)}_{last.alert_id}")


def technical_below(*, user: User, query: Query) -> tuple[list[Alert], str]:
    """The newest technical alerts, below the first page of all, and the address of the rest (empty where none is)."""
    if query.alert_class or query.before is not None:
        return [], ""
    rows = _of_class(user, query, AlertClass.TECHNICAL)
    newest = list(rows.order_by("-opened_at", "alert_id")[: TECHNICAL_BELOW + 1])
    address = query.address(**{"class": AlertClass.TECHNICAL.value})
    return newest[:TECHNICAL_BELOW], address if len(newest) > TECHNICAL_BELOW else ""


def _of_class(user: User, query: Query, alert_class: str) -> AlertQuerySet:
    rows = matching(user=user, query=query).filter(alert_class=alert_class)
    return rows.select_related("rule", "user", "triaged_by")


def view_facets(*, user: User, query: Query) -> list[Facet]:
    """The views with their counts, in one query."""
    rows = matching(user=user, query=query, but="view")
    counts = rows.aggregate(**{view.name: Count("pk", filter=view.narrowed(user)) for view in VIEWS})
    return [
        Facet(view.label, query.address(view="" if view is VIEWS[0] else view.name), shown_count(counts[view.name]),
              view is query.view)
        for view in VIEWS
    ]  # fmt: skip


def severity_facets(*, user: User, query: Query) -> list[Facet]:
    counts = _counts(matching(user=user, query=query, but="severity"), "severity")
    return [
        Facet(
            severity.capitalize(),
            query.address(severity="" if query.severity == severity else severity),
            shown_count(counts.get(severity, 0)),
            query.severity == severity,
            severity,
        )
        for severity in Severity.values
    ]


def class_facets(*, user: User, query: Query) -> list[Facet]:
    counts = _counts(matching(user=user, query=query, but="class"), "alert_class")
    choices = [("", "All", sum(counts.values()))]
    choices += [(value, value.capitalize(), counts.get(value, 0)) for value in AlertClass.values]
    return [
        Facet(label, query.address(**{"class": value}), shown_count(count), query.alert_class == value)
        for value, label, count in choices
    ]


def _counts(rows: AlertQuerySet, column: str) -> dict[str, int]:
    return {row[column]: row["n"] for row in rows.values(column).order_by(column).annotate(n=Count("pk"))}


def shown_count(count: int) -> str:
    """`312`, and `9,999+` from ten thousand on."""
    return "9,999+" if count >= COUNTED_MOST else f"{count:,}"


SEVERITY_RANK: Final = {severity: place for place, severity in enumerate(Severity.values)}
_GROUPS: Final = ("Clinical, firing now", "Clinical, ended", "Technical, sensors and pipeline", "Withdrawn")


def _group(alert: Alert) -> int:
    if alert.episode == EpisodeState.WITHDRAWN:
        return 3
    if alert.alert_class == AlertClass.TECHNICAL:
        return 2
    return 0 if alert.episode == EpisodeState.FIRING else 1


def replaced_by(alerts: list[Alert]) -> dict[UUID, Alert]:
    """Alerts whose row a critical form takes, by the id of the one that takes it: same person, at the same time."""
    return {
        worse.pk: alert
        for worse in alerts
        for alert in alerts
        if worse.replaces
        and (worse.replaces, worse.user_id) == (alert.rule.rule_id, alert.user_id)
        and alert.started_at <= worse.ended_at
        and worse.started_at <= alert.ended_at
    }


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


def with_actions(alerts: list[Alert], user: User, replaced: Mapping[UUID, Alert]) -> list[dict[str, Any]]:
    """Rows for the template: each alert, what this person may do with it, and whose row it took."""
    return [
        {
            "alert": alert,
            "snoozes": snoozes_for(alert),
            "may_triage": may_triage(user=user, alert=alert),
            "replaced": replaced.get(alert.pk),
        }
        for alert in alerts
    ]


def last_closed_at(user: User) -> datetime | None:
    """When an alert was last closed, for the empty list."""
    closed = Alert.objects.visible_to(user).filter(triage=Triage.CLOSED)
    return closed.order_by("-triaged_at").values_list("triaged_at", flat=True).first()


@login_required
def desk(request: HttpRequest) -> HttpResponse:
    """GET /alerts/; with htmx only the facets and the list."""
    user = cast("User", request.user)
    try:
        query = read_query(request.GET)
    except BadQueryError as error:
        return render(request, "400.html", {"exception": error}, status=400)
    alerts, next_page = page_of(user=user, query=query)
    technical, more_technical = technical_below(user=user, query=query)
    alerts += technical
    context = {
        "page_title": "Alerts",
        "query": query,
        "groups": [(title, with_actions(rows, user, replaced_by(alerts))) for title, rows in grouped(alerts)],
        "shown": len(alerts),
        "next_page": next_page,
        "more_technical": more_technical,
        "views": view_facets(user=user, query=query),
        "severities": severity_facets(user=user, query=query),
        "classes": class_facets(user=user, query=query),
        "reasons": CloseReason.choices,
        "last_closed_at": None if alerts else last_closed_at(user),
    }
    return render(request, "_desk_parts.html" if request.headers.get("HX-Request") else "desk.html", context)
