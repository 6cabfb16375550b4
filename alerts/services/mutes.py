"""Mutes: planned activity ("at the gym until 18:00"). They silence, and never decide: detection and alerts go on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Value, When

from alerts.announce import announce_on_commit
from alerts.audit import audit_add, change_of
from alerts.engine.rule import PipelineRule
from alerts.hushing import mutes_it
from alerts.models import Alert, AlertChange, Mute, MuteChange, RuleVersion
from alerts.models.alert import EpisodeState
from alerts.mutes import UNMUTABLE
from alerts.outbox import outbox_add
from alerts.rule_versions import UnreadableRuleError, engine_rule
from devices import live
from devices.models import User, Verb
from devices.rights.audit import audit_note
from devices.times import rfc3339

# A day out, and not the night after it: whoever forgets a mute is watched again before they have slept.
LONGEST_MUTE: Final = timedelta(hours=12)
AHEAD: Final = timedelta(days=7)  # what is planned for later than that is not known yet
TOO_FAR: Final = f"It begins within {AHEAD.days} days."
MOST_AT_ONCE: Final = 20  # of one person, on or to come
WHY_LENGTH: Final = 200
MuteProblem = Literal["rules", "why", "until", "from", "too_many", "over"]


class MuteError(Exception):
    """The mute cannot be; `field` says what is wrong with it, the text how it could be."""

    def __init__(self, field: MuteProblem, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Mutable:
    """A rule that planned activity may silence."""

    rule_id: str
    title: str
    severity: str
    is_technical: bool


def rules_mutable() -> list[Mutable]:
    """The rules in force that may be muted, by class and title: not CRITICAL ones, and none over the pipeline."""
    found = []
    for version in RuleVersion.objects.filter(active_until__isnull=True).select_related("rule"):
        try:
            rule = engine_rule(version)
        except UnreadableRuleError:
            continue  # its page says why; it detects nothing that could be silenced
        if not isinstance(rule, PipelineRule) and rule.severity != UNMUTABLE:
            found.append(Mutable(rule.id, rule.title, rule.severity, rule.rule_class == "technical"))
    return sorted(found, key=lambda rule: (rule.is_technical, rule.title, rule.rule_id))


def mute_add(  # noqa: PLR0913  # what a mute says, each by name
    *, wearer: User, rules: Collection[str], starts_at: datetime, ends_at: datetime, why: str, by: User, at: datetime
) -> Mute:
    """Keep these rules (by id) quiet for `wearer` in [starts_at, ends_at); raises MuteError.

    What they fire already is marked, and its screens are told.
    """
    named = sorted(set(rules))
    _check(named, starts_at=max(starts_at, at), ends_at=ends_at, why=why, at=at)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=wearer.pk)  # two at once do not both take the last place
        if Mute.objects.filter(user=wearer, ends_at__gt=at).count() >= MOST_AT_ONCE:
            raise MuteError("too_many", f"{MOST_AT_ONCE} are planned already. End one of them first.")
        mute = Mute.objects.create(
            user=wearer, rules=named, starts_at=max(starts_at, at), ends_at=ends_at, why=why, made_by=by, made_at=at
        )
        MuteChange.objects.create(mute=mute, at=at, by=by, action=MuteChange.Action.MADE, became=ends_at, note=why)
        audit_note(verb=Verb.MUTED, person=wearer, what=f"mute {mute.pk}: {', '.join(named)}", by=by, at=at)
        if mute.starts_at <= at:
            _mark([mute], action="mute", by=by, at=at)
        _announce(wearer)
        return mute


def mute_end(*, mute: Mute, by: User, at: datetime) -> Mute:
    """End it now, or before it began; raises MuteError where it is over."""
    with transaction.atomic():
        known = Mute.objects.select_for_update().get(pk=mute.pk)
        end = max(at, known.starts_at)
        if not Mute.objects.filter(pk=known.pk, over_at__isnull=True, ends_at__gt=at).update(ends_at=end, over_at=at):
            raise MuteError("over", "It is over already.")
        MuteChange.objects.create(
            mute=known, at=at, by=by, action=MuteChange.Action.ENDED, was=known.ends_at, became=end
        )
        audit_note(verb=Verb.MUTE_ENDED, person=known.user, what=f"mute {known.pk}", by=by, at=at)
        if known.starts_at <= at:
            _mark([known], action="mute_end", by=by, at=at)
        _announce(known.user)
        return Mute.objects.get(pk=known.pk)


def mutes_end(*, at: datetime, limit: int = 200) -> int:
    """Take note of the mutes that are over by `at`: what still fires may be told again. How many; at most `limit`."""
    with transaction.atomic():
        due = Mute.objects.filter(over_at__isnull=True, ends_at__lte=at).order_by("pk")
        locked = list(due.select_for_update(skip_locked=True)[:limit])
        if not locked:
            return 0
        Mute.objects.filter(pk__in=[mute.pk for mute in locked]).update(over_at=at)
        action = MuteChange.Action.OVER
        MuteChange.objects.bulk_create(
            MuteChange(mute=mute, at=at, action=action, became=mute.ends_at) for mute in locked
        )
        _mark(locked, action="mute_end", by=None, at=at)
        return len(locked)


def _announce(wearer: User) -> None:
    """Let the pages of others show it, also where no alert fires under it."""
    transaction.on_commit(partial(live.planned_changed, person=wearer.pk, user_id=wearer.username))


def _check(rules: Sequence[str], *, starts_at: datetime, ends_at: datetime, why: str, at: datetime) -> None:
    known = {rule.rule_id for rule in rules_mutable()}
    if not rules:
        raise MuteError("rules", "Choose at least one rule that is to stay quiet.")
    if unknown := [rule for rule in rules if rule not in known]:
        raise MuteError("rules", f"{unknown[0]} cannot be muted: only rules in force that are not CRITICAL can.")
    if not why.strip() or len(why) > WHY_LENGTH:
        raise MuteError("why", f"Say why, in at most {WHY_LENGTH} characters.")
    if starts_at > at + AHEAD:
        raise MuteError("from", TOO_FAR)
    if ends_at <= starts_at:
        raise MuteError("until", "It ends after it begins.")
    if ends_at > starts_at + LONGEST_MUTE:
        hours = int(LONGEST_MUTE / timedelta(hours=1))
        raise MuteError("until", f"It lasts at most {hours} hours, so that nobody stays unwatched by a forgotten one.")


def _mark(mutes: Sequence[Mute], *, action: str, by: User | None, at: datetime) -> None:
    """Say at the alerts that fire under these mutes that they began or ended, and tell the screens.

    What fires on after its mute has `renewed_at`, when that was over: it may be told of again, if it was not since.
    """
    marked = _firing_under(mutes)
    if not marked:
        return
    over = (When(pk=pk, then=Value(min(at, mute.ends_at))) for pk, mute in marked.items())
    renewed = {"renewed_at": Case(*over)} if action == "mute_end" else {}
    Alert.objects.filter(pk__in=marked).update(revision=F("revision") + 1, changed_at=at, **renewed)
    changed = list(Alert.objects.filter(pk__in=marked).select_related("rule", "user", "triaged_by").order_by("pk"))
    audit_add(_change(alert, marked[alert.pk], action=action, at=at, by=by) for alert in changed)
    outbox_add(changed)
    announce_on_commit(changed)


def _firing_under(mutes: Sequence[Mute]) -> dict[UUID, Mute]:
    """The alerts that fire under these mutes, locked in order of id, by id, each with its mute."""
    rules = {rule for mute in mutes for rule in mute.rules}
    people = {mute.user_id for mute in mutes}
    firing = Alert.objects.filter(user__in=people, rule__rule_id__in=rules, episode=EpisodeState.FIRING)
    locked = firing.select_related("rule").select_for_update(of=("self",)).order_by("alert_id")
    pairs = ((alert, next((mute for mute in mutes if mutes_it(mute, alert)), None)) for alert in locked)
    return {alert.pk: mute for alert, mute in pairs if mute is not None}


def _change(alert: Alert, mute: Mute, *, action: str, at: datetime, by: User | None) -> AlertChange:
    """It `became` quiet until a moment, which each reader is told by their own clock."""
    became = rfc3339(mute.ends_at) if action == "mute" else ""
    return change_of(alert, action=action, at=at, became=became, by=by, note=mute.why)
