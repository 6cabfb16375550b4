"""The alerts of rules over the pipeline, written: opened, continued, ended. `ingestion.mishaps` says what befell it;
nobody else writes them, but for the end with their rule.

They belong to nobody, and of each rule one fires at a time. `started_at` and `opened_at` are the first mishap,
`ended_at` the last one so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from django.db.models import Max

from alerts.announce import announce_on_commit
from alerts.audit import audit_add, change_of
from alerts.engine.rule import PipelineEvent, PipelineRule
from alerts.heading import alert_headed
from alerts.models import Alert, AlertChange, OutboxEntry, Rule
from alerts.models.alert import End, EpisodeState, QuietReason
from alerts.outbox import outbox_add
from alerts.rewriting import alerts_rewrite
from devices.times import rfc3339

KEPT: Final = 20  # of the first and of the last mishaps
_WRITTEN: Final = (
    "episode", "end", "ended_at", "settled_at", "event_count", "evidence", "description", "quiet", "quiet_reason",
    "loud_at", "revision", "changed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Befallen:
    """What befell the pipeline, when, how often at once, and what there is to say of it: a sentence."""

    event: PipelineEvent
    at: datetime
    count: int
    text: str


@dataclass(slots=True)
class _Episode:
    """The episode of one rule that fires, or none; and what became of it and of those before it."""

    rule: PipelineRule
    row: Rule
    at: datetime
    alert: Alert | None
    last_loud_end: datetime | None
    opened: list[tuple[Alert, AlertChange]] = field(default_factory=list)
    changed: dict[Alert, str] = field(default_factory=dict)

    def take(self, befallen: Befallen) -> None:
        """Continue what fires, or end it and open the next one."""
        if self.alert is not None and befallen.at > self.alert.ended_at + self.rule.max_gap:
            self.end(End.GAP)
        if self.alert is None:
            self._open(befallen)
        else:
            self._continue(self.alert, befallen)

    def end(self, why: End) -> None:
        alert, self.alert = self.alert, None
        if alert is None:
            return
        alert.episode, alert.end = EpisodeState.ENDED, why
        alert.settled_at = alert.ended_at + self.rule.max_gap
        self.changed[alert] = "ended"
        if not alert.quiet:
            self.last_loud_end = alert.ended_at

    def _open(self, befallen: Befallen) -> None:
        alert = alert_headed(
            self.rule,
            self.row,
            at=self.at,
            user=None,
            episode=EpisodeState.FIRING,
            started_at=befallen.at,
            opened_at=befallen.at,
            ended_at=befallen.at,
            event_count=befallen.count,
            description=befallen.text,
        )
        said = {"at": rfc3339(befallen.at), "text": befallen.text}
        kept = {"event": befallen.event, "times": 1, "first": [said], "last": [said]}
        alert.evidence = {"columns": [], "suspect": 0, "first": [], "last": [], "mishaps": kept}
        self._tell(alert, befallen.at)
        became = "firing, quiet" if alert.quiet else "firing"
        self.opened.append((alert, change_of(alert, action="opened", at=self.at, became=became)))
        self.alert = alert

    def _continue(self, alert: Alert, befallen: Befallen) -> None:
        kept, said = alert.evidence["mishaps"], {"at": rfc3339(befallen.at), "text": befallen.text}
        kept["times"] += 1
        kept["first"] = [*kept["first"], said][:KEPT]
        kept["last"] = [*kept["last"], said][-KEPT:]
        alert.ended_at = max(alert.ended_at, befallen.at)
        alert.event_count += befallen.count
        alert.description = mishaps_said(alert, UTC)
        was_quiet = alert.quiet
        if was_quiet:
            self._tell(alert, befallen.at)
        self.changed[alert] = "loud" if was_quiet and not alert.quiet else "updated"

    def _tell(self, alert: Alert, at: datetime) -> None:
        """Cooldown silences, as with everybody's alerts."""
        alert.quiet = self.last_loud_end is not None and at <= self.last_loud_end + self.rule.cooldown
        alert.quiet_reason = QuietReason.COOLDOWN if alert.quiet else None
        if not alert.quiet:
            alert.loud_at = self.at


def mishaps_write(
    rules: Sequence[PipelineRule], befallen: Sequence[Befallen], *, at: datetime
) -> list[OutboxEntry]:  # fmt: skip
    """Open, continue and end the alerts of these rules (those in force) by what befell the pipeline, up to `at`.

    Runs in a transaction; two at once wait for each other.
    """
    rows = {row.rule_id: row for row in Rule.objects.filter(rule_id__in=[rule.id for rule in rules])}
    firing = _firing()
    opened: list[tuple[Alert, AlertChange]] = []
    changed: dict[Alert, str] = {}
    for rule in rules:
        alert = firing.get(rule.id)
        theirs = [each for each in befallen if each.event == rule.event]
        if alert is None and not theirs:
            continue
        episode = _Episode(rule, rows[rule.id], at, alert, _last_loud_end(rows[rule.id]))
        if alert is not None and alert.rule_version != rule.version:
            episode.end(End.RULE_CHANGED)
        for each in sorted(theirs, key=lambda each: each.at):
            episode.take(each)
        if episode.alert is not None and at > episode.alert.ended_at + rule.max_gap:
            episode.end(End.GAP)
        opened += episode.opened
        changed |= episode.changed
    return _save(opened, changed, at)


def mishaps_json(alert: Alert) -> dict[str, Any] | None:
    """For page and API: what the alert keeps of mishaps; None where it is of a person."""
    kept: dict[str, Any] | None = alert.evidence.get("mishaps")
    return kept


def mishaps_said(alert: Alert, zone: tzinfo) -> str:
    """Its sentence by the clock of `zone`: the last mishap, and how often there was one; empty where it is of none."""
    kept = mishaps_json(alert)
    if kept is None:
        return ""
    text: str = kept["last"][-1]["text"]
    often = f" {kept['times']:,} times since {alert.started_at.astimezone(zone):%H:%M:%S}."
    return text + (often if kept["times"] > 1 else "")


def _firing() -> dict[str, Alert]:
    """Those that fire and are nobody's, by rule, locked in order of id."""
    firing = Alert.objects.filter(user__isnull=True, episode=EpisodeState.FIRING).select_related("rule", "user")
    return {alert.rule.rule_id: alert for alert in firing.select_for_update(of=("self",)).order_by("alert_id")}


def _last_loud_end(rule: Rule) -> datetime | None:
    loud = Alert.objects.filter(user__isnull=True, rule=rule, quiet=False, episode=EpisodeState.ENDED)
    found: datetime | None = loud.aggregate(last=Max("ended_at"))["last"]
    return found


def _save(opened: Sequence[tuple[Alert, AlertChange]], changed: dict[Alert, str], at: datetime) -> list[OutboxEntry]:
    """What stood already in order of id, then what is new; audit, outbox, and the screens after the commit."""
    new = [alert for alert, _ in opened]
    stood = sorted((alert for alert in changed if alert not in new), key=lambda alert: alert.alert_id)
    changes = [change for _, change in opened]
    for alert in stood:
        alert.revision += 1
        alert.changed_at = at
        was, became = EpisodeState.FIRING, alert.episode
        changes.append(change_of(alert, action=changed[alert], at=at, was=was, became=became))
    alerts_rewrite(stood, fields=_WRITTEN)
    Alert.objects.bulk_create(new)
    audit_add(changes)
    announce_on_commit([*stood, *new])
    return outbox_add([*stood, *new])
