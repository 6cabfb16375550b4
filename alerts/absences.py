"""The alerts of rules over absence, written: opened, told, ended. `ingestion.absence` says of whom; nobody else writes
them, but for the end with their rule.

`started_at` is the receipt of the last reading, `opened_at` when the silence became too long, `ended_at` the receipt of
the reading that broke it, and until then `opened_at`; there are no matching readings.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

from django.db import connection

from alerts.announce import announce_on_commit
from alerts.audit import audit_add, change_of
from alerts.engine import AbsenceRule, RuleKey
from alerts.engine.absence import Silence
from alerts.heading import alert_headed
from alerts.models import Alert, AlertChange, OutboxEntry, Rule
from alerts.models.alert import End, EpisodeState, QuietReason
from alerts.mutes import UNMUTABLE, mutes_on
from alerts.outbox import outbox_add
from alerts.rewriting import alerts_rewrite
from alerts.sentence import silence_sentence
from devices.heard import Silent
from devices.models import User
from devices.times import rfc3339

_LOUD_ENDS = """
SELECT user_id, rule_id, max(ended_at) FROM alerts_alert
WHERE user_id = ANY(%s) AND rule_id = ANY(%s) AND NOT quiet AND episode = 'ended' GROUP BY user_id, rule_id
"""
_WRITTEN = (
    "episode", "end", "ended_at", "settled_at", "description", "quiet", "quiet_reason", "loud_at", "revision",
    "changed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Absent:
    """A person of whom `rule` hears nothing for too long; `is_expected`: somebody switched them off."""

    user_id: int
    rule: AbsenceRule
    silence: Silence
    is_cadence_set: bool
    is_expected: bool


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires, as far as it takes to see whether it goes on: there may be many, and most do."""

    alert_id: UUID
    user_id: int
    rule: RuleKey
    heard_at: datetime
    quiet_reason: str | None

    @property
    def silent(self) -> Silent:
        return self.user_id, self.heard_at


def absences_firing(rules: Iterable[AbsenceRule]) -> list[Firing]:
    """The alerts that fire under any version of these rules, the longest silence first."""
    firing = Alert.objects.filter(episode=EpisodeState.FIRING, rule__rule_id__in=[rule.id for rule in rules])
    rows = firing.values_list("pk", "user_id", "rule__rule_id", "rule_version", "started_at", "quiet_reason")
    return [
        Firing(pk, user, RuleKey(rule, version), at, why)
        for pk, user, rule, version, at, why in rows.order_by("started_at", "pk")
    ]


def absences_open(absent: Sequence[Absent], *, at: datetime) -> list[OutboxEntry]:
    """One alert for each; whoever was deleted meanwhile has none. None of them may fire already."""
    people = _still_there({each.user_id for each in absent})
    absent = [each for each in absent if each.user_id in people]
    if not absent:
        return []
    rules = {rule.rule_id: rule for rule in Rule.objects.filter(rule_id__in={each.rule.id for each in absent})}
    loud_ends = _loud_ends(people, [rule.pk for rule in rules.values()])
    muted = mutes_on(people, at=at)
    alerts = []
    for each in sorted(absent, key=lambda each: (each.silence.opened_at, each.rule.id, each.user_id)):
        rule = rules[each.rule.id]
        alert = _alert(each, rule, people[each.user_id], at)
        last_end = loud_ends.get((each.user_id, rule.pk))
        _tell(alert, _quiet_reason(each, last_end, at, is_muted=_is_muted(alert, each.rule.id, muted)), at)
        alerts.append(alert)
    Alert.objects.bulk_create(alerts, batch_size=200)
    return _say(
        (alert, change_of(alert, action="opened", at=at, became="firing, quiet" if alert.quiet else "firing"))
        for alert in alerts
    )


def absences_end(heard: Mapping[UUID, datetime], *, at: datetime) -> list[OutboxEntry]:
    """End these alerts, as far as they still fire: their people were heard again, then."""
    changes = []
    for alert in _locked(heard):
        alert.episode, alert.end = EpisodeState.ENDED, End.CLEARED
        alert.ended_at = alert.settled_at = max(heard[alert.pk], alert.opened_at)
        alert.description = silence_sentence(**_told(alert), until=alert.ended_at)
        changes.append(_changed(alert, "ended", at))
    return _save(changes)


def absences_tell(firing: Iterable[Firing], rules: Iterable[AbsenceRule], *, at: datetime) -> list[OutboxEntry]:
    """Make those loud that the cooldown or a mute kept quiet, and that outlasted it."""
    over = (QuietReason.COOLDOWN, QuietReason.MUTED)
    waiting = {each.alert_id: each for each in firing if each.quiet_reason in over}
    cooldowns = {rule.key: rule.cooldown for rule in rules}
    alerts = [alert for alert in _locked(waiting) if waiting[alert.pk].rule in cooldowns]
    ends = _loud_ends({waiting[alert.pk].user_id for alert in alerts}, {alert.rule_id for alert in alerts})
    muted = mutes_on({waiting[alert.pk].user_id for alert in alerts}, at=at)
    changes = []
    for alert in alerts:
        each = waiting[alert.pk]
        last_end = ends.get((each.user_id, alert.rule_id))
        is_over = last_end is None or at > last_end + cooldowns[each.rule]
        if is_over and not _is_muted(alert, each.rule.id, muted):
            _tell(alert, None, at)
            changes.append(_changed(alert, "loud", at))
    return _save(changes)


