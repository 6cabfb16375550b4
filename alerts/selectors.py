"""What is read of rules and alerts; every list is narrowed by `visible_to` first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from alerts.models import Alert, Rule, RuleVersion, Summary
from alerts.models.alert import AlertClass, AlertQuerySet, EpisodeState, Severity, Triage
from devices.models import User, named
from devices.rights.watching import watchers_of
from devices.selectors import sees_everyone

OPEN: Final = (Triage.NEW, Triage.ACKNOWLEDGED, Triage.SNOOZED)
FACETS: Final = ("severity", "triage", "episode", "alert_class", "alert_type")
ASSIGNABLE: Final = 50


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What a list of alerts is asked for; empty means any. `withdrawn` ones come only when asked for.

    `since` and `until` bound `opened_at`, the first inclusive; `wearer` is a user_id; `search` looks into titles,
    types, rules and names.
    """

    severity: Sequence[str] = ()
    triage: Sequence[str] = ()
    episode: Sequence[str] = ()
    alert_class: Sequence[str] = ()
    alert_type: Sequence[str] = ()
    quiet: bool | None = None
    wearer: str = ""
    rule: str = ""
    search: str = ""
    since: datetime | None = None
    until: datetime | None = None


def alerts_matching(*, user: User, wanted: AlertFilter) -> AlertQuerySet:
    """The alerts `user` may see that match, in no order."""
    alerts = Alert.objects.visible_to(user)
    for facet in FACETS:
        chosen = getattr(wanted, facet)
        if chosen:
            alerts = alerts.filter(**{f"{facet}__in": chosen})
    if not wanted.episode:
        alerts = alerts.exclude(episode=EpisodeState.WITHDRAWN)
    return alerts.filter(_narrowed(wanted))


def _narrowed(wanted: AlertFilter) -> Q:
    narrowed = Q()
    if wanted.quiet is not None:
        narrowed &= Q(quiet=wanted.quiet)
    if wanted.wearer:
        narrowed &= Q(user__username=wanted.wearer)
    if wanted.rule:
        narrowed &= Q(rule__rule_id=wanted.rule)
    if wanted.since is not None:
        narrowed &= Q(opened_at__gte=wanted.since)
    if wanted.until is not None:
        narrowed &= Q(opened_at__lt=wanted.until)
    if wanted.search:
        narrowed &= _searched(wanted.search)
    return narrowed


def _searched(text: str) -> Q:
    fields = ("title", "alert_type", "rule__rule_id", "user__username", "user__display_name")
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": text})
    return found


def alerts_newest(*, user: User, wanted: AlertFilter) -> AlertQuerySet:
    """Those that match, newest first (`opened_at`, then id), with rule, wearer and who triaged: no query a row."""
    rows = alerts_matching(user=user, wanted=wanted)
    return rows.select_related("rule", "user", "triaged_by").order_by("-opened_at", "alert_id")


def alerts_open(*, user: User) -> AlertQuerySet:
    """What is neither withdrawn nor closed, newest first: the wall and the log (rule and wearer selected)."""
    rows = Alert.objects.visible_to(user).open()
    return rows.select_related("rule", "user", "triaged_by").order_by("-opened_at")


def alert_get(*, user: User, alert_id: UUID) -> Alert:
    """One alert that `user` may see, with rule, wearer and who triaged; raises Alert.DoesNotExist."""
    rows = Alert.objects.visible_to(user).select_related("rule", "user", "triaged_by", "assignee")
    return rows.get(pk=alert_id)


def alerts_triageable(*, user: User) -> AlertQuerySet:
    """Alerts `user` may triage: those of the people they watch. Nobody silences their own, unless they may see all."""
    rows = Alert.objects.visible_to(user)
    return rows if user.has_perm("devices.view_all_wearers") else rows.exclude(user=user)


def assignable(*, user: User, only: str = "") -> list[User]:
    """Whom `user` may give alerts to, by name: those who watch somebody whom `user` sees, and who may see everyone;
    at most ASSIGNABLE, `only` the one of that name. Whether they may triage an alert is looked at when it is given."""
    watching = Q(pk__in=watchers_of(wearers=User.objects.visible_to(user)).values("pk"))
    rows = User.objects.filter(watching | sees_everyone(), is_active=True)
    rows = rows.filter(named(only)) if only else rows
    return list(rows.order_by("display_name", "username")[:ASSIGNABLE])


def may_triage(*, user: User, alert: Alert) -> bool:
    """Whether `user`, who may see `alert`, may triage it too."""
    return user.pk != alert.user_id or user.has_perm("devices.view_all_wearers")


def worst_of(*, wearers: QuerySet[User]) -> Mapping[int, Alert]:
    """The worst open, firing alert of each of `wearers`: clinical before technical, of equals the newest."""
    rank = {severity: place for place, severity in enumerate(Severity)}
    rows = Alert.objects.open().filter(user__in=wearers, episode=EpisodeState.FIRING).select_related("rule", "user")
    worst: dict[int, Alert] = {}
    newest = rows.order_by("-opened_at", "pk")  # several open with one reading: of them it is always the same
    for alert in sorted(newest, key=lambda a: (a.alert_class != AlertClass.CLINICAL, rank[Severity(a.severity)])):
        if alert.user_id is not None:
            worst.setdefault(alert.user_id, alert)
    return worst


def rules_listed() -> QuerySet[Rule]:
    """All rules by id, each with `newest`: a list of its newest version (and who made it), empty where it has none."""
    newest = RuleVersion.objects.order_by("rule_id", "-number").distinct("rule_id").select_related("made_by")
    return Rule.objects.prefetch_related(Prefetch("versions", newest, to_attr="newest")).order_by("rule_id")


def rule_get(*, rule_id: str) -> Rule:
    """One rule with its versions, oldest first, and who made them; raises Rule.DoesNotExist."""
    versions = RuleVersion.objects.order_by("number").select_related("made_by")
    return Rule.objects.prefetch_related(Prefetch("versions", versions)).get(rule_id=rule_id)


def summaries_of(
    *, wearer: User, period: str, since: datetime | None = None, until: datetime | None = None
) -> QuerySet[Summary]:
    """Summaries of a wearer that begin in [since, until), newest first."""
    rows = Summary.objects.filter(user=wearer, period=period).select_related("user")
    if since is not None:
        rows = rows.filter(start__gte=since)
    if until is not None:
        rows = rows.filter(start__lt=until)
    return rows.order_by("-start")
