"""What the address of the alerts list asks for, and the alerts that it means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Case, F, Q, When
from django.db.models.functions import Coalesce

from alerts.models import Alert, Rule
from alerts.models.alert import AlertClass, AlertQuerySet, EpisodeState, Severity, Triage
from dashboard.lists import BadQueryError
from devices.models import User
from devices.searching import found_in

NOBODY: Final = "#nobody"  # no user has this name: they hold no #
_STANDING: Final = ~Q(episode=EpisodeState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class View:
    """A named narrowing of the list; `is_past`: to what is closed or withdrawn, any other to what is not."""

    name: str
    label: str
    narrowed: Callable[[User], Q]
    is_past: bool = False


IS_OPEN: Final = _STANDING & ~Q(triage=Triage.CLOSED)
VIEWS: Final = (
    View("open", "Open", lambda _: IS_OPEN),
    View("firing", "Firing now", lambda _: Q(episode=EpisodeState.FIRING) & ~Q(triage=Triage.CLOSED)),
    View("new", "Unacknowledged", lambda _: _STANDING & Q(triage=Triage.NEW)),
    View("mine", "Mine", lambda user: IS_OPEN & (Q(triaged_by=user, triage=Triage.ACKNOWLEDGED) | Q(assignee=user))),
    View("snoozed", "Snoozed", lambda _: _STANDING & Q(triage=Triage.SNOOZED)),
    View("ended", "Ended, not closed", lambda _: Q(episode=EpisodeState.ENDED) & ~Q(triage=Triage.CLOSED)),
    View("closed", "Closed", lambda _: _STANDING & Q(triage=Triage.CLOSED), is_past=True),
    View("withdrawn", "Withdrawn", lambda _: Q(episode=EpisodeState.WITHDRAWN), is_past=True),
)


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for; `before` is the key of the last row of the page before."""

    view: View
    severity: str
    alert_class: str
    search: str
    wearer: str
    rule: str
    who: str  # has it: a user's name, NOBODY, or any
    before: tuple[datetime, UUID] | None

    @property
    def parameters(self) -> dict[str, str]:
        chosen = {
            "view": "" if self.view is VIEWS[0] else self.view.name,
            "severity": self.severity,
            "class": self.alert_class,
            "wearer": self.wearer,
            "rule": self.rule,
            "who": self.who,
            "q": self.search,
        }
        return {name: value for name, value in chosen.items() if value}

    def address(self, **changes: str) -> str:
        """The list with these parameters changed, from its first page."""
        parameters = {name: value for name, value in (self.parameters | changes).items() if value}
        return f"?{urlencode(parameters)}"


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
    rule, who = (parameters.get(name, "").replace("\x00", "")[:150] for name in ("rule", "who"))
    return Query(view, severity, alert_class, search, wearer, rule, who, _cursor(parameters.get("before", "")))


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


# Who has it: whom it was given to, else who acknowledged it.
HOLDER: Final = Coalesce("assignee", Case(When(triage=Triage.ACKNOWLEDGED, then=F("triaged_by"))))


def narrowings(*, user: User, query: Query) -> dict[str, Q]:
    """What `query` asks of alerts, by the facet that asks; those that ask nothing are left out."""
    chosen = {
        "severity": Q(severity=query.severity),
        "class": Q(alert_class=query.alert_class),
        "wearer": Q(user__username=query.wearer),
        "rule": Q(rule__rule_id=query.rule),
        "who": _held_by(query.who),
        "q": _searched(query.search),
    }
    asked = query.parameters
    return {"view": query.view.narrowed(user), **{name: each for name, each in chosen.items() if name in asked}}


def matching(*, user: User, query: Query) -> AlertQuerySet:
    """The alerts that `query` asks for, in no order."""
    alerts = Alert.objects.visible_to(user)
    for narrowed in narrowings(user=user, query=query).values():
        alerts = alerts.filter(narrowed)
    return alerts


def _held_by(who: str) -> Q:
    """What HOLDER says."""
    acknowledged = Q(assignee__isnull=True, triage=Triage.ACKNOWLEDGED)
    if who == NOBODY:
        return Q(assignee__isnull=True) & ~Q(triage=Triage.ACKNOWLEDGED, triaged_by__isnull=False)
    return Q(assignee__username=who) | (acknowledged & Q(triaged_by__username=who))


def _searched(text: str) -> Q:
    """Rules and people are searched once, and not once an alert of theirs."""
    rules = Rule.objects.filter(found_in(text, "rule_id")).values("pk")
    people = User.objects.filter(found_in(text, "username", "display_name")).values("pk")
    return Q(rule__in=rules) | Q(user__in=people) | found_in(text, "title", "description")
