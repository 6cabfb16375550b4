"""What the engine found, written: alerts opened, updated, ended, revived, withdrawn; never their triage.

Runs inside the batch's transaction. Ends and withdrawals go before inserts, always in order of alert id; each change is
an audit row, raises the revision, and goes to the outbox.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from alerts.audit import audit_add, change_of
from alerts.circumstances import circumstances_note
from alerts.engine import Episode, Rule, RuleKey, Stretch
from alerts.engine.episode import Evidence, EvidenceRow
from alerts.engine.reconcile import Delivery, Withdraw, delivery, reconcile
from alerts.heading import alert_headed
from alerts.models import Alert, AlertChange, OutboxEntry
from alerts.models import Rule as RuleRow
from alerts.models.alert import End, EpisodeState
from alerts.mutes import Mutes, Span
from alerts.outbox import outbox_add
from alerts.rewriting import alerts_rewrite
from alerts.sentence import sentence
from alerts.standing import alerts_around, older_firing, previous_loud_ends
from devices.models import User
from devices.times import rfc3339

BY_RULE: Final = (End.RULE_CHANGED, End.RULE_DISABLED)
REWRITE_EVERY: Final = timedelta(seconds=1)
WRITTEN: Final = (
    "episode", "end", "withdrawn_because", "started_at", "opened_at", "ended_at", "settled_at", "provisional",
    "event_count", "measures", "evidence", "description", "quiet", "quiet_reason", "loud_at", "revision", "changed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """An alert as `reconcile` wants it."""

    alert: Alert

    @property
    def id(self) -> uuid.UUID:
        return self.alert.alert_id

    @property
    def state(self) -> Any:
        return str(self.alert.episode)

    @property
    def started_at(self) -> datetime:
        return self.alert.started_at

    @property
    def ended_at(self) -> datetime:
        return self.alert.ended_at

    @property
    def settled_at(self) -> datetime | None:
        return None if self.alert.provisional else self.alert.settled_at


@dataclass(slots=True)
class Written:
    """The alerts that changed, the outbox entries they made, and the stretches whose rewriting waits a second."""

    alerts: list[Alert] = field(default_factory=list)
    outbox: list[OutboxEntry] = field(default_factory=list)
    owed: list[Stretch] = field(default_factory=list)


def episodes_write(
    *,
    stretches: Sequence[Stretch],
    rules: Mapping[RuleKey, Rule],
    mutes: Mutes,
    at: datetime,
    rewrite_every: timedelta = REWRITE_EVERY,
) -> Written:
    """Reconcile the stretches with the alerts that stand, and write what changed.

    Firing alerts that were changed less than `rewrite_every` ago and differ in nothing essential are owed.
    """
    if not stretches:
        return Written()
    writing = _Writing(rules, mutes, at, rewrite_every)
    known, loud_ends = alerts_around(stretches), previous_loud_ends(stretches)
    for stretch in stretches:
        pair = (stretch.user_id, stretch.rule)
        writing.settle(stretch, known.get(pair, []), loud_ends.get((stretch.user_id, stretch.rule.id)))
    return writing.write()


def episodes_end_provisionally(*, alerts: Sequence[Alert], at: datetime) -> Written:
    """End these firing alerts (locked, rule and user selected) because nothing is heard any more."""
    for alert in alerts:
        alert.episode, alert.end, alert.provisional = EpisodeState.ENDED, End.GAP, True
        alert.revision += 1
        alert.changed_at = at
    alerts_rewrite(alerts, fields=WRITTEN)
    firing, ended = EpisodeState.FIRING, EpisodeState.ENDED
    audit_add(change_of(a, action="ended", at=at, was=firing, became=ended, note="nothing received") for a in alerts)
    return Written(list(alerts), outbox_add(alerts))


class _Writing:
    """Collects the changes of many stretches, then writes them in order."""

    def __init__(
        self, rules: Mapping[RuleKey, Rule], mutes: Mutes, at: datetime, rewrite_every: timedelta
    ) -> None:  # fmt: skip
        self._rewrite_every = rewrite_every
        self._mutes = mutes
        self._rules = rules
        self._at = at
        self._changed: list[tuple[Alert, AlertChange]] = []
        self._created: list[tuple[Alert, AlertChange]] = []
        self._opened: list[Alert] = []  # what did not fire, and does now
        self._owed: list[Stretch] = []
        self._rows: dict[str, RuleRow] = {}

    def settle(self, stretch: Stretch, known: Sequence[Alert], loud_end: datetime | None) -> None:
        """Decide what becomes of one stretch's alerts and episodes, in order of start."""
        changes = reconcile(stretch, [Known(alert) for alert in known])
        by_episode: dict[int, Alert] = {}
        for change in changes.changes:
            if isinstance(change, Withdraw):
                self._withdraw(change.alert.alert, str(change.because))
            else:
                by_episode[id(change.episode)] = change.alert.alert
        for episode in sorted(stretch.episodes, key=lambda each: each.started_at):
            rule = self._rules[stretch.rule]
            alert = by_episode.get(id(episode))
            told = delivery(
                episode,
                cooldown=rule.cooldown,
                previous_loud_end=loud_end,
                mutes=self._mutes_of(stretch, rule, episode, alert),
            )
            if alert is None:
                alert = self._create(stretch, rule, episode, told)
            else:
                self._update(stretch, rule, alert, episode, told)
            if not alert.quiet:
                loud_end = max(loud_end or episode.ended_at, episode.ended_at)

    def _mutes_of(self, stretch: Stretch, rule: Rule, episode: Episode, alert: Alert | None) -> list[Span]:
        """The mutes that may keep it quiet; what was loud stays so, and needs none."""
        if alert is not None and not alert.quiet and alert.episode != EpisodeState.WITHDRAWN:
            return []
        return self._mutes.of(stretch.user_id, rule, episode.last_fresh_at)

    def _withdraw(self, alert: Alert, because: str) -> None:
        was = alert.episode
        alert.episode, alert.withdrawn_because, alert.provisional = EpisodeState.WITHDRAWN, because, False
        self._change(alert, action="withdrawn", was=was, became=alert.episode, note=because)

    def _create(self, stretch: Stretch, rule: Rule, episode: Episode, told: Delivery) -> Alert:
        alert = alert_headed(rule, self._row_of(rule), at=self._at, user_id=stretch.user_id, revision=1)
        _take_over(alert, rule, episode, over=self._over(rule))
        _deliver(alert, told, at=self._at)
        if alert.episode == EpisodeState.FIRING:
            self._opened.append(alert)
        became = f"{alert.episode}, quiet" if alert.quiet else str(alert.episode)
        self._created.append((alert, change_of(alert, action="opened", at=self._at, became=became)))
        return alert

    def _row_of(self, rule: Rule) -> RuleRow:
        if not self._rows:
            self._rows = {row.rule_id: row for row in RuleRow.objects.all()}
        return self._rows[rule.id]

    def _update(self, stretch: Stretch, rule: Rule, alert: Alert, episode: Episode, told: Delivery) -> None:
        before = _essence(alert)
        was, content = alert.episode, (alert.event_count, alert.ended_at, alert.measures)
        stays_ended, end = _stays_ended(alert, episode), alert.end
        _take_over(alert, rule, episode, over=self._over(rule))
        if stays_ended:
            alert.episode, alert.end, alert.provisional = was, end, True
        if alert.quiet or was == EpisodeState.WITHDRAWN:  # that it was withdrawn was told as well
            _deliver(alert, told, at=self._at)
        essential = before != _essence(alert)
        if not essential and content == (alert.event_count, alert.ended_at, alert.measures):
            return
        if not essential and alert.episode == EpisodeState.FIRING and self._at - alert.changed_at < self._rewrite_every:
            self._owed.append(stretch)
            return
        if was != alert.episode == EpisodeState.FIRING:
            self._opened.append(alert)
        action = _action(was, before, alert)
        self._change(alert, action=action, was=was, became=alert.episode)

    def _over(self, rule: Rule) -> End | None:
        """How the firing episodes of this version end, once its time is over."""
        if rule.active_until is None or rule.active_until > self._at:
            return None
        followed = any(each.id == rule.id and each.active_from == rule.active_until for each in self._rules.values())
        return End.RULE_CHANGED if followed else End.RULE_DISABLED

    def _change(self, alert: Alert, *, action: str, was: str, became: str, note: str = "") -> None:
        alert.revision += 1
        alert.changed_at = self._at
        self._changed.append((alert, change_of(alert, action=action, at=self._at, was=was, became=became, note=note)))

    def _end_older(self) -> None:
        """One alert may fire for a person and rule: what an older version still holds open ends with it."""
        changed = {alert.alert_id for alert, _ in self._changed}
        for alert in older_firing(self._opened):
            if alert.alert_id not in changed:
                alert.episode, alert.end = EpisodeState.ENDED, End.RULE_CHANGED
                self._change(alert, action="ended", was=EpisodeState.FIRING, became=alert.episode)

    def write(self) -> Written:
        self._end_older()
        changed = sorted(self._changed, key=lambda each: each[0].alert_id)
        people = User.objects.in_bulk({alert.user_id for alert, _ in (*changed, *self._created)})
        # Of a person who was deleted meanwhile readings may still be on their way: nobody has an alert of them.
        created = sorted(
            (each for each in self._created if each[0].user_id in people), key=lambda each: each[0].started_at
        )
        circumstances_note([alert for alert, _ in (*changed, *created) if alert.episode != EpisodeState.WITHDRAWN])
        alerts_rewrite([alert for alert, _ in changed], fields=WRITTEN)
        alerts = Alert.objects.bulk_create([alert for alert, _ in created], batch_size=200)
        audit_add(change for _, change in (*changed, *created))
        alerts = [alert for alert, _ in changed] + alerts
        for alert in alerts:
            alert.user = people[alert.user_id]
        return Written(alerts, outbox_add(alerts), self._owed)


