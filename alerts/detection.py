"""Detection as the pipeline uses it: new rows in, alerts written, state kept only after the commit."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import polars as pl
from django.db import transaction

from alerts.engine import Advance, PersonState, RuleSet, Stretch, advance, new_person
from alerts.engine.rule import RuleKey
from alerts.episodes import REWRITE_EVERY, Written, episodes_end_provisionally, episodes_write
from alerts.models import Alert, OutboxEntry, RuleVersion
from alerts.models.alert import EpisodeState
from alerts.rebuild import new_people, rebuild
from alerts.rule_versions import active_rule_versions
from alerts.standing import Pair
from alerts.wire import alert_json
from devices.models import Reading

RULES_EVERY: Final = timedelta(seconds=2)
FLUSH_EVERY: Final = timedelta(seconds=1)
SILENT_FOR: Final = timedelta(minutes=10)  # and the rule's max_gap: then the sweep ends an episode
SWEEP_AT_ONCE: Final = 500


@dataclass(slots=True)
class Detected:
    """What one transaction found. `states` and `owed` are kept after the commit; `news` goes to the screens."""

    states: dict[int, PersonState] = field(default_factory=dict)
    owed: dict[Pair, Stretch] = field(default_factory=dict)
    settled: set[Pair] = field(default_factory=set)
    alerts: list[Alert] = field(default_factory=list)
    outbox: list[OutboxEntry] = field(default_factory=list)

    @property
    def news(self) -> list[tuple[int, dict[str, Any]]]:
        """The changed alerts, by the pk of their person, in the contract's JSON."""
        return [(alert.user_id, alert_json(alert)) for alert in self.alerts]