def silence_json(alert: Alert) -> dict[str, Any] | None:
    """For page and API: what the alert keeps of a silence; None where it is none."""
    kept: dict[str, Any] | None = alert.evidence.get("silence")
    return kept


def silence_said(alert: Alert, zone: tzinfo) -> str:
    """Its sentence by the clock of `zone`; empty where it is none of a silence."""
    if silence_json(alert) is None:
        return ""
    told = _told(alert) | {name: getattr(alert, field).astimezone(zone) for name, field in _TIMES.items()}
    return silence_sentence(**told, until=alert.ended_at.astimezone(zone) if alert.end == End.CLEARED else None)


_TIMES: Final = {"heard_at": "started_at", "opened_at": "opened_at"}


def _locked(keys: Collection[UUID]) -> list[Alert]:
    """Those of these alerts that still fire, locked, in order of id; no query for none."""
    if not keys:
        return []
    firing = Alert.objects.filter(pk__in=list(keys), episode=EpisodeState.FIRING).select_related("rule", "user")
    return list(firing.select_for_update(of=("self",)).order_by("alert_id"))


def _alert(absent: Absent, rule: Rule, person: User, at: datetime) -> Alert:
    wording, silence = absent.rule, absent.silence
    kept = {
        "heard_at": rfc3339(silence.heard_at),
        "counted_from": rfc3339(silence.counted_from),
        "cadence_s": silence.cadence.total_seconds(),
        "cadence_is_set": absent.is_cadence_set,
        "limit_s": silence.limit.total_seconds(),
        "factor": wording.factor,
        "at_least_s": wording.at_least.total_seconds(),
    }
    alert = alert_headed(
        wording,
        rule,
        at=at,
        user=person,
        episode=EpisodeState.FIRING,
        started_at=silence.heard_at,
        opened_at=silence.opened_at,
        ended_at=silence.opened_at,
        event_count=0,
        evidence={"columns": [], "suspect": 0, "first": [], "last": [], "silence": kept},
    )
    alert.description = silence_sentence(**_told(alert))
    return alert


def _told(alert: Alert) -> dict[str, Any]:
    """What the sentence is made of."""
    kept = silence_json(alert) or {}
    lengths = {name: timedelta(seconds=kept[f"{name}_s"]) for name in ("cadence", "limit")}
    return {"heard_at": alert.started_at, "opened_at": alert.opened_at, **lengths}


def _is_muted(alert: Alert, rule_id: str, muted: Collection[tuple[int, str]]) -> bool:
    return alert.severity != UNMUTABLE and alert.user_id is not None and (alert.user_id, rule_id) in muted


def _quiet_reason(
    absent: Absent, last_end: datetime | None, at: datetime, *, is_muted: bool
) -> QuietReason | None:  # fmt: skip
    if absent.is_expected:
        return QuietReason.EXPECTED
    if is_muted:
        return QuietReason.MUTED
    return QuietReason.COOLDOWN if last_end and at <= last_end + absent.rule.cooldown else None


def _tell(alert: Alert, quiet_reason: QuietReason | None, at: datetime) -> None:
    alert.quiet, alert.quiet_reason = quiet_reason is not None, quiet_reason
    if not alert.quiet:
        alert.loud_at = at


def _changed(alert: Alert, action: str, at: datetime) -> tuple[Alert, AlertChange]:
    alert.revision += 1
    alert.changed_at = at
    return alert, change_of(alert, action=action, at=at, was=EpisodeState.FIRING, became=alert.episode)


def _save(changes: Sequence[tuple[Alert, AlertChange]]) -> list[OutboxEntry]:
    if not changes:
        return []
    alerts_rewrite([alert for alert, _ in changes], fields=_WRITTEN)
    return _say(changes)


def _say(changes: Iterable[tuple[Alert, AlertChange]]) -> list[OutboxEntry]:
    """Audit, outbox, and the screens after the commit."""
    changes = list(changes)
    alerts = [alert for alert, _ in changes]
    audit_add(change for _, change in changes)
    announce_on_commit(alerts)
    return outbox_add(alerts)


def _still_there(people: Collection[int]) -> dict[int, User]:
    """These people, kept from being deleted until the transaction is over."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM devices_user WHERE id = ANY(%s) FOR KEY SHARE", [list(people)])
        return User.objects.in_bulk([user_id for (user_id,) in cursor.fetchall()])


def _loud_ends(people: Collection[int], rules: Collection[int]) -> dict[tuple[int, int], datetime]:
    """When the last loud alert of each person and rule (their keys) ended; no query for nobody."""
    if not people:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_LOUD_ENDS, [list(people), list(rules)])
        return {(user_id, rule_id): ended_at for user_id, rule_id, ended_at in cursor.fetchall()}