def _stays_ended(alert: Alert, episode: Episode) -> bool:
    """An end by the sweep lasts until a reading continues the run."""
    if alert.episode != EpisodeState.ENDED:
        return False
    unchanged = (alert.event_count, alert.ended_at) == (episode.event_count, episode.ended_at)
    return alert.provisional and episode.end == "open" and unchanged


def _essence(alert: Alert) -> tuple[Any, ...]:
    """What is written at once; counts and measures may wait a second."""
    return (
        str(alert.episode), alert.end and str(alert.end), alert.started_at, alert.opened_at, alert.settled_at,
        alert.provisional, alert.quiet,
    )  # fmt: skip


def _action(was: str, before: tuple[Any, ...], alert: Alert) -> str:
    if was != alert.episode:
        return {EpisodeState.FIRING: "revived", EpisodeState.ENDED: "ended"}[EpisodeState(alert.episode)]
    return "loud" if before[-1] and not alert.quiet else "updated"


def _take_over(alert: Alert, rule: Rule, episode: Episode, *, over: End | None) -> None:
    """Make the alert say what the episode says; `over` is how it ends with its rule, where that is over."""
    alert.end = _end_of(alert, rule, episode, over)
    alert.episode = EpisodeState.FIRING if alert.end is None else EpisodeState.ENDED
    alert.withdrawn_because, alert.provisional = "", False
    noted = {k: v for k, v in alert.evidence.items() if k == "circumstances" and alert.opened_at == episode.opened_at}
    alert.started_at, alert.opened_at, alert.ended_at = episode.started_at, episode.opened_at, episode.ended_at
    alert.settled_at = episode.settled_at
    alert.event_count = episode.event_count
    alert.measures = {
        name: {"avg": measure.avg, "min": measure.low, "max": measure.high, "count": measure.count}
        for name, measure in episode.measures.items()
    }
    alert.evidence = {
        "columns": list(rule.columns),
        "suspect": episode.suspect_count,
        "first": [_evidence(row) for row in episode.evidence.first],
        "last": [_evidence(row) for row in episode.evidence.last],
        "opening": _opening(episode.evidence),
        **noted,
    }
    alert.description = sentence(rule, episode)


def _end_of(alert: Alert, rule: Rule, episode: Episode, over: End | None) -> End | None:
    """Rows of an old version may still come from Kafka: they count, and may clear; no row brings it back to life."""
    if episode.end == "cleared":
        return End.CLEARED
    if alert.end in BY_RULE:
        return End(alert.end)
    if over and (episode.settled_at is None or rule.active_until is None or episode.settled_at > rule.active_until):
        return over
    return None if episode.end == "open" else End.GAP


def _evidence(row: EvidenceRow) -> dict[str, Any]:
    return {"recorded_at": rfc3339(row.recorded_at), "event_id": row.event_id, "values": dict(row.values)}


def _opening(evidence: Evidence) -> dict[str, Any] | None:
    """The row that opened it, where the first ones do not hold it."""
    if evidence.opening_number <= len(evidence.packed_first):
        return None
    return {"number": evidence.opening_number, **_evidence(evidence.opening)}


def _deliver(alert: Alert, told: Delivery, *, at: datetime) -> None:
    alert.quiet, alert.quiet_reason = not told.loud, told.quiet_reason
    if told.loud and alert.loud_at is None:
        alert.loud_at = at