class Detection:
    """Owns the rules in force and the state of people. The state is a cache: dropping it costs time alone."""

    def __init__(self, *, freshness: timedelta) -> None:
        self._freshness = freshness
        self._rules = RuleSet([])
        self._rules_at: datetime | None = None
        self._rules_since = datetime.max.replace(tzinfo=UTC)
        self._versions: Any = None
        self._states: dict[int, PersonState] = {}
        self._owed: dict[Pair, Stretch] = {}
        self._flushed_at: datetime | None = None
        self._is_stale = True  # alerts may be older than the rows: a consumer died between two rewrites

    def prepare(self, *, at: datetime) -> None:
        """Read the rules before the first row comes; parsing them takes a moment."""
        self._read_rules(at)

    def detect(self, rows: pl.DataFrame, *, at: datetime) -> Detected:
        """Judge new rows and write the alerts; inside the batch's transaction."""
        if rows.is_empty():
            return Detected()
        self._read_rules(at, since=rows["received_at"].min())
        if not self._rules.rules:
            return Detected()
        found = advance(self._rules, self._states, rows, freshness=self._freshness)
        again = self._reach(found.unreached, rows) if found.unreached else []
        stretches = list(chain(found.stretches, *(each.stretches for each in again)))
        states = dict(ChainMap(found.states, *(each.states for each in again)))
        return self._write(stretches, states, at)

    def _reach(self, unreached: dict[int, datetime], rows: pl.DataFrame) -> list[Advance]:
        """Judge the rows of people whose state is missing or too young: it is begun, or rebuilt from what is stored."""
        theirs = rows.filter(pl.col("user_id").is_in(pl.Series(list(unreached), dtype=pl.Int64).implode()))
        new = new_people(dict(theirs.group_by("user_id").len().iter_rows()))
        first = theirs.filter(pl.col("user_id").is_in(pl.Series(list(new), dtype=pl.Int64).implode()))
        begun = dict.fromkeys(new, new_person(self._rules))
        found = [advance(self._rules, begun, first, freshness=self._freshness)] if new else []
        known = {user_id: at for user_id, at in unreached.items() if user_id not in new}
        return [*found, self._rebuild(known)] if known else found

    def keep(self, detected: Detected) -> None:
        """Take over what a committed transaction found."""
        self._states |= detected.states
        for pair in detected.settled:
            self._owed.pop(pair, None)
        self._owed |= detected.owed

    def drop(self) -> None:
        """Forget everybody: what is needed again is rebuilt from what is stored."""
        self._states.clear()
        self._owed.clear()
        self._is_stale = True

    def flush_due(self, *, at: datetime) -> Detected:
        """Rewrite the firing alerts whose last second is over."""
        if self._flushed_at is not None and at - self._flushed_at < FLUSH_EVERY:
            return Detected()
        self._flushed_at = at
        return self._flush(at, rewrite_every=REWRITE_EVERY)

    def flush(self, *, at: datetime) -> Detected:
        """Rewrite every alert that lags behind its episode, now: nobody comes after us."""
        return self._flush(at, rewrite_every=timedelta(0))

    def _flush(self, at: datetime, *, rewrite_every: timedelta) -> Detected:
        if not self._owed and not self._is_stale:
            return Detected()
        with transaction.atomic():
            owed = self._firing_now(at) | self._owed if self._is_stale else self._owed
            detected = self._write(list(owed.values()), {}, at, rewrite_every=rewrite_every)
        self._owed, self._is_stale = dict(detected.owed), False
        return detected

    def sweep(self, *, at: datetime) -> Detected:
        """End the episodes of people of whom nothing was received for `max_gap` and 10 min of our own clock.

        Provisional: a reading that continues the run revives the same alert.
        """
        self._read_rules(at)
        gaps = {rule.key: rule.max_gap for rule in self._rules.rules}
        with transaction.atomic():
            silent = [alert for alert in _longest_unchanged(at) if _is_silent(alert, gaps, at)]
            written = episodes_end_provisionally(alerts=silent, at=at)
        return Detected(alerts=written.alerts, outbox=written.outbox)

    def _read_rules(self, at: datetime, *, since: Any = None) -> None:
        """The versions in force now, and those that were when the oldest row, of `since`, was received."""
        since = min(since or at, at)
        if self._rules_at is not None and at - self._rules_at < RULES_EVERY and since >= self._rules_since:
            return
        self._rules_at = at
        versions = list(RuleVersion.objects.order_by("pk").values_list("pk", "active_until"))
        if versions != self._versions or since < self._rules_since:
            self._versions, self._rules_since = versions, since
            self._rules = RuleSet(active_rule_versions(at, since=since))

    def _rebuild(self, people: dict[int, datetime]) -> Advance:
        again = rebuild(self._rules, people)
        return advance(self._rules, again.states, again.rows, freshness=self._freshness)

    def _firing_now(self, at: datetime) -> dict[Pair, Stretch]:
        """The episodes behind the firing alerts, from stored rows; the alerts are locked before the rows are read."""
        self._read_rules(at)
        locked = Alert.objects.select_for_update(of=("self",)).filter(episode=EpisodeState.FIRING).order_by("alert_id")
        firing = list(locked.values_list("user_id", "ended_at"))
        people: dict[int, datetime] = {}
        for user_id, ended_at in firing:
            people[user_id] = min(ended_at, people.get(user_id, ended_at))
        if not people or not self._rules.rules:
            return {}
        return {(stretch.user_id, stretch.rule): stretch for stretch in self._rebuild(people).stretches}

    def _write(
        self,
        stretches: list[Stretch],
        states: dict[int, PersonState],
        at: datetime,
        *,
        rewrite_every: timedelta = REWRITE_EVERY,
    ) -> Detected:
        rules = {rule.key: rule for rule in self._rules.rules}
        stretches = [stretch for stretch in stretches if stretch.rule in rules]
        written: Written = episodes_write(stretches=stretches, rules=rules, at=at, rewrite_every=rewrite_every)
        return Detected(
            states=states,
            owed={(stretch.user_id, stretch.rule): stretch for stretch in written.owed},
            settled={(stretch.user_id, stretch.rule) for stretch in stretches},
            alerts=written.alerts,
            outbox=written.outbox,
        )


def _longest_unchanged(at: datetime) -> list[Alert]:
    """Firing alerts that nothing has changed for a while, locked; those that somebody else holds are his to end."""
    firing = Alert.objects.select_for_update(of=("self",), skip_locked=True).select_related("rule", "user")
    old = firing.filter(episode=EpisodeState.FIRING, changed_at__lt=at - SILENT_FOR)
    return list(old.order_by("alert_id")[:SWEEP_AT_ONCE])


def _is_silent(alert: Alert, gaps: Mapping[RuleKey, timedelta], at: datetime) -> bool:
    """Whether the person's newest reading came more than `max_gap` and 10 min ago, by our clock."""
    gap = gaps.get(RuleKey(alert.rule.rule_id, alert.rule_version))
    if gap is None:
        return False
    newest = Reading.objects.filter(user_id=alert.user_id).order_by("-recorded_at", "-event_id")
    received_at = newest.values_list("received_at", flat=True).first()
    return received_at is None or received_at < at - gap - SILENT_FOR
