"""Detection as the pipeline uses it: new rows in, alerts written, state kept only after the commit."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final
from uuid import UUID

import numpy as np
import polars as pl
from django.db import transaction

from alerts.deriving import Deriving
from alerts.engine import Advance, Rule, RuleSet, Source, Stretch, Window
from alerts.engine.crowd import Times
from alerts.engine.rule import RuleKey
from alerts.engine.ruleset import metrics_of
from alerts.engine.snapshot import Snapshot
from alerts.episodes import REWRITE_EVERY, Written, episodes_end_provisionally, episodes_write
from alerts.lane import Lane
from alerts.models import Alert, OutboxEntry, RuleVersion
from alerts.models.alert import EpisodeState
from alerts.mutes import Mutes
from alerts.rule_versions import active_rule_versions
from alerts.snapshots import snapshots_save
from alerts.standing import Pair
from alerts.wire import alert_json
from devices.models import Reading
from devices.times import is_due

RULES_EVERY: Final = timedelta(seconds=2)
MUTES_BEFORE: Final = timedelta(hours=1)  # what comes from other partitions may be that much older
FLUSH_EVERY: Final = timedelta(seconds=1)
SILENT_FOR: Final = timedelta(minutes=10)  # and the rule's max_gap: then the sweep ends an episode
SWEEP_AT_ONCE: Final = 500
_NO_WINDOWS: Final = pl.DataFrame(schema={"user_id": pl.Int64})

NotOurs = Callable[[Collection[int]], set[int]]


def _nobody(_: Collection[int]) -> set[int]:
    """We are alone."""
    return set()


@dataclass(slots=True)
class Detected:
    """What one transaction found. `advances` and `owed` are kept after the commit; `news` goes to the screens."""

    advances: dict[Source, Advance] = field(default_factory=dict)
    owed: dict[Pair, Stretch] = field(default_factory=dict)
    settled: set[Pair] = field(default_factory=set)
    alerts: list[Alert] = field(default_factory=list)
    outbox: list[OutboxEntry] = field(default_factory=list)

    @property
    def news(self) -> list[tuple[int | None, dict[str, Any]]]:
        """The changed alerts, by the pk of their person, in the contract's JSON."""
        return [(alert.user_id, alert_json(alert)) for alert in self.alerts]


