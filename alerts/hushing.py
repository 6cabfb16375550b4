"""Whether anybody may be told of an alert now, and if not, why: the one question of whoever sends messages.

A snooze holds for what it was said of: alerts of the same person, type and class, of its severity or a lower one, so
that an episode that opens anew within it is covered, and a higher one pierces it. A mute holds for the rules it names.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast
from uuid import UUID

from django.db.models import Q

from alerts.models import Alert, Mute
from alerts.models.alert import EpisodeState, QuietReason, Severity, Triage
from alerts.mutes import UNMUTABLE
from devices.models import User

Why = Literal["late", "cooldown", "expected", "muted", "closed", "snoozed"]
_RANK: Final = {str(severity): place for place, severity in enumerate(Severity)}  # 0 is the worst


@dataclass(frozen=True, slots=True)
class Hush:
    """Why nobody is told of an alert: `until` when it ends by itself (None: not by the clock), by whom, and their
    words; `mute` where it is one, `snoozed` the alert whose snooze it is."""

    why: Why
    until: datetime | None = None
    by: User | None = None
    note: str = ""
    mute: Mute | None = None
    snoozed: Alert | None = None


def may_notify(alert: Alert, *, at: datetime) -> bool:
    """Whether anybody may be told of `alert` at `at`. Says nothing of whether they were told already."""
    return hush_of(alert, at=at) is None


def hush_of(alert: Alert, *, at: datetime) -> Hush | None:
    """Why nobody may be told of `alert` at `at`; None where somebody may. Two queries at most."""
    return hushes_of([alert], at=at).get(alert.pk)


def hushes_of(alerts: Collection[Alert], *, at: datetime) -> dict[UUID, Hush]:
    """`hush_of` of many, by id, of those that have one, in two queries (none for none): rule selected."""
    people = {alert.user_id for alert in alerts}
    if not alerts:
        return {}
    snoozed, mutes = _snoozes_on(people, at), mutes_around({pk for pk in people if pk is not None}, at=at)
    found = {alert.pk: _hush(alert, snoozed.get(alert.user_id, ()), mutes.get(alert.user_id, ())) for alert in alerts}
    return {pk: hush for pk, hush in found.items() if hush is not None}


def mutes_around(people: Collection[int], *, at: datetime) -> Mapping[int | None, list[Mute]]:
    """The mutes that are on at `at`, by whose they are, the one that ends last first, with who made them."""
    found: dict[int | None, list[Mute]] = defaultdict(list)
    on = Mute.objects.filter(user__in=people, starts_at__lte=at, ends_at__gt=at).select_related("made_by")
    for mute in on.order_by("-ends_at"):
        found[mute.user_id].append(mute)
    return found


def firing_under(snoozed: Collection[Alert]) -> set[UUID]:
    """The alerts that fire and that snoozes of these hush, by id: those themselves too, where they fire."""
    if not snoozed:
        return set()
    firing = Alert.objects.filter(
        _theirs({each.user_id for each in snoozed}),
        episode=EpisodeState.FIRING,
        alert_type__in={each.alert_type for each in snoozed},
    ).defer("evidence", "measures", "description")
    return {alert.pk for alert in firing if any(_covers(each, alert) for each in snoozed)}


def _theirs(people: Collection[int | None]) -> Q:
    """Of these people; None: of the pipeline."""
    return Q(user__in=[pk for pk in people if pk is not None]) | (Q(user__isnull=True) if None in people else Q())


def _snoozes_on(people: Collection[int | None], at: datetime) -> Mapping[int | None, list[Alert]]:
    """The alerts of these (None: of the pipeline) that are snoozed at `at`, by whose they are."""
    found: dict[int | None, list[Alert]] = defaultdict(list)
    whose = Q(user__in=[pk for pk in people if pk is not None]) | Q(user__isnull=True)
    on = Alert.objects.filter(whose, triage=Triage.SNOOZED, snoozed_until__gt=at).select_related("triaged_by")
    for alert in on.order_by("-snoozed_until"):
        found[alert.user_id].append(alert)
    return found


def _hush(alert: Alert, snoozed: Collection[Alert], mutes: Collection[Mute]) -> Hush | None:
    mute = next((each for each in mutes if mutes_it(each, alert)), None)
    if mute is not None and (not alert.quiet or alert.quiet_reason == QuietReason.MUTED):
        return Hush("muted", mute.ends_at, mute.made_by, mute.why, mute=mute)
    if alert.quiet:
        return Hush(cast("Why", str(alert.quiet_reason)))
    if alert.triage == Triage.CLOSED:
        return Hush("closed", by=alert.triaged_by)
    covering = next((each for each in snoozed if _covers(each, alert)), None)
    if covering is not None:
        return Hush("snoozed", covering.snoozed_until, covering.triaged_by, snoozed=covering)
    return None


def mutes_it(mute: Mute, alert: Alert) -> bool:
    """Whether `mute`, while it is on, keeps `alert` (rule selected) quiet. Nothing does that of a CRITICAL one."""
    return mute.user_id == alert.user_id and alert.severity != UNMUTABLE and alert.rule.rule_id in mute.rules


def _covers(snoozed: Alert, alert: Alert) -> bool:
    same = (snoozed.user_id, snoozed.alert_type, snoozed.alert_class)
    is_of_it = same == (alert.user_id, alert.alert_type, alert.alert_class)
    return is_of_it and _RANK[snoozed.severity] <= _RANK[alert.severity]