class Detection:
    """Owns the rules in force and the state of people. The state is a cache: dropping it costs time alone.

    `not_ours` says, in a transaction, of which of some people what is remembered is not right any more; of the others
    it stays right until the transaction is over.
    """

    def __init__(self, *, freshness: timedelta, not_ours: NotOurs = _nobody) -> None:
        self._freshness = freshness
        self._not_ours = not_ours
        self._deriving = Deriving()
        self._lanes: dict[Source, Lane] = {}
        self._rules: dict[RuleKey, Rule] = {}
        self._mutes = Mutes()
        self._rules_at: datetime | None = None
        self._rules_since = datetime.max.replace(tzinfo=UTC)
        self._versions: Any = None
        self._owed: dict[Pair, Stretch] = {}
        self._flushed_at: datetime | None = None
        self._swept_to: UUID | None = None  # the last alert looked at, where there are more
        self._is_stale = True  # alerts may be older than the rows: a consumer died between two rewrites

    @property
    def windows(self) -> dict[Window, list[str]]:
        """The windows that rules see, and the metrics that these read of them."""
        lanes = {source: lane for source, lane in self._lanes.items() if isinstance(source, Window)}
        return {window: metrics_of(lane.rules.rules) for window, lane in lanes.items()}

    def detect(
        self,
        rows: pl.DataFrame,
        *,
        at: datetime,
        reached: Times,
        stored: pl.Series,
        windows: Mapping[Window, pl.DataFrame],
    ) -> Detected:
        """Judge new readings, which are stored, and the windows that they completed or changed, and write the alerts;
        inside the batch's transaction. After `read_rules`.

        `reached` is how far the time of these people has come, and perhaps of others; `stored` whose each reading is
        that the batch stored: some may be left out here.
        """
        if rows.is_empty() or not self._lanes:
            return Detected()
        whose = stored.to_numpy()
        times = _times_of(rows, reached)
        advances: dict[Source, Advance] = {}
        for source, lane in self._lanes.items():
            if isinstance(source, Window):
                found = windows.get(source, _NO_WINDOWS)
                advances[source] = lane.judge(found, at=at, stored=whose, as_of=times)
            else:
                advances[source] = lane.judge(rows, at=at, stored=whose)
        return self._write_judged(advances, at)

    def detect_windows(self, windows: Mapping[Window, pl.DataFrame], *, at: datetime) -> Detected:
        """Judge windows that were completed by our own clock; else as `detect`."""
        advances: dict[Source, Advance] = {}
        for source, rows in windows.items():
            if source in self._lanes and rows.height:
                advances[source] = self._lanes[source].judge(rows, at=at)
        return self._write_judged(advances, at)

    def again(self, people: Mapping[int, datetime], *, at: datetime) -> Detected:
        """Judge anew what is stored of these people, from a time on (or before), and write the alerts; inside a
        transaction, after `read_rules`."""
        return self._write_judged({source: lane.again(people) for source, lane in self._lanes.items()}, at)

    def keep(self, detected: Detected) -> None:
        """Take over what a committed transaction found."""
        for source, advance in detected.advances.items():
            self._lanes[source].keep(advance)
        for pair in detected.settled:
            self._owed.pop(pair, None)
        self._owed |= detected.owed

    def save_snapshots(self, *, at: datetime) -> dict[Source, dict[int, Snapshot]]:
        """Save what has been pending for long, inside a transaction that only the consumer of these people may commit;
        `snapshots_saved` follows it."""
        found = {source: kept for source, lane in self._lanes.items() if (kept := lane.snapshots())}
        gone = self._not_ours({user_id for kept in found.values() for user_id in kept})
        found = {source: {pk: each for pk, each in kept.items() if pk not in gone} for source, kept in found.items()}
        for source, kept in found.items():
            snapshots_save(source=source, found=kept, at=at)
        return found

    def snapshots_saved(self, found: Mapping[Source, Mapping[int, Snapshot]]) -> None:
        for source, kept in found.items():
            self._lanes[source].saved(kept)

    def forget(self, people: Collection[int]) -> None:
        """Forget people who have not been heard of for long; what they owe is paid first, by `flush`."""
        for lane in self._lanes.values():
            lane.forget(people)

    def drop(self) -> None:
        """Forget everybody: what is needed again is rebuilt from what is stored."""
        for lane in self._lanes.values():
            lane.drop()
        self._deriving.drop()
        self._owed.clear()
        self._is_stale = True

    def flush_due(self, *, at: datetime) -> Detected:
        """Rewrite the firing alerts whose last second is over."""
        if not is_due(self._flushed_at, every=FLUSH_EVERY, now=at):
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
            changed = self._not_ours({user_id for user_id, _ in self._owed})
            owed = {pair: stretch for pair, stretch in self._owed.items() if pair[0] not in changed}
            if self._is_stale or changed:
                owed = self._firing_now(at, of=None if self._is_stale else changed) | owed
            detected = self._write(list(owed.values()), at, rewrite_every=rewrite_every)
        self._owed, self._is_stale = dict(detected.owed), False
        return detected

    def sweep(self, *, at: datetime) -> Detected:
        """End the episodes of people of whom nothing was received for `max_gap` and 10 min of our own clock.

        Provisional: a reading that continues the run revives the same alert. It is of everybody's people, so that all
        that was received of them must be stored, by whomever.
        """
        self.read_rules(at=at)
        gaps = {key: rule.max_gap for key, rule in self._rules.items()}
        with transaction.atomic():
            unchanged = _longest_unchanged(at, beyond=self._swept_to)
            silent = [alert for alert in unchanged if _is_silent(alert, gaps, at)]
            written = episodes_end_provisionally(alerts=silent, at=at)
        self._swept_to = unchanged[-1].alert_id if len(unchanged) == SWEEP_AT_ONCE else None
        return Detected(alerts=written.alerts, outbox=written.outbox)

    def read_rules(self, *, at: datetime, since: datetime | None = None) -> None:
        """Know the versions in force now, and those that were when the oldest row of a batch, of `since`, was
        received; parsing them takes a moment. The mutes with them."""
        since = min(since or at, at)
        if not is_due(self._rules_at, every=RULES_EVERY, now=at) and since >= self._rules_since:
            return
        self._rules_at = at
        self._mutes.read(since=since - self._freshness - MUTES_BEFORE)
        versions = list(RuleVersion.objects.order_by("pk").values_list("pk", "active_until"))
        if versions != self._versions or since < self._rules_since:
            self._versions, self._rules_since = versions, since
            self._take_rules(active_rule_versions(at, since=since))

    def _take_rules(self, rules: Iterable[Rule]) -> None:
        by_source: dict[Source, list[Rule]] = defaultdict(list)
        for rule in rules:
            by_source[rule.over].append(rule)
        self._rules = {rule.key: rule for rule in chain.from_iterable(by_source.values())}
        lanes = {source: RuleSet(theirs) for source, theirs in by_source.items()}
        self._lanes = {
            source: known.under(rules)
            if (known := self._lanes.get(source))
            else Lane(rules, freshness=self._freshness, deriving=self._deriving)
            for source, rules in lanes.items()
        }

    def _firing_now(self, at: datetime, *, of: Collection[int] | None) -> dict[Pair, Stretch]:
        """The episodes behind the firing alerts of everybody, or of some people, from stored rows. The alerts are
        locked before the rows are read, so that it does not matter who writes for these people."""
        self.read_rules(at=at)
        locked = Alert.objects.select_for_update(of=("self",)).filter(episode=EpisodeState.FIRING).order_by("alert_id")
        locked = locked if of is None else locked.filter(user__in=of)
        firing = list(locked.values_list("user_id", "ended_at", "rule__rule_id", "rule_version"))
        people: dict[Source, dict[int, datetime]] = defaultdict(dict)
        for user_id, ended_at, rule_id, version in firing:
            if rule := self._rules.get(RuleKey(rule_id, version)):
                theirs = people[rule.over]
                theirs[user_id] = min(ended_at, theirs.get(user_id, ended_at))
        stretches = chain.from_iterable(
            self._lanes[source].again(theirs).stretches for source, theirs in people.items()
        )
        return {(stretch.user_id, stretch.rule): stretch for stretch in stretches}

    def _write_judged(self, advances: Mapping[Source, Advance], at: datetime) -> Detected:
        detected = self._write([stretch for advance in advances.values() for stretch in advance.stretches], at)
        detected.advances = dict(advances)
        return detected

    def _write(
        self,
        stretches: list[Stretch],
        at: datetime,
        *,
        rewrite_every: timedelta = REWRITE_EVERY,
    ) -> Detected:
        stretches = [stretch for stretch in stretches if stretch.rule in self._rules]
        written: Written = episodes_write(
            stretches=stretches, rules=self._rules, mutes=self._mutes, at=at, rewrite_every=rewrite_every
        )
        return Detected(
            owed={(stretch.user_id, stretch.rule): stretch for stretch in written.owed},
            settled={(stretch.user_id, stretch.rule) for stretch in stretches},
            alerts=written.alerts,
            outbox=written.outbox,
        )


def _times_of(rows: pl.DataFrame, reached: Times) -> Times:
    """Of those whose rows these are."""
    people = np.unique(rows["user_id"].to_numpy())
    return Times(people, reached.at[np.searchsorted(reached.user, people)])


def _longest_unchanged(at: datetime, *, beyond: UUID | None) -> list[Alert]:
    """Some of the firing alerts that nothing has changed for a while, in the order of their ids, beyond one of them;
    locked. Those that somebody else holds are his to end.

    Those of an absence have no readings: to be silent is what they fire for, and more of them than are taken at once
    would keep all others waiting.
    """
    firing = Alert.objects.select_for_update(of=("self",), skip_locked=True).select_related("rule", "user")
    old = firing.filter(episode=EpisodeState.FIRING, changed_at__lt=at - SILENT_FOR, event_count__gt=0)
    old = old if beyond is None else old.filter(alert_id__gt=beyond)
    return list(old.order_by("alert_id")[:SWEEP_AT_ONCE])


def _is_silent(alert: Alert, gaps: Mapping[RuleKey, timedelta], at: datetime) -> bool:
    """Whether the person's newest reading came more than `max_gap` and 10 min ago, by our clock."""
    gap = gaps.get(RuleKey(alert.rule.rule_id, alert.rule_version))
    if gap is None:
        return False
    newest = Reading.objects.filter(user=alert.user).order_by("-recorded_at", "-event_id")
    received_at = newest.values_list("received_at", flat=True).first()
    return received_at is None or received_at < at - gap - SILENT_FOR
